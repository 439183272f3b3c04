// SPDX-License-Identifier: MIT
//
// What a runtime counts: tasks, runs, sleeps, thefts, threads, descriptors; and what it works out
// from that.
//
// Thread safety: tests.

#include <ringo/histogram.h>
#include <ringo/metrics.h>
#include <ringo/net/tcp.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/spawn_blocking.h>
#include <ringo/task.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <numeric>
#include <optional>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "scheduler/worker_stats.h"
#include "support/blocking_gate.h"
#include "support/co_test.h"
#include "support/gate.h"

namespace {

using namespace std::chrono_literals;
using ringo::Builder;
using ringo::HistogramBuckets;
using ringo::JoinHandle;
using ringo::Runtime;
using ringo::RuntimeMetrics;
using ringo::Task;
using ringo::detail::RuntimeConfig;
using ringo::detail::WorkerStats;
using ringo::testing_support::BlockingGate;
using ringo::testing_support::build_runtime;
using ringo::testing_support::Gate;

Task<void> pass(Gate& gate) {
  co_await gate.passed();
}

Task<void> nothing() {
  co_return;
}

Task<void> spawn_and_join(int count) {
  for (int i = 0; i < count; ++i) {
    auto handle = ringo::spawn(nothing());
    (void)co_await handle;
  }
}

TEST(Metrics, OfARuntimeThatHasDoneNothing) {
  const Runtime runtime = build_runtime(Builder::current_thread());
  const RuntimeMetrics metrics = runtime.metrics();
  EXPECT_EQ(metrics.num_workers(), 1U);
  EXPECT_EQ(metrics.num_alive_tasks(), 0U);
  EXPECT_EQ(metrics.spawned_tasks_count(), 0U);
  EXPECT_EQ(metrics.global_queue_depth(), 0U);
  EXPECT_EQ(metrics.worker_poll_count(0), 0U);
  EXPECT_EQ(metrics.worker_park_unpark_count(0), 0U);
  EXPECT_EQ(metrics.num_blocking_threads(), 0U);
}

TEST(Metrics, CountSpawnedAndLivingTasks) {
  Gate gate;
  Runtime runtime = build_runtime(Builder::current_thread());
  for (int i = 0; i < 10; ++i) {
    runtime.spawn(pass(gate)).detach();
  }
  EXPECT_EQ(runtime.metrics().spawned_tasks_count(), 10U);
  EXPECT_EQ(runtime.metrics().num_alive_tasks(), 10U);
  EXPECT_EQ(runtime.metrics().global_queue_depth(), 10U);
  EXPECT_EQ(runtime.metrics().remote_schedule_count(), 10U);
  runtime.block_on(spawn_and_join(2000));  // itself, and more than a block of ids
  const RuntimeMetrics metrics = runtime.metrics();
  EXPECT_EQ(metrics.spawned_tasks_count(), 2011U);
  EXPECT_EQ(metrics.num_alive_tasks(), 10U);
  EXPECT_EQ(metrics.global_queue_depth(), 0U);
  EXPECT_EQ(metrics.remote_schedule_count(), 11U);
  EXPECT_GE(metrics.worker_poll_count(0), 2011U);
}

TEST(Metrics, WorkOutHowOftenAWorkerHasMadeTasksReady) {
  Runtime runtime = build_runtime(Builder::current_thread());
  runtime.block_on(spawn_and_join(100));
  const RuntimeMetrics metrics = runtime.metrics();
  // The root came by injection; all else is the worker's own doing.
  EXPECT_EQ(metrics.worker_local_schedule_count(0), metrics.worker_poll_count(0) - 1);
}

TEST(Metrics, WorkOutLocalSchedulesOfManyWorkers) {
  Runtime runtime = build_runtime(Builder::multi_thread().worker_threads(3));
  auto body = []() -> Task<void> {
    std::vector<JoinHandle<void>> handles;
    for (int i = 0; i < 1000; ++i) {
      handles.push_back(ringo::spawn(spawn_and_join(5)));
    }
    for (auto& handle : handles) {
      (void)co_await handle;
    }
  };
  runtime.block_on(body());
  (void)runtime.shutdown_timeout(1h);
  const RuntimeMetrics metrics = runtime.metrics();
  std::uint64_t polls = 0;
  std::uint64_t local = 0;
  for (const ringo::WorkerMetrics& worker : metrics.workers) {
    polls += worker.polls;
    local += worker.local_schedules;
    EXPECT_EQ(worker.local_queue_depth, 0U);
  }
  EXPECT_EQ(metrics.spawned_tasks_count(), 6001U);
  EXPECT_EQ(local + metrics.remote_schedule_count(), polls);
}

TEST(Metrics, TellWhetherAWorkerSleeps) {
  const Runtime runtime = build_runtime(Builder::multi_thread().worker_threads(1));
  while (runtime.metrics().worker_park_unpark_count(0) % 2 == 0) {
    std::this_thread::yield();
  }
  const RuntimeMetrics asleep = runtime.metrics();
  EXPECT_EQ(asleep.worker_park_count(0), (asleep.worker_park_unpark_count(0) + 1) / 2);
}

TEST(Metrics, CountTimesAWorkerWokeForNothing) {
  const Runtime runtime = build_runtime(Builder::multi_thread().worker_threads(1));
  while (runtime.metrics().worker_park_unpark_count(0) % 2 == 0) {
    std::this_thread::yield();
  }
  const std::uint64_t before = runtime.metrics().worker_noop_count(0);
  (void)runtime.handle().blocking_dump(1h);  // wakes it, and gives it no task
  while (runtime.metrics().worker_noop_count(0) == before) {
    std::this_thread::yield();
  }
}

TEST(Metrics, CountBlockingThreads) {
  const BlockingGate gate;
  Runtime runtime = build_runtime(Builder::current_thread().max_blocking_threads(1));
  auto block_twice = [](const BlockingGate& until, const Runtime& of) -> Task<void> {
    std::atomic<bool> has_begun{false};
    auto body = [&] {
      has_begun = true;
      until.block();
    };
    auto first = ringo::spawn_blocking(body);
    auto second = ringo::spawn_blocking([&until] { until.block(); });
    while (!has_begun) {
      std::this_thread::yield();
    }
    const RuntimeMetrics busy = of.metrics();
    EXPECT_EQ(busy.num_blocking_threads(), 1U);
    EXPECT_EQ(busy.num_idle_blocking_threads(), 0U);
    EXPECT_EQ(busy.blocking_queue_depth, 1U);
    until.open();
    until.open();
    (void)co_await first;
    (void)co_await second;
  };
  runtime.block_on(block_twice(gate, runtime));
  while (runtime.metrics().num_idle_blocking_threads() == 0) {
    std::this_thread::yield();
  }
  EXPECT_EQ(runtime.metrics().num_blocking_threads(), 1U);
  EXPECT_EQ(runtime.metrics().blocking_queue_depth, 0U);
}

TEST(Metrics, CountDescriptorsAndTheirEvents) {
  Runtime runtime = build_runtime(Builder::current_thread());
  auto connect = []() -> Task<void> {
    auto listener = co_await ringo::net::TcpListener::bind("127.0.0.1:0");
    auto address = listener->local_address();
    auto client = co_await ringo::net::TcpStream::connect(*address);
    auto accepted = co_await listener->accept();
    EXPECT_TRUE(accepted.has_value());
  };
  runtime.block_on(connect());
  (void)runtime.shutdown_timeout(1h);
  const RuntimeMetrics metrics = runtime.metrics();
  EXPECT_EQ(metrics.io_driver_fd_registered_count(), 3U);
  EXPECT_EQ(metrics.io_driver_fd_deregistered_count(), 3U);
  EXPECT_GE(metrics.io_driver_ready_count(), 2U);
}

// --- how long -----------------------------------------------------------------------------------

constexpr std::int64_t kMicrosecond = 1000;

RuntimeConfig multi_thread_config() {
  RuntimeConfig config;
  config.worker_threads = 1;
  return config;
}

TEST(WorkerStats, AddUpTheTimeAwake) {
  WorkerStats stats(multi_thread_config());
  stats.begin_busy(100);
  stats.look(150);
  (void)stats.end_busy(180);
  stats.begin_busy(1000);
  (void)stats.end_busy(1007);
  EXPECT_EQ(stats.read(0).busy, 87ns);
}

TEST(WorkerStats, AverageTheTimeOfARun) {
  WorkerStats stats(multi_thread_config());
  stats.begin_busy(0);
  stats.polls.add(1000);
  stats.look(1000 * 5 * kMicrosecond);
  EXPECT_EQ(stats.read(0).mean_poll, 5us);
  stats.polls.add();
  stats.look(1000 * 5 * kMicrosecond + 105 * kMicrosecond);
  EXPECT_EQ(stats.read(0).mean_poll, 15us);  // a tenth of it is new
}

TEST(WorkerStats, TuneTheInjectionInterval) {
  WorkerStats stats(multi_thread_config());
  std::int64_t now = 0;
  const auto run = [&](std::int64_t each) {
    stats.begin_busy(now);
    stats.polls.add(1000);
    now += 1000 * each;
    stats.look(now);
    return stats.injection_interval();
  };
  EXPECT_EQ(stats.injection_interval(), 61U);
  EXPECT_EQ(run(100), 127U);                // never above
  EXPECT_EQ(run(10 * kMicrosecond), 20U);   // 200 us
  EXPECT_EQ(run(10'500), 20U);              // a small change is none
  EXPECT_EQ(run(1000 * kMicrosecond), 2U);  // never below
}

TEST(WorkerStats, LeaveAnIntervalThatWasSetAlone) {
  RuntimeConfig config = multi_thread_config();
  config.global_queue_interval = 5;
  WorkerStats stats(config);
  stats.begin_busy(0);
  stats.polls.add(1000);
  stats.look(1'000'000'000);
  EXPECT_EQ(stats.injection_interval(), 5U);
  config.global_queue_interval.reset();
  config.is_current_thread = true;
  EXPECT_EQ(WorkerStats(config).injection_interval(), 31U);
}

std::uint64_t sum(const std::vector<std::uint64_t>& counts) {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

TEST(Metrics, CountEachRunInTheHistograms) {
  for (const bool is_current_thread : {false, true}) {
    Builder builder = is_current_thread ? Builder::current_thread() : Builder::multi_thread();
    builder.poll_time_histogram(HistogramBuckets::doubling(1us, 10))
        .schedule_latency_histogram(HistogramBuckets::linear(1ms, 4));
    Runtime runtime = build_runtime(builder);
    runtime.block_on(spawn_and_join(100));
    (void)runtime.shutdown_timeout(1h);
    const RuntimeMetrics metrics = runtime.metrics();
    std::uint64_t polls = 0;
    std::uint64_t poll_times = 0;
    std::uint64_t latencies = 0;
    for (const ringo::WorkerMetrics& worker : metrics.workers) {
      EXPECT_EQ(worker.poll_times.size(), 10U);
      EXPECT_EQ(worker.schedule_latencies.size(), 4U);
      polls += worker.polls;
      poll_times += sum(worker.poll_times);
      latencies += sum(worker.schedule_latencies);
    }
    EXPECT_GE(polls, 101U);
    EXPECT_EQ(poll_times, polls);
    EXPECT_EQ(latencies, polls);
    EXPECT_EQ(metrics.poll_time_buckets.count(), 10U);
  }
}

TEST(Metrics, HaveNoHistogramsUnlessAskedFor) {
  Runtime runtime = build_runtime(Builder::current_thread());
  runtime.block_on(nothing());
  EXPECT_TRUE(runtime.metrics().workers[0].poll_times.empty());
  EXPECT_TRUE(runtime.metrics().workers[0].schedule_latencies.empty());
}

}  // namespace
