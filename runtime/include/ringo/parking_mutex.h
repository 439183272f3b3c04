// SPDX-License-Identifier: MIT
//
// ParkingMutex: the plain lock for state that is used for a moment and never over a co_await. One
// word; without contention it costs one compare-and-swap and a store, half of what std::mutex does;
// under contention a thread spins for as long as that paid of late, then sleeps (as
// parking_lot::Mutex, in the place of std::mutex).
//
//   struct Counter {
//     ringo::ParkingMutex mutex;
//     int hits RINGO_GUARDED_BY(mutex) = 0;
//   };
//   {
//     const ringo::ParkingGuard guard(counter.mutex);
//     ++counter.hits;
//   }  // before any co_await
//
// A guard that lives over a co_await blocks the very thread that should run its holder. Three nets
// catch it: Guarded<T> has no guard, clang's -Wthread-safety sees this one, and a debug build
// reports it with both lines (docs/guide/locks.md). A lock that may be held over a co_await:
// Mutex<T>.
//
// Thread safety: that is what it is for. Not recursive and not fair: a thread that comes by may be
// served before one that sleeps. A holder that loses its processor inside unlock() may leave a
// thread asleep for up to a millisecond more, up to eight if it has slept for long, though the lock
// is free (decision 0020).

#pragma once

#include <ringo/detail/held_locks.h>
#include <ringo/detail/parking_lock.h>
#include <ringo/thread_annotations.h>

#include <array>
#include <cstddef>
#include <source_location>

namespace ringo {

class RINGO_CAPABILITY("mutex") ParkingMutex {
 public:
  ParkingMutex() = default;
  ParkingMutex(const ParkingMutex&) = delete;
  ParkingMutex& operator=(const ParkingMutex&) = delete;
#if RINGO_CHECK_SUSPEND
  ~ParkingMutex() { detail::note_lock_destroyed(this); }
#else
  ~ParkingMutex() = default;
#endif

  /// Blocks the thread until it has the lock. `where` is for reports.
  ///
  /// Complexity: one compare-and-swap while it is free; no allocation.
  void lock(std::source_location where = std::source_location::current())
      RINGO_ACQUIRE(this, no_suspend) RINGO_NO_THREAD_SAFETY_ANALYSIS {
    lock_as({this}, where);
  }
  [[nodiscard]] bool try_lock(std::source_location where = std::source_location::current())
      RINGO_TRY_ACQUIRE(true, this, no_suspend) RINGO_NO_THREAD_SAFETY_ANALYSIS {
    if (!lock_.try_lock()) {
      return false;
    }
    detail::note_locked({this}, where);
    return true;
  }
  /// Requires: the calling thread has the lock.
  void unlock() RINGO_RELEASE(this, no_suspend) RINGO_NO_THREAD_SAFETY_ANALYSIS {
    detail::note_unlocked(this);
    lock_.unlock();
  }

  /// For the library: the lock is one of a group, in which only the group's owner knows the order.
  void lock_as(detail::LockName name, std::source_location where) RINGO_NO_THREAD_SAFETY_ANALYSIS {
    detail::note_lock_wanted(name, where);
    lock_.lock();
    detail::note_locked(name, where);
  }
  /// For who takes many in an order of their own: neither clang's analysis nor the run-time check
  /// knows of it.
  void lock_unnoted() RINGO_NO_THREAD_SAFETY_ANALYSIS { lock_.lock(); }
  void unlock_unnoted() RINGO_NO_THREAD_SAFETY_ANALYSIS { lock_.unlock(); }

 private:
  detail::ParkingLock lock_;
};

/// Holds a ParkingMutex to the end of the scope, or to unlock().
///
/// Thread safety: a guard is used, and destroyed, by the thread that made it.
class [[nodiscard]] RINGO_SCOPED_CAPABILITY ParkingGuard {
 public:
  explicit ParkingGuard(ParkingMutex& mutex,
                        std::source_location where = std::source_location::current())
      RINGO_ACQUIRE(mutex, no_suspend) RINGO_NO_THREAD_SAFETY_ANALYSIS : mutex_(&mutex) {
    mutex.lock(where);
  }
  ParkingGuard(const ParkingGuard&) = delete;
  ParkingGuard& operator=(const ParkingGuard&) = delete;
  ~ParkingGuard() RINGO_RELEASE() RINGO_NO_THREAD_SAFETY_ANALYSIS {
    if (is_locked_) {
      mutex_->unlock();
    }
  }

  /// Gives the lock up now, for instance before a co_await. Requires: it is locked.
  void unlock() RINGO_RELEASE() RINGO_NO_THREAD_SAFETY_ANALYSIS {
    is_locked_ = false;
    mutex_->unlock();
  }
  /// Takes it again. Requires: it was unlocked.
  void lock(std::source_location where = std::source_location::current())
      RINGO_ACQUIRE() RINGO_NO_THREAD_SAFETY_ANALYSIS {
    mutex_->lock(where);
    is_locked_ = true;
  }

 private:
  ParkingMutex* mutex_;
  bool is_locked_ = true;
};

/// Holds several mutexes to the end of the scope: lock_all() makes it.
class [[nodiscard]] RINGO_SCOPED_CAPABILITY ParkingGuardOfAll {
 public:
  static constexpr std::size_t kMaxMutexes = 4;

  ParkingGuardOfAll(const ParkingGuardOfAll&) = delete;
  ParkingGuardOfAll& operator=(const ParkingGuardOfAll&) = delete;
  ~ParkingGuardOfAll() RINGO_RELEASE() RINGO_NO_THREAD_SAFETY_ANALYSIS;

 private:
  using Mutexes = std::array<ParkingMutex*, kMaxMutexes>;
  friend struct LockAllAccess;
  /// Those beyond the last are null.
  ParkingGuardOfAll(Mutexes mutexes, std::source_location where) RINGO_NO_THREAD_SAFETY_ANALYSIS;

  Mutexes mutexes_;
};

/// For lock_all().
struct LockAllAccess {
  template <class... Mutexes>
  static ParkingGuardOfAll make(std::source_location where, Mutexes&... mutexes) {
    return ParkingGuardOfAll({&mutexes...}, where);
  }
};

/// Takes two to four mutexes, in an order that is the same wherever they are taken so: no deadlock.
/// The same one twice counts once. For clang's analysis they take one `no_suspend` role together,
/// where two guards in one scope would be an error.
///
///   auto guard = ringo::lock_all(from.mutex, to.mutex);
///
/// Complexity: as the single locks.
[[nodiscard]] inline ParkingGuardOfAll lock_all(
    ParkingMutex& a, ParkingMutex& b, std::source_location where = std::source_location::current())
    RINGO_ACQUIRE(a, b, no_suspend) RINGO_NO_THREAD_SAFETY_ANALYSIS {
  return LockAllAccess::make(where, a, b);
}
[[nodiscard]] inline ParkingGuardOfAll lock_all(
    ParkingMutex& a, ParkingMutex& b, ParkingMutex& c,
    std::source_location where = std::source_location::current())
    RINGO_ACQUIRE(a, b, c, no_suspend) RINGO_NO_THREAD_SAFETY_ANALYSIS {
  return LockAllAccess::make(where, a, b, c);
}
[[nodiscard]] inline ParkingGuardOfAll lock_all(
    ParkingMutex& a, ParkingMutex& b, ParkingMutex& c, ParkingMutex& d,
    std::source_location where = std::source_location::current())
    RINGO_ACQUIRE(a, b, c, d, no_suspend) RINGO_NO_THREAD_SAFETY_ANALYSIS {
  return LockAllAccess::make(where, a, b, c, d);
}

}  // namespace ringo
