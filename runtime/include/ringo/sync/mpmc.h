// SPDX-License-Identifier: MIT
//
// mpmc: many senders, many receivers, every value delivered to exactly one of them: a queue of work
// for a group of workers. As Rust's async-channel.
//
//   auto [tx, rx] = ringo::mpmc::bounded<std::string>(32);
//   ringo::mpmc::Receiver<std::string> colleague = rx;
//   auto sent = co_await tx.send("work");
//   std::optional<std::string> work = co_await colleague.recv();
//
// With one receiver mpsc is faster. Every receiver sees every value: broadcast.
//
// The channel closes with the last sender, with the last receiver, or by close() from either side;
// what was sent before is still received, unless there is no receiver left. It needs no runtime:
// handles may live in different runtimes, or in plain threads through the blocking_ members.
//
// Order: values are taken in the order in which they were sent, and waiting receivers served in the
// order in which they began to wait; so are waiting senders. What a cancelled receive gives back
// goes to the front: it may then be received after later values that others took meanwhile.
//
// Thread safety: all handles may be copied to any thread, and used from many at a time.

#pragma once

#include <ringo/detail/block_on_leaf.h>
#include <ringo/detail/mpmc_channel.h>
#include <ringo/detail/wait_list.h>
#include <ringo/sync/mpsc_error.h>
#include <ringo/usage_error.h>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <utility>
#include <vector>

namespace ringo::mpmc {

using mpsc::SendError;
using mpsc::SendFailure;
using mpsc::TryRecvError;
using mpsc::TrySendError;

/// The most that bounded() takes.
inline constexpr std::size_t kMaxCapacity = SIZE_MAX >> 3;

template <class T>
class WeakSender;
template <class T>
class WeakReceiver;

namespace detail {

/// What both sides can ask, and do.
template <class T>
class Handle {
 public:
  /// Closes the channel. Waiting and later sends fail; what was sent before can be received.
  /// Returns whether it was open.
  bool close() const noexcept { return channel_->close(); }
  [[nodiscard]] bool is_closed() const noexcept { return channel_->is_closed(); }
  /// Waits until the channel is closed, by whatever. Cancel safe. Requires: the handle lives
  /// meanwhile.
  [[nodiscard]] ringo::detail::ClosedAwaiter<Channel<T>> closed() const noexcept {
    return ringo::detail::ClosedAwaiter<Channel<T>>(*channel_);
  }

  /// How many values are in the channel. It may exceed the capacity by what cancelled receives gave
  /// back.
  [[nodiscard]] std::size_t len() const noexcept { return channel_->length(); }
  [[nodiscard]] bool is_empty() const noexcept { return len() == 0; }
  [[nodiscard]] bool is_full() const noexcept { return len() >= channel_->capacity; }
  /// How many it holds; nothing if it is unbounded.
  [[nodiscard]] std::optional<std::size_t> capacity() const noexcept {
    if (channel_->capacity == Channel<T>::kUnbounded) {
      return std::nullopt;
    }
    return channel_->capacity;
  }
  [[nodiscard]] std::size_t sender_count() const noexcept { return channel_->senders.strong(); }
  [[nodiscard]] std::size_t receiver_count() const noexcept { return channel_->receivers.strong(); }
  [[nodiscard]] bool same_channel(const Handle& other) const noexcept {
    return channel_ == other.channel_;
  }

 protected:
  explicit Handle(ChannelRef<T> channel) noexcept : channel_(std::move(channel)) {}
  Handle(const Handle&) = default;
  Handle(Handle&&) noexcept = default;
  Handle& operator=(Handle&& other) noexcept {
    std::swap(channel_, other.channel_);
    return *this;
  }
  ~Handle() = default;

  [[nodiscard]] const ChannelRef<T>& channel() const noexcept { return channel_; }

 private:
  ChannelRef<T> channel_;
};

template <class T>
struct Maker;

}  // namespace detail

/// Sends. Copy it for each producer; the channel closes with the last copy.
template <class T>
class Sender : public detail::Handle<T> {
 public:
  Sender(const Sender& other) noexcept : detail::Handle<T>(other) {
    if (this->channel()) {
      this->channel()->senders.add();
    }
  }
  Sender(Sender&&) noexcept = default;
  Sender& operator=(Sender other) noexcept {
    detail::Handle<T>::operator=(std::move(other));
    return *this;
  }
  ~Sender() {
    if (this->channel() && this->channel()->senders.drop()) {
      this->channel()->close();
    }
  }

  /// Waits for room, first come first served, and sends; at once if the channel is unbounded.
  /// Errors: SendError with the value if the channel is closed.
  ///
  /// Cancel safety: if it is cancelled the value is destroyed and was surely not sent; the place in
  /// the queue is lost. Requires: the sender lives meanwhile.
  [[nodiscard]] detail::SendAwaiter<T> send(T value) const {
    return detail::SendAwaiter<T>(*this->channel(), std::move(value));
  }
  /// Sends if there is room now. Never overtakes senders that wait.
  std::expected<void, TrySendError<T>> try_send(T value) const {
    detail::Chain<T> node(std::move(value));
    switch (this->channel()->try_send(node)) {
      case detail::Channel<T>::Sent::kSent:
        return {};
      case detail::Channel<T>::Sent::kFull:
        return std::unexpected(TrySendError<T>{SendFailure::kFull, node.take_value()});
      default:
        return std::unexpected(TrySendError<T>{SendFailure::kClosed, node.take_value()});
    }
  }
  /// Sends at once: into a full channel in place of the oldest value, which it returns. Errors:
  /// SendError with the value if the channel is closed.
  std::expected<std::optional<T>, SendError<T>> force_send(T value) const {
    detail::Chain<T> node(std::move(value));
    detail::Chain<T> displaced;
    if (this->channel()->force_send(node, displaced) != detail::Channel<T>::Sent::kSent) {
      return std::unexpected(SendError<T>{node.take_value()});
    }
    if (displaced.empty()) {
      return std::optional<T>();
    }
    return std::optional<T>(displaced.take_value());
  }
  /// send() for threads. Panics: UsageError on a worker thread.
  std::expected<void, SendError<T>> blocking_send(T value) const {
    return ringo::detail::block_on_leaf("mpmc::Sender::blocking_send", send(std::move(value)));
  }

  [[nodiscard]] WeakSender<T> downgrade() const noexcept { return WeakSender<T>(this->channel()); }

 private:
  friend class WeakSender<T>;
  friend struct detail::Maker<T>;
  /// Takes over a strong count.
  explicit Sender(detail::ChannelRef<T> channel) noexcept : detail::Handle<T>(std::move(channel)) {}
};

/// Receives. Copy it for each consumer. With the last copy the channel closes, and what is in it is
/// destroyed.
template <class T>
class Receiver : public detail::Handle<T> {
 public:
  Receiver(const Receiver& other) noexcept : detail::Handle<T>(other) {
    if (this->channel()) {
      this->channel()->receivers.add();
    }
  }
  Receiver(Receiver&&) noexcept = default;
  Receiver& operator=(Receiver other) noexcept {
    detail::Handle<T>::operator=(std::move(other));
    return *this;
  }
  ~Receiver() {
    if (this->channel() && this->channel()->receivers.drop()) {
      this->channel()->abandon();
    }
  }

  /// The next value; nullopt once the channel is closed and everything has been received. Throws
  /// what the value's move throws; it is lost then.
  ///
  /// Cancel safety: a value that was meant for it goes to the next receiver. Requires: the receiver
  /// lives meanwhile.
  [[nodiscard]] detail::RecvAwaiter<T> recv() const noexcept {
    return detail::RecvAwaiter<T>(*this->channel());
  }
  /// Waits for at least one value, appends up to `limit` to `into` without waiting further, and
  /// returns how many: 0 when recv() would give nullopt, or for a limit of 0. Cancel safety: as
  /// recv(). If a value's move throws, it and those behind it go to the next receiver.
  [[nodiscard]] detail::RecvManyAwaiter<T> recv_many(std::vector<T>& into,
                                                     std::size_t limit) const noexcept {
    return detail::RecvManyAwaiter<T>(*this->channel(), into, limit);
  }
  /// kEmpty also while the last value of a closed channel is in the hands of a receiver that may
  /// still give it back.
  [[nodiscard]] std::expected<T, TryRecvError> try_recv() const {
    detail::Chain<T> node;
    if (this->channel()->take(node, 1) == 0) {
      if (!this->channel()->is_finished()) {
        return std::unexpected(TryRecvError::kEmpty);
      }
      return std::unexpected(TryRecvError::kDisconnected);
    }
    return std::expected<T, TryRecvError>(std::in_place, node.take_value());
  }
  /// recv() for threads. Panics: UsageError on a worker thread.
  std::optional<T> blocking_recv() const {
    return ringo::detail::block_on_leaf("mpmc::Receiver::blocking_recv", recv());
  }
  /// recv_many() for threads. Panics: UsageError on a worker thread.
  std::size_t blocking_recv_many(std::vector<T>& into, std::size_t limit) const {
    return ringo::detail::block_on_leaf("mpmc::Receiver::blocking_recv_many",
                                        recv_many(into, limit));
  }

  [[nodiscard]] WeakReceiver<T> downgrade() const noexcept {
    return WeakReceiver<T>(this->channel());
  }

 private:
  friend class WeakReceiver<T>;
  friend struct detail::Maker<T>;
  /// Takes over a strong count.
  explicit Receiver(detail::ChannelRef<T> channel) noexcept
      : detail::Handle<T>(std::move(channel)) {}
};

/// A sender that does not keep the channel open.
template <class T>
class WeakSender {
 public:
  /// A sender again, unless the last one has gone.
  [[nodiscard]] std::optional<Sender<T>> upgrade() const noexcept {
    if (!channel_->senders.upgrade()) {
      return std::nullopt;
    }
    return Sender<T>(channel_);
  }

 private:
  friend class Sender<T>;
  explicit WeakSender(const detail::ChannelRef<T>& channel) noexcept : channel_(channel) {}
  detail::ChannelRef<T> channel_;
};

/// A receiver that does not keep the channel open.
template <class T>
class WeakReceiver {
 public:
  /// A receiver again, unless the last one has gone.
  [[nodiscard]] std::optional<Receiver<T>> upgrade() const noexcept {
    if (!channel_->receivers.upgrade()) {
      return std::nullopt;
    }
    return Receiver<T>(channel_);
  }

 private:
  friend class Receiver<T>;
  explicit WeakReceiver(const detail::ChannelRef<T>& channel) noexcept : channel_(channel) {}
  detail::ChannelRef<T> channel_;
};

template <class T>
struct Halves {
  Sender<T> sender;
  Receiver<T> receiver;
};

namespace detail {

template <class T>
struct Maker {
  static Halves<T> make(std::size_t capacity) {
    const ChannelRef<T> channel(*new Channel<T>(capacity));
    return {Sender<T>(channel), Receiver<T>(channel)};
  }
};

}  // namespace detail

/// A channel that holds up to `capacity` values. Memory is taken for each value.
/// Panics: UsageError for 0 or more than kMaxCapacity.
template <class T>
[[nodiscard]] Halves<T> bounded(std::size_t capacity) {
  if (capacity == 0 || capacity > kMaxCapacity) {
    ringo::detail::throw_usage_error("mpmc::bounded: the capacity must be from 1 to SIZE_MAX / 8");
  }
  return detail::Maker<T>::make(capacity);
}

/// A channel without a limit, but for memory.
template <class T>
[[nodiscard]] Halves<T> unbounded() {
  return detail::Maker<T>::make(detail::Channel<T>::kUnbounded);
}

}  // namespace ringo::mpmc
