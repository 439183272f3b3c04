// SPDX-License-Identifier: MIT
//
// fork_join: what comes out of it, what children may do, that nothing outlives its parent, and that
// other workers take part. Where a test needs a child to run elsewhere it makes sure of it: a child
// that blocks its worker until the other one has run.

#include <ringo/fork_join.h>
#include <ringo/join.h>
#include <ringo/join_all.h>
#include <ringo/join_error.h>
#include <ringo/metrics.h>
#include <ringo/runtime.h>
#include <ringo/select.h>
#include <ringo/shield.h>
#include <ringo/spawn.h>
#include <ringo/sync/notify.h>
#include <ringo/sync/oneshot.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/yield.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
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

ringo::Task<std::uint64_t> fib(unsigned n) {
  if (n < 2) {
    co_return n;
  }
  const auto [a, b] = co_await ringo::fork_join(fib(n - 1), fib(n - 2));
  co_return a + b;
}

CO_TEST(ForkJoin, HeaderExample) {
  const std::uint64_t result = co_await fib(20);
  EXPECT_EQ(result, 6765U);
}

Task<int> give(int value) {
  co_return value;
}
Task<std::unique_ptr<int>> give_box(int value) {
  co_return std::make_unique<int>(value);
}
Task<void> set(int& target, int value) {
  target = value;
  co_return;
}
Task<int> fail(const char* why) {
  throw std::runtime_error(why);
  co_return 0;
}
Task<int> yield_and_give(int yields, int value) {
  for (int i = 0; i < yields; ++i) {
    co_await yield_now();
  }
  co_return value;
}

CO_TEST(ForkJoin, GivesValuesInTheOrderOfTheChildren) {
  int written = 0;
  auto [number, box, nothing] = co_await fork_join(give(1), give_box(2), set(written, 3));
  static_assert(std::is_same_v<decltype(nothing), std::monostate>);
  EXPECT_EQ(number, 1);
  EXPECT_EQ(*box, 2);
  EXPECT_EQ(written, 3);
  const auto [alone] = co_await fork_join(give(4));
  EXPECT_EQ(alone, 4);
}

CO_TEST(ForkJoin, GivesAnArrayForAnArray) {
  std::array<Task<int>, 3> children{give(1), yield_and_give(2, 2), give(3)};
  const std::array<int, 3> values = co_await fork_join(std::move(children));
  EXPECT_EQ(values, (std::array<int, 3>{1, 2, 3}));
}

CO_TEST(ForkJoin, GivesAVectorForAVector) {
  for (const int count : {0, 1, 2, 3, 64, 1000}) {
    std::vector<Task<int>> children;
    for (int i = 0; i < count; ++i) {
      children.push_back(yield_and_give(i % 3, i));
    }
    const std::vector<int> values = co_await fork_join(std::move(children));
    CO_ASSERT_EQ(values.size(), static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
      CO_ASSERT_EQ(values[static_cast<std::size_t>(i)], i);
    }
  }
}

CO_TEST(ForkJoin, VectorOfVoidRunsAll) {
  std::vector<int> targets(100);
  std::vector<Task<void>> children;
  for (int i = 0; i < 100; ++i) {
    children.push_back(set(targets[static_cast<std::size_t>(i)], i));
  }
  co_await fork_join(std::move(children));
  EXPECT_EQ(std::accumulate(targets.begin(), targets.end(), 0), 4950);
}

CO_TEST(ForkJoin, FirstExceptionInOrderComesOutAfterAllHaveEnded) {
  int ran = 0;
  const auto late = [](int& count) -> Task<int> {
    for (int i = 0; i < 5; ++i) {
      co_await yield_now();
    }
    ++count;
    co_return 1;
  };
  std::string caught;
  try {
    co_await fork_join(late(ran), fail("first"), fail("second"));
  } catch (const std::runtime_error& error) {
    caught = error.what();
  }
  EXPECT_EQ(caught, "first");
  EXPECT_EQ(ran, 1);
}

CO_TEST(ForkJoin, FirstChildMayWaitForTheSecond) {
  // Also on one worker: a child that waits lets the others begin.
  auto [tx, rx] = oneshot::channel<int>();
  const auto receive = [](oneshot::Receiver<int> receiver) -> Task<int> {
    const auto value = co_await std::move(receiver);
    co_return value.value();
  };
  const auto send = [](oneshot::Sender<int> sender) -> Task<int> {
    EXPECT_TRUE(std::move(sender).send(7).has_value());
    co_return 0;
  };
  const auto [received, sent] = co_await fork_join(receive(std::move(rx)), send(std::move(tx)));
  EXPECT_EQ(received, 7);
  EXPECT_EQ(sent, 0);
}

CO_TEST_PAUSED(ForkJoin, ChildrenWaitAtTheSameTime) {
  const Instant begin = Clock::now();
  const auto nap = [](std::chrono::milliseconds duration) -> Task<void> {
    co_await time::sleep(duration);
  };
  co_await fork_join(nap(30ms), nap(10ms), nap(20ms));
  EXPECT_GE(Clock::now() - begin, 30ms);
  EXPECT_LT(Clock::now() - begin, 40ms);
}

/// A tree in which every node does something else before it forks.
Task<std::uint64_t> mixed_tree(unsigned depth, std::uint64_t seed) {
  if (depth == 0) {
    co_return seed;
  }
  switch (seed % 5) {
    case 0:
      co_await yield_now();
      break;
    case 1:
      co_await time::sleep(1ms);
      break;
    case 2: {
      JoinHandle<int> handle = spawn(give(1));
      const JoinResult<int> one = co_await handle;
      EXPECT_TRUE(one.has_value());
      break;
    }
    default:
      break;
  }
  const std::uint64_t next = seed * 6364136223846793005ULL + 1442695040888963407ULL;
  const auto [a, b, c] =
      co_await fork_join(mixed_tree(depth - 1, next >> 7), mixed_tree(depth - 1, next >> 11),
                         mixed_tree(depth - 1, next >> 13));
  if (seed % 7 == 0) {
    co_await yield_now();
  }
  co_return a ^ (b << 1) ^ (c << 2);
}
std::uint64_t mixed_sum(unsigned depth, std::uint64_t seed) {
  if (depth == 0) {
    return seed;
  }
  const std::uint64_t next = seed * 6364136223846793005ULL + 1442695040888963407ULL;
  return mixed_sum(depth - 1, next >> 7) ^ (mixed_sum(depth - 1, next >> 11) << 1) ^
         (mixed_sum(depth - 1, next >> 13) << 2);
}

CO_TEST(ForkJoin, TreesOfChildrenThatWaitAddUp) {
  const std::uint64_t seed = testing_support::seeded_random()();
  for (std::uint64_t round = 0; round < 4; ++round) {
    const std::uint64_t result = co_await mixed_tree(6, seed + round);
    CO_ASSERT_EQ(result, mixed_sum(6, seed + round));
  }
}

TEST(ForkJoin, TreesAddUpOnFourWorkersAtOnce) {
  const std::uint64_t seed = testing_support::seeded_random()();
  Runtime runtime = testing_support::multi_thread_runtime(4);
  std::vector<JoinHandle<std::uint64_t>> trees;
  for (std::uint64_t i = 0; i < 8; ++i) {
    trees.push_back(runtime.spawn(mixed_tree(5, seed + i)));
  }
  const auto collect = [](std::vector<JoinHandle<std::uint64_t>>& handles,
                          std::uint64_t first) -> Task<void> {
    for (std::size_t i = 0; i < handles.size(); ++i) {
      const JoinResult<std::uint64_t> result = co_await handles[i];
      EXPECT_EQ(result.value(), mixed_sum(5, first + i));
    }
  };
  runtime.block_on(collect(trees, seed));
}

Task<int> block_until(std::atomic<bool>& flag) {
  flag.wait(false);
  co_return 1;
}
Task<int> raise(std::atomic<bool>& flag) {
  flag.store(true);
  flag.notify_all();
  co_return 2;
}

TEST(ForkJoin, IdleWorkerTakesAChild) {
  Runtime runtime = testing_support::multi_thread_runtime(2);
  const auto parent = []() -> Task<int> {
    std::atomic<bool> flag{false};
    // The first child blocks this worker: the other must take the second.
    const auto [a, b] = co_await fork_join(block_until(flag), raise(flag));
    co_return a + b;
  };
  for (int i = 0; i < 200; ++i) {
    ASSERT_EQ(runtime.block_on(parent()), 3);
  }
  EXPECT_GE(runtime.metrics().workers[0].steals + runtime.metrics().workers[1].steals, 200U);
}

TEST(ForkJoin, ChildThatWasTakenMayForkAndWait) {
  Runtime runtime = testing_support::multi_thread_runtime(2);
  const auto taken = [](std::atomic<bool>& flag) -> Task<std::uint64_t> {
    co_await yield_now();
    const std::uint64_t result = co_await fib(12);
    co_await yield_now();
    flag.store(true);
    flag.notify_all();
    co_return result;
  };
  const auto parent = [](auto child) -> Task<std::uint64_t> {
    std::atomic<bool> flag{false};
    const auto [one, result] = co_await fork_join(block_until(flag), child(flag));
    co_return result + static_cast<std::uint64_t>(one);
  };
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(runtime.block_on(parent(taken)), 145U);
  }
}

/// As many children wait at a time as it is deep; the innermost lets them be promoted.
Task<int> nested(unsigned depth, int yields) {
  if (depth == 0) {
    co_return co_await yield_and_give(yields, 0);
  }
  const auto [below, one] = co_await fork_join(nested(depth - 1, yields), give(1));
  co_return below + one;
}

CO_TEST(ForkJoin, MoreChildrenMayWaitThanAWorkersStackHolds) {
  for (const unsigned depth : {1024U, 1025U, 1500U}) {
    for (const int yields : {0, 1, 2}) {
      const int sum = co_await nested(depth, yields);
      EXPECT_EQ(sum, static_cast<int>(depth));
    }
  }
}

CO_TEST(ForkJoin, ArrayMayHave64Children) {
  std::vector<Task<int>> made;
  for (int i = 0; i < 64; ++i) {
    made.push_back(yield_and_give(i % 2, i));
  }
  const auto to_array = []<std::size_t... kIndices>(std::vector<Task<int>>& tasks,
                                                    std::index_sequence<kIndices...>) {
    return std::array<Task<int>, 64>{std::move(tasks[kIndices])...};
  };
  std::array<Task<int>, 64> children = to_array(made, std::make_index_sequence<64>());
  const std::array<int, 64> values = co_await fork_join(std::move(children));
  EXPECT_EQ(std::accumulate(values.begin(), values.end(), 0), 2016);
}

CO_TEST(ForkJoin, DeepNestingNeedsNoStack) {
  const int depth = co_await nested(100'000, 0);
  EXPECT_EQ(depth, 100'000);
}

CO_TEST(ForkJoin, ManyInARowNeedNoStack) {
  int sum = 0;
  for (int i = 0; i < 100'000; ++i) {
    const auto [a, b] = co_await fork_join(give(1), give(1));
    sum += a + b;
  }
  EXPECT_EQ(sum, 200'000);
}

TEST(ForkJoin, LargeTreeLetsOtherTasksRun) {
  Runtime runtime = testing_support::current_thread_runtime();
  const auto main = []() -> Task<int> {
    bool has_run = false;
    const auto other = [](bool& flag) -> Task<void> {
      flag = true;
      co_return;
    };
    JoinHandle<void> handle = spawn(other(has_run));
    co_await fib(12);  // fewer forks than one turn has: the other must wait
    const bool was_early = has_run;
    co_await fib(20);  // more than 4,096
    const bool was_late = has_run;
    const JoinResult<void> ended = co_await handle;
    co_return !was_early && was_late && ended.has_value() ? 1 : 0;
  };
  EXPECT_EQ(runtime.block_on(main()), 1);
}

CO_TEST(ForkJoin, WorksInBranchesOfAJoin) {
  const auto [a, b] = co_await join(fork_join(yield_and_give(3, 1), yield_and_give(1, 2)),
                                    fork_join(give(3), yield_and_give(2, 4)));
  EXPECT_EQ(a, std::make_tuple(1, 2));
  EXPECT_EQ(b, std::make_tuple(3, 4));
}

CO_TEST(ForkJoin, WorksInMembersOfAJoinAll) {
  std::vector<Task<std::uint64_t>> members;
  for (unsigned n = 1; n <= 12; ++n) {
    members.push_back(fib(n));
  }
  const std::vector<std::uint64_t> values = co_await join_all(std::move(members));
  EXPECT_EQ(values.back(), 144U);
}

Task<void> never(Tracked /*tracked*/) {
  Notify notify;
  co_await notify.notified();
}

CO_TEST_PAUSED(ForkJoin, LostSelectAndTimeoutEndTheChildrenFirst) {
  const auto elapsed = co_await time::timeout(5ms, fork_join(never(Tracked()), never(Tracked())));
  EXPECT_FALSE(elapsed.has_value());
  EXPECT_EQ(Tracked::alive(), 0);
  const auto winner = co_await select(fork_join(never(Tracked()), give(1)), give(2));
  EXPECT_EQ(winner.index(), 1U);
  EXPECT_EQ(Tracked::alive(), 0);
}

Task<int> forks_and_waits(Tracked /*tracked*/) {
  int sum = 0;
  const auto child = [](int& target, Tracked /*own*/, int yields) -> Task<int> {
    co_await yield_now();
    co_await time::sleep(1ms);
    const auto [a, b] = co_await fork_join(yield_and_give(yields, 1), yield_and_give(1, 2));
    target += a + b;  // the parent's local
    co_return a;
  };
  const auto [a, b, c] = co_await fork_join(child(sum, Tracked(), 2), child(sum, Tracked(), 0),
                                            child(sum, Tracked(), 1));
  co_return sum + a + b + c;
}

TEST(ForkJoin, MayBeAbortedAnywhere) {
  testing_support::abort_at_every_step([] { return forks_and_waits(Tracked()); });
  testing_support::time_out_at_every_step([] { return forks_and_waits(Tracked()); });
}

CO_TEST_PAUSED(ForkJoin, AbortWaitsForAShieldInAChild) {
  bool has_finished = false;
  const auto shielded = [](bool& flag) -> Task<void> {
    co_await time::sleep(10ms);
    flag = true;
  };
  const auto child = [](auto body, bool& flag) -> Task<int> {
    co_await shield(body(flag));
    co_return 1;
  };
  const auto parent = [](auto run, auto body, bool& flag) -> Task<int> {
    const auto [a, b] = co_await fork_join(yield_and_give(1'000'000, 0), run(body, flag));
    co_return a + b;
  };
  JoinHandle<int> handle = spawn(parent(child, shielded, has_finished));
  co_await yield_now();
  co_await yield_now();
  co_await yield_now();
  handle.abort();
  const JoinResult<int> result = co_await handle;
  CO_ASSERT_FALSE(result.has_value());
  EXPECT_TRUE(result.error().is_cancelled());
  EXPECT_TRUE(has_finished);
}

TEST(ForkJoin, ShutdownEndsChildrenWhereverTheyAre) {
  for (int workers = 1; workers <= 3; ++workers) {
    {
      Runtime runtime = testing_support::multi_thread_runtime(static_cast<std::size_t>(workers));
      std::atomic<bool> has_started{false};
      const auto parent = [](std::atomic<bool>& started) -> Task<void> {
        const auto open = [](std::atomic<bool>& flag) -> Task<void> {
          flag.store(true);
          flag.notify_all();
          co_return;
        };
        const Tracked tracked;
        co_await fork_join(never(Tracked()), fork_join(std::vector<Task<void>>()), open(started),
                           never(Tracked()));
      };
      runtime.spawn(parent(has_started)).detach();
      has_started.wait(false);
    }
    EXPECT_EQ(Tracked::alive(), 0);
  }
}

TEST(ForkJoin, AbortOfRandomTreesLeavesNothing) {
  const std::uint64_t seed = testing_support::seeded_random()();
  Runtime runtime = testing_support::multi_thread_runtime(3);
  const auto tree = [](std::uint64_t number, Tracked /*tracked*/) -> Task<std::uint64_t> {
    co_return co_await mixed_tree(5, number);
  };
  for (std::uint64_t round = 0; round < 60; ++round) {
    JoinHandle<std::uint64_t> handle = runtime.spawn(tree(seed + round, Tracked()));
    for (std::uint64_t spin = 0; spin < (round % 8) * 200; ++spin) {
      std::this_thread::yield();
    }
    handle.abort();
    const auto wait = [](JoinHandle<std::uint64_t>& joined) -> Task<bool> {
      const JoinResult<std::uint64_t> result = co_await joined;
      co_return result.has_value() || result.error().is_cancelled();
    };
    ASSERT_TRUE(runtime.block_on(wait(handle)));
  }
  EXPECT_EQ(Tracked::alive(), 0);
}

TEST(ForkJoin, RunsInATaskThatBlocksAForeignThread) {
  // block_on's own task of a current_thread runtime, and no worker at all below a plain thread.
  Runtime runtime = testing_support::current_thread_runtime();
  std::uint64_t result = 0;
  std::thread([&] { result = runtime.block_on(fib(15)); }).join();
  EXPECT_EQ(result, 610U);
}

}  // namespace
}  // namespace ringo
