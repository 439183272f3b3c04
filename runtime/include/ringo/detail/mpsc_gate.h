// SPDX-License-Identifier: MIT
//
// Who may send into an mpsc channel, and at which position: permits, positions, the closing and
// the receiver's sleep in one word, because then a send costs one read-modify-write (it takes its
// permit and its position, and learns whether somebody waits for it). A receive leaves that word
// alone, which would else travel between two processors twice a message: it counts what it gives
// back on the receiver's own line, and a sender that finds no permit in the word looks there.
//
//   word_      {positions claimed: 32 | permits: 29 | RECEIVER_WAITING | CLOSED | HAS_WAITERS}
//   returned   permits that the receiver has given back; written by nobody else
//   credited_  how many of these have gone to the word, or straight to those who wait
//
// Free are the word's permits and returned - credited_. Positions count from the channel's
// beginning and wrap; the queue knows the upper bits. A channel without a limit uses neither
// permits nor waiters.
//
// Invariants
//   G1  While HAS_WAITERS is set, only the holder of the lock takes permits; anybody may give some
//       back, and then serves the queue under the lock. So nobody overtakes the queue, and no
//       permit stays beside a waiter that it is enough for.
//   G2  HAS_WAITERS and has_waiters are set exactly while the queue is not empty (seen under the
//       lock).
//   G3  The first waiter waits until there are as many permits as it needs, the others behind it.
//   G4  A waiter is taken from the queue, and woken, under the lock. If its task was idle then, it
//       cannot run before the lock is released: only then is is_handed_over set, which it may read
//       without the lock.
//   G5  A claim that finds RECEIVER_WAITING clears it, and wakes the receiver when its value is in
//       its place. A receiver that sets it and finds nothing claimed is hence woken by the next
//       value, and one that finds something claimed must not sleep.
//   G6  The receiver counts what it gives back, then looks at has_waiters; the first waiter sets
//       has_waiters, then looks at what the receiver has given back. Both have a full barrier
//       between: one of the two sees the other.
//   G7  credited_ changes under the lock, after the word, and in a closed channel not at all. So
//       who reads credited_, the word and returned, in this order, and finds nothing to credit, has
//       seen all permits that were free when it read the word.
//   G8  What a queued waiter is going to send belongs to the holder of the lock. A receiver that
//       makes room sends it, unless the task has been aborted: with the permit it claims the place,
//       and fills it. So the task need not run for the receiver to go on, and when it runs, an
//       answer may be there already. (RECEIVER_WAITING stays if it is there: the receiver is us,
//       and who claims next looks at an empty slot.)
//
// The word and what changes with it are on a line of their own, and so is GateReceiver with what
// else the receiver writes.
//
// Thread safety: all of it; give_room() is the receiver's. Complexity: if nobody waits, a send is
// one read-modify-write, and a lock when the permits that it knew of are used up; a receive is a
// full barrier. Else a lock.

#pragma once

#include <ringo/detail/assert.h>
#include <ringo/detail/atomic.h>
#include <ringo/detail/intrusive_list.h>
#include <ringo/detail/mutex.h>
#include <ringo/detail/task_core.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace ringo::detail {

class MpscGate;

/// The gate's part of the receiver's line.
struct GateReceiver {
  MpscGate* bounded_gate = nullptr;  ///< null in a channel without a limit
  Atomic<std::uint64_t> returned{0};
  Atomic<bool> has_waiters{false};
};

/// How the receiver fills a place that it has claimed for a waiter (G8).
struct GatePublisher {
  void (*publish)(void* queue, std::uint32_t position, void* value) noexcept;
  void* queue;
};

/// A sender that waits for permits, in its awaiter. Changed under the gate's lock; see G4.
struct GateWaiter : ListNode {
  /// Granted: the permits are the waiter's. Sent: its value is in the queue, and the permit that
  /// value's.
  enum class Result : std::uint8_t { kClosed, kGranted, kSent };

  GateWaiter() = default;

  Branch* branch = nullptr;
  std::size_t needed = 0;
  void* value = nullptr;              ///< what it will send, if the receiver may do that for it
  Result result = Result::kClosed;    ///< when it is not queued any more
  Plain<bool> is_handed_over{false};  ///< it is not queued any more
};

class MpscGate {
 public:
  static constexpr std::size_t kMaxCapacity = (std::size_t{1} << 29) - 1;

  /// kOthersWait: for permits, so there are none for who comes now.
  enum class Try : std::uint8_t { kDone, kClosed, kNoPermits, kOthersWait };

  /// A place in the queue. Whoever has one fills it at once.
  struct Claim {
    std::uint32_t position = 0;
    bool must_wake = false;  ///< the receiver sleeps: wake it when the place is filled
  };

  /// What a moment's word says.
  class State {
   public:
    explicit State(std::uint64_t word) noexcept : word_(word) {}
    [[nodiscard]] std::uint32_t claimed() const noexcept {
      return static_cast<std::uint32_t>(word_ / kClaim);
    }
    [[nodiscard]] std::size_t permits() const noexcept { return (word_ / kPermit) & kMaxCapacity; }
    [[nodiscard]] bool is_closed() const noexcept { return (word_ & kClosed) != 0; }

   private:
    std::uint64_t word_;
  };

  /// A capacity of 0: no limit. Before its use it needs place_receiver().
  explicit MpscGate(std::size_t capacity) : word_(capacity * kPermit), capacity_(capacity) {}
  MpscGate(const MpscGate&) = delete;
  MpscGate& operator=(const MpscGate&) = delete;
  ~MpscGate() = default;

  /// Where the receiver's part is, for as long as the gate is used.
  void place_receiver(GateReceiver& receiver) noexcept {
    receiver.bounded_gate = capacity_ != 0 ? this : nullptr;
    receiver_ = &receiver;
  }

  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  /// The permits that are free: exact if nobody changes anything. Takes the lock.
  [[nodiscard]] std::size_t free_permits() const noexcept;
  [[nodiscard]] State load() const noexcept {
    // acquire: who sees it closed sees what happened before.
    return State(word_.load(std::memory_order_acquire));
  }
  /// Closed, and all permits at home: nothing can come any more. For the receiver, and for who has
  /// just changed the word: whoever of these is last sees it.
  [[nodiscard]] bool is_finished(State state) const noexcept {
    // G7: after the closing permits only come home, so it is never said too early. acquire: pairs
    // with give_room().
    return state.is_closed() && state.permits() +
                                        receiver_->returned.load(std::memory_order_acquire) -
                                        credited_.load(std::memory_order_relaxed) ==
                                    capacity_;
  }

  /// Takes a permit that is in the word, and a place for it. See with_credit().
  [[nodiscard]] Try try_send(Claim& claim) noexcept {
    std::uint64_t word = word_.load(std::memory_order_relaxed);  // the compare-and-swap decides
    do {
      if ((word & (kClosed | kHasWaiters)) != 0 || (word & kPermitMask) == 0) [[unlikely]] {
        return why_not(word);
      }
      // acquire: pairs with release() and credit(), what the receiver did before is visible.
      // release: pairs with advance_tail() in the queue, who reads the word sees that the place is
      // taken.
    } while (!word_.compare_exchange_weak(word, (word + kClaim - kPermit) & ~kReceiverWaiting,
                                          std::memory_order_acq_rel, std::memory_order_relaxed));
    claim = claim_of(word);
    return Try::kDone;
  }

  /// Takes permits that are in the word, without places. See with_credit().
  [[nodiscard]] Try try_acquire(std::size_t count) noexcept {
    std::uint64_t word = word_.load(std::memory_order_relaxed);  // the compare-and-swap decides
    do {
      if ((word & (kClosed | kHasWaiters)) != 0 || State(word).permits() < count) {
        return why_not(word);
      }
      // acquire: as in try_send().
    } while (!word_.compare_exchange_weak(word, word - count * kPermit, std::memory_order_acq_rel,
                                          std::memory_order_relaxed));
    return Try::kDone;
  }
  /// One of these two, with what the receiver has given back: it fails only if there is no room, or
  /// others wait.
  template <class Attempt>
  [[nodiscard]] Try with_credit(std::size_t count, Attempt attempt) noexcept {
    for (;;) {
      const Try result = attempt();
      if (result != Try::kNoPermits || !credit(count)) [[likely]] {
        return result;
      }
    }
  }
  /// The place for a permit that was taken before; also in a closed channel.
  [[nodiscard]] Claim claim() noexcept {
    // acq_rel: as in try_send().
    const std::uint64_t old = word_.fetch_add(kClaim, std::memory_order_acq_rel);
    clear_receiver_waiting(old);
    return claim_of(old);
  }
  /// A place in a channel without a limit. False: it is closed, and the claim void.
  [[nodiscard]] bool claim_unless_closed(Claim& claim) noexcept {
    // acq_rel: as in try_send().
    const std::uint64_t old = word_.fetch_add(kClaim, std::memory_order_acq_rel);
    if ((old & (kClosed | kReceiverWaiting)) != 0) [[unlikely]] {
      if ((old & kClosed) != 0) {
        return false;
      }
      clear_receiver_waiting(old);
    }
    claim = claim_of(old);
    return true;
  }

  /// Gives permits back unused, to waiters first. Returns the state after it; if waiters were given
  /// all of them, a state before that (which was not the channel's last: they have them).
  State release(std::size_t count) noexcept {
    // relaxed: a look saves what waiters are given from passing through the word. G1 counts on the
    // look below.
    if ((word_.load(std::memory_order_relaxed) & kHasWaiters) != 0) [[unlikely]] {
      return serve_waiters(count, nullptr);
    }
    // release: pairs with try_send(). acquire: the channel may end by this.
    const std::uint64_t old = word_.fetch_add(count * kPermit, std::memory_order_acq_rel);
    if ((old & kHasWaiters) != 0) [[unlikely]] {
      (void)serve_waiters(0, nullptr);
    }
    return State(old + count * kPermit);
  }
  /// The receiver: gives back the permits of what it has taken out, to waiters first. G8, unless
  /// there is no publisher.
  void give_room(GateReceiver& receiver, std::size_t count,
                 const GatePublisher* publisher) noexcept {
    // relaxed: as in release().
    if (receiver.has_waiters.load(std::memory_order_relaxed)) [[unlikely]] {
      (void)serve_waiters(count, publisher);
      return;
    }
    // relaxed: our own. release: who takes the permits sees what we did before.
    const std::uint64_t before = receiver.returned.load(std::memory_order_relaxed);
    store_before_barrier(receiver.returned, before + count);  // G6
    // relaxed: the lock orders the rest.
    if (receiver.has_waiters.load(std::memory_order_relaxed)) [[unlikely]] {
      (void)serve_waiters(0, publisher);
    }
  }

  /// Acquires, or queues the waiter. kNoPermits: it is queued, and woken when it is granted, its
  /// value has been sent, or the channel is closed.
  [[nodiscard]] Try acquire_or_wait(GateWaiter& waiter, Branch& branch, std::size_t count) noexcept;
  /// After a wake: whether it is still queued.
  [[nodiscard]] bool is_waiting(GateWaiter& waiter) noexcept {
    return !waiter.is_handed_over.get() && is_queued(waiter);
  }
  /// Ends a wait. True: the waiter had been granted what it needed, and it is the caller's. False:
  /// it had not, or the channel is closed, or its value has been sent.
  [[nodiscard]] bool stop_waiting(GateWaiter& waiter) noexcept;

  /// Fails all waiters, and all who come. Permits can still be given back or used. Returns the
  /// state before.
  State close() noexcept;

  /// The receiver, after it put its waker where wake-ups look for it: asks for one. Returns the
  /// state before.
  State start_receiver_wait() noexcept {
    // acq_rel: release shows the waker to who claims or closes after it; acquire shows what
    // happened before.
    return State(word_.fetch_or(kReceiverWaiting, std::memory_order_acq_rel));
  }
  /// The state, by a read-modify-write: whatever claim is not in it comes after the call, and sees
  /// what the caller did before it.
  [[nodiscard]] State load_in_order() noexcept {
    return State(word_.fetch_add(0, std::memory_order_acq_rel));
  }

 private:
  static constexpr std::uint64_t kHasWaiters = 1;
  static constexpr std::uint64_t kClosed = 2;
  static constexpr std::uint64_t kReceiverWaiting = 4;
  static constexpr std::uint64_t kPermit = 8;
  static constexpr std::uint64_t kPermitMask = kPermit * kMaxCapacity;
  static constexpr std::uint64_t kClaim = std::uint64_t{1} << 32;

  /// full_barrier() behind a read-modify-write, which is one by itself on x86.
  static void barrier_after_change() noexcept {
#if defined(__x86_64__) && !defined(RINGO_MODEL)
    std::atomic_signal_fence(std::memory_order_seq_cst);
#else
    full_barrier();
#endif
  }
  /// A release, then full_barrier(): one instruction on x86.
  static void store_before_barrier(Atomic<std::uint64_t>& counter, std::uint64_t value) noexcept {
#if defined(__x86_64__) && !defined(RINGO_MODEL)
    counter.exchange(value, std::memory_order_seq_cst);
#else
    counter.store(value, std::memory_order_release);
#ifndef RINGO_TWIN_NO_RECEIVER_BARRIER
    full_barrier();
#endif
#endif
  }
  static Try why_not(std::uint64_t word) noexcept {
    if ((word & kClosed) != 0) {
      return Try::kClosed;
    }
    return (word & kHasWaiters) != 0 ? Try::kOthersWait : Try::kNoPermits;
  }
  static Claim claim_of(std::uint64_t word_before) noexcept {
    return {State(word_before).claimed(), (word_before & kReceiverWaiting) != 0};
  }
  void clear_receiver_waiting(std::uint64_t seen) noexcept {
    if ((seen & kReceiverWaiting) != 0) [[unlikely]] {
      // relaxed: a bit too many costs a look at an empty slot; the claim has ordered all else.
      word_.fetch_and(~kReceiverWaiting, std::memory_order_relaxed);
    }
  }

  /// What the receiver has given back and nobody has got yet.
  [[nodiscard]] std::uint64_t uncredited() const noexcept RINGO_REQUIRES(mutex_);

  /// For who did not find so many permits in the word: puts there what the receiver has given back.
  /// False: there were not so many all the same, or others wait. True: the word has changed.
  [[nodiscard]] bool credit(std::size_t count) noexcept;
  /// Puts it into the word, unless somebody waits or the channel is closed.
  void credit_returned() noexcept RINGO_REQUIRES(mutex_);
  /// After the word was changed by it.
  void set_credited(std::uint64_t added) noexcept RINGO_REQUIRES(mutex_);
  /// G2: the receiver's flag, and the bit that is to be cleared in the word.
  std::uint64_t clear_has_waiters() noexcept RINGO_REQUIRES(mutex_);

  /// Grants under the lock, and wakes. Returns as release().
  State serve_waiters(std::size_t returned, const GatePublisher* publisher) noexcept;
  /// Grants from the queue's front what there is in the word, and beside it, which goes first, what
  /// is not credited and `returned` permits; what is left of these goes to the word. G8, if there
  /// is a publisher. Returns the word as far as it is known.
  std::uint64_t grant(std::size_t returned, const GatePublisher* publisher,
                      WakeList& woken) noexcept RINGO_REQUIRES(mutex_);
  /// G8.
  void send_for(const GateWaiter& waiter, std::uint32_t position,
                const GatePublisher& publisher) noexcept RINGO_REQUIRES(mutex_);
  [[nodiscard]] bool is_queued(GateWaiter& waiter) noexcept;
  static void hand_over(GateWaiter& waiter, WakeList& woken) noexcept;

  alignas(64) Atomic<std::uint64_t> word_;
  Atomic<std::uint64_t> credited_{0};  ///< G7
  mutable Mutex mutex_;
  IntrusiveList<GateWaiter> waiters_ RINGO_GUARDED_BY(mutex_);
  const std::size_t capacity_;
  GateReceiver* receiver_ = nullptr;
};

/// The waiting part of an awaiter that needs permits. Its owner, who knows the gate and the count,
/// calls enlist() and is_ended() from its own, take() when it uses the permits, and abandon() at
/// its end.
class GateWait {
 public:
  GateWait() noexcept {}
  /// Only before it is awaited.
  GateWait(GateWait&& other) noexcept : state_(std::exchange(other.state_, State::kIdle)) {
    RINGO_DCHECK(state_ != State::kWaiting, "an awaiter was moved while it waited");
  }
  GateWait& operator=(GateWait&&) = delete;
  ~GateWait() {
    RINGO_DCHECK(state_ != State::kWaiting && state_ != State::kAcquired, "a permit was lost");
  }

  bool poll(MpscGate& gate, std::size_t count) noexcept { return settle(gate.try_acquire(count)); }
  /// `value`: see GateWaiter.
  bool enlist(MpscGate& gate, std::size_t count, Branch& branch, void* value = nullptr) noexcept {
    std::construct_at(&waiter_);
    waiter_.value = value;
    state_ = State::kWaiting;
    return !settle(gate.acquire_or_wait(waiter_, branch, count));
  }
  bool is_ended(MpscGate& gate) noexcept {
    if (gate.is_waiting(waiter_)) {
      return false;
    }
    state_ = state_after(waiter_.result);
    return true;
  }

  /// What was needed has been taken, and used, without a wait.
  void set_used() noexcept { state_ = State::kUsed; }
  [[nodiscard]] bool is_used() const noexcept { return state_ == State::kUsed; }
  /// The permits are the caller's from now on. False: the channel was closed.
  [[nodiscard]] bool take() noexcept {
    if (state_ != State::kAcquired) {
      return false;
    }
    state_ = State::kUsed;
    return true;
  }
  /// Whether abandon() has anything to do.
  [[nodiscard]] bool is_pending() const noexcept {
    return state_ == State::kWaiting || state_ == State::kAcquired;
  }
  /// Ends the wait, however far it is. True: the permits were granted, and are the caller's.
  [[nodiscard]] bool abandon(MpscGate& gate) noexcept {
    const State state = std::exchange(state_, State::kUsed);
    return state == State::kWaiting ? gate.stop_waiting(waiter_) : state == State::kAcquired;
  }

 private:
  enum class State : std::uint8_t { kIdle, kWaiting, kAcquired, kClosed, kUsed };

  static State state_after(GateWaiter::Result result) noexcept {
    switch (result) {
      case GateWaiter::Result::kClosed:
        return State::kClosed;
      case GateWaiter::Result::kGranted:
        return State::kAcquired;
      case GateWaiter::Result::kSent:
        return State::kUsed;
    }
    std::unreachable();
  }
  bool settle(MpscGate::Try result) noexcept {
    if (result == MpscGate::Try::kNoPermits || result == MpscGate::Try::kOthersWait) {
      return false;
    }
    state_ = result == MpscGate::Try::kDone ? State::kAcquired : State::kClosed;
    return true;
  }

  State state_ = State::kIdle;
  // Made by enlist(): what an operation that needs not wait stores is time before its
  // read-modify-write. It needs no destruction.
  union {
    GateWaiter waiter_;
  };
};

}  // namespace ringo::detail
