// SPDX-License-Identifier: MIT
//
// The paused clock: what moves it, what does not, and what it does to timers. The cases are those
// of Tokio's time_pause.rs, and the ones about blocking closures of its task_blocking.rs.
//
// Thread safety: tests.

#include <ringo/join_error.h>
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
#include <chrono>
#include <vector>

#include <gtest/gtest.h>

#include "support/co_test.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;

CO_TEST_PAUSED(PausedClock, AdvanceRunsWhatIsDue) {
  bool has_woken = false;
  const auto sleeps = [](bool& woken) -> Task<void> {
    co_await time::sleep(10ms);
    woken = true;
  };
  JoinHandle<void> handle = spawn(sleeps(has_woken));
  co_await yield_now();
  co_await time::advance(9ms);
  CO_ASSERT_FALSE(has_woken);
  co_await time::advance(1200us);
  CO_ASSERT_TRUE(has_woken);
  (void)co_await handle;
}

CO_TEST_PAUSED(PausedClock, AdvanceCountsForWhatBeganBeforeIt) {
  // In one turn, so that the worker has not looked at its clock in between.
  const auto sleeps = [](Duration duration, Duration& slept) -> Task<void> {
    const Instant start = Clock::now();
    co_await time::sleep(duration);
    slept = Clock::now() - start;
  };
  Duration first{};
  JoinHandle<void> handle = spawn(sleeps(10ms, first));
  co_await yield_now();
  co_await time::advance(4ms);
  co_await time::advance(4ms);
  CO_ASSERT_EQ(first.count(), 0);
  co_await time::advance(2ms + 131'072ns);
  CO_ASSERT_GE(first.count(), 10'000'000);
  (void)co_await handle;
}

CO_TEST_PAUSED(PausedClock, AdvanceOfNothingAndOfLessThanATick) {
  const Instant start = Clock::now();
  co_await time::advance(0ns);
  CO_ASSERT_TRUE(Clock::now() == start);
  for (int i = 0; i < 1000; ++i) {
    co_await time::advance(1us);
  }
  CO_ASSERT_EQ((Clock::now() - start).count(), 1'000'000);
}

CO_TEST_PAUSED(PausedClock, TimersInBetweenFireAtTheFinalInstant) {
  const auto sleeps = [](Duration duration, Instant since) -> Task<Duration> {
    co_await time::sleep(duration);
    co_return Clock::now() - since;
  };
  const Instant start = Clock::now();
  std::vector<JoinHandle<Duration>> handles;
  for (int i = 1; i <= 10; ++i) {
    handles.push_back(spawn(sleeps(i * 1ms, start)));
  }
  co_await yield_now();
  co_await time::advance(1h);
  for (JoinHandle<Duration>& handle : handles) {
    const JoinResult<Duration> woken_after = co_await handle;
    CO_ASSERT_EQ(woken_after.value().count(), Duration(1h).count());
  }
}

CO_TEST(PausedClock, OfAMultiThreadRuntimeIsRefused) {
  if (Handle::current().metrics().workers.size() == 1) {
    co_return;  // current_thread
  }
  EXPECT_THROW(time::pause(), UsageError);
}

TEST(PausedClock, MayBePausedInATaskWhoseSleepHasBegun) {
  const auto sleeps = []() -> Task<void> { co_await time::sleep(1h); };
  const auto pauses = [sleeps]() -> Task<Duration> {
    JoinHandle<void> handle = spawn(sleeps());
    co_await yield_now();
    time::pause();
    const Instant start = Clock::now();
    (void)co_await handle;
    co_return Clock::now() - start;
  };
  const Duration passed = testing_support::current_thread_runtime().block_on(pauses());
  EXPECT_LE(passed, 1h + 132us);
  EXPECT_GE(passed, 59min);
}

CO_TEST_PAUSED(PausedClock, ResumeGoesOnFromWhereItStood) {
  co_await time::advance(1h);
  const Instant before = Clock::now();
  time::resume();
  co_await time::sleep(1ms);
  const Duration passed = Clock::now() - before;
  CO_ASSERT_GE(passed.count(), 1'000'000);
  CO_ASSERT_LT(passed.count(), 60'000'000'000);
}

CO_TEST_PAUSED(PausedClock, WaitsForABlockingClosureThatSomebodyJoins) {
  for (int i = 0; i < 200; ++i) {
    // The closure takes no time on a clock that stands still, so it always wins.
    const auto nothing = [] {};
    const Result<JoinResult<void>> result = co_await time::timeout(1ms, spawn_blocking(nothing));
    CO_ASSERT_TRUE(result.has_value()) << "time went on while a closure ran, round " << i;
  }
}

CO_TEST_PAUSED(PausedClock, GoesOnAfterABlockingClosureThatNobodyJoins) {
  std::atomic<bool> may_end{false};
  const auto waits = [&may_end] { may_end.wait(false); };
  const auto releases = [](std::atomic<bool>& end) -> Task<void> {
    end = true;
    end.notify_all();
    co_return;
  };
  spawn_blocking(waits).detach();
  spawn(releases(may_end)).detach();
  co_await time::sleep(1h);  // hangs if the closure's end wakes nobody
}

TEST(PausedClock, MisuseIsAUsageError) {
  EXPECT_THROW((void)Builder::multi_thread().start_paused(), UsageError);
  EXPECT_THROW(time::pause(), UsageError);
  const auto misuses = []() -> Task<int> {
    int errors = 0;
    try {
      time::resume();
    } catch (const UsageError&) {
      ++errors;
    }
    try {
      co_await time::advance(1ms);
    } catch (const UsageError&) {
      ++errors;
    }
    co_return errors;
  };
  EXPECT_EQ(testing_support::current_thread_runtime().block_on(misuses()), 2);
}

}  // namespace
}  // namespace ringo
