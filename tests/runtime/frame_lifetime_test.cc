// SPDX-License-Identifier: MIT
//
// When frames, parameters and outputs end; and that everything that suspends may be destroyed where
// it waits, by abort and as the loser of a timeout, after each step that it takes.

#include <ringo/config.h>
#include <ringo/detail/task_cell.h>
#include <ringo/detail/task_state.h>
#include <ringo/join_error.h>
#include <ringo/result.h>
#include <ringo/runtime.h>
#include <ringo/shield.h>
#include <ringo/spawn.h>
#include <ringo/spawn_blocking.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/yield.h>

#include <memory>
#include <optional>
#include <source_location>
#include <stdexcept>

#include <gtest/gtest.h>

#include "support/abort_harness.h"
#include "support/co_test.h"
#include "support/tracked.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;
using testing_support::abort_at_every_step;
using testing_support::Holds;
using testing_support::time_out_at_every_step;
using testing_support::Tracked;

// --- when things end --------------------------------------------------------------------------

Task<int> takes(Tracked /*parameter*/) {
  const Tracked local;
  co_await yield_now();
  co_return 1;
}

CO_TEST(FrameLifetime, ParametersOfAnEndedTaskDieThoughItsHandleIsKept) {
  const int before = Tracked::alive();
  JoinHandle<int> handle = spawn(takes(Tracked()));
  while (!handle.is_finished()) {
    co_await yield_now();
  }
  CO_ASSERT_EQ(Tracked::alive(), before);
  const JoinResult<int> result = co_await handle;
  CO_ASSERT_EQ(result.value(), 1);
}

void free_a_cell_before_its_frames() {
  auto* cell = new detail::TaskCell<int>(takes(Tracked()), detail::TaskState::kSpawnedWithHandle,
                                         nullptr, std::source_location::current());
  cell->kind->destroy(*cell);
}

TEST(FrameLifetimeDeathTest, CellThatIsFreedBeforeItsFramesIsNoticed) {
  if (RINGO_DEBUG_CHECKS == 0) {
    GTEST_SKIP() << "only debug builds look";
  }
  EXPECT_DEATH(free_a_cell_before_its_frames(), "a task's cell was freed before its frames");
}

Task<Tracked> gives() {
  co_await yield_now();
  co_return Tracked();
}

CO_TEST(FrameLifetime, OutputLivesInTheCellUntilTheHandleGoes) {
  const int before = Tracked::alive();
  {
    const JoinHandle<Tracked> handle = spawn(gives());
    while (!handle.is_finished()) {
      co_await yield_now();
    }
    CO_ASSERT_EQ(Tracked::alive(), before + 1);
  }
  CO_ASSERT_EQ(Tracked::alive(), before);
}

CO_TEST(FrameLifetime, AbortHandleKeepsNoOutput) {
  const int before = Tracked::alive();
  std::optional<AbortHandle> abort_handle;
  {
    const JoinHandle<Tracked> handle = spawn(gives());
    abort_handle.emplace(handle.abort_handle());
  }
  while (!abort_handle->is_finished()) {
    co_await yield_now();
  }
  // is_finished() may be true a moment before the output of a detached task is gone.
  while (Tracked::alive() != before) {
    co_await yield_now();
  }
}

Task<void> awaits_child(int* alive_after_await) {
  (void)co_await takes(Tracked());
  *alive_after_await = Tracked::alive();
}

CO_TEST(FrameLifetime, FrameOfAnAwaitedTaskGoesWithItsResult) {
  const int before = Tracked::alive();
  int alive = -1;
  co_await awaits_child(&alive);
  CO_ASSERT_EQ(alive, before);
}

TEST(FrameLifetime, FramesOfTheRootAreGoneWhenBlockOnReturns) {
  const int before = Tracked::alive();
  {
    Runtime runtime = testing_support::multi_thread_runtime();
    for (int i = 0; i < 1000; ++i) {
      ASSERT_EQ(runtime.block_on(takes(Tracked())), 1);
      ASSERT_EQ(Tracked::alive(), before);
    }
  }
}

// --- destroyed where it waits -----------------------------------------------------------------

Task<int> yields(int times, Tracked /*parameter*/ = Tracked()) {
  const Tracked local;
  for (int i = 0; i < times; ++i) {
    const Tracked inner;
    co_await yield_now();
  }
  co_return times;
}

Task<int> chain(int depth) {
  const Tracked local;
  if (depth == 0) {
    co_await yields(2);
    co_return 0;
  }
  const int below = co_await chain(depth - 1);
  co_await yield_now();
  co_return below + 1;
}

TEST(FrameLifetime, ChainOfTasksMayBeDestroyedAnywhere) {
  abort_at_every_step([] { return chain(5); });
  time_out_at_every_step([] { return chain(5); });
}

Task<int> sleeps(int times) {
  const Tracked local;
  for (int i = 0; i < times; ++i) {
    co_await time::sleep(1ms * (i * i * i));
  }
  co_return times;
}

TEST(FrameLifetime, SleepMayBeDestroyedAnywhere) {
  abort_at_every_step([] { return sleeps(8); });
  time_out_at_every_step([] { return sleeps(8); });
}

Task<int> nested_timeouts(int depth, Duration inner_sleep) {
  const Tracked local;
  if (depth == 0) {
    co_await time::sleep(inner_sleep);
    co_await yields(2);
    co_return 1;
  }
  const Result<int> result =
      co_await time::timeout(1ms * (10 * depth), nested_timeouts(depth - 1, inner_sleep));
  co_await yield_now();
  co_return result.value_or(0);
}

TEST(FrameLifetime, NestedTimeoutsMayBeDestroyedAnywhere) {
  abort_at_every_step([] { return nested_timeouts(4, 5ms); });
  abort_at_every_step([] { return nested_timeouts(4, 25ms); });
  time_out_at_every_step([] { return nested_timeouts(4, 5ms); });
  time_out_at_every_step([] { return nested_timeouts(4, 25ms); });
}

Task<int> joins_child(Duration child_sleep) {
  const Tracked local;
  JoinHandle<int> child = spawn(yields(3));
  JoinHandle<int> other = spawn(sleeps(3));
  co_await time::sleep(child_sleep);
  const JoinResult<int> first = co_await child;
  const Result<JoinResult<int>> second = co_await time::timeout(20ms, other);
  co_return first.value() + (second.has_value() ? second->value() : 0);
}

TEST(FrameLifetime, JoinMayBeDestroyedAnywhere) {
  abort_at_every_step([] { return joins_child(0ms); });
  abort_at_every_step([] { return joins_child(5ms); });
  time_out_at_every_step([] { return joins_child(0ms); }, Holds::kElsewhereToo);
  time_out_at_every_step([] { return joins_child(5ms); }, Holds::kElsewhereToo);
}

Task<int> aborts_child() {
  const Tracked local;
  JoinHandle<int> child = spawn(sleeps(5));
  co_await yield_now();
  child.abort();
  const JoinResult<int> result = co_await child;
  co_await yield_now();
  co_return result.has_value() ? 1 : 0;
}

TEST(FrameLifetime, AborterMayBeAbortedAnywhere) {
  abort_at_every_step([] { return aborts_child(); });
  time_out_at_every_step([] { return aborts_child(); }, Holds::kElsewhereToo);
}

Task<int> blocks() {
  const Tracked local;
  int sum = 0;
  for (int i = 0; i < 3; ++i) {
    const auto owned = std::make_shared<Tracked>();
    const auto closure = [owned, i] { return i; };
    JoinHandle<int> job = spawn_blocking(closure);
    const JoinResult<int> result = co_await job;
    sum += result.value();
  }
  co_return sum;
}

TEST(FrameLifetime, JoinOfABlockingClosureMayBeDestroyedAnywhere) {
  abort_at_every_step([] { return blocks(); });
  time_out_at_every_step([] { return blocks(); }, Holds::kElsewhereToo);
}

Task<int> shielded(int* ended) {
  const Tracked local;
  co_await time::sleep(1ms);
  const int value = co_await yields(2);
  ++*ended;
  co_return value;
}

Task<int> shields(int* begun, int* ended) {
  const Tracked local;
  co_await yield_now();
  ++*begun;
  const int first = co_await shield(shielded(ended));
  co_await yield_now();
  ++*begun;
  const int second = co_await shield(shielded(ended));
  co_return first + second;
}

TEST(FrameLifetime, ShieldEndsWhateverHappensAround) {
  int begun = 0;
  int ended = 0;
  abort_at_every_step([&] {
    EXPECT_EQ(begun, ended);
    return shields(&begun, &ended);
  });
  time_out_at_every_step([&] {
    EXPECT_EQ(begun, ended);
    return shields(&begun, &ended);
  });
  EXPECT_EQ(begun, ended);
  EXPECT_GT(ended, 10);
}

Task<int> times_out_around_shield(int* begun, int* ended) {
  const Tracked local;
  const Result<int> result = co_await time::timeout(500us, shields(begun, ended));
  co_await yield_now();
  co_return result.value_or(-1);
}

TEST(FrameLifetime, ShieldInALosingTimeoutEndsFirst) {
  int begun = 0;
  int ended = 0;
  abort_at_every_step([&] {
    EXPECT_EQ(begun, ended);
    return times_out_around_shield(&begun, &ended);
  });
  time_out_at_every_step([&] {
    EXPECT_EQ(begun, ended);
    return times_out_around_shield(&begun, &ended);
  });
  EXPECT_EQ(begun, ended);
}

Task<int> spends_budget() {
  const Tracked local;
  int ready = 0;
  const time::Sleep past(Instant{});
  for (int i = 0; i < 300; ++i) {
    co_await past;
    ++ready;
  }
  for (int i = 0; i < 200; ++i) {
    const Result<void> in_time = co_await time::timeout(1ms, past);
    ready += in_time.has_value() ? 1 : 0;
  }
  co_return ready;
}

TEST(FrameLifetime, ForcedYieldMayBeDestroyedAnywhere) {
  abort_at_every_step([] { return spends_budget(); });
  time_out_at_every_step([] { return spends_budget(); });
}

Task<void> throws_anywhere() {
  const Tracked local;
  co_await yield_now();
  try {
    co_await time::sleep(1ms);
    throw std::runtime_error("inside");
  } catch (const std::runtime_error&) {
    const Tracked caught;
  }
  co_await yields(2);
}

TEST(FrameLifetime, ThrowingTaskMayBeDestroyedAnywhere) {
  abort_at_every_step([] { return throws_anywhere(); });
  time_out_at_every_step([] { return throws_anywhere(); });
}

}  // namespace
}  // namespace ringo
