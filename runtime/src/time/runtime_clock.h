// SPDX-License-Identifier: MIT
//
// The clock that a runtime's timers go by: the system's monotonic one, or, when paused, one that
// only moves when it is told to. As tokio::time::pause.
//
// Thread safety: all of it.

#pragma once

#include <atomic>
#include <cstdint>

#include "base/system.h"

namespace ringo::detail {

class RuntimeClock {
 public:
  explicit RuntimeClock(System& system) noexcept : system_(system) {}

  [[nodiscard]] std::int64_t now() noexcept {
    // acquire: pairs with pause(), which stores the offset first.
    return is_paused_.load(std::memory_order_acquire)
               ? paused_at_.load(std::memory_order_acquire)
               : system_.now() + offset_.load(std::memory_order_relaxed);
  }
  /// now() for who has just looked at the system's clock.
  [[nodiscard]] std::int64_t at(std::int64_t system_now) const noexcept {
    // acquire: as above.
    return is_paused_.load(std::memory_order_acquire)
               ? paused_at_.load(std::memory_order_acquire)
               : system_now + offset_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] bool is_paused() const noexcept {
    return is_paused_.load(std::memory_order_acquire);
  }

  void pause() noexcept {
    paused_at_.store(now(), std::memory_order_release);
    is_paused_.store(true, std::memory_order_release);
  }
  /// Goes on from the paused time.
  void resume() noexcept {
    offset_.store(paused_at_.load(std::memory_order_acquire) - system_.now(),
                  std::memory_order_relaxed);
    is_paused_.store(false, std::memory_order_release);
  }
  /// Moves a paused clock forward.
  void advance_to(std::int64_t ns) noexcept { paused_at_.store(ns, std::memory_order_release); }

 private:
  System& system_;
  std::atomic<bool> is_paused_{false};
  std::atomic<std::int64_t> paused_at_{0};
  std::atomic<std::int64_t> offset_{0};
};

}  // namespace ringo::detail
