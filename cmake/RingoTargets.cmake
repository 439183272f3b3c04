# SPDX-License-Identifier: MIT
# How a component becomes targets. Sources are globbed with CONFIGURE_DEPENDS: adding a file needs
# no edit here, the next build sees it. A component without sources is an INTERFACE library, so
# that what depends on its headers still works.

function(ringo_set_warnings target)
  target_compile_options(${target} PRIVATE
    -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wdeprecated-copy-dtor
    -Woverloaded-virtual -Wcast-qual
    -Wformat=2 -Wimplicit-fallthrough)
  if(RINGO_CLANG)
    target_compile_options(${target} PRIVATE -Wthread-safety -Wthread-safety-beta)
  elseif(CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # A false positive of g++ 12 at -O3 about std::string (GCC PR 105651).
    target_compile_options(${target} PRIVATE -Wno-restrict)
  endif()
  if(RINGO_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
endfunction()

# ringo_add_library(<component> [PUBLIC <libs>] [PRIVATE <libs>])
# <component>/src/**.cc except src/main/ -> ringo::<component>, headers in <component>/include.
function(ringo_add_library component)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "PUBLIC;PRIVATE")
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/src/*.cc")
  list(FILTER sources EXCLUDE REGEX "/src/main/")
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/include/*.h")
  set(target ringo_${component})
  if(sources)
    add_library(${target} STATIC ${sources})
    set(scope PUBLIC)
    target_include_directories(${target} PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}/src")
    target_link_libraries(${target} PUBLIC ${arg_PUBLIC} PRIVATE ${arg_PRIVATE})
    ringo_set_warnings(${target})
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
    target_link_libraries(${target} INTERFACE ${arg_PUBLIC} ${arg_PRIVATE})
  endif()
  add_library(ringo::${component} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${component})
  target_compile_features(${target} ${scope} cxx_std_23)
  target_include_directories(${target} ${scope}
    "$<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include>"
    "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
  set_property(GLOBAL APPEND PROPERTY RINGO_LIBRARIES ${target})
endfunction()

# ringo_add_programs(<component> [LINK <libs>]): each src/main/ringo_x.cc -> the program ringo-x.
function(ringo_add_programs component)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "LINK")
  file(GLOB mains CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/src/main/*.cc")
  if(NOT mains)
    return()
  endif()
  find_package(CLI11 REQUIRED)
  foreach(main IN LISTS mains)
    get_filename_component(name "${main}" NAME_WE)
    string(REPLACE "_" "-" name "${name}")
    add_executable(${name} "${main}")
    target_include_directories(${name} PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}/src")
    target_link_libraries(${name} PRIVATE ringo::${component} CLI11::CLI11 ${arg_LINK})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
    ringo_set_warnings(${name})
    set_property(GLOBAL APPEND PROPERTY RINGO_PROGRAMS ${name})
  endforeach()
endfunction()
