// SPDX-License-Identifier: MIT
//
// A worker's run queue: a ring that its owner pushes to and pops from, and from whose front other
// workers steal half at a time. The algorithm is Tokio's (multi_thread/queue.rs).
//
//   head_   {steal: 32 | real: 32}   real: next to pop. steal: first slot that a thief still copies
//                                    from; equal to real when nobody steals.
//   tail_   next to push, written by the owner only
//
//      ... free | being stolen | queued | free ...
//               ^steal         ^real    ^tail
//
// Invariants
//   Q1  Slots in [steal, tail) are not overwritten: push compares the tail with `steal`.
//   Q2  Only one thief at a time copies from a queue; others go elsewhere.
//   Q3  A slot is read by whoever moved `real` past it, and by nobody else.
//
// Capacity is a parameter so that the model and the tests overflow it in a few steps.

#pragma once

#include <ringo/detail/assert.h>
#include <ringo/detail/atomic.h>

#include <array>
#include <cstdint>

namespace ringo::detail {

template <class T, std::uint32_t kCapacity>
class LocalQueue {
  static_assert((kCapacity & (kCapacity - 1)) == 0, "the capacity is a power of two");

 public:
  LocalQueue() = default;
  LocalQueue(const LocalQueue&) = delete;
  LocalQueue& operator=(const LocalQueue&) = delete;
  ~LocalQueue() = default;

  /// Owner. False: full, or a thief is still copying out of a full queue.
  [[nodiscard]] bool push(T item) {
    // acquire: pairs with the thief's release when it has copied, so that its slots may be reused.
    const std::uint64_t head = head_.load(std::memory_order_acquire);
    const std::uint32_t tail = tail_.load(std::memory_order_relaxed);  // our own
    if (tail - steal_of(head) >= kCapacity) {
      return false;
    }
    slots_[tail % kCapacity].set(item);
    // release: publishes the slot to thieves.
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  /// Owner. False: empty.
  [[nodiscard]] bool pop(T& item) {
    std::uint64_t head = head_.load(std::memory_order_acquire);
    for (;;) {
      const std::uint32_t steal = steal_of(head);
      const std::uint32_t real = real_of(head);
      if (real == tail_.load(std::memory_order_relaxed)) {  // our own
        return false;
      }
      const std::uint64_t next = steal == real ? pack(real + 1, real + 1) : pack(steal, real + 1);
      // acq_rel, acquire: orders us with thieves, who move the same word.
      if (head_.compare_exchange_weak(head, next, std::memory_order_acq_rel,
                                      std::memory_order_acquire)) {
        item = slots_[real % kCapacity].get();
        return true;
      }
    }
  }

  /// Owner. Whether `item` is what pop() would take.
  [[nodiscard]] bool is_next(T item) const {
    const std::uint32_t real = real_of(head_.load(std::memory_order_acquire));
    return real != tail_.load(std::memory_order_relaxed) &&  // our own
           slots_[real % kCapacity].get() == item;
  }

  /// pop() of a queue that has no thieves.
  [[nodiscard]] bool pop_unshared(T& item) {
    // relaxed: only the owner writes either word.
    const std::uint32_t real = real_of(head_.load(std::memory_order_relaxed));
    if (real == tail_.load(std::memory_order_relaxed)) {
      return false;
    }
    item = slots_[real % kCapacity].get();
    head_.store(pack(real + 1, real + 1), std::memory_order_relaxed);
    return true;
  }

  /// Owner, on a full queue: takes the second half out and hands each item to `take`, oldest first.
  /// The first half stays, so that what was just fetched from the injection queue does not bounce
  /// back. False: a thief is at work, so there will be room soon; nothing was taken.
  template <class Take>
  [[nodiscard]] bool take_second_half(Take take) {
    const std::uint32_t tail = tail_.load(std::memory_order_relaxed);  // our own
    const std::uint32_t first = tail - kCapacity;
    std::uint64_t expected = pack(first, first);
    // release: as every change of the word. A failure means that a thief came, or has been here.
    if (!head_.compare_exchange_strong(expected, pack(tail, tail), std::memory_order_acq_rel,
                                       std::memory_order_relaxed)) {
      return false;
    }
    // All slots are ours. Those of the first half are where a push of the same items would put
    // them, a lap later, so that giving them back is one store.
    constexpr std::uint32_t kHalf = kCapacity / 2;
    for (std::uint32_t i = kHalf; i < kCapacity; ++i) {
      take(slots_[(first + i) % kCapacity].get());
    }
    // release: publishes them to thieves again.
    tail_.store(tail + kHalf, std::memory_order_release);
    return true;
  }

  /// Thief: moves half of this queue (rounded up) into `into`, its own, and takes the last of them
  /// out as `item`. Returns how many were moved, `item` included.
  std::uint32_t steal_into(LocalQueue& into, T& item) {
    const std::uint32_t into_tail = into.tail_.load(std::memory_order_relaxed);  // our own
    const std::uint32_t into_used =
        into_tail - steal_of(into.head_.load(std::memory_order_acquire));
    if (into_used > kCapacity / 2) {
      return 0;
    }
    std::uint64_t head = head_.load(std::memory_order_acquire);
    std::uint32_t count = 0;
    std::uint32_t first = 0;
    std::uint64_t claimed = 0;
    for (;;) {
      const std::uint32_t real = real_of(head);
      // acquire: pairs with push(), the slots are visible.
      const std::uint32_t tail = tail_.load(std::memory_order_acquire);
      if (steal_of(head) != real) {
        return 0;  // Q2
      }
      count = tail - real;
      count -= count / 2;
      if (count == 0 || count > kCapacity / 2) {
        return 0;  // empty, or head and tail were read too far apart
      }
      first = real;
      claimed = pack(real, real + count);
      if (head_.compare_exchange_weak(head, claimed, std::memory_order_acq_rel,
                                      std::memory_order_acquire)) {
        break;
      }
    }
    for (std::uint32_t i = 0; i + 1 < count; ++i) {
      into.slots_[(into_tail + i) % kCapacity].set(slots_[(first + i) % kCapacity].get());
    }
    item = slots_[(first + count - 1) % kCapacity].get();
    // Give the slots back: steal catches up with real, which the owner may have moved on.
    std::uint64_t now = claimed;
    while (!head_.compare_exchange_weak(now, pack(real_of(now), real_of(now)),
                                        std::memory_order_acq_rel, std::memory_order_acquire)) {
    }
    if (count > 1) {
      // release: publishes the items to thieves of the thief.
      into.tail_.store(into_tail + count - 1, std::memory_order_release);
    }
    return count;
  }

  /// Any thread; may be out of date when it returns.
  [[nodiscard]] std::uint32_t length() const {
    const std::uint64_t head = head_.load(std::memory_order_acquire);
    const std::uint32_t count = tail_.load(std::memory_order_acquire) - real_of(head);
    return count > kCapacity ? 0 : count;
  }

 private:
  static std::uint64_t pack(std::uint32_t steal, std::uint32_t real) {
    return (std::uint64_t{steal} << 32) | real;
  }
  static std::uint32_t steal_of(std::uint64_t head) {
    return static_cast<std::uint32_t>(head >> 32);
  }
  static std::uint32_t real_of(std::uint64_t head) { return static_cast<std::uint32_t>(head); }

  alignas(64) Atomic<std::uint64_t> head_{0};
  alignas(64) Atomic<std::uint32_t> tail_{0};
  std::array<Plain<T>, kCapacity> slots_{};
};

}  // namespace ringo::detail
