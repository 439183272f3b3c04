// SPDX-License-Identifier: MIT
//
// The word and the queue behind Notify. One word holds everything that a call without waiters needs
// to know, and is the queue's lock as well, because a wait or a wake then costs one
// read-modify-write: who holds LOCKED is the only one to change the word, so unlocking is a store.
//
//   word_   {generation: 61 | LOCKED | WAITERS | PERMIT}
//
// Invariants
//   N1  PERMIT and WAITERS are never set together; WAITERS is set exactly while the queue is not
//       empty (seen without LOCKED).
//   N2  The generation counts notify_waiters(). A waiter remembers the one of its creation; another
//       one in the word means that it has been notified.
//   N3  A waiter's `notification` is set once, under the lock, and is the last that a notifier does
//       to it, after the branch was added to those that are woken. So a task that was made ready,
//       and then sees the word without LOCKED, sees its notification.
//   N4  Whoever has seen its notification waits until LOCKED is clear before it goes on: then its
//       notifier has done with the word, and the waiter may destroy it.
//
// Thread safety: all of it. The lock is held for a few instructions, by notify_waiters() for some
// per waiter; others spin, then let other threads run.

#pragma once

#include <ringo/detail/atomic.h>
#include <ringo/detail/intrusive_list.h>
#include <ringo/detail/task_core.h>

#include <cstdint>

namespace ringo::detail {

/// How a waiter was notified, which decides what becomes of it if nobody takes it.
enum class Notification : std::uint8_t { kNone, kOne, kLast, kAll };

/// A waiter, in the awaiter. `branch` is changed under the lock.
struct NotifyWaiter : ListNode {
  NotifyWaiter() = default;

  Branch* branch = nullptr;  ///< null while it is enabled but not awaited
  Atomic<Notification> notification{Notification::kNone};
};

class NotifyCore {
 public:
  NotifyCore() = default;
  NotifyCore(const NotifyCore&) = delete;
  NotifyCore& operator=(const NotifyCore&) = delete;
  ~NotifyCore() = default;

  [[nodiscard]] std::uint64_t generation() const noexcept {
    // acquire: what the creator of a waiter looks at next is looked at after it; with
    // notify_waiters() a flag set before the call is seen, or the call notifies.
    return word_.load(std::memory_order_acquire) & kGenerationMask;
  }

  /// Ends a wait that is not queued, if it can: kOne, the permit was taken; kAll; or kNone.
  [[nodiscard]] Notification try_take(std::uint64_t generation) noexcept;
  /// try_take(), or else queues the waiter (kNone).
  [[nodiscard]] Notification take_or_wait(NotifyWaiter& waiter, Branch* branch,
                                          std::uint64_t generation) noexcept;
  /// Gives a queued waiter a branch. False: it has been notified.
  [[nodiscard]] bool set_branch(NotifyWaiter& waiter, Branch& branch) noexcept;
  /// How a waiter that was queued was notified; kNone if it still waits.
  [[nodiscard]] Notification look(const NotifyWaiter& waiter) const noexcept {
    (void)wait_until_unlocked();  // N3
    // acquire: pairs with notify_waiter(), so that the word is seen LOCKED, or after that.
    const Notification notification = waiter.notification.load(std::memory_order_acquire);
    if (notification != Notification::kNone) {
      (void)wait_until_unlocked();  // N4
    }
    return notification;
  }
  /// Ends the wait of a waiter that was queued. How it had been notified.
  [[nodiscard]] Notification stop_waiting(NotifyWaiter& waiter) noexcept;
  /// Lets `to`, which is in no queue, take the place of `from`.
  void replace(NotifyWaiter& from, NotifyWaiter& to) noexcept;

  /// Notifies the oldest waiter (kOne) or the newest (kLast), or stores the permit.
  void notify(Notification kind) noexcept {
    std::uint64_t word = word_.load(std::memory_order_relaxed);  // the compare-and-swap decides
    while ((word & (kWaiters | kLocked)) == 0) {
      // Also if the permit is there already: acq_rel: its taker sees what every notifier did.
      if (word_.compare_exchange_weak(word, word | kPermit, std::memory_order_acq_rel,
                                      std::memory_order_relaxed)) {
        return;
      }
    }
    notify_waiter(kind);
  }
  void notify_waiters() noexcept;

 private:
  static constexpr std::uint64_t kPermit = 1;
  static constexpr std::uint64_t kWaiters = 2;
  static constexpr std::uint64_t kLocked = 4;
  static constexpr std::uint64_t kGeneration = 8;
  static constexpr std::uint64_t kGenerationMask = ~(kGeneration - 1);

  void notify_waiter(Notification kind) noexcept;
  /// Takes the lock; returns the word as it was.
  std::uint64_t lock() noexcept;
  void unlock(std::uint64_t word) noexcept {
    // release: publishes the queue to the next lock(), and notifications to look().
    word_.store(word, std::memory_order_release);
  }
  /// `word` with WAITERS as the queue says.
  [[nodiscard]] std::uint64_t with_waiters(std::uint64_t word) noexcept {
    return waiters_.empty() ? word & ~kWaiters : word | kWaiters;
  }
  /// Returns the word, without LOCKED.
  std::uint64_t wait_until_unlocked() const noexcept {
    // acquire: pairs with unlock().
    const std::uint64_t word = word_.load(std::memory_order_acquire);
    return (word & kLocked) == 0 ? word : spin_until_unlocked();
  }
  std::uint64_t spin_until_unlocked() const noexcept;

  Atomic<std::uint64_t> word_{0};
  IntrusiveList<NotifyWaiter> waiters_;  // under LOCKED
};

}  // namespace ringo::detail
