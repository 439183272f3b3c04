// SPDX-License-Identifier: MIT
//
// How long a thread may still wait for other threads. By the real clock even in a runtime whose own
// clock is paused or simulated: threads of the operating system end when they end.
//
// Thread safety: none; a local of the thread that waits.

#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

#include "base/system.h"

namespace ringo::detail {

class TimeLimit {
 public:
  /// std::nullopt: no limit.
  explicit TimeLimit(std::optional<std::chrono::nanoseconds> timeout) noexcept
      : timeout_(timeout) {}

  /// What is left, never negative; std::nullopt: no limit.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> left() const noexcept {
    if (!timeout_) {
      return std::nullopt;
    }
    const std::chrono::nanoseconds spent(System::real().now() - start_);
    return std::max(*timeout_ - spent, std::chrono::nanoseconds::zero());
  }
  [[nodiscard]] bool is_over() const noexcept { return left() == std::chrono::nanoseconds::zero(); }

 private:
  std::optional<std::chrono::nanoseconds> timeout_;
  std::int64_t start_ = System::real().now();
};

}  // namespace ringo::detail
