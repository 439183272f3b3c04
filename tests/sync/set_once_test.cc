// SPDX-License-Identifier: MIT
//
// SetOnce: set once, waited for by many. The behaviours are those of Tokio's set_once tests; its
// const constructor and its Clone have no counterpart here.

#include <ringo/join_error.h>
#include <ringo/result.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/sync/set_once.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/usage_error.h>
#include <ringo/yield.h>

#include <atomic>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/abort_harness.h"
#include "support/co_test.h"
#include "support/tracked.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;
using testing_support::Tracked;

CO_TEST(SetOnce, HeaderExample) {
  ringo::SetOnce<int> port;
  std::expected<void, int> is_first = port.set(6379);
  const int& listening_on = co_await port.wait();
  CO_ASSERT_TRUE(is_first.has_value());
  CO_ASSERT_EQ(listening_on, 6379);
}

TEST(SetOnce, IsSetOnceAndTheRefusedValueComesBack) {
  SetOnce<std::unique_ptr<int>> cell;
  EXPECT_FALSE(cell.is_set());
  EXPECT_EQ(cell.get(), nullptr);
  EXPECT_TRUE(cell.set(std::make_unique<int>(1)).has_value());
  std::expected<void, std::unique_ptr<int>> second = cell.set(std::make_unique<int>(2));
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(*second.error(), 2);
  EXPECT_EQ(**cell.get(), 1);
  const std::optional<std::unique_ptr<int>> inner = std::move(cell).into_inner();
  EXPECT_EQ(**inner, 1);
}

TEST(SetOnce, MayBeMadeWithAValue) {
  SetOnce cell(5);
  EXPECT_EQ(*cell.get(), 5);
  EXPECT_FALSE(cell.set(6).has_value());
  EXPECT_EQ(cell.blocking_wait(), 5);
}

/// Its second move throws: the one into the cell.
struct Fragile {
  explicit Fragile(int moves) : moves_left(moves) {}
  // NOLINTNEXTLINE(performance-noexcept-move-constructor): that is the point of it.
  Fragile(Fragile&& other) : moves_left(other.moves_left - 1) {
    if (moves_left < 0) {
      throw std::runtime_error("moved too often");
    }
  }
  Fragile& operator=(Fragile&&) = delete;
  ~Fragile() = default;
  int moves_left;
};

TEST(SetOnce, MoveThatThrowsLeavesItEmpty) {
  SetOnce<Fragile> cell;
  EXPECT_THROW((void)cell.set(Fragile(0)), std::runtime_error);
  EXPECT_FALSE(cell.is_set());
  EXPECT_TRUE(cell.set(Fragile(5)).has_value());
}

Task<int> wait_for(std::shared_ptr<SetOnce<int>> cell) {
  const std::reference_wrapper<const int> value = co_await cell->wait();
  co_return value.get();
}

CO_TEST(SetOnce, WakesAllWhoWait) {
  auto cell = std::make_shared<SetOnce<int>>();
  std::vector<JoinHandle<int>> tasks;
  for (int i = 0; i < 10; ++i) {
    tasks.push_back(spawn(wait_for(cell)));
  }
  co_await yield_now();
  CO_ASSERT_TRUE(cell->set(3).has_value());
  for (JoinHandle<int>& task : tasks) {
    const JoinResult<int> value = co_await task;
    CO_ASSERT_EQ(value.value(), 3);
  }
}

CO_TEST_PAUSED(SetOnce, WhoGivesUpLeavesTheQueue) {
  auto cell = std::make_shared<SetOnce<int>>();
  JoinHandle<int> stays = spawn(wait_for(cell));
  JoinHandle<int> goes = spawn(wait_for(cell));
  co_await time::sleep(1ms);
  goes.abort();
  (void)co_await goes;
  const Result<std::reference_wrapper<const int>> late = co_await time::timeout(1ms, cell->wait());
  CO_ASSERT_FALSE(late.has_value());
  CO_ASSERT_TRUE(cell->set(1).has_value());
  const JoinResult<int> value = co_await stays;
  CO_ASSERT_EQ(value.value(), 1);
}

TEST(SetOnce, OneOfManyThreadsSetsIt) {
  Runtime runtime = testing_support::multi_thread_runtime();
  for (int round = 0; round < 20; ++round) {
    auto cell = std::make_shared<SetOnce<int>>();
    std::atomic<int> winner{-1};
    std::atomic<int> winners{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([cell, &winner, &winners, i] {
        if (cell->set(i).has_value()) {
          winner.store(i);
          winners.fetch_add(1);
        }
      });
    }
    const int seen = runtime.block_on(wait_for(cell));
    const int seen_by_thread = cell->blocking_wait();
    for (std::thread& thread : threads) {
      thread.join();
    }
    EXPECT_EQ(winners.load(), 1);
    EXPECT_EQ(seen, winner.load());
    EXPECT_EQ(seen_by_thread, winner.load());
  }
}

CO_TEST(SetOnce, BlockingWaitIsRefusedOnAWorker) {
  const SetOnce<int> cell(1);
  EXPECT_THROW((void)cell.blocking_wait(), UsageError);
  const int& value = co_await cell.wait();
  CO_ASSERT_EQ(value, 1);
}

Task<int> waits_and_sets() {
  auto cell = std::make_shared<SetOnce<int>>();
  auto sets = [](std::shared_ptr<SetOnce<int>> set, Tracked /*tracked*/) -> Task<void> {
    co_await yield_now();
    (void)set->set(2);
  };
  JoinHandle<void> setter = spawn(sets(cell, Tracked()));
  const Tracked tracked;
  const std::reference_wrapper<const int> value = co_await cell->wait();
  (void)co_await setter;
  co_return value.get();
}

TEST(SetOnce, MayBeAbortedAnywhere) {
  testing_support::abort_at_every_step([] { return waits_and_sets(); });
  testing_support::time_out_at_every_step([] { return waits_and_sets(); },
                                          testing_support::Holds::kElsewhereToo);
}

}  // namespace
}  // namespace ringo
