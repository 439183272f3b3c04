// SPDX-License-Identifier: MIT
//
// For how many events a busy worker sleeps. To halt a processor and wake it costs as much as a
// small request, so a worker that many sockets keep busy had better sleep once for several of them;
// one with few, or with time to spare, wakes for each at once. This is the rule; the driver asks it
// before each sleep and tells it what came.
//
// The measure is events per sleep. Between two sleeps come those that were slept for, and those
// that arrive while they are served: where the former are `n`, a worker that is busy for two thirds
// of its time sees 3 n. So the number doubles at 3 n, is halved below 2 n, and when a sleep ran
// out.
//
// Thread safety: the driver's thread.

#pragma once

#include <algorithm>
#include <cstdint>

namespace ringo::detail {

class Gathering {
 public:
  static constexpr std::uint32_t kMaxEvents = 8;
  /// An event waits so long at most for the others, times their number, so never longer than 96 us:
  /// who gets fewer than 80,000 a second does not gather.
  static constexpr std::uint32_t kUsPerEvent = 12;
  /// Only a third of the sources that are active may have to wait for the others.
  static constexpr std::uint32_t kSourcesPerEvent = 3;
  /// The sources are counted over so many events.
  static constexpr std::uint32_t kEventsPerEpoch = 256;
  /// The rule is applied to so many sleeps at a time.
  static constexpr std::uint32_t kSleepsPerLook = 16;

  /// What the driver keeps for each source.
  using Stamp = std::uint32_t;

  /// How many events to sleep for now; 1: for any. At the begin of a sleep.
  [[nodiscard]] std::uint32_t begin_sleep() noexcept {
    // One pause that let much gather says nothing about the load.
    seen_ += std::min(since_sleep_, kMostCounted * events_);
    since_sleep_ = 0;
    if (++sleeps_ == kSleepsPerLook) {
      look();
    }
    return events_;
  }
  /// How long to wait for all of them, if some are there.
  [[nodiscard]] std::uint32_t wait_us() const noexcept { return events_ * kUsPerEvent; }

  /// At the end of a sleep that ended with so many completions.
  void end_sleep(std::uint32_t arrived) noexcept {
    if (arrived < events_) {
      start_again(events_ / 2);
    }
  }
  /// Another thread has woken the driver. It may do so again, and shall not have to wait.
  void note_unpark() noexcept { start_again(1); }

  /// An event of a source.
  void note_event(Stamp& stamp) noexcept {
    ++since_sleep_;
    if (stamp != epoch_) {
      stamp = epoch_;
      ++sources_;
    }
    if (++epoch_events_ == kEventsPerEpoch) {
      active_sources_ = sources_;
      sources_ = 0;
      epoch_events_ = 0;
      ++epoch_;
    }
  }

 private:
  static constexpr std::uint32_t kMostCounted = 8;

  void start_again(std::uint32_t events) noexcept {
    events_ = std::max(events, 1U);
    sleeps_ = 0;
    seen_ = 0;
  }

  void look() noexcept {
    const std::uint32_t slept_for = kSleepsPerLook * events_;
    std::uint32_t events = events_;
    if (seen_ >= 3 * slept_for) {
      events *= 2;
    } else if (seen_ < 2 * slept_for) {
      events /= 2;
    }
    const std::uint32_t most = std::min(kMaxEvents, active_sources_ / kSourcesPerEvent);
    start_again(std::min(events, most));
  }

  std::uint32_t events_ = 1;
  std::uint32_t sleeps_ = 0;       ///< since the last look
  std::uint32_t seen_ = 0;         ///< events before those sleeps, since the one before each
  std::uint32_t since_sleep_ = 0;  ///< events
  Stamp epoch_ = 1;
  std::uint32_t epoch_events_ = 0;
  std::uint32_t sources_ = 0;         ///< of this epoch
  std::uint32_t active_sources_ = 0;  ///< of the last
};

}  // namespace ringo::detail
