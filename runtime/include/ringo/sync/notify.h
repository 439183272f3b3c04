// SPDX-License-Identifier: MIT
//
// Notify: tells one task, or all that wait, that something has happened; it carries no data. As
// tokio::sync::Notify. To send values take a channel; to share the newest value, watch; to stop
// many tasks for good, a cancellation token.
//
//   ringo::Notify notify;
//   notify.notify_one();
//   co_await notify.notified();
//
// notify_one() without a waiter is remembered, once: the next notified() ends at once. So "change
// the state, then notify_one()" on one side and "look at the state, then notified()" in a loop on
// the other lose nothing with one waiter. notify_waiters() remembers nothing; to miss none, begin
// the wait before looking at the state:
//
//   ringo::Notified notified = notify.notified();
//   if (!is_ready) {
//     co_await std::move(notified);
//   }
//
// Thread safety: all of Notify; a Notified is one owner's. No runtime is needed.

#pragma once

#include <ringo/detail/leaf_awaiter.h>
#include <ringo/detail/notify_core.h>

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

namespace ringo {

class Notify;

namespace detail {

template <class Keeper>
class NotifiedAwaiter;

/// The wait for a notification; Keeper is what makes sure that the Notify lives: a pointer or a
/// shared_ptr. It begins when it is made, not when it is awaited. Awaited once, by value:
///
///   co_await notify.notified();
///   co_await std::move(notified);
///
/// Moving one that was enabled keeps its place in the queue. After a move it may only be destroyed.
/// Destroying one that was notified but not awaited to its end passes the notification on: that of
/// notify_one() to the oldest waiter, that of notify_last() to the newest, or it is stored.
/// Thread safety: one owner's. No allocation.
template <class Keeper>
class [[nodiscard]] BasicNotified {
 public:
  explicit BasicNotified(Keeper notify) noexcept
      : notify_(std::move(notify)), generation_(core().generation()) {}
  BasicNotified(BasicNotified&& other) noexcept
      : notify_(std::move(other.notify_)),
        generation_(other.generation_),
        outcome_(std::exchange(other.outcome_, Notification::kNone)),
        is_queued_(std::exchange(other.is_queued_, false)) {
    if (is_queued_) {
      core().replace(other.waiter_, waiter_);
    }
  }
  BasicNotified& operator=(BasicNotified&&) = delete;
  ~BasicNotified() {
    if (is_queued_) {
      outcome_ = core().stop_waiting(waiter_);
    }
    if (outcome_ == Notification::kOne || outcome_ == Notification::kLast) {
      core().notify(outcome_);
    }
  }

  /// Takes the wait's place in the queue now, before it is awaited, so that notify_one() may choose
  /// it. True: it has been notified already, and awaiting it will not wait.
  bool enable() noexcept { return is_queued_ ? has_been_notified() : !join(nullptr); }

  /// What co_await uses.
  [[nodiscard]] NotifiedAwaiter<Keeper> into_awaiter() && noexcept {
    return NotifiedAwaiter<Keeper>(std::move(*this));
  }

 private:
  friend class NotifiedAwaiter<Keeper>;

  [[nodiscard]] bool poll() noexcept {
    if (is_queued_) {
      return has_been_notified();
    }
    if (outcome_ == Notification::kNone) {
      outcome_ = core().try_take(generation_);
    }
    return outcome_ != Notification::kNone;
  }
  /// Joins the queue. False: it has been notified instead.
  [[nodiscard]] bool join(Branch* branch) noexcept {
    if (outcome_ == Notification::kNone) {
      outcome_ = core().take_or_wait(waiter_, branch, generation_);
      is_queued_ = outcome_ == Notification::kNone;
    }
    return is_queued_;
  }
  [[nodiscard]] bool enlist(Branch& branch) noexcept {
    return is_queued_ ? core().set_branch(waiter_, branch) : join(&branch);
  }
  [[nodiscard]] bool has_been_notified() const noexcept {
    return core().look(waiter_) != Notification::kNone;
  }
  /// The notification was used.
  void finish() noexcept {
    is_queued_ = false;
    outcome_ = Notification::kNone;
  }

  // Notify is complete where this is used.
  [[nodiscard]] NotifyCore& core() const noexcept { return notify_->core_; }

  Keeper notify_;
  std::uint64_t generation_;
  NotifyWaiter waiter_;
  Notification outcome_ = Notification::kNone;  ///< of a wait that never was in the queue
  bool is_queued_ = false;                      ///< it has joined the queue; it may have left since
};

/// Waits in a Notified. Movable until it is awaited.
template <class Keeper>
class NotifiedAwaiter final : public LeafAwaiter<NotifiedAwaiter<Keeper>> {
 public:
  static constexpr std::string_view kOperation = "Notify::notified";

  explicit NotifiedAwaiter(BasicNotified<Keeper>&& notified) noexcept
      : notified_(std::move(notified)) {}

  bool poll() noexcept { return notified_.poll(); }
  bool enlist(Branch& branch) noexcept { return notified_.enlist(branch); }
  bool is_ended() noexcept { return notified_.has_been_notified(); }
  void await_resume() noexcept { notified_.finish(); }

 private:
  BasicNotified<Keeper> notified_;
};

}  // namespace detail

/// What notified() gives; see detail::BasicNotified.
using Notified = detail::BasicNotified<Notify*>;
/// A Notified that keeps its Notify alive.
using OwnedNotified = detail::BasicNotified<std::shared_ptr<Notify>>;

/// Requires: it outlives its Notified. A task that has been notified may destroy it.
class Notify {
 public:
  Notify() = default;
  Notify(const Notify&) = delete;
  Notify& operator=(const Notify&) = delete;
  ~Notify() = default;

  /// Waits for a notification: a stored one, one by notify_one() or notify_last() that chooses this
  /// waiter, or any notify_waiters() from now on, even if this is not awaited until later. Waiters
  /// are served first come, first served; the place in the queue is taken when it is first awaited
  /// or enabled.
  ///
  /// Cancel safety: no notification is lost, it is passed on; the place in the queue is lost.
  /// Complexity: O(1), one read-modify-write with or without waiting.
  [[nodiscard]] Notified notified() noexcept { return Notified(this); }

  /// Wakes the waiter that has waited longest. Without a waiter the notification is stored for the
  /// next; two are stored as one. What happened before the call is visible to who is notified.
  /// Complexity: O(1).
  void notify_one() noexcept { core_.notify(detail::Notification::kOne); }

  /// notify_one() for the newest waiter: for pools in which the warmest should go on.
  void notify_last() noexcept { core_.notify(detail::Notification::kLast); }

  /// Wakes all whose notified() was called before, even if they are not awaited yet. Stores
  /// nothing, and takes no stored notification away. Complexity: O(waiters), holding up other calls
  /// for as long.
  void notify_waiters() noexcept { core_.notify_waiters(); }

 private:
  template <class>
  friend class detail::BasicNotified;

  detail::NotifyCore core_;
};

/// Notify::notified() that keeps the Notify alive: for waits that are stored or given to other
/// tasks.
[[nodiscard]] inline OwnedNotified notified_owned(std::shared_ptr<Notify> notify) noexcept {
  return OwnedNotified(std::move(notify));
}

}  // namespace ringo
