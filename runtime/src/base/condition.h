// SPDX-License-Identifier: MIT
//
// A condition variable for detail::Mutex, as one futex word that counts notifications. For the
// control plane (start, shutdown, the blocking pool), not for hot paths.
//
// Thread safety: that is what it is for. Waits may end without a notification; test in a loop.

#pragma once

#include <ringo/detail/mutex.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

namespace ringo::detail {

class Condition {
 public:
  Condition() = default;
  Condition(const Condition&) = delete;
  Condition& operator=(const Condition&) = delete;
  ~Condition() = default;

  /// Gives the mutex up, sleeps until notified or until the timeout, and takes it again. False: the
  /// time was up.
  bool wait(Mutex& mutex, std::optional<std::chrono::nanoseconds> timeout = std::nullopt)
      RINGO_REQUIRES(mutex);
  void notify_one() noexcept;
  void notify_all() noexcept;

 private:
  std::atomic<std::uint32_t> notifications_{0};
};

/// A flag that one thread sleeps on and others raise.
class ThreadParker {
 public:
  /// Sleeps until the flag is up, and takes it down.
  void park() noexcept;
  /// Takes the flag down. True: it was up.
  [[nodiscard]] bool take() noexcept {
    // acquire: pairs with unpark().
    return is_notified_.exchange(0, std::memory_order_acquire) != 0;
  }
  [[nodiscard]] bool is_notified() const noexcept {
    return is_notified_.load(std::memory_order_acquire) != 0;
  }
  /// Any thread. The parker may be gone before this returns; the kernel does not mind.
  void unpark() noexcept;

 private:
  std::atomic<std::uint32_t> is_notified_{0};
};

}  // namespace ringo::detail
