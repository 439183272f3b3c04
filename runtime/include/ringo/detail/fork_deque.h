// SPDX-License-Identifier: MIT
//
// A worker's stack of forked children that have not begun: the owner pushes and pops at the bottom,
// thieves take from the top, where the largest pieces of work lie. Chase and Lev's deque ("Dynamic
// circular work-stealing deque", 2005) of fixed capacity.
//
//   free | top_ → stealable … stealable ← bottom_ | free
//
// Invariants
//   D1  Only the owner writes bottom_; top_ only grows.
//   D2  An item is taken by the owner without a contest if another lies above it; the last one is
//       taken by who moves top_ past it.
//   D3  The owner announces its claim of the bottom (a sequentially consistent store) before it
//       looks at the top; a thief looks at the top before it looks at the bottom. So they cannot
//       both miss each other's claim of one item.
//   D4  A slot is overwritten only after top_ has moved past it; a thief that read a stale slot
//       fails to move top_, and drops what it read.
//
// Thread safety: push(), pop() and bottom() are the owner's, steal() is anybody's.

#pragma once

#include <ringo/detail/atomic.h>

#include <array>
#include <cstdint>

namespace ringo::detail {

template <class T, std::int64_t kCapacity>
class ForkDeque {
  static_assert((kCapacity & (kCapacity - 1)) == 0, "the capacity is a power of two");

 public:
  ForkDeque() = default;
  ForkDeque(const ForkDeque&) = delete;
  ForkDeque& operator=(const ForkDeque&) = delete;
  ~ForkDeque() = default;

  /// False: full.
  [[nodiscard]] bool push(T* item) noexcept {
    const std::int64_t bottom = bottom_.load(std::memory_order_relaxed);  // our own
    // acquire: pairs with the thief's compare-and-swap, after which its slot is free (D4).
    if (bottom - top_.load(std::memory_order_acquire) >= kCapacity) {
      return false;
    }
    // relaxed: published by the store of bottom_.
    slot(bottom).store(item, std::memory_order_relaxed);
    // release: pairs with steal().
    bottom_.store(bottom + 1, std::memory_order_release);
    return true;
  }

  /// The item that was pushed last; null: it was stolen, and so was everything above it.
  [[nodiscard]] T* pop() noexcept {
    const std::int64_t bottom = bottom_.load(std::memory_order_relaxed) - 1;  // our own
    // relaxed: the top only grows, so what looks empty is.
    if (top_.load(std::memory_order_relaxed) > bottom) {
      return nullptr;
    }
    bottom_.store(bottom, std::memory_order_seq_cst);              // D3
    std::int64_t top = top_.load(std::memory_order_seq_cst);       // D3
    T* const item = slot(bottom).load(std::memory_order_relaxed);  // our own write
    if (top < bottom) {
      return item;
    }
    const bool is_ours =
        top == bottom && top_.compare_exchange_strong(top, top + 1, std::memory_order_seq_cst,
                                                      std::memory_order_relaxed);
    // relaxed: it is empty now, and a thief that sees the older bottom finds it empty as well.
    bottom_.store(bottom + 1, std::memory_order_relaxed);
    return is_ours ? item : nullptr;
  }

  /// pop() where nobody steals: without a locked instruction.
  [[nodiscard]] T* pop_unshared() noexcept {
    const std::int64_t bottom = bottom_.load(std::memory_order_relaxed) - 1;
    if (top_.load(std::memory_order_relaxed) > bottom) {
      return nullptr;
    }
    bottom_.store(bottom, std::memory_order_relaxed);
    return slot(bottom).load(std::memory_order_relaxed);
  }

  /// The item that was pushed first; null: none, or somebody else was quicker.
  [[nodiscard]] T* steal() noexcept {
    std::int64_t top = top_.load(std::memory_order_seq_cst);  // D3
    // seq_cst: D3. Also acquire: pairs with push().
    if (top >= bottom_.load(std::memory_order_seq_cst)) {
      return nullptr;
    }
    T* const item = slot(top).load(std::memory_order_relaxed);  // D4
    // seq_cst: D2, D3. Its release part frees the slot for push().
    return top_.compare_exchange_strong(top, top + 1, std::memory_order_seq_cst,
                                        std::memory_order_relaxed)
               ? item
               : nullptr;
  }

  /// How many were ever pushed and not popped: a mark to come back to.
  [[nodiscard]] std::int64_t bottom() const noexcept {
    return bottom_.load(std::memory_order_relaxed);
  }
  /// Any thread; may be out of date when it returns.
  [[nodiscard]] bool looks_empty() const noexcept {
    return top_.load(std::memory_order_relaxed) >= bottom_.load(std::memory_order_relaxed);
  }

 private:
  Atomic<T*>& slot(std::int64_t position) noexcept {
    return slots_[static_cast<std::size_t>(position & (kCapacity - 1))];
  }

  // The owner writes bottom_ all the time, thieves write top_ now and then.
  alignas(64) Atomic<std::int64_t> bottom_{0};
  alignas(64) Atomic<std::int64_t> top_{0};
  std::array<Atomic<T*>, static_cast<std::size_t>(kCapacity)> slots_{};
};

}  // namespace ringo::detail
