// SPDX-License-Identifier: MIT
//
// A hierarchical timer wheel (Varghese & Lauck; the shape is Tokio's): a level of 1,024 slots and
// five of 64, ticks of 2^17 ns (131 us). An entry fires in the first tick that begins at or after
// its deadline: never early, late by less than a tick plus the worker's own delay, and one more
// tick where a worker that sleeps waits for the next one's as well (next_wake()). Deadlines beyond
// the wheel's range (4.5 years) wait in the outermost level and are sorted in again when it comes
// round.
//
//   fresh     lengths of time that were begun since the clock was last looked at
//   level 0   1,024 slots of 1 tick     the next 134 ms, from wherever now is
//   level 1   64 slots of 1,024 ticks   ... to the next multiple of 8.6 s
//   level n   an entry moves down when its slot's time begins
//
// A length of time becomes a deadline at the worker's next look at the clock, which it takes every
// few dozen tasks and before it sleeps: what ends before that (most timeouts do) costs neither a
// look at the clock nor a place in the wheel. It counts from that look, so it is never early.
//
// Thread safety: insert() and the clock's side are the worker's. remove() is anybody's who has the
// entry: a stolen task cancels its timer on another thread. A worker that is alone takes no lock,
// until it has an entry of a body that may leave it (share()).
// An entry may outlive the runtime (a generator that was kept): retire() leaves the wheel to the
// last of them.
// Complexity: insert and remove O(1); advance O(entries that fire or move down). Memory: 8 bytes an
// entry, and at least a page (256) for a slot that has any. Where there is none for a page to be
// had, insert() throws; the clock's side ends the program.

#pragma once

#include <ringo/detail/mutex.h>
#include <ringo/detail/task_core.h>
#include <ringo/detail/thread_annotations.h>
#include <ringo/detail/timer_entry.h>

#include <array>
#include <cstdint>
#include <optional>

#include "time/timer_slot.h"

namespace ringo::detail {

class TimerWheel {
 public:
  enum class Access : std::uint8_t { kManyThreads, kOneThread };

  static constexpr unsigned kTickShift = 17;
  static constexpr std::int64_t kTickNs = std::int64_t{1} << kTickShift;
  static constexpr unsigned kLevels = 6;
  static constexpr unsigned kInnerBits = 10;  ///< level 0
  static constexpr unsigned kOuterBits = 6;   ///< each of the others
  /// How far ahead, in ticks, it can tell deadlines apart.
  static constexpr unsigned kRangeBits = kInnerBits + (kLevels - 1) * kOuterBits;

  explicit TimerWheel(std::int64_t now_ns, Access access = Access::kManyThreads) noexcept;

  /// Takes note of the entry. False: its time has come already, nothing was done. Throws
  /// std::bad_alloc, and has done nothing then.
  [[nodiscard]] bool insert(TimerEntry& entry, Branch& branch);
  /// For an entry that was inserted and has not been seen fired, when it waits no longer.
  void remove(TimerEntry& entry) noexcept;
  /// Of an entry that was inserted; of a fresh one what it would be if it were settled now.
  [[nodiscard]] std::int64_t deadline_of(const TimerEntry& entry, std::int64_t now_ns) noexcept;
  /// By the worker: from now on entries may be removed by other threads.
  void share() noexcept { is_shared_ = true; }
  /// Instead of the destructor of a wheel that was made by new: it goes with its last entry. What
  /// is still in it will never fire.
  void retire() noexcept;

  /// Gives the lengths of time that were begun since the last time their deadlines. Complexity:
  /// O(their number).
  void settle(std::int64_t now_ns) noexcept;
  /// Fires what is due at `now_ns`, and settles. Complexity: O(1) when there is nothing to do.
  void advance(std::int64_t now_ns, WakeList& woken) noexcept;

  /// Whether nothing at all waits.
  [[nodiscard]] bool empty() noexcept;
  /// When advance() has something to do next; may be a cascade that fires nothing. Nullopt: never.
  /// Fresh entries are not looked at: settle() first.
  [[nodiscard]] std::optional<std::int64_t> next_expiry() noexcept;
  /// When a thread that is about to sleep had better wake: at next_expiry(), or, if that is an even
  /// tick that has not begun at `now_ns`, and the one behind it has entries as well, at that. A
  /// wake costs as much as dozens of timers; where there are many, half of the wakes do, and
  /// workers wake together.
  [[nodiscard]] std::optional<std::int64_t> next_wake(std::int64_t now_ns) noexcept;

 private:
  static constexpr unsigned kInnerSlots = 1U << kInnerBits;
  static constexpr unsigned kOuterSlots = 1U << kOuterBits;

  struct Expiry {
    std::uint64_t tick;
    unsigned level;
    unsigned slot;
  };

  /// Which of the inner slots have entries: a bit for each, and one for each word of those.
  struct InnerSlots {
    void set(unsigned slot) noexcept;
    void clear(unsigned slot) noexcept;
    [[nodiscard]] bool has(unsigned slot) const noexcept;
    /// The first one behind `slot`, going round; `slot` itself, or kInnerSlots, if there is none.
    [[nodiscard]] unsigned after(unsigned slot) const noexcept;

    std::uint64_t words = 0;
    std::array<std::uint64_t, kInnerSlots / 64> bits{};
  };

  /// Holds the lock, if there is anybody to hold it against.
  class RINGO_SCOPED_CAPABILITY Guard {
   public:
    explicit Guard(TimerWheel& wheel) noexcept
        RINGO_ACQUIRE(wheel.mutex_, no_suspend) RINGO_NO_THREAD_SAFETY_ANALYSIS
        : mutex_(wheel.is_shared_ ? &wheel.mutex_ : nullptr) {
      if (mutex_ != nullptr) {
        mutex_->lock();
      }
    }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    ~Guard() RINGO_RELEASE() RINGO_NO_THREAD_SAFETY_ANALYSIS {
      if (mutex_ != nullptr) {
        mutex_->unlock();
      }
    }

   private:
    Mutex* mutex_;
  };

  static unsigned shift_of(unsigned level) noexcept {
    return level == 0 ? 0 : kInnerBits + (level - 1) * kOuterBits;
  }
  [[nodiscard]] unsigned current_inner() const noexcept RINGO_REQUIRES(mutex_) {
    return static_cast<unsigned>(elapsed_ % kInnerSlots);
  }
  void note_emptied(const TimerSlot& slot) noexcept RINGO_REQUIRES(mutex_);
  void place(TimerEntry& entry, std::uint64_t tick) RINGO_REQUIRES(mutex_);
  void settle_all(std::int64_t now_ns) noexcept RINGO_REQUIRES(mutex_);
  [[nodiscard]] std::optional<Expiry> next_outer() const noexcept RINGO_REQUIRES(mutex_);
  [[nodiscard]] std::optional<Expiry> next() const noexcept RINGO_REQUIRES(mutex_);
  void fire_current(WakeList& woken) noexcept RINGO_REQUIRES(mutex_);
  void move_down(const Expiry& expiry) noexcept RINGO_REQUIRES(mutex_);

  // Written by the worker only, before the entry for whose sake it is reaches another thread.
  bool is_shared_;
  Mutex mutex_;
  bool is_retired_ RINGO_GUARDED_BY(mutex_) = false;
  std::uint32_t entries_ RINGO_GUARDED_BY(mutex_) = 0;  ///< inserted, not fired, not removed
  std::uint64_t elapsed_ RINGO_GUARDED_BY(mutex_);  ///< all ticks up to here have been worked off
  SparePage spare_ RINGO_GUARDED_BY(mutex_);
  TimerSlot fresh_ RINGO_GUARDED_BY(mutex_);
  InnerSlots inner_bits_ RINGO_GUARDED_BY(mutex_);
  std::array<std::uint64_t, kLevels - 1> outer_bits_ RINGO_GUARDED_BY(mutex_){};
  std::array<TimerSlot, kInnerSlots> inner_ RINGO_GUARDED_BY(mutex_);
  std::array<std::array<TimerSlot, kOuterSlots>, kLevels - 1> outer_ RINGO_GUARDED_BY(mutex_);
};

}  // namespace ringo::detail
