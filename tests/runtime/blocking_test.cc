// SPDX-License-Identifier: MIT
//
// The blocking pool: how it grows and shrinks, its queue with and without a limit, and
// block_in_place().
//
// Of Tokio's task_blocking.rs and the block_in_place rows of rt_threaded.rs those do not apply in
// which the worker's thread itself blocks, or is refused (block_in_block, no_block_in_*,
// coop_disabled_in_block_in_place*, test_block_in_place1-4, yield_now_in_block_in_place …): here
// the function runs on the pool. blocking_when_paused and its relatives: time_sleep_test.cc.

#include <ringo/block_in_place.h>
#include <ringo/bounded_blocking.h>
#include <ringo/detail/block_thread.h>
#include <ringo/join_error.h>
#include <ringo/join_set.h>
#include <ringo/metrics.h>
#include <ringo/result.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/spawn_blocking.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/usage_error.h>
#include <ringo/yield.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/abort_harness.h"
#include "support/co_test.h"
#include "support/task_report.h"
#include "support/thread_id.h"
#include "support/tracked.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;
using testing_support::Tracked;

/// What jobs wait for.
class Latch {
 public:
  void wait() {
    ++arrived_;
    arrived_.notify_all();
    is_open_.wait(false);
  }
  void wait_until_arrived(int count) {
    for (int seen = arrived_; seen < count; seen = arrived_) {
      arrived_.wait(seen);
    }
  }
  void open() {
    is_open_ = true;
    is_open_.notify_all();
  }
  [[nodiscard]] int arrived() const { return arrived_; }

 private:
  std::atomic<int> arrived_{0};
  std::atomic<bool> is_open_{false};
};

template <class T>
Task<JoinResult<T>> take(JoinHandle<T> handle) {
  co_return co_await handle;
}

// --- threads ----------------------------------------------------------------------------------

TEST(BlockingPool, GrowsTo512AndTheNextOneWaits) {
  Runtime runtime = testing_support::multi_thread_runtime(1);
  Latch latch;
  std::vector<JoinHandle<void>> handles;
  for (int i = 0; i < 513; ++i) {
    handles.push_back(runtime.spawn_blocking([&latch] { latch.wait(); }));
  }
  latch.wait_until_arrived(512);
  const RuntimeMetrics metrics = runtime.metrics();
  EXPECT_EQ(metrics.blocking_threads, 512U);
  EXPECT_EQ(metrics.blocking_queue_depth, 1U);
  latch.open();
  for (JoinHandle<void>& handle : handles) {
    EXPECT_TRUE(runtime.block_on(take(std::move(handle))).has_value());
  }
  EXPECT_EQ(latch.arrived(), 513);
}

TEST(BlockingPool, IdleThreadsEndAfterTheKeepAlive) {
  Runtime runtime = testing_support::build_runtime(
      Builder::multi_thread().worker_threads(1).thread_keep_alive(1ms));
  Latch latch;
  std::vector<JoinHandle<void>> handles;
  for (int i = 0; i < 5; ++i) {
    handles.push_back(runtime.spawn_blocking([&latch] { latch.wait(); }));
  }
  latch.wait_until_arrived(5);
  EXPECT_EQ(runtime.metrics().blocking_threads, 5U);
  latch.open();
  while (runtime.metrics().blocking_threads != 0) {
    std::this_thread::yield();
  }
  // And comes back.
  EXPECT_EQ(runtime.block_on(take(runtime.spawn_blocking([] { return 6; }))).value(), 6);
}

TEST(BlockingPool, IdleThreadIsUsedAgain) {
  Runtime runtime = testing_support::multi_thread_runtime(1);
  for (int i = 0; i < 20; ++i) {
    // The thread is idle again only some time after its job has ended.
    EXPECT_EQ(runtime.block_on(take(runtime.spawn_blocking([i] { return i; }))).value(), i);
    EXPECT_LE(runtime.metrics().blocking_threads, 20U);
  }
  EXPECT_LT(runtime.metrics().blocking_threads, 20U);
}

TEST(BlockingPool, JobsMaySpawnTasksAndJobs) {
  Runtime runtime = testing_support::multi_thread_runtime(1);
  const auto gives = [](int value) -> Task<int> { co_return value; };
  JoinHandle<JoinHandle<int>> task = runtime.spawn_blocking([gives] { return spawn(gives(1)); });
  EXPECT_EQ(runtime.block_on(take(runtime.block_on(take(std::move(task))).value())).value(), 1);
  JoinHandle<JoinHandle<int>> job =
      runtime.spawn_blocking([] { return spawn_blocking([] { return 2; }); });
  EXPECT_EQ(runtime.block_on(take(runtime.block_on(take(std::move(job))).value())).value(), 2);
}

// --- a bounded queue --------------------------------------------------------------------------

TEST(BoundedBlocking, RefusesOneMoreThanTheLimit) {
  Runtime runtime = testing_support::build_runtime(
      Builder::multi_thread().worker_threads(1).max_blocking_threads(2).blocking_queue_limit(3));
  const Handle::EnterGuard entered = runtime.enter();
  Latch latch;
  std::vector<JoinHandle<void>> handles;
  for (int i = 0; i < 5; ++i) {
    Result<JoinHandle<void>> handle = try_spawn_blocking([&latch] { latch.wait(); });
    ASSERT_TRUE(handle.has_value()) << i;
    handles.push_back(*std::move(handle));
  }
  auto job = [kept = std::make_unique<int>(4)] { return *kept; };
  const Result<JoinHandle<int>> refused = try_spawn_blocking(std::move(job));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().kind(), ErrorKind::kFull);
  // NOLINTNEXTLINE(bugprone-use-after-move): it was refused.
  EXPECT_EQ(job(), 4) << "a refused function is the caller's still";
  // Not bounded, and counted as nothing.
  handles.push_back(spawn_blocking([] {}));
  latch.open();
  for (JoinHandle<void>& handle : handles) {
    EXPECT_TRUE(runtime.block_on(take(std::move(handle))).has_value());
  }
  EXPECT_TRUE(try_spawn_blocking([] {}).has_value());
}

TEST(BoundedBlocking, LimitOf0LetsNoneWait) {
  Runtime runtime = testing_support::build_runtime(
      Builder::multi_thread().worker_threads(1).max_blocking_threads(1).blocking_queue_limit(0));
  const Handle::EnterGuard entered = runtime.enter();
  Latch latch;
  Result<JoinHandle<void>> first = try_spawn_blocking([&latch] { latch.wait(); });
  EXPECT_TRUE(first.has_value());
  EXPECT_FALSE(try_spawn_blocking([] {}).has_value());
  latch.open();
  EXPECT_TRUE(runtime.block_on(take(*std::move(first))).has_value());
  EXPECT_TRUE(try_spawn_blocking([] {}).has_value());
}

TEST(BoundedBlocking, WithoutALimitNoneIsRefused) {
  Runtime runtime = testing_support::build_runtime(
      Builder::multi_thread().worker_threads(1).max_blocking_threads(1));
  const Handle::EnterGuard entered = runtime.enter();
  Latch latch;
  std::vector<JoinHandle<void>> handles;
  for (int i = 0; i < 1000; ++i) {
    Result<JoinHandle<void>> handle = try_spawn_blocking([&latch] { latch.wait(); });
    ASSERT_TRUE(handle.has_value());
    handles.push_back(*std::move(handle));
  }
  latch.open();
  for (JoinHandle<void>& handle : handles) {
    EXPECT_TRUE(runtime.block_on(take(std::move(handle))).has_value());
  }
}

TEST(BoundedBlocking, LargestLimitIsAcceptedAndOneMoreIsAUsageError) {
  Builder builder = Builder::current_thread();
  EXPECT_TRUE(builder.blocking_queue_limit(SIZE_MAX / 16).build().has_value());
  EXPECT_THROW((void)builder.blocking_queue_limit(SIZE_MAX / 16 + 1), UsageError);
}

TEST(BoundedBlocking, AwaitsRoomFirstComeFirstServed) {
  Runtime runtime = testing_support::build_runtime(
      Builder::current_thread().max_blocking_threads(1).blocking_queue_limit(1));
  const auto body = []() -> Task<void> {
    Latch latch;
    std::vector<int> order;
    const auto submits = [](std::vector<int>& begun, Latch& gate, int own) -> Task<void> {
      const auto waits = [&gate] { gate.wait(); };
      JoinHandle<void> job = co_await spawn_blocking_bounded(waits);
      begun.push_back(own);
      (void)co_await job;
    };
    std::vector<JoinHandle<void>> handles;
    for (int i = 0; i < 5; ++i) {
      handles.push_back(spawn(submits(order, latch, i)));
      co_await yield_now();
    }
    EXPECT_EQ(order, (std::vector<int>{0, 1})) << "one runs, one waits in the queue";
    EXPECT_FALSE(try_spawn_blocking([] {}).has_value());
    latch.open();
    for (JoinHandle<void>& handle : handles) {
      (void)co_await handle;
    }
    EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
  };
  runtime.block_on(body());
}

TEST(BoundedBlocking, GivesUpItsPlaceWhenItIsCancelled) {
  Runtime runtime = testing_support::build_runtime(
      Builder::current_thread().max_blocking_threads(1).blocking_queue_limit(0));
  const auto body = []() -> Task<void> {
    const int before = Tracked::alive();
    Latch latch;
    const auto waits = [&latch] { latch.wait(); };
    JoinHandle<void> first = co_await spawn_blocking_bounded(waits);
    bool has_run = false;
    auto job = [&has_run, held = Tracked()] { has_run = true; };
    const auto lost = co_await time::timeout(1ms, spawn_blocking_bounded(std::move(job)));
    EXPECT_FALSE(lost.has_value());
    latch.open();
    (void)co_await first;
    JoinHandle<int> next = co_await spawn_blocking_bounded([] { return 3; });
    const JoinResult<int> value = co_await next;
    EXPECT_EQ(value.value(), 3);
    EXPECT_FALSE(has_run);
    EXPECT_EQ(Tracked::alive(), before + 1) << "the one in `job`, which was moved from";
  };
  runtime.block_on(body());
}

int digest_of(const std::string& path) {
  return static_cast<int>(path.size());
}

CO_TEST(BoundedBlocking, HeaderExample) {
  const std::vector<std::string> paths{"a", "bc", "def"};
  JoinSet<int> digests;
  for (const std::string& path : paths) {
    auto digest = [path] { return digest_of(path); };
    auto job = co_await ringo::spawn_blocking_bounded(std::move(digest));
    digests.add(std::move(job));
  }
  const std::vector<int> sizes = co_await std::move(digests).join_all();
  CO_ASSERT_EQ(sizes.size(), 3U);
}

// --- block_in_place ---------------------------------------------------------------------------

CO_TEST(BlockInPlace, HeaderExample) {
  std::istringstream input("first\nsecond\n");
  std::string line;
  const auto read_line = [&] { return static_cast<bool>(std::getline(input, line)); };
  const bool has_line = co_await ringo::block_in_place(read_line);
  CO_ASSERT_TRUE(has_line);
  CO_ASSERT_EQ(line, "first");
}

CO_TEST(BlockInPlace, RunsOnAnotherThreadAndBorrowsTheTasksLocals) {
  const std::thread::id here = testing_support::thread_id();
  std::string line = "a";
  std::thread::id there;
  const auto adds = [&] {
    line += "b";
    there = testing_support::thread_id();
  };
  co_await block_in_place(adds);
  CO_ASSERT_EQ(line, "ab");
  CO_ASSERT_NE(there, here);
}

CO_TEST(BlockInPlace, GivesWhatTheFunctionReturnsOrThrows) {
  const std::unique_ptr<int> value =
      co_await block_in_place([] { return std::make_unique<int>(7); });
  CO_ASSERT_EQ(*value, 7);
  int local = 3;
  const auto refers = [&local]() -> int& { return local; };
  int& same = co_await block_in_place(refers);
  CO_ASSERT_EQ(&same, &local);
  bool has_thrown = false;
  try {
    (void)co_await block_in_place([]() -> int { throw std::runtime_error("broken"); });
  } catch (const std::runtime_error&) {
    has_thrown = true;
  }
  CO_ASSERT_TRUE(has_thrown);
}

CO_TEST(BlockInPlace, LeavesTheWorkerToOthers) {
  Latch latch;
  const auto opens = [](Latch& gate) -> Task<void> {
    gate.open();
    co_return;
  };
  JoinHandle<void> other = spawn(opens(latch));
  const auto waits = [&latch] { latch.wait(); };
  co_await block_in_place(waits);
  CO_ASSERT_TRUE(other.is_finished());
}

CO_TEST(BlockInPlace, AbortAndTimeoutWaitForTheFunction) {
  Latch latch;
  std::atomic<bool> has_ended{false};
  const auto blocks = [](Latch& gate, std::atomic<bool>& ended) -> Task<void> {
    std::string local = "on the frame";
    const auto appends = [&] {
      gate.wait();
      local += ", still";
      ended = true;
    };
    co_await block_in_place(appends);
  };
  JoinHandle<void> handle = spawn(blocks(latch, has_ended));
  while (latch.arrived() == 0) {
    co_await yield_now();
  }
  // The function may begin before its task waits for it, and a task that never waits is not
  // aborted.
  (void)co_await testing_support::report_when_idle(handle.id());
  handle.abort();
  for (int i = 0; i < 100; ++i) {
    co_await yield_now();
  }
  CO_ASSERT_FALSE(handle.is_finished());
  latch.open();
  const JoinResult<void> result = co_await handle;
  CO_ASSERT_TRUE(has_ended);
  CO_ASSERT_TRUE(result.error().is_cancelled());
}

TEST(BlockInPlace, OneThatStillWaitsForAThreadIsDroppedUnrun) {
  Runtime runtime =
      testing_support::build_runtime(Builder::current_thread().max_blocking_threads(1));
  const auto body = []() -> Task<void> {
    Latch latch;
    JoinHandle<void> first = spawn_blocking([&latch] { latch.wait(); });
    bool has_run = false;
    const auto blocks = [](bool& run) -> Task<void> {
      const auto notes = [&run] { run = true; };
      co_await block_in_place(notes);
    };
    JoinHandle<void> second = spawn(blocks(has_run));
    co_await yield_now();
    second.abort();
    co_await yield_now();
    latch.open();
    (void)co_await first;
    const JoinResult<void> result = co_await second;
    EXPECT_TRUE(result.error().is_cancelled());
    EXPECT_FALSE(has_run);
  };
  runtime.block_on(body());
}

TEST(BlockInPlace, ShutdownWaitsForTheFunction) {
  std::atomic<bool> has_ended{false};
  Latch latch;
  std::thread opener;
  {
    Runtime runtime = testing_support::multi_thread_runtime(1);
    const auto blocks = [](Latch& gate, std::atomic<bool>& ended) -> Task<void> {
      int local = 1;
      const auto adds = [&] {
        gate.wait();
        ended = ++local == 2;
      };
      co_await block_in_place(adds);
    };
    runtime.spawn(blocks(latch, has_ended)).detach();
    latch.wait_until_arrived(1);
    opener = std::thread([&latch] { latch.open(); });
  }
  EXPECT_TRUE(has_ended);
  opener.join();
}

Task<void> blocks_twice() {
  const Tracked held;
  int local = 0;
  auto first = [&local, own = Tracked()] { ++local; };
  co_await block_in_place(std::move(first));
  const auto second = [&local] { ++local; };
  co_await block_in_place(second);
  EXPECT_EQ(local, 2);
}

TEST(BlockInPlace, MayBeAbortedAnywhere) {
  testing_support::abort_at_every_step([] { return blocks_twice(); });
  testing_support::time_out_at_every_step([] { return blocks_twice(); });
}

CO_TEST(BlockInPlace, WorksAsABranch) {
  Latch latch;
  latch.open();
  int local = 0;
  const auto sets = [&] {
    latch.wait();
    local = 5;
  };
  const Result<void> in_time = co_await time::timeout(1h, block_in_place(sets));
  CO_ASSERT_TRUE(in_time.has_value());
  CO_ASSERT_EQ(local, 5);
}

TEST(BlockInPlace, WithoutARuntimeRunsInPlace) {
  const std::thread::id here = testing_support::thread_id();
  std::thread::id there;
  const auto body = [](std::thread::id& ran_on) -> Task<void> {
    const auto looks = [&ran_on] { ran_on = testing_support::thread_id(); };
    co_await block_in_place(looks);
  };
  detail::block_thread_on(body(there));
  EXPECT_EQ(there, here);
}

}  // namespace
}  // namespace ringo
