# SPDX-License-Identifier: MIT
# Options, and the settings that hold for every target of this tree: default build type, compiler
# cache, sanitizers, linker. The presets (CMakePresets.json) are named sets of these options.

option(RINGO_WERROR "Treat warnings in our own code as errors" ${PROJECT_IS_TOP_LEVEL})
option(RINGO_BUILD_TESTS "Build the unit and integration tests" ${PROJECT_IS_TOP_LEVEL})
option(RINGO_BUILD_EXAMPLES "Build the example programs" ${PROJECT_IS_TOP_LEVEL})
option(RINGO_BUILD_BENCH "Define the benchmarks (target ringo_bench; never part of `all`)"
       ${PROJECT_IS_TOP_LEVEL})
option(RINGO_INSTALL "Define the install rules" ${PROJECT_IS_TOP_LEVEL})
option(RINGO_LTO "Link-time optimisation" OFF)
option(RINGO_TRAMPOLINE "Pass control between coroutines by the trampoline even where the compiler \
makes symmetric transfer a tail call: for testing it" OFF)
option(RINGO_MODEL "Build only the relacy models (tests/model)" OFF)
option(RINGO_FUZZ "Build the libFuzzer targets (clang only)" OFF)
option(RINGO_COVERAGE "Source-based coverage (clang only)" OFF)
set(RINGO_SANITIZE "" CACHE STRING "address (with undefined), thread, or empty")
set_property(CACHE RINGO_SANITIZE PROPERTY STRINGS "" address thread)

if(PROJECT_IS_TOP_LEVEL)
  # Never an unoptimised default: g++ turns symmetric transfer into a tail call only from -O2 on.
  if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Build type" FORCE)
    set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g" CACHE STRING "Flags" FORCE)
  endif()
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
  if(NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
    find_program(RINGO_CCACHE ccache)
    mark_as_advanced(RINGO_CCACHE)
    if(RINGO_CCACHE)
      set(CMAKE_CXX_COMPILER_LAUNCHER "${RINGO_CCACHE}")
    endif()
  endif()
endif()

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)

string(TOUPPER "${CMAKE_BUILD_TYPE}" ringo_build_type)
if(CMAKE_BUILD_TYPE MATCHES "^(Release|MinSizeRel)$")
  set(ringo_debug_checks_default OFF)
else()
  set(ringo_debug_checks_default ON)
endif()
option(RINGO_DEBUG_CHECKS "Check RINGO_DCHECK and other costly invariants"
       ${ringo_debug_checks_default})
option(RINGO_CHECK_SUSPEND "Report guards held over a co_await, and deadlocks of locks, at run time"
       ${RINGO_DEBUG_CHECKS})

if(RINGO_DEBUG_CHECKS)
  # An empty optional, an index past the end, an empty front(): aborts. Changes no layout.
  add_compile_definitions(_GLIBCXX_ASSERTIONS)
endif()

if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  set(RINGO_CLANG ON)
else()
  set(RINGO_CLANG OFF)
endif()

if(RINGO_FUZZ AND NOT RINGO_CLANG)
  message(FATAL_ERROR "RINGO_FUZZ needs clang (libFuzzer): use the preset `fuzz`")
endif()
if(RINGO_COVERAGE AND NOT RINGO_CLANG)
  message(FATAL_ERROR "RINGO_COVERAGE needs clang: use the preset `coverage`")
endif()

if(RINGO_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
  add_link_options(-fsanitize=fuzzer-no-link)
endif()
if(RINGO_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all
                      -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
elseif(RINGO_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
elseif(NOT RINGO_SANITIZE STREQUAL "")
  message(FATAL_ERROR "RINGO_SANITIZE: `${RINGO_SANITIZE}` is not one of: address, thread")
endif()
if(RINGO_COVERAGE)
  add_compile_options(-fprofile-instr-generate -fcoverage-mapping)
  add_link_options(-fprofile-instr-generate)
endif()

if(RINGO_CLANG)
  include(CheckLinkerFlag)
  check_linker_flag(CXX -fuse-ld=lld RINGO_HAS_LLD)
  if(RINGO_HAS_LLD)
    add_link_options(-fuse-ld=lld)
  endif()
endif()

if(RINGO_LTO)
  include(CheckIPOSupported)
  check_ipo_supported(LANGUAGES CXX)
  set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
  if(NOT RINGO_CLANG)
    # The installed archives stay usable for a linker without the plug-in.
    add_compile_options(-ffat-lto-objects)
  endif()
endif()
