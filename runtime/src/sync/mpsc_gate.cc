// SPDX-License-Identifier: MIT
//
// The slow paths of MpscGate, under its lock: queueing a sender, handing freed permits to the queue
// in order, closing. The invariants G1 and up stand in the header.
//
// Thread safety: all of it; wakes are made after the lock is released.

#include <ringo/detail/mpsc_gate.h>
#include <ringo/detail/mutex.h>
#include <ringo/detail/task_core.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ringo::detail {

std::uint64_t MpscGate::uncredited() const noexcept {
  // acquire: pairs with give_room(). relaxed: the lock.
  return receiver_->returned.load(std::memory_order_acquire) -
         credited_.load(std::memory_order_relaxed);
}

std::size_t MpscGate::free_permits() const noexcept {
  const MutexGuard guard(mutex_);
  std::uint64_t word = word_.load(std::memory_order_acquire);
  for (;;) {
    const std::uint64_t free = State(word).permits() + uncredited();
    // acquire: pairs with the senders' changes. Unchanged: both were so at one moment.
    const std::uint64_t again = word_.load(std::memory_order_acquire);
    if (again == word) {
      return free;
    }
    word = again;
  }
}

void MpscGate::set_credited(std::uint64_t added) noexcept {
  // relaxed: the lock. release: G7.
  credited_.store(credited_.load(std::memory_order_relaxed) + added, std::memory_order_release);
}

void MpscGate::credit_returned() noexcept {
  // Those who wait are served by others (G1), and a closed channel needs no more (G7). relaxed:
  // both bits change under the lock.
  if ((word_.load(std::memory_order_relaxed) & (kClosed | kHasWaiters)) != 0) {
    return;
  }
  if (const std::uint64_t added = uncredited(); added != 0) {
    // release: who takes the permits sees what the receiver did before.
    word_.fetch_add(added * kPermit, std::memory_order_acq_rel);
    set_credited(added);
  }
}

bool MpscGate::credit(std::size_t count) noexcept {
  // acquire, all three: G7.
  const std::uint64_t credited = credited_.load(std::memory_order_acquire);
  const std::uint64_t word = word_.load(std::memory_order_acquire);
  if ((word & kHasWaiters) != 0) {
    return false;
  }
  if ((word & kClosed) != 0 || State(word).permits() >= count) {
    return true;
  }
  if (receiver_->returned.load(std::memory_order_acquire) == credited) {
    return false;
  }
  const MutexGuard guard(mutex_);
  credit_returned();
  return true;
}

std::uint64_t MpscGate::clear_has_waiters() noexcept {
  // relaxed, both: the lock. The look spares the receiver's line.
  if (receiver_->has_waiters.load(std::memory_order_relaxed)) {
    receiver_->has_waiters.store(false, std::memory_order_relaxed);
  }
  return kHasWaiters;
}

MpscGate::Try MpscGate::acquire_or_wait(GateWaiter& waiter, Branch& branch,
                                        std::size_t count) noexcept {
  const MutexGuard guard(mutex_);
  credit_returned();
  std::uint64_t word = word_.load(std::memory_order_relaxed);  // the compare-and-swap decides
  if ((word & kHasWaiters) == 0) {                             // else it stays so: we hold the lock
    bool is_enough = false;
    std::uint64_t desired = 0;
    do {
      if ((word & kClosed) != 0) {
        clear_has_waiters();
        return Try::kClosed;
      }
      is_enough = State(word).permits() >= count;
      if (!is_enough) {
        receiver_->has_waiters.store(true, std::memory_order_relaxed);  // G6
      }
      desired = is_enough ? word - count * kPermit : word | kHasWaiters;
      // acq_rel: as in try_acquire().
    } while (!word_.compare_exchange_weak(word, desired, std::memory_order_acq_rel,
                                          std::memory_order_relaxed));
    if (!is_enough) {
      barrier_after_change();  // G6
#ifdef RINGO_TWIN_NO_SECOND_LOOK
      const std::uint64_t added = 0;
#else
      const std::uint64_t added = uncredited();
#endif
      is_enough = State(word).permits() + added >= count;
      if (is_enough) {
        // acq_rel: as in try_acquire(). G1: nobody else takes permits.
        word_.fetch_sub((count - added) * kPermit + kHasWaiters, std::memory_order_acq_rel);
        set_credited(added);
      }
    }
    if (is_enough) {
      clear_has_waiters();  // G2
      return Try::kDone;
    }
  }
  waiter.branch = &branch;
  waiter.needed = count;
  waiters_.push_back(waiter);
  return Try::kNoPermits;
}

void MpscGate::hand_over(GateWaiter& waiter, WakeList& woken) noexcept {
  if (woken.add(*waiter.branch)) {
    waiter.is_handed_over.set(true);  // G4: its task does not run, so nobody reads it now
  }
}

void MpscGate::send_for(const GateWaiter& waiter, std::uint32_t position,
                        const GatePublisher& publisher) noexcept {
#ifdef RINGO_TWIN_SENDS_WITHOUT_THE_LOCK
  mutex_.unlock();
#endif
  publisher.publish(publisher.queue, position, waiter.value);
#ifdef RINGO_TWIN_SENDS_WITHOUT_THE_LOCK
  mutex_.lock();
#endif
}

std::uint64_t MpscGate::grant(std::size_t returned, const GatePublisher* publisher,
                              WakeList& woken) noexcept {
  // relaxed: what permits and their takers must see is ordered by the changes below, and where the
  // word does not change by the waiter's wake.
  std::uint64_t word = word_.load(std::memory_order_relaxed);
  const std::uint64_t added = waiters_.empty() ? 0 : uncredited();  // closed: G7
  returned += added;
  for (;;) {
    GateWaiter* const first = waiters_.front();
    // G1: whoever gives more back after our looks sees that somebody waits and comes here.
    if (first == nullptr || State(word).permits() + returned < first->needed) {
      break;
    }
    const std::size_t passed_on = std::min(returned, first->needed);
    returned -= passed_on;
    std::uint64_t change = (passed_on - first->needed) * kPermit;
    waiters_.remove(*first);
    if (waiters_.empty()) {
      change -= clear_has_waiters();  // G2
    }
    const bool is_sent = publisher != nullptr && first->value != nullptr &&
                         !first->branch->task().state.is_cancelled();  // G8
    if (is_sent) {
      change += kClaim;
    }
    if (change != 0) {
      // acq_rel: as in try_send(), on behalf of the waiter. G1: nobody else takes permits.
      word = word_.fetch_add(change, std::memory_order_acq_rel);
      if (is_sent) {
        send_for(*first, State(word).claimed(), *publisher);
      }
      word += change;
    }
    first->result = is_sent ? GateWaiter::Result::kSent : GateWaiter::Result::kGranted;
    hand_over(*first, woken);
  }
  if (returned != 0) {
    // acq_rel: as in release().
    word = word_.fetch_add(returned * kPermit, std::memory_order_acq_rel) + returned * kPermit;
  }
  if (added != 0) {
    set_credited(added);
  }
  return word;
}

MpscGate::State MpscGate::serve_waiters(std::size_t returned,
                                        const GatePublisher* publisher) noexcept {
  WakeList woken;
  std::uint64_t word = 0;
  {
    const MutexGuard guard(mutex_);
    word = grant(returned, publisher, woken);
  }
  woken.schedule_all();
  return State(word);
}

bool MpscGate::stop_waiting(GateWaiter& waiter) noexcept {
  WakeList woken;
  bool is_granted = false;
  {
    const MutexGuard guard(mutex_);
    if (waiter.is_linked()) {
      waiters_.remove(waiter);
      if (waiters_.empty()) {
        word_.fetch_and(~clear_has_waiters(), std::memory_order_acq_rel);  // G2
      } else {
        (void)grant(0, nullptr, woken);  // it may have been the big one that held the others up
      }
    } else {
#ifdef RINGO_TWIN_SENT_IS_GRANTED
      is_granted = waiter.result != GateWaiter::Result::kClosed;
#else
      is_granted = waiter.result == GateWaiter::Result::kGranted;
#endif
    }
  }
  woken.schedule_all();
  return is_granted;
}

bool MpscGate::is_queued(GateWaiter& waiter) noexcept {
  const MutexGuard guard(mutex_);
  return waiter.is_linked();
}

MpscGate::State MpscGate::close() noexcept {
  WakeList woken;
  std::uint64_t old = 0;
  {
    const MutexGuard guard(mutex_);
    // acq_rel: what happened before is visible to who finds it closed.
    old = word_.fetch_or(kClosed, std::memory_order_acq_rel);
    while (GateWaiter* waiter = waiters_.pop_front()) {
      hand_over(*waiter, woken);
    }
    word_.fetch_and(~clear_has_waiters(), std::memory_order_acq_rel);  // G2
  }
  woken.schedule_all();
  return State(old);
}

}  // namespace ringo::detail
