// SPDX-License-Identifier: MIT
//
// What a thread does between two looks at something that another thread will have done in some
// nanoseconds.
//
// Thread safety: all of it.

#pragma once

#include <ringo/detail/atomic.h>

#include <thread>

namespace ringo::detail {

/// Tells the processor that this is a loop that waits.
inline void relax() noexcept {
#ifdef RINGO_MODEL
  rl::yield(1, $);
#elif defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

/// The same in a loop without an end: after `looks` tries the other thread has probably lost its
/// processor, and is offered this one.
inline void relax_or_yield(int look, int looks = 64) noexcept {
  if (look < looks) {
    relax();
    return;
  }
#ifdef RINGO_MODEL
  rl::yield(1, $);
#else
  std::this_thread::yield();
#endif
}

}  // namespace ringo::detail
