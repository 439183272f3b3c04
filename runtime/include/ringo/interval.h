// SPDX-License-Identifier: MIT
//
// time::interval(): something to do every so often, without drifting. As tokio::time::interval.
//
//   auto seconds = ringo::time::interval(1s);
//   for (int i = 0; i < 3; ++i) {
//     co_await seconds.tick();  // the first ends at once
//   }
//
// Thread safety: one owner's.

#pragma once

#include <ringo/detail/leaf_awaiter.h>
#include <ringo/detail/leaf_description.h>
#include <ringo/detail/task_core.h>
#include <ringo/time.h>
#include <ringo/usage_error.h>

#include <chrono>
#include <cstdint>
#include <string_view>

namespace ringo::time {

/// What an Interval does when a tick was waited for more than 5 ms too late.
enum class MissedTick : std::uint8_t {
  kBurst,  ///< the ticks that were missed come at once, until it has caught up
  kDelay,  ///< the next tick comes a period after the late one
  kSkip,   ///< those that were missed are left out; the next comes at a multiple of the period
};

class Interval;

namespace detail {

class TickAwaiter final : public ringo::detail::LeafAwaiter<TickAwaiter> {
 public:
  static constexpr std::string_view kOperation = "Interval::tick";

  explicit TickAwaiter(Interval& interval) noexcept;
  TickAwaiter(TickAwaiter&&) = default;
  TickAwaiter& operator=(TickAwaiter&&) = delete;
  ~TickAwaiter() = default;

  // With a look at the clock: the wheel would round the first tick up to one of its own.
  bool poll() const noexcept;
  bool enlist(ringo::detail::Branch& branch) {
    sleep_.waiting_coroutine = waiting_coroutine;
    return sleep_.enlist(branch);
  }
  bool is_ended() const noexcept { return sleep_.is_ended(); }
  void describe_more(ringo::detail::LeafDescription& description) const noexcept {
    sleep_.describe_more(description);
  }
  Instant await_resume() noexcept;

 private:
  Interval* interval_;
  SleepAwaiter sleep_;
};

}  // namespace detail

class Interval {
 public:
  /// Panics: UsageError unless the period is longer than nothing.
  Interval(Instant start, Duration period) : next_(start), period_(period) {
    if (period <= Duration::zero()) {
      ringo::detail::throw_usage_error("time::interval: the period must be longer than nothing");
    }
  }

  /// Waits for the next tick and gives the instant that it was meant for. Cancel safe: a tick that
  /// nobody took comes the next time. Panics: as sleep().
  [[nodiscard]] detail::TickAwaiter tick() noexcept { return detail::TickAwaiter(*this); }

  /// The next tick comes a period from now.
  void reset() noexcept { next_ = after(Clock::now(), period_); }
  /// The next tick comes at once.
  void reset_immediately() noexcept { next_ = Clock::now(); }
  /// The next tick comes so much later than now, whatever the period.
  void reset_after(Duration duration) noexcept { next_ = after(Clock::now(), duration); }
  /// The next tick comes at that instant, whatever the period.
  void reset_at(Instant deadline) noexcept { next_ = deadline; }

  [[nodiscard]] Duration period() const noexcept { return period_; }
  [[nodiscard]] MissedTick missed_tick() const noexcept { return missed_tick_; }
  void set_missed_tick(MissedTick behavior) noexcept { missed_tick_ = behavior; }

 private:
  friend class detail::TickAwaiter;

  /// A tick that is later than that has been missed. As in Tokio.
  static constexpr Duration kTolerance = std::chrono::milliseconds(5);

  static Instant after(Instant instant, Duration duration) noexcept {
    return duration > Instant::max() - instant ? Instant::max() : instant + duration;
  }
  Instant take_tick() noexcept {
    const Instant ticked = next_;
    const Instant now = Clock::now();
    if (now <= after(ticked, kTolerance) || missed_tick_ == MissedTick::kBurst) {
      next_ = after(ticked, period_);
    } else if (missed_tick_ == MissedTick::kDelay) {
      next_ = after(now, period_);
    } else {
      next_ = after(now, period_ - (now - ticked) % period_);
    }
    return ticked;
  }

  Instant next_;
  Duration period_;
  MissedTick missed_tick_ = MissedTick::kBurst;
};

namespace detail {

inline TickAwaiter::TickAwaiter(Interval& interval) noexcept
    : interval_(&interval), sleep_(interval.next_) {}
inline bool TickAwaiter::poll() const noexcept {
  return Clock::now() >= interval_->next_;
}
inline Instant TickAwaiter::await_resume() noexcept {
  return interval_->take_tick();
}

}  // namespace detail

/// Ticks now, and then once a period. Panics: UsageError unless the period is longer than nothing.
[[nodiscard]] inline Interval interval(Duration period) {
  return {Clock::now(), period};
}
/// Ticks at `start`, and then once a period. Panics: as interval().
[[nodiscard]] inline Interval interval_at(Instant start, Duration period) {
  return {start, period};
}

}  // namespace ringo::time
