// SPDX-License-Identifier: MIT
//
// A task that waits for one direction of a source. An event takes it out of the source's list under
// the source's lock; after that its owner may go without the lock, which a wait that ended as it
// should is thereby spared. tests/model/io_waiter_model.cc checks it.
//
// Thread safety: as said of each.

#pragma once

#include <ringo/detail/atomic.h>
#include <ringo/detail/intrusive_list.h>
#include <ringo/detail/task_core.h>

#include <atomic>

namespace ringo::detail {

class IoWaiter : public ListNode {
 public:
  IoWaiter() = default;
  /// Only before the wait begins.
  IoWaiter(IoWaiter&& /*other*/) noexcept {}

  /// By the owner. False: it is in no list, and no event looks at it any more.
  [[nodiscard]] bool may_be_linked() const noexcept {
    // acquire: pairs with wake(). What it did to the list's links happens before the next use.
    return branch_.load(std::memory_order_acquire) != nullptr;
  }

  // Under the source's lock.

  void link_as(Branch& branch) noexcept {
    // relaxed, here and below: the lock orders it, or it is the owner's own.
    branch_.store(&branch, std::memory_order_relaxed);
  }
  /// After it was unlinked. The owner may go as soon as it sees the store.
  void wake(WakeList& woken) noexcept {
    // The branch is alive: its owner, if it is about to go, waits for the lock until the store.
    woken.add(*branch_.load(std::memory_order_relaxed));
    branch_.store(nullptr, std::memory_order_release);  // see may_be_linked()
  }
  void give_up() noexcept { branch_.store(nullptr, std::memory_order_relaxed); }

 private:
  Atomic<Branch*> branch_{nullptr};
};

}  // namespace ringo::detail
