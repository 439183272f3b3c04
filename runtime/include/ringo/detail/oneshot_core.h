// SPDX-License-Identifier: MIT
//
// The state of a oneshot channel, without its value. Bits of the word only ever get set:
//
//   VALUE, NO_VALUE             what the sender ended with; exactly one of them, set once
//   RECEIVER_CLOSED             sends fail; VALUE is not set after it
//   RECEIVER_WAITING, SENDER_WAITING   a waker has been put into the slot (it may have gone since)
//   SENDER_GONE, RECEIVER_GONE  that side does not touch the channel any more; the second one frees
//
// Thread safety: each half's members are used by one thread at a time, the halves at the same time.

#pragma once

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

  [[nodiscard]] std::uint32_t load() const noexcept {
    // acquire: pairs with finish(); the value may be read after it.
    return state_.load(std::memory_order_acquire);
  }

  enum class Finished : std::uint8_t { kDone, kLast, kRefused };

  /// The sender's end, with VALUE (stored before) or NO_VALUE. kRefused: the receiver has closed,
  /// the sender is still there. kLast: the channel is the caller's to free.
  [[nodiscard]] Finished finish(std::uint32_t bit) noexcept {
    std::uint32_t old = state_.load(std::memory_order_acquire);
    std::uint32_t leaving = 0;
    do {
      if (bit == kValue && (old & kReceiverClosed) != 0) {
        return Finished::kRefused;
      }
      // Nobody waits: ending and leaving are one step. Otherwise the waker is still to be taken
      // out.
      leaving = (old & kReceiverWaiting) == 0 ? kSenderGone : 0;
      // acq_rel: release publishes the value; acquire pairs with wait_for_value(), and with the
      // receiver's last use where we free.
    } while (!state_.compare_exchange_weak(old, old | bit | leaving, std::memory_order_acq_rel,
                                           std::memory_order_acquire));
    if (leaving != 0) {
      return (old & kReceiverGone) != 0 ? Finished::kLast : Finished::kDone;
    }
    Waker waker = receiver_.take();
    const bool is_last = leave(kSenderGone);
    waker.wake();  // holds its own reference; the channel may be gone
    return is_last ? Finished::kLast : Finished::kDone;
  }

  /// Registers the receiver. False: the sender has ended meanwhile.
  [[nodiscard]] bool wait_for_value(Branch& branch) noexcept {
    receiver_.set(Waker::of(branch));
    // acq_rel: release shows the waker to finish(); acquire shows us the value.
    const std::uint32_t old = state_.fetch_or(kReceiverWaiting, std::memory_order_acq_rel);
    if ((old & (kValue | kNoValue)) != 0) {
      (void)receiver_.take();
      return false;
    }
    return true;
  }
  void stop_waiting_for_value() noexcept { (void)receiver_.take(); }

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
  void stop_waiting_for_close() noexcept { (void)sender_.take(); }

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
  Atomic<std::uint32_t> state_{0};
  WakerSlot receiver_;
  WakerSlot sender_;
};

}  // namespace ringo::detail
