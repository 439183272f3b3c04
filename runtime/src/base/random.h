// SPDX-License-Identifier: MIT
//
// A small fast generator (xorshift64*) for scheduling decisions: where to start stealing, which
// branch of a select goes first. Not for secrets. Thread safety: none; each worker has its own.

#pragma once

#include <cstdint>

namespace ringo::detail {

class Random {
 public:
  explicit Random(std::uint64_t seed) noexcept : state_(seed != 0 ? seed : 0x9E3779B97F4A7C15U) {}

  std::uint64_t next() noexcept {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545F4914F6CDD1DU;
  }

  /// Uniform enough in [0, bound); bound is not 0.
  std::uint32_t below(std::uint32_t bound) noexcept {
    return static_cast<std::uint32_t>(((next() >> 32) * bound) >> 32);
  }

 private:
  std::uint64_t state_;
};

}  // namespace ringo::detail
