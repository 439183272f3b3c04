// SPDX-License-Identifier: MIT
//
// What ThreadSanitizer cannot see for itself. In any other build these functions are nothing.
//
// Thread safety: any thread.

#pragma once

#include <ctime>

#if defined(__SANITIZE_THREAD__)
#define RINGO_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RINGO_THREAD_SANITIZER 1
#endif
#endif
#ifndef RINGO_THREAD_SANITIZER
#define RINGO_THREAD_SANITIZER 0
#endif

#if RINGO_THREAD_SANITIZER
#include <sanitizer/tsan_interface.h>
#endif

namespace ringo::detail {

/// ThreadSanitizer runs signal handlers only inside library functions that it knows; a thread that
/// sleeps in a system call of its own would never run one. Threads that may sleep for long call
/// this now and then.
inline void run_deferred_signal_handlers() noexcept {
#if RINGO_THREAD_SANITIZER
  const timespec nothing{};
  // allow(wall-clock-sleep): of no time at all; for the sake of what the tool does in it
  nanosleep(&nothing, nullptr);
#endif
}

#if RINGO_THREAD_SANITIZER
inline constinit char ring_memory = 0;
#endif

/// liburing unmaps a ring by a system call of its own. The kernel may give the addresses to the
/// next ring, which ThreadSanitizer would take for the same memory: what is done before
/// release_ring_memory() happens before what follows acquire_ring_memory() anywhere.
inline void release_ring_memory() noexcept {
#if RINGO_THREAD_SANITIZER
  __tsan_release(&ring_memory);
#endif
}
inline void acquire_ring_memory() noexcept {
#if RINGO_THREAD_SANITIZER
  __tsan_acquire(&ring_memory);
#endif
}

}  // namespace ringo::detail
