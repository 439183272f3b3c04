// SPDX-License-Identifier: MIT
//
// A task that is awaited right after it was spawned runs inside the one that awaits it. Nobody may
// notice: it may suspend, fail, or abort its awaiter; budgets, turns and ids are as ever.

#include <ringo/join_error.h>
#include <ringo/result.h>
#include <ringo/spawn.h>
#include <ringo/sync/semaphore.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/yield.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>

#include <gtest/gtest.h>

#include "support/co_test.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;

Task<int> give(int value) {
  co_return value;
}

Task<void> raise_flag(std::shared_ptr<std::atomic<bool>> flag) {
  flag->store(true, std::memory_order_release);
  co_return;
}

/// Acquires so many times, each of which costs one of the budget.
Task<void> spend(std::shared_ptr<Semaphore> semaphore, int times) {
  for (int i = 0; i < times; ++i) {
    const Result<SemaphorePermit> permit = co_await semaphore->acquire();
    EXPECT_TRUE(permit.has_value());
  }
}

CO_TEST(JoinInPlace, AwaitedTaskMaySuspend) {
  const auto yields = [](int times) -> Task<int> {
    for (int i = 0; i < times; ++i) {
      co_await yield_now();
    }
    co_return times;
  };
  for (int times = 0; times < 5; ++times) {
    JoinHandle<int> handle = spawn(yields(times));
    const JoinResult<int> result = co_await handle;
    CO_ASSERT_TRUE(result.has_value());
    CO_ASSERT_EQ(*result, times);
  }
}

CO_TEST(JoinInPlace, EachTaskKnowsItsOwnId) {
  const auto own_id = []() -> Task<std::uint64_t> { co_return current_task_id().value(); };
  const std::uint64_t mine = current_task_id().value();
  JoinHandle<std::uint64_t> handle = spawn(own_id());
  const JoinResult<std::uint64_t> its = co_await handle;
  CO_ASSERT_TRUE(its.has_value());
  CO_ASSERT_EQ(*its, handle.id().value());
  CO_ASSERT_NE(*its, mine);
  CO_ASSERT_EQ(current_task_id().value(), mine);
}

CO_TEST(JoinInPlace, AFailureIsTheAwaitersToSee) {
  const auto fails = []() -> Task<int> {
    throw std::runtime_error("no");
    co_return 0;
  };
  JoinHandle<int> handle = spawn(fails());
  const JoinResult<int> result = co_await handle;
  CO_ASSERT_FALSE(result.has_value());
  CO_ASSERT_FALSE(result.error().is_cancelled());
}

CO_TEST(JoinInPlace, AnAbortedTaskIsNotRun) {
  JoinHandle<int> handle = spawn(give(1));
  handle.abort();
  const JoinResult<int> result = co_await handle;
  // It was in the LIFO slot, from which nobody steals.
  CO_ASSERT_FALSE(result.has_value());
  CO_ASSERT_TRUE(result.error().is_cancelled());
}

struct Awaiter {
  std::optional<AbortHandle> handle;
  std::atomic<bool> is_handle_there{false};
  std::atomic<bool> has_passed{false};
};

Task<void> abort_awaiter(std::shared_ptr<Awaiter> awaiter) {
  awaiter->handle->abort();
  co_return;
}

Task<void> await_its_end(std::shared_ptr<Awaiter> self) {
  while (!self->is_handle_there.load(std::memory_order_acquire)) {
    co_await yield_now();
  }
  JoinHandle<void> handle = spawn(abort_awaiter(self));
  (void)co_await handle;
  co_await yield_now();
  self->has_passed.store(true, std::memory_order_relaxed);
}

CO_TEST(JoinInPlace, AwaitedTaskMayAbortItsAwaiter) {
  const auto awaiter = std::make_shared<Awaiter>();
  JoinHandle<void> handle = spawn(await_its_end(awaiter));
  awaiter->handle.emplace(handle.abort_handle());
  awaiter->is_handle_there.store(true, std::memory_order_release);
  const JoinResult<void> ended = co_await handle;
  CO_ASSERT_FALSE(ended.has_value());
  CO_ASSERT_TRUE(ended.error().is_cancelled());
  CO_ASSERT_FALSE(awaiter->has_passed.load(std::memory_order_relaxed));
}

CO_TEST(JoinInPlace, OthersGetTheirTurn) {
  const auto flag = std::make_shared<std::atomic<bool>>(false);
  JoinHandle<void> other = spawn(raise_flag(flag));
  while (!flag->load(std::memory_order_acquire)) {
    JoinHandle<int> handle = spawn(give(1));
    const JoinResult<int> result = co_await handle;
    CO_ASSERT_TRUE(result.has_value());
  }
  (void)co_await other;
}

CO_TEST(JoinInPlace, AwaitedTaskPaysFromTheSameBudget) {
  const auto semaphore = std::make_shared<Semaphore>(1);
  // The budget is 128: it is used up by the awaited task, by the await, or after it.
  for (int times = 120; times < 135; ++times) {
    co_await yield_now();
    JoinHandle<void> handle = spawn(spend(semaphore, times));
    const JoinResult<void> ended = co_await handle;
    CO_ASSERT_TRUE(ended.has_value());
    // With a budget this makes room for the other task; without one it would go on for ever.
    const auto flag = std::make_shared<std::atomic<bool>>(false);
    spawn(raise_flag(flag)).detach();
    while (!flag->load(std::memory_order_acquire)) {
      const Result<SemaphorePermit> permit = co_await semaphore->acquire();
      CO_ASSERT_TRUE(permit.has_value());
    }
  }
}

CO_TEST(JoinInPlace, ALongChainNeedsNoStack) {
  struct Chain {
    static Task<int> of(int length) {
      if (length == 0) {
        co_return 0;
      }
      JoinHandle<int> rest = spawn(of(length - 1));
      const JoinResult<int> result = co_await rest;
      co_return result.value() + 1;
    }
  };
  JoinHandle<int> handle = spawn(Chain::of(100'000));
  const JoinResult<int> length = co_await handle;
  CO_ASSERT_EQ(length.value(), 100'000);
}

CO_TEST(JoinInPlace, WorksAsABranch) {
  JoinHandle<int> handle = spawn(give(7));
  const Result<JoinResult<int>> result = co_await time::timeout(1h, handle);
  CO_ASSERT_TRUE(result.has_value());
  CO_ASSERT_EQ(result->value(), 7);
}

}  // namespace
}  // namespace ringo
