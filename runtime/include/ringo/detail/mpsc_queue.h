// SPDX-License-Identifier: MIT
//
// The values inside an mpsc channel: a linked list of blocks of slots. Whoever has claimed a
// position at the gate fills its slot; the consumer takes the slots in order. Neither needs a
// locked instruction for it. The list is Tokio's (sync/mpsc/{list,block}.rs).
//
//   free_ ─▶ [consumed] ─▶ head_ ─▶ [being read] ─▶ … ─▶ tail_ ─▶ [being written] ─▶ null
//
//   Block::states[i]   kEmpty, then once kFilled or, if the value's constructor threw, kHole
//
// Memory: none before the first value. A consumed block is kept as the spare one, for the next that
// is needed; the others go back at once. So a channel that is empty holds two blocks at the most.
//
// Invariants
//   M1  A position is claimed once, and its slot filled once, by the claimer.
//   M2  tail_ moves past a block only when all its slots are filled; so whoever claimed a position
//       finds its block from tail_ onwards, and the upper bits of the position from tail_.
//   M3  A block that the consumer has read is freed only when tail_ has moved past it and the
//       consumer has read everything that was claimed before that: then no producer that might have
//       loaded the old tail_ is still on its way.
//   M4  If a producer stops between claiming and filling, tail_ is stuck at its block, and all
//       others would have to walk from there, ever farther. So a walk leaves its end in that
//       block's `far`. Whoever has reached that block may go there: what is behind a block is freed
//       after it, and M3 holds for it as well.
//
// Thread safety: publish() and wake_consumer() from any thread; the rest from one consumer.

#pragma once

#include <ringo/detail/assert.h>
#include <ringo/detail/atomic.h>
#include <ringo/detail/mpsc_gate.h>
#include <ringo/detail/task_core.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <thread>
#include <type_traits>
#include <utility>

namespace ringo::detail {

template <class T>
class MpscQueue {
 public:
  /// Slots per block: fewer for big values, so that an idle channel stays small.
#ifdef RINGO_MODEL
  static constexpr std::uint32_t kSlots = 2;
  static constexpr std::uint32_t kLongWalk = 1;
#else
  static constexpr std::uint32_t kSlots = sizeof(T) <= 32 ? 32 : sizeof(T) <= 128 ? 16 : 4;
  /// Blocks that a producer has to walk before it leaves a shortcut for others.
  static constexpr std::uint32_t kLongWalk = 4;
#endif
  /// More values than that cannot be told apart by their positions.
  static constexpr std::uint64_t kMaxLength = std::uint64_t{1} << 31;

  explicit MpscQueue(MpscGate& gate) noexcept : gate_(gate) { gate.place_receiver(receiver_); }
  MpscQueue(const MpscQueue&) = delete;
  MpscQueue& operator=(const MpscQueue&) = delete;
  ~MpscQueue() {
    while (has_ready()) {
      discard_front();
    }
    // relaxed, here and below: the last owner.
    delete spare_.load(std::memory_order_relaxed);
    for (Block* block = free_; block != nullptr;) {
      Block* next = block->next.load(std::memory_order_relaxed);
      delete block;
      block = next;
    }
  }

  /// Fills a claimed slot, and wakes the consumer if the claim says so. If the constructor throws,
  /// the consumer passes the slot over.
  template <class... Args>
  void publish(MpscGate::Claim claim, Args&&... args) {
    Block& block = find_block(claim.position);
    const std::uint32_t index = claim.position % kSlots;
    // release: publishes the value to has_ready(), and to advance_tail() that we have done with the
    // list.
    if constexpr (std::is_nothrow_constructible_v<T, Args...>) {
      std::construct_at(block.slot(index), std::forward<Args>(args)...);
      block.states[index].store(kFilled, std::memory_order_release);
    } else {
      try {
        std::construct_at(block.slot(index), std::forward<Args>(args)...);
      } catch (...) {
        block.states[index].store(kHole, std::memory_order_release);
        wake_if(claim);
        throw;
      }
      block.states[index].store(kFilled, std::memory_order_release);
    }
    wake_if(claim);
  }

  /// Consumer: the next value is there. (Inlined: it is most of what a receive is.)
  [[nodiscard, gnu::always_inline]] bool has_ready() noexcept {
    const std::uint64_t position = consumed();
    if (position != head_end_) [[likely]] {
      // acquire: pairs with publish().
      const std::uint8_t state = head_->states[position % kSlots].load(std::memory_order_acquire);
      if (state != kHole) [[likely]] {
        return state == kFilled;
      }
      count_consumed();
    }
    return has_ready_further();
  }

  /// Consumer, after has_ready(): the value, to be moved from; then discard_front().
  [[nodiscard]] T& front() noexcept { return *head_->slot(consumed() % kSlots); }
  void discard_front() noexcept {
    const std::uint64_t position = consumed();
    std::destroy_at(head_->slot(position % kSlots));
    consumed_.store(position + 1, std::memory_order_relaxed);  // as consumed()
  }

  /// How many values were taken out: for any thread, but exact for the consumer.
  [[nodiscard]] std::uint64_t consumed() const noexcept {
    return consumed_.load(std::memory_order_relaxed);  // orders nothing: a number
  }

  /// Consumer: gives back the room of so many values that it has taken out.
  void give_room(std::size_t count) noexcept {
    if (MpscGate* gate = receiver_.bounded_gate; gate != nullptr) {
      if constexpr (std::is_nothrow_move_constructible_v<T>) {
        const GatePublisher publisher{&MpscQueue::publish_for, this};
        gate->give_room(receiver_, count, &publisher);
      } else {
        gate->give_room(receiver_, count, nullptr);  // what moving it throws is its sender's
      }
    }
  }

  /// Consumer: registers to be woken by the next value. Returns the state at that moment. If
  /// something had been claimed by then, its publication may have missed the registration.
  MpscGate::State start_waiting(Branch& branch) noexcept {
    consumer_.set(Waker::of(branch));
    return gate_.start_receiver_wait();
  }
  void stop_waiting() noexcept { consumer_.reset(); }
  /// Any thread: wakes the consumer if it waits. It runs behind what is ready now: others of those
  /// may be about to send as well, and then it finds all of that at once.
  void wake_consumer() noexcept { consumer_.take().wake_last(); }

  /// Consumer: whether that state knows of a value that has not been taken.
  [[nodiscard]] bool is_behind(MpscGate::State state) const noexcept {
    return state.claimed() != static_cast<std::uint32_t>(consumed());
  }

 private:
  static constexpr std::uint8_t kEmpty = 0;
  static constexpr std::uint8_t kFilled = 1;
  static constexpr std::uint8_t kHole = 2;
  static constexpr std::uint64_t kNotPassed = UINT64_MAX;

  struct Block {
    explicit Block(std::uint64_t first_position) : first(first_position) {}
    Block(const Block&) = delete;
    Block& operator=(const Block&) = delete;
    ~Block() = default;

    T* slot(std::uint32_t index) noexcept {
      return std::launder(reinterpret_cast<T*>(storage + index * sizeof(T)));
    }

    /// The position of slot 0; changes only while nobody else has the block.
    Plain<std::uint64_t> first;
    Atomic<Block*> next{nullptr};
    /// Some later block, or null; see M4.
    Atomic<Block*> far{nullptr};
    /// How many positions had been claimed when tail_ moved past; see M3.
    Atomic<std::uint64_t> passed_at{kNotPassed};
    Atomic<std::uint8_t> states[kSlots] = {};
    alignas(T) std::byte storage[kSlots * sizeof(T)];
  };

  /// The consumer, for a sender that waits: a GatePublisher's.
  static void publish_for(void* queue, std::uint32_t position, void* value) noexcept {
    static_cast<MpscQueue*>(queue)->publish({.position = position},
                                            std::move(*static_cast<T*>(value)));
  }

  void wake_if(MpscGate::Claim claim) noexcept {
    if (claim.must_wake) [[unlikely]] {
      wake_consumer();
    }
  }

  // --- producers ---

  // Memory that cannot be had, when a position has been claimed, is the end of the program: hence
  // noexcept all the way down.

  Block* make_block(std::uint64_t first) noexcept {
    // Signed: meanwhile another may have made the block, and the consumer have read part of it.
    RINGO_CHECK(static_cast<std::int64_t>(first - consumed()) < std::int64_t{kMaxLength},
                "an mpsc channel holds more than 2^31 values");
    if (spare_.load(std::memory_order_relaxed) != nullptr) {  // a hint
      // acquire: pairs with recycle(): the block is as new.
      if (Block* block = spare_.exchange(nullptr, std::memory_order_acquire); block != nullptr) {
        block->first.set(first);
        return block;
      }
    }
    return new Block(first);  // NOLINT(bugprone-unhandled-exception-at-new): see above
  }
  /// Keeps the block as the spare one.
  void recycle(Block* block) noexcept {
    block->next.store(nullptr, std::memory_order_relaxed);
    block->far.store(nullptr, std::memory_order_relaxed);
    block->passed_at.store(kNotPassed, std::memory_order_relaxed);
    for (Atomic<std::uint8_t>& state : block->states) {
      state.store(kEmpty, std::memory_order_relaxed);
    }
    // release: pairs with make_block(). acquire: the other one is ours to delete.
    delete spare_.exchange(block, std::memory_order_acq_rel);
  }

  /// What the empty channel begins with.
  Block& make_first() noexcept {
    Block* first = first_.load(std::memory_order_acquire);
    if (first == nullptr) {
      auto* made = new Block(0);  // NOLINT(bugprone-unhandled-exception-at-new): see above
      // acq_rel: as in grow().
      if (first_.compare_exchange_strong(first, made, std::memory_order_acq_rel,
                                         std::memory_order_acquire)) {
        first = made;
      } else {
        delete made;
      }
    }
    Block* tail = nullptr;
    // acq_rel: as in advance_tail().
    return tail_.compare_exchange_strong(tail, first, std::memory_order_acq_rel,
                                         std::memory_order_acquire)
               ? *first
               : *tail;
  }
  /// The block after `block`, made if there is none.
  Block& grow(Block& block) noexcept {
    Block* next = block.next.load(std::memory_order_acquire);
    if (next != nullptr) {
      return *next;
    }
    Block* made = make_block(block.first.get() + kSlots);
    // acq_rel: release publishes the block; acquire sees the one of who was faster.
    if (block.next.compare_exchange_strong(next, made, std::memory_order_acq_rel,
                                           std::memory_order_acquire)) {
      return *made;
    }
    recycle(made);
    return *next;
  }

  Block& find_block(std::uint32_t position) noexcept {
    // acquire: pairs with the advance below: the block is visible.
    Block* block = tail_.load(std::memory_order_acquire);
    if (block == nullptr) [[unlikely]] {
      block = &make_first();
    }
    const std::uint32_t distance = position - static_cast<std::uint32_t>(block->first.get());  // M2
    if (distance < kSlots) [[likely]] {
      return *block;
    }
    return find_later_block(*block, block->first.get() + distance);
  }
  Block& find_later_block(Block& from, std::uint64_t position) noexcept {
    Block* block = &from;
    Block* stuck = nullptr;  // tail_ cannot move past it now
    std::uint32_t steps = 0;
    while (position - block->first.get() >= kSlots) {
      Block& next = grow(*block);
      if (stuck != nullptr) {
        block = &next;
        ++steps;
      } else if (advance_tail(*block, next)) {
        block = &next;
      } else {
        stuck = block;
        // acquire: pairs with the store below. M4.
        Block* far = stuck->far.load(std::memory_order_acquire);
        const bool is_on_the_way = far != nullptr && far->first.get() <= position;
        block = is_on_the_way ? far : &next;
      }
    }
    if (steps >= kLongWalk) {
      // release: the blocks up to it are initialised.
      stuck->far.store(block, std::memory_order_release);
    }
    return *block;
  }
  bool advance_tail(Block& block, Block& next) noexcept {
    for (const Atomic<std::uint8_t>& state : block.states) {
      // acquire: pairs with publish(). M2.
      if (state.load(std::memory_order_acquire) == kEmpty) {
        return false;
      }
    }
    Block* expected = &block;
    // acq_rel: publishes `next`; what was claimed before is seen below.
    if (!tail_.compare_exchange_strong(expected, &next, std::memory_order_acq_rel,
                                       std::memory_order_relaxed)) {
      return false;
    }
    // In order with all claims: whoever may have loaded the old tail_ is among them.
    const std::uint32_t ahead =
        gate_.load_in_order().claimed() - static_cast<std::uint32_t>(block.first.get());
    // release: pairs with free_consumed(); our own use of the block ends here.
    block.passed_at.store(block.first.get() + ahead, std::memory_order_release);
    return true;
  }

  // --- the consumer ---

  /// has_ready() where head_ has been read to its end, or a hole.
  [[gnu::noinline]] bool has_ready_further() noexcept {
    for (;;) {
      const std::uint64_t position = consumed();
      if (position == head_end_) {
        // acquire: pairs with make_first() and grow(): the block is initialised.
        Block* next = head_ == nullptr ? first_.load(std::memory_order_acquire)
                                       : head_->next.load(std::memory_order_acquire);
        if (next == nullptr) {
          return false;
        }
        RINGO_DCHECK(next->first.get() == position, "the consumer skipped a block");
        if (head_ == nullptr) {
          free_ = next;
        }
        head_ = next;
        head_end_ = position + kSlots;
        free_consumed();
      }
      // acquire: pairs with publish().
      const std::uint8_t state = head_->states[position % kSlots].load(std::memory_order_acquire);
      if (state != kHole) {
        return state == kFilled;
      }
      count_consumed();
    }
  }
  void count_consumed() noexcept {
    consumed_.store(consumed() + 1, std::memory_order_relaxed);  // as consumed()
  }
  void free_consumed() noexcept {
    while (free_ != head_) {
      // acquire: pairs with advance_tail().
      const std::uint64_t passed_at = free_->passed_at.load(std::memory_order_acquire);
      if (passed_at == kNotPassed || consumed() < passed_at) {
        return;
      }
      Block* next = free_->next.load(std::memory_order_relaxed);  // set long ago
      recycle(std::exchange(free_, next));
    }
  }

  MpscGate& gate_;
  // Producers.
  Atomic<Block*> tail_{nullptr};
  Atomic<Block*> first_{nullptr};
  Atomic<Block*> spare_{nullptr};
  WakerSlot consumer_;
  // The consumer, on a line of its own.
  alignas(64) Block* head_ = nullptr;
  Block* free_ = nullptr;
  std::uint64_t head_end_ = 0;  ///< the position after head_
  Atomic<std::uint64_t> consumed_{0};
  GateReceiver receiver_;
};

}  // namespace ringo::detail
