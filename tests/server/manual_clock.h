// SPDX-License-Identifier: MIT
//
// ManualClock: a clock for the server's tests that stands still until told otherwise.
//
// Thread safety: any thread.

#pragma once

#include <ringo/server/clock.h>

#include <atomic>
#include <cstdint>

namespace ringo::server {

class ManualClock : public Clock {
 public:
  static constexpr std::int64_t kStartMs = 1'700'000'000'000;

  std::int64_t unix_us() override { return unix_us_.load(std::memory_order_relaxed); }
  std::int64_t steady_us() override { return unix_us() - kStartMs * 1000; }

  void advance_ms(std::int64_t ms) { unix_us_.fetch_add(ms * 1000, std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> unix_us_{kStartMs * 1000};
};

}  // namespace ringo::server
