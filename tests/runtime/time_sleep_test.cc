// SPDX-License-Identifier: MIT
//
// sleep(), the paused clock, and timers in great numbers.

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
#include <cstdint>
#include <expected>
#include <optional>
#include <random>
#include <stdexcept>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/co_test.h"
#include "support/gate.h"
#include "support/random_seed.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;
using testing_support::Gate;

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

// --- the paused clock -------------------------------------------------------------------------

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

// --- timeout ----------------------------------------------------------------------------------

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
