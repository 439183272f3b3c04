// SPDX-License-Identifier: MIT
//
// sleep() and Sleep: never early, how late, in great numbers, and beyond the wheel. The cases are
// those of Tokio's time_sleep.rs.

#include <ringo/join_error.h>
#include <ringo/metrics.h>
#include <ringo/result.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/yield.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "support/co_test.h"
#include "support/random_seed.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;

CO_TEST(Sleep, IsNeverEarlyOnTheRealClock) {
  std::mt19937_64 random = testing_support::seeded_random();
  for (int i = 0; i < 100; ++i) {
    const Duration duration(static_cast<std::int64_t>(random() % 2'000'000));
    const Instant deadline = Clock::now() + duration;
    co_await time::sleep(duration);
    CO_ASSERT_GE(Clock::now().time_since_epoch().count(), deadline.time_since_epoch().count());
  }
}

CO_TEST_PAUSED(Sleep, PausedClockGoesOnByItselfAndIsNeverEarly) {
  std::mt19937_64 random = testing_support::seeded_random();
  for (int i = 0; i < 2000; ++i) {
    const unsigned bits = static_cast<unsigned>(random() % 50) + 1;
    const Duration duration(static_cast<std::int64_t>(random() & ((std::uint64_t{1} << bits) - 1)));
    const Instant deadline = Clock::now() + duration;
    co_await time::sleep(duration);
    const Duration late = Clock::now() - deadline;
    CO_ASSERT_GE(late.count(), 0);
    CO_ASSERT_LE(late.count(), 131'072);
  }
}

CO_TEST_PAUSED(Sleep, CenturyBesideAWeekDoesNotDelayIt) {
  const auto sleeps = [](Duration duration) -> Task<void> { co_await time::sleep(duration); };
  const Duration century = std::chrono::hours(24 * 365 * 100);
  const Duration week = std::chrono::hours(24 * 7);
  co_await time::sleep(1ms);  // the wheel's hands stand somewhere
  const Instant start = Clock::now();
  JoinHandle<void> long_sleep = spawn(sleeps(century));
  co_await yield_now();
  co_await time::sleep(week);
  CO_ASSERT_LE((Clock::now() - start - week).count(), 131'072);
  const JoinResult<void> slept = co_await long_sleep;
  CO_ASSERT_TRUE(slept.has_value());
  CO_ASSERT_GE((Clock::now() - start).count(), century.count());
}

CO_TEST_PAUSED(Sleep, ForEverIsNoReasonForTheClockToMove) {
  const auto sleeps = []() -> Task<void> { co_await time::sleep(Duration::max()); };
  JoinHandle<void> for_ever = spawn(sleeps());
  const Instant start = Clock::now();
  co_await time::sleep(5ms);
  CO_ASSERT_LT((Clock::now() - start).count(), 6'000'000);
  for_ever.abort();
  const JoinResult<void> aborted = co_await for_ever;
  CO_ASSERT_TRUE(aborted.error().is_cancelled());
}

CO_TEST_PAUSED(Sleep, TenThousandEndInOrder) {
  std::mt19937_64 random = testing_support::seeded_random();
  Instant latest{};
  int ended = 0;
  bool is_ordered = true;
  const auto sleeps = [](Duration duration, Instant& last, int& count,
                         bool& ordered) -> Task<void> {
    const Instant deadline = Clock::now() + duration;
    co_await time::sleep_until(deadline);
    ordered = ordered && Clock::now() >= deadline && Clock::now() >= last;
    last = Clock::now();
    ++count;
  };
  std::vector<JoinHandle<void>> handles;
  for (int i = 0; i < 10'000; ++i) {
    handles.push_back(spawn(sleeps(Duration(static_cast<std::int64_t>(random() % 3'000'000'000)),
                                   latest, ended, is_ordered)));
  }
  for (JoinHandle<void>& handle : handles) {
    (void)co_await handle;
  }
  CO_ASSERT_EQ(ended, 10'000);
  CO_ASSERT_TRUE(is_ordered);
}

TEST(Sleep, TenThousandOnTheRealClockWithTwoWorkers) {
  std::atomic<int> early{0};
  const auto sleeps = [](Duration duration, std::atomic<int>& count) -> Task<void> {
    const Instant deadline = Clock::now() + duration;
    co_await time::sleep_until(deadline);
    if (Clock::now() < deadline) {
      ++count;
    }
  };
  const auto all = [sleeps](std::atomic<int>& count) -> Task<void> {
    std::mt19937_64 random = testing_support::seeded_random();
    std::vector<JoinHandle<void>> handles;
    for (int i = 0; i < 10'000; ++i) {
      handles.push_back(
          spawn(sleeps(Duration(static_cast<std::int64_t>(random() % 50'000'000)), count)));
    }
    for (JoinHandle<void>& handle : handles) {
      (void)co_await handle;
    }
  };
  testing_support::multi_thread_runtime().block_on(all(early));
  EXPECT_EQ(early, 0);
}

CO_TEST(Sleep, PastZeroAndNegativeEndAtOnce) {
  co_await time::sleep(0ns);
  co_await time::sleep(-5s);
  co_await time::sleep_until(Instant{});
}

CO_TEST(Sleep, ByNameMayBeAwaitedAgainAfterItWasAbandoned) {
  time::Sleep kept = time::sleep(2ms);
  const Instant deadline = kept.deadline();
  for (int i = 0; i < 5; ++i) {
    // Loses: the awaiter goes, the Sleep stays.
    (void)co_await time::timeout(100us, kept);
  }
  co_await kept;
  CO_ASSERT_TRUE(Clock::now() >= deadline);
  kept.reset(Clock::now() + 1ms);
  CO_ASSERT_FALSE(kept.is_elapsed());
  co_await kept;
  CO_ASSERT_TRUE(kept.is_elapsed());
}

CO_TEST_PAUSED(Sleep, ByNameCountsFromWhereItWasMade) {
  const Instant start = Clock::now();
  const time::Sleep kept = time::sleep(10ms);
  CO_ASSERT_TRUE(kept.deadline() == start + 10ms);
  co_await time::advance(4ms);
  co_await kept;
  CO_ASSERT_GE((Clock::now() - start).count(), 10'000'000);
  CO_ASSERT_LE((Clock::now() - start).count(), 10'131'072);
  const time::Sleep for_ever = time::sleep(Duration::max());
  CO_ASSERT_TRUE(for_ever.deadline() == Instant::max());
  CO_ASSERT_FALSE(for_ever.is_elapsed());
}

CO_TEST_PAUSED(Sleep, ResetCountsForAwaitsAfterIt) {
  const Instant start = Clock::now();
  time::Sleep kept = time::sleep(100ms);
  const auto waits = [](const time::Sleep& borrowed, Instant since) -> Task<Duration> {
    co_await borrowed;
    co_return Clock::now() - since;
  };
  JoinHandle<Duration> began_before = spawn(waits(kept, start));
  co_await yield_now();
  kept.reset(start + 20ms);
  co_await kept;
  CO_ASSERT_LE((Clock::now() - start).count(), 20'131'072);
  kept.reset(start);  // the past
  CO_ASSERT_TRUE(kept.is_elapsed());
  co_await kept;
  CO_ASSERT_LE((Clock::now() - start).count(), 20'131'072 * 2);
  const JoinResult<Duration> passed = co_await began_before;
  CO_ASSERT_GE(passed.value().count(), 100'000'000);
}

CO_TEST_PAUSED(Sleep, BeyondTheWheelIsSleptThrough) {
  // 2^57 ns are 4.5 years; the limit, one tick before it and one past it.
  constexpr std::int64_t kTick = 131'072;
  constexpr std::int64_t kRange = std::int64_t{1} << 57;
  for (const std::int64_t ns : {kRange - kTick, kRange, kRange + kTick, 3 * kRange + 5}) {
    const Instant start = Clock::now();
    co_await time::sleep(Duration(ns));
    const std::int64_t late = (Clock::now() - start).count() - ns;
    CO_ASSERT_GE(late, 0);
    CO_ASSERT_LE(late, kTick);
  }
}

/// A long computation, as far as the clock can tell.
void compute(Duration duration) {
  const Instant end = Clock::now() + duration;
  while (Clock::now() < end) {
  }
}

CO_TEST(Sleep, IsNotEarlyAfterALongTurn) {
  // The worker last looked at its clock before the computation; what begins after it must not count
  // from there.
  for (int i = 0; i < 5; ++i) {
    compute(3ms);
    const Instant begin = Clock::now();
    co_await time::sleep(1ms);
    CO_ASSERT_GE((Clock::now() - begin).count(), 1'000'000);
    compute(3ms);
    const Instant start = Clock::now();
    const auto waits = []() -> Task<void> { co_await time::sleep(1h); };
    const Result<void> lost = co_await time::timeout(1ms, waits());
    CO_ASSERT_FALSE(lost.has_value());
    CO_ASSERT_GE((Clock::now() - start).count(), 1'000'000);
  }
}

TEST(Sleep, StolenAndCancelledElsewhereByTwoWorkers) {
  // Timers that one worker has registered are cancelled by the other, some while they fire.
  const auto races = [](std::int64_t us) -> Task<int> {
    int won = 0;
    for (int i = 0; i < 50; ++i) {
      const auto yields = [](int times) -> Task<void> {
        for (int k = 0; k < times; ++k) {
          co_await yield_now();
        }
      };
      const Result<void> result =
          co_await time::timeout(std::chrono::microseconds(us + i), yields(i % 7));
      won += result.has_value() ? 1 : 0;
      co_await time::sleep(std::chrono::microseconds(i % 3));
    }
    co_return won;
  };
  const auto all = [races]() -> Task<int> {
    std::vector<JoinHandle<int>> handles;
    for (int i = 0; i < 100; ++i) {
      handles.push_back(spawn(races(i % 300)));
    }
    int won = 0;
    for (JoinHandle<int>& handle : handles) {
      const JoinResult<int> result = co_await handle;
      won += result.value();
    }
    co_return won;
  };
  const int won = testing_support::multi_thread_runtime().block_on(all());
  EXPECT_GE(won, 100) << "what never waits cannot time out";
}

TEST(Sleep, ByNameMayOutliveItsTaskAndTheRuntime) {
  const time::Sleep kept = time::sleep(1h);
  {
    Runtime runtime = testing_support::multi_thread_runtime();
    const auto waits = [](const time::Sleep& borrowed) -> Task<void> { co_await borrowed; };
    JoinHandle<void> handle = runtime.spawn(waits(kept));
    const auto starts = []() -> Task<void> { co_await time::sleep(1ms); };
    runtime.block_on(starts());
    handle.abort();
  }
  EXPECT_FALSE(kept.is_elapsed());
}

TEST(Sleep, IdleRuntimeSleepsThrough) {
  for (const bool is_current_thread : {true, false}) {
    Runtime runtime = is_current_thread ? testing_support::current_thread_runtime()
                                        : testing_support::multi_thread_runtime();
    const auto sleeps = []() -> Task<void> { co_await time::sleep(50ms); };
    runtime.block_on(sleeps());
    std::uint64_t parks = 0;
    for (const WorkerMetrics& worker : runtime.metrics().workers) {
      parks += worker.parks;
    }
    EXPECT_LT(parks, 30U);
  }
}

}  // namespace
}  // namespace ringo
