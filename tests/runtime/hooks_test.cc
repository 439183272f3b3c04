// SPDX-License-Identifier: MIT
//
// What a Builder lets one see and set: threads that sleep and wake, tasks that begin, run and end,
// names, stacks, and what follows an exception that nobody takes.
//
// Thread safety: tests.

#include <pthread.h>
#include <ringo/join_error.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/spawn_blocking.h>
#include <ringo/task.h>
#include <ringo/usage_error.h>
#include <ringo/yield.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/co_test.h"
#include "support/gate.h"

namespace {

using namespace std::chrono_literals;
using ringo::Builder;
using ringo::Handle;
using ringo::OnUnhandledException;
using ringo::Runtime;
using ringo::Task;
using ringo::TaskMeta;
using ringo::testing_support::build_runtime;
using ringo::testing_support::Gate;

Task<void> nothing() {
  co_return;
}
Task<void> pass(Gate& gate) {
  co_await gate.passed();
}

Builder builder_of(bool is_current_thread) {
  return is_current_thread ? Builder::current_thread() : Builder::multi_thread().worker_threads(2);
}

/// What the hooks were called for, per task.
class TaskLog {
 public:
  struct Entry {
    int spawned = 0;
    int terminated = 0;
    int begun = 0;
    int left = 0;
  };

  void install(Builder& builder) {
    builder.on_task_spawn([this](const TaskMeta& task) { add(task, &Entry::spawned); })
        .on_task_terminate([this](const TaskMeta& task) { add(task, &Entry::terminated); })
        .on_before_task_poll([this](const TaskMeta& task) { add(task, &Entry::begun); })
        .on_after_task_poll([this](const TaskMeta& task) { add(task, &Entry::left); });
  }
  [[nodiscard]] Entry of(ringo::TaskId id) {
    const std::lock_guard guard(mutex_);
    return entries_[id];
  }
  [[nodiscard]] std::map<ringo::TaskId, Entry> all() {
    const std::lock_guard guard(mutex_);
    return entries_;
  }

 private:
  void add(const TaskMeta& task, int Entry::* count) {
    EXPECT_GT(task.spawned_at.line(), 0U);
    const std::lock_guard guard(mutex_);
    ++(entries_[task.id].*count);
  }

  std::mutex mutex_;
  std::map<ringo::TaskId, Entry> entries_;
};

TEST(Hooks, SeeEachTaskBeginRunAndEnd) {
  for (const bool is_current_thread : {false, true}) {
    TaskLog log;
    Builder builder = builder_of(is_current_thread);
    log.install(builder);
    Runtime runtime = build_runtime(builder);
    auto body = [](TaskLog& seen) -> Task<void> {
      auto child = ringo::spawn(nothing());
      (void)co_await child;
      // Ended means: the hook has been called.
      EXPECT_EQ(seen.of(child.id()).terminated, 1);
      Gate gate;
      auto aborted = ringo::spawn(pass(gate));
      co_await ringo::yield_now();
      aborted.abort();
      (void)co_await aborted;
    };
    runtime.block_on(body(log));
    (void)runtime.shutdown_timeout(1h);
    const auto all = log.all();
    EXPECT_EQ(all.size(), 3U);
    for (const auto& [id, entry] : all) {
      EXPECT_EQ(entry.spawned, 1);
      EXPECT_EQ(entry.terminated, 1);
      EXPECT_GE(entry.begun, 1);
      EXPECT_EQ(entry.begun, entry.left);
    }
  }
}

TEST(Hooks, SeeTasksThatAreSpawnedTooLate) {
  TaskLog log;
  Builder builder = Builder::multi_thread();
  log.install(builder);
  Runtime runtime = build_runtime(builder);
  const Handle handle = runtime.handle();
  ringo::drop(std::move(runtime));
  auto late = handle.spawn(nothing());
  EXPECT_TRUE(late.is_finished());
  EXPECT_EQ(log.of(late.id()).spawned, 1);
  EXPECT_EQ(log.of(late.id()).terminated, 1);
}

TEST(Hooks, ParkAndUnparkComeInPairs) {
  for (const bool is_current_thread : {false, true}) {
    std::atomic<int> parks{0};
    std::atomic<int> unparks{0};
    Builder builder = builder_of(is_current_thread);
    builder.on_thread_park([&] { ++parks; }).on_thread_unpark([&] { ++unparks; });
    Runtime runtime = build_runtime(builder);
    auto body = []() -> Task<void> {
      for (int i = 0; i < 10; ++i) {
        auto job = ringo::spawn_blocking([] {});
        (void)co_await job;
      }
    };
    runtime.block_on(body());
    (void)runtime.shutdown_timeout(1h);
    EXPECT_GE(parks, 1);
    EXPECT_EQ(parks, unparks);
  }
}

TEST(Hooks, MaySpawnBeforeAWorkerSleeps) {
  // As tokio's before_park_yields: what the hook has spawned runs, and the worker does not sleep.
  std::atomic<bool> has_spawned{false};
  std::atomic<bool> has_run{false};
  Builder builder = Builder::current_thread();
  builder.on_thread_park([&] {
    if (!has_spawned.exchange(true)) {
      auto task = [](std::atomic<bool>& flag) -> Task<void> {
        flag = true;
        co_return;
      };
      ringo::spawn(task(has_run)).detach();
    }
  });
  Runtime runtime = build_runtime(builder);
  auto body = [](std::atomic<bool>& flag) -> Task<void> {
    while (!flag) {
      auto job = ringo::spawn_blocking([] {});
      (void)co_await job;
    }
  };
  runtime.block_on(body(has_run));
  EXPECT_TRUE(has_run);
}

// --- threads and names --------------------------------------------------------------------------

std::string name_of_thread() {
  std::array<char, 16> name{};
  pthread_getname_np(pthread_self(), name.data(), name.size());
  return name.data();
}

Task<std::string> name_of_worker() {
  co_return name_of_thread();
}

TEST(Threads, AreNamedByAFunction) {
  std::atomic<int> calls{0};
  Runtime runtime = build_runtime(Builder::multi_thread().worker_threads(1).thread_name_fn(
      [&] { return "mine-" + std::to_string(++calls); }));
  EXPECT_EQ(runtime.block_on(name_of_worker()), "mine-1");
}

Task<std::size_t> stack_size_of_worker() {
  pthread_attr_t attributes{};
  std::size_t size = 0;
  void* stack = nullptr;
  if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
    pthread_attr_getstack(&attributes, &stack, &size);
    pthread_attr_destroy(&attributes);
  }
  co_return size;
}

TEST(Threads, HaveTheStackThatWasAskedFor) {
  constexpr std::size_t kSize = 64 << 20;  // more than the default
  Runtime runtime =
      build_runtime(Builder::multi_thread().worker_threads(1).thread_stack_size(kSize));
  EXPECT_GE(runtime.block_on(stack_size_of_worker()), kSize);
  EXPECT_THROW(Builder::multi_thread().thread_stack_size(16 * 1024 - 1), ringo::UsageError);
  EXPECT_NO_THROW(Builder::multi_thread().thread_stack_size(16 * 1024));
}

TEST(Runtimes, HaveNamesAndIds) {
  const Runtime first = build_runtime(Builder::current_thread());
  const Runtime second = build_runtime(Builder::current_thread().name("second"));
  EXPECT_EQ(first.handle().name(), "ringo");
  EXPECT_EQ(second.handle().name(), "second");
  EXPECT_NE(first.handle().id(), second.handle().id());
  const Handle same = first.handle();
  EXPECT_EQ(same.id(), first.handle().id());
}

TEST(Runtimes, DeliverFewEventsAtATimeIfTheyShall) {
  EXPECT_THROW(Builder::multi_thread().max_io_events_per_tick(0), ringo::UsageError);
  Runtime runtime = build_runtime(Builder::current_thread().max_io_events_per_tick(1));
  auto body = []() -> Task<int> {
    int ended = 0;
    for (int i = 0; i < 5; ++i) {
      auto job = ringo::spawn_blocking([] { return 1; });
      const auto result = co_await job;
      ended += *result;
    }
    co_return ended;
  };
  EXPECT_EQ(runtime.block_on(body()), 5);
}

// --- exceptions that nobody takes ---------------------------------------------------------------

Task<void> fail() {
  throw std::runtime_error("for the test");
  co_return;
}
Task<void> fail_and_wait_for_ever(Gate& gate) {
  ringo::spawn(fail()).detach();
  co_await gate.passed();
}

TEST(UnhandledException, MayShutTheRuntimeDown) {
  for (const bool is_current_thread : {false, true}) {
    Gate gate;
    std::atomic<int> reports{0};
    Builder builder = builder_of(is_current_thread);
    builder.on_unhandled_exception([&](const ringo::UnhandledException&) { ++reports; })
        .after_unhandled_exception(OnUnhandledException::kShutdown);
    Runtime runtime = build_runtime(builder);
    EXPECT_THROW(runtime.block_on(fail_and_wait_for_ever(gate)), std::runtime_error);
    EXPECT_EQ(reports, 1);
    auto late = runtime.spawn(nothing());
    EXPECT_TRUE(late.is_finished());
    EXPECT_TRUE(runtime.shutdown_timeout(1h));
  }
}

TEST(UnhandledException, MayBeIgnored) {
  std::atomic<int> reports{0};
  Runtime runtime = build_runtime(
      Builder::current_thread()
          .on_unhandled_exception([&](const ringo::UnhandledException&) { ++reports; })
          .after_unhandled_exception(OnUnhandledException::kIgnore));
  auto body = []() -> Task<void> {
    ringo::spawn(fail()).detach();
    co_await ringo::yield_now();
    co_await ringo::yield_now();
  };
  runtime.block_on(body());
  EXPECT_EQ(reports, 0);
}

TEST(UnhandledExceptionDeathTest, MayAbortTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        Gate gate;
        Runtime runtime = build_runtime(
            Builder::current_thread().after_unhandled_exception(OnUnhandledException::kAbort));
        runtime.block_on(fail_and_wait_for_ever(gate));
      },
      "for the test");
}

}  // namespace
