// SPDX-License-Identifier: MIT
//
// The queue inside the mpsc channels: a linked list of blocks of slots. Producers claim a position
// by one fetch_add and publish their slot by one fetch_or; the consumer takes slots in order
// without any locked instruction. The structure is Tokio's (sync/mpsc/{list,block}.rs).
//
//   free_ ─▶ [consumed] ─▶ head_ ─▶ [being read] ─▶ … ─▶ tail_ ─▶ [being written] ─▶ null
//
//   Block::ready_   bit i: slot i is published. RECEIVER_WAITING: the consumer sleeps, and whoever
//                   publishes in this block looks for its waker.
//
// Invariants
//   M1  A position is claimed once, and its slot written once, by the claimer.
//   M2  tail_ moves past a block only when all its slots are published; so whoever claimed a
//   position
//       finds its block from tail_ onwards.
//   M3  A block that the consumer has read is freed only when tail_ has moved past it and the
//       consumer has read everything that was claimed before that: then no producer that might have
//       loaded the old tail_ is still on its way.
//   M4  Closing stores how many positions had been claimed (end_); positions claimed later are
//   void,
//       and their claimers know it from the CLOSED bit they read.
//
// Thread safety: push() and close() from any thread; the rest from one consumer at a time.

#pragma once

#include <ringo/detail/assert.h>
#include <ringo/detail/atomic.h>
#include <ringo/detail/frame_pool.h>
#include <ringo/detail/task_core.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <thread>
#include <utility>

namespace ringo::detail {

template <class T>
class MpscQueue {
 public:
  /// Slots per block: fewer for big values, so that an idle channel stays small.
  static constexpr std::uint32_t kSlots = sizeof(T) <= 32 ? 32 : sizeof(T) <= 128 ? 16 : 4;

  MpscQueue() {
    auto* first = new Block(0);
    head_ = free_ = first;
    tail_.store(first, std::memory_order_relaxed);  // published with the channel
  }
  MpscQueue(const MpscQueue&) = delete;
  MpscQueue& operator=(const MpscQueue&) = delete;
  ~MpscQueue() {
    while (has_ready()) {
      discard_front();
    }
    for (Block* block = free_; block != nullptr;) {
      Block* next = block->next.load(std::memory_order_relaxed);  // the last owner
      delete block;
      block = next;
    }
  }

  /// Claims the next position. False: the queue is closed, and the claim void.
  [[nodiscard]] bool claim(std::uint64_t& position) noexcept {
    // acquire: pairs with close(). The claims' own order is that of the word.
    const std::uint64_t old = claimed_.fetch_add(kClaim, std::memory_order_acq_rel);
    position = old / kClaim;
    return (old & kClosed) == 0;
  }

  /// Writes a claimed slot and wakes the consumer if it waits for something in this block.
  template <class... Args>
  void publish(std::uint64_t position, Args&&... args) {
    Block& block = find_block(position);
    const std::uint32_t index = position % kSlots;
    std::construct_at(block.slot(index), std::forward<Args>(args)...);
    // acq_rel: release publishes the slot to has_ready(); acquire pairs with start_waiting(), so
    // that the waker is visible if the bit is.
    const std::uint64_t old =
        block.ready.fetch_or(std::uint64_t{1} << index, std::memory_order_acq_rel);
    if ((old & kReceiverWaiting) != 0) {
      wake_consumer();
    }
  }

  /// Claims and publishes. False: closed, nothing was moved from the arguments.
  template <class... Args>
  [[nodiscard]] bool push(Args&&... args) {
    std::uint64_t position = 0;
    if (!claim(position)) {
      return false;
    }
    publish(position, std::forward<Args>(args)...);
    return true;
  }

  /// Consumer: the next value is there.
  [[nodiscard]] bool has_ready() {
    if (is_past_head()) {
      // acquire: pairs with the release in grow(): the block is initialised.
      Block* next = head_->next.load(std::memory_order_acquire);
      if (next == nullptr) {
        return false;
      }
      enter(*next);
    }
    // acquire: pairs with publish().
    return (head_->ready.load(std::memory_order_acquire) >> (position_ % kSlots) & 1) != 0;
  }

  /// Consumer, after has_ready(): the value, to be moved from; then discard_front().
  [[nodiscard]] T& front() noexcept { return *head_->slot(position_ % kSlots); }
  void discard_front() noexcept {
    std::destroy_at(head_->slot(position_ % kSlots));
    ++position_;
    // relaxed: only length() reads it elsewhere.
    consumed_.store(position_, std::memory_order_relaxed);
  }

  /// Consumer: registers to be woken by the next publication. False: something is ready already.
  [[nodiscard]] bool start_waiting(Branch& branch) {
    if (is_past_head()) {
      enter(grow(*head_));  // wait in the block in which the value will appear
    }
    consumer_.set(Waker::of(branch));
    // acq_rel: release shows the waker to publish(); acquire shows us the slot.
    const std::uint64_t old = head_->ready.fetch_or(kReceiverWaiting, std::memory_order_acq_rel);
    if ((old >> (position_ % kSlots) & 1) != 0) {
      stop_waiting();
      return false;
    }
    return true;
  }
  void stop_waiting() noexcept { (void)consumer_.take(); }
  /// Any thread: wakes the consumer if it waits.
  void wake_consumer() noexcept { consumer_.take().wake(); }

  /// Makes further claims void. Any thread; only the first call counts. The caller wakes the
  /// consumer.
  void close() noexcept {
    // acq_rel: pairs with claim().
    const std::uint64_t old = claimed_.fetch_or(kClosed, std::memory_order_acq_rel);
    if ((old & kClosed) == 0) {
      // seq_cst: with wake_consumer() after it on this side, and the consumer's registration and
      // is_finished() on the other; with less, both could miss each other.
      end_.exchange(old / kClaim, std::memory_order_seq_cst);
    }
  }
  [[nodiscard]] bool is_closed() const noexcept {
    // acquire: pairs with close().
    return (claimed_.load(std::memory_order_acquire) & kClosed) != 0;
  }
  /// Consumer: closed, and everything has been taken.
  [[nodiscard]] bool is_finished() const noexcept {
    return end_.load(std::memory_order_seq_cst) == position_;
  }

  /// Consumer: a position was claimed that is not published yet; it will be in no time.
  [[nodiscard]] bool has_unpublished() const noexcept {
    const std::uint64_t end = end_.load(std::memory_order_acquire);
    const std::uint64_t claimed = claimed_.load(std::memory_order_acquire) / kClaim;
    return position_ < (claimed < end ? claimed : end);
  }

  /// Any thread; may be out of date when it returns.
  [[nodiscard]] std::size_t length() const noexcept {
    // relaxed, then acquire: what was consumed had been claimed, so the difference is not negative
    // by more than what happens between the loads.
    const std::uint64_t consumed = consumed_.load(std::memory_order_relaxed);
    const std::uint64_t end = end_.load(std::memory_order_acquire);
    const std::uint64_t claimed = claimed_.load(std::memory_order_acquire) / kClaim;
    const std::uint64_t last = claimed < end ? claimed : end;
    return last > consumed ? static_cast<std::size_t>(last - consumed) : 0;
  }

 private:
  static constexpr std::uint64_t kClosed = 1;
  static constexpr std::uint64_t kClaim = 2;
  static constexpr std::uint64_t kAllReady = (std::uint64_t{1} << kSlots) - 1;
  static constexpr std::uint64_t kReceiverWaiting = std::uint64_t{1} << 63;
  static constexpr std::uint64_t kNotClosed = UINT64_MAX;
  static constexpr std::uint64_t kNotPassed = UINT64_MAX;

  struct Block {
    explicit Block(std::uint64_t first_position) noexcept : first(first_position) {}
    Block(const Block&) = delete;
    Block& operator=(const Block&) = delete;
    ~Block() = default;

    static void* operator new(std::size_t size) { return allocate_frame(size); }
    static void operator delete(void* block, std::size_t size) noexcept { free_frame(block, size); }

    T* slot(std::uint32_t index) noexcept {
      return std::launder(reinterpret_cast<T*>(storage + index * sizeof(T)));
    }

    const std::uint64_t first;  ///< the position of slot 0
    Atomic<std::uint64_t> ready{0};
    Atomic<Block*> next{nullptr};
    /// How many positions had been claimed when tail_ moved past; see M3.
    Atomic<std::uint64_t> passed_at{kNotPassed};
    alignas(T) std::byte storage[kSlots * sizeof(T)];
  };

  /// The block after `block`, made if there is none.
  Block& grow(Block& block) {
    Block* next = block.next.load(std::memory_order_acquire);
    if (next != nullptr) {
      return *next;
    }
    auto* made = new Block(block.first + kSlots);
    // acq_rel: release publishes the block; acquire sees the one of who was faster.
    if (block.next.compare_exchange_strong(next, made, std::memory_order_acq_rel,
                                           std::memory_order_acquire)) {
      return *made;
    }
    delete made;
    return *next;
  }

  Block& find_block(std::uint64_t position) {
    const std::uint64_t first = position - position % kSlots;
    // acquire: pairs with the advance below: the block is visible.
    Block* block = tail_.load(std::memory_order_acquire);
    bool may_advance = true;
    while (block->first != first) {
      Block& next = grow(*block);
      if (may_advance) {
        may_advance = advance_tail(*block, next);
      }
      block = &next;
    }
    return *block;
  }

  bool advance_tail(Block& block, Block& next) noexcept {
    // acquire: pairs with publish(). M2.
    if ((block.ready.load(std::memory_order_acquire) & kAllReady) != kAllReady) {
      return false;
    }
    Block* expected = &block;
    // acq_rel: publishes `next`; what was claimed before is seen below.
    if (!tail_.compare_exchange_strong(expected, &next, std::memory_order_acq_rel,
                                       std::memory_order_relaxed)) {
      return false;
    }
    // A read-modify-write, so that it sees the claim of everybody who may have loaded the old
    // tail_.
    const std::uint64_t claimed = claimed_.fetch_add(0, std::memory_order_acq_rel) / kClaim;
    // release: pairs with free_consumed(); our own use of the block ends here.
    block.passed_at.store(claimed, std::memory_order_release);
    return true;
  }

  /// The consumer has read all of head_.
  [[nodiscard]] bool is_past_head() const noexcept {
    return position_ % kSlots == 0 && position_ != head_->first;
  }

  void enter(Block& next) noexcept {
    RINGO_DCHECK(next.first == position_, "the consumer skipped a block");
    head_ = &next;
    free_consumed();
  }

  void free_consumed() noexcept {
    while (free_ != head_) {
      // acquire: pairs with advance_tail().
      const std::uint64_t passed_at = free_->passed_at.load(std::memory_order_acquire);
      if (passed_at == kNotPassed || position_ < passed_at) {
        return;
      }
      Block* next = free_->next.load(std::memory_order_relaxed);  // set long ago
      delete std::exchange(free_, next);
    }
  }

  // Producers.
  alignas(64) Atomic<std::uint64_t> claimed_{0};  // {positions: 63 | CLOSED}
  Atomic<Block*> tail_{nullptr};
  WakerSlot consumer_;
  Atomic<std::uint64_t> end_{kNotClosed};
  // The consumer.
  alignas(64) Block* head_ = nullptr;
  Block* free_ = nullptr;
  std::uint64_t position_ = 0;
  Atomic<std::uint64_t> consumed_{0};
};

}  // namespace ringo::detail
