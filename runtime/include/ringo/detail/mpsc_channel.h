// SPDX-License-Identifier: MIT
//
// What the halves of an mpsc channel share, and the awaiters they hand out; see sync/mpsc.h.
//
// In a bounded channel a permit is taken before a value is queued and given back when it is
// received, so "closed and all permits home" means that nothing is on its way. An unbounded one
// notes how many positions had been claimed when it was closed.
//
// Four lines of 64 bytes: handles and what never changes; what senders change with each value (the
// gate); what they change with each block; the receiver's.
//
// Counts: strong senders (the channel closes with the last), weak senders (for the user to see),
// and references to the memory (the strong senders together hold one).

#pragma once

#include <ringo/detail/handle_count.h>
#include <ringo/detail/leaf_awaiter.h>
#include <ringo/detail/mpsc_gate.h>
#include <ringo/detail/mpsc_queue.h>
#include <ringo/detail/relax.h>
#include <ringo/detail/wait_list.h>
#include <ringo/result.h>
#include <ringo/sync/mpsc_error.h>
#include <ringo/task.h>
#include <ringo/time.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace ringo::mpsc {

namespace detail {

using ringo::detail::Branch;
using ringo::detail::GateWait;
using ringo::detail::LeafAwaiter;
using ringo::detail::MpscGate;
using ringo::detail::MpscQueue;

template <class T>
class Channel : public ringo::detail::RefCounted<Channel<T>> {
 public:
  /// A capacity of 0: no limit.
  explicit Channel(std::size_t capacity) noexcept
      : is_bounded(capacity != 0), gate(capacity), queue(gate) {
    this->add_reference();  // the strong senders'
  }

  /// Queues a value for which there is a permit. If moving it throws, the permit is given back.
  void publish(T&& value) { publish_at(gate.claim(), std::move(value)); }
  /// The same at a position that was claimed together with the permit.
  void publish_at(MpscGate::Claim claim, T&& value) {
    if constexpr (std::is_nothrow_move_constructible_v<T>) {
      queue.publish(claim, std::move(value));
    } else {
      try {
        queue.publish(claim, std::move(value));
      } catch (...) {
        give_back(1);
        throw;
      }
    }
  }

  /// Returns capacity that was not used.
  void give_back(std::size_t count) noexcept {
    if (gate.is_finished(gate.release(count))) {
      queue.wake_consumer();  // which may have waited for just this permit
    }
  }

  /// Consumer: the next value, if it is there.
  std::optional<T> pop() {
    if (!queue.has_ready()) {
      return std::nullopt;
    }
    return take_ready();
  }
  /// The same, when queue.has_ready() has said yes.
  std::optional<T> take_ready() {
    // Moving it may throw: then it is still the next one.
    std::optional<T> value(std::move(queue.front()));
    queue.discard_front();
    queue.give_room(1);
    return value;
  }
  /// Consumer: appends up to `limit` values; how many.
  std::size_t pop_many(std::vector<T>& into, std::size_t limit) {
    ReleaseAtEnd taken(*this);
    while (taken.count < limit && queue.has_ready()) {
      into.push_back(std::move(queue.front()));
      queue.discard_front();
      ++taken.count;
    }
    return taken.count;
  }

  /// Consumer of a closed channel: destroys what is there, where it is.
  void drop_values() noexcept {
    for (;;) {
      while (queue.has_ready()) {
        queue.discard_front();
        queue.give_room(1);
      }
      if (is_finished() || !has_unpublished()) {
        return;
      }
      std::this_thread::yield();
    }
  }

  /// Consumer: nothing will ever come again.
  [[nodiscard]] bool is_finished() const noexcept {
    return is_bounded ? gate.is_finished(gate.load()) : is_end_reached();
  }
  /// The same, for who has the state.
  [[nodiscard]] bool is_finished(MpscGate::State state) const noexcept {
    return is_bounded ? gate.is_finished(state) : is_end_reached();
  }
  [[nodiscard]] bool is_end_reached() const noexcept {
    // acquire: pairs with close().
    return end_.load(std::memory_order_acquire) == static_cast<std::uint32_t>(queue.consumed());
  }
  /// Consumer, who finds nothing ready: a value was claimed that will be there in no time.
  [[nodiscard]] bool has_unpublished() const noexcept {
    if (!is_bounded) {
      const std::uint64_t end = end_.load(std::memory_order_acquire);  // as in is_finished()
      if (end != kNotClosed) {
        return end != static_cast<std::uint32_t>(queue.consumed());  // later claims are void
      }
    }
    return queue.is_behind(gate.load());
  }

  /// No more sends. By the receiver, or with the last sender.
  void close() noexcept {
    const MpscGate::State before = gate.close();
    if (!is_bounded && !before.is_closed()) {
      // release: the consumer's look at the end, after it registered, sees it, or else the wake
      // below sees the registration: both are exchanges of the waker's slot.
      end_.store(before.claimed(), std::memory_order_release);
    }
    queue.wake_consumer();
    closed_waiters.wake_all();
  }
  /// What senders see.
  [[nodiscard]] bool is_closed() const noexcept { return gate.load().is_closed(); }
  /// What the receiver sees: permits that are out keep the channel open.
  [[nodiscard]] bool is_closed_for_receiver() const noexcept {
    return gate.load().is_closed() &&
           (!is_bounded || gate.free_permits() + length() >= gate.capacity());
  }
  /// Any thread; may be out of date when it returns.
  [[nodiscard]] std::size_t length() const noexcept {
    // The consumed first: what was consumed had been claimed.
    const auto consumed = static_cast<std::uint32_t>(queue.consumed());
    const std::uint64_t end = end_.load(std::memory_order_acquire);  // as in is_finished()
    const std::uint32_t last =
        end != kNotClosed ? static_cast<std::uint32_t>(end) : gate.load().claimed();
    const std::uint32_t length = last - consumed;
    return length <= MpscQueue<T>::kMaxLength ? length : 0;
  }

  void drop_strong() noexcept {
    if (senders.drop()) {
      close();
      this->release();
    }
  }

  const bool is_bounded;
  ringo::detail::WaitList closed_waiters;
  ringo::detail::HandleCount senders{1};  ///< which together hold one reference

 private:
  static constexpr std::uint64_t kNotClosed = UINT64_MAX;

  std::atomic<std::uint64_t> end_{kNotClosed};  // unbounded: how many had been claimed

 public:
  // On lines of their own, after one for what is above.
  MpscGate gate;
  MpscQueue<T> queue;

 private:
  /// Gives the room of what was taken back, also if taking the next one throws.
  struct ReleaseAtEnd {
    explicit ReleaseAtEnd(Channel& owner) noexcept : channel(owner) {}
    ReleaseAtEnd(const ReleaseAtEnd&) = delete;
    ReleaseAtEnd& operator=(const ReleaseAtEnd&) = delete;
    ~ReleaseAtEnd() {
      if (count != 0) {
        channel.queue.give_room(count);
      }
    }
    Channel& channel;
    std::size_t count = 0;
  };
};

/// A reference to the channel's memory.
template <class T>
using ChannelRef = ringo::detail::RefPtr<Channel<T>>;

/// What bounded and unbounded senders have in common.
template <class T>
class SenderBase {
 public:
  /// Takes over the strong count that a new channel, or an upgrade, brings.
  explicit SenderBase(const ChannelRef<T>& channel) noexcept : channel_(&*channel) {}
  SenderBase(const SenderBase& other) noexcept : channel_(other.channel_) {
    if (channel_ != nullptr) {
      channel_->senders.add();
    }
  }
  SenderBase(SenderBase&& other) noexcept : channel_(std::exchange(other.channel_, nullptr)) {}
  SenderBase& operator=(SenderBase other) noexcept {
    std::swap(channel_, other.channel_);
    return *this;
  }
  ~SenderBase() {
    if (channel_ != nullptr) {
      channel_->drop_strong();
    }
  }

  /// Waits until the receiver is destroyed or closed. Cancel safe.
  [[nodiscard]] ringo::detail::ClosedAwaiter<Channel<T>> closed() const noexcept {
    return ringo::detail::ClosedAwaiter<Channel<T>>(*channel_);
  }
  [[nodiscard]] bool is_closed() const noexcept { return channel_->is_closed(); }
  [[nodiscard]] bool same_channel(const SenderBase& other) const noexcept {
    return channel_ == other.channel_;
  }
  [[nodiscard]] std::size_t strong_count() const noexcept { return channel_->senders.strong(); }
  [[nodiscard]] std::size_t weak_count() const noexcept { return channel_->senders.weak(); }

 protected:
  [[nodiscard]] Channel<T>& channel() const noexcept { return *channel_; }
  [[nodiscard]] ChannelRef<T> channel_ref() const noexcept { return ChannelRef<T>(*channel_); }

 private:
  template <class, class>
  friend class WeakSenderBase;

  Channel<T>* channel_;
};

template <class T, class Strong>
class WeakSenderBase {
 public:
  explicit WeakSenderBase(const SenderBase<T>& sender) noexcept : channel_(sender.channel_ref()) {
    channel_->senders.add_weak();
  }
  WeakSenderBase(const WeakSenderBase& other) noexcept : channel_(other.channel_) {
    if (channel_) {
      channel_->senders.add_weak();
    }
  }
  WeakSenderBase(WeakSenderBase&& other) noexcept : channel_(std::move(other.channel_)) {}
  WeakSenderBase& operator=(WeakSenderBase other) noexcept {
    std::swap(channel_, other.channel_);
    return *this;
  }
  ~WeakSenderBase() {
    if (channel_) {
      channel_->senders.drop_weak();
    }
  }

  /// A sender again, unless the last one has gone.
  [[nodiscard]] std::optional<Strong> upgrade() const noexcept {
    if (!channel_->senders.upgrade()) {
      return std::nullopt;
    }
    return Strong(channel_);
  }
  [[nodiscard]] std::size_t strong_count() const noexcept { return channel_->senders.strong(); }
  [[nodiscard]] std::size_t weak_count() const noexcept { return channel_->senders.weak(); }

 private:
  ChannelRef<T> channel_;
};

template <class T>
class SendAwaiter final : public LeafAwaiter<SendAwaiter<T>> {
 public:
  static constexpr std::string_view kOperation = "mpsc::send";

  SendAwaiter(Channel<T>& channel, T&& value) noexcept(std::is_nothrow_move_constructible_v<T>)
      : channel_(&channel), value_(std::move(value)) {}
  SendAwaiter(SendAwaiter&&) = default;
  SendAwaiter& operator=(SendAwaiter&&) = delete;
  ~SendAwaiter() {
    if (wait_.is_pending() && wait_.abandon(channel_->gate)) [[unlikely]] {
      channel_->give_back(1);
    }
  }

  bool poll() noexcept {
    if constexpr (std::is_nothrow_move_constructible_v<T>) {
      // Permit, position and value at once.
      MpscGate::Claim claim;
      MpscGate& gate = channel_->gate;
      const MpscGate::Try result = gate.with_credit(1, [&] { return gate.try_send(claim); });
      if (result == MpscGate::Try::kDone) [[likely]] {
        channel_->queue.publish(claim, std::move(value_));
        wait_.set_used();
      }
      return result == MpscGate::Try::kDone || result == MpscGate::Try::kClosed;
    } else {
      return wait_.poll(channel_->gate, 1);
    }
  }
  bool enlist(Branch& branch) noexcept {
    // In an arm that another may win, what is cancelled must not have been sent.
    return wait_.enlist(channel_->gate, 1, branch,
                        ringo::detail::is_spawned_task(branch) ? std::addressof(value_) : nullptr);
  }
  bool is_ended() noexcept { return wait_.is_ended(channel_->gate); }
  std::expected<void, SendError<T>> await_resume() {
    if (!wait_.is_used()) [[unlikely]] {
      if (!wait_.take()) {
        return std::unexpected(SendError<T>{std::move(value_)});
      }
      channel_->publish(std::move(value_));
    }
    return {};
  }

 private:
  Channel<T>* channel_;
  GateWait wait_;
  T value_;
};

template <class T, class Permit>
class ReserveAwaiter final : public LeafAwaiter<ReserveAwaiter<T, Permit>> {
 public:
  static constexpr std::string_view kOperation = "mpsc::reserve";

  ReserveAwaiter(ChannelRef<T> channel, std::size_t count) noexcept
      : channel_(std::move(channel)), count_(count) {}
  ReserveAwaiter(ReserveAwaiter&&) = default;
  ReserveAwaiter& operator=(ReserveAwaiter&&) = delete;
  ~ReserveAwaiter() {
    if (wait_.is_pending() && wait_.abandon(channel_->gate)) {
      channel_->give_back(count_);
    }
  }

  bool poll() noexcept { return is_too_many() || wait_.poll(channel_->gate, count_); }
  bool enlist(Branch& branch) noexcept { return wait_.enlist(channel_->gate, count_, branch); }
  bool is_ended() noexcept { return wait_.is_ended(channel_->gate); }
  Result<Permit> await_resume() {
    if (is_too_many()) {
      return std::unexpected(Error(
          channel_->is_closed() ? ErrorKind::kClosed : ErrorKind::kInvalidInput, "mpsc reserve"));
    }
    if (!wait_.take()) {
      return std::unexpected(Error(ErrorKind::kClosed, "mpsc reserve"));
    }
    if constexpr (std::is_constructible_v<Permit, ChannelRef<T>, std::size_t>) {
      return Permit(channel_, count_);
    } else {
      return Permit(channel_);
    }
  }

 private:
  [[nodiscard]] bool is_too_many() const noexcept { return count_ > channel_->gate.capacity(); }

  ChannelRef<T> channel_;
  std::size_t count_;
  GateWait wait_;
};

/// The waiting part of the two receiving awaiters. Only enlist() looks whether the channel is
/// finished: its read-modify-write fetches the senders' line in any case, and a look before would
/// fetch it twice.
template <class T, class Derived>
class ReceiveBase : public LeafAwaiter<Derived> {
 public:
  static constexpr std::string_view kOperation = "mpsc::recv";

  explicit ReceiveBase(Channel<T>& channel) noexcept : channel_(&channel) {}
  ReceiveBase(ReceiveBase&& other) noexcept
      : LeafAwaiter<Derived>(other),
        channel_(other.channel_),
        is_enlisted_(std::exchange(other.is_enlisted_, false)) {}
  ReceiveBase& operator=(ReceiveBase&&) = delete;

  bool enlist(Branch& branch) noexcept {
    const MpscGate::State state = channel_->queue.start_waiting(branch);
    is_enlisted_ = true;
    // The look comes after the registration: whoever closes looks for the waker afterwards.
    if (!channel_->queue.is_behind(state) && !channel_->is_finished(state)) [[likely]] {
      return true;
    }
    stop_waiting();
    for (int look = 0; look < kLooks; ++look) {
      if (self().poll() || channel_->is_finished()) {
        return false;
      }
      ringo::detail::relax();
    }
    // Some sender lost its processor between claiming its position and filling it, and does not
    // know that we wait: look again when the other tasks have run.
    std::this_thread::yield();
    wake(branch);
    return true;
  }
  bool is_ended() noexcept {
    stop_waiting();
    return self().poll() || !enlist(this->branch());
  }

 protected:
  ~ReceiveBase() { stop_waiting(); }

  [[nodiscard]] Channel<T>& channel() const noexcept { return *channel_; }

 private:
  // Some hundred nanoseconds: a sender fills its position in less than ten.
  static constexpr int kLooks = 64;

  Derived& self() noexcept { return static_cast<Derived&>(*this); }
  void stop_waiting() noexcept {
    if (std::exchange(is_enlisted_, false)) {
      channel_->queue.stop_waiting();
    }
  }

  Channel<T>* channel_;
  bool is_enlisted_ = false;
};

template <class T>
class RecvAwaiter final : public ReceiveBase<T, RecvAwaiter<T>> {
 public:
  using ReceiveBase<T, RecvAwaiter>::ReceiveBase;

  // The value stays in the channel until await_resume(), so that a cancelled recv loses nothing.
  bool poll() noexcept {
    is_ready_ = this->channel().queue.has_ready();
    return is_ready_;
  }
  std::optional<T> await_resume() {
    return is_ready_ ? this->channel().take_ready() : std::optional<T>();
  }

 private:
  bool is_ready_ = false;
};

template <class T>
class RecvManyAwaiter final : public ReceiveBase<T, RecvManyAwaiter<T>> {
 public:
  RecvManyAwaiter(Channel<T>& channel, std::vector<T>& into, std::size_t limit) noexcept
      : ReceiveBase<T, RecvManyAwaiter>(channel), into_(&into), limit_(limit) {}

  bool poll() noexcept { return limit_ == 0 || this->channel().queue.has_ready(); }
  std::size_t await_resume() { return this->channel().pop_many(*into_, limit_); }

 private:
  std::vector<T>* into_;
  std::size_t limit_;
};

template <class Sender, class T>
Task<std::expected<void, TrySendError<T>>> send_with_timeout(Sender sender, T value,
                                                             Duration timeout) {
  auto permit = co_await time::timeout(timeout, sender.reserve());
  if (!permit) {
    TrySendError<T> error{permit.error().kind() == ErrorKind::kTimedOut ? SendFailure::kTimedOut
                                                                        : SendFailure::kClosed,
                          std::move(value)};
    co_return std::unexpected(std::move(error));
  }
  permit->send(std::move(value));
  co_return std::expected<void, TrySendError<T>>();
}

template <class Sender, class OwnedPermit>
Task<Result<OwnedPermit>> reserve_owned(Sender sender) {
  auto permit = co_await sender.reserve();
  if (!permit) {
    co_return std::unexpected(permit.error());
  }
  OwnedPermit owned(std::move(sender), *std::move(permit));
  co_return Result<OwnedPermit>(std::move(owned));
}

}  // namespace detail
}  // namespace ringo::mpsc
