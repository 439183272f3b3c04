// SPDX-License-Identifier: MIT
//
// How std::mutex comes into the list of held locks: in a build with RINGO_CHECK_SUSPEND the library
// defines pthread_mutex_lock and its like, notes the call, and passes it on to the C library.
// Sanitizers do the same for their own purposes, so there it stays out.
//
// Thread safety: all of it.

#pragma once

#include <ringo/config.h>

#include <string>

#include "base/thread_sanitizer.h"

#if defined(__SANITIZE_ADDRESS__)
#define RINGO_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RINGO_ADDRESS_SANITIZER 1
#endif
#endif

#if RINGO_CHECK_SUSPEND && !RINGO_THREAD_SANITIZER && !defined(RINGO_ADDRESS_SANITIZER) && \
    defined(__GLIBC__)
#define RINGO_CHECK_STD_MUTEX 1
#else
#define RINGO_CHECK_STD_MUTEX 0
#endif

#if RINGO_CHECK_SUSPEND

namespace ringo::detail {

/// Whether waiting for it twice is a deadlock (a recursive mutex counts).
enum class Relock : bool { kDeadlocks, kIsAllowed };

// As the functions of held_locks.h, with the caller's address instead of a source location.
void note_std_mutex_wanted(const void* mutex, const void* caller, Relock relock) noexcept;
void note_std_mutex_locked(const void* mutex, const void* caller) noexcept;

/// "program(function+0x12)" or "program+0x1234", which addr2line takes.
[[nodiscard]] std::string describe_caller(const void* address);

}  // namespace ringo::detail

#endif
