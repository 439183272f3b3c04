// SPDX-License-Identifier: MIT
//
// The budget as users see it: unconstrained(), consume_budget(), has_budget_remaining(), and the
// limit of time. The clock is paused, so that how often a task yields does not depend on the
// machine.

#include <ringo/coop.h>
#include <ringo/join_error.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/sync/mpsc.h>
#include <ringo/sync/semaphore.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/usage_error.h>
#include <ringo/yield.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "scheduler/runtime_shared.h"
#include "support/abort_harness.h"
#include "support/co_test.h"
#include "support/tracked.h"
#include "time/runtime_clock.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;
using testing_support::Tracked;

std::uint64_t forced_yields() {
  return Handle::current().metrics().workers[0].forced_yields;
}

/// Without awaiting, as an operation that takes long.
void let_time_pass(Duration duration) {
  detail::RuntimeClock& clock = Handle::current().shared().clock();
  clock.advance_to(clock.now() + duration.count());
}

int digest(int row) {
  return row;
}

CO_TEST_PAUSED(Coop, HeaderExample) {
  using Row = int;
  const std::vector<Row> rows(1000, 1);
  int sum = 0;
  const std::uint64_t before = forced_yields();
  for (const Row& row : rows) {
    sum += digest(row);
    co_await ringo::consume_budget();
  }
  CO_ASSERT_EQ(sum, 1000);
  EXPECT_EQ(forced_yields() - before, 7U);
}

CO_TEST_PAUSED(Coop, ConsumeBudgetSpendsOneOf128) {
  co_await yield_now();  // a fresh budget from here on
  const std::uint64_t before = forced_yields();
  for (int i = 0; i < 128; ++i) {
    CO_ASSERT_TRUE(has_budget_remaining()) << i;
    co_await consume_budget();
  }
  CO_ASSERT_EQ(forced_yields(), before);
  CO_ASSERT_FALSE(has_budget_remaining());
  co_await consume_budget();
  CO_ASSERT_EQ(forced_yields(), before + 1);
  CO_ASSERT_TRUE(has_budget_remaining());
}

TEST(Coop, OutsideATaskThereIsAlwaysBudget) {
  EXPECT_TRUE(has_budget_remaining());
}

CO_TEST_PAUSED(Coop, SuccessorsInTheLifoSlotShareIt) {
  const auto spends = [](int units) -> Task<bool> {
    for (int i = 0; i < units; ++i) {
      co_await consume_budget();
    }
    co_return has_budget_remaining();
  };
  co_await yield_now();
  // Awaited at once, it runs in our place and on our budget.
  const JoinResult<bool> all_but_one = co_await spawn(spends(127));
  CO_ASSERT_TRUE(all_but_one.value());
  CO_ASSERT_FALSE(has_budget_remaining()) << "the await costs one, too";
}

// --- unconstrained ----------------------------------------------------------------------------

Task<void> acquires(Semaphore& semaphore, int times) {
  for (int i = 0; i < times; ++i) {
    const auto permit = co_await semaphore.acquire();
  }
}

CO_TEST_PAUSED(Unconstrained, IsNeverMadeToYield) {
  Semaphore semaphore(1);
  co_await yield_now();
  const std::uint64_t before = forced_yields();
  co_await unconstrained(acquires(semaphore, 10'000));
  CO_ASSERT_EQ(forced_yields(), before);
  co_await acquires(semaphore, 129);
  CO_ASSERT_EQ(forced_yields(), before + 1) << "the budget outside is as it was";
}

CO_TEST_PAUSED(Unconstrained, TakesLeavesAndGivesTheirValues) {
  auto [tx, rx] = mpsc::channel<int>(4);
  (void)co_await unconstrained(tx.send(7));
  const std::optional<int> at_once = co_await unconstrained(rx.recv());
  CO_ASSERT_EQ(at_once, 7);
  const auto sends = [](mpsc::Sender<int> sender) -> Task<void> {
    co_await yield_now();
    (void)co_await sender.send(8);
  };
  JoinHandle<void> sender = spawn(sends(std::move(tx)));
  const std::optional<int> later = co_await unconstrained(rx.recv());
  CO_ASSERT_EQ(later, 8);
  const JoinResult<void> sent = co_await unconstrained(sender);
  CO_ASSERT_TRUE(sent.has_value());
}

CO_TEST_PAUSED(Unconstrained, KeepsItsFreedomOverSuspensionsAndOthersTheirLimit) {
  Semaphore semaphore(1);
  const auto both = [](Semaphore& shared) -> Task<std::uint64_t> {
    co_await acquires(shared, 1000);
    co_await yield_now();
    const std::uint64_t between = forced_yields();
    co_await acquires(shared, 1000);
    co_return forced_yields() - between;
  };
  const std::uint64_t own = co_await unconstrained(both(semaphore));
  CO_ASSERT_EQ(own, 0U);
  const std::uint64_t before = forced_yields();
  const JoinResult<void> other = co_await spawn(acquires(semaphore, 1000));
  CO_ASSERT_TRUE(other.has_value());
  EXPECT_GE(forced_yields() - before, 7U);
}

Task<void> sleeps_unconstrained() {
  const Tracked held;
  const auto sleeps = [](Tracked) -> Task<void> {
    const Tracked own;
    co_await time::sleep(2ms);
    co_await yield_now();
  };
  co_await unconstrained(sleeps(Tracked()));
  co_await unconstrained(time::sleep(1ms));
}

TEST(Unconstrained, MayBeAbortedAnywhere) {
  testing_support::abort_at_every_step([] { return sleeps_unconstrained(); });
  testing_support::time_out_at_every_step([] { return sleeps_unconstrained(); });
}

// --- time -------------------------------------------------------------------------------------

/// How many operations, each of which takes `each`, a task completes before it is made to yield.
Task<int> operations_per_turn(Duration each, int turns) {
  int operations = 0;
  int of_the_last = 0;
  std::uint64_t seen = forced_yields();
  while (turns > 0) {
    let_time_pass(each);
    co_await consume_budget();
    ++operations;
    if (const std::uint64_t now = forced_yields(); now != seen) {
      seen = now;
      --turns;
      of_the_last = std::exchange(operations, 0);
    }
  }
  co_return of_the_last;
}

Runtime paused_with(Duration budget) {
  return testing_support::build_runtime(
      Builder::current_thread().start_paused().time_budget(budget));
}

TEST(TimeBudget, QuickOperationsAreLimitedByTheirNumber) {
  Runtime runtime = paused_with(1ms);
  const auto total = []() -> Task<std::uint64_t> {
    const std::uint64_t before = forced_yields();
    for (int i = 0; i < 128 * 100; ++i) {
      let_time_pass(1us);
      co_await consume_budget();
    }
    co_return forced_yields() - before;
  };
  const std::uint64_t yields = runtime.block_on(total());
  EXPECT_EQ(yields, 99U) << "128 us are less than 1 ms";
}

TEST(TimeBudget, SlowOperationsYieldAfterAQuantum) {
  Runtime runtime = paused_with(1ms);
  // The looks come closer until they are close enough: 32, 16, 8, 4 …
  EXPECT_LE(runtime.block_on(operations_per_turn(100us, 10)), 32);
  EXPECT_LE(runtime.block_on(operations_per_turn(500us, 10)), 8);
  EXPECT_LE(runtime.block_on(operations_per_turn(2ms, 10)), 2);
}

TEST(TimeBudget, TheFirstLooksComeEvery32Operations) {
  Runtime runtime = paused_with(1ms);
  const auto first = []() -> Task<int> {
    co_await yield_now();
    const std::uint64_t before = forced_yields();
    int operations = 0;
    while (forced_yields() == before) {
      let_time_pass(10ms);
      co_await consume_budget();
      ++operations;
    }
    co_return operations;
  };
  EXPECT_EQ(runtime.block_on(first()), 65) << "32 until the time is taken, 32 too slow ones";
}

TEST(TimeBudget, ZeroIsNoLimit) {
  Runtime runtime = paused_with(0ms);
  EXPECT_EQ(runtime.block_on(operations_per_turn(10ms, 10)), 128);
}

TEST(TimeBudget, BusyTaskLeavesOthersTheirTurnsInTime) {
  Runtime runtime = paused_with(1ms);
  const auto both = []() -> Task<int> {
    int turns = 0;
    bool is_done = false;
    const auto counts = [](int& rounds, const bool& ended) -> Task<void> {
      while (!ended) {
        ++rounds;
        co_await yield_now();
      }
    };
    JoinHandle<void> other = spawn(counts(turns, is_done));
    for (int i = 0; i < 1000; ++i) {
      let_time_pass(1ms);
      co_await consume_budget();
    }
    is_done = true;
    (void)co_await other;
    co_return turns;
  };
  // By the number of operations alone it would be 8.
  EXPECT_GE(runtime.block_on(both()), 300);
}

TEST(TimeBudget, NegativeIsAUsageError) {
  EXPECT_THROW((void)Builder::current_thread().time_budget(-1ns), UsageError);
}

}  // namespace
}  // namespace ringo
