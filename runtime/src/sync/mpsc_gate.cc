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

MpscGate::Try MpscGate::acquire_or_wait(GateWaiter& waiter, Branch& branch,
                                        std::size_t count) noexcept {
  const MutexGuard guard(mutex_);
  std::uint64_t word = word_.load(std::memory_order_relaxed);  // the compare-and-swap decides
  for (;;) {
    if ((word & kClosed) != 0) {
      return Try::kClosed;
    }
    if ((word & kHasWaiters) != 0) {
      break;  // it stays so while we hold the lock
    }
    const bool is_enough = State(word).permits() >= count;
    const std::uint64_t desired = is_enough ? word - count * kPermit : word | kHasWaiters;
    // acq_rel: as in try_acquire().
    if (word_.compare_exchange_weak(word, desired, std::memory_order_acq_rel,
                                    std::memory_order_relaxed)) {
      if (is_enough) {
        return Try::kDone;
      }
      break;
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

std::uint64_t MpscGate::grant(std::size_t returned, WakeList& woken) noexcept {
  // relaxed: what permits and their takers must see is ordered by the changes below, and where the
  // word does not change by the waiter's wake.
  std::uint64_t word = word_.load(std::memory_order_relaxed);
  for (;;) {
    GateWaiter* const first = waiters_.front();
    // G1: whoever gives more back after our look sees HAS_WAITERS and comes here.
    if (first == nullptr || State(word).permits() + returned < first->needed) {
      break;
    }
    const std::size_t passed_on = std::min(returned, first->needed);
    returned -= passed_on;
    std::uint64_t taken = (first->needed - passed_on) * kPermit;
    waiters_.remove(*first);
    if (waiters_.empty()) {
      taken += kHasWaiters;  // G2
    }
    if (taken != 0) {
      // acq_rel: as in try_send(), on behalf of the waiter. G1: nobody else takes permits.
      word = word_.fetch_sub(taken, std::memory_order_acq_rel) - taken;
    }
    first->is_granted = true;
    hand_over(*first, woken);
  }
  if (returned != 0) {
    // acq_rel: as in release().
    word = word_.fetch_add(returned * kPermit, std::memory_order_acq_rel) + returned * kPermit;
  }
  return word;
}

MpscGate::State MpscGate::serve_waiters(std::size_t returned) noexcept {
  WakeList woken;
  std::uint64_t word = 0;
  {
    const MutexGuard guard(mutex_);
    word = grant(returned, woken);
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
        word_.fetch_and(~kHasWaiters, std::memory_order_acq_rel);  // G2
      } else {
        (void)grant(0, woken);  // it may have been the big one that held the others up
      }
    } else {
      is_granted = waiter.is_granted;
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
    word_.fetch_and(~kHasWaiters, std::memory_order_acq_rel);  // G2
  }
  woken.schedule_all();
  return State(old);
}

}  // namespace ringo::detail
