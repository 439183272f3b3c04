// SPDX-License-Identifier: MIT
//
// The handshake between a worker that goes to sleep in its driver and those who have something for
// it: one word, so that an unpark costs a system call only if the worker really sleeps, and one
// that comes just before the sleep ends it.
//
//   awake ──begin_park()──▶ parked ──end_park()──▶ awake
//     │ unpark()              │ unpark(): wake the thread
//     ▼                       ▼
//   notified ◀────────────────┘      begin_park() says no, end_park() uses it up
//
// Thread safety: unpark() from any thread, the rest from the owner.

#pragma once

#include <ringo/detail/atomic.h>

#include <cstdint>

namespace ringo::detail {

class ParkToken {
 public:
  /// After something was published for the owner. True: it sleeps, the caller must wake it.
  [[nodiscard]] bool unpark() noexcept {
    // seq_cst: the barrier between "work was published" and "the owner is asleep" on this side; the
    // owner's is in begin_park(). With less, both could look before the other's store is visible.
    return state_.exchange(kNotified, std::memory_order_seq_cst) == kParked;
  }

  /// False: there was an unpark since the last end_park(), so the owner must not sleep.
  [[nodiscard]] bool begin_park() noexcept {
    std::uint32_t expected = kAwake;
    // seq_cst: see unpark().
    return state_.compare_exchange_strong(expected, kParked, std::memory_order_seq_cst,
                                          std::memory_order_seq_cst);
  }

  /// In any case after begin_park(). Then the owner looks at all that may have been published.
  void end_park() noexcept {
    // seq_cst: see unpark(); the acquire part shows what was published before it.
    state_.exchange(kAwake, std::memory_order_seq_cst);
  }

 private:
  static constexpr std::uint32_t kAwake = 0;
  static constexpr std::uint32_t kParked = 1;
  static constexpr std::uint32_t kNotified = 2;

  Atomic<std::uint32_t> state_{kAwake};
};

}  // namespace ringo::detail
