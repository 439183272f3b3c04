// SPDX-License-Identifier: MIT
//
// The watchdog of a runtime: it finds workers that stay in one task for too long, and tells of them
// with the task's spawn site and the thread's stack. As Seastar's stall detector.
//
// A worker does nothing for it but count its tasks. One thread per process, WatchdogThread, calls
// check() of all runtimes, twice per limit while some worker is awake, and not at all while all of
// them sleep.
//
// Thread safety: check() one thread at a time; WatchdogThread all of it.

#pragma once

#include <ringo/runtime.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "scheduler/stall_detector.h"

namespace ringo::detail {

class RuntimeShared;
class Worker;

class Watchdog {
 public:
  Watchdog(RuntimeShared& runtime, std::chrono::nanoseconds limit);

  [[nodiscard]] std::chrono::nanoseconds limit() const noexcept { return limit_; }

  /// Looks at each worker, and appends what is to be told to `stalls`. `now_ns` is the system's
  /// clock, not the runtime's, which tests may stop. True: some worker is awake.
  bool check(std::int64_t now_ns, std::vector<Stall>& stalls);

 private:
  [[nodiscard]] Stall describe(const Worker& worker, StallDetector::Stall found);

  RuntimeShared& runtime_;
  const std::chrono::nanoseconds limit_;
  std::vector<StallDetector> detectors_;  ///< one per worker
  ReportLimit report_limit_;
};

using StallHandler = std::function<void(const Stall&)>;

/// Calls the handler, or writes to stderr if there is none.
void tell_of_stalls(const std::vector<Stall>& stalls, const StallHandler& handler) noexcept;

/// The thread. It begins with the first runtime that has a watchdog and ends with the last.
class WatchdogThread {
 public:
  /// Has the watchdog called from now on, until forget(), which waits for a check under way.
  static void watch(Watchdog& watchdog, const StallHandler& handler);
  static void forget(Watchdog& watchdog) noexcept;

  /// By a worker that begins to run, behind a full barrier after it has made that visible.
  static void note_awake() noexcept {
    // relaxed: see the barrier, and begin_sleep().
    if (is_asleep_.load(std::memory_order_relaxed)) [[unlikely]] {
      wake();
    }
  }

 private:
  friend class WatchdogLoop;
  static void wake() noexcept;

  static inline constinit std::atomic<bool> is_asleep_{false};
};

}  // namespace ringo::detail
