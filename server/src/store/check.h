// SPDX-License-Identifier: MIT
//
// The server's assertions: a broken invariant ends the process with a message. Input from outside
// never reaches one. RINGO_STORE_CHECK is always on; RINGO_STORE_DCHECK in checked builds only.

#pragma once

#include <ringo/config.h>

namespace ringo::server {

/// Prints where and what, then aborts.
[[noreturn]] void check_failed(const char* file, int line, const char* what);

}  // namespace ringo::server

#define RINGO_STORE_CHECK(condition, what)                       \
  do {                                                           \
    if (!(condition)) [[unlikely]] {                             \
      ::ringo::server::check_failed(__FILE__, __LINE__, (what)); \
    }                                                            \
  } while (false)

#if RINGO_DEBUG_CHECKS
#define RINGO_STORE_DCHECK(condition, what) RINGO_STORE_CHECK(condition, what)
#else
#define RINGO_STORE_DCHECK(condition, what) static_cast<void>(0)
#endif
