// SPDX-License-Identifier: MIT
//
// When a worker counts as stalled, and how often that is told: the watchdog without its thread, its
// clock and its signal.
//
// Thread safety: one thread's.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

namespace ringo::detail {

/// One worker, looked at from time to time.
class StallDetector {
 public:
  struct Sample {
    std::uint64_t polls;  ///< how many tasks it has run
    bool is_at_rest;      ///< it sleeps, or no thread drives it
  };
  struct Stall {
    std::chrono::nanoseconds lasted;  ///< at least so long already
    bool is_new;                      ///< not told of before
  };

  explicit StallDetector(std::chrono::nanoseconds limit) noexcept : limit_(limit) {}

  /// A stall to tell of: one that has lasted for the limit, and the same again each time when it
  /// has doubled.
  std::optional<Stall> look(Sample sample, std::int64_t now_ns) noexcept {
    if (sample.is_at_rest || !is_running_ || sample.polls != polls_) {
      is_running_ = !sample.is_at_rest;
      polls_ = sample.polls;
      since_ns_ = now_ns;
      told_ = std::chrono::nanoseconds::zero();
      return std::nullopt;
    }
    const std::chrono::nanoseconds lasted(now_ns - since_ns_);
    if (lasted < limit_ || lasted < 2 * told_) {
      return std::nullopt;
    }
    const bool is_new = told_ == std::chrono::nanoseconds::zero();
    told_ = lasted;
    return Stall{lasted, is_new};
  }

 private:
  std::chrono::nanoseconds limit_;
  bool is_running_ = false;
  std::uint64_t polls_ = 0;
  std::int64_t since_ns_ = 0;  ///< when it was first seen in this task
  std::chrono::nanoseconds told_{};
};

/// At most so many reports in any minute.
class ReportLimit {
 public:
  static constexpr std::size_t kReportsPerMinute = 5;

  /// Whether this one may be made. The others are counted until take_suppressed().
  [[nodiscard]] bool try_take(std::int64_t now_ns) {
    while (!times_.empty() && now_ns - times_.front() >= kMinuteNs) {
      times_.pop_front();
    }
    if (times_.size() == kReportsPerMinute) {
      ++suppressed_;
      return false;
    }
    times_.push_back(now_ns);
    return true;
  }
  /// How many were suppressed since it was last asked.
  [[nodiscard]] std::uint64_t take_suppressed() noexcept {
    const std::uint64_t count = suppressed_;
    suppressed_ = 0;
    return count;
  }

 private:
  static constexpr std::int64_t kMinuteNs = 60'000'000'000;

  std::deque<std::int64_t> times_;
  std::uint64_t suppressed_ = 0;
};

}  // namespace ringo::detail
