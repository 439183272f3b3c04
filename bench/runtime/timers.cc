// SPDX-License-Identifier: MIT
//
// Sleeps and timeouts: what it costs to make one, to register and cancel it, and to let 100,000 of
// them fire, and how late those are.
//
// Thread safety: none; called by the main thread.

#include <ringo/delay_queue.h>
#include <ringo/detail/task_core.h>
#include <ringo/join_error.h>
#include <ringo/metrics.h>
#include <ringo/result.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/yield.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <ratio>
#include <utility>
#include <vector>

#include "harness.h"

namespace bench {
namespace {

using ringo::JoinHandle;
using ringo::JoinResult;
using ringo::Result;
using ringo::Task;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// Begins to wait for a sleep, which registers its timer, and goes on at once, which cancels it.
/// This is what a select does with a sleep that loses; only here without the select.
class RegisterAndCancel final : public ringo::detail::Leaf {
  using Wait = decltype(ringo::time::sleep(milliseconds()));

 public:
  explicit RegisterAndCancel(Wait sleep) noexcept : wait_(std::move(sleep)) {}

  [[nodiscard]] bool await_ready() noexcept { return wait_.await_ready(); }
  template <class AwaitingPromise>
  bool await_suspend(std::coroutine_handle<AwaitingPromise> awaiting) {
    ringo::detail::Branch& branch = *awaiting.promise().branch;
    require(wait_.start(branch), "sleep_register_cancel: the sleep is over");
    branch.leaf = nullptr;
    return false;
  }
  void await_resume() const noexcept {}
  [[nodiscard]] bool ended() noexcept override { return true; }

 private:
  Wait wait_;
};

Task<Sample> sleep_create_drop(std::size_t times) {
  const Stopwatch stopwatch;
  for (std::size_t i = 0; i < times; ++i) {
    const ringo::time::Sleep sleep = ringo::time::sleep(seconds(1));
    keep(sleep);
  }
  co_return stopwatch.stop();
}

Task<Sample> sleep_register_cancel(std::size_t times) {
  const Stopwatch stopwatch;
  for (std::size_t i = 0; i < times; ++i) {
    co_await RegisterAndCancel(ringo::time::sleep(milliseconds(1'000 + i % 1'000)));
  }
  co_return stopwatch.stop();
}

Task<std::uint64_t> ready(std::uint64_t value) {
  co_return value;
}

Task<Sample> timeout_ready(std::size_t times) {
  std::uint64_t sum = 0;
  const Stopwatch stopwatch;
  for (std::size_t i = 0; i < times; ++i) {
    const Result<std::uint64_t> value = co_await ringo::time::timeout(seconds(1), ready(i & 1));
    sum += value.value();
  }
  const Sample sample = stopwatch.stop();
  require(sum == times / 2, "timeout_ready: a wrong sum");
  co_return sample;
}

Task<Sample> timeout_yield_once(std::size_t times) {
  std::size_t in_time = 0;
  const Stopwatch stopwatch;
  for (std::size_t i = 0; i < times; ++i) {
    const Result<void> ended = co_await ringo::time::timeout(seconds(1), ringo::yield_now());
    in_time += ended.has_value() ? 1 : 0;
  }
  const Sample sample = stopwatch.stop();
  require(in_time == times, "timeout_yield_once: a yield took a second");
  co_return sample;
}

// --- many values that expire ------------------------------------------------------------------

/// Deadlines in no order, as those of sessions that are heard of now and then.
milliseconds scattered(std::size_t i) {
  return milliseconds(1 + MulHash()(i) % 1'000'000);
}

/// Moves and replaces values of a full queue.
Task<Sample> delay_queue_reset(std::size_t times, std::size_t length) {
  ringo::time::DelayQueue<std::uint64_t> queue;
  std::vector<ringo::time::DelayKey> keys;
  keys.reserve(length);
  const ringo::Instant start = ringo::Clock::now();
  for (std::size_t i = 0; i < length; ++i) {
    keys.push_back(queue.insert_at(i, start + scattered(i)));
  }
  const Stopwatch stopwatch;
  for (std::size_t i = 0; i < times; ++i) {
    ringo::time::DelayKey& key = keys[i * 7919 % length];
    if (i % 2 == 0) {
      queue.reset_at(key, start + scattered(i + length));
    } else {
      key = queue.insert_at(queue.remove(key).value, start + scattered(i + length));
    }
  }
  const Sample sample = stopwatch.stop();
  require(queue.len() == length, "delay_queue_reset: a wrong length");
  co_return sample;
}

/// Puts values in and takes them out in their order; all have expired by then.
Task<Sample> delay_queue_expire(std::size_t length) {
  ringo::time::DelayQueue<std::uint64_t> queue;
  const ringo::Instant start = ringo::Clock::now() - seconds(10'000);
  const Stopwatch stopwatch;
  for (std::size_t i = 0; i < length; ++i) {
    queue.insert_at(i, start + scattered(i));
  }
  ringo::Instant last = start;
  std::size_t expired = 0;
  while (!queue.is_empty()) {
    const auto next = co_await queue.next();
    require(next.has_value() && next->deadline >= last, "delay_queue_expire: a wrong order");
    last = next->deadline;
    ++expired;
  }
  const Sample sample = stopwatch.stop();
  require(expired == length, "delay_queue_expire: a wrong count");
  co_return sample;
}

// --- many timers fire -------------------------------------------------------------------------

double process_cpu_ns() {
  timespec now{};
  require(::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) == 0, "no process clock");
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

/// Returns how late it was, in nanoseconds.
Task<double> sleep_once(milliseconds duration) {
  const auto start = std::chrono::steady_clock::now();
  co_await ringo::time::sleep(duration);
  const std::chrono::duration<double, std::nano> late =
      std::chrono::steady_clock::now() - start - duration;
  require(late.count() >= 0, "timers_fire_100k: a sleep ended early");
  co_return late.count();
}

struct Fired {
  Sample all;
  double late_mean = 0;
  double late_max = 0;
};

Task<Fired> fire_timers(std::size_t timers) {
  Fired fired;
  std::vector<JoinHandle<double>> handles;
  handles.reserve(timers);
  const Stopwatch stopwatch;
  for (std::size_t i = 0; i < timers; ++i) {
    handles.push_back(ringo::spawn(sleep_once(milliseconds(1 + i % 100))));
  }
  double sum = 0;
  for (JoinHandle<double>& handle : handles) {
    const JoinResult<double> late = co_await handle;
    sum += late.value();
    fired.late_max = std::max(fired.late_max, late.value());
  }
  fired.all = stopwatch.stop();
  fired.late_mean = sum / static_cast<double>(timers);
  co_return fired;
}

void measure_firing(Suite& suite) {
  if (!suite.wants("timers_fire_100k")) {
    return;
  }
  const std::size_t timers = suite.scaled(100'000);
  std::vector<double> wall;
  std::vector<double> cpu;
  std::vector<double> late_mean;
  std::vector<double> late_max;
  (void)suite.runtime().block_on(fire_timers(timers));
  for (std::size_t i = 0; i < suite.settings().repetitions; ++i) {
    const ringo::RuntimeMetrics metrics = suite.runtime().metrics();
    const double before = process_cpu_ns();
    const Fired fired = suite.runtime().block_on(fire_timers(timers));
    cpu.push_back((process_cpu_ns() - before) / static_cast<double>(timers));
    wall.push_back(fired.all.ns);
    late_mean.push_back(fired.late_mean);
    late_max.push_back(fired.late_max);
    suite.sharing().add(metrics, suite.runtime().metrics());
  }
  InstructionCounter::enable();
  const Fired counted = suite.runtime().block_on(fire_timers(timers));
  InstructionCounter::disable();
  suite.print("timers_fire_100k_wall_total", 1, std::move(wall));
  suite.print("timers_fire_100k_cpu_per_timer", timers, std::move(cpu),
              counted.all.instructions / static_cast<double>(timers));
  suite.print("timers_fire_100k_late_mean", 1, std::move(late_mean));
  suite.print("timers_fire_100k_late_max", 1, std::move(late_max));
}

}  // namespace

void run_timer_benchmarks(Suite& suite) {
  const std::size_t million = suite.scaled(1'000'000);
  suite.task("sleep_create_drop", million, [=] { return sleep_create_drop(million); });
  suite.task("sleep_register_cancel", million, [=] { return sleep_register_cancel(million); });
  suite.task("timeout_ready", million, [=] { return timeout_ready(million); });
  const std::size_t half = suite.scaled(500'000);
  suite.task("timeout_yield_once", half, [=] { return timeout_yield_once(half); });
  suite.task("delay_queue_reset_100k", million,
             [=, &suite] { return delay_queue_reset(million, suite.scaled(100'000)); });
  const std::size_t length = suite.scaled(100'000);
  suite.task("delay_queue_expire_100k", length, [=] { return delay_queue_expire(length); });
  measure_firing(suite);
}

}  // namespace bench
