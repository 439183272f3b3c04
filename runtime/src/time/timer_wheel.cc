// SPDX-License-Identifier: MIT
//
// Where an entry belongs (level and slot, by the highest bit in which its tick differs from now),
// and how the wheel goes from one occupied slot to the next without visiting the empty ones.
//
// Thread safety: all of it; entries are taken out under the lock, tasks woken after it.

#include "time/timer_wheel.h"

#include <ringo/detail/intrusive_list.h>
#include <ringo/detail/mutex.h>
#include <ringo/detail/task_core.h>
#include <ringo/detail/timer_entry.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <optional>

namespace ringo::detail {
namespace {

constexpr unsigned kSlotBits = 6;
constexpr std::uint64_t kSlotMask = TimerWheel::kSlots - 1;
constexpr std::uint64_t kRange = std::uint64_t{1} << (kSlotBits * TimerWheel::kLevels);

std::uint64_t tick_at_or_after(std::int64_t ns) noexcept {
  return ns <= 0
             ? 0
             : (static_cast<std::uint64_t>(ns) + TimerWheel::kTickNs - 1) >> TimerWheel::kTickShift;
}

}  // namespace

TimerWheel::TimerWheel(std::int64_t now_ns) noexcept
    : elapsed_(static_cast<std::uint64_t>(now_ns) >> kTickShift) {}

bool TimerWheel::insert(TimerEntry& entry, Branch& branch) noexcept {
  if (entry.deadline == kNever) {
    return true;  // in no slot: there is nothing to wake for
  }
  const MutexGuard guard(mutex_);
  entry.tick = tick_at_or_after(entry.deadline);
  if (entry.tick <= elapsed_) {
    return false;
  }
  entry.branch = &branch;
  entry.wheel = this;
  place(entry);
  return true;
}

void TimerWheel::remove(TimerEntry& entry) noexcept {
  const MutexGuard guard(mutex_);
  if (!entry.is_linked()) {
    return;
  }
  IntrusiveList<TimerEntry>& list = slots_[entry.level][entry.slot];
  list.remove(entry);
  if (list.empty()) {
    occupied_[entry.level] &= ~(std::uint64_t{1} << entry.slot);
  }
}

void TimerWheel::place(TimerEntry& entry) noexcept {
  // The highest digit (base 64) in which the tick differs from now names the level, and the tick's
  // own digit there the slot. Beyond the range: the last slot before the outermost level comes
  // round.
  const std::uint64_t tick = std::min(entry.tick, elapsed_ + kRange - 1);
  const std::uint64_t differing = (elapsed_ ^ tick) | kSlotMask;
  const unsigned level =
      std::min((63U - static_cast<unsigned>(std::countl_zero(differing))) / kSlotBits, kLevels - 1);
  const auto slot = static_cast<unsigned>((tick >> (level * kSlotBits)) & kSlotMask);
  entry.level = static_cast<std::uint8_t>(level);
  entry.slot = static_cast<std::uint8_t>(slot);
  slots_[level][slot].push_back(entry);
  occupied_[level] |= std::uint64_t{1} << slot;
}

std::optional<TimerWheel::Expiry> TimerWheel::next() const noexcept {
  // Everything in a lower level comes before everything in a higher one.
  for (unsigned level = 0; level < kLevels; ++level) {
    if (occupied_[level] == 0) {
      continue;
    }
    const unsigned shift = level * kSlotBits;
    // From the slot after the current one on. In the current slot itself there is something only on
    // the outermost level, and that is for the next round, after all the others.
    const auto first_slot = static_cast<unsigned>(((elapsed_ >> shift) + 1) & kSlotMask);
    const auto distance = static_cast<unsigned>(
        std::countr_zero(std::rotr(occupied_[level], static_cast<int>(first_slot))));
    const unsigned slot = (first_slot + distance) & kSlotMask;
    const std::uint64_t level_range = std::uint64_t{1} << (shift + kSlotBits);
    std::uint64_t tick = (elapsed_ & ~(level_range - 1)) + (std::uint64_t{slot} << shift);
    if (tick <= elapsed_) {
      // Only the outermost level wraps: a slot behind us, or ours, is in its next round.
      tick += level_range;
    }
    return Expiry{tick, level, slot};
  }
  return std::nullopt;
}

void TimerWheel::advance(std::int64_t now_ns, WakeList& woken) noexcept {
  const std::uint64_t now = static_cast<std::uint64_t>(now_ns) >> kTickShift;
  const MutexGuard guard(mutex_);
  for (;;) {
    const std::optional<Expiry> expiry = next();
    if (!expiry || expiry->tick > now) {
      break;
    }
    elapsed_ = expiry->tick;
    IntrusiveList<TimerEntry> due;
    IntrusiveList<TimerEntry>& slot = slots_[expiry->level][expiry->slot];
    while (TimerEntry* entry = slot.pop_front()) {
      due.push_back(*entry);
    }
    occupied_[expiry->level] &= ~(std::uint64_t{1} << expiry->slot);
    while (TimerEntry* entry = due.pop_front()) {
      if (entry->tick <= elapsed_) {
        // release: pairs with the awaiter's load; a wake for another reason may come at any time.
        entry->has_fired.store(true, std::memory_order_release);
        woken.add(*entry->branch);
      } else {
        place(*entry);
      }
    }
  }
  elapsed_ = std::max(elapsed_, now);
}

std::optional<std::int64_t> TimerWheel::next_expiry() noexcept {
  const MutexGuard guard(mutex_);
  const std::optional<Expiry> expiry = next();
  if (!expiry) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(expiry->tick << kTickShift);
}

}  // namespace ringo::detail
