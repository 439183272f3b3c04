# SPDX-License-Identifier: MIT
# Finds liburing and defines liburing::liburing. Installed beside ringoConfig.cmake, because a
# static libringo_runtime.a needs liburing again when a program is linked.
find_path(liburing_INCLUDE_DIR NAMES liburing.h)
find_library(liburing_LIBRARY NAMES uring)
mark_as_advanced(liburing_INCLUDE_DIR liburing_LIBRARY)

# liburing 2.3 has no version header; pkg-config knows the version.
find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
  pkg_check_modules(PC_liburing QUIET liburing)
  set(liburing_VERSION "${PC_liburing_VERSION}")
endif()

include(FindPackageHandleStandardArgs)
if(liburing_VERSION)
  find_package_handle_standard_args(liburing
    REQUIRED_VARS liburing_LIBRARY liburing_INCLUDE_DIR VERSION_VAR liburing_VERSION)
else()
  # Without pkg-config the version cannot be told; the headers' own #ifdefs then decide.
  unset(liburing_FIND_VERSION)
  find_package_handle_standard_args(liburing REQUIRED_VARS liburing_LIBRARY liburing_INCLUDE_DIR)
endif()

if(liburing_FOUND AND NOT TARGET liburing::liburing)
  add_library(liburing::liburing UNKNOWN IMPORTED)
  set_target_properties(liburing::liburing PROPERTIES
    IMPORTED_LOCATION "${liburing_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${liburing_INCLUDE_DIR}")
endif()
