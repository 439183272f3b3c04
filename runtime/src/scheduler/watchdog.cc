// SPDX-License-Identifier: MIT
//
// What the watchdog tells, and its thread.
//
// Thread safety: as watchdog.h says.

#include "scheduler/watchdog.h"

#include <pthread.h>
#include <ringo/detail/mutex.h>
#include <ringo/join_error.h>
#include <ringo/runtime.h>
#include <ringo/thread_annotations.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/condition.h"
#include "base/system.h"
#include "scheduler/runtime_shared.h"
#include "scheduler/stall_detector.h"
#include "scheduler/thread_probe.h"
#include "scheduler/worker.h"

namespace ringo {

std::string Stall::message() const {
  std::string text =
      fmt::format("runtime {}: worker {} has been in one task for {} ms", runtime, worker,
                  std::chrono::duration_cast<std::chrono::milliseconds>(lasted).count());
  if (task != TaskId(0)) {
    fmt::format_to(std::back_inserter(text), ": task {}", task.value());
    if (!task_name.empty()) {
      fmt::format_to(std::back_inserter(text), " \"{}\"", task_name);
    }
    fmt::format_to(std::back_inserter(text), ", spawned at {}:{}", spawned_at.file_name(),
                   spawned_at.line());
  }
  if (suppressed_reports != 0) {
    fmt::format_to(std::back_inserter(text), " ({} reports suppressed before)", suppressed_reports);
  }
  return text;
}

namespace detail {
namespace {

/// How long a thread that is stuck may take to say where.
constexpr std::chrono::milliseconds kPatience(100);

void write_stall(const Stall& stall) {
  std::string text = fmt::format("ringo: {}\n", stall.message());
  for (const std::string& line : stall.stack) {
    fmt::format_to(std::back_inserter(text), "    {}\n", line);
  }
  std::fputs(text.c_str(), stderr);
}

}  // namespace

Watchdog::Watchdog(RuntimeShared& runtime, std::chrono::nanoseconds limit)
    : runtime_(runtime),
      limit_(limit),
      detectors_(runtime.config().worker_threads, StallDetector(limit_)) {}

bool Watchdog::check(std::int64_t now_ns, std::vector<Stall>& stalls) {
  bool is_any_awake = false;
  for (std::size_t i = 0; i < detectors_.size(); ++i) {
    Worker& worker = *runtime_.workers()[i];
    const StallDetector::Sample sample = worker.stall_sample();
    is_any_awake = is_any_awake || !sample.is_at_rest;
    const std::optional<StallDetector::Stall> found = detectors_[i].look(sample, now_ns);
    if (!found) {
      continue;
    }
    if (found->is_new) {
      worker.count_stall();
    }
    if (report_limit_.try_take(now_ns)) {
      stalls.push_back(describe(worker, *found));
    }
  }
  return is_any_awake;
}

Stall Watchdog::describe(const Worker& worker, StallDetector::Stall found) {
  Stall stall;
  stall.runtime = runtime_.config().name;
  stall.worker = worker.index();
  stall.lasted = found.lasted;
  stall.suppressed_reports = report_limit_.take_suppressed();
  if (const auto finding = probe_thread(worker.thread(), worker, kPatience)) {
    stall.task = TaskId(finding->task_id);
    stall.task_name = finding->name.data();
    stall.spawned_at = finding->spawned_at;
    stall.stack = describe_stack(finding->stack());
  }
  return stall;
}

void tell_of_stalls(const std::vector<Stall>& stalls, const StallHandler& handler) noexcept {
  try {
    for (const Stall& stall : stalls) {
      if (handler) {
        handler(stall);
      } else {
        write_stall(stall);
      }
    }
  } catch (...) {
    std::fputs("ringo: a worker has stalled, and telling of it failed\n", stderr);
  }
}

// --- the thread -------------------------------------------------------------------------------

/// Never destroyed: its thread may outlive main().
class WatchdogLoop {
 public:
  static WatchdogLoop& instance() {
    static auto* const kLoop = new WatchdogLoop();
    return *kLoop;
  }

  void add(Watchdog& watchdog, const StallHandler& handler) {
    const MutexGuard guard(mutex_);
    watched_.push_back({&watchdog, handler});
    if (!std::exchange(has_thread_, true)) {
      try {
        std::thread([this] { run(); }).detach();
      } catch (const std::system_error&) {
        has_thread_ = false;  // the runtime is there, only nobody watches it
        std::fputs("ringo: no thread could be started for the watchdog\n", stderr);
      }
    }
    wake();
  }
  void remove(Watchdog& watchdog) noexcept {
    const MutexGuard guard(mutex_);
    std::erase_if(watched_, [&](const Watched& each) { return each.watchdog == &watchdog; });
    wake();
  }
  void wake() noexcept {
    const MutexGuard guard(sleep_mutex_);
    is_woken_ = true;
    changed_.notify_all();
  }

 private:
  struct Watched {
    Watchdog* watchdog;
    StallHandler handler;
  };

  void run() noexcept {
    pthread_setname_np(pthread_self(), "ringo-watchdog");
    for (;;) {
      // From here on whoever wakes up says so. The workers are looked at only afterwards; theirs is
      // the same order, so one of both sees the other.
      WatchdogThread::is_asleep_.exchange(true, std::memory_order_seq_cst);
      std::optional<std::chrono::nanoseconds> pause;
      if (!check_all(pause)) {
        return;
      }
      const MutexGuard guard(sleep_mutex_);
      if (pause) {
        WatchdogThread::is_asleep_.store(false, std::memory_order_relaxed);
        changed_.wait(sleep_mutex_, pause);
      }
      while (!pause && !is_woken_) {
        changed_.wait(sleep_mutex_);
      }
      is_woken_ = false;
    }
  }

  /// False: there is nothing to watch any more.
  [[nodiscard]] bool check_all(std::optional<std::chrono::nanoseconds>& pause) noexcept {
    std::size_t at = 0;
    for (;;) {
      StallHandler handler;
      std::vector<Stall> stalls;
      {
        const MutexGuard guard(mutex_);
        if (watched_.empty()) {
          has_thread_ = false;
          return false;
        }
        if (at >= watched_.size()) {
          return true;
        }
        Watched& each = watched_[at++];
        try {
          if (each.watchdog->check(System::real().now(), stalls)) {
            pause =
                std::min(pause.value_or(each.watchdog->limit() / 2), each.watchdog->limit() / 2);
          }
          if (!stalls.empty()) {
            handler = each.handler;
          }
        } catch (...) {
          std::fputs("ringo: a worker has stalled, and describing where failed\n", stderr);
        }
      }
      tell_of_stalls(stalls, handler);  // what it calls may end the runtime
    }
  }

  Mutex mutex_;
  std::vector<Watched> watched_ RINGO_GUARDED_BY(mutex_);
  bool has_thread_ RINGO_GUARDED_BY(mutex_) = false;

  Mutex sleep_mutex_;  // of its own, so that a worker never waits for a check
  Condition changed_;
  bool is_woken_ RINGO_GUARDED_BY(sleep_mutex_) = false;
};

void WatchdogThread::watch(Watchdog& watchdog, const StallHandler& handler) {
  WatchdogLoop::instance().add(watchdog, handler);
}

void WatchdogThread::forget(Watchdog& watchdog) noexcept {
  WatchdogLoop::instance().remove(watchdog);
}

void WatchdogThread::wake() noexcept {
  WatchdogLoop::instance().wake();
}

}  // namespace detail
}  // namespace ringo
