// SPDX-License-Identifier: MIT
//
// Branches that wait in line inside a channel. The queue has no lock of its own: the channel's
// lock, under which the channel also changes what they wait for, is its lock. A waiter that has
// been woken sees so without the lock.
//
// Thread safety: the owner's lock; QueueWaiter::is_queued() from the waiting branch at any time.

#pragma once

#include <ringo/detail/atomic.h>
#include <ringo/detail/intrusive_list.h>
#include <ringo/detail/leaf_awaiter.h>
#include <ringo/detail/task_core.h>
#include <ringo/detail/wait_list.h>

#include <atomic>
#include <string_view>

namespace ringo::detail {

/// Lives in the awaiter, which must lock the owner and remove() it while is_queued().
class QueueWaiter : public ListNode {
 public:
  QueueWaiter() = default;
  QueueWaiter(QueueWaiter&& /*idle*/) noexcept {}

  /// False: whoever woke it is done with it. True may be out of date: the wake comes before the
  /// flag is cleared. So who would go back to sleep because of it looks at is_linked() under the
  /// lock.
  [[nodiscard]] bool is_queued() const noexcept {
    // acquire: pairs with wake(); what the waker did, and its last use of the waiter, come before.
    return is_queued_.load(std::memory_order_acquire);
  }

 private:
  template <class>
  friend class WaitQueue;

  Branch* branch_ = nullptr;
  Atomic<bool> is_queued_{false};
};

/// First in, first out. Waiter derives from QueueWaiter. All members: under the owner's lock.
template <class Waiter = QueueWaiter>
class WaitQueue {
 public:
  [[nodiscard]] bool empty() const noexcept { return waiters_.empty(); }

  void push(Waiter& waiter, Branch& branch) noexcept {
    waiter.branch_ = &branch;
    // relaxed: read by the waiting branch itself, or by others under the lock.
    waiter.is_queued_.store(true, std::memory_order_relaxed);
    waiters_.push_back(waiter);
  }
  /// By the waiter. Nothing, if it has been woken meanwhile.
  void remove(Waiter& waiter) noexcept {
    if (waiter.is_linked()) {
      waiters_.remove(waiter);
      waiter.is_queued_.store(false, std::memory_order_relaxed);  // as in push()
    }
  }

  [[nodiscard]] Waiter* front() noexcept { return waiters_.front(); }
  /// Unlinks the first waiter and wakes it; its result must have been stored. The waiter may be
  /// gone when this returns.
  void wake_front(WakeList& woken) noexcept {
    Waiter& waiter = *waiters_.pop_front();
    woken.add(*waiter.branch_);
    // release: pairs with is_queued().
    waiter.is_queued_.store(false, std::memory_order_release);
  }
  void wake_all(WakeList& woken) noexcept {
    while (!waiters_.empty()) {
      wake_front(woken);
    }
  }

 private:
  IntrusiveList<Waiter> waiters_;
};

/// Awaits that an object has no receivers, `is_vacant()`, which may change back; its
/// `vacancy_waiters` (a WaitList) are woken whenever it becomes true. Cancel safe.
template <class Owner>
class VacancyAwaiter final : public LeafAwaiter<VacancyAwaiter<Owner>> {
 public:
  static constexpr std::string_view kOperation = "closed";

  explicit VacancyAwaiter(Owner& owner) noexcept : owner_(&owner) {}
  VacancyAwaiter(VacancyAwaiter&&) = default;
  VacancyAwaiter& operator=(VacancyAwaiter&&) = delete;
  ~VacancyAwaiter() { stop_waiting(); }

  bool poll() noexcept { return owner_->is_vacant(); }
  bool enlist(Branch& branch) noexcept {
    return owner_->vacancy_waiters.add_unless(waiter_, branch,
                                              [this] { return owner_->is_vacant(); });
  }
  bool is_ended() noexcept {
    if (poll()) {
      return true;
    }
    stop_waiting();  // a new receiver may have come before this woken branch could look
    return !enlist(this->branch());
  }
  void await_resume() const noexcept {}

 private:
  void stop_waiting() noexcept {
    if (waiter_.branch != nullptr) {
      owner_->vacancy_waiters.remove(waiter_);
    }
  }

  Owner* owner_;
  WaitList::Waiter waiter_;
};

}  // namespace ringo::detail
