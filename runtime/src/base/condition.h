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

/// A word of flags that one thread sleeps on and others raise.
class ThreadParker {
 public:
  static constexpr std::uint32_t kUnparked = 1;   ///< look around
  static constexpr std::uint32_t kScheduled = 2;  ///< the thread's own task has been notified

  explicit ThreadParker(std::uint32_t flags = 0) noexcept : flags_(flags) {}
  ThreadParker(const ThreadParker&) = delete;
  ThreadParker& operator=(const ThreadParker&) = delete;
  ~ThreadParker() = default;

  /// Sleeps until a flag is up. Takes kUnparked down, leaves kScheduled to take_scheduled().
  void park() noexcept;
  [[nodiscard]] bool is_scheduled() const noexcept {
    // acquire: pairs with raise().
    return (flags_.load(std::memory_order_acquire) & kScheduled) != 0;
  }
  /// Takes both flags down. True: kScheduled was up.
  [[nodiscard]] bool take_scheduled() noexcept {
    // acquire: pairs with raise().
    return (flags_.exchange(0, std::memory_order_acquire) & kScheduled) != 0;
  }
  /// Any thread. Touches the parker exactly once: its owner may see the flag, return and be gone
  /// before this does (the kernel only uses the address, and does not mind).
  void raise(std::uint32_t flag) noexcept;
  void unpark() noexcept { raise(kUnparked); }

 private:
  std::atomic<std::uint32_t> flags_;
};

}  // namespace ringo::detail
