// SPDX-License-Identifier: MIT
//
// A hierarchical timer wheel (Varghese & Lauck; the shape is Tokio's): 6 levels of 64 slots, ticks
// of 2^17 ns (131 us). An entry fires in the first tick that begins at or after its deadline: never
// early, late by less than a tick plus the worker's own delay. Deadlines beyond the wheel's range
// (104 days) wait in the outermost level and are sorted in again when it comes round.
//
//   level 0   64 slots of 1 tick      the next 8.4 ms
//   level 1   64 slots of 64 ticks    … 537 ms
//   level n   an entry moves down a level when its slot's time begins
//
// Thread safety: all operations; a stolen task cancels its timer on another thread. Complexity:
// insert and remove O(1); advance O(entries that fire or move down).

#pragma once

#include <ringo/detail/mutex.h>
#include <ringo/detail/task_core.h>
#include <ringo/detail/timer_entry.h>

#include <array>
#include <cstdint>
#include <optional>

namespace ringo::detail {

class TimerWheel {
 public:
  static constexpr unsigned kTickShift = 17;
  static constexpr std::int64_t kTickNs = std::int64_t{1} << kTickShift;
  static constexpr unsigned kLevels = 6;
  static constexpr unsigned kSlots = 64;
  /// A deadline that never comes.
  static constexpr std::int64_t kNever = INT64_MAX;

  explicit TimerWheel(std::int64_t now_ns) noexcept;

  /// Links the entry. False: its tick has begun already, nothing was linked.
  [[nodiscard]] bool insert(TimerEntry& entry, Branch& branch) noexcept;
  void remove(TimerEntry& entry) noexcept;

  /// Fires what is due at `now_ns`. Complexity: O(1) when nothing is.
  void advance(std::int64_t now_ns, WakeList& woken) noexcept;

  /// When advance() has something to do next; may be a cascade that fires nothing. Nullopt: never.
  [[nodiscard]] std::optional<std::int64_t> next_expiry() noexcept;

 private:
  struct Expiry {
    std::uint64_t tick;
    unsigned level;
    unsigned slot;
  };

  void place(TimerEntry& entry) noexcept RINGO_REQUIRES(mutex_);
  [[nodiscard]] std::optional<Expiry> next() const noexcept RINGO_REQUIRES(mutex_);

  Mutex mutex_;
  std::uint64_t elapsed_ RINGO_GUARDED_BY(mutex_);  ///< all ticks up to here have been worked off
  std::array<std::uint64_t, kLevels> occupied_ RINGO_GUARDED_BY(mutex_){};
  std::array<std::array<IntrusiveList<TimerEntry>, kSlots>, kLevels> slots_
      RINGO_GUARDED_BY(mutex_);
};

}  // namespace ringo::detail
