// SPDX-License-Identifier: MIT
//
// oneshot: one value from one sender to one receiver; the reply half of a request. As
// tokio::sync::oneshot.
//
//   auto [tx, rx] = ringo::oneshot::channel<int>();
//   (void)tx.send(7);
//   ringo::Result<int> seven = co_await rx;
//
// Several values: mpsc. One signal without a value: Notify.
// Thread safety: each half is one owner's; the halves may be in different threads and runtimes, or
// in none. One allocation per channel.

#pragma once

#include <ringo/detail/block_on_leaf.h>
#include <ringo/detail/handle_count.h>
#include <ringo/detail/leaf_awaiter.h>
#include <ringo/detail/oneshot_core.h>
#include <ringo/detail/task_core.h>
#include <ringo/result.h>

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

namespace ringo::oneshot {

template <class T>
class Sender;
template <class T>
class Receiver;

/// Why try_recv() gave nothing.
enum class TryRecvError : std::uint8_t {
  kEmpty,   ///< the sender has not sent yet
  kClosed,  ///< it never will, or the value was taken before
};

namespace detail {

using ringo::detail::Branch;
using Core = ringo::detail::OneshotCore;

template <class T>
struct Channel : Core, ringo::detail::PooledObject {
  std::optional<T> value;  // the sender's until VALUE is set, then the receiver's
};

template <class T>
class RecvAwaiter final : public ringo::detail::LeafAwaiter<RecvAwaiter<T>> {
 public:
  static constexpr std::string_view kOperation = "oneshot::recv";

  explicit RecvAwaiter(Receiver<T>& receiver) noexcept : receiver_(&receiver) {}
  RecvAwaiter(RecvAwaiter&& other) noexcept
      : ringo::detail::LeafAwaiter<RecvAwaiter>(other),
        receiver_(other.receiver_),
        is_enlisted_(std::exchange(other.is_enlisted_, false)) {}
  RecvAwaiter& operator=(RecvAwaiter&&) = delete;
  ~RecvAwaiter() {
    if (is_enlisted_) {
      receiver_->channel_->stop_waiting_for_value();
    }
  }

  bool poll() noexcept { return receiver_->is_settled(); }
  bool enlist(Branch& branch) noexcept {
    is_enlisted_ = receiver_->channel_->wait_for_value(branch);
    return is_enlisted_;
  }
  bool is_ended() noexcept { return poll(); }
  Result<T> await_resume() {
    if (std::exchange(is_enlisted_, false)) {
      receiver_->channel_->stop_waiting_for_value();
    }
    std::expected<T, TryRecvError> value = receiver_->try_recv();
    if (!value) {
      return std::unexpected(Error(ErrorKind::kClosed, "oneshot::Receiver"));
    }
    return Result<T>(std::in_place, *std::move(value));
  }

 private:
  Receiver<T>* receiver_;
  bool is_enlisted_ = false;
};

template <class T>
class ClosedAwaiter final : public ringo::detail::LeafAwaiter<ClosedAwaiter<T>> {
 public:
  static constexpr std::string_view kOperation = "oneshot::closed";

  explicit ClosedAwaiter(Channel<T>& channel) noexcept : channel_(&channel) {}
  ClosedAwaiter(ClosedAwaiter&& other) noexcept
      : ringo::detail::LeafAwaiter<ClosedAwaiter>(other),
        channel_(other.channel_),
        is_enlisted_(std::exchange(other.is_enlisted_, false)) {}
  ClosedAwaiter& operator=(ClosedAwaiter&&) = delete;
  ~ClosedAwaiter() {
    if (is_enlisted_) {
      channel_->stop_waiting_for_close();
    }
  }

  bool poll() noexcept { return (channel_->load() & Core::kReceiverClosed) != 0; }
  bool enlist(Branch& branch) noexcept {
    is_enlisted_ = channel_->wait_for_close(branch);
    return is_enlisted_;
  }
  bool is_ended() noexcept { return poll(); }
  void await_resume() const noexcept {}

 private:
  Channel<T>* channel_;
  bool is_enlisted_ = false;
};

}  // namespace detail

/// The half that sends. Destroying it without sending tells the receiver that nothing will come.
template <class T>
class [[nodiscard]] Sender {
 public:
  explicit Sender(detail::Channel<T>& channel) noexcept : channel_(&channel) {}
  Sender(Sender&& other) noexcept : channel_(std::exchange(other.channel_, nullptr)) {}
  Sender& operator=(Sender&& other) noexcept {
    std::swap(channel_, other.channel_);
    return *this;
  }
  ~Sender() {
    if (channel_ != nullptr && channel_->finish(detail::Core::kNoValue) == kLast) {
      delete channel_;
    }
  }

  /// Sends, at once and without waiting. Errors: the value itself, if the receiver has gone.
  /// Success does not prove that it will be looked at. Uses the sender up.
  std::expected<void, T> send(T value) {
    channel_->value.emplace(std::move(value));
    const detail::Core::Finished finished = channel_->finish(detail::Core::kValue);
    if (finished == detail::Core::Finished::kRefused) {
      std::expected<void, T> refused(std::unexpect, std::move(*channel_->value));
      channel_->value.reset();
      const Sender leaving(std::move(*this));
      return refused;
    }
    detail::Channel<T>* channel = std::exchange(channel_, nullptr);
    if (finished == kLast) {
      delete channel;
    }
    return {};
  }

  /// Waits until the receiver is destroyed or closed: whoever works on the answer may stop.
  /// Cancel safe. Requires: the sender stays where it is while this is awaited.
  [[nodiscard]] detail::ClosedAwaiter<T> closed() noexcept {
    return detail::ClosedAwaiter<T>(*channel_);
  }
  [[nodiscard]] bool is_closed() const noexcept {
    return (channel_->load() & detail::Core::kReceiverClosed) != 0;
  }

 private:
  static constexpr auto kLast = detail::Core::Finished::kLast;

  detail::Channel<T>* channel_;
};

/// The half that receives; it is awaited itself, once.
///
/// Cancel safety: awaiting it by reference loses nothing.
template <class T>
class [[nodiscard]] Receiver {
 public:
  explicit Receiver(detail::Channel<T>& channel) noexcept : channel_(&channel) {}
  Receiver(Receiver&& other) noexcept
      : channel_(std::exchange(other.channel_, nullptr)), is_taken_(other.is_taken_) {}
  Receiver& operator=(Receiver&& other) noexcept {
    std::swap(channel_, other.channel_);
    std::swap(is_taken_, other.is_taken_);
    return *this;
  }
  ~Receiver() {
    if (channel_ == nullptr) {
      return;
    }
    // A sender that has gone looks at nothing any more; else it must hear that sends fail.
    if ((channel_->load() & detail::Core::kSenderGone) == 0) {
      const std::uint32_t old = channel_->close();
      if ((old & detail::Core::kValue) != 0) {
        channel_->value.reset();
      }
    }
    if (channel_->leave(detail::Core::kReceiverGone)) {
      delete channel_;
    }
  }

  /// What co_await uses: the value, or kClosed if the sender was destroyed without sending (or the
  /// value was taken before).
  [[nodiscard]] detail::RecvAwaiter<T> into_awaiter() noexcept {
    return detail::RecvAwaiter<T>(*this);
  }

  [[nodiscard]] std::expected<T, TryRecvError> try_recv() {
    const std::uint32_t state = channel_->load();
    if ((state & detail::Core::kValue) != 0 && !is_taken_) {
      is_taken_ = true;
      std::expected<T, TryRecvError> value(std::in_place, std::move(*channel_->value));
      channel_->value.reset();
      return value;
    }
    return std::unexpected(is_settled() ? TryRecvError::kClosed : TryRecvError::kEmpty);
  }

  /// Waits as a thread. Panics: UsageError on a worker thread.
  Result<T> blocking_recv() {
    return ringo::detail::block_on_leaf("oneshot::Receiver::blocking_recv", into_awaiter());
  }

  /// Makes sends fail. A value that was sent before can still be received.
  void close() noexcept { channel_->close(); }
  /// No value is there now; also true after it was taken.
  [[nodiscard]] bool is_empty() const noexcept {
    return is_taken_ || (channel_->load() & detail::Core::kValue) == 0;
  }
  /// Nothing will come any more: it was taken, or the channel is closed without a value.
  [[nodiscard]] bool is_terminated() const noexcept { return is_settled() && is_empty(); }

 private:
  friend class detail::RecvAwaiter<T>;

  /// Whether waiting is pointless.
  [[nodiscard]] bool is_settled() const noexcept {
    return is_taken_ || (channel_->load() & (detail::Core::kValue | detail::Core::kNoValue |
                                             detail::Core::kReceiverClosed)) != 0;
  }

  detail::Channel<T>* channel_;
  bool is_taken_ = false;
};

template <class T>
struct Halves {
  Sender<T> sender;
  Receiver<T> receiver;
};

/// Makes a channel. Complexity: one allocation.
template <class T>
[[nodiscard]] Halves<T> channel() {
  auto* shared = new detail::Channel<T>();
  return {Sender<T>(*shared), Receiver<T>(*shared)};
}

}  // namespace ringo::oneshot
