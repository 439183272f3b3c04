// SPDX-License-Identifier: MIT
//
// Where an entry belongs (near now: the slot of its tick; else level and slot by the highest digit
// in which its tick differs from now), and how the wheel goes from one occupied slot to the next
// without visiting the empty ones.
//
// Thread safety: as timer_wheel.h; entries are taken out under the lock, tasks woken after it.

#include "time/timer_wheel.h"

#include <ringo/detail/task_core.h>
#include <ringo/detail/thread_annotations.h>
#include <ringo/detail/timer_entry.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

#include "base/prefetch.h"
#include "time/timer_slot.h"

namespace ringo::detail {
namespace {

std::uint64_t tick_at_or_after(std::int64_t ns) noexcept {
  return ns <= 0
             ? 0
             : (static_cast<std::uint64_t>(ns) + TimerWheel::kTickNs - 1) >> TimerWheel::kTickShift;
}

/// Fetches a page's entries from memory. One may lie across two lines.
void fetch(const TimerPage& page) noexcept {
  for (std::uint32_t i = 0; i < page.count; ++i) {
    load_line(page.entries[i]);
    load_line(&page.entries[i]->phase);
  }
}

/// The same of the cells of the tasks that wait for them, and of the frames that will be resumed:
/// the head, and the awaiter, whose head is before the entry.
void fetch_tasks(const TimerPage& page) noexcept {
  for (std::uint32_t i = 0; i < page.count; ++i) {
    const TimerEntry& entry = *page.entries[i];
    const TaskHeader& task = entry.branch->task();
    load_line(&task.state);
    load_line(&task.id);
    const std::byte* const bytes = reinterpret_cast<const std::byte*>(&entry);
    load_line(bytes - 1);
    load_line(bytes - entry.to_frame);
  }
}

/// Those of a word's bits that are behind one of them.
std::uint64_t bits_behind(std::uint64_t word, unsigned bit) noexcept {
  return word & ~((std::uint64_t{2} << bit) - 1);
}

}  // namespace

// --- where entries are ------------------------------------------------------------------------

void TimerWheel::InnerSlots::set(unsigned slot) noexcept {
  bits[slot / 64] |= std::uint64_t{1} << (slot % 64);
  words |= std::uint64_t{1} << (slot / 64);
}

void TimerWheel::InnerSlots::clear(unsigned slot) noexcept {
  bits[slot / 64] &= ~(std::uint64_t{1} << (slot % 64));
  if (bits[slot / 64] == 0) {
    words &= ~(std::uint64_t{1} << (slot / 64));
  }
}

bool TimerWheel::InnerSlots::has(unsigned slot) const noexcept {
  return (bits[slot / 64] >> (slot % 64) & 1) != 0;
}

unsigned TimerWheel::InnerSlots::after(unsigned slot) const noexcept {
  unsigned word = slot / 64;
  std::uint64_t rest = bits_behind(bits[word], slot % 64);
  if (rest == 0) {
    const std::uint64_t further = bits_behind(words, word);
    if (words == 0) {
      return kInnerSlots;
    }
    word = static_cast<unsigned>(std::countr_zero(further != 0 ? further : words));
    rest = bits[word];
  }
  return word * 64 + static_cast<unsigned>(std::countr_zero(rest));
}

void TimerWheel::note_emptied(const TimerSlot& slot) noexcept {
  const auto index_in = [&slot](const auto& slots) -> std::optional<unsigned> {
    // std::less: the slot may be none of these.
    if (std::less<>()(&slot, slots.data()) || !std::less<>()(&slot, slots.data() + slots.size())) {
      return std::nullopt;
    }
    return static_cast<unsigned>(&slot - slots.data());
  };
  if (const auto inner = index_in(inner_)) {
    inner_bits_.clear(*inner);
    return;
  }
  for (unsigned level = 1; level < kLevels; ++level) {
    if (const auto outer = index_in(outer_[level - 1])) {
      outer_bits_[level - 1] &= ~(std::uint64_t{1} << *outer);
      return;
    }
  }
}

void TimerWheel::place(TimerEntry& entry, std::uint64_t wanted) {
  // Near now each slot is one tick's. Further out the highest digit in which the tick differs from
  // now names the level, and the tick's own digit there the slot. Beyond the range: the last slot
  // before the outermost level comes round.
  constexpr std::uint64_t kRange = std::uint64_t{1} << kRangeBits;
  const std::uint64_t tick = std::clamp(wanted, elapsed_, elapsed_ + kRange - 1);
  if (tick - elapsed_ < kInnerSlots) {
    const auto slot = static_cast<unsigned>(tick % kInnerSlots);
    inner_[slot].add(entry, spare_);
    inner_bits_.set(slot);
    return;
  }
  const unsigned digit =
      (63U - static_cast<unsigned>(std::countl_zero(elapsed_ ^ tick)) - kInnerBits) / kOuterBits;
  const unsigned level = std::min(digit + 1, kLevels - 1);
  const auto slot = static_cast<unsigned>((tick >> shift_of(level)) % kOuterSlots);
  outer_[level - 1][slot].add(entry, spare_);
  outer_bits_[level - 1] |= std::uint64_t{1} << slot;
}

// --- begin and end of a wait ------------------------------------------------------------------

TimerWheel::TimerWheel(std::int64_t now_ns, Access access) noexcept
    : is_shared_(access == Access::kManyThreads),
      elapsed_(static_cast<std::uint64_t>(now_ns) >> kTickShift) {}

bool TimerWheel::insert(TimerEntry& entry, Branch& branch) {
  if (entry.deadline == TimerEntry::kNever) {
    return true;  // in no slot: there is nothing to wake for
  }
  const bool is_fresh = entry.counts == TimerEntry::Counts::kFromStart;
  const std::uint64_t tick = is_fresh ? 0 : tick_at_or_after(entry.deadline);
  const Guard guard(*this);
  if (is_fresh) {
    if (entry.deadline <= 0) {
      return false;
    }
    fresh_.add(entry, spare_);
  } else {
    if (tick <= elapsed_) {
      return false;
    }
    place(entry, tick);
  }
  ++entries_;
  entry.branch = &branch;
  entry.wheel = this;
  return true;
}

void TimerWheel::remove(TimerEntry& entry) noexcept {
  bool is_last = false;
  {
    const Guard guard(*this);
    // relaxed: written under the lock.
    if (entry.phase.load(std::memory_order_relaxed) == TimerEntry::Phase::kFired) {
      return;
    }
    if (entry.page != nullptr) {
      TimerSlot& slot = *entry.page->slot;
      if (&slot == &fresh_) {
        slot.remove(entry, spare_, TimerSlot::OnlyPage::kKeep);
      } else {
        slot.remove(entry, spare_, TimerSlot::OnlyPage::kGiveBack);
        if (slot.empty()) {
          note_emptied(slot);
        }
      }
    }
    is_last = --entries_ == 0 && is_retired_;
  }
  if (is_last) {
    delete this;
  }
}

std::int64_t TimerWheel::deadline_of(const TimerEntry& entry, std::int64_t now_ns) noexcept {
  const Guard guard(*this);
  if (entry.counts == TimerEntry::Counts::kFromZero) {
    return entry.deadline;
  }
  return entry.deadline > TimerEntry::kNever - now_ns ? TimerEntry::kNever
                                                      : entry.deadline + now_ns;
}

void TimerWheel::retire() noexcept {
  share();  // what is left belongs to nobody's thread
  bool is_unused = false;
  {
    const Guard guard(*this);
    is_retired_ = true;
    is_unused = entries_ == 0;
  }
  if (is_unused) {
    delete this;
  }
}

// --- the clock's side -------------------------------------------------------------------------

void TimerWheel::settle_all(std::int64_t now_ns) noexcept {
  fresh_.drain(spare_, [&](const TimerPage& page) RINGO_NO_THREAD_SAFETY_ANALYSIS {
    for (std::uint32_t i = 0; i < page.count; ++i) {
      TimerEntry& entry = *page.entries[i];
      entry.counts = TimerEntry::Counts::kFromZero;
      if (entry.deadline > TimerEntry::kNever - now_ns) {
        entry.deadline = TimerEntry::kNever;
        entry.page = nullptr;
      } else {
        // Longer than nothing, so its tick is one that has not begun.
        entry.deadline += now_ns;
        place(entry, tick_at_or_after(entry.deadline));
      }
    }
  });
}

void TimerWheel::settle(std::int64_t now_ns) noexcept {
  const Guard guard(*this);
  settle_all(now_ns);
}

std::optional<TimerWheel::Expiry> TimerWheel::next_outer() const noexcept {
  // Everything in one of these levels comes before everything in a higher one.
  for (unsigned level = 1; level < kLevels; ++level) {
    if (outer_bits_[level - 1] == 0) {
      continue;
    }
    const unsigned shift = shift_of(level);
    // From the slot after the current one on. In the current slot itself there is something only on
    // the outermost level, and that is for the next round, after all the others.
    const auto first_slot = static_cast<unsigned>(((elapsed_ >> shift) + 1) % kOuterSlots);
    const auto distance = static_cast<unsigned>(
        std::countr_zero(std::rotr(outer_bits_[level - 1], static_cast<int>(first_slot))));
    const unsigned slot = (first_slot + distance) % kOuterSlots;
    const std::uint64_t level_range = std::uint64_t{1} << (shift + kOuterBits);
    std::uint64_t tick = (elapsed_ & ~(level_range - 1)) + (std::uint64_t{slot} << shift);
    if (tick <= elapsed_) {
      // Only the outermost level wraps: a slot behind us, or ours, is in its next round.
      tick += level_range;
    }
    return Expiry{tick, level, slot};
  }
  return std::nullopt;
}

std::optional<TimerWheel::Expiry> TimerWheel::next() const noexcept {
  // What moves down goes first: it may be due in the very tick in which its slot's time begins.
  const std::optional<Expiry> outer = next_outer();
  if (const unsigned slot = inner_bits_.after(current_inner()); slot != kInnerSlots) {
    const std::uint64_t tick = elapsed_ + (slot - current_inner()) % kInnerSlots;
    if (!outer || tick < outer->tick) {
      return Expiry{tick, 0, slot};
    }
  }
  return outer;
}

void TimerWheel::move_down(const Expiry& expiry) noexcept {
  outer_bits_[expiry.level - 1] &= ~(std::uint64_t{1} << expiry.slot);
  outer_[expiry.level - 1][expiry.slot].drain(
      spare_, [&](const TimerPage& page) RINGO_NO_THREAD_SAFETY_ANALYSIS {
        fetch(page);
        for (std::uint32_t i = 0; i < page.count; ++i) {
          place(*page.entries[i], tick_at_or_after(page.entries[i]->deadline));
        }
      });
}

void TimerWheel::fire_current(WakeList& woken) noexcept {
  const unsigned slot = current_inner();
  inner_bits_.clear(slot);
  inner_[slot].drain(spare_, [&](const TimerPage& page) RINGO_NO_THREAD_SAFETY_ANALYSIS {
    // In passes, since a wake is an atomic operation, which waits for the cache line that it needs
    // and lets nothing overtake it: the first two only fetch.
    fetch(page);
    fetch_tasks(page);
    for (std::uint32_t i = 0; i < page.count; ++i) {
      TimerEntry& entry = *page.entries[i];
      // release: pairs with has_fired(); a wake for another reason may come at any time.
      entry.phase.store(TimerEntry::Phase::kFires, std::memory_order_release);
      woken.add(*entry.branch);
      // release: pairs with stop(), after which the entry is gone.
      entry.phase.store(TimerEntry::Phase::kFired, std::memory_order_release);
    }
    entries_ -= page.count;
  });
}

void TimerWheel::advance(std::int64_t now_ns, WakeList& woken) noexcept {
  const std::uint64_t now = static_cast<std::uint64_t>(now_ns) >> kTickShift;
  const Guard guard(*this);
  for (;;) {
    const std::optional<Expiry> expiry = next();
    if (!expiry || expiry->tick > now) {
      break;
    }
    elapsed_ = expiry->tick;
    if (expiry->level != 0) {
      move_down(*expiry);
    }
    fire_current(woken);
  }
  elapsed_ = std::max(elapsed_, now);
  settle_all(now_ns);
}

bool TimerWheel::empty() noexcept {
  const Guard guard(*this);
  return fresh_.empty() && !next();
}

std::optional<std::int64_t> TimerWheel::next_expiry() noexcept {
  const Guard guard(*this);
  const std::optional<Expiry> expiry = next();
  if (!expiry) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(expiry->tick << kTickShift);
}

std::optional<std::int64_t> TimerWheel::next_wake(std::int64_t now_ns) noexcept {
  const Guard guard(*this);
  const std::optional<Expiry> expiry = next();
  if (!expiry) {
    return std::nullopt;
  }
  const auto wake = static_cast<std::int64_t>(expiry->tick << kTickShift);
  // An even tick's slot is an even one, so there is one behind it.
  const bool has_next =
      expiry->level == 0 && expiry->tick % 2 == 0 && inner_bits_.has(expiry->slot + 1);
  return has_next && wake > now_ns ? wake + kTickNs : wake;
}

}  // namespace ringo::detail
