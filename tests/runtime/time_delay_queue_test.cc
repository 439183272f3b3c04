// SPDX-License-Identifier: MIT
//
// DelayQueue on a clock that stands still: what comes out, when, and what a change does to a wait.
// The cases are those of tokio-util's time_delay_queue.rs.
//
// Thread safety: tests.

#include <ringo/delay_queue.h>
#include <ringo/result.h>
#include <ringo/spawn.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/usage_error.h>
#include <ringo/yield.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/abort_harness.h"
#include "support/co_test.h"
#include "support/random_seed.h"
#include "support/tracked.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;
using testing_support::Tracked;
using time::DelayQueue;
using time::Expired;
using Key = DelayQueue<std::string>::Key;

/// A timer fires at the end of its tick of 131 us.
constexpr Duration kTick = 132us;

CO_TEST_PAUSED(DelayQueue, HeaderExample) {
  const Instant start = Clock::now();
  ringo::time::DelayQueue<std::string> sessions;
  const auto ann = sessions.insert("ann", 10s);
  sessions.insert("bob", 20s);
  sessions.reset(ann, 30s);                      // she has been heard of
  const auto first = co_await sessions.next();   // bob, after 20 s
  const auto second = co_await sessions.next();  // ann
  const auto third = co_await sessions.next();   // nullopt: the queue is empty
  CO_ASSERT_TRUE(first.has_value() && second.has_value());
  EXPECT_EQ(first->value, "bob");
  EXPECT_EQ(first->deadline, start + 20s);
  EXPECT_EQ(second->value, "ann");
  EXPECT_EQ(second->key, ann);
  EXPECT_FALSE(third.has_value());
  EXPECT_GE(Clock::now(), start + 30s);
  EXPECT_LE(Clock::now(), start + 30s + kTick);
}

/// What has come out of a queue, and when.
struct Collected {
  Instant start = Clock::now();
  std::vector<std::pair<std::string, Duration>> values;
  bool has_ended = false;  ///< the queue was empty

  [[nodiscard]] std::string text() const {
    std::string all;
    for (const auto& [value, after] : values) {
      all += value;
    }
    return all;
  }
};

Task<void> collect(DelayQueue<std::string>& queue, Collected& into) {
  for (;;) {
    std::optional<Expired<std::string>> expired = co_await queue.next();
    if (!expired) {
      into.has_ended = true;
      co_return;
    }
    EXPECT_LE(expired->deadline, Clock::now()) << "early";
    into.values.emplace_back(std::move(expired->value), Clock::now() - into.start);
  }
}

/// The clock goes from timer to timer, so what was meant for an instant comes in the tick after it.
void expect_after(const Collected& collected, std::size_t index, Duration meant_for) {
  EXPECT_GE(collected.values.at(index).second, meant_for) << index;
  EXPECT_LE(collected.values.at(index).second, meant_for + 2 * kTick) << index;
}

// --- what comes out ---------------------------------------------------------------------------

CO_TEST_PAUSED(DelayQueue, OfNothingEndsAtOnceAndRevives) {
  DelayQueue<std::string> queue;
  Collected collected;
  co_await collect(queue, collected);
  CO_ASSERT_TRUE(collected.has_ended);
  queue.insert("later", 5ms);
  co_await collect(queue, collected);
  CO_ASSERT_EQ(collected.text(), "later");
  expect_after(collected, 0, 5ms);
}

CO_TEST_PAUSED(DelayQueue, PastDeadlinesComeAtOnceInTheOrderOfTheirDeadlines) {
  co_await time::advance(1s);
  DelayQueue<std::string> queue;
  queue.insert_at("c", Clock::now());
  queue.insert_at("a", Clock::now() - 10ms);
  queue.insert_at("b", Clock::now() - 5ms);
  queue.insert("d", -1h);
  Collected collected;
  co_await collect(queue, collected);
  EXPECT_EQ(collected.text(), "dabc");
  expect_after(collected, 3, 0ms);
}

CO_TEST_PAUSED(DelayQueue, EqualDeadlinesKeepTheirOrder) {
  DelayQueue<std::string> queue;
  const Instant deadline = Clock::now() + 3ms;
  std::string expected;
  std::optional<Key> third;
  for (char letter = 'a'; letter <= 'z'; ++letter) {
    const Key key = queue.insert_at(std::string(1, letter), deadline);
    expected += letter;
    if (letter == 'c') {
      third = key;
    }
  }
  queue.reset_at(*third, deadline);  // set last now
  expected.erase(2, 1);
  Collected collected;
  co_await collect(queue, collected);
  EXPECT_EQ(collected.text(), expected + "c");
}

CO_TEST_PAUSED(DelayQueue, ManyComeEachInItsTime) {
  constexpr std::int64_t kLong = 262'144 + 9 * 4096;
  DelayQueue<std::string> queue;
  for (const std::int64_t delay : {std::int64_t{1000}, std::int64_t{2}, std::int64_t{234}, kLong,
                                   std::int64_t{60}, std::int64_t{10}}) {
    queue.insert(std::to_string(delay) + " ", std::chrono::milliseconds(delay));
  }
  Collected collected;
  co_await collect(queue, collected);
  EXPECT_EQ(collected.text(), "2 10 60 234 1000 299008 ");
  for (std::size_t i = 0; i < collected.values.size(); ++i) {
    expect_after(collected, i, std::chrono::milliseconds(std::stoll(collected.values[i].first)));
  }
}

CO_TEST_PAUSED(DelayQueue, BeyondTheWheelAndTheEndOfTime) {
  DelayQueue<std::string> queue;
  const Duration decade = std::chrono::hours(24 * 365 * 10);
  queue.insert("decade", decade);
  const Key never = queue.insert("never", Duration::max());
  CO_ASSERT_TRUE(queue.deadline(never) == Instant::max());
  Collected collected;
  const Result<void> lost = co_await time::timeout(decade + 1h, collect(queue, collected));
  CO_ASSERT_FALSE(lost.has_value());
  CO_ASSERT_EQ(collected.text(), "decade");
  expect_after(collected, 0, decade);
  const Result<void> lost_again = co_await time::timeout(1h, collect(queue, collected));
  CO_ASSERT_FALSE(lost_again.has_value());
  EXPECT_EQ(queue.remove(never).value, "never");
}

CO_TEST_PAUSED(DelayQueue, TryNextDoesNotWait) {
  DelayQueue<std::string> queue;
  EXPECT_FALSE(queue.try_next().has_value());
  queue.insert("soon", 5ms);
  EXPECT_FALSE(queue.try_next().has_value());
  co_await time::advance(5ms - 1ns);
  EXPECT_FALSE(queue.try_next().has_value());
  co_await time::advance(1ns);
  const std::optional<Expired<std::string>> expired = queue.try_next();
  CO_ASSERT_TRUE(expired.has_value());
  EXPECT_EQ(expired->value, "soon");
}

TEST(DelayQueue, PeekNamesTheFirst) {
  DelayQueue<std::string> queue;
  EXPECT_FALSE(queue.peek().has_value());
  const Key late = queue.insert("late", 2h);
  EXPECT_EQ(queue.peek(), late);
  const Key early = queue.insert("early", 1h);
  EXPECT_EQ(queue.peek(), early);
  queue.reset(early, 3h);
  EXPECT_EQ(queue.peek(), late);
  (void)queue.remove(late);
  EXPECT_EQ(queue.peek(), early);
}

TEST(DelayQueue, HoldsWhatCanOnlyBeMoved) {
  DelayQueue<std::unique_ptr<int>> queue;
  const auto key = queue.insert(std::make_unique<int>(5), 1h);
  EXPECT_EQ(*queue.remove(key).value, 5);
}

// --- keys -------------------------------------------------------------------------------------

TEST(DelayQueue, KeyOfNothingIsAUsageError) {
  DelayQueue<std::string> queue;
  const Key gone = queue.insert("gone", 1h);
  EXPECT_EQ(queue.remove(gone).value, "gone");
  // The next value is kept in the same place.
  const Key there = queue.insert("there", 1h);
  EXPECT_NE(gone, there);
  EXPECT_FALSE(queue.contains(gone));
  EXPECT_THROW((void)queue.remove(gone), UsageError);
  EXPECT_THROW(queue.reset(gone, 1s), UsageError);
  EXPECT_THROW(queue.reset_at(gone, Instant{}), UsageError);
  EXPECT_THROW((void)queue.deadline(gone), UsageError);
  EXPECT_FALSE(queue.try_remove(gone).has_value());
  EXPECT_TRUE(queue.contains(there));
  EXPECT_EQ(queue.try_remove(there)->value, "there");
  EXPECT_FALSE(queue.contains(there));
}

CO_TEST_PAUSED(DelayQueue, ExpiredKeyIsBadOnceItsValueHasComeOut) {
  DelayQueue<std::string> queue;
  const Key one = queue.insert("one", 1ms);
  const Key two = queue.insert("two", 1ms);
  co_await time::advance(10ms);
  EXPECT_EQ(queue.remove(two).value, "two") << "expired, but still in";
  (void)co_await queue.next();
  EXPECT_FALSE(queue.try_remove(one).has_value());
}

TEST(DelayQueue, ClearForgetsEveryKey) {
  DelayQueue<Tracked> queue;
  const int alive_before = Tracked::alive();
  const auto key = queue.insert(Tracked(), 1h);
  queue.insert(Tracked(), 2h);
  EXPECT_EQ(queue.len(), 2U);
  queue.clear();
  EXPECT_TRUE(queue.is_empty());
  EXPECT_EQ(Tracked::alive(), alive_before);
  const auto fresh = queue.insert(Tracked(), 1h);
  EXPECT_FALSE(queue.contains(key));
  EXPECT_TRUE(queue.contains(fresh));
}

TEST(DelayQueue, CompactGivesMemoryBackAndKeepsKeys) {
  DelayQueue<std::string> queue;
  EXPECT_EQ(queue.capacity(), 0U);
  queue.reserve(100);
  EXPECT_GE(queue.capacity(), 100U);
  std::vector<Key> keys;
  for (int i = 0; i < 100; ++i) {
    keys.push_back(queue.insert(std::to_string(i), 1h + i * 1s));
  }
  for (int i = 0; i < 100; ++i) {
    if (i != 10 && i != 20) {
      (void)queue.remove(keys[static_cast<std::size_t>(i)]);
    }
  }
  queue.compact();
  EXPECT_EQ(queue.capacity(), 21U) << "up to the last value in use";
  EXPECT_EQ(queue.len(), 2U);
  queue.reset(keys[20], 1s);
  EXPECT_EQ(queue.peek(), keys[20]);
  // Places are used again; no old key comes back to life.
  for (int i = 0; i < 200; ++i) {
    const Key key = queue.insert("new", 2h);
    EXPECT_EQ(std::find(keys.begin(), keys.end(), key), keys.end());
  }
  EXPECT_FALSE(queue.contains(keys[0]));
  EXPECT_FALSE(queue.contains(keys[99]));
  EXPECT_EQ(queue.remove(keys[10]).value, "10");
  EXPECT_EQ(queue.remove(keys[20]).value, "20");
  queue.clear();
  queue.compact();
  EXPECT_EQ(queue.capacity(), 0U);
}

TEST(DelayQueue, MayBeMoved) {
  DelayQueue<std::string> queue;
  const Key key = queue.insert("moved", 1h);
  DelayQueue<std::string> other(std::move(queue));
  EXPECT_EQ(other.remove(key).value, "moved");
}

// --- changes while next() waits ---------------------------------------------------------------

using Changes = std::vector<std::pair<Duration, std::move_only_function<void()>>>;

/// Changes a queue at some instants while a task collects from it.
Task<Collected> change_while_waiting(DelayQueue<std::string>& queue, Changes changes) {
  Collected collected;
  JoinHandle<void> collector = spawn(collect(queue, collected));
  for (auto& [when, change] : changes) {
    co_await time::sleep_until(collected.start + when);
    change();
  }
  (void)co_await collector;
  EXPECT_TRUE(collected.has_ended);
  co_return collected;
}

CO_TEST_PAUSED(DelayQueue, RemovalOfTheLastEndsTheWait) {
  DelayQueue<std::string> queue;
  const Key key = queue.insert("never seen", 1h);
  Changes changes;
  changes.emplace_back(1ms, [&] { (void)queue.remove(key); });
  const Collected collected = co_await change_while_waiting(queue, std::move(changes));
  EXPECT_EQ(collected.text(), "");
  EXPECT_LE(Clock::now() - collected.start, 1s);
}

CO_TEST_PAUSED(DelayQueue, ClearEndsTheWait) {
  DelayQueue<std::string> queue;
  queue.insert("never seen", 1h);
  Changes changes;
  changes.emplace_back(1ms, [&] { queue.clear(); });
  const Collected collected = co_await change_while_waiting(queue, std::move(changes));
  EXPECT_EQ(collected.text(), "");
  EXPECT_LE(Clock::now() - collected.start, 1s);
}

CO_TEST_PAUSED(DelayQueue, EarlierInsertIsSeenByAWait) {
  DelayQueue<std::string> queue;
  queue.insert("late", 10s);
  Changes changes;
  changes.emplace_back(80ms, [&] { queue.insert("early", 20ms); });
  changes.emplace_back(200ms, [&] { queue.insert("past", -1s); });
  const Collected collected = co_await change_while_waiting(queue, std::move(changes));
  EXPECT_EQ(collected.text(), "earlypastlate");
  expect_after(collected, 0, 100ms);
  expect_after(collected, 1, 200ms);
  expect_after(collected, 2, 10s);
}

CO_TEST_PAUSED(DelayQueue, LaterInsertDoesNotDisturbAWait) {
  DelayQueue<std::string> queue;
  queue.insert("first", 100ms);
  Changes changes;
  changes.emplace_back(10ms, [&] { queue.insert("second", 200ms); });
  const Collected collected = co_await change_while_waiting(queue, std::move(changes));
  EXPECT_EQ(collected.text(), "firstsecond");
  expect_after(collected, 0, 100ms);
  expect_after(collected, 1, 210ms);
}

CO_TEST_PAUSED(DelayQueue, ResetToEarlierAndToThePastIsSeenByAWait) {
  DelayQueue<std::string> queue;
  const Key one = queue.insert("one", 200ms);
  const Key two = queue.insert("two", 250ms);
  Changes changes;
  changes.emplace_back(10ms, [&] { queue.reset(two, 90ms); });
  changes.emplace_back(150ms, [&] { queue.reset_at(one, Instant{}); });
  const Collected collected = co_await change_while_waiting(queue, std::move(changes));
  EXPECT_EQ(collected.text(), "twoone");
  expect_after(collected, 0, 100ms);
  expect_after(collected, 1, 150ms);
}

CO_TEST_PAUSED(DelayQueue, ResetToLaterIsSeenByAWait) {
  DelayQueue<std::string> queue;
  const Key one = queue.insert("one", 200ms);
  const Key two = queue.insert("two", 250ms);
  Changes changes;
  changes.emplace_back(1ms, [&] { queue.reset(one, 299ms); });
  changes.emplace_back(2ms, [&] { queue.reset(two, 348ms); });
  changes.emplace_back(3ms, [&] { queue.reset(one, 397ms); });
  const Collected collected = co_await change_while_waiting(queue, std::move(changes));
  EXPECT_EQ(collected.text(), "twoone");
  expect_after(collected, 0, 350ms);
  expect_after(collected, 1, 400ms);
}

CO_TEST_PAUSED(DelayQueue, OneInsertedAsExpiredMayBeResetAgainAndAgain) {
  DelayQueue<std::string> queue;
  const Instant start = Clock::now();
  const Key key = queue.insert("foo", -100ms);
  queue.reset_at(key, start + 100ms);
  queue.reset_at(key, start + 50ms);
  EXPECT_EQ(queue.len(), 1U);
  Collected collected;
  co_await collect(queue, collected);
  expect_after(collected, 0, 50ms);
  EXPECT_EQ(queue.len(), 0U);
}

CO_TEST_PAUSED(DelayQueue, TwoWaitsAreAUsageError) {
  DelayQueue<std::string> queue;
  queue.insert("one", 1s);
  Collected collected;
  JoinHandle<void> collector = spawn(collect(queue, collected));
  co_await yield_now();
  CO_ASSERT_TRUE(collected.values.empty());
  EXPECT_THROW((void)queue.next(), UsageError);
  (void)co_await collector;
  EXPECT_EQ(collected.text(), "one");
}

CO_TEST_PAUSED(DelayQueue, AbandonedWaitLosesNothing) {
  DelayQueue<std::string> queue;
  queue.insert("patient", 350ms);
  for (int i = 0; i < 3; ++i) {
    const auto early = co_await time::timeout(100ms, queue.next());
    CO_ASSERT_FALSE(early.has_value());
  }
  Collected collected;
  co_await collect(queue, collected);
  EXPECT_EQ(collected.text(), "patient");
  EXPECT_LE(collected.values.at(0).second, 50ms + 2 * kTick);
}

TEST(DelayQueue, WaitMayBeAbortedAnywhere) {
  const auto takes_three = []() -> Task<int> {
    DelayQueue<Tracked> queue;
    for (int i = 1; i <= 3; ++i) {
      queue.insert(Tracked(), i * 10ms);
    }
    int taken = 0;
    for (;;) {
      const std::optional<Expired<Tracked>> expired = co_await queue.next();
      if (!expired) {
        co_return taken;
      }
      ++taken;
    }
  };
  testing_support::abort_at_every_step(takes_three);
  testing_support::time_out_at_every_step(takes_three);
}

// --- against a model --------------------------------------------------------------------------

TEST(DelayQueue, AgreesWithAModelOverRandomHistories) {
  std::mt19937_64 random = testing_support::seeded_random();
  const Instant start = Clock::now();
  for (int history = 0; history < 50; ++history) {
    DelayQueue<std::uint64_t> queue;
    using Entry = std::tuple<Instant, std::uint64_t>;  // deadline, when it was set
    std::map<std::uint64_t, std::pair<Entry, DelayQueue<std::uint64_t>::Key>> model;
    std::uint64_t sets = 0;
    for (std::uint64_t step = 0; step < 500; ++step) {
      const Instant deadline =
          start + std::chrono::hours(1) + Duration(static_cast<std::int64_t>(random() % 64));
      const std::uint64_t choice = random() % 8;
      if (choice < 4 || model.empty()) {
        const auto key = queue.insert_at(step, deadline);
        model.try_emplace(step, Entry(deadline, sets++), key);
      } else {
        auto at = model.begin();
        std::advance(at, static_cast<std::ptrdiff_t>(random() % model.size()));
        if (choice < 6) {
          queue.reset_at(at->second.second, deadline);
          at->second.first = Entry(deadline, sets++);
        } else {
          ASSERT_EQ(queue.remove(at->second.second).value, at->first);
          model.erase(at);
        }
      }
      if (choice == 7) {
        queue.compact();
      }
      ASSERT_EQ(queue.len(), model.size());
      if (!model.empty()) {
        const auto first = std::min_element(
            model.begin(), model.end(),
            [](const auto& a, const auto& b) { return a.second.first < b.second.first; });
        ASSERT_EQ(queue.peek(), first->second.second) << "history " << history << " step " << step;
        ASSERT_EQ(queue.deadline(first->second.second), std::get<0>(first->second.first));
      }
    }
  }
}

CO_TEST(DelayQueue, IsNeverEarlyOnTheRealClock) {
  std::mt19937_64 random = testing_support::seeded_random();
  DelayQueue<Instant> queue;
  for (int i = 0; i < 500; ++i) {
    const Instant deadline =
        Clock::now() + Duration(static_cast<std::int64_t>(random() % 20'000'000));
    queue.insert_at(deadline, deadline);
  }
  Instant last{};
  for (int i = 0; i < 500; ++i) {
    const std::optional<Expired<Instant>> expired = co_await queue.next();
    CO_ASSERT_TRUE(expired.has_value());
    CO_ASSERT_TRUE(expired->deadline <= Clock::now());
    CO_ASSERT_TRUE(expired->deadline >= last);
    last = expired->deadline;
  }
  CO_ASSERT_TRUE(queue.is_empty());
}

}  // namespace
}  // namespace ringo
