// SPDX-License-Identifier: MIT
//
// The lock inside the runtime's primitives: ParkingLock with annotations. It guards a few
// instructions at a time, never a suspension (the guard holds `no_suspend`), and of user code only
// the move of a value into an mpsc channel (G8 of mpsc_gate.h).
//
// Thread safety: that is what it is for. Not recursive, not fair.

#pragma once

#include <ringo/detail/atomic.h>
#include <ringo/detail/parking_lock.h>
#include <ringo/detail/thread_annotations.h>

namespace ringo::detail {

#ifdef RINGO_MODEL

class RINGO_CAPABILITY("mutex") Mutex {
 public:
  void lock() RINGO_ACQUIRE(this) { mutex_.lock($); }
  bool try_lock() RINGO_TRY_ACQUIRE(true, this) { return mutex_.try_lock($); }
  void unlock() RINGO_RELEASE(this) { mutex_.unlock($); }

 private:
  rl::mutex mutex_;
};

#else

class RINGO_CAPABILITY("mutex") Mutex {
 public:
  constexpr Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;
  ~Mutex() = default;

  void lock() RINGO_ACQUIRE(this) RINGO_NO_THREAD_SAFETY_ANALYSIS { lock_.lock(); }
  bool try_lock() RINGO_TRY_ACQUIRE(true, this) RINGO_NO_THREAD_SAFETY_ANALYSIS {
    return lock_.try_lock();
  }
  void unlock() RINGO_RELEASE(this) RINGO_NO_THREAD_SAFETY_ANALYSIS { lock_.unlock(); }

 private:
  ParkingLock lock_;
};

#endif

/// Holds a Mutex for a scope.
class RINGO_SCOPED_CAPABILITY MutexGuard {
 public:
  explicit MutexGuard(Mutex& mutex) RINGO_ACQUIRE(mutex, no_suspend) : mutex_(mutex) {
    mutex_.lock();
  }
  MutexGuard(const MutexGuard&) = delete;
  MutexGuard& operator=(const MutexGuard&) = delete;
  ~MutexGuard() RINGO_RELEASE() { mutex_.unlock(); }

 private:
  Mutex& mutex_;
};

}  // namespace ringo::detail
