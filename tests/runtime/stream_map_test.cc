// SPDX-License-Identifier: MIT
//
// StreamMap: its items, its keys, what a wake costs, and what is in it when a next() is dropped.
// The cases are those of tokio-stream's stream_stream_map.rs, but for its iterators.
//
// Thread safety: tests.

#include <ringo/detail/stream_stage.h>
#include <ringo/generator.h>
#include <ringo/runtime.h>
#include <ringo/select.h>
#include <ringo/shield.h>
#include <ringo/spawn.h>
#include <ringo/stream.h>
#include <ringo/stream_map.h>
#include <ringo/stream_sources.h>
#include <ringo/sync/mpsc.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/usage_error.h>
#include <ringo/yield.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "runtime/stream_support.h"

#include "support/abort_harness.h"
#include "support/co_test.h"
#include "support/gate.h"
#include "support/random_seed.h"
#include "support/tracked.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;
using testing_support::count_behind;
using testing_support::count_slowly_to;
using testing_support::count_to;
using testing_support::Gate;
using testing_support::Tracked;

using Counts = StreamMap<int, Generator<int>>;
using Messages = StreamMap<int, stream::ReceiverStream<mpsc::Receiver<int>>>;

static_assert(Stream<Counts>);

Generator<int> odd_numbers() {
  co_yield 1;
  co_yield 3;
}
Generator<int> even_numbers() {
  co_yield 2;
}

CO_TEST(StreamMap, HeaderExample) {
  std::map<std::string, int> sum;
  ringo::StreamMap<std::string, ringo::Generator<int>> map;
  map.insert("odd", odd_numbers());
  map.insert("even", even_numbers());
  while (auto item = co_await map.next()) {
    sum[item->first] += item->second;
  }
  EXPECT_EQ(sum["odd"], 4);
  EXPECT_EQ(sum["even"], 2);
}

CO_TEST(StreamMap, EmptyOneHasEndedUntilItIsFilled) {
  Counts map;
  EXPECT_TRUE(map.is_empty());
  auto none = co_await map.next();
  EXPECT_FALSE(none.has_value());
  map.insert(1, count_to(1));
  EXPECT_EQ(map.size(), 1U);
  auto item = co_await map.next();
  CO_ASSERT_TRUE(item.has_value());
  EXPECT_EQ(item->first, 1);
  auto end = co_await map.next();
  EXPECT_FALSE(end.has_value());
  EXPECT_TRUE(map.is_empty());  // streams that have ended are gone
}

CO_TEST(StreamMap, InsertGivesBackWhoHadTheKey) {
  Counts map;
  EXPECT_FALSE(map.insert(1, count_to(9)).has_value());
  EXPECT_TRUE(map.contains(1));
  EXPECT_FALSE(map.contains(2));
  auto first = co_await map.next();
  EXPECT_EQ(first->second, 1);
  std::optional<Generator<int>> old = map.insert(1, count_slowly_to(1));
  CO_ASSERT_TRUE(old.has_value());
  EXPECT_EQ(co_await old->next(), 2);
  EXPECT_EQ(map.size(), 1U);
  auto item = co_await map.next();
  EXPECT_EQ(item->second, 1);
}

CO_TEST(StreamMap, RemoveTakesOutAStreamThatWaits) {
  Gate gate;
  Counts map;
  map.insert(1, count_behind(gate, 2));
  map.insert(2, count_behind(gate, 2));
  (void)co_await select(biased, map.next(), yield_now());
  EXPECT_EQ(gate.waiting(), 2);
  std::optional<Generator<int>> removed = map.remove(1);
  CO_ASSERT_TRUE(removed.has_value());
  EXPECT_FALSE(map.remove(1).has_value());
  EXPECT_FALSE(map.contains(1));
  EXPECT_EQ(gate.waiting(), 2);  // it waits on, outside
  gate.open();
  EXPECT_EQ(co_await removed->next(), 1);
  auto item = co_await map.next();
  EXPECT_EQ(item->first, 2);
}

CO_TEST(StreamMap, RemoveAStreamWhoseWakeIsUnderWay) {
  const int before = Tracked::alive();
  Gate gate;
  {
    Counts map;
    map.insert(1, count_behind(gate, 1));
    map.insert(2, count_behind(gate, 1));
    (void)co_await select(biased, map.next(), yield_now());
    gate.open();  // both are in the map's queue now
    EXPECT_TRUE(map.remove(1).has_value());
    auto item = co_await map.next();
    EXPECT_EQ(item->first, 2);
    auto end = co_await map.next();
    EXPECT_FALSE(end.has_value());
    map.insert(3, count_behind(gate, 1));
  }
  EXPECT_EQ(Tracked::alive(), before);
}

CO_TEST(StreamMap, DestroyedWithWakesUnderWay) {
  const int before = Tracked::alive();
  Gate gate;
  {
    Counts map;
    for (int i = 0; i < 5; ++i) {
      map.insert(i, count_behind(gate, 1));
    }
    map.insert(5, count_slowly_to(100));
    (void)co_await map.next();
    gate.open();
  }
  EXPECT_EQ(Tracked::alive(), before);
}

CO_TEST(StreamMap, EachReadyStreamHasItsChance) {
  // Each of 4 begins, and none is starved: not seen first in 300 runs of a quarter each, that
  // happens once in 10^37.
  std::vector<int> firsts(4, 0);
  for (int round = 0; round < 300; ++round) {
    Counts map;
    for (int i = 0; i < 4; ++i) {
      map.insert(i, count_to(1000));
    }
    auto first = co_await map.next();
    ++firsts[static_cast<std::size_t>(first->first)];
  }
  EXPECT_GT(*std::min_element(firsts.begin(), firsts.end()), 0);
  Counts map;
  std::set<int> seen;
  for (int i = 0; i < 4; ++i) {
    map.insert(i, count_to(100'000));
  }
  for (int i = 0; i < 1000; ++i) {
    auto item = co_await map.next();
    seen.insert(item->first);
  }
  EXPECT_EQ(seen.size(), 4U);
}

CO_TEST(StreamMap, AStreamThatThrowsIsRemoved) {
  const auto throws = []() -> Generator<int> {
    co_await yield_now();
    throw std::runtime_error("thrown by a stream");
    co_yield 1;
  };
  Gate never;
  Counts map;
  map.insert(1, throws());
  map.insert(2, count_behind(never, 1));
  std::string what;
  try {
    (void)co_await map.next();
  } catch (const std::runtime_error& error) {
    what = error.what();
  }
  EXPECT_EQ(what, "thrown by a stream");
  EXPECT_EQ(map.size(), 1U);
  EXPECT_TRUE(map.contains(2));
}

CO_TEST(StreamMap, TwoAtOnceAreAUsageError) {
  Gate never;
  Counts map;
  map.insert(1, count_behind(never, 1));
  bool is_refused = false;
  try {
    (void)co_await select(biased, map.next(), map.next());
  } catch (const UsageError&) {
    is_refused = true;
  }
  EXPECT_TRUE(is_refused);
}

CO_TEST(StreamMap, GivesReferences) {
  std::vector<int> numbers{1, 2};
  const auto refers = [](std::vector<int>& all) -> Generator<int&> {
    for (int& each : all) {
      co_yield each;
    }
  };
  StreamMap<char, Generator<int&>> map;
  map.insert('a', refers(numbers));
  while (std::optional<std::pair<char, int&>> item = co_await map.next()) {
    item->second = 0;
  }
  EXPECT_EQ(numbers, (std::vector<int>{0, 0}));
}

CO_TEST(StreamMap, IsAStream) {
  Counts map;
  map.insert(1, count_slowly_to(2));
  map.insert(2, count_slowly_to(3));
  auto summing = std::move(map) |
                 stream::map([](std::pair<int, int> item) { return item.second; }) |
                 stream::fold(0, [](int sum, int n) { return sum + n; });
  const int sum = co_await std::move(summing);
  EXPECT_EQ(sum, 9);
}

Task<void> finishes(Gate& inside, Gate& release, bool& has_finished) {
  inside.open();
  co_await release.passed();
  has_finished = true;
}
Generator<int> shields(Gate& inside, Gate& release, bool& has_finished, Tracked /*held*/) {
  co_await shield(finishes(inside, release, has_finished));
  co_yield 7;
}
Task<void> opens_later(Gate& inside, Gate& release) {
  co_await inside.passed();
  for (int i = 0; i < 5; ++i) {
    co_await yield_now();
  }
  release.open();
}

CO_TEST(StreamMap, DoesNotLeaveAShieldedStreamAlone) {
  Gate inside;
  Gate release;
  bool has_finished = false;
  Counts map;
  map.insert(1, shields(inside, release, has_finished, Tracked()));
  map.insert(2, count_behind(inside, 2));  // ready while the other is shielded
  JoinHandle<void> opening = spawn(opens_later(inside, release));
  auto first = co_await map.next();
  EXPECT_TRUE(has_finished);
  auto second = co_await map.next();
  auto third = co_await map.next();
  const std::multiset<int> got{first->second, second->second, third->second};
  const std::multiset<int> expected{1, 2, 7};
  EXPECT_EQ(got, expected);
  (void)co_await opening;
}

CO_TEST(StreamMap, ADropWaitsForAShieldedStreamAndEndsIt) {
  Gate inside;
  Gate release;
  Gate never;
  bool has_finished = false;
  Counts map;
  map.insert(1, shields(inside, release, has_finished, Tracked()));
  map.insert(2, count_behind(never, 1));
  JoinHandle<void> opening = spawn(opens_later(inside, release));
  auto first = co_await select(biased, map.next(), inside.passed());
  EXPECT_EQ(first.index(), 1U);
  EXPECT_TRUE(has_finished);
  bool is_told = false;
  try {
    (void)co_await map.next();
  } catch (const UsageError&) {
    is_told = true;
  }
  EXPECT_TRUE(is_told);
  EXPECT_FALSE(map.contains(1));
  EXPECT_TRUE(map.contains(2));
  (void)co_await opening;
}

CO_TEST(StreamMap, AWakeAsksOnlyWhoItIsFor) {
  constexpr std::size_t kStreams = 10'000;
  std::vector<std::unique_ptr<Gate>> gates;
  Counts map;
  for (std::size_t i = 0; i < kStreams; ++i) {
    gates.push_back(std::make_unique<Gate>());
    map.insert(static_cast<int>(i), count_behind(*gates.back(), 1));
  }
  (void)co_await select(biased, map.next(), yield_now());
  for (std::size_t at = 0; at < 100 * 97; at += 97) {
    gates[at]->open();
    auto item = co_await map.next();
    CO_ASSERT_EQ(item->first, static_cast<int>(at));
  }
  int questions = 0;
  for (const auto& gate : gates) {
    questions += gate->questions();
  }
  EXPECT_EQ(questions, 100);
  EXPECT_LE(map.size(), kStreams);
}

Task<void> sends_some(std::vector<mpsc::UnboundedSender<int>> senders, int count, unsigned seed) {
  std::mt19937 random(seed);
  for (int i = 0; i < count; ++i) {
    (void)senders[random() % senders.size()].send(1);
    if (random() % 8 == 0) {
      co_await yield_now();
    }
  }
}

TEST(StreamMap, ManySendersLoseNothingThoughNextIsDropped) {
  constexpr int kStreams = 50;
  constexpr int kSenders = 4;
  constexpr int kMessages = 2000;
  std::mt19937_64 random = testing_support::seeded_random();
  Runtime runtime = testing_support::multi_thread_runtime(2);
  const auto receives = [](std::mt19937_64& engine) -> Task<int> {
    Messages map;
    std::vector<mpsc::UnboundedSender<int>> senders;
    for (int i = 0; i < kStreams; ++i) {
      auto [tx, rx] = mpsc::unbounded_channel<int>();
      senders.push_back(std::move(tx));
      map.insert(i, stream::as_stream(std::move(rx)));
    }
    for (int i = 0; i < kSenders; ++i) {
      spawn(sends_some(senders, kMessages, static_cast<unsigned>(engine()))).detach();
    }
    senders.clear();
    int received = 0;
    for (;;) {
      std::variant<std::optional<std::pair<int, int>>, std::monostate> first =
          co_await select(biased, map.next(), yield_now());
      if (first.index() == 1) {
        continue;
      }
      const std::optional<std::pair<int, int>>& item = std::get<0>(first);
      if (!item) {
        break;
      }
      received += item->second;
      if (engine() % 16 == 0) {
        // A stream goes out and in again, whatever it was about to do.
        auto removed = map.remove(item->first);
        if (removed) {
          map.insert(item->first, *std::move(removed));
        }
      }
    }
    EXPECT_TRUE(map.is_empty());
    co_return received;
  };
  EXPECT_EQ(runtime.block_on(receives(random)), kSenders * kMessages);
}

Task<int> consumes_a_map() {
  const auto sleeps = [](int count, Duration pause, Tracked) -> Generator<Tracked> {
    for (int i = 0; i < count; ++i) {
      co_await time::sleep(pause);
      co_yield Tracked();
    }
  };
  StreamMap<int, Generator<Tracked>> map;
  map.insert(1, sleeps(2, 1ms, Tracked()));
  map.insert(2, sleeps(3, 2ms, Tracked()));
  map.insert(3, sleeps(1, 1ms, Tracked()));
  int count = 0;
  while (auto item = co_await map.next()) {
    ++count;
    if (item->first == 3) {
      (void)map.remove(2);
      map.insert(4, sleeps(2, 1ms, Tracked()));
    }
  }
  co_return count;
}

TEST(StreamMap, MayBeAbortedAnywhere) {
  testing_support::abort_at_every_step([] { return consumes_a_map(); });
}

TEST(StreamMap, MayLoseATimeoutAnywhere) {
  testing_support::time_out_at_every_step([] { return consumes_a_map(); });
}

}  // namespace
}  // namespace ringo
