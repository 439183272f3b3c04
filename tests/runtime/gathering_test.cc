// SPDX-License-Identifier: MIT
//
// When a driver sleeps for more than one event: only under load, never at the cost of few
// connections, and not while other threads wake it. The rule without a kernel; what the kernel does
// with it is tested by net_load_test.
//
// Thread safety: none; one thread.

#include "ring/gathering.h"

#include <cstddef>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

namespace ringo::detail {
namespace {

/// So many sources that take turns.
class Load {
 public:
  explicit Load(std::uint32_t sources) : stamps_(sources, 0) {}

  void events(std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) {
      rule.note_event(stamps_[next_++ % stamps_.size()]);
    }
  }

  /// So many sleeps, each before `factor` times the events that it waited for. The number of the
  /// last.
  std::uint32_t sleeps(std::uint32_t count, std::uint32_t factor) {
    std::uint32_t waited_for = 1;
    for (std::uint32_t i = 0; i < count; ++i) {
      waited_for = rule.begin_sleep();
      rule.end_sleep(waited_for);
      events(factor * waited_for);
    }
    return waited_for;
  }

  Gathering rule;

 private:
  std::vector<Gathering::Stamp> stamps_;
  std::size_t next_ = 0;
};

constexpr std::uint32_t kManySleeps = 100 * Gathering::kSleepsPerLook;

TEST(Gathering, GrowsToItsLimitUnderLoad) {
  Load load(Gathering::kSourcesPerEvent * Gathering::kMaxEvents);
  EXPECT_EQ(load.sleeps(kManySleeps, 3), Gathering::kMaxEvents);
  EXPECT_EQ(load.rule.wait_us(), 96U);
}

TEST(Gathering, NeverGrowsBeyondItsLimit) {
  Load load(Gathering::kSourcesPerEvent * (Gathering::kMaxEvents + 1));
  EXPECT_EQ(load.sleeps(kManySleeps, 3), Gathering::kMaxEvents);
}

TEST(Gathering, StaysBelowALimitForWhichTooFewSourcesAreActive) {
  Load load(Gathering::kSourcesPerEvent * Gathering::kMaxEvents - 1);
  EXPECT_EQ(load.sleeps(kManySleeps, 3), Gathering::kMaxEvents - 1);
}

TEST(Gathering, NeverBeginsBelowTwiceTheSourcesPerEvent) {
  Load few(2 * Gathering::kSourcesPerEvent - 1);
  EXPECT_EQ(few.sleeps(kManySleeps, 3), 1U);
  Load enough(2 * Gathering::kSourcesPerEvent);
  EXPECT_EQ(enough.sleeps(kManySleeps, 3), 2U);
}

TEST(Gathering, NeverBeginsWhereAWorkerIsBusyForHalfOfItsTime) {
  Load load(50);
  EXPECT_EQ(load.sleeps(kManySleeps, 2), 1U);
}

TEST(Gathering, EndsWhenTheLoadDoes) {
  Load load(50);
  ASSERT_EQ(load.sleeps(kManySleeps, 3), Gathering::kMaxEvents);
  EXPECT_EQ(load.sleeps(6 * Gathering::kSleepsPerLook, 1), 1U);
}

TEST(Gathering, IsHalvedByASleepThatRanOut) {
  Load load(50);
  std::uint32_t expected = load.sleeps(kManySleeps, 3);
  ASSERT_EQ(expected, Gathering::kMaxEvents);
  for (; expected > 1; expected /= 2) {
    ASSERT_EQ(load.rule.begin_sleep(), expected);
    load.rule.end_sleep(expected - 1);
  }
  EXPECT_EQ(load.rule.begin_sleep(), 1U);
}

TEST(Gathering, SurvivesASleepForOneThatWasInterrupted) {
  Load load(50);
  ASSERT_EQ(load.rule.begin_sleep(), 1U);
  load.rule.end_sleep(0);
  EXPECT_EQ(load.rule.begin_sleep(), 1U);
}

TEST(Gathering, DoesNotBeginForASinglePause) {
  Load load(50);
  (void)load.sleeps(kManySleeps, 1);
  load.events(10'000);
  EXPECT_EQ(load.sleeps(4 * Gathering::kSleepsPerLook, 1), 1U);
}

TEST(Gathering, EndsAtOnceWhenAnotherThreadWakesTheDriver) {
  Load load(50);
  ASSERT_EQ(load.sleeps(kManySleeps, 3), Gathering::kMaxEvents);
  load.rule.note_unpark();
  EXPECT_EQ(load.sleeps(Gathering::kSleepsPerLook - 1, 3), 1U);
}

TEST(Gathering, ForgetsSourcesThatAreIdleAgain) {
  Load many(50);
  ASSERT_EQ(many.sleeps(kManySleeps, 3), Gathering::kMaxEvents);
  Gathering::Stamp only = 0;
  std::uint32_t waited_for = 0;
  for (std::uint32_t i = 0; i < kManySleeps; ++i) {
    waited_for = many.rule.begin_sleep();
    many.rule.end_sleep(waited_for);
    for (std::uint32_t j = 0; j < 3 * waited_for; ++j) {
      many.rule.note_event(only);
    }
  }
  EXPECT_EQ(waited_for, 1U);
}

}  // namespace
}  // namespace ringo::detail
