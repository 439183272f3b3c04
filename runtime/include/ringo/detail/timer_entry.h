// SPDX-License-Identifier: MIT
//
// A timer that a branch waits for. It lives in the awaiter, and the wheel of the worker on which
// the wait began has its address; the task may go on elsewhere and cancel it from there.
//
// Thread safety: the holder of the task's RUNNING; what the wheel writes, under the wheel's lock.

#pragma once

#include <ringo/detail/assert.h>

#include <atomic>
#include <cstdint>

namespace ringo::detail {

struct Branch;
struct TimerEntry;
class TimerWheel;
struct TimerPage;

/// Registers the entry with the current worker's wheel. False: its time has come already.
/// Panics: UsageError on a thread that is not a worker. Throws std::bad_alloc.
[[nodiscard]] bool start_timer(TimerEntry& entry, Branch& branch);
/// Takes it out if it has not fired. Any thread.
void stop_timer(TimerEntry& entry) noexcept;
/// For a task dump: the deadline on the runtime's clock, or LeafDescription::kNone if there is
/// none.
[[nodiscard]] std::int64_t known_deadline(const TimerEntry& entry) noexcept;

/// Never at the beginning of an object: what is before it is fetched from memory with it.
struct TimerEntry {
  /// A deadline that never comes.
  static constexpr std::int64_t kNever = INT64_MAX;

  enum class Counts : std::uint8_t {
    kFromZero,   ///< `deadline` is on the runtime's clock
    kFromStart,  ///< and this one a length of time, until the wheel looks at the clock next
  };
  enum class Phase : std::uint8_t {
    kWaits,
    kFires,  ///< its time has come, but the wheel may still look at it
    kFired,  ///< the wheel has forgotten it: it may go without the wheel's lock
  };

  // NOLINTBEGIN(*-member-init): see below.
  TimerEntry(std::int64_t ns, Counts from) noexcept : deadline(ns), counts(from) {}
  /// Requires: the other one has not been started.
  TimerEntry(TimerEntry&& other) noexcept : deadline(other.deadline), counts(other.counts) {
    RINGO_DCHECK(other.wheel == nullptr, "a timer was moved while a wheel knew of it");
  }
  // NOLINTEND(*-member-init)
  TimerEntry& operator=(TimerEntry&&) = delete;
  ~TimerEntry() { stop(); }

  /// Whether nothing need be waited for. Others are for the wheel to refuse.
  [[nodiscard]] bool is_nothing() const noexcept {
    return counts == Counts::kFromStart && deadline <= 0;
  }
  [[nodiscard]] bool has_fired() const noexcept {
    // acquire: pairs with the wheel's release.
    return phase.load(std::memory_order_acquire) != Phase::kWaits;
  }
  void stop() noexcept {
    // acquire: pairs with the wheel's release; all that it did with the entry is over.
    if (wheel != nullptr && phase.load(std::memory_order_acquire) != Phase::kFired) {
      stop_timer(*this);
    }
    wheel = nullptr;
  }

  /// Says which coroutine is resumed when it fires, so that its frame can be fetched from memory
  /// before. Null is allowed; a frame must be there for as long as the entry waits.
  void note_frame(const void* frame) noexcept {
    const auto distance =
        reinterpret_cast<std::uintptr_t>(this) - reinterpret_cast<std::uintptr_t>(frame);
    to_frame = distance <= UINT16_MAX ? static_cast<std::uint16_t>(distance) : 0;
  }

  /// Makes it one that has not been started, with another deadline.
  void restart(std::int64_t deadline_ns) noexcept {
    stop();
    deadline = deadline_ns;
    counts = Counts::kFromZero;
    phase.store(Phase::kWaits, std::memory_order_relaxed);  // nobody else looks at it now
  }

  std::int64_t deadline;        ///< nanoseconds; see Counts
  TimerWheel* wheel = nullptr;  ///< which knows of it, or did
  // Not there before there is a wheel: most timeouts never have one.
  Branch* branch;      ///< whom it wakes
  TimerPage* page;     ///< where it is in the wheel, under the wheel's lock; null: nowhere
  std::uint8_t place;  ///< in the page
  Counts counts;
  std::atomic<Phase> phase{Phase::kWaits};
  std::uint16_t to_frame = 0;  ///< how far before the entry that frame begins; 0: not known
};

}  // namespace ringo::detail
