// SPDX-License-Identifier: MIT
//
// watch: the newest value of something, for any number of receivers that want to know when it
// changes but need not see every version: configuration, progress, shutdown. As tokio::sync::watch.
//
//   auto [tx, rx] = ringo::watch::channel<std::string>("starting");
//   tx.send("running").value();
//   ringo::Result<void> has_changed = co_await rx.changed();
//   ringo::watch::Ref<std::string> state = rx.borrow_and_update();
//
// Every value: broadcast. One value, once: oneshot. A signal without a value: Notify.
//
// A deviation from Tokio: what borrow() returns is a snapshot, which no later send changes, and not
// a lock. It may be kept as long as one likes and over a co_await; it holds neither sender nor
// other readers up, and two at a time are no deadlock. In return send_modify() works on a copy.
//
// Thread safety: a Sender may be copied to any thread and used from many at a time; a Receiver may
// be copied to any thread, each copy is one owner's; a Ref is an immutable value. No runtime
// needed.

#pragma once

#include <ringo/detail/block_on_leaf.h>
#include <ringo/detail/watch_channel.h>
#include <ringo/result.h>
#include <ringo/sync/mpsc_error.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

namespace ringo::watch {

using mpsc::SendError;

template <class T>
class Receiver;

/// A value as it was when it was borrowed. Copies share it.
template <class T>
class Ref {
  using Snapshot = detail::Channel<T>::Snapshot;

 public:
  Ref(Snapshot&& snapshot, bool is_new) noexcept
      : snapshot_(std::move(snapshot)), has_changed_(is_new) {}

  [[nodiscard]] const T& operator*() const noexcept { return *snapshot_; }
  [[nodiscard]] const T* operator->() const noexcept { return &*snapshot_; }
  /// Whether the receiver that borrowed it had not seen it before.
  [[nodiscard]] bool has_changed() const noexcept { return has_changed_; }

 private:
  Snapshot snapshot_;
  bool has_changed_;
};

/// Sends. Copy it for each producer; receivers see the channel closed when the last copy has gone.
template <class T>
class Sender {
 public:
  /// A channel without receivers, as yet: subscribe().
  explicit Sender(T initial)
      : channel_(detail::ChannelRef<T>(*new detail::Channel<T>(std::move(initial)))) {}
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

  /// Stores the value and wakes all who wait. Errors: SendError with the value, which is not
  /// stored, if there is no receiver. Panics: UsageError from within send_modify() of the same
  /// channel. Complexity: O(receivers that wait).
  std::expected<void, SendError<T>> send(T value) const {
    typename detail::Channel<T>::Snapshot next(std::move(value));
    if (!channel_->replace(next, detail::Channel<T>::Needs::kReceiver)) {
      return std::unexpected(SendError<T>{std::move(next.mutable_value())});
    }
    return {};
  }
  /// send() that also works without receivers; returns the old value.
  Ref<T> send_replace(T value) const {
    typename detail::Channel<T>::Snapshot next(std::move(value));
    return Ref<T>(*channel_->replace(next, detail::Channel<T>::Needs::kNothing), false);
  }

  /// Calls `change(T&)` on a copy of the value, then stores it and wakes all who wait, also without
  /// receivers. If it throws, that comes out of here, the value is as before, and nobody is woken
  /// (in Tokio the value stays half changed). It runs under no lock of the readers, but other
  /// senders wait for it, by sleeping: keep it short. A coroutine cannot be passed.
  /// Panics: UsageError from within another one of the same channel. Complexity: a copy of T.
  template <std::invocable<T&> Change>
    requires std::copy_constructible<T> && std::is_void_v<std::invoke_result_t<Change, T&>>
  void send_modify(Change&& change) const {
    (void)channel_->modify([&](T& value) {
      std::invoke(std::forward<Change>(change), value);
      return true;
    });
  }
  /// send_modify() for a `bool change(T&)`: unless that returns true, nothing has happened (in
  /// Tokio the change is kept, silently). Returns what it returned.
  template <std::invocable<T&> Change>
    requires std::copy_constructible<T> && std::same_as<std::invoke_result_t<Change, T&>, bool>
  bool send_if_modified(Change&& change) const {
    return channel_->modify(std::forward<Change>(change));
  }

  /// The newest value. Cheap for small trivially copyable types, else a short lock.
  [[nodiscard]] Ref<T> borrow() const {
    return Ref<T>(std::move(channel_->read().snapshot), false);
  }
  /// The same: a snapshot.
  [[nodiscard]] Ref<T> get() const { return borrow(); }

  /// A receiver that has seen the current value; it reopens a channel that had none.
  [[nodiscard]] Receiver<T> subscribe() const { return Receiver<T>(channel_, channel_->version()); }
  /// Waits until there is no receiver. Cancel safe. Requires: the sender lives meanwhile.
  [[nodiscard]] ringo::detail::VacancyAwaiter<detail::Channel<T>> closed() const noexcept {
    return ringo::detail::VacancyAwaiter<detail::Channel<T>>(*channel_);
  }
  /// There is no receiver now.
  [[nodiscard]] bool is_closed() const noexcept { return channel_->is_vacant(); }
  [[nodiscard]] std::size_t receiver_count() const noexcept { return channel_->receiver_count(); }
  [[nodiscard]] std::size_t sender_count() const noexcept { return channel_->senders.strong(); }
  [[nodiscard]] bool same_channel(const Sender& other) const noexcept {
    return channel_ == other.channel_;
  }

 private:
  detail::ChannelRef<T> channel_;
};

/// Receives, and knows which version it has seen last; a copy has seen the same.
template <class T>
class [[nodiscard]] Receiver {
 public:
  Receiver(const Receiver& other) noexcept : channel_(other.channel_), seen_(other.seen_) {
    if (channel_) {
      channel_->add_receiver();
    }
  }
  Receiver(Receiver&&) noexcept = default;
  Receiver& operator=(Receiver other) noexcept {
    std::swap(channel_, other.channel_);
    std::swap(seen_, other.seen_);
    return *this;
  }
  ~Receiver() {
    if (channel_) {
      channel_->drop_receiver();
    }
  }

  /// Waits for a value that this receiver has not seen, and marks the newest one as seen; at once
  /// if there is one. Errors: kClosed, if all senders have gone and the last value was seen.
  ///
  /// Cancel safety: if it is cancelled, nothing was marked. Requires: the receiver lives meanwhile.
  [[nodiscard]] detail::ChangedAwaiter<T> changed() noexcept {
    return detail::ChangedAwaiter<T>(*channel_, seen_);
  }
  /// Waits until `accepts(const T&)`; looks at the current value first, seen or not. Versions that
  /// are replaced quickly may be skipped. Errors: kClosed, if all senders have gone and the last
  /// value is not accepted. What `accepts` throws comes out of the await.
  ///
  /// Cancel safety: every value that was shown to `accepts` counts as seen. Requires: the receiver
  /// lives meanwhile.
  template <std::predicate<const T&> Predicate>
  [[nodiscard]] detail::WaitForAwaiter<T, Ref<T>, Predicate> wait_for(Predicate accepts) {
    return detail::WaitForAwaiter<T, Ref<T>, Predicate>(*channel_, seen_, std::move(accepts));
  }

  /// The newest value, which is not marked as seen.
  [[nodiscard]] Ref<T> borrow() const {
    auto read = channel_->read();
    const bool is_new = read.version != seen_;
    return Ref<T>(std::move(read.snapshot), is_new);
  }
  /// The same: a snapshot.
  [[nodiscard]] Ref<T> get() const { return borrow(); }
  /// The newest value, marked as seen in the same moment: use it after changed(), so that the same
  /// value is not reported twice.
  [[nodiscard]] Ref<T> borrow_and_update() {
    auto read = channel_->read();
    const bool is_new = std::exchange(seen_, read.version) != read.version;
    return Ref<T>(std::move(read.snapshot), is_new);
  }

  /// changed() for threads. Panics: UsageError on a worker thread.
  Result<void> blocking_changed() {
    return ringo::detail::block_on_leaf("watch::Receiver::blocking_changed", changed());
  }
  /// wait_for() for threads. Panics: UsageError on a worker thread.
  template <std::predicate<const T&> Predicate>
  Result<Ref<T>> blocking_wait_for(Predicate accepts) {
    return ringo::detail::block_on_leaf("watch::Receiver::blocking_wait_for",
                                        wait_for(std::move(accepts)));
  }

  /// Whether there is a value that it has not seen. Errors: kClosed, if and only if all senders
  /// have gone; changed() tells what is left to see.
  [[nodiscard]] Result<bool> has_changed() const noexcept {
    if (channel_->is_closed()) {
      return std::unexpected(Error(ErrorKind::kClosed, "watch::Receiver::has_changed"));
    }
    return channel_->version() != seen_;
  }
  /// Makes the current value one that it has not seen, or has seen.
  void mark_changed() noexcept { seen_ -= 2; }
  void mark_unchanged() noexcept { seen_ = channel_->version(); }

  [[nodiscard]] bool same_channel(const Receiver& other) const noexcept {
    return channel_ == other.channel_;
  }

 private:
  friend class Sender<T>;

  Receiver(detail::ChannelRef<T> channel, std::uint64_t seen) noexcept
      : channel_(std::move(channel)), seen_(seen) {
    channel_->add_receiver();
  }

  detail::ChannelRef<T> channel_;
  std::uint64_t seen_;
};

template <class T>
struct Halves {
  Sender<T> sender;
  Receiver<T> receiver;
};

/// A channel with its first value, which counts as seen.
template <class T>
[[nodiscard]] Halves<T> channel(T initial) {
  Sender<T> sender(std::move(initial));
  Receiver<T> receiver = sender.subscribe();
  return {std::move(sender), std::move(receiver)};
}

}  // namespace ringo::watch
