// SPDX-License-Identifier: MIT
//
// Clock: where the server's commands get the time from. Expiry, uptime and statistics ask nothing
// else, so that a test or a simulation decides what time it is.
//
// Thread safety: implementations may be called from any thread.

#pragma once

#include <cstdint>

namespace ringo::server {

class Clock {
 public:
  Clock() = default;
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;
  Clock(Clock&&) = delete;
  Clock& operator=(Clock&&) = delete;
  virtual ~Clock() = default;

  /// Microseconds since the Unix epoch.
  virtual std::int64_t unix_us() = 0;
  /// Microseconds since some fixed moment; never goes back.
  virtual std::int64_t steady_us() = 0;

  std::int64_t unix_ms() { return unix_us() / 1000; }

  /// The operating system's clocks.
  static Clock& system();
};

}  // namespace ringo::server
