// SPDX-License-Identifier: MIT
//
// Task<T> as a part of the task that awaits it: values, references, exceptions, laziness, and that
// a chain of awaits that are ready needs no stack.

#include <ringo/task.h>
#include <ringo/yield.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "support/co_test.h"

namespace ringo {
namespace {

Task<int> twice(int n) {
  co_return 2 * n;
}

CO_TEST(Task, GivesItsValue) {
  const int four = co_await twice(2);
  CO_ASSERT_EQ(four, 4);
}

Task<std::unique_ptr<int>> boxed(int n) {
  co_return std::make_unique<int>(n);
}

CO_TEST(Task, ValueMayBeMoveOnly) {
  const std::unique_ptr<int> box = co_await boxed(7);
  CO_ASSERT_TRUE(box != nullptr);
  CO_ASSERT_EQ(*box, 7) << "and the message is streamed";
}

Task<int&> same(int& n) {
  co_return n;
}

CO_TEST(Task, ValueMayBeAReference) {
  int n = 1;
  int& again = co_await same(n);
  CO_ASSERT_EQ(&again, &n);
}

Task<void> throws_after_yield(std::string what) {
  co_await yield_now();
  throw std::runtime_error(what);
}

CO_TEST(Task, ExceptionComesOutOfTheAwait) {
  std::string caught;
  try {
    co_await throws_after_yield("torn");
  } catch (const std::runtime_error& error) {
    caught = error.what();
  }
  CO_ASSERT_EQ(caught, "torn");
}

Task<void> sets(bool& flag) {
  flag = true;
  co_return;
}

CO_TEST(Task, IsLazyAndUnstartedMayBeDropped) {
  bool has_run = false;
  {
    const Task<void> never = sets(has_run);
  }
  Task<void> later = sets(has_run);
  co_await yield_now();
  CO_ASSERT_FALSE(has_run);
  co_await std::move(later);
  CO_ASSERT_TRUE(has_run);
}

CO_TEST(Task, MillionReadyAwaitsUseNoStack) {
  int sum = 0;
  for (int i = 0; i < 1'000'000; ++i) {
    sum += co_await twice(1);
  }
  CO_ASSERT_EQ(sum, 2'000'000);
}

Task<int> deep(int depth) {
  if (depth == 0) {
    co_return 0;
  }
  const int below = co_await deep(depth - 1);
  co_return below + 1;
}

CO_TEST(Task, ChainAHundredThousandDeepUsesNoStack) {
  const int depth = co_await deep(100'000);
  CO_ASSERT_EQ(depth, 100'000);
}

Task<int> deep_after_yield(int depth) {
  if (depth == 0) {
    co_await yield_now();
    co_return 0;
  }
  const int below = co_await deep_after_yield(depth - 1);
  co_return below + 1;
}

CO_TEST(Task, DeepChainResumedAtItsLeafUnwindsWithoutStack) {
  const int depth = co_await deep_after_yield(100'000);
  CO_ASSERT_EQ(depth, 100'000);
}

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ == 12

Task<bool> gives(bool value) {
  co_return value;
}

// The shape that g++ 12 gets wrong; see tests/canary/frame_layout_test.cc.
Task<void> awaits_in_a_condition() {
  if (!co_await gives(true)) {
    co_await yield_now();
  }
}

TEST(TaskDeathTest, MiscompiledFrameIsRefusedWhenItIsMade) {
  EXPECT_DEATH((void)awaits_in_a_condition(), "g\\+\\+ miscompiled a coroutine");
}

#endif

}  // namespace
}  // namespace ringo
