// SPDX-License-Identifier: MIT
//
// The paths of NotifyCore that take its lock: queueing, notifying and leaving. The invariants N1
// and up stand in the header.
//
// Thread safety: all of it; tasks are scheduled after the lock is released.

#include <ringo/detail/notify_core.h>
#include <ringo/detail/relax.h>
#include <ringo/detail/task_core.h>

#include <atomic>
#include <cstdint>

namespace ringo::detail {
std::uint64_t NotifyCore::spin_until_unlocked() const noexcept {
  for (int look = 0;; ++look) {
    relax_or_yield(look);
    const std::uint64_t word = word_.load(std::memory_order_acquire);  // as wait_until_unlocked()
    if ((word & kLocked) == 0) {
      return word;
    }
  }
}

std::uint64_t NotifyCore::lock() noexcept {
  std::uint64_t word = wait_until_unlocked();
  // acquire: pairs with unlock(). release: what the notifier or the waiter did before is part of
  // what the other side sees.
  while (!word_.compare_exchange_weak(word, word | kLocked, std::memory_order_acq_rel,
                                      std::memory_order_relaxed)) {
    word = wait_until_unlocked();
  }
  return word;
}

Notification NotifyCore::try_take(std::uint64_t generation) noexcept {
  for (;;) {
    std::uint64_t word = wait_until_unlocked();
    if ((word & kGenerationMask) != generation) {
      return Notification::kAll;  // before the permit, which stays for another
    }
    if ((word & kPermit) == 0) {
      return Notification::kNone;
    }
    // acquire: pairs with notify().
    if (word_.compare_exchange_weak(word, word & ~kPermit, std::memory_order_acq_rel,
                                    std::memory_order_relaxed)) {
      return Notification::kOne;
    }
  }
}

Notification NotifyCore::take_or_wait(NotifyWaiter& waiter, Branch* branch,
                                      std::uint64_t generation) noexcept {
  for (;;) {
    std::uint64_t word = wait_until_unlocked();
    if ((word & kGenerationMask) != generation) {
      return Notification::kAll;
    }
    const bool has_permit = (word & kPermit) != 0;
    const std::uint64_t desired = has_permit ? word & ~kPermit : word | kLocked;
    // acq_rel: as in lock() and try_take().
    if (!word_.compare_exchange_weak(word, desired, std::memory_order_acq_rel,
                                     std::memory_order_relaxed)) {
      continue;
    }
    if (has_permit) {
      return Notification::kOne;
    }
    waiter.branch = branch;
    // relaxed: the lock orders it.
    waiter.notification.store(Notification::kNone, std::memory_order_relaxed);
    waiters_.push_back(waiter);
    unlock(word | kWaiters);
    return Notification::kNone;
  }
}

bool NotifyCore::set_branch(NotifyWaiter& waiter, Branch& branch) noexcept {
  const std::uint64_t word = lock();
  waiter.branch = &branch;
  const bool is_waiting = waiter.is_linked();
  unlock(word);
  return is_waiting;
}

Notification NotifyCore::stop_waiting(NotifyWaiter& waiter) noexcept {
  if (const Notification notification = look(waiter); notification != Notification::kNone) {
    return notification;
  }
  const std::uint64_t word = lock();
  if (waiter.is_linked()) {
    waiters_.remove(waiter);
  }
  // relaxed: it changes under the lock only.
  const Notification notification = waiter.notification.load(std::memory_order_relaxed);
  unlock(with_waiters(word));
  return notification;
}

void NotifyCore::replace(NotifyWaiter& from, NotifyWaiter& to) noexcept {
  const std::uint64_t word = lock();
  to.branch = from.branch;
  // relaxed: as in stop_waiting().
  to.notification.store(from.notification.load(std::memory_order_relaxed),
                        std::memory_order_relaxed);
  if (from.is_linked()) {
    waiters_.replace(from, to);
  }
  unlock(word);
}

void NotifyCore::notify_waiter(Notification kind) noexcept {
  WakeList woken;
  const std::uint64_t word = lock();
  NotifyWaiter* waiter = kind == Notification::kLast ? waiters_.back() : waiters_.front();
  if (waiter == nullptr) {
    unlock(word | kPermit);
    return;
  }
  waiters_.remove(*waiter);
  if (waiter->branch != nullptr) {
    woken.add(*waiter->branch);
  }
  // release: pairs with look(). N3, N4.
  waiter->notification.store(kind, std::memory_order_release);
  unlock(with_waiters(word));
  woken.schedule_all();
}

void NotifyCore::notify_waiters() noexcept {
  WakeList woken;
  const std::uint64_t word = lock();
  while (NotifyWaiter* waiter = waiters_.pop_front()) {
    if (waiter->branch != nullptr) {
      woken.add(*waiter->branch);
    }
    // release: as in notify_waiter().
    waiter->notification.store(Notification::kAll, std::memory_order_release);
  }
  unlock((word & ~kWaiters) + kGeneration);
  woken.schedule_all();
}

}  // namespace ringo::detail
