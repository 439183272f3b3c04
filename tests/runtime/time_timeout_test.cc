// SPDX-License-Identifier: MIT
//
// timeout() and timeout_at(): who wins, what becomes of the loser, and a hundred of them around one
// another.
//
// Thread safety: tests.

#include <ringo/join_error.h>
#include <ringo/result.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/yield.h>

#include <chrono>
#include <expected>
#include <optional>
#include <stdexcept>
#include <utility>

#include <gtest/gtest.h>

#include "support/co_test.h"
#include "support/gate.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;
using testing_support::Gate;

CO_TEST(Timeout, ReadyValueWinsOverAPassedDeadline) {
  const auto ready = []() -> Task<int> { co_return 5; };
  const Result<int> five = co_await time::timeout_at(Instant{}, ready());
  CO_ASSERT_EQ(five.value(), 5);
}

CO_TEST(Timeout, PassedDeadlineDestroysWhatWaits) {
  Gate never;
  const auto waits = [](Gate& gate) -> Task<void> { co_await gate.passed(); };
  const Result<void> lost = co_await time::timeout(-1s, waits(never));
  CO_ASSERT_TRUE(lost.error().kind() == ErrorKind::kTimedOut);
  CO_ASSERT_EQ(never.waiting(), 0);
}

CO_TEST(Timeout, ResultKeepsItsTypeAndItsErrorsPass) {
  const auto fails = []() -> Task<Result<int>> {
    co_await yield_now();
    co_return std::unexpected(Error(ErrorKind::kClosed, "test"));
  };
  const Result<int> failed = co_await time::timeout(1h, fails());
  CO_ASSERT_TRUE(failed.error().kind() == ErrorKind::kClosed);
}

CO_TEST(Timeout, ExceptionPasses) {
  const auto throws = []() -> Task<int> {
    co_await yield_now();
    throw std::runtime_error("inside");
  };
  bool has_thrown = false;
  try {
    (void)co_await time::timeout(1h, throws());
  } catch (const std::runtime_error&) {
    has_thrown = true;
  }
  CO_ASSERT_TRUE(has_thrown);
}

CO_TEST(Timeout, MovedInHandleIsDroppedWhenItLoses) {
  Gate never;
  std::optional<AbortHandle> task;
  const auto waits = [](Gate& gate) -> Task<void> { co_await gate.passed(); };
  JoinHandle<void> handle = spawn(waits(never));
  task.emplace(handle.abort_handle());
  const Result<JoinResult<void>> lost = co_await time::timeout(1ms, std::move(handle));
  CO_ASSERT_FALSE(lost.has_value());
  task->abort();
  while (!task->is_finished()) {
    co_await yield_now();
  }
}

CO_TEST_PAUSED(Timeout, ZeroAndNegativeStrikeWhatWaitsOnly) {
  const auto ready = []() -> Task<int> { co_return 5; };
  const auto waits = []() -> Task<int> {
    co_await time::sleep(1h);
    co_return 6;
  };
  const Instant start = Clock::now();
  for (const Duration limit : {Duration(0), Duration(-1s), Duration::min()}) {
    const Result<int> five = co_await time::timeout(limit, ready());
    CO_ASSERT_EQ(five.value(), 5);
    const Result<int> lost = co_await time::timeout(limit, waits());
    CO_ASSERT_FALSE(lost.has_value());
  }
  CO_ASSERT_TRUE(Clock::now() == start);
}

CO_TEST_PAUSED(Timeout, OfForEverNeverStrikes) {
  const auto waits = []() -> Task<int> {
    co_await time::sleep(std::chrono::hours(24 * 365 * 100));
    co_return 6;
  };
  const Result<int> six = co_await time::timeout(Duration::max(), waits());
  CO_ASSERT_EQ(six.value(), 6);
  const Result<int> six_again = co_await time::timeout_at(Instant::max(), waits());
  CO_ASSERT_EQ(six_again.value(), 6);
}

CO_TEST_PAUSED(Timeout, AtAnInstantStrikesThere) {
  const Instant start = Clock::now();
  const auto waits = []() -> Task<void> { co_await time::sleep(1h); };
  const Result<void> lost = co_await time::timeout_at(start + 7ms, waits());
  CO_ASSERT_FALSE(lost.has_value());
  CO_ASSERT_GE((Clock::now() - start).count(), 7'000'000);
  CO_ASSERT_LE((Clock::now() - start).count(), 7'131'072);
}

CO_TEST_PAUSED(Timeout, ValueAndDeadlineAtTheSameInstant) {
  // Whichever is woken first, the value is asked first.
  const Instant deadline = Clock::now() + 5ms;
  const auto waits = [](Instant until) -> Task<int> {
    co_await time::sleep_until(until);
    co_return 7;
  };
  const Result<int> value = co_await time::timeout_at(deadline, waits(deadline));
  CO_ASSERT_TRUE(value.has_value());
}

CO_TEST_PAUSED(Timeout, CountsFromTheFirstWait) {
  const Instant start = Clock::now();
  const auto computes = []() -> Task<void> {
    co_await time::advance(3ms);  // yields, hence waits
    co_await time::sleep(1h);
  };
  const Result<void> lost = co_await time::timeout(10ms, computes());
  CO_ASSERT_FALSE(lost.has_value());
  CO_ASSERT_GE((Clock::now() - start).count(), 10'000'000);
  const Instant again = Clock::now();
  const Result<void> lost_again = co_await time::timeout_at(time::deadline_after(2ms), computes());
  CO_ASSERT_FALSE(lost_again.has_value());
  CO_ASSERT_EQ((Clock::now() - again).count(), 3'000'000);
}

TEST(Timeout, LoopOfPassedOnesLetsOthersRun) {
  Runtime runtime = testing_support::current_thread_runtime();
  const auto spins = [](const bool& is_done) -> Task<int> {
    int lost = 0;
    Gate never;
    while (!is_done) {
      const Result<void> result = co_await time::timeout(0ns, never.passed());
      lost += result.has_value() ? 0 : 1;
    }
    co_return lost;
  };
  const auto both = [spins]() -> Task<int> {
    bool is_done = false;
    JoinHandle<int> spinner = spawn(spins(is_done));
    for (int i = 0; i < 100; ++i) {
      co_await yield_now();
    }
    is_done = true;
    const JoinResult<int> lost = co_await spinner;
    co_return lost.value();
  };
  EXPECT_GE(runtime.block_on(both()), 100);
}

/// A timeout at each level around one wait: 2 branches each, so indices from 63 on are shared.
Task<int> nest(int depth, int short_level, Gate& gate) {
  if (depth == 0) {
    co_await gate.passed();
    co_return -1;
  }
  const Duration limit = depth == short_level ? Duration(5ms) : Duration(1h);
  const Result<int> inner = co_await time::timeout(limit, nest(depth - 1, short_level, gate));
  co_return inner.has_value() ? *inner : depth;
}

CO_TEST_PAUSED(Timeout, HundredDeepEachLevelStrikes) {
  for (int level = 1; level <= 100; ++level) {
    Gate never;
    const Instant start = Clock::now();
    const int struck = co_await nest(100, level, never);
    CO_ASSERT_EQ(struck, level);
    CO_ASSERT_LT((Clock::now() - start).count(), 6'000'000);
    CO_ASSERT_EQ(never.waiting(), 0);
  }
}

CO_TEST(Timeout, WakeReachesALeafUnderAHundredTimeouts) {
  const auto opens_later = [](Gate& opened) -> Task<void> {
    co_await time::sleep(2ms);
    opened.open();
  };
  for (int i = 0; i < 5; ++i) {
    Gate gate;
    JoinHandle<void> opener = spawn(opens_later(gate));
    const int passed = co_await nest(100, 0, gate);
    CO_ASSERT_EQ(passed, -1);
    (void)co_await opener;
  }
}

}  // namespace
}  // namespace ringo
