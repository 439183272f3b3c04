// SPDX-License-Identifier: MIT
//
// Guarded<T>: what with() gives back, what it keeps in, and several at once.

#include <ringo/guarded.h>
#include <ringo/spawn.h>
#include <ringo/sync/oneshot.h>
#include <ringo/task.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/co_test.h"

namespace ringo {
namespace {

TEST(Guarded, HeaderExample) {
  ringo::Guarded<std::vector<int>> results;
  results.with([](std::vector<int>& list) { list.push_back(42); });
  const std::size_t size = results.with([](const std::vector<int>& list) { return list.size(); });
  EXPECT_EQ(size, 1U);
}

TEST(Guarded, GivesBackWhatTheFunctionReturns) {
  Guarded text(std::string("a"));
  EXPECT_EQ(text.with([](std::string& s) { return s += "b"; }), "ab");
  const auto moved = text.with([](std::string& s) { return std::make_unique<std::string>(s); });
  EXPECT_EQ(*moved, "ab");
}

TEST(Guarded, IsConstThroughConst) {
  const Guarded<int> number(7);
  EXPECT_EQ(number.with([](const int& n) { return n; }), 7);
}

TEST(Guarded, TakesAMember) {
  Guarded<std::string> text("abc");
  EXPECT_EQ(text.with(&std::string::size), 3U);
}

TEST(Guarded, HoldsWhatCannotBeMoved) {
  struct Pinned {
    explicit Pinned(int n) : number(n) {}
    Pinned(Pinned&&) = delete;
    int number;
  };
  Guarded<Pinned> pinned(std::in_place, 3);
  EXPECT_EQ(pinned.with([](Pinned& p) { return ++p.number; }), 4);
}

TEST(Guarded, IsReleasedWhenTheFunctionThrows) {
  Guarded<int> number(0);
  EXPECT_THROW(number.with([](int& n) {
    n = 1;
    throw std::runtime_error("out");
  }),
               std::runtime_error);
  EXPECT_EQ(number.with([](int& n) { return n; }), 1);
}

TEST(Guarded, LosesNoCountBetweenThreads) {
  constexpr int kTimes = 5'000;
  Guarded<int> count(0);
  const auto add = [&] {
    for (int i = 0; i < kTimes; ++i) {
      count.with([](int& n) { ++n; });
    }
  };
  std::thread other(add);
  add();
  other.join();
  EXPECT_EQ(count.get_mut(), 2 * kTimes);
  EXPECT_EQ(std::move(count).into_inner(), 2 * kTimes);
}

TEST(Guarded, WithAllMovesBetweenTwo) {
  constexpr int kTimes = 2'000;
  Guarded<int> a(kTimes);
  Guarded<int> b(kTimes);
  const auto move_one = [](int& from, int& to) {
    --from;
    ++to;
  };
  std::thread other([&] {
    for (int i = 0; i < kTimes; ++i) {
      with_all(a, b, move_one);
    }
  });
  for (int i = 0; i < kTimes; ++i) {
    with_all(b, a, move_one);
    EXPECT_EQ(with_all(a, b, [](int& x, int& y) { return x + y; }), 2 * kTimes);
  }
  other.join();
  Guarded<int> c(1);
  EXPECT_EQ(with_all(a, b, c, [](int& x, int& y, int& z) { return x + y + z; }), 2 * kTimes + 1);
}

Task<int> answers(oneshot::Sender<int> reply) {
  (void)std::move(reply).send(5);
  co_return 0;
}

// What waits for something that goes on by itself may come out.
CO_TEST(Guarded, AReceiverMayBeMadeUnderTheLock) {
  Guarded<std::optional<oneshot::Sender<int>>> waiting;
  auto receiver = waiting.with([](std::optional<oneshot::Sender<int>>& sender) {
    auto [tx, rx] = oneshot::channel<int>();
    sender = std::move(tx);
    return std::move(rx);
  });
  auto sender = waiting.with([](auto& s) { return std::move(*s); });
  JoinHandle<int> handle = spawn(answers(std::move(sender)));
  const auto received = co_await std::move(receiver);
  EXPECT_EQ(received.value(), 5);
  const auto joined = co_await handle;
  EXPECT_TRUE(joined.has_value());
}

}  // namespace
}  // namespace ringo
