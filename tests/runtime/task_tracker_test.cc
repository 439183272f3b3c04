// SPDX-License-Identifier: MIT
//
// TaskTracker: what is counted for how long, and when a wait ends.
//
// Of Tokio's task_tracker.rs panic_outside_any_runtime and panic_in_multi_thread_runtime are what
// spawn() does (spawn_test.cc, local_set_test.cc).
//
// Thread safety: tests.

#include <ringo/cancellation_token.h>
#include <ringo/join_error.h>
#include <ringo/named.h>
#include <ringo/result.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/sync/oneshot.h>
#include <ringo/task.h>
#include <ringo/task_tracker.h>
#include <ringo/time.h>
#include <ringo/yield.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/abort_harness.h"
#include "support/co_test.h"
#include "support/manual_wait.h"
#include "support/random_seed.h"
#include "support/tracked.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;
using testing_support::ManualWait;
using testing_support::Tracked;

Task<int> gives(int value) {
  co_return value;
}
Task<void> never(Tracked /*held*/) {
  co_await time::sleep(Duration::max());
}
Task<void> serve(int /*number*/, CancellationToken stop) {
  co_await stop.cancelled();
}

CO_TEST(TaskTracker, HeaderExample) {
  const CancellationToken stop;
  ringo::TaskTracker tracker;
  for (int i = 0; i < 3; ++i) {
    tracker.spawn(serve(i, stop)).detach();
  }
  tracker.close();
  stop.cancel();
  co_await tracker.wait();
  CO_ASSERT_TRUE(tracker.is_empty());
}

TEST(TaskTracker, OpensAndCloses) {
  const TaskTracker tracker;
  EXPECT_FALSE(tracker.is_closed());
  EXPECT_TRUE(tracker.close());
  EXPECT_FALSE(tracker.close());
  EXPECT_TRUE(tracker.is_closed());
  EXPECT_TRUE(tracker.reopen());
  EXPECT_FALSE(tracker.reopen());
  EXPECT_FALSE(tracker.is_closed());
}

TEST(TaskTracker, CountsTokens) {
  const TaskTracker tracker;
  std::vector<TaskTrackerToken> tokens;
  for (std::size_t i = 0; i < 12; ++i) {
    EXPECT_EQ(tracker.size(), i);
    tokens.push_back(tracker.token());
  }
  TaskTrackerToken copy = tokens.front();
  EXPECT_EQ(tracker.size(), 13U);
  const TaskTrackerToken moved = std::move(copy);
  EXPECT_EQ(tracker.size(), 13U);
  tokens.clear();
  EXPECT_EQ(tracker.size(), 1U);
}

TEST(TaskTracker, CopiesAreTheSameTracker) {
  const TaskTracker tracker;
  const TaskTracker copy = tracker;
  const TaskTracker other;
  EXPECT_EQ(tracker, copy);
  EXPECT_FALSE(tracker == other);
  const TaskTrackerToken token = copy.token();
  EXPECT_EQ(tracker.size(), 1U);
}

// --- when a wait ends -------------------------------------------------------------------------

TEST(TaskTracker, WaitOfAClosedAndEmptyOneEndsAtOnce) {
  const TaskTracker tracker;
  tracker.close();
  ManualWait wait(tracker.wait());
  EXPECT_TRUE(wait.poll());
}

TEST(TaskTracker, WaitEndsThoughItWasReopenedBeforeTheFirstLook) {
  const TaskTracker tracker;
  tracker.close();
  ManualWait wait(tracker.wait());
  tracker.reopen();
  EXPECT_TRUE(wait.poll());
}

TEST(TaskTracker, WaitEndsWithClose) {
  const TaskTracker tracker;
  ManualWait wait(tracker.wait());
  EXPECT_FALSE(wait.poll());
  tracker.close();
  EXPECT_TRUE(wait.is_woken());
  EXPECT_TRUE(wait.poll());
}

TEST(TaskTracker, WaitEndsWithCloseThoughItWasReopenedSince) {
  const TaskTracker tracker;
  ManualWait wait(tracker.wait());
  EXPECT_FALSE(wait.poll());
  tracker.close();
  tracker.reopen();
  EXPECT_TRUE(wait.poll());
}

TEST(TaskTracker, WaitEndsWithTheLastTask) {
  const TaskTracker tracker;
  std::optional<TaskTrackerToken> first = tracker.token();
  std::optional<TaskTrackerToken> last = tracker.token();
  tracker.close();
  ManualWait wait(tracker.wait());
  EXPECT_FALSE(wait.poll());
  first.reset();
  EXPECT_FALSE(wait.is_woken());
  EXPECT_FALSE(wait.poll());
  last.reset();
  EXPECT_TRUE(wait.is_woken());
  EXPECT_TRUE(wait.poll());
}

TEST(TaskTracker, WaitEndsWithTheLastTaskThoughAnotherCameSince) {
  const TaskTracker tracker;
  std::optional<TaskTrackerToken> token = tracker.token();
  tracker.close();
  ManualWait wait(tracker.wait());
  EXPECT_FALSE(wait.poll());
  token.reset();
  token.emplace(tracker.token());
  EXPECT_TRUE(wait.poll());
}

TEST(TaskTracker, WaitDoesNotEndWhileItIsOpen) {
  const TaskTracker tracker;
  std::optional<TaskTrackerToken> token = tracker.token();
  ManualWait wait(tracker.wait());
  EXPECT_FALSE(wait.poll());
  token.reset();
  token.emplace(tracker.token());
  EXPECT_FALSE(wait.is_woken());
  EXPECT_FALSE(wait.poll());
  tracker.close();
  EXPECT_FALSE(wait.is_woken());
  token.reset();
  EXPECT_TRUE(wait.is_woken());
  EXPECT_TRUE(wait.poll());
}

TEST(TaskTracker, AllWaitersAreWoken) {
  const TaskTracker tracker;
  ManualWait first(tracker.wait());
  ManualWait second(tracker.wait());
  ManualWait third(tracker.wait());
  EXPECT_FALSE(first.poll() || second.poll() || third.poll());
  tracker.close();
  EXPECT_TRUE(first.poll() && second.poll() && third.poll());
}

TEST(TaskTracker, WaitOutlivesTheTracker) {
  std::optional<TaskTracker> tracker(std::in_place);
  const TaskTrackerToken token = tracker->token();
  tracker->close();
  ManualWait wait(tracker->wait());
  EXPECT_FALSE(wait.poll());
  tracker.reset();
  EXPECT_FALSE(wait.poll());
}

// --- what is counted --------------------------------------------------------------------------

CO_TEST(TaskTracker, SpawnedTaskIsCountedUntilItsFramesAreGone) {
  const int before = Tracked::alive();
  TaskTracker tracker;
  tracker.close();
  const auto waits = [](oneshot::Receiver<int> rx, Tracked) -> Task<void> { (void)co_await rx; };
  auto [tx, rx] = oneshot::channel<int>();
  tracker.spawn(waits(std::move(rx), Tracked())).detach();
  CO_ASSERT_EQ(tracker.size(), 1U);
  const Result<void> too_early = co_await time::timeout(0ms, tracker.wait());
  CO_ASSERT_FALSE(too_early.has_value());
  CO_ASSERT_TRUE(tx.send(1).has_value());
  co_await tracker.wait();
  EXPECT_EQ(Tracked::alive(), before);
}

CO_TEST(TaskTracker, AbortedTaskIsCountedUntilItsFramesAreGone) {
  const int before = Tracked::alive();
  const TaskTracker tracker;
  JoinHandle<void> suspended = tracker.spawn(never(Tracked()));
  co_await yield_now();
  JoinHandle<void> unstarted = tracker.spawn(never(Tracked()));
  suspended.abort();
  unstarted.abort();
  tracker.close();
  co_await tracker.wait();
  EXPECT_EQ(Tracked::alive(), before);
}

CO_TEST(TaskTracker, ResultIsTheHandles) {
  const TaskTracker tracker;
  const JoinResult<int> task = co_await tracker.spawn(gives(1));
  const JoinResult<int> function = co_await tracker.spawn([] { return gives(2); });
  const JoinResult<int> blocking = co_await tracker.spawn_blocking([] { return 3; });
  const JoinResult<int> elsewhere = co_await tracker.spawn_on(gives(4), Handle::current());
  EXPECT_EQ(task.value() + function.value() + blocking.value() + elsewhere.value(), 10);
  EXPECT_EQ(tracker.size(), 0U);
}

CO_TEST(TaskTracker, NamedTaskKeepsItsName) {
  const TaskTracker tracker;
  const auto tells = []() -> Task<std::string> { co_return std::string(current_task_name()); };
  const JoinResult<std::string> name = co_await tracker.spawn(named("teller", tells()));
  EXPECT_EQ(name.value(), "teller");
}

CO_TEST(TaskTracker, TrackedTaskIsCountedFromTheCallOn) {
  const TaskTracker tracker;
  {
    const Task<int> dropped = tracker.track_task(gives(1));
    EXPECT_EQ(tracker.size(), 1U);
  }
  EXPECT_EQ(tracker.size(), 0U);
  Task<int> awaited = tracker.track_task(gives(2));
  const int value = co_await std::move(awaited);
  EXPECT_EQ(value, 2);
  EXPECT_EQ(tracker.size(), 0U);
}

CO_TEST(TaskTracker, MaySpawnAfterCloseAndCloseDuringTheEnd) {
  TaskTracker tracker;
  tracker.close();
  const auto closes = [](TaskTracker own) -> Task<void> {
    own.close();
    co_return;
  };
  tracker.spawn(closes(tracker)).detach();
  co_await tracker.wait();
  EXPECT_TRUE(tracker.is_empty());
}

TEST(TaskTracker, DroppingItAbortsNothing) {
  Runtime runtime = testing_support::current_thread_runtime();
  const auto body = []() -> Task<int> {
    std::optional<TaskTracker> tracker(std::in_place);
    JoinHandle<int> handle = tracker->spawn(gives(7));
    tracker.reset();
    const JoinResult<int> result = co_await handle;
    co_return result.value();
  };
  EXPECT_EQ(runtime.block_on(body()), 7);
}

TEST(TaskTracker, ShutdownOfTheRuntimeEmptiesIt) {
  const TaskTracker tracker;
  {
    Runtime runtime = testing_support::multi_thread_runtime(2);
    const Handle::EnterGuard entered = runtime.enter();
    for (int i = 0; i < 10; ++i) {
      tracker.spawn(never(Tracked())).detach();
    }
  }
  EXPECT_TRUE(tracker.is_empty());
}

Task<void> waits_anywhere() {
  const Tracked held;
  TaskTracker tracker;
  const auto sleeps = []() -> Task<void> { co_await time::sleep(2ms); };
  tracker.spawn(sleeps()).detach();
  tracker.close();
  co_await tracker.wait();
  co_await tracker.track_task(sleeps());
}

TEST(TaskTracker, MayBeAbortedAnywhere) {
  testing_support::abort_at_every_step([] { return waits_anywhere(); });
  testing_support::time_out_at_every_step([] { return waits_anywhere(); });
}

TEST(TaskTracker, EachWaitEndsWhateverThreadTheLastTaskEndsOn) {
  std::mt19937_64 random = testing_support::seeded_random();
  Runtime runtime = testing_support::multi_thread_runtime(2);
  for (int round = 0; round < 300; ++round) {
    const auto body = [](std::uint64_t tasks, std::uint64_t closes_after) -> Task<void> {
      // The tracker goes as soon as the wait has ended, while the last task may still be leaving.
      TaskTracker tracker;
      const auto yields = [](std::uint64_t times) -> Task<void> {
        for (std::uint64_t i = 0; i < times; ++i) {
          co_await yield_now();
        }
      };
      for (std::uint64_t i = 0; i < tasks; ++i) {
        if (i == closes_after) {
          tracker.close();
        }
        tracker.spawn(yields(i % 3)).detach();
      }
      tracker.close();
      co_await tracker.wait();
      EXPECT_TRUE(tracker.is_empty());
    };
    runtime.block_on(body(random() % 8, random() % 8));
  }
}

}  // namespace
}  // namespace ringo
