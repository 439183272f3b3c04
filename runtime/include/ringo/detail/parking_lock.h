// SPDX-License-Identifier: MIT
//
// The one implementation of a lock that makes a thread sleep: a word, a spin that adapts itself,
// then a futex. detail::Mutex and ringo::ParkingMutex give it their annotations and checks.
//
//   kFree  --lock-->  kHeld  --a thread goes to sleep-->  kHeldWithSleepers  --unlock-->  kFree
//
//   L1  Who goes to sleep has made it kHeldWithSleepers, and the kernel looks once more: an unlock
//       that finds kHeldWithSleepers makes it kFree, and wakes.
//   L2  Who has once been to the kernel takes the lock as kHeldWithSleepers, because others may be
//       asleep, too. One wake too many is harmless, one too few is not.
//   L3  An unlock is a look and a store. A mark that is set between the two is overwritten, and who
//       has set it sleeps for nothing. So it first looks at its mark for longer than a store takes
//       to come through, and then sleeps for a millisecond at most (then two, four, eight): that is
//       for a holder which lost its processor between look and store, and is all that it costs.
//
// One exchange would do without L3, and cost as much as all the rest of a lock that nobody contends
// for: a locked instruction waits until all stores before it have come through.
//
// Not fair: a thread that comes by may overtake one that is being woken. That is what keeps a
// contended lock fast: no hand-over waits for the scheduler.
//
// Thread safety: that is what it is for. Not recursive. tests/model/parking_lock_model.cc.

#pragma once

#include <ringo/detail/atomic.h>
#include <ringo/detail/futex.h>
#include <ringo/detail/relax.h>

#include <algorithm>
#include <cstdint>

namespace ringo::detail {

/// How long this thread's last successful spins were: the next may be twice as long. A thread whose
/// spins come to nothing (one processor, holders that are preempted) soon spins the least.
class SpinEstimate {
 public:
  [[nodiscard]] int limit() const noexcept { return std::min(kMostSpins, kLeastSpins + 2 * mean_); }
  void succeeded(int spins) noexcept { mean_ += (spins - mean_) / 4; }
  void failed() noexcept { mean_ /= 2; }

#ifdef RINGO_MODEL
  static constexpr int kLeastSpins = 1;
  static constexpr int kMostSpins = 1;
#else
  // A pause is 10 to 40 ns; a sleep and a wake cost some microseconds.
  static constexpr int kLeastSpins = 20;
  static constexpr int kMostSpins = 200;
#endif

 private:
  int mean_ = 0;
};

inline constinit thread_local SpinEstimate spin_estimate;

class ParkingLock {
 public:
  ParkingLock() = default;
  ParkingLock(const ParkingLock&) = delete;
  ParkingLock& operator=(const ParkingLock&) = delete;
  ~ParkingLock() = default;

  void lock() {
    if (!try_lock()) [[unlikely]] {
      lock_slow();
    }
  }

  [[nodiscard]] bool try_lock() {
    int expected = kFree;
    // acquire: pairs with the release in unlock(); without it the critical section could see stale
    // data of the one before.
    return word_.compare_exchange_strong(expected, kHeld, std::memory_order_acquire,
                                         std::memory_order_relaxed);
  }

  void unlock() {
    // release: publishes the critical section to the next lock().
#ifdef RINGO_MODEL_EXACT_MARKS
    const bool has_sleepers = word_.exchange(kFree, std::memory_order_release) == kHeldWithSleepers;
#else
    // relaxed: L3 is for the mark that it does not see.
    const bool has_sleepers = word_.load(std::memory_order_relaxed) == kHeldWithSleepers;
    word_.store(kFree, std::memory_order_release);
#endif
    if (has_sleepers) [[unlikely]] {
      futex_wake_one(word_);
    }
  }

 private:
  // word_: who may be asleep on it.
  static constexpr int kFree = 0;
  static constexpr int kHeld = 1;
  static constexpr int kHeldWithSleepers = 2;
#ifdef RINGO_MODEL_SLEEPS_UNMARKED
  static constexpr int kMark = kHeld;  // a twin of the model: unlock() cannot know of a sleeper
#else
  static constexpr int kMark = kHeldWithSleepers;
#endif
#ifdef RINGO_MODEL
  static constexpr int kLooksAtMark = 1;
#else
  static constexpr int kLooksAtMark = 32;
#endif
#if defined(RINGO_MODEL_EXACT_MARKS) || defined(RINGO_MODEL_SLEEPS_FOR_EVER)
  static constexpr std::int64_t kShortestSleepNs = kFutexForEver;
  static constexpr std::int64_t kLongestSleepNs = kFutexForEver;
#else
  static constexpr std::int64_t kShortestSleepNs = 1'000'000;
  static constexpr std::int64_t kLongestSleepNs = 8'000'000;
#endif

  [[gnu::noinline]] void lock_slow() {
    const int limit = spin_estimate.limit();
    for (int spins = 0; spins < limit; ++spins) {
      // relaxed: only a hint; try_lock() acquires.
      if (word_.load(std::memory_order_relaxed) == kFree && try_lock()) {
        spin_estimate.succeeded(spins);
        return;
      }
      relax();
    }
    spin_estimate.failed();
#ifdef RINGO_MODEL_FORGETS_SLEEPERS
    // A twin, L2 broken: a sleeper that takes the lock says nothing of the next.
    for (int expected = kHeld; !try_lock(); expected = kHeld) {
      if (word_.compare_exchange_strong(expected, kMark, std::memory_order_relaxed,
                                        std::memory_order_relaxed) ||
          expected == kMark) {
        futex_wait(word_, kMark, kShortestSleepNs);
      }
    }
    return;
#endif
    std::int64_t sleep_ns = kShortestSleepNs;
    // acquire: as in try_lock(). L1, L2.
    while (word_.exchange(kMark, std::memory_order_acquire) != kFree) {
      if (is_mark_kept()) {
        futex_wait(word_, kMark, sleep_ns);
        sleep_ns = std::min(2 * sleep_ns, kLongestSleepNs);
      }
    }
  }

  /// L3. False: somebody has unlocked.
  [[nodiscard]] bool is_mark_kept() const {
    for (int looks = 0; looks < kLooksAtMark; ++looks) {
      relax();
      // relaxed: only a hint.
      if (word_.load(std::memory_order_relaxed) != kMark) {
        return false;
      }
    }
    return true;
  }

  FutexWord word_{kFree};
};

}  // namespace ringo::detail
