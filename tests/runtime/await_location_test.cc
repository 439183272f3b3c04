// SPDX-License-Identifier: MIT
//
// Each coroutine knows at which co_await it is suspended, and who awaits it: what a task dump is
// made of.
//
// Thread safety: tests.

#include <ringo/detail/promise.h>
#include <ringo/detail/task_core.h>
#include <ringo/task.h>

#include <coroutine>
#include <cstdint>
#include <source_location>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/fake_task.h"
#include "support/gate.h"

namespace {

using ringo::Task;
using ringo::detail::Leaf;
using ringo::detail::PromiseBase;
using ringo::testing_support::CountingSchedule;
using ringo::testing_support::FakeTask;
using ringo::testing_support::Gate;

std::uint32_t this_line(std::source_location where = std::source_location::current()) {
  return where.line();
}

/// The lines at which the coroutines of a branch are suspended, innermost first.
std::vector<std::uint32_t> lines_of(const Leaf& leaf) {
  std::vector<std::uint32_t> lines;
  for (std::coroutine_handle<> at = leaf.waiting_coroutine; at;
       at = PromiseBase::of(at).continuation.awaiting()) {
    lines.push_back(PromiseBase::of(at).awaits_at().line());
  }
  return lines;
}

/// A coroutine that is run by hand, as a task's root branch.
template <class T>
class HandRun {
 public:
  explicit HandRun(Task<T> task) : body_(task.release()) { body_.promise().branch = &task_.root; }
  HandRun(const HandRun&) = delete;
  HandRun& operator=(const HandRun&) = delete;
  ~HandRun() { body_.destroy(); }

  /// Runs until it waits.
  const Leaf& run() {
    EXPECT_FALSE(ringo::detail::run_branch(task_.root, body_));
    return *task_.root.leaf;
  }

 private:
  CountingSchedule schedule_;
  FakeTask task_{schedule_};
  std::coroutine_handle<ringo::detail::Promise<T>> body_;
};

struct Lines {
  std::uint32_t inner = 0;
  std::uint32_t outer = 0;
};

Task<int> inner(Gate& gate, Lines& lines) {
  lines.inner = this_line() + 1;
  co_await gate.passed();
  co_return 1;
}

template <class T>
Task<T> outer(Gate& gate, Lines& lines) {
  lines.outer = this_line() + 1;
  const int n = co_await inner(gate, lines);
  co_return T(n);
}

struct alignas(16) Wide {
  explicit Wide(int value) : n(value) {}
  int n;
};

TEST(AwaitLocation, OfALeafIsTheLineOfTheCoAwait) {
  Gate gate;
  Lines lines;
  HandRun waiting(inner(gate, lines));
  const std::vector<std::uint32_t> found = lines_of(waiting.run());
  EXPECT_THAT(found, testing::ElementsAre(lines.inner));
}

TEST(AwaitLocation, IsThatOfTheLastAwait) {
  Gate open;
  open.open();
  Gate shut;
  std::vector<std::uint32_t> expected;
  // NOLINTNEXTLINE(cppcoreguidelines-avoid-capturing-lambda-coroutines): outlives the coroutine.
  auto body = [&]() -> Task<void> {
    co_await open.passed();
    expected.push_back(this_line() + 1);
    co_await shut.passed();
  };
  HandRun waiting(body());
  const std::vector<std::uint32_t> found = lines_of(waiting.run());
  EXPECT_EQ(found, expected);
}

TEST(AwaitLocation, IsKnownOfEachCoroutineInTheChain) {
  Gate gate;
  Lines lines;
  HandRun waiting(outer<int>(gate, lines));
  const std::vector<std::uint32_t> found = lines_of(waiting.run());
  EXPECT_THAT(found, testing::ElementsAre(lines.inner, lines.outer));
}

TEST(AwaitLocation, IsFoundWhateverTheTaskReturns) {
  Gate gate;
  Lines lines;
  HandRun waiting(outer<Wide>(gate, lines));
  const std::vector<std::uint32_t> found = lines_of(waiting.run());
  EXPECT_THAT(found, testing::ElementsAre(lines.inner, lines.outer));
}

TEST(AwaitLocation, NamesTheFile) {
  Gate gate;
  Lines lines;
  HandRun waiting(inner(gate, lines));
  const Leaf& leaf = waiting.run();
  EXPECT_TRUE(std::string_view(PromiseBase::of(leaf.waiting_coroutine).awaits_at().file_name())
                  .ends_with("await_location_test.cc"));
}

}  // namespace
