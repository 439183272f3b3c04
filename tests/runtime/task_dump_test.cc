// SPDX-License-Identifier: MIT
//
// What a task dump says of tasks that wait, are ready, run, or block their worker; and that being
// looked at changes nothing for them.
//
// Thread safety: tests.

#include <ringo/join.h>
#include <ringo/join_all.h>
#include <ringo/join_error.h>
#include <ringo/runtime.h>
#include <ringo/select.h>
#include <ringo/shield.h>
#include <ringo/spawn.h>
#include <ringo/sync/mpsc.h>
#include <ringo/sync/mutex.h>
#include <ringo/sync/notify.h>
#include <ringo/task.h>
#include <ringo/task_dump.h>
#include <ringo/time.h>
#include <ringo/usage_error.h>
#include <ringo/yield.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/blocking_gate.h"
#include "support/co_test.h"
#include "support/gate.h"
#include "support/task_report.h"

namespace {

using namespace std::chrono_literals;
using ringo::AwaitChain;
using ringo::Builder;
using ringo::Handle;
using ringo::JoinHandle;
using ringo::Notify;
using ringo::Runtime;
using ringo::Task;
using ringo::TaskActivity;
using ringo::TaskDump;
using ringo::TaskId;
using ringo::TaskReport;
using ringo::testing_support::BlockingGate;
using ringo::testing_support::build_runtime;
using ringo::testing_support::find;
using ringo::testing_support::Gate;
using ringo::testing_support::report_when_idle;

std::uint32_t this_line(std::source_location where = std::source_location::current()) {
  return where.line();
}

std::vector<std::uint32_t> lines_of(const AwaitChain& chain) {
  std::vector<std::uint32_t> lines;
  for (const std::source_location& frame : chain.frames) {
    lines.push_back(frame.line());
  }
  return lines;
}

std::vector<std::string> operations_of(const std::vector<AwaitChain>& chains) {
  std::vector<std::string> operations;
  for (const AwaitChain& chain : chains) {
    operations.push_back(chain.operation);
  }
  return operations;
}

// --- what is said of a task ---------------------------------------------------------------------

struct Lines {
  std::atomic<std::uint32_t> inner{0};
  std::atomic<std::uint32_t> outer{0};
};

Task<int> receive(ringo::mpsc::Receiver<int>& rx, Lines& lines) {
  lines.inner = this_line() + 1;
  const std::optional<int> message = co_await rx.recv();
  co_return message.value_or(0);
}

Task<int> receive_twice(ringo::mpsc::Receiver<int> rx, Lines& lines) {
  lines.outer = this_line() + 1;
  const int first = co_await receive(rx, lines);
  const int second = co_await receive(rx, lines);
  co_return first + second;
}

CO_TEST(TaskDump, NamesTheLinesThatATaskWaitsAt) {
  auto [tx, rx] = ringo::mpsc::channel<int>(4);
  Lines lines;
  const std::uint32_t spawn_line = this_line() + 1;
  auto handle = ringo::spawn(receive_twice(std::move(rx), lines));
  const TaskReport task = co_await report_when_idle(handle.id());
  EXPECT_EQ(task.spawned_at.line(), spawn_line);
  EXPECT_THAT(task.spawned_at.file_name(), testing::EndsWith("task_dump_test.cc"));
  EXPECT_EQ(task.waits_at.operation, "mpsc::recv");
  EXPECT_THAT(lines_of(task.waits_at),
              testing::ElementsAre(lines.inner.load(), lines.outer.load()));
  EXPECT_THAT(std::string(ringo::function_at(task.waits_at.frames[0])),
              testing::HasSubstr("receive("));
  EXPECT_TRUE(task.waits_at.branches.empty());
  EXPECT_TRUE(task.worker.has_value());
  // It goes on as if nothing had been.
  (void)co_await tx.send(20);
  (void)co_await tx.send(22);
  const auto sum = co_await handle;
  EXPECT_EQ(sum, 42);
}

Task<void> pass(Gate& gate) {
  co_await gate.passed();
}

CO_TEST(TaskDump, ShowsAllBranchesOfASelect) {
  auto [tx, rx] = ringo::mpsc::channel<int>(4);
  Gate gate;
  auto body = [](Gate& until, ringo::mpsc::Receiver<int> messages) -> Task<void> {
    (void)co_await ringo::select(messages.recv(), pass(until), ringo::time::sleep(1h));
  };
  auto handle = ringo::spawn(body(gate, std::move(rx)));
  const TaskReport task = co_await report_when_idle(handle.id());
  EXPECT_EQ(task.waits_at.operation, "select");
  CO_ASSERT_EQ(task.waits_at.branches.size(), 3U);
  EXPECT_EQ(task.waits_at.branches[0].operation, "mpsc::recv");
  EXPECT_TRUE(task.waits_at.branches[0].frames.empty());
  EXPECT_THAT(task.waits_at.branches[1].operation, testing::HasSubstr("Gate"));
  EXPECT_EQ(task.waits_at.branches[1].frames.size(), 1U);
  EXPECT_EQ(task.waits_at.branches[2].operation, "sleep");
  EXPECT_TRUE(task.waits_at.branches[2].deadline.has_value());
  gate.open();
  (void)co_await handle;
}

CO_TEST(TaskDump, LeavesOutBranchesThatHaveEnded) {
  Gate gate;
  auto body = [](Gate& until) -> Task<void> {
    (void)co_await ringo::join(ringo::time::sleep(0s), pass(until), until.passed());
  };
  auto handle = ringo::spawn(body(gate));
  TaskReport task = co_await report_when_idle(handle.id());
  while (task.waits_at.branches.size() == 3) {  // the sleep has not ended yet
    task = co_await report_when_idle(handle.id());
  }
  EXPECT_EQ(task.waits_at.operation, "join");
  EXPECT_EQ(task.waits_at.branches.size(), 2U);
  gate.open();
  (void)co_await handle;
}

CO_TEST(TaskDump, LooksIntoCombinatorsInsideOfEachOther) {
  Gate gate;
  auto body = [](Gate& until) -> Task<void> {
    std::vector<Task<void>> tasks;
    tasks.push_back(pass(until));
    tasks.push_back(pass(until));
    (void)co_await ringo::time::timeout(
        1h, ringo::select(ringo::shield(pass(until)), ringo::join_all(std::move(tasks))));
  };
  auto handle = ringo::spawn(body(gate));
  const TaskReport task = co_await report_when_idle(handle.id());
  EXPECT_EQ(task.waits_at.operation, "timeout");
  CO_ASSERT_EQ(task.waits_at.branches.size(), 1U);
  const AwaitChain& select = task.waits_at.branches[0];
  EXPECT_EQ(select.operation, "select");
  EXPECT_THAT(operations_of(select.branches), testing::ElementsAre("shield", "join_all"));
  CO_ASSERT_EQ(select.branches.size(), 2U);
  EXPECT_EQ(select.branches[0].branches.size(), 1U);
  EXPECT_EQ(select.branches[1].branches.size(), 2U);
  gate.open();
  (void)co_await handle;
}

CO_TEST(TaskDump, NamesTheHolderOfAMutexAndThePlaceInItsQueue) {
  ringo::Mutex<int> mutex(0);
  Gate gate;
  auto hold = [](ringo::Mutex<int>& locked, Gate& until) -> Task<void> {
    const auto guard = co_await locked.lock();
    co_await until.passed();
  };
  auto first = ringo::spawn(hold(mutex, gate));
  const TaskReport holder = co_await report_when_idle(first.id());
  EXPECT_THAT(holder.waits_at.operation, testing::HasSubstr("Gate"));
  auto second = ringo::spawn(hold(mutex, gate));
  TaskReport waiter = co_await report_when_idle(second.id());
  EXPECT_EQ(waiter.waits_at.operation, "Mutex::lock");
  EXPECT_EQ(waiter.waits_at.locked_by, first.id());
  EXPECT_EQ(waiter.waits_at.queue_position, 1U);
  auto third = ringo::spawn(hold(mutex, gate));
  waiter = co_await report_when_idle(third.id());
  EXPECT_EQ(waiter.waits_at.locked_by, first.id());
  EXPECT_EQ(waiter.waits_at.queue_position, 2U);
  gate.open();
  (void)co_await first;
  (void)co_await second;
  (void)co_await third;
}

CO_TEST(TaskDump, NamesTheTaskThatIsJoined) {
  Gate gate;
  auto child = ringo::spawn(pass(gate));
  const TaskId child_id = child.id();
  auto join = [](JoinHandle<void> handle) -> Task<void> { (void)co_await handle; };
  auto parent = ringo::spawn(join(std::move(child)));
  const TaskReport task = co_await report_when_idle(parent.id());
  EXPECT_EQ(task.waits_at.operation, "JoinHandle");
  EXPECT_EQ(task.waits_at.awaited_task, child_id);
  gate.open();
  (void)co_await parent;
}

CO_TEST_PAUSED(TaskDump, KnowsTheDeadlineOfASleep) {
  const ringo::Instant deadline = ringo::Clock::now() + 1h;
  auto sleep = [](ringo::Instant until) -> Task<void> { co_await ringo::time::sleep_until(until); };
  auto handle = ringo::spawn(sleep(deadline));
  const TaskReport task = co_await report_when_idle(handle.id());
  EXPECT_EQ(task.waits_at.operation, "sleep");
  EXPECT_EQ(task.waits_at.deadline, deadline);
  (void)co_await handle;
}

// --- tasks that do not wait ---------------------------------------------------------------------

TEST(TaskDump, ListsTasksThatHaveNotBegun) {
  Gate gate;
  Runtime runtime = build_runtime(Builder::current_thread());
  auto handle = runtime.spawn(pass(gate));
  const TaskDump dump = runtime.handle().blocking_dump(1h);
  EXPECT_TRUE(dump.is_complete());
  ASSERT_EQ(dump.tasks.size(), 1U);
  EXPECT_EQ(dump.tasks[0].id, handle.id());
  EXPECT_EQ(dump.tasks[0].activity, TaskActivity::kReady);
  EXPECT_FALSE(dump.tasks[0].worker.has_value());
}

TEST(TaskDump, TellsWhatIsReadyFromWhatRuns) {
  Gate gate;
  bool may_end = false;
  Runtime runtime = build_runtime(Builder::current_thread());
  auto woken = runtime.spawn(pass(gate));
  auto yield = [](const bool& until) -> Task<void> {
    while (!until) {
      co_await ringo::yield_now();
    }
  };
  auto yielding = runtime.spawn(yield(may_end));
  auto yield_twice = []() -> Task<void> {
    co_await ringo::yield_now();
    co_await ringo::yield_now();
  };
  runtime.block_on(yield_twice());
  gate.open();
  const TaskDump dump = runtime.handle().blocking_dump(1h);
  ASSERT_EQ(dump.tasks.size(), 2U);
  EXPECT_EQ(find(dump, woken.id())->activity, TaskActivity::kReady);
  EXPECT_EQ(find(dump, yielding.id())->activity, TaskActivity::kReady);
  may_end = true;
}

Task<void> block_worker(std::atomic<bool>& is_blocked, const BlockingGate& gate);

TEST(TaskDump, KnowsThatAnotherWorkerRunsATask) {
  const BlockingGate gate;
  std::atomic<bool> is_blocked{false};
  Gate never;
  const Runtime runtime =
      build_runtime(Builder::multi_thread().worker_threads(2).disable_lifo_slot());
  // Spawns a task and holds its worker until the other one has stolen that; then it waits.
  auto body = [](std::atomic<bool>& child_blocks, const BlockingGate& until,
                 Gate& waited) -> Task<void> {
    auto child = ringo::spawn(block_worker(child_blocks, until));
    while (!child_blocks) {
      std::this_thread::yield();
    }
    co_await waited.passed();
    (void)co_await child;
  };
  auto parent = runtime.spawn(body(is_blocked, gate, never));
  while (!is_blocked || never.waiting() == 0) {
    std::this_thread::yield();
  }
  // The worker that is blocked does not answer, but the one that the child belongs to does.
  TaskDump dump;
  do {
    dump = runtime.handle().blocking_dump(1ms);
  } while (dump.stuck_workers.size() != 1);
  gate.open();
  never.open();
  ASSERT_EQ(dump.tasks.size(), 2U);
  const TaskId child = dump.stuck_workers[0].task;
  ASSERT_TRUE(find(dump, child).has_value());
  EXPECT_EQ(find(dump, child)->activity, TaskActivity::kRunning);
  EXPECT_EQ(find(dump, parent.id())->activity, TaskActivity::kIdle);
}

TEST(TaskDump, OfARuntimeThatNobodyDrivesIsTakenByTheCaller) {
  Gate gate;
  Runtime runtime = build_runtime(Builder::current_thread());
  auto handle = runtime.spawn(pass(gate));
  auto yield = []() -> Task<void> { co_await ringo::yield_now(); };
  runtime.block_on(yield());
  const TaskDump dump = runtime.handle().blocking_dump(1h);
  ASSERT_EQ(dump.tasks.size(), 1U);
  EXPECT_EQ(dump.tasks[0].activity, TaskActivity::kIdle);
  EXPECT_EQ(dump.tasks[0].waits_at.frames.size(), 1U);
  gate.open();
  auto join = [](JoinHandle<void>& joined) -> Task<void> { (void)co_await joined; };
  runtime.block_on(join(handle));
}

Task<void> block_worker(std::atomic<bool>& is_blocked, const BlockingGate& gate) {
  is_blocked = true;
  gate.block();
  co_return;
}

TEST(TaskDump, NamesTheTaskThatBlocksItsWorker) {
  const BlockingGate gate;
  std::atomic<bool> is_blocked{false};
  const Runtime runtime =
      build_runtime(Builder::multi_thread().worker_threads(1).disable_watchdog());
  auto handle = runtime.spawn(block_worker(is_blocked, gate));
  while (!is_blocked) {
    std::this_thread::yield();
  }
  const TaskDump dump = runtime.handle().blocking_dump(0s);
  gate.open();
  EXPECT_FALSE(dump.is_complete());
  ASSERT_EQ(dump.stuck_workers.size(), 1U);
  EXPECT_EQ(dump.stuck_workers[0].worker, 0U);
  EXPECT_EQ(dump.stuck_workers[0].task, handle.id());
  EXPECT_FALSE(dump.stuck_workers[0].stack.empty());
  EXPECT_THAT(dump.to_string(), testing::HasSubstr("worker 0 does not answer"));
}

TEST(TaskDump, OfARuntimeThatWasShutDownIsEmpty) {
  for (const bool is_current_thread : {false, true}) {
    Runtime runtime =
        build_runtime(is_current_thread ? Builder::current_thread() : Builder::multi_thread());
    const Handle handle = runtime.handle();
    Gate gate;
    runtime.spawn(pass(gate)).detach();
    ringo::drop(std::move(runtime));
    const TaskDump dump = handle.blocking_dump(1h);
    EXPECT_TRUE(dump.is_complete());
    EXPECT_TRUE(dump.tasks.empty());
  }
}

// --- limits -------------------------------------------------------------------------------------

TEST(TaskDump, HasALimitOfTasksPerWorker) {
  Gate gate;
  Runtime runtime = build_runtime(Builder::current_thread());
  for (std::size_t i = 0; i < TaskDump::kMaxTasksPerWorker; ++i) {
    runtime.spawn(pass(gate)).detach();
  }
  auto yield = []() -> Task<void> { co_await ringo::yield_now(); };
  EXPECT_EQ(runtime.handle().blocking_dump(1h).omitted_tasks, 0U);
  runtime.block_on(yield());
  TaskDump dump = runtime.handle().blocking_dump(1h);
  EXPECT_EQ(dump.tasks.size(), TaskDump::kMaxTasksPerWorker);
  EXPECT_TRUE(dump.is_complete());
  runtime.spawn(pass(gate)).detach();
  runtime.block_on(yield());
  dump = runtime.handle().blocking_dump(1h);
  EXPECT_EQ(dump.tasks.size(), TaskDump::kMaxTasksPerWorker);
  EXPECT_EQ(dump.omitted_tasks, 1U);
}

Task<void> pass_below(Gate& gate, std::size_t frames) {
  if (frames == 1) {
    co_await gate.passed();
  } else {
    co_await pass_below(gate, frames - 1);
  }
}

CO_TEST(TaskDump, HasALimitOfFrames) {
  Gate gate;
  auto fits = ringo::spawn(pass_below(gate, AwaitChain::kMaxFrames));
  auto one_more = ringo::spawn(pass_below(gate, AwaitChain::kMaxFrames + 1));
  TaskReport task = co_await report_when_idle(fits.id());
  EXPECT_EQ(task.waits_at.frames.size(), AwaitChain::kMaxFrames);
  EXPECT_EQ(task.waits_at.omitted_frames, 0U);
  task = co_await report_when_idle(one_more.id());
  EXPECT_EQ(task.waits_at.frames.size(), AwaitChain::kMaxFrames);
  EXPECT_EQ(task.waits_at.omitted_frames, 1U);
  gate.open();
  (void)co_await fits;
  (void)co_await one_more;
}

Task<void> pass_shielded(Gate& gate, std::size_t shields) {
  if (shields == 0) {
    co_await gate.passed();
  } else {
    co_await ringo::shield(pass_shielded(gate, shields - 1));
  }
}

std::size_t depth_of(const AwaitChain& chain) {
  return chain.branches.empty() ? 0 : 1 + depth_of(chain.branches[0]);
}

CO_TEST(TaskDump, HasALimitOfDepth) {
  Gate gate;
  auto fits = ringo::spawn(pass_shielded(gate, AwaitChain::kMaxDepth));
  auto one_more = ringo::spawn(pass_shielded(gate, AwaitChain::kMaxDepth + 1));
  TaskReport task = co_await report_when_idle(fits.id());
  EXPECT_EQ(depth_of(task.waits_at), AwaitChain::kMaxDepth);
  task = co_await report_when_idle(one_more.id());
  EXPECT_EQ(depth_of(task.waits_at), AwaitChain::kMaxDepth);
  gate.open();
  (void)co_await fits;
  (void)co_await one_more;
}

// --- the rest -----------------------------------------------------------------------------------

TEST(TaskDump, MayBeAwaitedInAnotherRuntime) {
  Gate gate;
  const Runtime watched = build_runtime(Builder::multi_thread().worker_threads(2));
  auto handle = watched.spawn(pass(gate));
  auto dump = [](Handle other, TaskId id) -> Task<bool> {
    const TaskDump taken = co_await other.dump(1h);
    co_return find(taken, id).has_value();
  };
  Runtime watching = build_runtime(Builder::current_thread());
  EXPECT_TRUE(watching.block_on(dump(watched.handle(), handle.id())));
  gate.open();
}

CO_TEST(TaskDump, RefusesToBlockAWorker) {
  EXPECT_THROW((void)Handle::current().blocking_dump(1s), ringo::UsageError);
  co_return;
}

CO_TEST(TaskDump, IsText) {
  Gate gate;
  auto handle = ringo::spawn(pass(gate));
  (void)co_await report_when_idle(handle.id());
  const TaskDump dump = co_await Handle::current().dump(1h);
  const std::string text = dump.to_string();
  EXPECT_THAT(text, testing::HasSubstr("runtime \"ringo\": "));
  EXPECT_THAT(text, testing::HasSubstr("waits, spawned at "));
  EXPECT_THAT(text, testing::HasSubstr("task_dump_test.cc:"));
  gate.open();
  (void)co_await handle;
}

CO_TEST(TaskDump, HeaderExample) {
  testing::internal::CaptureStdout();
  ringo::TaskDump dump = co_await ringo::Handle::current().dump(1s);
  fmt::print("{}", dump.to_string());
  std::fflush(stdout);
  EXPECT_THAT(testing::internal::GetCapturedStdout(), testing::HasSubstr("1 tasks"));
}

CO_TEST(TaskDump, MayBeGivenUp) {
  for (int i = 0; i < 20; ++i) {
    auto dumping = ringo::spawn(Handle::current().dump(1h));
    if (i % 2 == 0) {
      co_await ringo::yield_now();
    }
    dumping.abort();
    (void)co_await dumping;
  }
}

Task<void> ping_pong(Notify& mine, Notify& theirs, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    co_await mine.notified();
    theirs.notify_one();
  }
}

void dump_while_tasks_run(const Builder& builder) {
  constexpr int kPairs = 8;
  constexpr int kRounds = 400;
  Runtime runtime = build_runtime(builder);
  std::atomic<bool> have_ended{false};
  std::thread dumper([&] {
    while (!have_ended) {
      const TaskDump dump = runtime.handle().blocking_dump(1h);
      EXPECT_TRUE(dump.is_complete());
    }
  });
  auto body = [](int pairs, int rounds) -> Task<void> {
    std::vector<std::unique_ptr<Notify>> notifies;
    std::vector<JoinHandle<void>> handles;
    for (int i = 0; i < pairs; ++i) {
      Notify& ping = *notifies.emplace_back(std::make_unique<Notify>());
      Notify& pong = *notifies.emplace_back(std::make_unique<Notify>());
      handles.push_back(ringo::spawn(ping_pong(ping, pong, rounds)));
      handles.push_back(ringo::spawn(ping_pong(pong, ping, rounds)));
      ping.notify_one();
      // And one that is aborted while it may be looked at.
      Gate gate;
      auto aborted = ringo::spawn(pass(gate));
      co_await ringo::yield_now();
      aborted.abort();
      (void)co_await aborted;
    }
    for (auto& handle : handles) {
      (void)co_await handle;
    }
  };
  runtime.block_on(body(kPairs, kRounds));
  have_ended = true;
  dumper.join();
}

TEST(TaskDump, LosesNoWakeOnCurrentThread) {
  dump_while_tasks_run(Builder::current_thread());
}
TEST(TaskDump, LosesNoWakeOnMultiThread) {
  dump_while_tasks_run(Builder::multi_thread().worker_threads(3));
}

}  // namespace
