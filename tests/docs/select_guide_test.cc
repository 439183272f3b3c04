// SPDX-License-Identifier: MIT
//
// The code of docs/guide/select.md, compiled and run: the guide quotes it from here
// (scripts/check_docs.py).
//
// Thread safety: tests.

#include <ringo/cancellation_token.h>
#include <ringo/join.h>
#include <ringo/join_all.h>
#include <ringo/join_error.h>
#include <ringo/result.h>
#include <ringo/select.h>
#include <ringo/spawn.h>
#include <ringo/sync/mpsc.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/yield.h>

#include <expected>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "support/co_test.h"

namespace {

using namespace std::chrono_literals;
using ringo::Result;
using ringo::Task;

Task<int> ask(const char* /*server*/, ringo::Duration delay, int answer) {
  co_await ringo::time::sleep(delay);
  co_return answer;
}

// --- select -------------------------------------------------------------------------------------

Task<std::string> serve(ringo::mpsc::Receiver<std::string> orders, ringo::CancellationToken stop) {
  std::string log;
  bool is_open = true;
  while (is_open) {
    co_await ringo::select(ringo::on(stop.cancelled(), [&] { is_open = false; }),
                           ringo::on(orders.recv(), [&](std::optional<std::string> order) {
                             is_open = order.has_value();
                             log += order.value_or("closed") + " ";
                           }));
  }
  co_return log;
}

CO_TEST(SelectGuide, InALoop) {
  auto [tx, rx] = ringo::mpsc::channel<std::string>(4);
  const ringo::CancellationToken stop;
  (void)tx.try_send("tea");
  ringo::drop(std::move(tx));
  const std::string log = co_await serve(std::move(rx), stop);
  EXPECT_EQ(log, "tea closed ");
}

CO_TEST_PAUSED(SelectGuide, WithoutHandlers) {
  std::variant<int, std::monostate> first =
      co_await ringo::select(ask("a", 5ms, 1), ringo::time::sleep(1s));
  EXPECT_EQ(first.index(), 0U);
}

CO_TEST(SelectGuide, Biased) {
  auto [urgent_tx, urgent] = ringo::mpsc::channel<int>(4);
  auto [usual_tx, usual] = ringo::mpsc::channel<int>(4);
  (void)usual_tx.try_send(1);
  (void)urgent_tx.try_send(2);
  int taken = 0;
  const auto take = [&taken](std::optional<int> job) { taken = job.value_or(0); };
  co_await ringo::select(ringo::biased,  // in the order of writing, where several are ready
                         ringo::on(urgent.recv(), take), ringo::on(usual.recv(), take));
  EXPECT_EQ(taken, 2);
}

Task<int> drain_both(ringo::mpsc::Receiver<int> one, ringo::mpsc::Receiver<int> other) {
  int sum = 0;
  for (bool are_open = true; are_open;) {
    co_await ringo::select(
        ringo::on_value(one.recv(), [&](int n) { sum += n; }),    // out, once it gives nullopt
        ringo::on_value(other.recv(), [&](int n) { sum += n; }),  //
        ringo::otherwise([&] { are_open = false; }));             // when all are out
  }
  co_return sum;
}

CO_TEST(SelectGuide, BranchesThatAreOut) {
  auto [one, one_rx] = ringo::mpsc::channel<int>(4);
  auto [other, other_rx] = ringo::mpsc::channel<int>(4);
  (void)one.try_send(1);
  (void)other.try_send(2);
  (void)other.try_send(3);
  ringo::drop(std::move(one));
  ringo::drop(std::move(other));
  const int sum = co_await drain_both(std::move(one_rx), std::move(other_rx));
  EXPECT_EQ(sum, 6);
}

CO_TEST_PAUSED(SelectGuide, DisabledBranches) {
  std::optional<int> cached = 7;
  int value = 0;
  co_await ringo::select(
      ringo::on(ask("a", 1ms, 1), [&](int n) { value = n; }).only_if(!cached.has_value()),
      ringo::otherwise([&] { value = *cached; }));
  EXPECT_EQ(value, 7);
}

CO_TEST_PAUSED(SelectGuide, WhoMustNotBeDestroyedIsSpawned) {
  auto working = ringo::spawn(ask("a", 25ms, 3));
  int ticks = 0;
  std::optional<int> result;
  while (!result) {
    co_await ringo::select(
        ringo::on(working, [&](ringo::JoinResult<int> done) { result = done.value(); }),
        ringo::on(ringo::time::sleep(10ms), [&] { ++ticks; }));
  }
  EXPECT_EQ(result, 3);
  EXPECT_EQ(ticks, 2);
}

// --- join and race ------------------------------------------------------------------------------

CO_TEST_PAUSED(SelectGuide, JoinAndRace) {
  auto [hello, world] = co_await ringo::join(ask("a", 2ms, 1), ask("b", 1ms, 2));
  EXPECT_EQ(hello, 1);
  EXPECT_EQ(world, 2);
  const int fastest = co_await ringo::race(ask("a", 2ms, 1), ask("b", 1ms, 2));
  EXPECT_EQ(fastest, 2);
}

CO_TEST_PAUSED(SelectGuide, JoinAll) {
  std::vector<Task<int>> questions;
  for (int i = 0; i < 10; ++i) {
    questions.push_back(ask("a", i * 1ms, i));
  }
  const std::vector<int> answers = co_await ringo::join_all(std::move(questions));
  EXPECT_EQ(answers.size(), 10U);
  EXPECT_EQ(answers.back(), 9);
}

Task<Result<int>> checked(int n) {
  co_await ringo::yield_now();
  if (n < 0) {
    co_return std::unexpected(ringo::Error(ringo::ErrorKind::kInvalidInput, "negative"));
  }
  co_return n;
}

CO_TEST(SelectGuide, TryJoin) {
  const auto both = co_await ringo::try_join(checked(1), checked(-1));
  EXPECT_FALSE(both.has_value());
}

// --- g++ 12 -------------------------------------------------------------------------------------

CO_TEST(SelectGuide, NameWhatCaptures) {
  auto [tx, rx] = ringo::mpsc::channel<int>(1);
  (void)tx.try_send(4);
  std::string text;
  const std::string prefix = "got ";
  auto say = [prefix, &text](std::optional<int> n) { text = prefix + std::to_string(*n); };
  co_await ringo::select(ringo::on(rx.recv(), say), ringo::on(ringo::yield_now(), [] {}));
  EXPECT_TRUE(text.empty() || text == "got 4");
}

}  // namespace
