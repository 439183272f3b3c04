// SPDX-License-Identifier: MIT
//
// The lock inside the runtime's primitives: one word, a short spin, then a futex. It guards a few
// instructions at a time, never user code and never a suspension (the guard holds `no_suspend`).
//
// Thread safety: that is what it is for. Not recursive, not fair.

#pragma once

#include <ringo/detail/atomic.h>
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

  void lock() RINGO_ACQUIRE(this) RINGO_NO_THREAD_SAFETY_ANALYSIS {
    std::uint32_t expected = kFree;
    // acquire: pairs with the release in unlock(); without it the critical section could see stale
    // data of the one before.
    if (!word_.compare_exchange_strong(expected, kHeld, std::memory_order_acquire,
                                       std::memory_order_relaxed)) [[unlikely]] {
      lock_slow();
    }
  }

  bool try_lock() RINGO_TRY_ACQUIRE(true, this) RINGO_NO_THREAD_SAFETY_ANALYSIS {
    std::uint32_t expected = kFree;
    // acquire: as in lock().
    return word_.compare_exchange_strong(expected, kHeld, std::memory_order_acquire,
                                         std::memory_order_relaxed);
  }

  void unlock() RINGO_RELEASE(this) RINGO_NO_THREAD_SAFETY_ANALYSIS {
    // release: publishes the critical section to the next lock().
    if (word_.exchange(kFree, std::memory_order_release) == kHeldWithSleepers) [[unlikely]] {
      wake_one();
    }
  }

 private:
  // word_: who may be asleep on it.
  static constexpr std::uint32_t kFree = 0;
  static constexpr std::uint32_t kHeld = 1;
  static constexpr std::uint32_t kHeldWithSleepers = 2;

  void lock_slow() RINGO_NO_THREAD_SAFETY_ANALYSIS;
  void wake_one();

  std::atomic<std::uint32_t> word_{kFree};
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
