// SPDX-License-Identifier: MIT
//
// A worker's run queue: a ring that its owner pushes to and pops from at either end, and from whose
// front other workers steal half at a time. The algorithm is Tokio's (multi_thread/queue.rs), but
// for pop_back().
//
//   head_   {version: 32 | steal: 16 | real: 16}
//           real: next to pop. steal: first slot that a thief still copies from; equal to real when
//           nobody steals. version: one more with each change, by whomever. A place alone would be
//           met again after 2^16 steals from an owner that only pushes.
//   tail_   next to push, written by the owner only
//
//      ... free | being stolen | queued | free ...
//               ^steal         ^real    ^tail
//
// Invariants
//   Q1  Slots in [steal, tail) are not overwritten: push compares the tail with `steal`.
//   Q2  Only one thief at a time copies from a queue; others go elsewhere.
//   Q3  A slot is read by whoever moved `real` past it, or took it from the back, and by nobody
//       else.
//   Q4  A thief's claim counts from the tail that it read after the head. It fails if anybody has
//       taken something since, at either end: that makes a new version. pop_back() lowers the tail
//       before it does so, so that who sees the version sees the tail.
//
// Capacity is a parameter so that the model and the tests overflow it in a few steps.

#pragma once

#include <ringo/detail/assert.h>
#include <ringo/detail/atomic.h>

#include <array>
#include <cstdint>

namespace ringo::detail {

template <class T, std::uint16_t kCapacity>
class LocalQueue {
  static_assert((kCapacity & (kCapacity - 1)) == 0 && kCapacity <= 1U << 14,
                "the capacity is a power of two, and indices may wrap");

 public:
  /// A place in the queue since its beginning, modulo 2^16.
  using Index = std::uint16_t;

  LocalQueue() = default;
  LocalQueue(const LocalQueue&) = delete;
  LocalQueue& operator=(const LocalQueue&) = delete;
  ~LocalQueue() = default;

  /// Owner. False: full, or a thief is still copying out of a full queue.
  [[nodiscard]] bool push(T item) {
    // acquire: pairs with the thief's release when it has copied, so that its slots may be reused.
    const std::uint64_t head = head_.load(std::memory_order_acquire);
    const Index tail = tail_.load(std::memory_order_relaxed);  // our own
    if (distance(steal_of(head), tail) >= kCapacity) {
      return false;
    }
    slots_[tail % kCapacity].set(item);
    // release: publishes the slot to thieves.
    tail_.store(after(tail, 1), std::memory_order_release);
    return true;
  }

  /// Owner. The oldest. False: empty.
  [[nodiscard]] bool pop(T& item) {
    std::uint64_t head = head_.load(std::memory_order_acquire);
    for (;;) {
      const Index steal = steal_of(head);
      const Index real = real_of(head);
      if (real == tail_.load(std::memory_order_relaxed)) {  // our own
        return false;
      }
      const Index next = after(real, 1);
      // acq_rel, acquire: orders us with thieves, who move the same word.
      if (head_.compare_exchange_weak(head, changed(head, steal == real ? next : steal, next),
                                      std::memory_order_acq_rel, std::memory_order_acquire)) {
        item = slots_[real % kCapacity].get();
        return true;
      }
    }
  }

  /// Owner. The newest. False: empty.
  [[nodiscard]] bool pop_back(T& item) {
    std::uint64_t head = head_.load(std::memory_order_acquire);
    const Index tail = tail_.load(std::memory_order_relaxed);  // our own
    if (real_of(head) == tail) {
      return false;
    }
    const Index last = after(tail, -1);
    // release, and before the new version: Q4.
    tail_.store(last, std::memory_order_release);
    while (real_of(head) != tail) {
      // acq_rel, acquire: as in pop().
      if (head_.compare_exchange_weak(head, changed(head, steal_of(head), real_of(head)),
                                      std::memory_order_acq_rel, std::memory_order_acquire)) {
        item = slots_[last % kCapacity].get();
        return true;
      }
    }
    tail_.store(tail, std::memory_order_release);  // thieves have taken all of it
    return false;
  }

  /// Owner. Whether `item` is what pop() would take.
  [[nodiscard]] bool is_next(T item) const {
    const Index real = real_of(head_.load(std::memory_order_acquire));
    return real != tail_.load(std::memory_order_relaxed) &&  // our own
           slots_[real % kCapacity].get() == item;
  }

  /// Owner. Where the next item will be.
  [[nodiscard]] Index tail() const {
    return tail_.load(std::memory_order_relaxed);  // our own
  }
  /// Owner. Whether the tail is beyond a place that it had before, less than 2^15 items ago.
  [[nodiscard]] bool reaches_beyond(Index place) const {
    return static_cast<std::int16_t>(tail() - place) > 0;
  }

  /// pop() of a queue that has no thieves.
  [[nodiscard]] bool pop_unshared(T& item) {
    // relaxed, here and below: only the owner writes either word.
    const std::uint64_t head = head_.load(std::memory_order_relaxed);
    const Index real = real_of(head);
    if (real == tail()) {
      return false;
    }
    item = slots_[real % kCapacity].get();
    const Index next = after(real, 1);
    head_.store(changed(head, next, next), std::memory_order_relaxed);
    return true;
  }
  /// pop_back() of a queue that has no thieves.
  [[nodiscard]] bool pop_back_unshared(T& item) {
    const Index tail = this->tail();
    if (real_of(head_.load(std::memory_order_relaxed)) == tail) {
      return false;
    }
    const Index last = after(tail, -1);
    item = slots_[last % kCapacity].get();
    tail_.store(last, std::memory_order_relaxed);
    return true;
  }

  /// Owner, on a full queue: takes the second half out and hands each item to `take`, oldest first.
  /// The first half stays, so that what was just fetched from the injection queue does not bounce
  /// back. False: a thief is at work, so there will be room soon; nothing was taken.
  template <class Take>
  [[nodiscard]] bool take_second_half(Take take) {
    const Index tail = this->tail();
    const Index first = after(tail, -kCapacity);
    std::uint64_t head = head_.load(std::memory_order_relaxed);  // the exchange decides
    // release: as every change of the word. A failure means that a thief came, or has been here.
    if (steal_of(head) != first || real_of(head) != first ||
        !head_.compare_exchange_strong(head, changed(head, tail, tail), std::memory_order_acq_rel,
                                       std::memory_order_relaxed)) {
      return false;
    }
    // All slots are ours. Those of the first half are where a push of the same items would put
    // them, a lap later, so that giving them back is one store.
    constexpr int kHalf = kCapacity / 2;
    for (int i = kHalf; i < kCapacity; ++i) {
      take(slots_[after(first, i) % kCapacity].get());
    }
    // release: publishes them to thieves again.
    tail_.store(after(tail, kHalf), std::memory_order_release);
    return true;
  }

  /// Thief: moves half of this queue (rounded up) into `into`, its own, and takes the last of them
  /// out as `item`. Returns how many were moved, `item` included.
  std::uint32_t steal_into(LocalQueue& into, T& item) {
    const Index into_tail = into.tail();
    if (distance(steal_of(into.head_.load(std::memory_order_acquire)), into_tail) > kCapacity / 2) {
      return 0;
    }
    std::uint64_t head = head_.load(std::memory_order_acquire);
    int count = 0;
    Index first = 0;
    for (;;) {
      first = real_of(head);
      // acquire: pairs with push(), the slots are visible.
      const Index tail = tail_.load(std::memory_order_acquire);
      if (steal_of(head) != first) {
        return 0;  // Q2
      }
      count = distance(first, tail);
      count -= count / 2;
      if (count == 0 || count > kCapacity / 2) {
        return 0;  // empty, or head and tail were read too far apart
      }
      if (head_.compare_exchange_weak(head, changed(head, first, after(first, count)),
                                      std::memory_order_acq_rel, std::memory_order_acquire)) {
        break;
      }
    }
    for (int i = 0; i + 1 < count; ++i) {
      into.slots_[after(into_tail, i) % kCapacity].set(slots_[after(first, i) % kCapacity].get());
    }
    item = slots_[after(first, count - 1) % kCapacity].get();
    // Give the slots back: steal catches up with real, which the owner may have moved on.
    head = head_.load(std::memory_order_relaxed);  // the exchange decides
    while (!head_.compare_exchange_weak(head, changed(head, real_of(head), real_of(head)),
                                        std::memory_order_acq_rel, std::memory_order_relaxed)) {
    }
    if (count > 1) {
      // release: publishes the items to thieves of the thief.
      into.tail_.store(after(into_tail, count - 1), std::memory_order_release);
    }
    return static_cast<std::uint32_t>(count);
  }

  /// Any thread; may be out of date when it returns. But 0 is said only of a queue that was empty
  /// at some moment, or is so but for what its owner is about to take: who sleeps relies on it.
  [[nodiscard]] std::uint32_t length() const {
    // acquire, all: the looks come in this order.
    std::uint64_t head = head_.load(std::memory_order_acquire);
    for (;;) {
      const int count = distance(real_of(head), tail_.load(std::memory_order_acquire));
      if (count != 0 && count <= kCapacity) {
        return static_cast<std::uint32_t>(count);
      }
#ifdef RINGO_MODEL_LOOKS_ONCE
      return 0;
#endif
      // Else the two were read too far apart.
      const std::uint64_t again = head_.load(std::memory_order_acquire);
      if (again == head) {
        return 0;
      }
      head = again;
    }
  }

 private:
  static constexpr unsigned kVersionShift = 32;
  static constexpr std::uint64_t kVersions = ~std::uint64_t{0} << kVersionShift;

  /// `head` with its ends elsewhere, in a new version.
  static std::uint64_t changed(std::uint64_t head, Index steal, Index real) {
    const std::uint64_t renewed = head + (std::uint64_t{1} << kVersionShift);
    return (renewed & kVersions) | (std::uint64_t{steal} << 16) | real;
  }
  static Index steal_of(std::uint64_t head) { return static_cast<Index>(head >> 16); }
  static Index real_of(std::uint64_t head) { return static_cast<Index>(head); }
  static Index after(Index place, int by) { return static_cast<Index>(place + by); }
  static int distance(Index from, Index to) { return static_cast<Index>(to - from); }

  alignas(64) Atomic<std::uint64_t> head_{0};
  alignas(64) Atomic<Index> tail_{0};
  std::array<Plain<T>, kCapacity> slots_{};
};

}  // namespace ringo::detail
