// SPDX-License-Identifier: MIT
//
// A value that counts how many of its kind live: put one into each frame, parameter and message
// whose end a test wants to see.
//
// Thread safety: the count is atomic.

#pragma once

#include <atomic>

namespace ringo::testing_support {

class Tracked {
 public:
  Tracked() noexcept { alive_.fetch_add(1, std::memory_order_relaxed); }
  Tracked(const Tracked& /*other*/) noexcept : Tracked() {}
  Tracked(Tracked&& /*other*/) noexcept : Tracked() {}
  Tracked& operator=(const Tracked&) = default;
  Tracked& operator=(Tracked&&) = default;
  ~Tracked() { alive_.fetch_sub(1, std::memory_order_relaxed); }

  [[nodiscard]] static int alive() noexcept { return alive_.load(std::memory_order_relaxed); }

 private:
  inline static std::atomic<int> alive_{0};
};

}  // namespace ringo::testing_support
