// SPDX-License-Identifier: MIT
//
// broadcast: many senders, many receivers, and every receiver gets a copy of every value that is
// sent after it subscribed: events, chat rooms, invalidations. As tokio::sync::broadcast.
//
//   auto [tx, rx] = ringo::broadcast::channel<std::string>(16);
//   ringo::broadcast::Receiver<std::string> second = tx.subscribe();
//   tx.send("hello").value();
//   auto first_copy = co_await rx.recv();
//   auto second_copy = co_await second.recv();
//
// The channel keeps `capacity` values. What becomes of a receiver that is further behind is the
// channel's Overflow: it lags (and is told how many it missed), it is waited for, or it is
// disconnected. Each value to one receiver only: mpmc, or mpsc. Only the latest value: watch.
//
// A value is stored once and copied for each receiver; the last one moves it out. Copy constructors
// and destructors run under no lock: a slow copy holds nobody up. Share what is large
// (std::shared_ptr, Bytes).
//
// Thread safety: senders may be copied to any thread and used from many at a time. A Receiver is
// one owner's. No runtime is needed.

#pragma once

#include <ringo/detail/block_on_leaf.h>
#include <ringo/detail/broadcast_channel.h>
#include <ringo/sync/broadcast_error.h>
#include <ringo/usage_error.h>

#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <utility>

namespace ringo::broadcast {

/// The most that channel() takes: the ring is allocated at once.
inline constexpr std::size_t kMaxCapacity = std::size_t{1} << 20;
/// The most receivers that a channel may have at a time.
inline constexpr std::size_t kMaxReceivers = detail::kMaxReceivers;

template <class T>
class WeakSender;
template <class T>
class Receiver;

/// Sends to all receivers. Copy it for each producer; the channel closes with the last copy.
template <class T>
class Sender {
  static_assert(std::copy_constructible<T>, "each receiver gets a copy of a broadcast value");

 public:
  /// A channel without receivers, as yet: subscribe(). Panics: as channel().
  explicit Sender(std::size_t capacity, Overflow overflow = Overflow::kLag)
      : channel_(make(capacity, overflow)) {}
  Sender(const Sender& other) noexcept : channel_(other.channel_) {
    if (channel_) {
      channel_->senders.add();
    }
  }
  Sender(Sender&&) noexcept = default;
  Sender& operator=(Sender other) noexcept {
    std::swap(channel_, other.channel_);
    return *this;
  }
  ~Sender() {
    if (channel_ && channel_->senders.drop()) {
      channel_->close();
    }
  }

  /// Sends, at once. Returns how many receivers there are; none of them need look at it.
  /// Errors: SendError with the value if there is no receiver; subscribe() makes one.
  /// Panics: UsageError on a channel with back-pressure, where sending may have to wait:
  /// send_wait() or try_send(). Complexity: O(1) and O(receivers that wait).
  std::expected<std::size_t, SendError<T>> send(T value) const {
    if (channel_->has_back_pressure()) {
      ringo::detail::throw_usage_error(
          "broadcast::Sender::send: this channel has back-pressure: co_await send_wait(), or "
          "try_send()");
    }
    typename detail::Slot<T>::Item item(std::move(value));
    const std::optional<std::size_t> reached = channel_->publish(item);
    if (!reached) {
      return std::unexpected(SendError<T>{item.into_value()});
    }
    return *reached;
  }

  /// send() that fails with kFull where a channel with back-pressure would have to wait. Never
  /// overtakes senders that wait.
  std::expected<std::size_t, TrySendError<T>> try_send(T value) const {
    typename detail::Slot<T>::Item item(std::move(value));
    const bool needs_permit = channel_->has_back_pressure();
    if (needs_permit &&
        channel_->room.try_acquire(1) != ringo::detail::SemaphoreCore::Try::kAcquired) {
      return std::unexpected(TrySendError<T>{SendFailure::kFull, item.into_value()});
    }
    const std::optional<std::size_t> reached = channel_->publish(item);
    if (!reached) {
      if (needs_permit) {
        channel_->room.release(1);
      }
      return std::unexpected(TrySendError<T>{SendFailure::kClosed, item.into_value()});
    }
    return *reached;
  }

  /// send() that waits, first come first served, until the slowest receiver has made room. Only a
  /// channel with back-pressure ever waits. Errors: as send(); also while it waits, when the last
  /// receiver goes.
  ///
  /// Cancel safety: if it is cancelled the value is destroyed and was surely not sent; the place in
  /// the queue is lost. Requires: the sender lives meanwhile.
  [[nodiscard]] detail::SendAwaiter<T> send_wait(T value) const {
    return detail::SendAwaiter<T>(*channel_, std::move(value));
  }
  /// send_wait() for threads. Panics: UsageError on a worker thread.
  std::expected<std::size_t, SendError<T>> blocking_send(T value) const {
    return ringo::detail::block_on_leaf("broadcast::Sender::blocking_send",
                                        send_wait(std::move(value)));
  }

  /// A receiver of what is sent from now on; it revives a channel that has none.
  /// Panics: UsageError for more than kMaxReceivers.
  [[nodiscard]] Receiver<T> subscribe() const { return Receiver<T>(channel_); }

  /// Waits until there is no receiver. Cancel safe. Requires: the sender lives meanwhile.
  [[nodiscard]] ringo::detail::VacancyAwaiter<detail::Channel<T>> closed() const noexcept {
    return ringo::detail::VacancyAwaiter<detail::Channel<T>>(*channel_);
  }
  [[nodiscard]] std::size_t receiver_count() const noexcept { return channel_->receiver_count(); }

  /// How many values not every receiver has received, up to the capacity.
  /// Complexity: O(receivers).
  [[nodiscard]] std::size_t len() const noexcept { return channel_->length(); }
  [[nodiscard]] bool is_empty() const noexcept { return len() == 0; }
  /// How many values the channel keeps: a power of two.
  [[nodiscard]] std::size_t capacity() const noexcept { return channel_->capacity; }
  [[nodiscard]] Metrics metrics() const noexcept { return channel_->metrics(); }

  [[nodiscard]] WeakSender<T> downgrade() const noexcept { return WeakSender<T>(channel_); }
  [[nodiscard]] std::size_t strong_count() const noexcept { return channel_->senders.strong(); }
  [[nodiscard]] std::size_t weak_count() const noexcept { return channel_->senders.weak(); }
  [[nodiscard]] bool same_channel(const Sender& other) const noexcept {
    return channel_ == other.channel_;
  }

 private:
  friend class WeakSender<T>;

  /// Takes over a strong count.
  explicit Sender(detail::ChannelRef<T> channel) noexcept : channel_(std::move(channel)) {}

  static detail::ChannelRef<T> make(std::size_t capacity, Overflow overflow) {
    if (capacity == 0 || capacity > kMaxCapacity) {
      ringo::detail::throw_usage_error(
          "broadcast::channel: the capacity must be from 1 to 1,048,576");
    }
    return detail::ChannelRef<T>(*new detail::Channel<T>(capacity, overflow));
  }

  detail::ChannelRef<T> channel_;
};

/// A sender that does not keep the channel open.
template <class T>
class WeakSender {
 public:
  WeakSender(const WeakSender& other) noexcept : channel_(other.channel_) {
    if (channel_) {
      channel_->senders.add_weak();
    }
  }
  WeakSender(WeakSender&&) noexcept = default;
  WeakSender& operator=(WeakSender other) noexcept {
    std::swap(channel_, other.channel_);
    return *this;
  }
  ~WeakSender() {
    if (channel_) {
      channel_->senders.drop_weak();
    }
  }

  /// A sender again, unless the last one has gone.
  [[nodiscard]] std::optional<Sender<T>> upgrade() const noexcept {
    if (!channel_->senders.upgrade()) {
      return std::nullopt;
    }
    return Sender<T>(channel_);
  }
  [[nodiscard]] std::size_t strong_count() const noexcept { return channel_->senders.strong(); }
  [[nodiscard]] std::size_t weak_count() const noexcept { return channel_->senders.weak(); }

 private:
  friend class Sender<T>;
  explicit WeakSender(const detail::ChannelRef<T>& channel) noexcept : channel_(channel) {
    channel_->senders.add_weak();
  }

  detail::ChannelRef<T> channel_;
};

/// Receives a copy of each value. Destroying it gives up what it has not received.
template <class T>
class [[nodiscard]] Receiver {
 public:
  Receiver(Receiver&&) noexcept = default;
  Receiver& operator=(Receiver&& other) noexcept {
    std::swap(channel_, other.channel_);
    std::swap(cursor_, other.cursor_);
    return *this;
  }
  ~Receiver() {
    if (cursor_) {
      channel_->leave(*cursor_);
    }
  }

  /// The next value. Errors: kLagged with how many it has missed (the next call gives the oldest
  /// value that is still there); kClosed once all senders are gone and all values received;
  /// kDisconnected, from then on always, if the channel disconnects the slow. Throws what the
  /// value's copy constructor throws; that value is lost for this receiver.
  ///
  /// Cancel safe. Requires: the receiver lives meanwhile.
  [[nodiscard]] detail::RecvAwaiter<T> recv() noexcept {
    return detail::RecvAwaiter<T>(*channel_, *cursor_);
  }
  /// The same without waiting. Errors: also kEmpty.
  [[nodiscard]] std::expected<T, RecvError> try_recv() { return channel_->receive(*cursor_); }
  /// recv() for threads. Panics: UsageError on a worker thread.
  std::expected<T, RecvError> blocking_recv() {
    return ringo::detail::block_on_leaf("broadcast::Receiver::blocking_recv", recv());
  }

  /// Another receiver of the same channel, which gets what is sent from now on.
  /// Panics: UsageError for more than kMaxReceivers.
  [[nodiscard]] Receiver resubscribe() const { return Receiver(channel_); }

  /// How many values were sent that it has not received; those that it has lost count until it is
  /// told of them.
  [[nodiscard]] std::size_t len() const noexcept {
    return channel_->end_for(*cursor_) - cursor_->next.load(std::memory_order_relaxed);
  }
  [[nodiscard]] bool is_empty() const noexcept { return len() == 0; }
  /// All senders have gone. There may still be something to receive.
  [[nodiscard]] bool is_closed() const noexcept { return channel_->senders.strong() == 0; }
  [[nodiscard]] std::size_t sender_strong_count() const noexcept {
    return channel_->senders.strong();
  }
  [[nodiscard]] std::size_t sender_weak_count() const noexcept { return channel_->senders.weak(); }
  [[nodiscard]] bool same_channel(const Receiver& other) const noexcept {
    return channel_ == other.channel_;
  }

 private:
  friend class Sender<T>;

  explicit Receiver(detail::ChannelRef<T> channel)
      : channel_(std::move(channel)), cursor_(std::make_unique<detail::Cursor>()) {
    if (!channel_->join(*cursor_)) {
      ringo::detail::throw_usage_error(
          "broadcast::Sender::subscribe: more than 1,048,575 receivers");
    }
  }

  detail::ChannelRef<T> channel_;
  std::unique_ptr<detail::Cursor> cursor_;
};

template <class T>
struct Halves {
  Sender<T> sender;
  Receiver<T> receiver;
};

/// A channel that keeps up to `capacity` values, rounded up to a power of two.
/// Panics: UsageError for 0 or more than kMaxCapacity. Complexity: O(capacity), once.
template <class T>
[[nodiscard]] Halves<T> channel(std::size_t capacity, Overflow overflow = Overflow::kLag) {
  Sender<T> sender(capacity, overflow);
  Receiver<T> receiver = sender.subscribe();
  return {std::move(sender), std::move(receiver)};
}

}  // namespace ringo::broadcast
