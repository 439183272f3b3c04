// SPDX-License-Identifier: MIT
//
// When a worker counts as stalled, what is told of it, and how often. The watchdog's checks are
// called by hand, with a clock that the test makes up; only one test lets its thread run.
//
// Thread safety: tests.

#include "scheduler/watchdog.h"

#include <ringo/join_error.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/task.h>
#include <ringo/usage_error.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scheduler/stall_detector.h"
#include "support/blocking_gate.h"
#include "support/co_test.h"

namespace {

using namespace std::chrono_literals;
using ringo::Builder;
using ringo::JoinHandle;
using ringo::Runtime;
using ringo::Stall;
using ringo::Task;
using ringo::detail::ReportLimit;
using ringo::detail::StallDetector;
using ringo::detail::Watchdog;
using ringo::testing_support::BlockingGate;
using ringo::testing_support::build_runtime;

constexpr std::int64_t kSecond = 1'000'000'000;

// --- the rule -----------------------------------------------------------------------------------

TEST(StallDetector, TellsOfATaskThatRunsForTheLimit) {
  StallDetector detector(1s);
  EXPECT_FALSE(detector.look({5, false}, 0));
  EXPECT_FALSE(detector.look({5, false}, kSecond - 1));
  const std::optional<StallDetector::Stall> stall = detector.look({5, false}, kSecond);
  ASSERT_TRUE(stall);
  EXPECT_EQ(stall->lasted, 1s);
  EXPECT_TRUE(stall->is_new);
}

TEST(StallDetector, TellsAgainEachTimeItHasDoubled) {
  StallDetector detector(1s);
  std::vector<std::int64_t> told;
  for (std::int64_t second = 0; second <= 10; ++second) {
    if (const auto stall = detector.look({5, false}, second * kSecond)) {
      told.push_back(second);
      EXPECT_EQ(stall->is_new, second == 1);
    }
  }
  EXPECT_THAT(told, testing::ElementsAre(1, 2, 4, 8));
}

TEST(StallDetector, AnotherTaskBeginsAnew) {
  StallDetector detector(1s);
  EXPECT_FALSE(detector.look({5, false}, 0));
  EXPECT_FALSE(detector.look({6, false}, 2 * kSecond));
  EXPECT_FALSE(detector.look({6, false}, 3 * kSecond - 1));
  EXPECT_TRUE(detector.look({6, false}, 3 * kSecond));
}

TEST(StallDetector, AWorkerAtRestIsNotStalled) {
  StallDetector detector(1s);
  EXPECT_FALSE(detector.look({5, true}, 0));
  EXPECT_FALSE(detector.look({5, true}, 9 * kSecond));
  // It has woken meanwhile: since when is not known.
  EXPECT_FALSE(detector.look({5, false}, 10 * kSecond));
  EXPECT_TRUE(detector.look({5, false}, 11 * kSecond));
}

TEST(ReportLimit, AllowsFiveAMinute) {
  ReportLimit limit;
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(limit.try_take(i * kSecond));
  }
  EXPECT_FALSE(limit.try_take(5 * kSecond));
  EXPECT_FALSE(limit.try_take(60 * kSecond - 1));
  EXPECT_TRUE(limit.try_take(60 * kSecond));
  EXPECT_FALSE(limit.try_take(60 * kSecond));
  EXPECT_TRUE(limit.try_take(61 * kSecond));
}

TEST(ReportLimit, CountsWhatItSuppressed) {
  ReportLimit limit;
  for (int i = 0; i < 8; ++i) {
    (void)limit.try_take(0);
  }
  EXPECT_EQ(limit.take_suppressed(), 3U);
  EXPECT_EQ(limit.take_suppressed(), 0U);
}

// --- a worker that blocks -----------------------------------------------------------------------

Task<void> block_worker(BlockingGate& gate, std::atomic<bool>& is_blocked) {
  is_blocked = true;
  gate.block();
  co_return;
}

/// A runtime whose only worker is stuck in a task.
class StuckRuntime {
 public:
  StuckRuntime() {
    while (!is_blocked_) {
      std::this_thread::yield();
    }
  }
  StuckRuntime(const StuckRuntime&) = delete;
  StuckRuntime& operator=(const StuckRuntime&) = delete;
  ~StuckRuntime() { gate_.open(); }

  [[nodiscard]] Watchdog watchdog(std::chrono::nanoseconds limit) {
    return Watchdog(runtime_.handle().shared(), limit);
  }
  [[nodiscard]] const Runtime& runtime() const { return runtime_; }
  [[nodiscard]] ringo::TaskId task() const { return task_.id(); }

 private:
  BlockingGate gate_;
  std::atomic<bool> is_blocked_{false};
  Runtime runtime_ =
      build_runtime(Builder::multi_thread().worker_threads(1).disable_watchdog().name("test"));
  JoinHandle<void> task_ = runtime_.spawn(block_worker(gate_, is_blocked_));
};

TEST(Watchdog, TellsWhichTaskBlocksItsWorkerAndWhere) {
  StuckRuntime stuck;
  Watchdog watchdog = stuck.watchdog(1s);
  std::vector<Stall> stalls;
  EXPECT_TRUE(watchdog.check(0, stalls));
  EXPECT_TRUE(stalls.empty());
  EXPECT_TRUE(watchdog.check(2 * kSecond, stalls));
  ASSERT_EQ(stalls.size(), 1U);
  EXPECT_EQ(stalls[0].runtime, "test");
  EXPECT_EQ(stalls[0].worker, 0U);
  EXPECT_EQ(stalls[0].lasted, 2s);
  EXPECT_EQ(stalls[0].task, stuck.task());
  EXPECT_THAT(stalls[0].spawned_at.file_name(), testing::EndsWith("watchdog_test.cc"));
  EXPECT_FALSE(stalls[0].stack.empty());
  EXPECT_THAT(stalls[0].message(), testing::HasSubstr("watchdog_test.cc:"));
}

TEST(Watchdog, CountsAStallOnceAndReportsAtMostFiveAMinute) {
  StuckRuntime stuck;
  Watchdog watchdog = stuck.watchdog(1ms);
  std::vector<Stall> stalls;
  for (std::int64_t ns = 1'000'000; ns < 60 * kSecond; ns *= 2) {
    (void)watchdog.check(ns, stalls);
  }
  EXPECT_EQ(stalls.size(), 5U);
  EXPECT_EQ(stuck.runtime().metrics().workers[0].stalls, 1U);
  (void)watchdog.check(200 * kSecond, stalls);
  ASSERT_EQ(stalls.size(), 6U);
  EXPECT_GT(stalls[5].suppressed_reports, 0U);
}

TEST(Watchdog, LeavesASignalHandlerOfTheProgramAlone) {
  struct sigaction own{};
  own.sa_handler = [](int) {};
  struct sigaction saved{};
  ASSERT_EQ(sigaction(SIGURG, &own, &saved), 0);
  {
    StuckRuntime stuck;
    Watchdog watchdog = stuck.watchdog(1s);
    std::vector<Stall> stalls;
    (void)watchdog.check(0, stalls);
    (void)watchdog.check(2 * kSecond, stalls);
    ASSERT_EQ(stalls.size(), 1U);
    EXPECT_EQ(stalls[0].task, ringo::TaskId(0));
    EXPECT_TRUE(stalls[0].stack.empty());
  }
  ASSERT_EQ(sigaction(SIGURG, &saved, nullptr), 0);
}

TEST(Watchdog, DoesNotMindWorkersThatSleep) {
  const Runtime runtime =
      build_runtime(Builder::multi_thread().worker_threads(2).disable_watchdog());
  Watchdog watchdog(runtime.handle().shared(), 1s);
  std::vector<Stall> stalls;
  while (watchdog.check(0, stalls)) {
    std::this_thread::yield();
  }
  EXPECT_FALSE(watchdog.check(9 * kSecond, stalls));
  EXPECT_TRUE(stalls.empty());
}

TEST(Watchdog, DoesNotMindARuntimeThatNobodyDrives) {
  const Runtime runtime = build_runtime(Builder::current_thread().disable_watchdog());
  Watchdog watchdog(runtime.handle().shared(), 1s);
  std::vector<Stall> stalls;
  EXPECT_FALSE(watchdog.check(0, stalls));
  EXPECT_FALSE(watchdog.check(9 * kSecond, stalls));
  EXPECT_TRUE(stalls.empty());
}

// --- its thread ---------------------------------------------------------------------------------

TEST(Watchdog, CallsTheHandlerOfEachFlavour) {
  for (const bool is_current_thread : {false, true}) {
    BlockingGate gate;
    std::atomic<bool> is_blocked{false};
    std::atomic<int> told{0};
    Builder builder = is_current_thread ? Builder::current_thread() : Builder::multi_thread();
    builder.watchdog(1ms).on_stall([&](const Stall&) {
      if (is_blocked && told++ == 0) {
        gate.open();  // who blocks waits for this
      }
    });
    build_runtime(builder).block_on(block_worker(gate, is_blocked));
    EXPECT_GE(told, 1);
  }
}

TEST(Watchdog, RefusesALimitBelowAMillisecond) {
  EXPECT_THROW(Builder::multi_thread().watchdog(1ms - 1ns), ringo::UsageError);
  EXPECT_NO_THROW(Builder::multi_thread().watchdog(1ms));
}

}  // namespace
