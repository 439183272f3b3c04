// SPDX-License-Identifier: MIT
//
// The slow paths of SemaphoreCore, under its lock: queueing a waiter, handing freed permits to the
// queue in order, closing. The invariants S1 and up stand in the header.
//
// Thread safety: all of it; wakes are made after the lock is released.

#include <ringo/detail/mutex.h>
#include <ringo/detail/semaphore_core.h>
#include <ringo/detail/task_core.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ringo::detail {

SemaphoreCore::Try SemaphoreCore::acquire_or_wait(SemaphoreWaiter& waiter, Branch& branch,
                                                  std::size_t count) noexcept {
  const MutexGuard guard(mutex_);
  std::uint64_t word = word_.load(std::memory_order_relaxed);  // the compare-and-swap decides
  for (;;) {
    if ((word & kClosed) != 0) {
      return Try::kClosed;
    }
    if ((word & kHasWaiters) != 0) {
      break;  // S1: it stays so while we hold the lock
    }
    const bool is_enough = word / kPermit >= count;
    const std::uint64_t desired = is_enough ? word - count * kPermit : word | kHasWaiters;
    // acq_rel: as in try_acquire().
    if (word_.compare_exchange_weak(word, desired, std::memory_order_acq_rel,
                                    std::memory_order_relaxed)) {
      if (is_enough) {
        return Try::kAcquired;
      }
      break;
    }
  }
  waiter.branch = &branch;
  waiter.needed = count;
  waiter.is_granted.set(false);
  waiter.is_handed_over.set(false);
  waiters_.push_back(waiter);
  return Try::kNoPermits;
}

void SemaphoreCore::hand_over(SemaphoreWaiter& waiter, WakeList& woken) noexcept {
  if (woken.add(*waiter.branch)) {
    waiter.is_handed_over.set(true);  // S4: its task does not run, so nobody reads it now
  }
}

void SemaphoreCore::grant(std::uint64_t word, WakeList& woken) noexcept {
  std::uint64_t free = word / kPermit;
  while (SemaphoreWaiter* first = waiters_.front()) {
    if (first->needed > free) {
      break;
    }
    free -= first->needed;
    waiters_.remove(*first);
    first->is_granted.set(true);
    hand_over(*first, woken);
  }
  word = (word & kClosed) | free * kPermit | (waiters_.empty() ? 0 : kHasWaiters);
  // release: what the releaser did is visible to who acquires next without the lock.
  word_.store(word, std::memory_order_release);
}

bool SemaphoreCore::release_to_waiters(std::size_t count, std::size_t most_free) noexcept {
  for (;;) {
    WakeList woken;
    {
      const MutexGuard guard(mutex_);
      if (!waiters_.empty()) {
        const std::uint64_t word = word_.load(std::memory_order_relaxed);  // S1
        if (word / kPermit + count > most_free) {
          return false;
        }
        grant(word + count * kPermit, woken);
        break;  // woken schedules them behind the lock
      }
    }
    // The last waiter left before we had the lock. Not under it: whoever sees the permits may be
    // the last user of the semaphore, and destroy it.
    std::uint64_t word = word_.load(std::memory_order_relaxed);  // the compare-and-swap decides
    while ((word & kHasWaiters) == 0) {
      if (word / kPermit + count > most_free) {
        return false;
      }
      // release: as in release().
      if (word_.compare_exchange_weak(word, word + count * kPermit, std::memory_order_acq_rel,
                                      std::memory_order_relaxed)) {
        return true;
      }
    }
  }
  return true;
}

void SemaphoreCore::stop_waiting(SemaphoreWaiter& waiter) noexcept {
  WakeList woken;
  bool must_give_back = false;
  {
    const MutexGuard guard(mutex_);
    if (waiter.is_linked()) {
      waiters_.remove(waiter);
      // It may have been the big one that held the others up.
      grant(word_.load(std::memory_order_relaxed), woken);
    } else {
      must_give_back = waiter.is_granted.get();
    }
  }
  woken.schedule_all();
  if (must_give_back) {
    release(waiter.needed);
  }
}

bool SemaphoreCore::is_queued(SemaphoreWaiter& waiter) noexcept {
  const MutexGuard guard(mutex_);
  return waiter.is_linked();
}

std::size_t SemaphoreCore::queue_position(const SemaphoreWaiter& waiter,
                                          std::size_t most) noexcept {
  const MutexGuard guard(mutex_);
  std::size_t position = 1;
  for (SemaphoreWaiter* at = waiters_.front(); at != nullptr && position <= most;
       at = waiters_.after(*at)) {
    if (at == &waiter) {
      return position;
    }
    ++position;
  }
  return 0;
}

void SemaphoreCore::close() noexcept {
  WakeList woken;
  {
    const MutexGuard guard(mutex_);
    word_.fetch_or(kClosed, std::memory_order_seq_cst);  // see is_closed()
    while (SemaphoreWaiter* waiter = waiters_.pop_front()) {
      hand_over(*waiter, woken);
    }
    word_.fetch_and(~kHasWaiters, std::memory_order_acq_rel);  // S2
  }
  woken.schedule_all();
}

std::size_t SemaphoreCore::forget(std::size_t count) noexcept {
  const MutexGuard guard(mutex_);
  std::uint64_t word = word_.load(std::memory_order_relaxed);  // the compare-and-swap decides
  std::size_t forgotten = 0;
  do {
    forgotten = std::min<std::size_t>(count, word / kPermit);
  } while (!word_.compare_exchange_weak(word, word - forgotten * kPermit, std::memory_order_acq_rel,
                                        std::memory_order_relaxed));
  return forgotten;
}

}  // namespace ringo::detail
