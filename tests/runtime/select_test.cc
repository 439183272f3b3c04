// SPDX-License-Identifier: MIT
//
// select() and join(): who wins, what becomes of the losers, what is awaited twice.
//
// Thread safety: tests.

#include <ringo/join.h>
#include <ringo/join_error.h>
#include <ringo/result.h>
#include <ringo/select.h>
#include <ringo/shield.h>
#include <ringo/spawn.h>
#include <ringo/sync/mpsc.h>
#include <ringo/sync/oneshot.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/usage_error.h>
#include <ringo/yield.h>

#include <expected>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "support/abort_harness.h"
#include "support/co_test.h"
#include "support/tracked.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;
using testing_support::Tracked;

Task<int> value(int n) {
  co_return n;
}
Task<void> nothing() {
  co_return;
}
Task<int> after_yields(int n, int yields) {
  for (int i = 0; i < yields; ++i) {
    co_await yield_now();
  }
  co_return n;
}
Task<int> never(Tracked /*held*/) {
  co_await time::sleep(Duration::max());
  co_return 0;
}
Task<int> throws() {
  co_await yield_now();
  throw std::runtime_error("thrown by a branch");
}

CO_TEST(Select, HeaderExample) {
  auto [tx, rx] = mpsc::channel<int>(1);
  std::optional<int> received;
  bool is_late = false;
  co_await tx.send(7);
  co_await ringo::select(
      ringo::on(rx.recv(), [&](std::optional<int> message) { received = message; }),
      ringo::on(ringo::time::sleep(10s), [&] { is_late = true; }));
  EXPECT_EQ(received, 7);
  EXPECT_FALSE(is_late);
}

CO_TEST(Select, GivesTheVariantOfTheWinner) {
  const int before = Tracked::alive();
  std::variant<int, std::monostate> first = co_await select(never(Tracked()), nothing());
  EXPECT_EQ(first.index(), 1U);
  EXPECT_EQ(Tracked::alive(), before);  // the loser is gone already
  std::variant<int, int> second = co_await select(value(3), never(Tracked()));
  EXPECT_EQ(std::get<0>(second), 3);
  EXPECT_EQ(Tracked::alive(), before);
}

CO_TEST(Select, ReturnsWhatTheHandlerReturns) {
  const std::string text = co_await select(on(never(Tracked()), [](int) { return "never"; }),
                                           on(value(4), [](int n) { return std::to_string(n); }));
  EXPECT_EQ(text, "4");
}

CO_TEST(Select, AwaitsHandlersThatAreCoroutines) {
  const int before = Tracked::alive();
  int seen_alive = -1;
  Task<int> loser = never(Tracked());
  const int result = co_await select(on(std::move(loser), [](int n) { return n; }),
                                     on(after_yields(5, 3), [&](int n) -> Task<int> {
                                       seen_alive = Tracked::alive();
                                       co_await yield_now();
                                       co_return n + 1;
                                     }));
  EXPECT_EQ(result, 6);
  EXPECT_EQ(seen_alive, before);
}

CO_TEST(Select, BiasedLooksInOrder) {
  for (int i = 0; i < 50; ++i) {
    std::variant<int, int, int> first = co_await select(biased, value(1), value(2), value(3));
    CO_ASSERT_EQ(first.index(), 0U);
  }
}

CO_TEST(Select, EachReadyBranchHasItsChance) {
  std::vector<int> wins(3, 0);
  for (int i = 0; i < 300; ++i) {
    std::variant<int, int, int> first = co_await select(value(1), value(2), value(3));
    ++wins[first.index()];
  }
  // None of 300 lots of a third each: that happens once in 10^52 runs.
  EXPECT_GT(wins[0], 0);
  EXPECT_GT(wins[1], 0);
  EXPECT_GT(wins[2], 0);
}

CO_TEST(Select, DisabledBranchesTakeNoPart) {
  const int result = co_await select(on(value(1), [](int n) { return n; }).only_if(false),
                                     on(after_yields(2, 5), [](int n) { return n; }));
  EXPECT_EQ(result, 2);
}

CO_TEST(Select, OtherwiseRunsWhenAllAreOut) {
  auto [tx, rx] = mpsc::channel<int>(1);
  drop(std::move(tx));
  const int result =
      co_await select(on(value(1), [](int n) { return n; }).only_if(false),
                      on_value(rx.recv(), [](int n) { return n; }), otherwise([] { return 9; }));
  EXPECT_EQ(result, 9);
}

CO_TEST(Select, AllOutWithoutOtherwiseIsAUsageError) {
  bool is_refused = false;
  try {
    co_await select(on(value(1), [](int) {}).only_if(false));
  } catch (const UsageError&) {
    is_refused = true;
  }
  EXPECT_TRUE(is_refused);
}

CO_TEST(Select, ABranchWithoutAValueLeavesTheOthers) {
  auto [tx, rx] = mpsc::channel<int>(1);
  drop(std::move(tx));
  const int result = co_await select(biased, on_value(rx.recv(), [](int n) { return n; }),
                                     on(after_yields(8, 10), [](int n) { return n; }));
  EXPECT_EQ(result, 8);
}

CO_TEST(Select, PassesExceptionsOn) {
  const int before = Tracked::alive();
  std::string what;
  try {
    (void)co_await select(throws(), never(Tracked()));
  } catch (const std::runtime_error& error) {
    what = error.what();
  }
  EXPECT_EQ(what, "thrown by a branch");
  EXPECT_EQ(Tracked::alive(), before);
}

CO_TEST(Select, Nests) {
  auto inner = [](int n) -> Task<int> {
    std::variant<int, int> first = co_await select(after_yields(n, 4), never(Tracked()));
    co_return std::get<0>(first);
  };
  std::variant<int, std::variant<int, int>> outer =
      co_await select(never(Tracked()), select(inner(6), never(Tracked())));
  EXPECT_EQ(std::get<0>(std::get<1>(outer)), 6);
}

Task<int> receive(oneshot::Receiver<int> receiver) {
  const Result<int> received = co_await std::move(receiver);
  co_return received.value();
}

CO_TEST(Select, AHandleOutlivesALostSelect) {
  auto [tx, rx] = oneshot::channel<int>();
  std::optional<oneshot::Sender<int>> sender(std::move(tx));
  auto working = spawn(receive(std::move(rx)));
  int lost = 0;
  std::optional<int> result;
  while (!result) {
    co_await select(biased, on(working, [&](JoinResult<int> joined) { result = joined.value(); }),
                    on(yield_now(), [&] { ++lost; }));
    if (lost == 3 && sender) {
      (void)std::move(*sender).send(11);
      sender.reset();
    }
  }
  EXPECT_EQ(result, 11);
  EXPECT_GE(lost, 3);
}

CO_TEST(Select, WaitsForALoserInAShield) {
  bool is_finished = false;
  auto finishes = [](bool& done) -> Task<void> {
    for (int i = 0; i < 10; ++i) {
      co_await yield_now();
    }
    done = true;
  };
  auto shielded = [&]() -> Task<void> { co_await shield(finishes(is_finished)); };
  co_await select(invoke(shielded), after_yields(1, 2));
  EXPECT_TRUE(is_finished);
}

CO_TEST(Select, ManyBranchesInALoopLeaveNoIndexBehind) {
  for (int i = 0; i < 1000; ++i) {
    std::variant<int, int, int, int> first = co_await select(
        never(Tracked()), after_yields(1, i % 3), never(Tracked()), after_yields(2, i % 2));
    CO_ASSERT_TRUE(first.index() == 1 || first.index() == 3);
  }
}

CO_TEST(Race, GivesTheValueOfTheFirst) {
  const int before = Tracked::alive();
  const int first = co_await race(never(Tracked()), after_yields(5, 2));
  EXPECT_EQ(first, 5);
  const long common = co_await race(value(6), never(Tracked()));
  EXPECT_EQ(common, 6);
  co_await race(nothing(), yield_now());
  EXPECT_EQ(Tracked::alive(), before);
}

CO_TEST(Join, GivesAllValues) {
  auto [one, none, three] = co_await join(value(1), nothing(), after_yields(3, 5));
  EXPECT_EQ(one, 1);
  EXPECT_EQ(none, std::monostate());
  EXPECT_EQ(three, 3);
}

CO_TEST(Join, RunsItsBranchesInTurn) {
  std::string trace;
  auto writes = [&trace](char c) -> Task<void> {
    for (int i = 0; i < 3; ++i) {
      trace.push_back(c);
      co_await yield_now();
    }
  };
  co_await join(invoke(writes, 'a'), invoke(writes, 'b'));
  EXPECT_EQ(trace, "ababab");
}

CO_TEST(Join, ThrowsAtOnceAndDestroysTheOthers) {
  const int before = Tracked::alive();
  bool has_thrown = false;
  try {
    (void)co_await join(never(Tracked()), throws(), never(Tracked()));
  } catch (const std::runtime_error&) {
    has_thrown = true;
  }
  EXPECT_TRUE(has_thrown);
  EXPECT_EQ(Tracked::alive(), before);
}

Task<Result<int>> works(int n) {
  co_await yield_now();
  co_return n;
}
Task<Result<int>> fails() {
  co_await yield_now();
  co_return std::unexpected(Error(ErrorKind::kClosed, "fails"));
}
Task<Result<int>> fails_never(Tracked /*held*/) {
  co_await time::sleep(Duration::max());
  co_return 0;
}
Task<Result<void>> works_without_value() {
  co_return Result<void>();
}

CO_TEST(TryJoin, GivesAllValues) {
  const auto both = co_await try_join(works(1), works_without_value(), works(3));
  CO_ASSERT_TRUE(both.has_value());
  EXPECT_EQ(std::get<0>(*both), 1);
  EXPECT_EQ(std::get<2>(*both), 3);
}

CO_TEST(TryJoin, StopsAtTheFirstError) {
  const int before = Tracked::alive();
  const auto failed = co_await try_join(fails_never(Tracked()), fails(), fails_never(Tracked()));
  CO_ASSERT_FALSE(failed.has_value());
  EXPECT_EQ(failed.error().kind(), ErrorKind::kClosed);
  EXPECT_EQ(Tracked::alive(), before);
}

Task<void> selects_and_joins() {
  (void)co_await select(never(Tracked()), after_yields(1, 3), join(value(1), after_yields(2, 9)));
  (void)co_await join(after_yields(1, 2), select(after_yields(1, 4), never(Tracked())));
  (void)co_await select(on(never(Tracked()), [](int) {}),
                        on(after_yields(1, 2), [](int) -> Task<void> { co_await yield_now(); }));
  (void)co_await try_join(works(1), works(2));
}

TEST(Select, MayBeAbortedAnywhere) {
  testing_support::abort_at_every_step([] { return selects_and_joins(); });
}

TEST(Select, MayLoseATimeoutAnywhere) {
  testing_support::time_out_at_every_step([] { return selects_and_joins(); });
}

}  // namespace
}  // namespace ringo
