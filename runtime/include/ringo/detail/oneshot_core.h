// SPDX-License-Identifier: MIT
//
// The state of a oneshot channel, without its value. All bits of the word but RECEIVER_WAITING only
// ever get set:
//
//   VALUE, NO_VALUE   what the sender ended with: one of them at most, set once
//   RECEIVER_CLOSED   sends fail; VALUE is not set after it
//   RECEIVER_WAITING  the receiver's waker is in its place. Whoever ends the wait owns it: the
//                     sender by setting VALUE or NO_VALUE, the receiver by clearing the bit first
//   SENDER_WAITING    a waker has been put into the sender's slot; it may have been taken since
//   SENDER_GONE,      that side does not touch the channel any more; whoever is the second to go
//   RECEIVER_GONE     frees it
//   the rest          how often the receiver has begun to wait. The sender reads the waker before
//                     it owns it, because with the same step it leaves the channel; the number
//                     says that it is still the same one. (Were it to come round, 2^25 waits would
//                     have to begin and be given up between the two.)
//
// Thread safety: each half's members are used by one thread at a time, the halves at the same time.

#pragma once

#include <ringo/detail/assert.h>
#include <ringo/detail/atomic.h>
#include <ringo/detail/task_core.h>

#include <cstdint>

namespace ringo::detail {

class OneshotCore {
 public:
  static constexpr std::uint32_t kValue = 1;
  static constexpr std::uint32_t kNoValue = 2;
  static constexpr std::uint32_t kReceiverClosed = 4;
  static constexpr std::uint32_t kReceiverWaiting = 8;
  static constexpr std::uint32_t kSenderWaiting = 16;
  static constexpr std::uint32_t kSenderGone = 32;
  static constexpr std::uint32_t kReceiverGone = 64;
#ifdef RINGO_TWIN_NO_NUMBER
  static constexpr std::uint32_t kReceiverWait = 0;
#else
  static constexpr std::uint32_t kReceiverWait = 128;  ///< one more wait of the receiver
#endif

  [[nodiscard]] std::uint32_t load() const noexcept {
    // acquire: pairs with finish(); the value may be read after it.
    return state_.load(std::memory_order_acquire);
  }

  enum class Finished : std::uint8_t { kDone, kLast, kRefused };

  /// The sender's end, with VALUE (stored before) or NO_VALUE. kRefused: the receiver has closed,
  /// the sender is still there. kLast: the channel is the caller's to free.
  [[nodiscard]] Finished finish(std::uint32_t bit) noexcept {
    std::uint32_t old = state_.load(std::memory_order_acquire);
    BranchWord waker = 0;
    do {
      if (bit == kValue && (old & kReceiverClosed) != 0) {
        return Finished::kRefused;
      }
      // relaxed: the bit was seen, so the waker is; another one would come with another number.
      waker = (old & kReceiverWaiting) == 0 ? 0 : receiver_.load(std::memory_order_relaxed);
      // acq_rel: release publishes the value; acquire pairs with wait_for_value(), and with the
      // receiver's last use where we free.
    } while (!state_.compare_exchange_weak(old, old | bit | kSenderGone, std::memory_order_acq_rel,
                                           std::memory_order_acquire));
    Waker::from_word(waker).wake();  // holds its own reference; the channel may be gone
    return (old & kReceiverGone) != 0 ? Finished::kLast : Finished::kDone;
  }

  /// Registers the receiver, which is not registered. False: the sender has ended meanwhile.
  [[nodiscard]] bool wait_for_value(Branch& branch) noexcept {
    const BranchWord waker = Waker::of(branch).into_word();
    // relaxed: a sender that reads it sees the bit first, or fails by the number.
    receiver_.store(waker, std::memory_order_relaxed);
    // acq_rel: release shows the waker to finish(); acquire shows us the value.
    const std::uint32_t old =
        state_.fetch_add(kReceiverWaiting + kReceiverWait, std::memory_order_acq_rel);
    RINGO_DCHECK((old & kReceiverWaiting) == 0, "a oneshot's receiver waits twice");
    if ((old & kEnded) != 0) {
      (void)Waker::from_word(waker);  // the sender did not know of it
      return false;
    }
    return true;
  }
  /// After wait_for_value() was true.
  void stop_waiting_for_value() noexcept {
    if ((load() & kEnded) != 0) {
      return;  // the sender has the waker
    }
    // acq_rel: the next registration, or the freeing of the channel, comes after the sender's look.
    const std::uint32_t old = state_.fetch_and(~kReceiverWaiting, std::memory_order_acq_rel);
    if ((old & kEnded) == 0) {
      // relaxed: our own.
      (void)Waker::from_word(receiver_.load(std::memory_order_relaxed));
    }
  }

  /// Registers the sender to be woken when the receiver closes. False: it has.
  [[nodiscard]] bool wait_for_close(Branch& branch) noexcept {
    sender_.set(Waker::of(branch));
    // acq_rel: as in wait_for_value(), with close().
    const std::uint32_t old = state_.fetch_or(kSenderWaiting, std::memory_order_acq_rel);
    if ((old & kReceiverClosed) != 0) {
      (void)sender_.take();
      return false;
    }
    return true;
  }
  void stop_waiting_for_close() noexcept { sender_.reset(); }

  /// The receiver's: sends fail from now on. Returns the state before.
  std::uint32_t close() noexcept {
    // acq_rel: as in wait_for_close().
    const std::uint32_t old = state_.fetch_or(kReceiverClosed, std::memory_order_acq_rel);
    if ((old & kSenderWaiting) != 0) {
      sender_.take().wake();
    }
    return old;
  }

  /// One side's last act. True: it was the second, and frees the channel.
  [[nodiscard]] bool leave(std::uint32_t gone) noexcept {
    const std::uint32_t other = gone == kSenderGone ? kReceiverGone : kSenderGone;
    // acquire: pairs with the other's leave. If it has gone already, nobody else looks.
    if ((state_.load(std::memory_order_acquire) & other) != 0) {
      return true;
    }
    // acq_rel: all uses by both sides happen before the channel is freed.
    return (state_.fetch_or(gone, std::memory_order_acq_rel) & other) != 0;
  }

 private:
  static constexpr std::uint32_t kEnded = kValue | kNoValue;

  Atomic<std::uint32_t> state_{0};
  Atomic<BranchWord> receiver_{0};  ///< see RECEIVER_WAITING
  WakerSlot sender_;
};

}  // namespace ringo::detail
