// SPDX-License-Identifier: MIT
//
// What the handles of a broadcast channel share, and the awaiters they hand out; see
// sync/broadcast.h. A ring of slots (broadcast_slot.h), a tail, and one cursor for each receiver.
//
// Invariants
//   B1  `tail`, the list of receivers, their number and the queue of those that wait change under
//       the lock. A value is written to its slot before the tail passes it.
//   B2  A cursor is moved by its receiver alone, and never back. It may pass the tail for a moment:
//   a
//       value can be received as soon as its slot has been written.
//   B3  A value has a share for each receiver that was listed when it was sent; a receiver that
//       leaves, or finds itself disconnected, gives up those that it has not taken.
//   B4  With back-pressure a value is sent by permit, and its last share gives the permit back.
//       Values lose their last share in the order in which they were sent (each receiver takes them
//       in order, and gives up its shares before anything is sent without it), so that nothing that
//       somebody still wants is overwritten.
//   B5  A receiver is disconnected (its `disconnected_at` set, itself unlisted) before the value
//       that it is too slow for is written.
//
// Thread safety: all of it, but a receiver's cursor is its owner's.

#pragma once

#include <ringo/detail/broadcast_slot.h>
#include <ringo/detail/handle_count.h>
#include <ringo/detail/intrusive_list.h>
#include <ringo/detail/leaf_awaiter.h>
#include <ringo/detail/mutex.h>
#include <ringo/detail/semaphore_core.h>
#include <ringo/detail/wait_list.h>
#include <ringo/detail/wait_queue.h>
#include <ringo/sync/broadcast_error.h>
#include <ringo/usage_error.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

namespace ringo::broadcast::detail {

using ringo::detail::Branch;
using ringo::detail::LeafAwaiter;
using ringo::detail::ListNode;
using ringo::detail::MutexGuard;
using ringo::detail::QueueWaiter;
using ringo::detail::WakeList;

/// One receiver. On a cache line of its own: it is written for every value that is received.
struct alignas(64) Cursor : ListNode {
  static constexpr std::uint64_t kNever = UINT64_MAX;

  Atomic<std::uint64_t> next{0};                  ///< the position it will read
  Atomic<std::uint64_t> disconnected_at{kNever};  ///< set once, by the sender
  std::uint64_t missed_at_disconnect = 0;         ///< the receiver's, once it has noticed
};

template <class T>
class Channel : public ringo::detail::RefCounted<Channel<T>> {
  using Slot = detail::Slot<T>;

 public:
  Channel(std::size_t wanted_capacity, Overflow policy)
      : capacity(std::bit_ceil(wanted_capacity)),
        overflow(policy),
        room(capacity),
        slots_(std::make_unique<Slot[]>(capacity)) {}

  // ---- Senders

  /// Sends to all receivers; returns how many. Nothing: there are none, the item has its value.
  [[nodiscard]] std::optional<std::size_t> publish(Slot::Item& item) noexcept {
    typename Slot::Displaced displaced;  // destroyed after the lock
    if (overflow != Overflow::kDisconnectSlow) [[likely]] {
      const MutexGuard guard(mutex_);
      if (waiting_.empty()) [[likely]] {
        return put(item, displaced);
      }
    }
    return publish_and_wake(item);
  }

  /// With the last sender.
  void close() noexcept {
    WakeList woken;
    const MutexGuard guard(mutex_);
    // release: pairs with is_closed(), all values have been sent.
    is_closed_.store(true, std::memory_order_release);
    waiting_.wake_all(woken);
  }
  [[nodiscard]] bool is_closed() const noexcept {
    return is_closed_.load(std::memory_order_acquire);
  }

  [[nodiscard]] bool is_vacant() const noexcept { return receiver_count() == 0; }
  [[nodiscard]] std::size_t receiver_count() const noexcept {
    return receiver_count_.load(std::memory_order_acquire);  // pairs with leave()
  }
  /// Values that not every receiver has received. Complexity: O(receivers).
  [[nodiscard]] std::size_t length() noexcept {
    const MutexGuard guard(mutex_);
    const std::uint64_t end = tail();
    std::uint64_t oldest = end;
    for (Cursor* cursor = cursors_.front(); cursor != nullptr; cursor = cursors_.after(*cursor)) {
      // relaxed: a number that may be old when it is returned.
      oldest = std::min(oldest, cursor->next.load(std::memory_order_relaxed));
    }
    return std::min<std::uint64_t>(end - oldest, capacity);
  }

  // ---- Receivers

  /// Lists a receiver, which gets what is sent from now on. False: there are too many.
  [[nodiscard]] bool join(Cursor& cursor) noexcept {
    const MutexGuard guard(mutex_);
    const std::uint32_t count = receiver_count_.load(std::memory_order_relaxed);  // under the lock
    if (count == kMaxReceivers) {
      return false;
    }
    if (count == 0) {
      oldest_wanted_ = tail();
    }
    cursor.next.store(tail(), std::memory_order_relaxed);  // nobody looks before it is listed
    cursors_.push_back(cursor);
    receiver_count_.store(count + 1, std::memory_order_release);  // pairs with receiver_count()
    return true;
  }
  /// Gives up what the receiver has not received.
  void leave(Cursor& cursor) noexcept {
#ifndef RINGO_MODEL_GIVES_UP_LATE
    give_up(cursor, end_for(cursor));  // most of it, while the senders go on
#endif
    [[maybe_unused]] typename Slot::Dropped dropped;
    std::size_t freed = 0;
    bool is_now_vacant = false;
    {
      const MutexGuard guard(mutex_);
      // B4: nothing that has no share for this receiver may be sent before its last share is gone.
#ifndef RINGO_MODEL_GIVES_UP_LATE
      freed = give_up_rest(cursor, dropped);
#endif
      if (!is_disconnected(cursor)) {
        is_now_vacant = unlist(cursor) == 0;
      }
    }
#ifdef RINGO_MODEL_GIVES_UP_LATE
    give_up(cursor, end_for(cursor));
#endif
    if (freed != 0) {
      room.release(freed);
    }
    if (is_now_vacant) {
      vacancy_waiters.wake_all();
    }
  }

  /// Whether receive() would give something else than kEmpty.
  [[nodiscard]] bool has_news(const Cursor& cursor) const noexcept {
    const std::uint64_t position = position_of(cursor);
    return slot(position).look(position) != Found::kNothingYet || is_closed() ||
           is_disconnected(cursor);
  }

  [[nodiscard]] std::expected<T, RecvError> receive(Cursor& cursor) {
    for (;;) {
      const std::uint64_t position = position_of(cursor);
      Slot& at = slot(position);
      const Found found = at.look(position);
      if (is_disconnected(cursor)) [[unlikely]] {
        return std::unexpected(notice_disconnect(cursor));
      }
      if (found == Found::kNothingYet) {
        if (!is_closed()) {
          return std::unexpected(RecvError(RecvFailure::kEmpty));
        }
        // The acquire in is_closed() makes everything that was sent visible: look once more.
        if (at.look(position) == Found::kNothingYet) {
          return std::unexpected(RecvError(RecvFailure::kClosed));
        }
        continue;
      }
      if (found == Found::kOverwritten) [[unlikely]] {
        return std::unexpected(catch_up(cursor));
      }
      if (auto claim = at.claim(position, has_back_pressure())) [[likely]] {
        // release: pairs with the sender's look at the cursors. Before the copy, which may throw.
        cursor.next.store(position + 1, std::memory_order_release);
        if (has_back_pressure() && claim->is_last()) {
          room.release(1);
        }
        return std::expected<T, RecvError>(std::in_place, claim->take());
      }
    }
  }

  /// Queues the waiter unless there is something to receive.
  [[nodiscard]] bool wait(QueueWaiter& waiter, Branch& branch, const Cursor& cursor) noexcept {
    const MutexGuard guard(mutex_);
    if (tail() != position_of(cursor) || is_closed() || is_disconnected(cursor)) {
      return false;
    }
    waiting_.push(waiter, branch);
    return true;
  }
  void stop_waiting(QueueWaiter& waiter) noexcept {
    const MutexGuard guard(mutex_);
    waiting_.remove(waiter);
  }

  /// Where what was sent to this receiver ends.
  [[nodiscard]] std::uint64_t end_for(const Cursor& cursor) const noexcept {
    const std::uint64_t end = tail();
    // relaxed: the acquire of a tail beyond it has made it visible.
    const std::uint64_t disconnected_at = cursor.disconnected_at.load(std::memory_order_relaxed);
#ifdef RINGO_MODEL_TAIL_AS_END
    return std::min(end, disconnected_at);
#else
    // B2: without the lock, the tail that we see may be behind the cursor.
    return std::max(std::min(end, disconnected_at), position_of(cursor));
#endif
  }
  /// Where the next value will be.
  [[nodiscard]] std::uint64_t tail() const noexcept {
    return tail_.load(std::memory_order_acquire);  // pairs with publish()
  }
  [[nodiscard]] bool has_back_pressure() const noexcept {
    return overflow == Overflow::kBackPressure;
  }
  [[nodiscard]] Metrics metrics() const noexcept {
    // relaxed: mere numbers.
    return Metrics(lagged_.load(std::memory_order_relaxed),
                   disconnected_.load(std::memory_order_relaxed));
  }

  const std::size_t capacity;
  const Overflow overflow;
  ringo::detail::SemaphoreCore room;  ///< used with back-pressure only
  ringo::detail::HandleCount senders{1};
  ringo::detail::WaitList vacancy_waiters;

 private:
  friend class ringo::detail::RefCounted<Channel>;
  ~Channel() = default;

  [[nodiscard]] Slot& slot(std::uint64_t position) const noexcept {
    return slots_[position & (capacity - 1)];
  }
  [[nodiscard]] static std::uint64_t position_of(const Cursor& cursor) noexcept {
    return cursor.next.load(std::memory_order_relaxed);  // the receiver's own
  }
  [[nodiscard]] static bool is_disconnected(const Cursor& cursor) noexcept {
    // relaxed: by B5 whoever has found, with acquire, that a value was overwritten sees it.
    return cursor.disconnected_at.load(std::memory_order_relaxed) != Cursor::kNever;
  }

  /// publish() for when there is more to do than to store the value.
  [[nodiscard, gnu::noinline]] std::optional<std::size_t> publish_and_wake(
      Slot::Item& item) noexcept {
    // Both after the lock is released, in this order: whoever is woken may end the channel.
    typename Slot::Displaced displaced;
    WakeList woken;
    bool is_now_vacant = false;
    std::optional<std::size_t> reached;
    {
      const MutexGuard guard(mutex_);
      const std::uint64_t position = tail_.load(std::memory_order_relaxed);  // under the lock
      if (overflow == Overflow::kDisconnectSlow && !is_vacant() &&
          position - oldest_wanted_ >= capacity) {
        is_now_vacant = disconnect_slow(position) == 0;
      }
      reached = put(item, displaced);
      if (reached) {
        waiting_.wake_all(woken);
      }
    }
    if (is_now_vacant) {
      vacancy_waiters.wake_all();
    }
    return reached;
  }
  /// Writes the next slot, if anybody will read it. Returns for how many.
  std::optional<std::size_t> put(Slot::Item& item, Slot::Displaced& displaced) noexcept
      RINGO_REQUIRES(mutex_) {
    // relaxed: changed under the lock.
    const std::uint64_t position = tail_.load(std::memory_order_relaxed);
    const std::uint32_t count = receiver_count_.load(std::memory_order_relaxed);
    if (count == 0) {
      return std::nullopt;
    }
    displaced = slot(position).write(position, item, count);
    // release: whoever sees the tail sees the slot.
    tail_.store(position + 1, std::memory_order_release);
    return count;
  }

  /// Returns how many are left.
  std::uint32_t unlist(Cursor& cursor) noexcept RINGO_REQUIRES(mutex_) {
    cursors_.remove(cursor);
    // relaxed, release: changed under the lock; pairs with receiver_count().
    const std::uint32_t count = receiver_count_.load(std::memory_order_relaxed) - 1;
    receiver_count_.store(count, std::memory_order_release);
    return count;
  }

  /// Makes room at `position` by disconnecting who still wants the value that is there. Returns how
  /// many receivers are left. Complexity: O(receivers), once for as many values as the slowest one
  /// has been found to have room for.
  std::uint32_t disconnect_slow(std::uint64_t position) noexcept RINGO_REQUIRES(mutex_) {
    oldest_wanted_ = position;
    Cursor* cursor = cursors_.front();
    while (cursor != nullptr) {
      Cursor* following = cursors_.after(*cursor);
      // acquire: pairs with receive().
      const std::uint64_t wanted = cursor->next.load(std::memory_order_acquire);
      if (position - wanted >= capacity) {
        // relaxed: carried by the release of the slot that is written next (B5).
        cursor->disconnected_at.store(position, std::memory_order_relaxed);
        (void)unlist(*cursor);
        disconnected_.fetch_add(1, std::memory_order_relaxed);
      } else {
        oldest_wanted_ = std::min(oldest_wanted_, wanted);
      }
      cursor = following;
    }
    return receiver_count_.load(std::memory_order_relaxed);
  }

  /// The receiver was lapped: goes on with the oldest value that is still there.
  RecvError catch_up(Cursor& cursor) noexcept {
    std::uint64_t oldest = 0;
    {
      const MutexGuard guard(mutex_);  // lets the sender that is overwriting end
      oldest = tail() - capacity;
    }
    const std::uint64_t missed = oldest - position_of(cursor);
    cursor.next.store(oldest, std::memory_order_release);  // as in receive()
    lagged_.fetch_add(missed, std::memory_order_relaxed);
    return RecvError(RecvFailure::kLagged, missed);
  }

  RecvError notice_disconnect(Cursor& cursor) noexcept {
    const std::uint64_t end = cursor.disconnected_at.load(std::memory_order_relaxed);
    if (position_of(cursor) != end) {
      cursor.missed_at_disconnect = end - position_of(cursor);
      give_up(cursor, end);
    }
    return RecvError(RecvFailure::kDisconnected, cursor.missed_at_disconnect);
  }

  /// Gives up the receiver's shares up to `end`.
  void give_up(Cursor& cursor, std::uint64_t end) noexcept {
    const bool holds_shares = Slot::kHoldsResources || has_back_pressure();
    std::uint64_t position = position_of(cursor);
    while (holds_shares && position < end) {
      // Dropping the claim destroys the value if it is the last.
      const auto claim = slot(position).claim(position, has_back_pressure());
      position = claim ? position + 1 : after_overwritten(position);
      cursor.next.store(std::min(position, end), std::memory_order_release);  // as in receive()
      if (claim && has_back_pressure() && claim->is_last()) {
        room.release(1);
      }
    }
    cursor.next.store(end, std::memory_order_release);
  }
  /// The same up to the tail; returns how many values had their last share in this receiver.
  std::size_t give_up_rest(Cursor& cursor, Slot::Dropped& dropped) noexcept RINGO_REQUIRES(mutex_) {
    const bool holds_shares = Slot::kHoldsResources || has_back_pressure();
    const std::uint64_t end = end_for(cursor);
    std::size_t count = 0;
    std::uint64_t position = position_of(cursor);
    while (holds_shares && position < end) {
      auto claim = slot(position).claim(position, has_back_pressure());
      position = claim ? position + 1 : after_overwritten(position);
      if (claim) {
        count += has_back_pressure() && claim->is_last() ? 1 : 0;
        dropped.add(*std::move(claim));
      }
    }
    return count;
  }
  /// A position was overwritten, and so is all that is more than a lap behind.
  [[nodiscard]] std::uint64_t after_overwritten(std::uint64_t position) const noexcept {
    const std::uint64_t end = tail();
    return std::max(position + 1, end > capacity ? end - capacity : 0);
  }

  const std::unique_ptr<Slot[]> slots_;

  alignas(64) ringo::detail::Mutex mutex_;
  Atomic<std::uint32_t> receiver_count_{0};  // written under the lock, as the tail
  Atomic<std::uint64_t> tail_{0};
  Atomic<bool> is_closed_{false};
  ringo::detail::WaitQueue<> waiting_ RINGO_GUARDED_BY(mutex_);
  /// No listed cursor is before it.
  std::uint64_t oldest_wanted_ RINGO_GUARDED_BY(mutex_) = 0;
  ringo::detail::IntrusiveList<Cursor> cursors_ RINGO_GUARDED_BY(mutex_);

  Atomic<std::uint64_t> lagged_{0};
  Atomic<std::uint64_t> disconnected_{0};
};

template <class T>
using ChannelRef = ringo::detail::RefPtr<Channel<T>>;

template <class T>
class RecvAwaiter final : public LeafAwaiter<RecvAwaiter<T>> {
 public:
  static constexpr std::string_view kOperation = "broadcast::recv";

  RecvAwaiter(Channel<T>& channel, Cursor& cursor) noexcept
      : channel_(&channel), cursor_(&cursor) {}
  RecvAwaiter(RecvAwaiter&&) = default;
  RecvAwaiter& operator=(RecvAwaiter&&) = delete;
  ~RecvAwaiter() {
    if (waiter_.is_queued()) {
      channel_->stop_waiting(waiter_);
    }
  }

  // The value stays in the channel until await_resume(), so that a cancelled recv loses nothing.
  bool poll() noexcept { return channel_->has_news(*cursor_); }
  bool enlist(Branch& branch) noexcept { return channel_->wait(waiter_, branch, *cursor_); }
  bool is_ended() noexcept { return poll() || (!waiter_.is_queued() && !enlist(this->branch())); }
  std::expected<T, RecvError> await_resume() { return channel_->receive(*cursor_); }

 private:
  Channel<T>* channel_;
  Cursor* cursor_;
  QueueWaiter waiter_;
};

/// Waits for room where the channel has back-pressure.
template <class T>
class SendAwaiter final : public LeafAwaiter<SendAwaiter<T>> {
 public:
  static constexpr std::string_view kOperation = "broadcast::send";

  SendAwaiter(Channel<T>& channel, T&& value)
      : channel_(&channel), wait_(channel.room, 1), item_(std::move(value)) {}
  SendAwaiter(SendAwaiter&&) = default;
  SendAwaiter& operator=(SendAwaiter&&) = delete;
  ~SendAwaiter() = default;

  bool poll() noexcept { return !channel_->has_back_pressure() || wait_.poll(); }
  bool enlist(Branch& branch) noexcept { return wait_.enlist(branch); }
  bool is_ended() noexcept { return wait_.is_ended(); }
  void describe_more(ringo::detail::LeafDescription& description) const noexcept {
    wait_.describe(description);
  }
  std::expected<std::size_t, SendError<T>> await_resume() {
    const std::optional<std::size_t> reached = channel_->publish(item_);
    if (!reached) {
      return std::unexpected(SendError<T>{item_.into_value()});  // wait_ gives the room back
    }
    (void)wait_.take();
    return *reached;
  }

 private:
  Channel<T>* channel_;
  ringo::detail::PermitWait wait_;
  Slot<T>::Item item_;
};

}  // namespace ringo::broadcast::detail
