// SPDX-License-Identifier: MIT
//
// OnceCell: made once, by one of those who ask; who fails or is cancelled leaves it to the next.
// The behaviours are those of Tokio's sync_once_cell tests; its const constructor and its Clone
// have no counterpart here.

#include <ringo/join_error.h>
#include <ringo/result.h>
#include <ringo/spawn.h>
#include <ringo/sync/once_cell.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/yield.h>

#include <atomic>
#include <chrono>
#include <concepts>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/abort_harness.h"
#include "support/co_test.h"
#include "support/tracked.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;
using testing_support::Tracked;

using Reference = std::reference_wrapper<const int>;

static_assert(!std::move_constructible<OnceCell<int>>);

CO_TEST(OnceCell, HeaderExample) {
  ringo::OnceCell<std::string> greeting;
  auto make = []() -> ringo::Task<std::string> { co_return "hello"; };
  const std::string& made = co_await greeting.get_or_init(make);
  CO_ASSERT_EQ(made, "hello");
  CO_ASSERT_EQ(&made, greeting.get());
}

TEST(OnceCell, EmptyCellHasNoValue) {
  OnceCell<int> cell;
  EXPECT_EQ(cell.get(), nullptr);
  EXPECT_EQ(cell.get_mut(), nullptr);
  EXPECT_FALSE(cell.is_initialized());
  EXPECT_EQ(std::move(cell).into_inner(), std::nullopt);
}

TEST(OnceCell, IsSetOnce) {
  OnceCell<std::unique_ptr<int>> cell;
  ASSERT_TRUE(cell.set(std::make_unique<int>(1)).has_value());
  EXPECT_EQ(**cell.get(), 1);
  std::expected<void, SetError<std::unique_ptr<int>>> second = cell.set(std::make_unique<int>(2));
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().failure, SetFailure::kAlreadyInitialized);
  EXPECT_EQ(*second.error().value, 2) << "the refused value comes back";
  EXPECT_EQ(**cell.get(), 1);
}

TEST(OnceCell, MayBeMadeWithAValue) {
  const OnceCell<int> cell(5);
  EXPECT_EQ(*cell.get(), 5);
  const OnceCell<int> maybe(std::optional<int>(6));
  EXPECT_EQ(*maybe.get(), 6);
  const OnceCell<int> none{std::optional<int>()};
  EXPECT_EQ(none.get(), nullptr);
  OnceCell deduced(std::string("text"));
  EXPECT_EQ(deduced.set("more").error().failure, SetFailure::kAlreadyInitialized);
}

TEST(OnceCell, TakeLeavesItEmptyAndUsable) {
  OnceCell<int> cell(5);
  *cell.get_mut() += 1;
  EXPECT_EQ(cell.take(), 6);
  EXPECT_EQ(cell.get(), nullptr);
  EXPECT_EQ(cell.take(), std::nullopt);
  EXPECT_TRUE(cell.set(7).has_value());
  EXPECT_EQ(std::move(cell).into_inner(), 7);
}

TEST(OnceCell, ValueDiesOnce) {
  const int before = Tracked::alive();
  {
    OnceCell<Tracked> cell;
    EXPECT_TRUE(cell.set(Tracked()).has_value());
    EXPECT_EQ(Tracked::alive(), before + 1);
    OnceCell<Tracked> other{Tracked()};
    const std::optional<Tracked> taken = std::move(other).into_inner();
    EXPECT_EQ(Tracked::alive(), before + 2);
  }
  EXPECT_EQ(Tracked::alive(), before);
}

Task<int> make_five() {
  co_await yield_now();
  co_return 5;
}
Task<int> make_after(std::chrono::nanoseconds delay, int value) {
  co_await time::sleep(delay);
  co_return value;
}
Task<int> fail_after(std::chrono::nanoseconds delay) {
  co_await time::sleep(delay);
  throw std::runtime_error("cannot");
}

Task<int> ask(OnceCell<int>& cell, std::function<Task<int>()> make) {
  const Reference value = co_await cell.get_or_init(std::move(make));
  co_return value.get();
}

CO_TEST_PAUSED(OnceCell, OneMakesAndTheOthersWait) {
  OnceCell<int> cell;
  JoinHandle<int> first = spawn(ask(cell, [] { return make_after(10ms, 1); }));
  co_await time::sleep(1ms);
  CO_ASSERT_EQ(cell.get(), nullptr);
  CO_ASSERT_EQ(cell.set(3).error().failure, SetFailure::kInitializing);
  JoinHandle<int> second = spawn(ask(cell, [] { return make_after(0ms, 2); }));
  const JoinResult<int> second_value = co_await second;
  const JoinResult<int> first_value = co_await first;
  CO_ASSERT_EQ(first_value.value(), 1);
  CO_ASSERT_EQ(second_value.value(), 1);
}

CO_TEST_PAUSED(OnceCell, InitialiserThatThrowsLeavesItToTheNext) {
  OnceCell<int> cell;
  JoinHandle<int> first = spawn(ask(cell, [] { return fail_after(10ms); }));
  co_await time::sleep(1ms);
  JoinHandle<int> second = spawn(ask(cell, [] { return make_after(1ms, 2); }));
  const JoinResult<int> first_value = co_await first;
  const JoinResult<int> second_value = co_await second;
  CO_ASSERT_FALSE(first_value.has_value());
  CO_ASSERT_EQ(second_value.value(), 2);
}

CO_TEST(OnceCell, MakerThatThrowsBeforeItsTaskLeavesItEmpty) {
  OnceCell<int> cell;
  JoinHandle<int> first =
      spawn(ask(cell, []() -> Task<int> { throw std::runtime_error("no task at all"); }));
  const JoinResult<int> first_value = co_await first;
  CO_ASSERT_FALSE(first_value.has_value());
  CO_ASSERT_TRUE(cell.set(4).has_value());
}

CO_TEST_PAUSED(OnceCell, CancelledInitialiserLeavesItToTheNext) {
  OnceCell<int> cell;
  JoinHandle<int> first = spawn(ask(cell, [] { return make_after(1h, 1); }));
  co_await time::sleep(1ms);
  JoinHandle<int> second = spawn(ask(cell, [] { return make_after(1ms, 2); }));
  co_await time::sleep(1ms);
  first.abort();
  const JoinResult<int> second_value = co_await second;
  CO_ASSERT_EQ(second_value.value(), 2);
  (void)co_await first;

  OnceCell<int> other;
  const auto never = [] { return make_after(1h, 1); };
  const Result<Reference> late = co_await time::timeout(1ms, other.get_or_init(never));
  CO_ASSERT_FALSE(late.has_value());
  CO_ASSERT_TRUE(other.set(3).has_value());
}

CO_TEST(OnceCell, CapturesOfTheInitialiserLiveWhileItRuns) {
  OnceCell<std::string> cell;
  std::string text(100, 'x');
  auto make = [text]() -> Task<std::string> {
    co_await yield_now();
    co_return text + "y";
  };
  const std::string& made = co_await cell.get_or_init(make);
  CO_ASSERT_EQ(made, text + "y");
}

CO_TEST(OnceCell, TryInitPassesTheErrorOnAndStaysEmpty) {
  OnceCell<int> cell;
  auto fails = []() -> Task<Result<int>> {
    co_await yield_now();
    co_return Result<int>(std::unexpect, ErrorKind::kTimedOut, "make");
  };
  auto works = []() -> Task<Result<int>> { co_return Result<int>(8); };
  const Result<Reference> none = co_await cell.get_or_try_init(fails);
  CO_ASSERT_EQ(none.error().kind(), ErrorKind::kTimedOut);
  CO_ASSERT_FALSE(cell.is_initialized());
  const Result<Reference> some = co_await cell.get_or_try_init(works);
  CO_ASSERT_EQ(some->get(), 8);
  const Result<Reference> same = co_await cell.get_or_try_init(fails);
  CO_ASSERT_EQ(&some->get(), &same->get()) << "an initialised cell runs nothing";

  OnceCell<int> named;
  auto names_error = []() -> Task<std::expected<int, std::string>> {
    co_return std::expected<int, std::string>(std::unexpect, "no");
  };
  const std::expected<Reference, std::string> error = co_await named.get_or_try_init(names_error);
  CO_ASSERT_EQ(error.error(), "no");
}

CO_TEST(OnceCell, ManyAskAndOneMakes) {
  for (int round = 0; round < 50; ++round) {
    auto cell = std::make_shared<OnceCell<int>>();
    auto made = std::make_shared<std::atomic<int>>(0);
    auto asks = [](std::shared_ptr<OnceCell<int>> asked,
                   std::shared_ptr<std::atomic<int>> count) -> Task<int> {
      auto make = [count]() -> Task<int> {
        count->fetch_add(1);
        co_await yield_now();
        co_return 5;
      };
      const Reference value = co_await asked->get_or_init(make);
      co_return value.get();
    };
    std::vector<JoinHandle<int>> tasks;
    for (int i = 0; i < 8; ++i) {
      tasks.push_back(spawn(asks(cell, made)));
    }
    for (JoinHandle<int>& task : tasks) {
      const JoinResult<int> value = co_await task;
      CO_ASSERT_EQ(value.value(), 5);
    }
    CO_ASSERT_EQ(made->load(), 1);
  }
}

Task<int> asks_in_turns() {
  auto cell = std::make_shared<OnceCell<int>>();
  auto asks = [](std::shared_ptr<OnceCell<int>> asked, Tracked /*tracked*/) -> Task<void> {
    (void)co_await asked->get_or_init(make_five);
  };
  JoinHandle<void> other = spawn(asks(cell, Tracked()));
  const Tracked tracked;
  const Reference value = co_await cell->get_or_init(make_five);
  (void)co_await other;
  co_return value.get();
}

TEST(OnceCell, MayBeAbortedAnywhere) {
  testing_support::abort_at_every_step([] { return asks_in_turns(); });
  testing_support::time_out_at_every_step([] { return asks_in_turns(); },
                                          testing_support::Holds::kElsewhereToo);
}

}  // namespace
}  // namespace ringo
