// SPDX-License-Identifier: MIT
//
// mpsc: many senders, one receiver, every value delivered once and in order (per sender). The way
// to give work to a task that owns something. As tokio::sync::mpsc; its poll_ functions have no
// counterpart, because here a task waits by co_await only.
//
//   auto [tx, rx] = ringo::mpsc::channel<std::string>(32);
//   co_await tx.send("hello");
//   ringo::drop(std::move(tx));
//   while (std::optional<std::string> message = co_await rx.recv()) {
//     fmt::print("{}\n", *message);
//   }
//
// A bounded channel makes senders wait when it is full: back-pressure. An unbounded one never does,
// and its memory is bounded by nothing but the receiver's speed (and by 2^31 values, which are the
// end of the program). One value and an answer: oneshot. Every receiver sees every value:
// broadcast. Only the latest: watch.
//
// The channel closes when all senders are gone, or by Receiver::close(); what was sent before is
// still received. It needs no runtime: halves may live in different runtimes, or in plain threads
// through the blocking_ members.
//
// Memory: 320 bytes for a channel that has not held a value yet; then blocks of 32 values (16 over
// 32 bytes, 4 over 128), of which an empty channel keeps at most two. The rest goes back as it is
// received. A block that cannot be had is the end of the program.
//
// Values: moving one may throw. Then the send or receive does, and has not happened: the value is
// still with the sender's caller, or is still the next. A move constructor must not use the
// channel, which may be locked.
//
// Thread safety: a Sender may be copied to any thread, one copy is used by one thread at a time as
// far as assignment goes; sending is safe from any thread. The Receiver is one owner's.

#pragma once

#include <ringo/detail/block_on_leaf.h>
#include <ringo/detail/mpsc_channel.h>
#include <ringo/sync/mpsc_error.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/usage_error.h>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace ringo::mpsc {

/// The most that channel() takes: 2^29 - 1.
inline constexpr std::size_t kMaxCapacity = ringo::detail::MpscGate::kMaxCapacity;

template <class T>
class Sender;
template <class T>
class WeakSender;
template <class T>
class UnboundedSender;
template <class T>
class WeakUnboundedSender;

/// Room for one value. Sending through it cannot fail and does not wait. Destroying it unused gives
/// the room back. Keeps the channel open, as a sender does.
template <class T>
class [[nodiscard]] Permit {
 public:
  explicit Permit(detail::ChannelRef<T> channel) noexcept : channel_(std::move(channel)) {}
  Permit(Permit&&) noexcept = default;
  Permit& operator=(Permit&& other) noexcept {
    std::swap(channel_, other.channel_);
    return *this;
  }
  ~Permit() {
    if (channel_) {
      channel_->give_back(1);
    }
  }

  /// Uses the permit up.
  void send(T value) {
    const detail::ChannelRef<T> channel(std::move(channel_));
    channel->publish(std::move(value));
  }

 private:
  detail::ChannelRef<T> channel_;
};

/// Room for several values.
template <class T>
class [[nodiscard]] PermitIterator {
 public:
  PermitIterator(detail::ChannelRef<T> channel, std::size_t count) noexcept
      : channel_(std::move(channel)), count_(count) {}
  PermitIterator(PermitIterator&& other) noexcept
      : channel_(std::move(other.channel_)), count_(std::exchange(other.count_, 0)) {}
  PermitIterator& operator=(PermitIterator&& other) noexcept {
    std::swap(channel_, other.channel_);
    std::swap(count_, other.count_);
    return *this;
  }
  ~PermitIterator() {
    if (count_ != 0) {
      channel_->give_back(count_);
    }
  }

  [[nodiscard]] std::size_t size() const noexcept { return count_; }
  /// The next permit, while there is one.
  [[nodiscard]] std::optional<Permit<T>> next() noexcept {
    if (count_ == 0) {
      return std::nullopt;
    }
    --count_;
    return Permit<T>(channel_);
  }

 private:
  detail::ChannelRef<T> channel_;
  std::size_t count_;
};

/// A permit that has taken its sender along.
template <class T>
class [[nodiscard]] OwnedPermit {
 public:
  OwnedPermit(Sender<T> sender, Permit<T> permit) noexcept
      : sender_(std::move(sender)), permit_(std::move(permit)) {}

  /// Sends, and gives the sender back.
  Sender<T> send(T value) && {
    permit_.send(std::move(value));
    return std::move(sender_);
  }
  /// Gives room and sender back.
  Sender<T> release() && {
    const Permit<T> unused(std::move(permit_));
    return std::move(sender_);
  }
  [[nodiscard]] bool same_channel(const OwnedPermit& other) const noexcept {
    return sender_.same_channel(other.sender_);
  }
  [[nodiscard]] bool same_channel_as_sender(const Sender<T>& sender) const noexcept {
    return sender_.same_channel(sender);
  }

 private:
  Sender<T> sender_;
  Permit<T> permit_;
};

/// A sender of a bounded channel. Copy it for each producer.
template <class T>
class Sender : public detail::SenderBase<T> {
 public:
  using detail::SenderBase<T>::SenderBase;

  /// Waits for room, first come first served, and sends. Errors: SendError with the value if the
  /// receiver has gone. Success does not prove that the value will be looked at.
  ///
  /// For a spawned task that waits here, and not in an arm of anything (select, timeout, join,
  /// ...), the receiver that makes room sends (as a receive in Go), so the value may arrive before
  /// the task runs again. Among tasks the room goes in turn, and the values of such come in that
  /// order; who waits in an arm has to run first, as elsewhere.
  ///
  /// Cancel safety: if it is cancelled the value is destroyed and was surely not sent; the place in
  /// the queue is lost. reserve() keeps the value out of it. An abort of the task that comes after
  /// room was made for it finds the value sent. Requires: the sender lives meanwhile.
  [[nodiscard]] detail::SendAwaiter<T> send(T value) const {
    return detail::SendAwaiter<T>(this->channel(), std::move(value));
  }

  /// Sends if there is room now. Never overtakes senders that wait.
  std::expected<void, TrySendError<T>> try_send(T value) const {
    ringo::detail::MpscGate::Claim claim;
    ringo::detail::MpscGate& gate = this->channel().gate;
    if (const std::optional<SendFailure> failure =
            failure_of(gate.with_credit(1, [&] { return gate.try_send(claim); }))) {
      return std::unexpected(TrySendError<T>{*failure, std::move(value)});
    }
    this->channel().publish_at(claim, std::move(value));
    return {};
  }

  /// send() with a limit to the waiting. Panics: as time::sleep.
  Task<std::expected<void, TrySendError<T>>> send_timeout(T value, Duration timeout) const {
    return detail::send_with_timeout<Sender, T>(*this, std::move(value), timeout);
  }

  /// send() for threads. Panics: UsageError on a worker thread.
  std::expected<void, SendError<T>> blocking_send(T value) const {
    return ringo::detail::block_on_leaf("mpsc::Sender::blocking_send", send(std::move(value)));
  }

  /// Waits for room for one value, or for several at once, first come first served. Errors:
  /// kClosed; kInvalidInput for more than the channel holds.
  ///
  /// Cancel safety: no room is lost, the place in the queue is. This is the way to send if what
  /// waits may be cancelled, since the value is made, or moved, only when there is room.
  [[nodiscard]] detail::ReserveAwaiter<T, Permit<T>> reserve() const {
    return detail::ReserveAwaiter<T, Permit<T>>(this->channel_ref(), 1);
  }
  [[nodiscard]] detail::ReserveAwaiter<T, PermitIterator<T>> reserve_many(std::size_t count) const {
    return detail::ReserveAwaiter<T, PermitIterator<T>>(this->channel_ref(), count);
  }
  /// reserve() with a permit that takes the sender along.
  Task<Result<OwnedPermit<T>>> reserve_owned() && {
    return detail::reserve_owned<Sender, OwnedPermit<T>>(std::move(*this));
  }

  /// Takes room for one value if there is some now. Never overtakes senders that wait.
  [[nodiscard]] std::expected<Permit<T>, SendFailure> try_reserve() const {
    if (const std::optional<SendFailure> failure = try_take(1)) {
      return std::unexpected(*failure);
    }
    return Permit<T>(this->channel_ref());
  }
  /// Takes room for all of them or for none.
  [[nodiscard]] std::expected<PermitIterator<T>, SendFailure> try_reserve_many(
      std::size_t count) const {
    if (const std::optional<SendFailure> failure = try_take(count)) {
      return std::unexpected(*failure);
    }
    return PermitIterator<T>(this->channel_ref(), count);
  }

  /// try_reserve() with a permit that takes the sender along; the error gives it back.
  [[nodiscard]] std::expected<OwnedPermit<T>, TrySendError<Sender<T>>> try_reserve_owned() && {
    if (const std::optional<SendFailure> failure = try_take(1)) {
      return std::unexpected(TrySendError<Sender<T>>{*failure, std::move(*this)});
    }
    Permit<T> permit(this->channel_ref());
    return OwnedPermit<T>(std::move(*this), std::move(permit));
  }

  /// Room that is free now, and in all. Reservations count as used.
  [[nodiscard]] std::size_t capacity() const noexcept {
    return this->channel().gate.free_permits();
  }
  [[nodiscard]] std::size_t max_capacity() const noexcept {
    return this->channel().gate.capacity();
  }

  [[nodiscard]] WeakSender<T> downgrade() const noexcept { return WeakSender<T>(*this); }

 private:
  static std::optional<SendFailure> failure_of(ringo::detail::MpscGate::Try result) noexcept {
    switch (result) {
      case ringo::detail::MpscGate::Try::kDone:
        return std::nullopt;
      case ringo::detail::MpscGate::Try::kClosed:
        return SendFailure::kClosed;
      default:
        return SendFailure::kFull;
    }
  }
  /// Takes capacity, or says why not.
  [[nodiscard]] std::optional<SendFailure> try_take(std::size_t count) const noexcept {
    ringo::detail::MpscGate& gate = this->channel().gate;
    return failure_of(gate.with_credit(count, [&] { return gate.try_acquire(count); }));
  }
};

/// A sender that does not keep the channel open.
template <class T>
class WeakSender : public detail::WeakSenderBase<T, Sender<T>> {
 public:
  using detail::WeakSenderBase<T, Sender<T>>::WeakSenderBase;
};

/// A sender of an unbounded channel.
template <class T>
class UnboundedSender : public detail::SenderBase<T> {
 public:
  using detail::SenderBase<T>::SenderBase;

  /// Sends, at once. Errors: SendError with the value if the receiver has gone.
  std::expected<void, SendError<T>> send(T value) const {
    ringo::detail::MpscGate::Claim claim;
    if (!this->channel().gate.claim_unless_closed(claim)) [[unlikely]] {
      return std::unexpected(SendError<T>{std::move(value)});
    }
    this->channel().queue.publish(claim, std::move(value));
    return {};
  }

  [[nodiscard]] WeakUnboundedSender<T> downgrade() const noexcept {
    return WeakUnboundedSender<T>(*this);
  }
};

template <class T>
class WeakUnboundedSender : public detail::WeakSenderBase<T, UnboundedSender<T>> {
 public:
  using detail::WeakSenderBase<T, UnboundedSender<T>>::WeakSenderBase;
};

/// The receiving half, of either kind of channel. Destroying it closes the channel and destroys
/// what is in it.
template <class T>
class [[nodiscard]] Receiver {
 public:
  explicit Receiver(detail::ChannelRef<T> channel) noexcept : channel_(std::move(channel)) {}
  Receiver(Receiver&&) noexcept = default;
  Receiver& operator=(Receiver&& other) noexcept {
    std::swap(channel_, other.channel_);
    return *this;
  }
  ~Receiver() {
    if (channel_) {
      close();
      channel_->drop_values();
    }
  }

  /// The next value; nullopt once the channel is closed and everything, permits that were out at
  /// the time included, has been received. Cancel safe.
  [[nodiscard]] detail::RecvAwaiter<T> recv() { return detail::RecvAwaiter<T>(*channel_); }

  /// Waits for at least one value, appends up to `limit` to `into` without waiting further, and
  /// returns how many: 0 when recv() would give nullopt, or for a limit of 0. Cancel safe.
  [[nodiscard]] detail::RecvManyAwaiter<T> recv_many(std::vector<T>& into, std::size_t limit) {
    return detail::RecvManyAwaiter<T>(*channel_, into, limit);
  }

  /// Never claims to be empty while a send has returned: it waits for a sender that is between
  /// claiming its place and filling it (nanoseconds).
  [[nodiscard]] std::expected<T, TryRecvError> try_recv() {
    for (;;) {
      if (std::optional<T> value = channel_->pop()) {
        return *std::move(value);
      }
      if (channel_->is_finished()) {
        return std::unexpected(TryRecvError::kDisconnected);
      }
      if (!channel_->has_unpublished()) {
        return std::unexpected(TryRecvError::kEmpty);
      }
      std::this_thread::yield();
    }
  }

  /// recv() for threads. Panics: UsageError on a worker thread.
  std::optional<T> blocking_recv() {
    return ringo::detail::block_on_leaf("mpsc::Receiver::blocking_recv", recv());
  }
  /// recv_many() for threads. Panics: UsageError on a worker thread.
  std::size_t blocking_recv_many(std::vector<T>& into, std::size_t limit) {
    return ringo::detail::block_on_leaf("mpsc::Receiver::blocking_recv_many",
                                        recv_many(into, limit));
  }

  /// Makes sends fail. What was sent, and what permits still send, can be received.
  void close() noexcept { channel_->close(); }

  /// Closed, by either side.
  [[nodiscard]] bool is_closed() const noexcept { return channel_->is_closed_for_receiver(); }
  [[nodiscard]] bool is_empty() const noexcept { return len() == 0; }
  [[nodiscard]] std::size_t len() const noexcept { return channel_->length(); }
  /// Room that is free now, and in all; 0 in an unbounded channel.
  [[nodiscard]] std::size_t capacity() const noexcept { return channel_->gate.free_permits(); }
  [[nodiscard]] std::size_t max_capacity() const noexcept { return channel_->gate.capacity(); }
  [[nodiscard]] std::size_t sender_strong_count() const noexcept {
    return channel_->senders.strong();
  }
  [[nodiscard]] std::size_t sender_weak_count() const noexcept { return channel_->senders.weak(); }

 private:
  detail::ChannelRef<T> channel_;
};

template <class T>
struct Halves {
  Sender<T> sender;
  Receiver<T> receiver;
};
template <class T>
struct UnboundedHalves {
  UnboundedSender<T> sender;
  Receiver<T> receiver;
};

/// A channel that holds up to `capacity` values. Memory is taken in blocks as it is needed.
/// Panics: UsageError for 0 or more than kMaxCapacity.
template <class T>
[[nodiscard]] Halves<T> channel(std::size_t capacity) {
  if (capacity == 0 || capacity > kMaxCapacity) {
    ringo::detail::throw_usage_error("mpsc::channel: the capacity must be from 1 to 2^29 - 1");
  }
  const detail::ChannelRef<T> shared(*new detail::Channel<T>(capacity));
  return {Sender<T>(shared), Receiver<T>(shared)};
}

/// A channel without a limit.
template <class T>
[[nodiscard]] UnboundedHalves<T> unbounded_channel() {
  const detail::ChannelRef<T> shared(*new detail::Channel<T>(0));
  return {UnboundedSender<T>(shared), Receiver<T>(shared)};
}

}  // namespace ringo::mpsc
