// SPDX-License-Identifier: MIT
//
// A timer that a branch waits for. It lives in the awaiter and is linked into the wheel of the
// worker on which the wait began; the task may go on elsewhere and cancel it from there.

#pragma once

#include <ringo/detail/intrusive_list.h>

#include <atomic>
#include <cstdint>

namespace ringo::detail {

struct Branch;
class TimerWheel;

struct TimerEntry : ListNode {
  explicit TimerEntry(std::int64_t deadline_ns) noexcept : deadline(deadline_ns) {}
  TimerEntry(TimerEntry&& other) noexcept : deadline(other.deadline) {}

  std::int64_t deadline;        ///< nanoseconds on the runtime's clock
  std::uint64_t tick = 0;       ///< when it fires; written under the wheel's lock
  Branch* branch = nullptr;     ///< whom it wakes
  TimerWheel* wheel = nullptr;  ///< where it is or was linked
  std::uint8_t level = 0;       ///< and in which level and slot, under the wheel's lock
  std::uint8_t slot = 0;
  std::atomic<bool> has_fired{false};
};

/// Registers the entry with the current worker's wheel. False: its time has come already.
/// Panics: UsageError on a thread that is not a worker.
[[nodiscard]] bool start_timer(TimerEntry& entry, Branch& branch);
/// Unlinks it if it has not fired. Any thread.
void stop_timer(TimerEntry& entry) noexcept;

}  // namespace ringo::detail
