// SPDX-License-Identifier: MIT
//
// A wheel's slot of pages: entries come and go at a page's end and one past it, from the front, the
// middle and the back, and every entry always knows where it is.

#include "time/timer_slot.h"

#include <ringo/detail/timer_entry.h>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "support/random_seed.h"

namespace ringo::detail {
namespace {

constexpr std::size_t kPage = TimerPage::kEntries;
constexpr auto kGiveBack = TimerSlot::OnlyPage::kGiveBack;

struct Slot {
  TimerEntry& add() {
    TimerEntry& entry = entries.emplace_back(1, TimerEntry::Counts::kFromZero);
    slot.add(entry, spare);
    return entry;
  }
  void remove(TimerEntry& entry) { slot.remove(entry, spare, kGiveBack); }
  std::vector<TimerEntry*> drain() {
    std::vector<TimerEntry*> drained;
    slot.drain(spare, [&drained](const TimerPage& page) {
      EXPECT_GT(page.count, 0U);
      drained.insert(drained.end(), page.entries.begin(), page.entries.begin() + page.count);
    });
    return drained;
  }
  static bool knows_its_place(const TimerEntry& entry) {
    return entry.page != nullptr && entry.page->entries[entry.place] == &entry;
  }

  SparePage spare;
  TimerSlot slot;
  std::deque<TimerEntry> entries;  // which do not move
};

TEST(TimerSlot, GivesEntriesInTheOrderTheyCame) {
  for (const std::size_t count : {std::size_t{0}, std::size_t{1}, kPage - 1, kPage, kPage + 1,
                                  2 * kPage, 2 * kPage + 1, 10 * kPage}) {
    Slot slot;
    std::vector<TimerEntry*> added;
    for (std::size_t i = 0; i < count; ++i) {
      added.push_back(&slot.add());
    }
    EXPECT_EQ(slot.slot.empty(), count == 0);
    EXPECT_EQ(slot.drain(), added) << count;
    EXPECT_TRUE(slot.slot.empty());
  }
}

TEST(TimerSlot, LastEntryTakesThePlaceOfOneThatLeaves) {
  Slot slot;
  for (std::size_t i = 0; i <= kPage; ++i) {
    slot.add();
  }
  TimerEntry& first = slot.entries.front();
  TimerEntry& last = slot.entries.back();
  TimerPage* const first_page = first.page;
  EXPECT_NE(last.page, first_page);
  slot.remove(first);
  EXPECT_EQ(first.page, nullptr);
  EXPECT_EQ(last.page, first_page);
  EXPECT_EQ(last.place, 0);
  EXPECT_EQ(slot.drain().size(), kPage);
}

TEST(TimerSlot, OnlyPageIsKeptIfThatIsAskedFor) {
  Slot slot;
  TimerEntry& entry = slot.add();
  TimerPage* const page = entry.page;
  slot.slot.remove(entry, slot.spare, TimerSlot::OnlyPage::kKeep);
  EXPECT_TRUE(slot.slot.empty());
  EXPECT_TRUE(slot.drain().empty());
  TimerEntry& next = slot.add();
  EXPECT_EQ(next.page, page);
  slot.remove(next);
  EXPECT_TRUE(slot.slot.empty());
}

TEST(TimerSlot, RandomHistoriesLoseNothing) {
  std::mt19937_64 random = testing_support::seeded_random();
  for (int round = 0; round < 50; ++round) {
    Slot slot;
    std::vector<TimerEntry*> present;
    for (int step = 0; step < 500; ++step) {
      if (present.empty() || random() % 100 < 55) {
        present.push_back(&slot.add());
      } else {
        const std::size_t which = random() % present.size();
        slot.remove(*present[which]);
        present.erase(present.begin() + static_cast<std::ptrdiff_t>(which));
      }
      ASSERT_EQ(slot.slot.empty(), present.empty());
      ASSERT_TRUE(std::all_of(present.begin(), present.end(), [](const TimerEntry* entry) {
        return Slot::knows_its_place(*entry);
      }));
    }
    std::vector<TimerEntry*> drained = slot.drain();
    std::sort(drained.begin(), drained.end());
    std::sort(present.begin(), present.end());
    ASSERT_EQ(drained, present);
  }
}

}  // namespace
}  // namespace ringo::detail
