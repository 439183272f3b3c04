// SPDX-License-Identifier: MIT
//
// What the handles of an mpmc channel share, and the awaiters they hand out; see sync/mpmc.h. A
// queue of nodes under one lock, whose critical sections are a few instructions: a value is moved
// into its node before, and out of it after.
//
// Invariants
//   Q1  Receivers wait only while the queue is empty: a value that is sent, or given back, goes to
//       the first of them.
//   Q2  A value handed to a receiver that is destroyed before it looks goes back to the front.
//   Until
//       it has looked, a closed channel does not count as finished.
//   Q3  Senders wait only while there is no room. The first of them is granted what becomes free,
//       and sends when it runs, so that a cancelled one has surely not sent.
//
// Thread safety: all of it.

#pragma once

#include <ringo/detail/atomic.h>
#include <ringo/detail/handle_count.h>
#include <ringo/detail/leaf_awaiter.h>
#include <ringo/detail/mutex.h>
#include <ringo/detail/wait_list.h>
#include <ringo/detail/wait_queue.h>
#include <ringo/sync/mpsc_error.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace ringo::mpmc::detail {

using mpsc::SendError;
using ringo::detail::Atomic;
using ringo::detail::Branch;
using ringo::detail::LeafAwaiter;
using ringo::detail::MutexGuard;
using ringo::detail::QueueWaiter;
using ringo::detail::WakeList;

template <class T>
struct Node : ringo::detail::PooledObject {
  explicit Node(T&& initial) : value(std::move(initial)) {}
  Node* next = nullptr;
  T value;
};

/// Nodes in a row, owned.
template <class T>
class Chain {
 public:
  Chain() = default;
  explicit Chain(T&& value) : first_(new Node<T>(std::move(value))), last_(first_) {}
  Chain(Chain&& other) noexcept
      : first_(std::exchange(other.first_, nullptr)), last_(std::exchange(other.last_, nullptr)) {}
  Chain& operator=(Chain&& other) noexcept {
    std::swap(first_, other.first_);
    std::swap(last_, other.last_);
    return *this;
  }
  ~Chain() {
    while (!empty()) {
      delete pop();
    }
  }

  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
  [[nodiscard]] T& front() noexcept { return first_->value; }

  /// Moves the other chain's nodes behind, or before, its own.
  void append(Chain&& other) noexcept {
    if (other.empty()) {
      return;
    }
    (empty() ? first_ : last_->next) = std::exchange(other.first_, nullptr);
    last_ = std::exchange(other.last_, nullptr);
  }
  void prepend(Chain&& other) noexcept {
    other.append(std::move(*this));
    std::swap(first_, other.first_);
    std::swap(last_, other.last_);
  }
  /// Its first node as a chain of its own; it must have one.
  [[nodiscard]] Chain take_front() noexcept {
    Chain taken;
    taken.first_ = taken.last_ = pop();
    return taken;
  }
  /// Takes the first value out. If its move throws, it is lost.
  [[nodiscard]] T take_value() {
    const Chain taken = take_front();
    return std::move(taken.first_->value);
  }

 private:
  Node<T>* pop() noexcept {
    Node<T>* node = std::exchange(first_, first_->next);
    node->next = nullptr;
    return node;
  }

  Node<T>* first_ = nullptr;
  Node<T>* last_ = nullptr;  ///< of a chain that is not empty
};

template <class T>
class Channel : public ringo::detail::RefCounted<Channel<T>> {
 public:
  static constexpr std::size_t kUnbounded = SIZE_MAX;

  struct RecvWaiter : QueueWaiter {
    Chain<T> handed;  ///< empty after a wake: the channel has been closed
  };
  struct SendWaiter : QueueWaiter {
    bool is_granted = false;  ///< room that it must use or give back
  };

  explicit Channel(std::size_t limit) noexcept : capacity(limit) {}

  // ---- Senders

  enum class Sent : std::uint8_t { kSent, kFull, kClosed };

  /// Sends if there is room and nobody waits for it. The chain keeps its value otherwise.
  [[nodiscard]] Sent try_send(Chain<T>& value) noexcept {
    WakeList woken;
    const MutexGuard guard(mutex_);
    if (is_closed_now()) {
      return Sent::kClosed;
    }
    if (!senders_waiting_.empty() || !has_room()) {
      return Sent::kFull;
    }
    push(value, woken);
    return Sent::kSent;
  }
  /// Sends in any case, if need be in place of the oldest value, which it gives back in
  /// `displaced`.
  [[nodiscard]] Sent force_send(Chain<T>& value, Chain<T>& displaced) noexcept {
    WakeList woken;
    const MutexGuard guard(mutex_);
    if (is_closed_now()) {
      return Sent::kClosed;
    }
    if ((!senders_waiting_.empty() || !has_room()) && !queue_.empty()) {
      displaced = queue_.take_front();
      set_length(length_now() - 1);
    }
    push(value, woken);
    return Sent::kSent;
  }
  /// kFull: the waiter is queued, and woken when it is granted room or the channel is closed.
  [[nodiscard]] Sent send_or_wait(Chain<T>& value, SendWaiter& waiter, Branch& branch) noexcept {
    WakeList woken;
    const MutexGuard guard(mutex_);
    if (is_closed_now()) {
      return Sent::kClosed;
    }
    if (senders_waiting_.empty() && has_room()) {
      push(value, woken);
      return Sent::kSent;
    }
    waiter.is_granted = false;
    senders_waiting_.push(waiter, branch);
    return Sent::kFull;
  }
  /// After a wake: uses what was granted.
  [[nodiscard]] Sent send_granted(Chain<T>& value, SendWaiter& waiter) noexcept {
    WakeList woken;
    const MutexGuard guard(mutex_);
    if (std::exchange(waiter.is_granted, false)) {
      --granted_;
    }
    if (is_closed_now()) {
      return Sent::kClosed;
    }
    push(value, woken);
    grant_room(woken);  // if it went straight to a receiver
    return Sent::kSent;
  }
  void stop_sending(SendWaiter& waiter) noexcept {
    WakeList woken;
    const MutexGuard guard(mutex_);
    senders_waiting_.remove(waiter);
    if (std::exchange(waiter.is_granted, false)) {
      --granted_;
      grant_room(woken);
    }
  }

  // ---- Receivers

  /// Takes up to `limit` values; returns how many.
  std::size_t take(Chain<T>& into, std::size_t limit) noexcept {
    // relaxed: a hint; who waits looks again under the lock.
    if (length_.load(std::memory_order_relaxed) == 0) {
      return 0;
    }
    WakeList woken;
    const MutexGuard guard(mutex_);
    std::size_t count = 0;
    while (count < limit && !queue_.empty()) {
      into.append(queue_.take_front());
      ++count;
    }
    set_length(length_now() - count);
    grant_room(woken);
    return count;
  }
  /// Nothing will ever come again.
  [[nodiscard]] bool is_finished() noexcept {
    if (!is_closed()) {
      return false;
    }
    const MutexGuard guard(mutex_);
    return queue_.empty() && handed_ == 0;
  }
  enum class Received : std::uint8_t { kValue, kFinished, kWaiting };
  [[nodiscard]] Received receive_or_wait(Chain<T>& into, RecvWaiter& waiter,
                                         Branch& branch) noexcept {
    WakeList woken;
    const MutexGuard guard(mutex_);
    if (!queue_.empty()) {
      into.append(queue_.take_front());
      set_length(length_now() - 1);
      grant_room(woken);
      return Received::kValue;
    }
    if (is_closed_now() && handed_ == 0) {
      return Received::kFinished;
    }
    receivers_waiting_.push(waiter, branch);
    return Received::kWaiting;
  }
  /// After a wake: takes what was handed over, if anything was. Not a sender's business any more.
  void take_handed(RecvWaiter& waiter, Chain<T>& into) noexcept {
    if (waiter.handed.empty()) {
      return;
    }
    into.append(std::move(waiter.handed));
    WakeList woken;
    const MutexGuard guard(mutex_);
    --handed_;
    if (is_closed_now()) {
      end_waits_if_finished(woken);
    }
  }
  /// Ends the wait; what was handed over goes to the next.
  void stop_receiving(RecvWaiter& waiter) noexcept {
    Chain<T> unwanted;  // destroyed after the lock
    WakeList woken;
    const MutexGuard guard(mutex_);
    receivers_waiting_.remove(waiter);
    if (!waiter.handed.empty()) {
      --handed_;
      give_back(std::move(waiter.handed), unwanted, woken);
    }
  }
  /// What was taken but not looked at goes to the next.
  void give_back(Chain<T>&& values) noexcept {
    Chain<T> unwanted;
    WakeList woken;
    const MutexGuard guard(mutex_);
    give_back(std::move(values), unwanted, woken);
  }

  // ---- Both

  /// Whether the wake that the branch had was not for this waiter.
  [[nodiscard]] bool is_waiting(QueueWaiter& waiter) noexcept {
    if (!waiter.is_queued()) {
      return false;
    }
#ifdef RINGO_MODEL_TRUSTS_THE_FLAG
    return true;
#else
    const MutexGuard guard(mutex_);
    return waiter.is_linked();
#endif
  }
  /// True: it was open.
  bool close() noexcept {
    {
      WakeList woken;
      const MutexGuard guard(mutex_);
      if (is_closed_now()) {
        return false;
      }
      is_closed_.store(true, std::memory_order_release);  // pairs with is_closed()
      senders_waiting_.wake_all(woken);
      end_waits_if_finished(woken);
    }
    closed_waiters.wake_all();
    return true;
  }
  /// With the last receiver: nobody will look at what is in the queue.
  void abandon() noexcept {
    close();
    Chain<T> unwanted;
    const MutexGuard guard(mutex_);
    is_abandoned_ = true;
    unwanted = std::move(queue_);
    set_length(0);
  }
  [[nodiscard]] bool is_closed() const noexcept {
    return is_closed_.load(std::memory_order_acquire);
  }
  [[nodiscard]] std::size_t length() const noexcept {
    return length_.load(std::memory_order_relaxed);  // a number that may be old when it is returned
  }

  const std::size_t capacity;
  ringo::detail::HandleCount senders{1};
  ringo::detail::HandleCount receivers{1};
  ringo::detail::WaitList closed_waiters;

 private:
  friend class ringo::detail::RefCounted<Channel>;
  ~Channel() = default;

  // relaxed in all of these: changed under the lock.
  [[nodiscard]] bool is_closed_now() const noexcept RINGO_REQUIRES(mutex_) {
    return is_closed_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::size_t length_now() const noexcept RINGO_REQUIRES(mutex_) {
    return length_.load(std::memory_order_relaxed);
  }
  void set_length(std::size_t length) noexcept RINGO_REQUIRES(mutex_) {
    length_.store(length, std::memory_order_relaxed);
  }
  /// A queue that values were given back to may be longer than the capacity.
  [[nodiscard]] bool has_room() const noexcept RINGO_REQUIRES(mutex_) {
    return length_now() < capacity && length_now() + granted_ < capacity;
  }

  void push(Chain<T>& value, WakeList& woken) noexcept RINGO_REQUIRES(mutex_) {
    if (RecvWaiter* first = receivers_waiting_.front()) {
      hand(*first, std::move(value), woken);
    } else {
      queue_.append(std::move(value));
      set_length(length_now() + 1);
    }
  }
  void hand(RecvWaiter& waiter, Chain<T>&& value, WakeList& woken) noexcept RINGO_REQUIRES(mutex_) {
    waiter.handed = std::move(value);
    ++handed_;
    receivers_waiting_.wake_front(woken);
  }
  void grant_room(WakeList& woken) noexcept RINGO_REQUIRES(mutex_) {
    while (!senders_waiting_.empty() && has_room()) {
      senders_waiting_.front()->is_granted = true;
      ++granted_;
      senders_waiting_.wake_front(woken);
    }
  }
  void give_back(Chain<T>&& values, Chain<T>& unwanted, WakeList& woken) noexcept
      RINGO_REQUIRES(mutex_) {
    while (!values.empty() && !receivers_waiting_.empty()) {
      hand(*receivers_waiting_.front(), values.take_front(), woken);
    }
    if (is_abandoned_) {
      unwanted = std::move(values);
    } else if (!values.empty()) {
      std::size_t count = 0;
      Chain<T> counted;
      while (!values.empty()) {
        counted.append(values.take_front());
        ++count;
      }
      queue_.prepend(std::move(counted));
      set_length(length_now() + count);
    }
    if (is_closed_now()) {
      end_waits_if_finished(woken);
    }
  }
  /// Of a closed channel.
  void end_waits_if_finished(WakeList& woken) noexcept RINGO_REQUIRES(mutex_) {
    if (queue_.empty() && handed_ == 0) {
      receivers_waiting_.wake_all(woken);
    }
  }

  ringo::detail::Mutex mutex_;
  Chain<T> queue_ RINGO_GUARDED_BY(mutex_);
  Atomic<std::size_t> length_{0};  // of the queue; written under the lock
  Atomic<bool> is_closed_{false};  // written under the lock
  bool is_abandoned_ RINGO_GUARDED_BY(mutex_) = false;
  std::size_t handed_ RINGO_GUARDED_BY(mutex_) = 0;   ///< values in the hands of woken receivers
  std::size_t granted_ RINGO_GUARDED_BY(mutex_) = 0;  ///< room that woken senders have
  ringo::detail::WaitQueue<RecvWaiter> receivers_waiting_ RINGO_GUARDED_BY(mutex_);
  ringo::detail::WaitQueue<SendWaiter> senders_waiting_ RINGO_GUARDED_BY(mutex_);
};

template <class T>
using ChannelRef = ringo::detail::RefPtr<Channel<T>>;

template <class T>
class SendAwaiter final : public LeafAwaiter<SendAwaiter<T>> {
  using Sent = Channel<T>::Sent;

 public:
  static constexpr std::string_view kOperation = "mpmc::send";

  SendAwaiter(Channel<T>& channel, T&& value) : channel_(&channel), value_(std::move(value)) {}
  SendAwaiter(SendAwaiter&&) = default;
  SendAwaiter& operator=(SendAwaiter&&) = delete;
  ~SendAwaiter() {
    if (waiter_.is_queued() || waiter_.is_granted) {
      channel_->stop_sending(waiter_);
    }
  }

  bool poll() noexcept {
    sent_ = channel_->try_send(value_);
    return sent_ != Sent::kFull;
  }
  bool enlist(Branch& branch) noexcept {
    sent_ = channel_->send_or_wait(value_, waiter_, branch);
    return sent_ == Sent::kFull;
  }
  bool is_ended() noexcept {
    if (channel_->is_waiting(waiter_)) {
      return false;
    }
    if (sent_ == Sent::kFull) {
      sent_ = channel_->send_granted(value_, waiter_);
    }
    return true;
  }
  std::expected<void, SendError<T>> await_resume() {
    if (sent_ != Sent::kSent) {
      return std::unexpected(SendError<T>{value_.take_value()});
    }
    return {};
  }

 private:
  Channel<T>* channel_;
  Chain<T> value_;
  Channel<T>::SendWaiter waiter_;
  Sent sent_ = Sent::kFull;
};

/// The waiting part of the two receiving awaiters. Derived::limit() values are wanted.
template <class T, class Derived>
class ReceiveBase : public LeafAwaiter<Derived> {
 public:
  static constexpr std::string_view kOperation = "mpmc::recv";

  explicit ReceiveBase(Channel<T>& channel) noexcept : channel_(&channel) {}
  ReceiveBase(ReceiveBase&&) = default;
  ReceiveBase& operator=(ReceiveBase&&) = delete;

  bool poll() noexcept {
    const std::size_t limit = static_cast<Derived*>(this)->limit();
    return limit == 0 || !taken_.empty() || channel_->take(taken_, limit) != 0 ||
           channel_->is_finished();
  }
  bool enlist(Branch& branch) noexcept {
    return channel_->receive_or_wait(taken_, waiter_, branch) == Channel<T>::Received::kWaiting;
  }
  bool is_ended() noexcept {
    if (channel_->is_waiting(waiter_)) {
      return false;
    }
    channel_->take_handed(waiter_, taken_);
    if (!taken_.empty()) {
      return true;
    }
    return poll() || !enlist(this->branch());
  }

 protected:
  ~ReceiveBase() {
    if (waiter_.is_queued() || !waiter_.handed.empty()) {
      channel_->stop_receiving(waiter_);
    }
    if (!taken_.empty()) {
      channel_->give_back(std::move(taken_));
    }
  }

  [[nodiscard]] Channel<T>& channel() const noexcept { return *channel_; }
  [[nodiscard]] Chain<T>& taken() noexcept { return taken_; }

 private:
  Channel<T>* channel_;
  Chain<T> taken_;
  Channel<T>::RecvWaiter waiter_;
};

template <class T>
class RecvAwaiter final : public ReceiveBase<T, RecvAwaiter<T>> {
 public:
  using ReceiveBase<T, RecvAwaiter>::ReceiveBase;

  [[nodiscard]] std::size_t limit() const noexcept { return 1; }
  std::optional<T> await_resume() {
    if (this->taken().empty()) {
      return std::nullopt;
    }
    return std::optional<T>(this->taken().take_value());
  }
};

template <class T>
class RecvManyAwaiter final : public ReceiveBase<T, RecvManyAwaiter<T>> {
 public:
  RecvManyAwaiter(Channel<T>& channel, std::vector<T>& into, std::size_t limit) noexcept
      : ReceiveBase<T, RecvManyAwaiter>(channel), into_(&into), limit_(limit) {}

  [[nodiscard]] std::size_t limit() const noexcept { return limit_; }
  std::size_t await_resume() {
    const std::size_t before = into_->size();
    drain();
    // One that was handed over came alone.
    const std::size_t count = into_->size() - before;
    if (count == 1 && limit_ > 1) {
      this->channel().take(this->taken(), limit_ - 1);
      drain();
    }
    return into_->size() - before;
  }

 private:
  /// What a value's move throws leaves it, and those behind it, to the other receivers.
  void drain() {
    while (!this->taken().empty()) {
      into_->push_back(std::move(this->taken().front()));
      const Chain<T> empty_node = this->taken().take_front();
    }
  }

  std::vector<T>* into_;
  std::size_t limit_;
};

}  // namespace ringo::mpmc::detail
