# SPDX-License-Identifier: MIT
# What `make install` leaves behind: archives, headers, programs, a CMake package
# (find_package(ringo)) and one pkg-config file per library.
include(CMakePackageConfigHelpers)

get_property(libraries GLOBAL PROPERTY RINGO_LIBRARIES)
get_property(programs GLOBAL PROPERTY RINGO_PROGRAMS)
set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/ringo")

install(TARGETS ${libraries} EXPORT ringoTargets
        ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
        INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
if(programs)
  install(TARGETS ${programs} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()
foreach(component IN ITEMS runtime protocol client server)
  install(DIRECTORY "${PROJECT_SOURCE_DIR}/${component}/include/"
          DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.h")
endforeach()
install(FILES "${PROJECT_BINARY_DIR}/include/ringo/config.h"
        DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/ringo")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}")

install(EXPORT ringoTargets NAMESPACE ringo:: DESTINATION "${package_dir}")
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/ringoConfig.cmake.in"
                              "${PROJECT_BINARY_DIR}/ringoConfig.cmake"
                              INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/ringoConfigVersion.cmake"
                                 COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/ringoConfig.cmake"
              "${PROJECT_BINARY_DIR}/ringoConfigVersion.cmake"
              "${PROJECT_SOURCE_DIR}/cmake/Findliburing.cmake"
        DESTINATION "${package_dir}")

# ringo_install_pkg_config(<file> <component> <description> <requires>)
function(ringo_install_pkg_config name component description requires)
  set(PC_NAME ${name})
  set(PC_DESCRIPTION "${description}")
  set(PC_REQUIRES "${requires}")
  set(PC_LIBS "")
  set(PC_CFLAGS "")
  get_target_property(type ringo_${component} TYPE)
  if(NOT type STREQUAL "INTERFACE_LIBRARY")
    set(PC_LIBS "-lringo_${component}")
  endif()
  if(component STREQUAL "runtime")
    string(APPEND PC_LIBS " -pthread")
    set(PC_CFLAGS " -pthread")
  endif()
  # The prefix is found from the file's own place, so an install with DESTDIR or a moved tree works.
  file(RELATIVE_PATH PC_PREFIX "/p/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/p")
  configure_file("${PROJECT_SOURCE_DIR}/cmake/ringo.pc.in" "${PROJECT_BINARY_DIR}/${name}.pc" @ONLY)
  install(FILES "${PROJECT_BINARY_DIR}/${name}.pc"
          DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
endfunction()

ringo_install_pkg_config(ringo runtime
  "Tokio-like runtime for C++ coroutines on io_uring" "fmt >= 9, liburing >= 2.3")
ringo_install_pkg_config(ringo-protocol protocol "RESP2 and RESP3 frames" "ringo = ${PROJECT_VERSION}")
ringo_install_pkg_config(ringo-client client "Client of Redis-protocol servers"
  "ringo-protocol = ${PROJECT_VERSION}")
ringo_install_pkg_config(ringo-server server "Redis-protocol server as a library"
  "ringo-protocol = ${PROJECT_VERSION}")
