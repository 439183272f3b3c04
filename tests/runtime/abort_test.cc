// SPDX-License-Identifier: MIT
//
// abort(): before the first run, while running, after completion, twice; and what waits under it.

#include <ringo/join_error.h>
#include <ringo/runtime.h>
#include <ringo/shield.h>
#include <ringo/spawn.h>
#include <ringo/spawn_blocking.h>
#include <ringo/task.h>
#include <ringo/yield.h>

#include <atomic>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/co_test.h"
#include "support/gate.h"
#include "support/tracked.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;
using testing_support::Gate;
using testing_support::Tracked;

Task<int> counts_runs(int* runs, Tracked /*parameter*/) {
  ++*runs;
  co_return 1;
}

TEST(Abort, BeforeTheFirstRunTheBodyNeverStarts) {
  Runtime runtime = testing_support::current_thread_runtime();
  const int before = Tracked::alive();
  int runs = 0;
  const auto aborts = [](int* counted) -> Task<bool> {
    JoinHandle<int> handle = spawn(counts_runs(counted, Tracked()));
    handle.abort();
    const JoinResult<int> result = co_await handle;
    co_return !result.has_value() && result.error().is_cancelled();
  };
  EXPECT_TRUE(runtime.block_on(aborts(&runs)));
  EXPECT_EQ(runs, 0);
  EXPECT_EQ(Tracked::alive(), before);
}

CO_TEST(Abort, WhileRunningTakesEffectAtTheNextSuspension) {
  std::optional<AbortHandle> self;
  Gate has_handle;
  bool went_on = false;
  bool was_resumed = false;
  const auto aborts_itself = [](Gate& ready, std::optional<AbortHandle>& own, bool& on,
                                bool& resumed) -> Task<int> {
    co_await ready.passed();
    own->abort();
    on = true;  // still running
    co_await yield_now();
    resumed = true;
    co_return 1;
  };
  JoinHandle<int> handle = spawn(aborts_itself(has_handle, self, went_on, was_resumed));
  self.emplace(handle.abort_handle());
  has_handle.open();
  const JoinResult<int> result = co_await handle;
  CO_ASSERT_TRUE(result.error().is_cancelled());
  CO_ASSERT_TRUE(went_on);
  CO_ASSERT_FALSE(was_resumed);
}

CO_TEST(Abort, TaskThatEndsWithoutSuspendingAgainGivesItsValue) {
  std::optional<AbortHandle> self;
  Gate has_handle;
  const auto aborts_itself = [](Gate& ready, std::optional<AbortHandle>& own) -> Task<int> {
    co_await ready.passed();
    own->abort();
    co_return 8;
  };
  JoinHandle<int> handle = spawn(aborts_itself(has_handle, self));
  self.emplace(handle.abort_handle());
  has_handle.open();
  const JoinResult<int> result = co_await handle;
  CO_ASSERT_EQ(result.value(), 8);
}

CO_TEST(Abort, AfterCompletionAndTwiceIsHarmless) {
  int runs = 0;
  JoinHandle<int> handle = spawn(counts_runs(&runs, Tracked()));
  while (!handle.is_finished()) {
    co_await yield_now();
  }
  handle.abort();
  handle.abort();
  const AbortHandle late = handle.abort_handle();
  const JoinResult<int> result = co_await handle;
  late.abort();
  CO_ASSERT_EQ(result.value(), 1);
  CO_ASSERT_TRUE(late.is_finished());
}

CO_TEST(Abort, TwiceWhileWaiting) {
  Gate never;
  const auto waits = [](Gate& gate, Tracked) -> Task<void> { co_await gate.passed(); };
  JoinHandle<void> handle = spawn(waits(never, Tracked()));
  while (never.waiting() == 0) {
    co_await yield_now();
  }
  handle.abort();
  handle.abort();
  const JoinResult<void> result = co_await handle;
  CO_ASSERT_TRUE(result.error().is_cancelled());
  CO_ASSERT_EQ(never.waiting(), 0);
}

CO_TEST(Abort, AbortedTaskReleasesWhatItHeldInReverseOrder) {
  struct Logs {
    Logs(std::vector<int>& log, int n) : log_(&log), n_(n) {}
    Logs(const Logs&) = delete;
    Logs& operator=(const Logs&) = delete;
    ~Logs() { log_->push_back(n_); }
    std::vector<int>* log_;
    int n_;
  };
  std::vector<int> log;
  Gate never;
  const auto holds = [](std::vector<int>& entries, Gate& gate) -> Task<void> {
    const Logs first(entries, 1);
    const Logs second(entries, 2);
    co_await gate.passed();
  };
  JoinHandle<void> handle = spawn(holds(log, never));
  while (never.waiting() == 0) {
    co_await yield_now();
  }
  handle.abort();
  (void)co_await handle;
  CO_ASSERT_EQ(log, (std::vector<int>{2, 1}));
}

CO_TEST(Abort, ShieldedSectionEndsFirst) {
  Gate inside;
  Gate release;
  bool section_ended = false;
  bool went_on = false;
  const auto section = [](Gate& entered, Gate& released, bool& ended) -> Task<void> {
    entered.open();
    co_await released.passed();
    ended = true;
  };
  const auto shields = [section](Gate& entered, Gate& released, bool& ended,
                                 bool& on) -> Task<void> {
    co_await shield(section(entered, released, ended));
    on = true;
    co_await yield_now();
  };
  // shields lives in this frame until the task has ended.
  JoinHandle<void> handle = spawn(shields(inside, release, section_ended, went_on));
  co_await inside.passed();
  handle.abort();
  for (int i = 0; i < 100; ++i) {
    co_await yield_now();
  }
  CO_ASSERT_FALSE(handle.is_finished());
  release.open();
  const JoinResult<void> result = co_await handle;
  CO_ASSERT_TRUE(section_ended);
  CO_ASSERT_FALSE(went_on);
  CO_ASSERT_TRUE(result.error().is_cancelled());
}

CO_TEST(Abort, QueuedBlockingClosureNeverRunsAndARunningOneEnds) {
  std::atomic<bool> may_end{false};
  std::atomic<bool> has_begun{false};
  const auto waits = [&may_end, &has_begun] {
    has_begun = true;
    may_end.wait(false);
    return 4;
  };
  JoinHandle<int> running = spawn_blocking(waits);
  while (!has_begun) {
    co_await yield_now();
  }
  running.abort();
  may_end = true;
  may_end.notify_all();
  const JoinResult<int> result = co_await running;
  CO_ASSERT_EQ(result.value(), 4);
}

TEST(Abort, QueuedBlockingClosureIsCancelled) {
  Runtime runtime = testing_support::build_runtime(
      Builder::multi_thread().worker_threads(1).max_blocking_threads(1));
  std::atomic<bool> may_end{false};
  bool has_run = false;
  const int before = Tracked::alive();
  const Handle::EnterGuard entered = runtime.enter();
  JoinHandle<void> first = spawn_blocking([&may_end] { may_end.wait(false); });
  JoinHandle<void> second = spawn_blocking([&has_run, held = Tracked()] { has_run = true; });
  second.abort();
  may_end = true;
  may_end.notify_all();
  const auto take = [](JoinHandle<void> handle) -> Task<JoinResult<void>> {
    co_return co_await handle;
  };
  EXPECT_TRUE(runtime.block_on(take(std::move(first))).has_value());
  EXPECT_TRUE(runtime.block_on(take(std::move(second))).error().is_cancelled());
  EXPECT_FALSE(has_run);
  EXPECT_EQ(Tracked::alive(), before);
}

TEST(Abort, FromForeignThreadsWhileTheTaskRuns) {
  Runtime runtime = testing_support::multi_thread_runtime();
  for (int i = 0; i < 300; ++i) {
    const auto spins = [](Tracked) -> Task<void> {
      for (;;) {
        co_await yield_now();
      }
    };
    JoinHandle<void> handle = runtime.spawn(spins(Tracked()));
    std::thread aborter([abort = handle.abort_handle()] { abort.abort(); });
    const auto take = [](JoinHandle<void> taken) -> Task<JoinResult<void>> {
      co_return co_await taken;
    };
    EXPECT_TRUE(runtime.block_on(take(std::move(handle))).error().is_cancelled());
    aborter.join();
  }
}

}  // namespace
}  // namespace ringo
