// SPDX-License-Identifier: MIT
//
// What a worker counts of itself. Only its own thread writes, so that nothing here is a locked
// instruction; whatever can be worked out from other counters is not counted.
//
// Thread safety: read() and the counters from any thread; the rest the worker's.

#pragma once

#include <ringo/histogram.h>
#include <ringo/metrics.h>
#include <ringo/runtime.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace ringo::detail {

/// Written by one thread, read by any.
class Counter {
 public:
  void add(std::uint64_t by = 1) noexcept { set(get() + by); }
  void set(std::uint64_t value) noexcept { value_.store(value, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t get() const noexcept {
    return value_.load(std::memory_order_relaxed);
  }
  /// Where several threads write.
  void add_shared(std::uint64_t by) noexcept { value_.fetch_add(by, std::memory_order_relaxed); }
  /// A full barrier at the same time.
  void add_with_barrier() noexcept { value_.fetch_add(1, std::memory_order_seq_cst); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

class Histogram {
 public:
  explicit Histogram(HistogramBuckets buckets) : buckets_(buckets), counts_(buckets.count()) {}

  [[nodiscard]] bool is_on() const noexcept { return !counts_.empty(); }
  void add(std::chrono::nanoseconds duration) noexcept {
    counts_[buckets_.bucket_of(duration)].add();
  }
  [[nodiscard]] std::vector<std::uint64_t> read() const;

 private:
  HistogramBuckets buckets_;
  std::vector<Counter> counts_;
};

class WorkerStats {
 public:
  /// A moving average of this much: each run counts a tenth, and all before it nine.
  static constexpr double kWeight = 0.1;
  /// The injection queue is looked at about this often.
  static constexpr double kInjectionIntervalNs = 200'000;
  static constexpr std::uint32_t kMinInterval = 2;
  static constexpr std::uint32_t kMaxInterval = 127;
  static constexpr std::uint32_t kCurrentThreadInterval = 31;
  static constexpr std::uint32_t kFirstInterval = 61;

  explicit WorkerStats(const RuntimeConfig& config);

  Counter polls;
  Counter steals;
  Counter steal_operations;
  Counter stolen_by_others;  ///< written by the thieves
  Counter overflows;
  Counter overflowed_tasks;
  Counter injected_tasks;  ///< taken from the injection queue
  Counter forced_yields;
  Counter stalls;  ///< written by the watchdog
  Histogram poll_times;
  Histogram schedule_latencies;

  /// The worker's thread begins, or has woken. The clock is the system's.
  void begin_busy(std::int64_t now_ns) noexcept;
  /// It goes to sleep, or leaves. True: it has run nothing since it woke.
  bool end_busy(std::int64_t now_ns) noexcept;
  /// Now and then in between.
  void look(std::int64_t now_ns) noexcept;

  void begin_sleep() noexcept { park_unparks_.add(); }
  /// A full barrier.
  void end_sleep() noexcept { park_unparks_.add_with_barrier(); }
  [[nodiscard]] bool is_asleep() const noexcept { return park_unparks_.get() % 2 == 1; }

  /// How many tasks may run between two looks at the injection queue.
  [[nodiscard]] std::uint32_t injection_interval() const noexcept { return injection_interval_; }

  /// All but what the worker itself knows: owned_tasks, local_queue_depth, thread.
  [[nodiscard]] WorkerMetrics read(std::size_t queue_depth) const;

 private:
  const bool is_tuning_;
  std::uint32_t injection_interval_;
  Counter park_unparks_;
  Counter noops_;
  Counter busy_ns_;
  Counter mean_poll_ns_;
  double mean_ns_ = kInjectionIntervalNs / kFirstInterval;
  std::int64_t since_ns_ = 0;     ///< busy, and not yet counted
  std::uint64_t polls_seen_ = 0;  ///< at since_ns_
  std::uint64_t polls_at_wake_ = 0;
};

}  // namespace ringo::detail
