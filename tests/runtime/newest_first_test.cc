// SPDX-License-Identifier: MIT
//
// After a join that waits a worker takes its newest task first (decision 0019): trees of tasks are
// walked depth first, and what has waited in the queue before has a turn within two limits.

#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/task.h>
#include <ringo/yield.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <ostream>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "scheduler/worker.h"
#include "support/co_test.h"
#include "support/set_time_system.h"

namespace ringo {
namespace {

using detail::Worker;
using testing_support::SetTimeRuntime;

struct Population {
  int alive = 0;
  int most = 0;
};

Task<int> count_leaves(Population& population, int height) {
  if (height == 0) {
    --population.alive;
    co_return 1;
  }
  std::vector<JoinHandle<int>> children;
  for (int i = 0; i < 10; ++i) {
    population.most = std::max(population.most, ++population.alive);
    children.push_back(spawn(count_leaves(population, height - 1)));
  }
  int leaves = 0;
  for (JoinHandle<int>& child : children) {
    leaves += (co_await child).value();
  }
  --population.alive;
  co_return leaves;
}

TEST(NewestFirst, TreeOfTasksIsWalkedDepthFirst) {
  // Without a look at the time, which on a slow machine would end each walk early.
  Runtime runtime =
      testing_support::build_runtime(Builder::current_thread().event_interval(1'000'000));
  Population population;
  EXPECT_EQ(runtime.block_on(count_leaves(population, 4)), 10'000);
  // Breadth first, all leaves would be alive together.
  EXPECT_LE(population.most, 1'000);
}

// --- the limits -------------------------------------------------------------------------------

/// Which waits in the queue when the joiner begins.
struct Older {
  bool has_run = false;
};

Task<void> nothing() {
  co_return;
}

Task<void> run(Older& older) {
  older.has_run = true;
  co_return;
}

/// Each round takes one task from the back of the queue, the first child: the second is in the LIFO
/// slot. So many rounds, or fewer if the older task has run. Returns how many.
Task<std::uint32_t> spawn_and_join(const Older& older, std::uint32_t rounds,
                                   std::function<void(std::uint32_t)> after_round) {
  std::uint32_t done = 0;
  while (done < rounds && !older.has_run) {
    JoinHandle<void> first = spawn(nothing());
    JoinHandle<void> second = spawn(nothing());
    (void)co_await first;
    (void)co_await second;
    after_round(++done);
  }
  co_return done;
}

struct Walk {
  std::uint32_t rounds = 0;
  bool has_older_run = false;

  friend bool operator==(const Walk&, const Walk&) = default;
  friend void PrintTo(const Walk& walk, std::ostream* out) {
    *out << walk.rounds << " rounds, the older task " << (walk.has_older_run ? "has run" : "waits");
  }
};

/// How far the joiner comes, on a runtime of one worker.
Task<Walk> walk(std::uint32_t rounds, std::function<void(std::uint32_t)> after_round) {
  Older older;
  const auto joins = [](const Older& waiting, std::uint32_t most,
                        std::function<void(std::uint32_t)> after) -> Task<Walk> {
    const std::uint32_t done = co_await spawn_and_join(waiting, most, std::move(after));
    co_return Walk{done, waiting.has_run};
  };
  JoinHandle<Walk> joiner = spawn(joins(older, rounds, std::move(after_round)));
  JoinHandle<void> second = spawn(run(older));
  // It goes to the LIFO slot, so the other two are in the queue: the joiner is next, and finds the
  // older task there when its turn begins.
  spawn(nothing()).detach();
  co_await yield_now();
  Walk walked = (co_await joiner).value();
  (void)co_await second;
  co_return walked;
}

void go_on(std::uint32_t /*round*/) {}

/// Without a look at the time.
Walk walk_by_count(std::uint32_t rounds) {
  Runtime runtime =
      testing_support::build_runtime(Builder::current_thread().event_interval(1'000'000));
  return runtime.block_on(walk(rounds, go_on));
}

TEST(NewestFirst, SoManyTasksMayGoFirst) {
  EXPECT_EQ(walk_by_count(Worker::kMaxNewestRuns), (Walk{Worker::kMaxNewestRuns, false}));
}

TEST(NewestFirst, WhatWaitsInTheQueueComesBeforeOneMore) {
  constexpr std::uint32_t kOneMore = Worker::kMaxNewestRuns + 1;
  EXPECT_EQ(walk_by_count(kOneMore), (Walk{kOneMore, true}));
  EXPECT_EQ(walk_by_count(10 * kOneMore), (Walk{kOneMore, true}));
}

constexpr std::uint32_t kRounds = 20;
constexpr std::uint32_t kLongRound = 10;

/// One round takes so long.
Walk walk_by_time(std::chrono::nanoseconds duration) {
  SetTimeRuntime runtime;
  return runtime.block_on(walk(kRounds, [&](std::uint32_t round) {
    if (round == kLongRound) {
      runtime.system().advance(duration);
    }
  }));
}

TEST(NewestFirst, TheyMayTakeAlmostAMillisecond) {
  const std::chrono::nanoseconds almost{Worker::kMaxNewestNs - 1};
  EXPECT_EQ(walk_by_time(almost), (Walk{kRounds, false}));
}

TEST(NewestFirst, WhatWaitsInTheQueueIsNextAfterAMillisecond) {
  const std::chrono::nanoseconds limit{Worker::kMaxNewestNs};
  EXPECT_EQ(walk_by_time(limit), (Walk{kLongRound + 1, true}));
}

}  // namespace
}  // namespace ringo
