// SPDX-License-Identifier: MIT
//
// join_all() and race_all(), JoinSet and JoinMap: many tasks, each result exactly once, and nothing
// left behind however it ends.
//
// Of Tokio's task_join_set.rs these do not apply: extend (there is no FromIterator), runtime_gone
// and panic_outside_any_runtime are what spawn() itself does (spawn_test.cc).
//
// Thread safety: tests.

#include <ringo/join.h>
#include <ringo/join_all.h>
#include <ringo/join_error.h>
#include <ringo/join_set.h>
#include <ringo/result.h>
#include <ringo/runtime.h>
#include <ringo/shield.h>
#include <ringo/spawn.h>
#include <ringo/sync/oneshot.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/usage_error.h>
#include <ringo/yield.h>

#include <algorithm>
#include <cstddef>
#include <expected>
#include <numeric>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/abort_harness.h"
#include "support/co_test.h"
#include "support/random_seed.h"
#include "support/tracked.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;
using testing_support::Tracked;

Task<int> after_yields(int n, int yields) {
  for (int i = 0; i < yields; ++i) {
    co_await yield_now();
  }
  co_return n;
}
Task<int> never(Tracked /*held*/) {
  co_await time::sleep(Duration::max());
  co_return 0;
}
Task<int> throws(int yields) {
  co_await after_yields(0, yields);
  throw std::runtime_error("thrown by a member");
}
Task<void> counts(int& count, int yields) {
  co_await after_yields(0, yields);
  ++count;
}
Task<Result<int>> gives(Result<int> result, int yields) {
  co_await after_yields(0, yields);
  co_return result;
}

// --- join_all, try_join_all, race_all -----------------------------------------------------------

CO_TEST(JoinAll, GivesTheValuesInOrder) {
  std::vector<Task<int>> tasks;
  for (int i = 0; i < 300; ++i) {
    tasks.push_back(after_yields(i, i % 7));
  }
  const std::vector<int> values = co_await join_all(std::move(tasks));
  CO_ASSERT_EQ(values.size(), 300U);
  for (int i = 0; i < 300; ++i) {
    CO_ASSERT_EQ(values[static_cast<std::size_t>(i)], i);
  }
}

CO_TEST(JoinAll, OfNothingIsReady) {
  const std::vector<int> values = co_await join_all(std::vector<Task<int>>());
  EXPECT_TRUE(values.empty());
}

CO_TEST(JoinAll, OfTasksWithoutValues) {
  int count = 0;
  std::vector<Task<void>> tasks;
  for (int i = 0; i < 100; ++i) {
    tasks.push_back(counts(count, i % 3));
  }
  co_await join_all(std::move(tasks));
  EXPECT_EQ(count, 100);
}

CO_TEST(JoinAll, IsWokenByOthersInAnyOrder) {
  constexpr std::size_t kCount = 1000;
  std::vector<oneshot::Sender<int>> senders;
  std::vector<Task<int>> tasks;
  auto receives = [](oneshot::Receiver<int> receiver) -> Task<int> {
    Result<int> received = co_await std::move(receiver);
    co_return received.value();
  };
  for (std::size_t i = 0; i < kCount; ++i) {
    auto [tx, rx] = oneshot::channel<int>();
    senders.push_back(std::move(tx));
    tasks.push_back(receives(std::move(rx)));
  }
  auto sends = [](std::vector<oneshot::Sender<int>> all) -> Task<void> {
    std::vector<std::size_t> order(all.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::mt19937_64 random = testing_support::seeded_random();
    std::shuffle(order.begin(), order.end(), random);
    for (const std::size_t i : order) {
      (void)std::move(all[i]).send(static_cast<int>(i));
      if (i % 16 == 0) {
        co_await yield_now();
      }
    }
  };
  auto sending = spawn(sends(std::move(senders)));
  const std::vector<int> values = co_await join_all(std::move(tasks));
  for (std::size_t i = 0; i < kCount; ++i) {
    CO_ASSERT_EQ(values[i], static_cast<int>(i));
  }
  (void)co_await sending;
}

CO_TEST(JoinAll, ThrowsAndDestroysTheOthers) {
  const int before = Tracked::alive();
  std::vector<Task<int>> tasks;
  for (int i = 0; i < 100; ++i) {
    tasks.push_back(never(Tracked()));
  }
  tasks.push_back(throws(3));
  bool has_thrown = false;
  try {
    (void)co_await join_all(std::move(tasks));
  } catch (const std::runtime_error&) {
    has_thrown = true;
  }
  EXPECT_TRUE(has_thrown);
  EXPECT_EQ(Tracked::alive(), before);
}

CO_TEST(JoinAll, LetsOtherTasksRun) {
  // Members that yield for ever, and one that ends when another task has run.
  auto [tx, rx] = oneshot::channel<int>();
  auto sends = [](oneshot::Sender<int> sender) -> Task<void> {
    (void)std::move(sender).send(1);
    co_return;
  };
  auto yields = [](const bool& stop) -> Task<void> {
    while (!stop) {
      co_await yield_now();
    }
  };
  auto stops = [](oneshot::Receiver<int> receiver, bool& stop) -> Task<void> {
    (void)co_await std::move(receiver);
    stop = true;
  };
  bool stop = false;
  std::vector<Task<void>> tasks;
  for (int i = 0; i < 10; ++i) {
    tasks.push_back(yields(stop));
  }
  tasks.push_back(stops(std::move(rx), stop));
  auto sending = spawn(sends(std::move(tx)));
  co_await join_all(std::move(tasks));
  (void)co_await sending;
}

CO_TEST(TryJoinAll, StopsAtTheFirstError) {
  std::vector<Task<Result<int>>> good;
  std::vector<Task<Result<int>>> bad;
  for (int i = 0; i < 10; ++i) {
    good.push_back(gives(i, i));
    bad.push_back(gives(
        i == 5 ? Result<int>(std::unexpected(Error(ErrorKind::kClosed, "five"))) : Result<int>(i),
        i));
  }
  const Result<std::vector<int>> all = co_await try_join_all(std::move(good));
  CO_ASSERT_TRUE(all.has_value());
  EXPECT_EQ(all->size(), 10U);
  const Result<std::vector<int>> failed = co_await try_join_all(std::move(bad));
  CO_ASSERT_FALSE(failed.has_value());
  EXPECT_EQ(failed.error().kind(), ErrorKind::kClosed);
}

CO_TEST(RaceAll, GivesTheFirst) {
  const int before = Tracked::alive();
  std::vector<Task<int>> tasks;
  for (int i = 0; i < 70; ++i) {
    tasks.push_back(i == 42 ? after_yields(7, 3) : never(Tracked()));
  }
  const Winner<int> winner = co_await race_all(std::move(tasks));
  EXPECT_EQ(winner.index, 42U);
  EXPECT_EQ(winner.value, 7);
  EXPECT_EQ(Tracked::alive(), before);
}

CO_TEST(RaceAll, WithoutAnybodyIsAUsageError) {
  bool is_refused = false;
  try {
    (void)co_await race_all(std::vector<Task<int>>());
  } catch (const UsageError&) {
    is_refused = true;
  }
  EXPECT_TRUE(is_refused);
}

CO_TEST(RaceAll, WaitsForALoserInAShield) {
  int finished = 0;
  auto shielded = [](int& count) -> Task<int> {
    co_await shield(counts(count, 10));
    co_return 0;
  };
  std::vector<Task<int>> tasks;
  for (int i = 0; i < 5; ++i) {
    tasks.push_back(shielded(finished));
  }
  tasks.push_back(after_yields(1, 2));
  const Winner<int> winner = co_await race_all(std::move(tasks));
  EXPECT_EQ(winner.index, 5U);
  EXPECT_EQ(finished, 5);
}

Task<void> joins_many() {
  std::vector<Task<int>> tasks;
  for (int i = 0; i < 5; ++i) {
    tasks.push_back(after_yields(i, i));
  }
  (void)co_await join_all(std::move(tasks));
  std::vector<Task<int>> racers;
  for (int i = 0; i < 5; ++i) {
    racers.push_back(i == 3 ? after_yields(i, i) : never(Tracked()));
  }
  (void)co_await race_all(std::move(racers));
}

TEST(JoinAll, MayBeAbortedAnywhere) {
  testing_support::abort_at_every_step([] { return joins_many(); });
}

TEST(JoinAll, MayLoseATimeoutAnywhere) {
  testing_support::time_out_at_every_step([] { return joins_many(); });
}

// --- JoinSet ------------------------------------------------------------------------------------

CO_TEST(JoinSet, HeaderExample) {
  const auto work = [](int i) { return after_yields(i, i); };
  int sum = 0;
  ringo::JoinSet<int> set;
  for (int i = 0; i < 10; ++i) {
    set.spawn(work(i));
  }
  while (auto done = co_await set.join_next()) {
    sum += done->value_or(0);
  }
  EXPECT_EQ(sum, 45);
}

CO_TEST(JoinSet, GivesEachResultOnce) {
  JoinSet<int> set;
  for (int i = 0; i < 500; ++i) {
    set.spawn(after_yields(i, i % 5));
  }
  EXPECT_EQ(set.size(), 500U);
  std::vector<int> seen(500, 0);
  while (!set.is_empty()) {
    const std::optional<JoinResult<int>> done = co_await set.join_next();
    CO_ASSERT_TRUE(done.has_value());
    CO_ASSERT_TRUE(done->has_value());
    ++seen[static_cast<std::size_t>(**done)];
  }
  EXPECT_EQ(std::count(seen.begin(), seen.end(), 1), 500);
  const std::optional<JoinResult<int>> none = co_await set.join_next();
  EXPECT_FALSE(none.has_value());
}

CO_TEST(JoinSet, AlternatesSpawningAndJoining) {
  JoinSet<int> set;
  int sum = 0;
  for (int i = 0; i < 100; ++i) {
    set.spawn(after_yields(1, i % 3));
    set.spawn(after_yields(1, 0));
    const std::optional<JoinResult<int>> done = co_await set.join_next();
    CO_ASSERT_TRUE(done && done->has_value());
    sum += **done;
  }
  EXPECT_EQ(set.size(), 100U);
  const std::vector<int> rest = co_await std::move(set).join_all();
  EXPECT_EQ(sum + std::accumulate(rest.begin(), rest.end(), 0), 200);
}

CO_TEST(JoinSet, AbortsOnDrop) {
  auto [tx, rx] = oneshot::channel<int>();
  auto holds = [](oneshot::Sender<int> sender) -> Task<void> {
    co_await time::sleep(Duration::max());
    (void)std::move(sender).send(1);
  };
  {
    JoinSet<> set;
    set.spawn(holds(std::move(tx)));
  }
  const Result<int> gone = co_await std::move(rx);
  EXPECT_FALSE(gone.has_value());
}

CO_TEST(JoinSet, AbortedTasksComeOut) {
  JoinSet<int> set;
  std::vector<AbortHandle> handles;
  for (int i = 0; i < 16; ++i) {
    handles.push_back(i % 2 == 0 ? set.spawn(never(Tracked())) : set.spawn(after_yields(i, 2)));
  }
  for (std::size_t i = 0; i < handles.size(); i += 2) {
    handles[i].abort();
  }
  int cancelled = 0;
  int ended = 0;
  while (!set.is_empty()) {
    const std::optional<JoinResult<int>> done = co_await set.join_next();
    CO_ASSERT_TRUE(done.has_value());
    ++(done->has_value() ? ended : cancelled);
  }
  EXPECT_EQ(cancelled, 8);
  EXPECT_EQ(ended, 8);
}

CO_TEST(JoinSet, ShutdownLeavesNobody) {
  const int before = Tracked::alive();
  JoinSet<int> set;
  for (int i = 0; i < 20; ++i) {
    set.spawn(never(Tracked()));
  }
  co_await set.shutdown();
  EXPECT_TRUE(set.is_empty());
  EXPECT_EQ(Tracked::alive(), before);
  set.spawn(after_yields(1, 1));
  const std::optional<JoinResult<int>> done = co_await set.join_next();
  CO_ASSERT_TRUE(done && done->has_value());
}

CO_TEST(JoinSet, DetachedTasksGoOn) {
  auto [tx, rx] = oneshot::channel<int>();
  auto sends = [](oneshot::Sender<int> sender) -> Task<void> {
    co_await after_yields(0, 5);
    (void)std::move(sender).send(3);
  };
  JoinSet<> set;
  set.spawn(sends(std::move(tx)));
  set.detach_all();
  EXPECT_TRUE(set.is_empty());
  const Result<int> sent = co_await std::move(rx);
  EXPECT_EQ(sent.value(), 3);
}

CO_TEST(JoinSet, IsUsableAfterDetachingTasksThatHaveEnded) {
  JoinSet<int> set;
  for (int round = 0; round < 20; ++round) {
    const AbortHandle ended = set.spawn(after_yields(1, 0));
    set.spawn(after_yields(2, round % 5));
    while (!ended.is_finished()) {
      co_await yield_now();
    }
    set.detach_all();
    EXPECT_FALSE(set.try_join_next().has_value());
    set.spawn(after_yields(3, 1));
    const std::optional<JoinResult<int>> next = co_await set.join_next();
    CO_ASSERT_TRUE(next && next->has_value());
    CO_ASSERT_EQ(**next, 3);
  }
}

Task<int> receive(oneshot::Receiver<int> receiver) {
  const Result<int> received = co_await std::move(receiver);
  co_return received.value();
}
Task<void> give_up_and_send(JoinHandle<int>& awaited, oneshot::Sender<int> sender) {
  const Result<JoinResult<int>> none = co_await time::timeout(1ms, awaited);
  EXPECT_FALSE(none.has_value());
  (void)std::move(sender).send(5);
}
Task<int> await_value(JoinHandle<int>& awaited) {
  const JoinResult<int> joined = co_await awaited;
  co_return joined.value();
}

CO_TEST(JoinHandle, IsStillAwaitedWhenAnEarlierAwaitOfItGivesUp) {
  auto [tx, rx] = oneshot::channel<int>();
  auto handle = spawn(receive(std::move(rx)));
  const auto [nothing, joined] =
      co_await join(give_up_and_send(handle, std::move(tx)), await_value(handle));
  (void)nothing;
  EXPECT_EQ(joined, 5);
}

CO_TEST(JoinSet, TryJoinNextGivesWhatHasEnded) {
  JoinSet<int> set;
  EXPECT_FALSE(set.try_join_next().has_value());
  const AbortHandle task = set.spawn(after_yields(5, 3));
  while (!task.is_finished()) {
    co_await yield_now();
  }
  // The join waker comes after the task's end can be seen.
  std::optional<std::pair<TaskId, JoinResult<int>>> done;
  while (!done) {
    done = set.try_join_next_with_id();
    co_await yield_now();
  }
  EXPECT_EQ(done->first, task.id());
  EXPECT_EQ(done->second.value(), 5);
}

CO_TEST(JoinSet, JoinAllThrowsAndAbortsTheRest) {
  JoinSet<int> set;
  auto [tx, rx] = oneshot::channel<int>();
  auto holds = [](oneshot::Sender<int> sender) -> Task<int> {
    co_await time::sleep(Duration::max());
    (void)std::move(sender).send(1);
    co_return 1;
  };
  set.spawn(holds(std::move(tx)));
  set.spawn(throws(2));
  bool has_thrown = false;
  try {
    (void)co_await std::move(set).join_all();
  } catch (const std::runtime_error&) {
    has_thrown = true;
  }
  EXPECT_TRUE(has_thrown);
  const Result<int> gone = co_await std::move(rx);
  EXPECT_FALSE(gone.has_value());
}

CO_TEST(JoinSet, TakesBlockingJobs) {
  JoinSet<int> set;
  for (int i = 0; i < 8; ++i) {
    set.spawn_blocking([i] { return i; });
  }
  const std::vector<int> values = co_await std::move(set).join_all();
  EXPECT_EQ(std::accumulate(values.begin(), values.end(), 0), 28);
}

CO_TEST(JoinSet, ACancelledJoinNextLosesNothing) {
  JoinSet<int> set;
  for (int i = 0; i < 100; ++i) {
    set.spawn(after_yields(i, i % 11));
  }
  int sum = 0;
  while (!set.is_empty()) {
    // Each wait may lose to a deadline that has passed.
    Result<std::optional<JoinResult<int>>> done =
        co_await time::timeout(Duration(0), set.join_next());
    if (done && *done) {
      sum += (*done)->value();
    } else {
      co_await yield_now();
    }
  }
  EXPECT_EQ(sum, 4950);
}

TEST(JoinSet, IsDestroyedWhileItsTasksEnd) {
  for (int round = 0; round < 100; ++round) {
    Runtime runtime = testing_support::multi_thread_runtime(2);
    auto spawns_and_drops = [](int yields) -> Task<void> {
      JoinSet<int> set;
      for (int i = 0; i < 20; ++i) {
        set.spawn(after_yields(i, i % 4));
      }
      for (int i = 0; i < yields; ++i) {
        (void)co_await set.join_next();
      }
    };
    runtime.block_on(spawns_and_drops(round % 20));
  }
}

Task<void> joins_a_set() {
  JoinSet<int> set;
  for (int i = 0; i < 4; ++i) {
    set.spawn(after_yields(i, i));
  }
  while (!set.is_empty()) {
    (void)co_await set.join_next();
  }
}

TEST(JoinSet, MayBeAbortedAnywhere) {
  testing_support::abort_at_every_step([] { return joins_a_set(); });
}

// --- JoinMap ------------------------------------------------------------------------------------

CO_TEST(JoinMap, GivesKeysWithResults) {
  JoinMap<std::string, int> map;
  map.spawn("one", after_yields(1, 3));
  map.spawn("two", after_yields(2, 1));
  EXPECT_TRUE(map.contains_key("one"));
  EXPECT_EQ(map.size(), 2U);
  int sum = 0;
  while (!map.is_empty()) {
    const auto done = co_await map.join_next();
    CO_ASSERT_TRUE(done.has_value());
    EXPECT_EQ(done->first, done->second.value() == 1 ? "one" : "two");
    sum += done->second.value();
  }
  EXPECT_EQ(sum, 3);
  const auto none = co_await map.join_next();
  EXPECT_FALSE(none.has_value());
}

CO_TEST(JoinMap, ASecondTaskReplacesTheFirst) {
  JoinMap<int, int> map;
  map.spawn(1, never(Tracked()));
  map.spawn(1, after_yields(2, 2));
  EXPECT_EQ(map.size(), 1U);
  const auto done = co_await map.join_next();
  CO_ASSERT_TRUE(done.has_value());
  EXPECT_EQ(done->second.value(), 2);
  const auto none = co_await map.join_next();
  EXPECT_FALSE(none.has_value());
}

CO_TEST(JoinMap, AbortsByKey) {
  JoinMap<int, int> map;
  map.spawn(1, never(Tracked()));
  EXPECT_FALSE(map.abort(2));
  EXPECT_TRUE(map.abort(1));
  const auto done = co_await map.join_next();
  CO_ASSERT_TRUE(done.has_value());
  EXPECT_EQ(done->first, 1);
  EXPECT_TRUE(done->second.error().is_cancelled());
}

}  // namespace
}  // namespace ringo
