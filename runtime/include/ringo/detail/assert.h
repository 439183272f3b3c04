// SPDX-License-Identifier: MIT
//
// RINGO_CHECK states an invariant of the library and is always on; RINGO_DCHECK is on in builds
// with RINGO_DEBUG_CHECKS. Both print the condition, the message and the place, then abort. They
// are for broken invariants and misuse only: input from outside never reaches them.

#pragma once

#include <ringo/config.h>

namespace ringo::detail {

[[noreturn]] void check_failed(const char* condition, const char* message, const char* file,
                               int line) noexcept;

}  // namespace ringo::detail

#define RINGO_CHECK(condition, message)                                       \
  do {                                                                        \
    if (!(condition)) [[unlikely]] {                                          \
      ::ringo::detail::check_failed(#condition, message, __FILE__, __LINE__); \
    }                                                                         \
  } while (false)

#if RINGO_DEBUG_CHECKS
#define RINGO_DCHECK(condition, message) RINGO_CHECK(condition, message)
#else
#define RINGO_DCHECK(condition, message)                             \
  do {                                                               \
    (void)sizeof((condition) ? 1 : 0); /* used, but not evaluated */ \
  } while (false)
#endif
