// SPDX-License-Identifier: MIT
//
// Which thread-blocking locks each thread holds, and since where: what the reports of lock_check.h
// are made from. Every call is empty without RINGO_CHECK_SUSPEND.
//
// Thread safety: each thread has a list of its own; what is shared (orders of locks, guards that
// were suspended with) is behind a lock that nothing else is taken under.

#pragma once

#include <ringo/config.h>

#include <cstddef>
#include <source_location>

namespace ringo::detail {

/// What is locked. Several locks that are taken by one call share a group, which stands for all.
struct LockName {
  const void* lock;
  const void* group = nullptr;
};

inline constexpr std::size_t kMaxHeldLocks = 32;
inline constexpr std::size_t kMaxLockOrders = 4096;

#if RINGO_CHECK_SUSPEND

/// Before a thread may block for a lock.
void note_lock_wanted(LockName name, const std::source_location& where) noexcept;
/// After it has the lock.
void note_locked(LockName name, const std::source_location& where) noexcept;
/// Before it gives the lock up.
void note_unlocked(const void* lock) noexcept;
/// The memory may become another lock.
void note_lock_destroyed(const void* lock) noexcept;
/// At a co_await: the running coroutines must not hold a lock.
void check_suspend(const std::source_location& where) noexcept;
/// What the thread holds when it begins to run coroutines is none of theirs.
[[nodiscard]] std::size_t begin_coroutines() noexcept;
void end_coroutines(std::size_t before) noexcept;

#else

inline void note_lock_wanted(LockName /*name*/, const std::source_location& /*where*/) noexcept {}
inline void note_locked(LockName /*name*/, const std::source_location& /*where*/) noexcept {}
inline void note_unlocked(const void* /*lock*/) noexcept {}
inline void note_lock_destroyed(const void* /*lock*/) noexcept {}
inline void check_suspend(const std::source_location& /*where*/) noexcept {}

#endif

}  // namespace ringo::detail
