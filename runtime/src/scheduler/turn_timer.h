// SPDX-License-Identifier: MIT
//
// Tells whether the running task's turn has lasted long enough. Reading a clock costs as much as
// several operations of a channel, so real time is measured in processor cycles, and the clock is
// asked only when so many of them have gone by that the time may be up.
//
// Thread safety: one worker's.

#pragma once

#include <cstdint>

#include "base/system.h"
#include "time/runtime_clock.h"

namespace ringo::detail {

class TurnTimer {
 public:
  /// `quantum`: in nanoseconds, more than 0.
  TurnTimer(System& system, RuntimeClock& clock, std::int64_t quantum) noexcept
      : system_(system),
        clock_(clock),
        quantum_(quantum),
        is_real_(kHasCycleCount && &system == &System::real()),
        first_ns_(system.now()),
        first_cycles_(cycle_count()) {}

  void begin() noexcept {
    is_by_cycles_ = is_real_ && !clock_.is_paused();
    if (is_by_cycles_) {
      begun_cycles_ = cycle_count();
    } else {
      begun_ns_ = clock_.now();
    }
  }
  [[nodiscard]] bool is_over() const noexcept {
    if (!is_by_cycles_) {
      return clock_.now() - begun_ns_ >= quantum_;
    }
    const std::uint64_t cycles = cycle_count();
    // The counter goes at 1 GHz or faster, so these are at least as many as nanoseconds.
    return cycles - begun_cycles_ >= static_cast<std::uint64_t>(quantum_) && has_lasted(cycles);
  }

 private:
#if defined(__x86_64__)
  static constexpr bool kHasCycleCount = true;
  static std::uint64_t cycle_count() noexcept { return __builtin_ia32_rdtsc(); }
#else
  static constexpr bool kHasCycleCount = false;
  static std::uint64_t cycle_count() noexcept { return 0; }
#endif

  /// What a cycle lasts is known from how long the worker has lived, in both units.
  [[nodiscard]] bool has_lasted(std::uint64_t cycles) const noexcept {
    const auto lived_ns = static_cast<double>(system_.now() - first_ns_);
    const auto lived_cycles = static_cast<double>(cycles - first_cycles_);
    return static_cast<double>(cycles - begun_cycles_) * (lived_ns / lived_cycles) >=
           static_cast<double>(quantum_);
  }

  System& system_;
  RuntimeClock& clock_;
  const std::int64_t quantum_;
  const bool is_real_;  ///< not a simulation's
  const std::int64_t first_ns_;
  const std::uint64_t first_cycles_;
  std::uint64_t begun_cycles_ = 0;
  std::int64_t begun_ns_ = 0;
  bool is_by_cycles_ = false;
};

}  // namespace ringo::detail
