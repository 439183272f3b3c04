// SPDX-License-Identifier: MIT
//
// Branches that wait for one event that happens once and stays (a channel was closed). The event's
// flag belongs to the owner, who sets it before wake_all() and whose waiters look at it under the
// list's lock.
//
// Thread safety: all of it. No allocation per waiter.

#pragma once

#include <ringo/detail/intrusive_list.h>
#include <ringo/detail/leaf_awaiter.h>
#include <ringo/detail/mutex.h>
#include <ringo/detail/task_core.h>

#include <string_view>
#include <utility>

namespace ringo::detail {

class WaitList {
 public:
  struct Waiter : ListNode {
    Waiter() = default;
    Waiter(Waiter&&) noexcept {}
    Branch* branch = nullptr;
  };

  WaitList() = default;
  WaitList(const WaitList&) = delete;
  WaitList& operator=(const WaitList&) = delete;
  ~WaitList() = default;

  /// Links the waiter unless `has_happened()`. False: it has.
  template <class Predicate>
  [[nodiscard]] bool add_unless(Waiter& waiter, Branch& branch, Predicate has_happened) noexcept {
    const MutexGuard guard(mutex_);
    if (has_happened()) {
      return false;
    }
    waiter.branch = &branch;
    waiters_.push_back(waiter);
    return true;
  }
  void remove(Waiter& waiter) noexcept {
    const MutexGuard guard(mutex_);
    if (waiter.is_linked()) {
      waiters_.remove(waiter);
    }
  }
  void wake_all() noexcept {
    WakeList woken;
    {
      const MutexGuard guard(mutex_);
      while (Waiter* waiter = waiters_.pop_front()) {
        woken.add(*waiter->branch);
      }
    }
    woken.schedule_all();
  }

 private:
  Mutex mutex_;
  IntrusiveList<Waiter> waiters_ RINGO_GUARDED_BY(mutex_);
};

/// Awaits an object's `is_closed()`, whose waiters are in its `closed_waiters`. Cancel safe.
template <class Closable>
class ClosedAwaiter final : public LeafAwaiter<ClosedAwaiter<Closable>> {
 public:
  static constexpr std::string_view kOperation = "closed";

  explicit ClosedAwaiter(Closable& closable) noexcept : closable_(&closable) {}
  ClosedAwaiter(ClosedAwaiter&&) = default;
  ClosedAwaiter& operator=(ClosedAwaiter&&) = delete;
  ~ClosedAwaiter() {
    if (waiter_.branch != nullptr) {
      closable_->closed_waiters.remove(waiter_);
    }
  }

  bool poll() noexcept { return closable_->is_closed(); }
  bool enlist(Branch& branch) noexcept {
    return closable_->closed_waiters.add_unless(waiter_, branch,
                                                [this] { return closable_->is_closed(); });
  }
  bool is_ended() noexcept { return poll(); }
  void await_resume() const noexcept {}

 private:
  Closable* closable_;
  WaitList::Waiter waiter_;
};

}  // namespace ringo::detail
