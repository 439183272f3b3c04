// SPDX-License-Identifier: MIT
//
// One slot of a timer wheel: its entries' addresses, in pages of 28. An array where a list through
// the entries would do, because entries lie in as many coroutine frames: a list waits for one cache
// line after the other (of 100,000 sleeps a quarter of all time, with pages a fifteenth), and it
// writes into the frames of neighbours when an entry comes or goes.
//
//   first ⇄ page ⇄ page ⇄ last      all full but the last one, which is not empty
//
// An entry knows its page and its place there. One that leaves is replaced by the slot's last, so
// entries that were removed early may change the order in which the others fire.
//
// Thread safety: none; the wheel's lock is what protects it.
// Complexity: add and remove O(1), with one allocation in 28.

#pragma once

#include <ringo/detail/assert.h>
#include <ringo/detail/frame_pool.h>
#include <ringo/detail/timer_entry.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace ringo::detail {

class TimerSlot;

struct TimerPage {
  static constexpr std::size_t kBytes = 256;
  static constexpr std::size_t kEntries = (kBytes - 32) / sizeof(TimerEntry*);

  static void* operator new(std::size_t size) { return allocate_frame(size); }
  static void operator delete(void* page, std::size_t size) noexcept { free_frame(page, size); }

  TimerPage* next = nullptr;
  TimerPage* previous = nullptr;
  TimerSlot* slot = nullptr;
  std::uint32_t count = 0;
  std::array<TimerEntry*, kEntries> entries;  // NOLINT(*-member-init): filled up to `count`
};
static_assert(sizeof(TimerPage) == TimerPage::kBytes);

/// Pages that are not in use: one is kept, so that timers that come and go cost no allocation.
class SparePage {
 public:
  SparePage() = default;
  SparePage(const SparePage&) = delete;
  SparePage& operator=(const SparePage&) = delete;
  ~SparePage() { delete page_; }

  /// Throws std::bad_alloc.
  [[nodiscard]] TimerPage* take() {
    return page_ != nullptr ? std::exchange(page_, nullptr) : new TimerPage;
  }
  void give(TimerPage* page) noexcept {
    if (page_ == nullptr) {
      page_ = page;
    } else {
      delete page;
    }
  }

 private:
  TimerPage* page_ = nullptr;
};

class TimerSlot {
 public:
  TimerSlot() = default;
  TimerSlot(const TimerSlot&) = delete;
  TimerSlot& operator=(const TimerSlot&) = delete;
  // Entries of a wheel that goes have no use for their pages any more.
  ~TimerSlot() {
    while (first_ != nullptr) {
      delete std::exchange(first_, first_->next);
    }
  }

  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr || first_->count == 0; }

  /// Throws std::bad_alloc, and has done nothing then.
  void add(TimerEntry& entry, SparePage& spare) {
    if (last_ == nullptr || last_->count == TimerPage::kEntries) {
      TimerPage* const page = spare.take();
      page->next = nullptr;
      page->previous = last_;
      page->slot = this;
      page->count = 0;
      (last_ == nullptr ? first_ : last_->next) = page;
      last_ = page;
    }
    entry.page = last_;
    entry.place = static_cast<std::uint8_t>(last_->count);
    last_->entries[last_->count++] = &entry;
  }

  enum class OnlyPage : std::uint8_t { kGiveBack, kKeep };
  /// Requires: the entry is in this slot. A slot that is in use again and again may keep a page
  /// when it is empty.
  void remove(TimerEntry& entry, SparePage& spare, OnlyPage only_page) noexcept {
    TimerPage& page = *entry.page;
    RINGO_DCHECK(page.slot == this && page.entries[entry.place] == &entry,
                 "a timer was taken out of a slot that it is not in");
    TimerEntry& moved = *last_->entries[--last_->count];
    page.entries[entry.place] = &moved;
    moved.page = &page;
    moved.place = entry.place;
    entry.page = nullptr;
    if (last_->count == 0 && (only_page == OnlyPage::kGiveBack || last_ != first_)) {
      TimerPage* const emptied = last_;
      last_ = emptied->previous;
      (last_ == nullptr ? first_ : last_->next) = nullptr;
      spare.give(emptied);
    }
  }

  /// Takes all entries out and hands a page of them after the other to `take`, which may put them
  /// into any slot. The next page is on its way from memory meanwhile.
  template <class Take>
  void drain(SparePage& spare, Take take) noexcept {
    if (empty()) {
      return;
    }
    TimerPage* page = std::exchange(first_, nullptr);
    last_ = nullptr;
    while (page != nullptr) {
      TimerPage* const next = page->next;
      if (next != nullptr) {
        for (std::size_t line = 0; line < TimerPage::kBytes; line += 64) {
          __builtin_prefetch(reinterpret_cast<const std::byte*>(next) + line);
        }
      }
      take(*page);
      spare.give(page);
      page = next;
    }
  }

 private:
  TimerPage* first_ = nullptr;
  TimerPage* last_ = nullptr;
};

}  // namespace ringo::detail
