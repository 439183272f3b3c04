// SPDX-License-Identifier: MIT
//
// What is known about a descriptor, as one word: {tick, bits}. Each event sets its bits and
// advances the tick. A reader that found nothing more forgets READABLE only if the tick is still
// the one it saw before its system call; an event that came in between stays known, although it was
// reported before the reader had looked.
//
// Thread safety: all of it. tests/model/readiness_model.cc checks the rule, and that it is needed.

#pragma once

#include <ringo/detail/atomic.h>

#include <cstdint>

namespace ringo::detail {

class Readiness {
 public:
  using Word = std::uint64_t;
  /// The bits are below it.
  static constexpr Word kTick = 64;

  explicit Readiness(Word initial) : word_(initial) {}

  [[nodiscard]] Word load() const noexcept {
    // acquire: pairs with set(); what the event is about is visible.
    return word_.load(std::memory_order_acquire);
  }

  /// An event.
  void set(Word bits) noexcept {
    Word now = word_.load(std::memory_order_relaxed);  // the compare-and-swap decides
    // acq_rel: pairs with load(), and keeps the word's history in one order.
    while (!word_.compare_exchange_weak(now, (now | bits) + kTick, std::memory_order_acq_rel,
                                        std::memory_order_relaxed)) {
    }
  }

  /// Forgets `bits`, unless an event came after `seen` was loaded.
  void clear(Word bits, Word seen) noexcept {
    Word now = word_.load(std::memory_order_relaxed);  // the compare-and-swap decides
    while (is_same_tick(now, seen) && (now & bits) != 0) {
      // acq_rel: as in set().
      if (word_.compare_exchange_weak(now, now & ~bits, std::memory_order_acq_rel,
                                      std::memory_order_relaxed)) {
        return;
      }
    }
  }

 private:
  static bool is_same_tick([[maybe_unused]] Word now, [[maybe_unused]] Word seen) noexcept {
#ifdef RINGO_MODEL_WITHOUT_TICK
    return true;
#else
    return now / kTick == seen / kTick;
#endif
  }

  Atomic<Word> word_;
};

}  // namespace ringo::detail
