// SPDX-License-Identifier: MIT
//
// Intervals on a clock that stands still: when each tick comes, and what becomes of those that were
// missed. The cases are those of Tokio's time_interval.rs, but for the two that test its Stream.
//
// Thread safety: tests.

#include <ringo/interval.h>
#include <ringo/result.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/usage_error.h>

#include <chrono>
#include <utility>

#include <gtest/gtest.h>

#include "support/co_test.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;
using time::Interval;
using time::MissedTick;

/// When the next tick is given, and what it was meant for, since `start`.
Task<std::pair<Duration, Duration>> next_tick(Interval& interval, Instant start) {
  const Instant meant_for = co_await interval.tick();
  co_return std::pair<Duration, Duration>(Clock::now() - start, meant_for - start);
}

// The paused clock goes from timer to timer, and a timer fires at the end of its tick of 131 us.
constexpr Duration kTick = 132us;

#define EXPECT_TICK(interval, start, at, meant)                          \
  {                                                                      \
    const auto tick_ = co_await next_tick(interval, start);              \
    EXPECT_GE(tick_.first, Duration(at));                                \
    EXPECT_LE(tick_.first, Duration(at) + kTick);                        \
    EXPECT_GE(tick_.second, Duration(meant));                            \
    EXPECT_LE(tick_.second, Duration(meant) + 2 * kTick) << "meant for"; \
  }

CO_TEST_PAUSED(Interval, HeaderExample) {
  const Instant start = Clock::now();
  auto seconds = ringo::time::interval(1s);
  for (int i = 0; i < 3; ++i) {
    co_await seconds.tick();  // the first ends at once
  }
  EXPECT_GE(Clock::now() - start, 2s);
  EXPECT_LE(Clock::now() - start, 2s + kTick);
}

TEST(Interval, OfNothingIsAUsageError) {
  EXPECT_THROW((void)time::interval(Duration::zero()), UsageError);
  EXPECT_THROW((void)time::interval(-1ns), UsageError);
  EXPECT_NO_THROW((void)time::interval(1ns));
}

CO_TEST_PAUSED(Interval, BeginsAtItsStart) {
  const Instant start = Clock::now();
  Interval interval = time::interval_at(start + 700ms, 100ms);
  EXPECT_TICK(interval, start, 700ms, 700ms);
  EXPECT_TICK(interval, start, 800ms, 800ms);
}

CO_TEST_PAUSED(Interval, DoesNotDrift) {
  const Instant start = Clock::now();
  Interval interval = time::interval(100ms);
  for (int i = 0; i < 50; ++i) {
    const Instant meant_for = co_await interval.tick();
    CO_ASSERT_EQ(meant_for - start, i * 100ms);
    co_await time::advance(3ms);
  }
}

CO_TEST_PAUSED(Interval, BurstCatchesUp) {
  const Instant start = Clock::now();
  Interval interval = time::interval(300ms);
  EXPECT_TICK(interval, start, 0ms, 0ms);
  co_await time::advance(650ms);
  EXPECT_TICK(interval, start, 650ms, 300ms);
  EXPECT_TICK(interval, start, 650ms, 600ms);
  EXPECT_TICK(interval, start, 900ms, 900ms);
  EXPECT_TICK(interval, start, 1200ms, 1200ms);
}

CO_TEST_PAUSED(Interval, DelayBeginsAnew) {
  const Instant start = Clock::now();
  Interval interval = time::interval(300ms);
  interval.set_missed_tick(MissedTick::kDelay);
  EXPECT_EQ(interval.missed_tick(), MissedTick::kDelay);
  EXPECT_TICK(interval, start, 0ms, 0ms);
  co_await time::advance(650ms);
  EXPECT_TICK(interval, start, 650ms, 300ms);
  EXPECT_TICK(interval, start, 950ms, 950ms);
  EXPECT_TICK(interval, start, 1250ms, 1250ms);
}

CO_TEST_PAUSED(Interval, SkipKeepsToTheMultiples) {
  const Instant start = Clock::now();
  Interval interval = time::interval(300ms);
  interval.set_missed_tick(MissedTick::kSkip);
  EXPECT_TICK(interval, start, 0ms, 0ms);
  co_await time::advance(650ms);
  EXPECT_TICK(interval, start, 650ms, 300ms);
  EXPECT_TICK(interval, start, 900ms, 900ms);
  EXPECT_TICK(interval, start, 1200ms, 1200ms);
}

CO_TEST_PAUSED(Interval, ATickWithinTheToleranceIsNotMissed) {
  for (const MissedTick behavior : {MissedTick::kDelay, MissedTick::kSkip}) {
    const Instant start = Clock::now();
    Interval interval = time::interval(100ms);
    interval.set_missed_tick(behavior);
    (void)co_await interval.tick();
    co_await time::advance(105ms);  // 5 ms late, the limit
    EXPECT_TICK(interval, start, 105ms, 100ms);
    EXPECT_TICK(interval, start, 200ms, 200ms);
  }
  const Instant start = Clock::now();
  Interval interval = time::interval(100ms);
  interval.set_missed_tick(MissedTick::kDelay);
  (void)co_await interval.tick();
  co_await time::advance(105ms + 1ns);  // one past it
  EXPECT_TICK(interval, start, 105ms, 100ms);
  EXPECT_TICK(interval, start, 205ms, 205ms);
}

CO_TEST_PAUSED(Interval, ResetWaitsForAPeriod) {
  const Instant start = Clock::now();
  Interval interval = time::interval(300ms);
  (void)co_await interval.tick();
  co_await time::advance(200ms);
  interval.reset();
  EXPECT_TICK(interval, start, 500ms, 500ms);
}

CO_TEST_PAUSED(Interval, ResetImmediatelyTicksAtOnce) {
  const Instant start = Clock::now();
  Interval interval = time::interval(300ms);
  (void)co_await interval.tick();
  co_await time::advance(200ms);
  interval.reset_immediately();
  EXPECT_TICK(interval, start, 200ms, 200ms);
  EXPECT_TICK(interval, start, 500ms, 500ms);
}

CO_TEST_PAUSED(Interval, ResetAfterAndAtSayWhen) {
  const Instant start = Clock::now();
  Interval interval = time::interval(300ms);
  (void)co_await interval.tick();
  interval.reset_after(20ms);
  EXPECT_TICK(interval, start, 20ms, 20ms);
  interval.reset_at(start + 1000ms);  // later than the period
  EXPECT_TICK(interval, start, 1000ms, 1000ms);
  EXPECT_TICK(interval, start, 1300ms, 1300ms);
}

CO_TEST_PAUSED(Interval, OfForEverDoesNotOverflow) {
  Interval interval = time::interval(Duration::max());
  (void)co_await interval.tick();
  const Result<Instant> never = co_await time::timeout(1h, interval.tick());
  EXPECT_FALSE(never.has_value());
}

CO_TEST_PAUSED(Interval, ACancelledTickComesTheNextTime) {
  const Instant start = Clock::now();
  Interval interval = time::interval(300ms);
  (void)co_await interval.tick();
  for (int i = 0; i < 2; ++i) {
    const Result<Instant> early = co_await time::timeout(100ms, interval.tick());
    EXPECT_FALSE(early.has_value());
  }
  EXPECT_TICK(interval, start, 300ms, 300ms);
}

}  // namespace
}  // namespace ringo
