// SPDX-License-Identifier: MIT
//
// ThreadSanitizer runs signal handlers only inside library functions that it knows; a thread that
// sleeps in a system call of its own would never run one. Threads that may sleep for long call this
// now and then; without ThreadSanitizer it is nothing, because the kernel runs handlers at once.
//
// Thread safety: any thread.

#pragma once

#include <ctime>

#if defined(__SANITIZE_THREAD__)
#define RINGO_DEFERS_SIGNALS 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RINGO_DEFERS_SIGNALS 1
#endif
#endif
#ifndef RINGO_DEFERS_SIGNALS
#define RINGO_DEFERS_SIGNALS 0
#endif

namespace ringo::detail {

inline void run_deferred_signal_handlers() noexcept {
#if RINGO_DEFERS_SIGNALS
  const timespec nothing{};
  // allow(wall-clock-sleep): of no time at all; for the sake of what the tool does in it
  nanosleep(&nothing, nullptr);
#endif
}

}  // namespace ringo::detail
