// SPDX-License-Identifier: MIT
//
// The buckets of a histogram of durations: how wide, how many. As tokio::runtime's
// HistogramConfiguration.
//
//   Builder::multi_thread().poll_time_histogram(ringo::HistogramBuckets::doubling(1us, 20))
//
// Thread safety: values.

#pragma once

#include <ringo/usage_error.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace ringo {

class HistogramBuckets {
 public:
  static constexpr std::size_t kMaxCount = 1024;

  /// None: nothing is counted.
  constexpr HistogramBuckets() = default;
  /// `count` buckets of the same width; the last one also has all that is longer.
  /// Panics: UsageError unless the width is positive and the count 1 to 1,024.
  [[nodiscard]] static HistogramBuckets linear(std::chrono::nanoseconds width, std::size_t count) {
    return HistogramBuckets(width, count, false);
  }
  /// The first of this width, each other as wide as all before it together; the last one also has
  /// all that is longer. Panics: as linear().
  [[nodiscard]] static HistogramBuckets doubling(std::chrono::nanoseconds first,
                                                 std::size_t count) {
    return HistogramBuckets(first, count, true);
  }

  [[nodiscard]] std::size_t count() const noexcept { return count_; }
  /// Which bucket a duration belongs to. Requires: there is one. A negative one is in the first.
  [[nodiscard]] std::size_t bucket_of(std::chrono::nanoseconds duration) const noexcept {
    const auto units = static_cast<std::uint64_t>(std::max<std::int64_t>(duration.count(), 0)) /
                       static_cast<std::uint64_t>(width_ns_);
    const std::uint64_t bucket =
        is_doubling_ ? static_cast<std::uint64_t>(std::bit_width(units)) : units;
    return static_cast<std::size_t>(std::min<std::uint64_t>(bucket, count_ - 1));
  }
  /// The shortest duration of a bucket, and the shortest that is above it (the largest of all for
  /// the last).
  [[nodiscard]] std::pair<std::chrono::nanoseconds, std::chrono::nanoseconds> range(
      std::size_t bucket) const noexcept {
    return {begin_of(bucket),
            bucket + 1 == count_ ? std::chrono::nanoseconds::max() : begin_of(bucket + 1)};
  }

 private:
  HistogramBuckets(std::chrono::nanoseconds width, std::size_t count, bool is_doubling)
      : width_ns_(width.count()), count_(count), is_doubling_(is_doubling) {
    if (width_ns_ <= 0 || count == 0 || count > kMaxCount) {
      detail::throw_usage_error("HistogramBuckets: a positive width, and from 1 to 1,024 buckets");
    }
  }

  [[nodiscard]] std::chrono::nanoseconds begin_of(std::size_t bucket) const noexcept {
    if (bucket == 0) {
      return std::chrono::nanoseconds::zero();
    }
    // In floating point, where 2^1,023 is no overflow.
    const double units =
        is_doubling_ ? std::ldexp(1.0, static_cast<int>(bucket) - 1) : static_cast<double>(bucket);
    const double ns = units * static_cast<double>(width_ns_);
    constexpr auto kMost = static_cast<double>(std::chrono::nanoseconds::max().count());
    return ns >= kMost ? std::chrono::nanoseconds::max()
                       : std::chrono::nanoseconds(static_cast<std::int64_t>(ns));
  }

  std::int64_t width_ns_ = 1;
  std::size_t count_ = 0;
  bool is_doubling_ = false;
};

}  // namespace ringo
