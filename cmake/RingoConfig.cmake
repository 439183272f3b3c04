# SPDX-License-Identifier: MIT
# Generates <ringo/config.h>. What it holds changes the layout or the meaning of inline code, so a
# program must see the values with which the library was built: hence a header that is installed
# with the library, not compile definitions.

if(RINGO_TRAMPOLINE)
  set(RINGO_SYMMETRIC_TRANSFER 0)
elseif(RINGO_CLANG)
  set(RINGO_SYMMETRIC_TRANSFER 1)  # a musttail call at every level, sanitizers included
elseif(RINGO_SANITIZE STREQUAL "" AND "${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${ringo_build_type}}"
       MATCHES "-O[23]|-Ofast")
  set(RINGO_SYMMETRIC_TRANSFER 1)
else()
  set(RINGO_SYMMETRIC_TRANSFER 0)  # g++ would grow the stack with every await: use the trampoline
endif()

if(RINGO_SANITIZE STREQUAL "")
  set(RINGO_FRAME_POOL 1)
else()
  set(RINGO_FRAME_POOL 0)  # the sanitizer must see each frame as an allocation of its own
endif()

if(RINGO_DEBUG_CHECKS)
  set(RINGO_DEBUG_CHECKS_VALUE 1)
else()
  set(RINGO_DEBUG_CHECKS_VALUE 0)
endif()

if(RINGO_CHECK_SUSPEND AND NOT RINGO_MODEL)
  set(RINGO_CHECK_SUSPEND_VALUE 1)
else()
  set(RINGO_CHECK_SUSPEND_VALUE 0)
endif()

configure_file("${PROJECT_SOURCE_DIR}/runtime/include/ringo/config.h.in"
               "${PROJECT_BINARY_DIR}/include/ringo/config.h" @ONLY)
