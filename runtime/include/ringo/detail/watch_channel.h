// SPDX-License-Identifier: MIT
//
// What the handles of a watch channel share, and the awaiters they hand out; see sync/watch.h.
//
//   sequence_   the version: two more for each value that is sent; odd while a small value is being
//               written, which counts as the version before
//
// Invariants
//   C1  Value, version, "closed" and the queue of those who wait for a change are changed under the
//       lock. So a wait that saw no change under the lock is woken by the next.
//   C2  Modifications (send_modify) take turns; while one runs, every other send waits for its
//   turn,
//       so that what it was computed from is still the value when it is stored. Readers do not
//       wait.
//
// Thread safety: all of it.

#pragma once

#include <ringo/detail/handle_count.h>
#include <ringo/detail/leaf_awaiter.h>
#include <ringo/detail/mutex.h>
#include <ringo/detail/wait_list.h>
#include <ringo/detail/wait_queue.h>
#include <ringo/detail/watch_value.h>
#include <ringo/result.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <expected>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>

namespace ringo::watch::detail {

using ringo::detail::Branch;
using ringo::detail::LeafAwaiter;
using ringo::detail::MutexGuard;
using ringo::detail::QueueWaiter;
using ringo::detail::WakeList;

/// Whose turn it is to modify the value. A thread that asks for a second turn in its first one gets
/// a UsageError: it would wait for itself.
class ModificationTurn {
 public:
  void begin();
  void end() noexcept;

 private:
  ringo::detail::Mutex mutex_;
  std::atomic<const void*> owner_{nullptr};  ///< stands for the thread
};

template <class T>
class Channel : public ringo::detail::RefCounted<Channel<T>> {
 public:
  using Snapshot = Store<T>::Snapshot;
  struct Read {
    Read(Snapshot&& value, std::uint64_t of_version) noexcept
        : snapshot(std::move(value)), version(of_version) {}
    Snapshot snapshot;
    std::uint64_t version;
  };

  explicit Channel(T&& initial) : store_(std::move(initial)) {}

  // ---- Readers

  [[nodiscard]] std::uint64_t version() const noexcept {
    return sequence_.load(std::memory_order_acquire) & ~std::uint64_t{1};  // pairs with exchange()
  }
  [[nodiscard]] bool is_closed() const noexcept {
    return is_closed_.load(std::memory_order_acquire);  // pairs with close()
  }
  /// There is another version than the one seen, or there will be none.
  [[nodiscard]] bool has_news(std::uint64_t seen) const noexcept {
    return version() != seen || is_closed();
  }
  [[nodiscard]] Read read() noexcept {
    if (auto loaded = store_.try_load(sequence_)) [[likely]] {
      return Read(std::move(loaded->first), loaded->second);
    }
    const MutexGuard guard(mutex_);
    return Read(store_.load(), version());
  }

  /// Queues the waiter unless there are news.
  [[nodiscard]] bool wait(QueueWaiter& waiter, Branch& branch, std::uint64_t seen) noexcept {
    const MutexGuard guard(mutex_);
    if (has_news(seen)) {
      return false;
    }
    waiting_.push(waiter, branch);
    return true;
  }
  void stop_waiting(QueueWaiter& waiter) noexcept {
    const MutexGuard guard(mutex_);
    waiting_.remove(waiter);
  }

  // ---- Senders

  /// Whether a send needs somebody who may look at the value.
  enum class Needs : bool { kNothing, kReceiver };

  /// Stores and announces; returns the old value. Nothing: there is no receiver, `next` is as it
  /// was. Panics: UsageError within a modification by the same thread.
  [[nodiscard]] std::optional<Snapshot> replace(Snapshot& next, Needs needs) {
    WakeList woken;
    std::optional<Snapshot> old;
    bool must_take_turn = false;
    {
      const MutexGuard guard(mutex_);
#ifndef RINGO_MODEL_SENDS_OUT_OF_TURN
      must_take_turn = is_being_modified_;
#endif
      if (!must_take_turn && (needs == Needs::kNothing || !is_vacant())) {
        old.emplace(store_.exchange(std::move(next), sequence_));
        waiting_.wake_all(woken);
      }
    }
    if (must_take_turn) [[unlikely]] {
      const Turn turn(*this);
      if (needs == Needs::kNothing || !is_vacant()) {
        old.emplace(store_in_turn(next));
      }
    }
    return old;
  }

  /// Lets `change`, which returns whether it has changed anything, work on a copy. If it throws,
  /// nothing happens.
  template <class Change>
  bool modify(Change&& change) {
    std::optional<Snapshot> next;  // both are destroyed after the turn
    std::optional<Snapshot> old;
    const Turn turn(*this);
    next.emplace(*std::as_const(*this).current_in_turn());
    if (!std::invoke(std::forward<Change>(change), next->mutable_value())) {
      return false;
    }
    old.emplace(store_in_turn(*next));
    return true;
  }

  void close() noexcept {
    WakeList woken;
    const MutexGuard guard(mutex_);
    // release: pairs with is_closed(), the last value has been stored.
    is_closed_.store(true, std::memory_order_release);
    waiting_.wake_all(woken);
  }

  // ---- Handles

  void add_receiver() noexcept {
    receivers_.fetch_add(1, std::memory_order_relaxed);  // made from a handle that exists
  }
  void drop_receiver() noexcept {
    // acq_rel: pairs with is_vacant(); what the receiver did happens before.
    if (receivers_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      vacancy_waiters.wake_all();
    }
  }
  [[nodiscard]] std::size_t receiver_count() const noexcept {
    return receivers_.load(std::memory_order_acquire);
  }
  [[nodiscard]] bool is_vacant() const noexcept { return receiver_count() == 0; }

  ringo::detail::HandleCount senders{1};
  ringo::detail::WaitList vacancy_waiters;

 private:
  friend class ringo::detail::RefCounted<Channel>;
  ~Channel() = default;

  /// C2: holds the other senders off.
  class Turn {
   public:
    explicit Turn(Channel& channel) : channel_(channel) {
      channel.turn_.begin();
      const MutexGuard guard(channel.mutex_);
      channel.is_being_modified_ = true;
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn() {
      {
        const MutexGuard guard(channel_.mutex_);
        channel_.is_being_modified_ = false;
      }
      channel_.turn_.end();
    }

   private:
    Channel& channel_;
  };

  [[nodiscard]] Snapshot current_in_turn() const noexcept {
    const MutexGuard guard(mutex_);
    return store_.load();
  }
  [[nodiscard]] Snapshot store_in_turn(Snapshot& next) noexcept {
    WakeList woken;
    const MutexGuard guard(mutex_);
    Snapshot old = store_.exchange(std::move(next), sequence_);
    waiting_.wake_all(woken);
    return old;
  }

  mutable ringo::detail::Mutex mutex_;
  Atomic<std::uint64_t> sequence_{0};
  Store<T> store_;
  Atomic<bool> is_closed_{false};
  bool is_being_modified_ RINGO_GUARDED_BY(mutex_) = false;
  ringo::detail::WaitQueue<> waiting_ RINGO_GUARDED_BY(mutex_);
  ModificationTurn turn_;
  Atomic<std::size_t> receivers_{0};
};

template <class T>
using ChannelRef = ringo::detail::RefPtr<Channel<T>>;

/// Waits for another version than `seen`, which it updates when it ends.
template <class T>
class ChangedAwaiter final : public LeafAwaiter<ChangedAwaiter<T>> {
 public:
  static constexpr std::string_view kOperation = "watch::changed";

  ChangedAwaiter(Channel<T>& channel, std::uint64_t& seen) noexcept
      : channel_(&channel), seen_(&seen) {}
  ChangedAwaiter(ChangedAwaiter&&) = default;
  ChangedAwaiter& operator=(ChangedAwaiter&&) = delete;
  ~ChangedAwaiter() {
    if (waiter_.is_queued()) {
      channel_->stop_waiting(waiter_);
    }
  }

  bool poll() noexcept { return channel_->has_news(*seen_); }
  bool enlist(Branch& branch) noexcept { return channel_->wait(waiter_, branch, *seen_); }
  bool is_ended() noexcept { return poll() || (!waiter_.is_queued() && !enlist(this->branch())); }
  Result<void> await_resume() noexcept {
    // "Closed" is looked at first: no version comes after it.
    const bool is_closed = channel_->is_closed();
    const std::uint64_t version = channel_->version();
    if (version == *seen_ && is_closed) {
      return std::unexpected(Error(ErrorKind::kClosed, "watch::Receiver::changed"));
    }
    *seen_ = version;
    return {};
  }

 private:
  Channel<T>* channel_;
  std::uint64_t* seen_;
  QueueWaiter waiter_;
};

/// Waits for a value that the predicate accepts. Each version is shown to it once, and is seen
/// then.
template <class T, class Ref, class Predicate>
class WaitForAwaiter final : public LeafAwaiter<WaitForAwaiter<T, Ref, Predicate>> {
 public:
  static constexpr std::string_view kOperation = "watch::wait_for";

  WaitForAwaiter(Channel<T>& channel, std::uint64_t& seen, Predicate&& predicate)
      : channel_(&channel), seen_(&seen), predicate_(std::move(predicate)) {}
  WaitForAwaiter(WaitForAwaiter&&) = default;
  WaitForAwaiter& operator=(WaitForAwaiter&&) = delete;
  ~WaitForAwaiter() {
    if (waiter_.is_queued()) {
      channel_->stop_waiting(waiter_);
    }
  }

  bool poll() noexcept {
    if (accepted_ || exception_) {
      return true;
    }
    // "Closed" is looked at first: no version comes after it.
    const bool is_closed = channel_->is_closed();
    if (!has_shown_ || channel_->version() != *seen_) {
      show(channel_->read());
    }
    return is_closed || accepted_ || exception_;
  }
  bool enlist(Branch& branch) noexcept {
    // A change between the look and the registration is shown before anything else.
    while (!channel_->wait(waiter_, branch, *seen_)) {
      if (poll()) {
        return false;
      }
    }
    return true;
  }
  bool is_ended() noexcept { return poll() || (!waiter_.is_queued() && !enlist(this->branch())); }
  Result<Ref> await_resume() {
    if (exception_) {
      std::rethrow_exception(std::exchange(exception_, nullptr));
    }
    if (!accepted_) {
      return std::unexpected(Error(ErrorKind::kClosed, "watch::Receiver::wait_for"));
    }
    return *std::move(accepted_);
  }

 private:
  void show(Channel<T>::Read&& read) noexcept {
    const bool is_new = read.version != *seen_;
    has_shown_ = true;
    *seen_ = read.version;
    try {
      if (std::invoke(predicate_, *std::as_const(read.snapshot))) {
        accepted_.emplace(std::move(read.snapshot), is_new);
      }
    } catch (...) {
      exception_ = std::current_exception();
    }
  }

  Channel<T>* channel_;
  std::uint64_t* seen_;
  Predicate predicate_;
  QueueWaiter waiter_;
  std::optional<Ref> accepted_;
  std::exception_ptr exception_;
  bool has_shown_ = false;
};

}  // namespace ringo::watch::detail
