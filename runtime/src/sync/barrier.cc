// SPDX-License-Identifier: MIT
//
// The three steps of a Barrier, each under its lock: arriving, leaving, asking.
//
// Thread safety: all of it; wakes are made after the lock is released.

#include <ringo/detail/mutex.h>
#include <ringo/detail/task_core.h>
#include <ringo/sync/barrier.h>

namespace ringo {

bool Barrier::arrive(Waiter& waiter, detail::Branch& branch) noexcept {
  detail::WakeList woken;
  {
    const detail::MutexGuard guard(mutex_);
    if (arrived_ + 1 < parties_) {
      ++arrived_;
      waiter.branch = &branch;
      waiters_.push_back(waiter);
      return true;
    }
    arrived_ = 0;
    while (Waiter* released = waiters_.pop_front()) {
      if (woken.add(*released->branch)) {
        // Its task does not run before schedule_all(), so nobody reads this now.
        released->is_handed_over = true;
      }
    }
  }
  woken.schedule_all();
  return false;
}

void Barrier::leave(Waiter& waiter) noexcept {
  const detail::MutexGuard guard(mutex_);
  if (waiter.is_linked()) {
    waiters_.remove(waiter);
    --arrived_;
  }
}

bool Barrier::is_waiting(Waiter& waiter) noexcept {
  const detail::MutexGuard guard(mutex_);
  return waiter.is_linked();
}

}  // namespace ringo
