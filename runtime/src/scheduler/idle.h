// SPDX-License-Identifier: MIT
//
// Who is awake, who is looking for work, who sleeps. It keeps the number of wake-ups small (a wake
// of a sleeping thread costs as much as a hundred tasks) without ever losing one. The protocol is
// Tokio's (multi_thread/idle.rs).
//
// Rules
//   W1  A producer that pushed a task wakes a sleeper only if nobody is searching.
//   W2  The last searcher that finds work looks at all queues afterwards, and wakes one more if
//       there is more to do (chain wake-up): producers woke nobody while it searched. Tokio's wakes
//       one more in any case, which after a single task is a thread that finds nothing.
//   W3  So does who goes to sleep and leaves nobody who searches. Tokio's does if it searched
//       itself: what was pushed while it was on its way then waits for a worker that is awake.
//   W4  Between "pushed" and "looked whether to wake" on the producer's side, and between "counted
//       as searching no more" or "as asleep" and the looks of W2 and W3 on the worker's, is a full
//       barrier. With less, both sides may miss each other. Producers are many, so theirs touches
//       no memory that others write.
// Together: no task waits in a queue while a worker sleeps and none is on its way to look for it.
// At most half of the workers search at the same time.
//
// Thread safety: all of it.

#pragma once

#include <ringo/detail/atomic.h>
#include <ringo/detail/mutex.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

namespace ringo::detail {

class Idle {
 public:
  explicit Idle(std::uint32_t workers)
      : state_(std::uint64_t{workers} << kUnparkedShift), workers_(workers) {
    sleepers_.reserve(workers);
  }

  /// A sleeper to wake, counted as awake and searching from now on. The caller unparks it.
  [[nodiscard]] std::optional<std::uint32_t> worker_to_wake() noexcept {
    if (!should_wake()) {
      return std::nullopt;
    }
    const MutexGuard guard(mutex_);
    if (!should_wake() || sleepers_.empty()) {
      return std::nullopt;
    }
    state_.fetch_add(kOneUnparked | kOneSearching, std::memory_order_seq_cst);
    const std::uint32_t worker = sleepers_.back();
    sleepers_.pop_back();
    return worker;
  }

  /// Counts the worker as asleep. True: nobody searches now, and W3 is its duty.
  [[nodiscard]] bool start_sleeping(std::uint32_t worker, bool is_searching) noexcept {
    bool is_search_over = false;
    {
      const MutexGuard guard(mutex_);
      const std::uint64_t change = kOneUnparked + (is_searching ? kOneSearching : 0);
      const std::uint64_t before = state_.fetch_sub(change, std::memory_order_seq_cst);
      sleepers_.push_back(worker);
      is_search_over = searching(before - change) == 0;
    }
    if (is_search_over) {
      full_barrier();  // W4
    }
    return is_search_over;
  }

  /// The worker woke by itself (its own I/O or timer) and has work. False: somebody had woken it
  /// already, so it counts as searching.
  [[nodiscard]] bool stop_sleeping(std::uint32_t worker) noexcept {
    const MutexGuard guard(mutex_);
    const auto place = std::find(sleepers_.begin(), sleepers_.end(), worker);
    if (place == sleepers_.end()) {
      return false;
    }
    sleepers_.erase(place);
    state_.fetch_add(kOneUnparked, std::memory_order_seq_cst);
    return true;
  }

  [[nodiscard]] bool is_sleeping(std::uint32_t worker) noexcept {
    const MutexGuard guard(mutex_);
    return std::find(sleepers_.begin(), sleepers_.end(), worker) != sleepers_.end();
  }

  /// May one more worker search?
  [[nodiscard]] bool try_start_searching() noexcept {
    // relaxed: only a throttle.
    if (2 * searching(state_.load(std::memory_order_relaxed)) >= workers_) {
      return false;
    }
    state_.fetch_add(kOneSearching, std::memory_order_seq_cst);
    return true;
  }

  /// True: it was the last searcher, and W2 is its duty.
  [[nodiscard]] bool stop_searching() noexcept {
    const bool is_last_searcher =
        searching(state_.fetch_sub(kOneSearching, std::memory_order_seq_cst)) == 1;
    if (is_last_searcher) {
      full_barrier();  // W4
    }
    return is_last_searcher;
  }

 private:
  static constexpr unsigned kUnparkedShift = 32;
  static constexpr std::uint64_t kOneSearching = 1;
  static constexpr std::uint64_t kOneUnparked = std::uint64_t{1} << kUnparkedShift;

  static std::uint64_t searching(std::uint64_t state) noexcept {
    return state & (kOneUnparked - 1);
  }
  static std::uint64_t unparked(std::uint64_t state) noexcept { return state >> kUnparkedShift; }

  /// Somebody sleeps, and nobody searches.
  [[nodiscard]] bool is_wake_useful(std::uint64_t state) const noexcept {
    return searching(state) == 0 && unparked(state) < workers_;
  }
  [[nodiscard]] bool should_wake() noexcept {
    full_barrier();  // W4
    // acquire: who wakes a sleeper has seen what it did before.
    return is_wake_useful(state_.load(std::memory_order_acquire));
  }

  Atomic<std::uint64_t> state_;  ///< {unparked: 32 | searching: 32}
  const std::uint32_t workers_;
  Mutex mutex_;
  std::vector<std::uint32_t> sleepers_ RINGO_GUARDED_BY(mutex_);
};

}  // namespace ringo::detail
