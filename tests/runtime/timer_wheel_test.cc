// SPDX-License-Identifier: MIT
//
// The timer wheel against a model that knows each entry's tick, with random histories over the
// whole range of deadlines, and the cases that a wheel gets wrong by hand.

#include "time/timer_wheel.h"

#include <ringo/detail/task_core.h>
#include <ringo/detail/timer_entry.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "support/fake_task.h"
#include "support/random_seed.h"

namespace ringo::detail {
namespace {

using testing_support::CountingSchedule;
using testing_support::FakeTask;

constexpr std::int64_t kTick = TimerWheel::kTickNs;
constexpr std::int64_t kRangeTicks = std::int64_t{1} << TimerWheel::kRangeBits;

struct Timer {
  Timer(CountingSchedule& schedule, std::int64_t ns, TimerEntry::Counts counts)
      : task(schedule), entry(ns, counts) {}
  FakeTask task;
  TimerEntry entry;

  [[nodiscard]] std::int64_t due_tick() const {
    return entry.deadline <= 0 ? 0 : (entry.deadline - 1) / kTick + 1;
  }
  [[nodiscard]] bool has_fired() const { return entry.has_fired(); }
};

struct Wheel {
  explicit Wheel(std::int64_t start = 0) : now(start), wheel(start) {}

  Timer& add(std::int64_t deadline) { return add(deadline, TimerEntry::Counts::kFromZero); }
  /// A length of time.
  Timer& add_fresh(std::int64_t ns) { return add(ns, TimerEntry::Counts::kFromStart); }
  Timer& add(std::int64_t ns, TimerEntry::Counts counts) {
    timers.push_back(std::make_unique<Timer>(schedule, ns, counts));
    Timer& timer = *timers.back();
    was_linked = wheel.insert(timer.entry, timer.task.root);
    return timer;
  }
  void advance(std::int64_t to) {
    now = to;
    WakeList woken;
    wheel.advance(to, woken);
  }
  /// Follows next_expiry() until the timer has fired, and says when; nullopt: it never came.
  std::optional<std::int64_t> run_until_fired(const Timer& timer) {
    for (int steps = 0; steps < 2000 && !timer.has_fired(); ++steps) {
      const std::optional<std::int64_t> expiry = wheel.next_expiry();
      if (!expiry || *expiry <= now) {
        return std::nullopt;
      }
      advance(*expiry);
    }
    return timer.has_fired() ? std::optional(now) : std::nullopt;
  }

  std::int64_t now;
  CountingSchedule schedule;
  TimerWheel wheel;
  std::vector<std::unique_ptr<Timer>> timers;  // end, and leave the wheel, before it does
  bool was_linked = false;
};

TEST(TimerWheel, FiresInTheTickThatBeginsAtOrAfterTheDeadline) {
  for (const std::int64_t deadline :
       {std::int64_t{1}, kTick - 1, kTick, kTick + 1, 63 * kTick, 64 * kTick, 64 * kTick + 1,
        4096 * kTick - 1, 4096 * kTick, (std::int64_t{1} << 47) + 12345}) {
    Wheel wheel;
    const Timer& timer = wheel.add(deadline);
    const std::optional<std::int64_t> fired = wheel.run_until_fired(timer);
    ASSERT_TRUE(fired) << deadline;
    EXPECT_GE(*fired, deadline);
    EXPECT_LT(*fired, deadline + kTick);
  }
}

TEST(TimerWheel, RefusesADeadlineWhoseTickHasBegun) {
  Wheel wheel(1000 * kTick);
  wheel.add(1000 * kTick);
  EXPECT_FALSE(wheel.was_linked);
  wheel.add(-5);
  EXPECT_FALSE(wheel.was_linked);
  wheel.add(1000 * kTick + 1);
  EXPECT_TRUE(wheel.was_linked);
}

TEST(TimerWheel, NearTimerFiresOnTimeBesideOneBeyondTheRange) {
  // The far one waits in the outermost level's current slot, for its next round: that must not hide
  // a nearer slot of the same level.
  const std::int64_t start = 12345 * kTick;
  Wheel wheel(start);
  const Timer& far = wheel.add(start + 3 * kRangeTicks * kTick);
  const std::int64_t ten_days = std::int64_t{10} * 24 * 3600 * 1'000'000'000;
  const Timer& near = wheel.add(start + ten_days);
  const std::optional<std::int64_t> fired = wheel.run_until_fired(near);
  ASSERT_TRUE(fired);
  EXPECT_LT(*fired, start + ten_days + kTick);
  EXPECT_FALSE(far.has_fired());
  const std::optional<std::int64_t> far_fired = wheel.run_until_fired(far);
  ASSERT_TRUE(far_fired);
  EXPECT_GE(*far_fired, start + 3 * kRangeTicks * kTick);
  EXPECT_LT(*far_fired, start + 3 * kRangeTicks * kTick + kTick);
}

TEST(TimerWheel, AtTheEndOfTheRangeAndOnePast) {
  const std::int64_t start = 777 * kTick;
  for (const std::int64_t ticks : {kRangeTicks - 1, kRangeTicks, kRangeTicks + 1}) {
    Wheel wheel(start);
    const Timer& timer = wheel.add(start + ticks * kTick);
    const std::optional<std::int64_t> fired = wheel.run_until_fired(timer);
    ASSERT_TRUE(fired) << ticks;
    EXPECT_EQ(*fired, start + ticks * kTick);
  }
}

TEST(TimerWheel, EndOfTimeNeverComesAndNeedsNoExpiry) {
  Wheel wheel(5 * kTick);
  const Timer& never = wheel.add(TimerEntry::kNever);
  EXPECT_TRUE(wheel.was_linked);
  EXPECT_FALSE(wheel.wheel.next_expiry());
  wheel.advance(INT64_MAX);
  EXPECT_FALSE(never.has_fired());
}

TEST(TimerWheel, RemovedTimerNeitherFiresNorWakes) {
  Wheel wheel;
  Timer& timer = wheel.add(10 * kTick);
  wheel.wheel.remove(timer.entry);
  EXPECT_FALSE(wheel.wheel.next_expiry());
  wheel.advance(100 * kTick);
  EXPECT_FALSE(timer.has_fired());
  EXPECT_EQ(wheel.schedule.count(), 0);
}

TEST(TimerWheel, TenThousandInOneTickAllFire) {
  Wheel wheel;
  for (int i = 0; i < 10'000; ++i) {
    wheel.add(77 * kTick - i % 1000);
  }
  wheel.advance(77 * kTick);
  EXPECT_EQ(wheel.schedule.count(), 10'000);
  EXPECT_FALSE(wheel.wheel.next_expiry());
}

TEST(TimerWheel, LengthOfTimeCountsFromTheNextLookAtTheClock) {
  Wheel wheel(1000 * kTick);
  const Timer& timer = wheel.add_fresh(10 * kTick);
  EXPECT_TRUE(wheel.was_linked);
  EXPECT_FALSE(wheel.wheel.empty());
  EXPECT_FALSE(wheel.wheel.next_expiry()) << "it has no deadline yet";
  wheel.advance(1003 * kTick);  // looks at the clock
  EXPECT_EQ(wheel.wheel.next_expiry(), 1013 * kTick);
  wheel.advance(1012 * kTick);
  EXPECT_FALSE(timer.has_fired());
  wheel.advance(1013 * kTick);
  EXPECT_TRUE(timer.has_fired());
  EXPECT_TRUE(wheel.wheel.empty());
}

TEST(TimerWheel, LengthOfTimeIsSettledWithoutBeingFired) {
  Wheel wheel(1000 * kTick + 5);
  const Timer& timer = wheel.add_fresh(1);
  wheel.wheel.settle(1000 * kTick + 7);
  EXPECT_EQ(timer.entry.deadline, 1000 * kTick + 8);
  EXPECT_EQ(wheel.wheel.next_expiry(), 1001 * kTick);
}

TEST(TimerWheel, LengthOfTimeOfNothingIsRefusedAndForEverIsNot) {
  Wheel wheel(1000 * kTick);
  wheel.add_fresh(0);
  EXPECT_FALSE(wheel.was_linked);
  wheel.add_fresh(-1);
  EXPECT_FALSE(wheel.was_linked);
  wheel.add_fresh(TimerEntry::kNever);
  EXPECT_TRUE(wheel.was_linked);
  EXPECT_TRUE(wheel.wheel.empty());
  // Ends after the clock does.
  wheel.add_fresh(TimerEntry::kNever - 1000 * kTick + 1);
  EXPECT_TRUE(wheel.was_linked);
  wheel.wheel.settle(1000 * kTick);
  EXPECT_TRUE(wheel.wheel.empty());
}

TEST(TimerWheel, RemovedLengthOfTimeLeavesNothing) {
  Wheel wheel;
  Timer& first = wheel.add_fresh(5);
  Timer& second = wheel.add_fresh(6);
  Timer& third = wheel.add_fresh(7);
  wheel.wheel.remove(second.entry);
  wheel.wheel.remove(first.entry);
  wheel.wheel.remove(third.entry);
  EXPECT_TRUE(wheel.wheel.empty());
  wheel.advance(100 * kTick);
  EXPECT_EQ(wheel.schedule.count(), 0);
}

TEST(TimerWheel, InnerLevelAtItsEndAndOnePast) {
  constexpr std::int64_t kInner = std::int64_t{1} << TimerWheel::kInnerBits;
  for (const std::int64_t start : {std::int64_t{0}, std::int64_t{1}, kInner - 1, kInner, 12345L}) {
    for (const std::int64_t ahead :
         {std::int64_t{1}, std::int64_t{63}, std::int64_t{64}, kInner - 1, kInner, kInner + 1,
          64 * kInner - 1, 64 * kInner}) {
      Wheel wheel(start * kTick);
      const Timer& timer = wheel.add((start + ahead) * kTick);
      EXPECT_EQ(wheel.run_until_fired(timer), (start + ahead) * kTick) << start << " " << ahead;
    }
  }
}

TEST(TimerWheel, NearTimerDoesNotMoveDownWhereverNowIs) {
  constexpr std::int64_t kInner = std::int64_t{1} << TimerWheel::kInnerBits;
  // Across the end of a round of the inner level, and of all outer ones.
  for (const std::int64_t round : {kInner, 64 * kInner, 64 * 64 * kInner}) {
    Wheel wheel((round - 1) * kTick);
    const Timer& timer = wheel.add((round - 1 + kInner - 1) * kTick);
    EXPECT_EQ(wheel.wheel.next_expiry(), timer.entry.deadline) << "a look for nothing before it";
  }
}

TEST(TimerWheel, WhatMovesDownFiresWithWhatIsThereAlready) {
  constexpr std::int64_t kInner = std::int64_t{1} << TimerWheel::kInnerBits;
  constexpr std::int64_t kDue = 5 * kInner;
  Wheel wheel;
  const Timer& early = wheel.add(kDue * kTick);  // in an outer slot, whose time begins then
  wheel.advance((kDue - 10) * kTick);
  const Timer& late = wheel.add(kDue * kTick);
  const Timer& later = wheel.add((kDue + 1) * kTick);
  EXPECT_EQ(wheel.wheel.next_expiry(), kDue * kTick);
  wheel.advance(kDue * kTick);
  EXPECT_TRUE(early.has_fired());
  EXPECT_TRUE(late.has_fired());
  EXPECT_FALSE(later.has_fired());
  EXPECT_EQ(wheel.wheel.next_expiry(), (kDue + 1) * kTick);
}

TEST(TimerWheel, WakesOnceForTwoTicksThatBothHaveTimers) {
  constexpr std::int64_t kInner = std::int64_t{1} << TimerWheel::kInnerBits;
  struct Case {
    std::int64_t first;
    std::int64_t second;
    std::int64_t wake;
  };
  for (const auto& [first, second, wake] : {
           Case{10, 11, 11},                          // an even tick, and the one behind it
           Case{11, 12, 11},                          // pairs begin with an even one
           Case{10, 12, 10},                          // nothing in between
           Case{10, 10, 10},                          // one tick
           Case{kInner - 2, kInner - 1, kInner - 1},  // the last slots of the inner level
           Case{kInner - 1, kInner, kInner - 1},
           Case{kInner, kInner + 1, kInner},  // an outer slot, which is not looked into
       }) {
    Wheel wheel;
    const Timer& early = wheel.add(first * kTick);
    const Timer& late = wheel.add(second * kTick);
    EXPECT_EQ(wheel.wheel.next_expiry(), first * kTick);
    EXPECT_EQ(wheel.wheel.next_wake(wheel.now), wake * kTick) << first << " " << second;
    wheel.advance(wake * kTick);
    EXPECT_TRUE(early.has_fired());
    EXPECT_EQ(late.has_fired(), second <= wake);
  }
}

TEST(TimerWheel, WhatIsDueDoesNotWaitForTheNextTick) {
  Wheel wheel;
  wheel.add(10 * kTick);
  wheel.add(11 * kTick);
  EXPECT_EQ(wheel.wheel.next_wake(10 * kTick - 1), 11 * kTick);
  EXPECT_EQ(wheel.wheel.next_wake(10 * kTick), 10 * kTick);
  EXPECT_EQ(wheel.wheel.next_wake(10 * kTick + 5), 10 * kTick);
}

TEST(TimerWheel, WakesForTheLastSlotOfARoundAndTheFirstOfTheNext) {
  constexpr std::int64_t kInner = std::int64_t{1} << TimerWheel::kInnerBits;
  Wheel wheel((kInner - 10) * kTick);
  wheel.add((kInner - 1) * kTick);
  wheel.add(kInner * kTick);
  wheel.add((kInner + 1) * kTick);
  EXPECT_EQ(wheel.wheel.next_wake(wheel.now), (kInner - 1) * kTick);
  wheel.advance((kInner - 1) * kTick);
  EXPECT_EQ(wheel.wheel.next_wake(wheel.now), (kInner + 1) * kTick);
  wheel.advance((kInner + 1) * kTick);
  EXPECT_FALSE(wheel.wheel.next_wake(wheel.now));
}

/// A length of time of a random magnitude, from a nanosecond to centuries.
std::int64_t random_duration(std::mt19937_64& random, unsigned max_bits) {
  const unsigned bits = static_cast<unsigned>(random() % max_bits) + 1;
  return static_cast<std::int64_t>(random() & ((std::uint64_t{1} << bits) - 1));
}

TEST(TimerWheel, AgreesWithTheModelOverRandomHistories) {
  std::mt19937_64 random = testing_support::seeded_random();
  for (int history = 0; history < 200; ++history) {
    Wheel wheel(random_duration(random, 60));
    std::vector<Timer*> linked;
    for (int step = 0; step < 400; ++step) {
      const unsigned choice = static_cast<unsigned>(random() % 10);
      if (choice < 3) {
        Timer& timer = wheel.add(wheel.now + random_duration(random, 60) - 1000);
        const bool is_due = timer.due_tick() <= wheel.now / kTick;
        ASSERT_EQ(wheel.was_linked, !is_due);
        if (wheel.was_linked) {
          linked.push_back(&timer);
        }
      } else if (choice < 5) {
        Timer& timer = wheel.add_fresh(random_duration(random, 60) + 1);
        ASSERT_TRUE(wheel.was_linked);
        linked.push_back(&timer);
        if (random() % 2 == 0) {
          wheel.wheel.settle(wheel.now);
          ASSERT_GT(timer.entry.deadline, wheel.now);
        }
      } else if (choice < 6 && !linked.empty()) {
        const std::size_t victim = random() % linked.size();
        wheel.wheel.remove(linked[victim]->entry);
        std::swap(linked[victim], linked.back());
        linked.pop_back();
      } else if (choice < 8) {
        wheel.advance(wheel.now + random_duration(random, 55));
      } else if (const std::optional<std::int64_t> expiry = wheel.wheel.next_expiry()) {
        // Exactly to the expiry, or to just before it.
        wheel.advance(std::max(wheel.now, *expiry - static_cast<std::int64_t>(random() % 2)));
      }
      std::int64_t earliest = INT64_MAX;
      for (const Timer* timer : linked) {
        if (timer->entry.counts == TimerEntry::Counts::kFromStart) {
          ASSERT_FALSE(timer->has_fired());
          continue;  // still fresh
        }
        ASSERT_EQ(timer->has_fired(), timer->due_tick() <= wheel.now / kTick)
            << "history " << history << " step " << step << " deadline " << timer->entry.deadline
            << " now " << wheel.now;
        if (!timer->has_fired()) {
          earliest = std::min(earliest, timer->due_tick());
        }
      }
      std::erase_if(linked, [](const Timer* timer) { return timer->has_fired(); });
      const std::optional<std::int64_t> expiry = wheel.wheel.next_expiry();
      const std::optional<std::int64_t> wake = wheel.wheel.next_wake(wheel.now);
      ASSERT_EQ(wake.has_value(), expiry.has_value());
      ASSERT_TRUE(!wake || *wake == *expiry || *wake == *expiry + kTick) << "late by two ticks";
      ASSERT_EQ(expiry.has_value(), earliest != INT64_MAX);
      if (expiry) {
        ASSERT_GT(*expiry, wheel.now);
        ASSERT_LE(*expiry / kTick, earliest) << "the worker would oversleep";
      }
      if (wheel.now > (std::int64_t{1} << 61)) {
        break;  // the clock itself ends
      }
    }
  }
}

}  // namespace
}  // namespace ringo::detail
