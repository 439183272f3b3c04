// SPDX-License-Identifier: MIT
//
// A counting semaphore with a first-in-first-out queue: the core of Semaphore, of Mutex and RwLock,
// and of the capacity of a bounded channel.
//
//   word_   {free permits: 62 | CLOSED | HAS_WAITERS}
//
// Invariants
//   S1  While HAS_WAITERS is set, only the holder of the lock changes the word. So nobody overtakes
//       the queue, and a release can never miss a waiter.
//   S2  HAS_WAITERS is set exactly while the queue is not empty (seen under the lock).
//   S3  The first waiter waits until there are as many permits as it needs; a small request behind
//       a big one waits with it.
//   S4  A waiter is taken from the queue under the lock, and woken there. If that found its task
//       idle, the task is in the waker's WakeList and cannot run before the lock is released: only
//       then is is_handed_over set, which the task may read without the lock. In all other cases it
//       looks under the lock. Either way the waker is done with waiter and semaphore when the
//       waiter learns of its luck, and may destroy both.
//
// Thread safety: all of it. Complexity: one compare-and-swap without waiters; else a lock.

#pragma once

#include <ringo/detail/assert.h>
#include <ringo/detail/atomic.h>
#include <ringo/detail/intrusive_list.h>
#include <ringo/detail/leaf_description.h>
#include <ringo/detail/mutex.h>
#include <ringo/detail/task_core.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace ringo::detail {

/// A waiter, in the awaiter. Changed under the semaphore's lock; see S4.
struct SemaphoreWaiter : ListNode {
  Branch* branch = nullptr;
  std::size_t needed = 0;
  Plain<bool> is_granted;      ///< the permits are the waiter's
  Plain<bool> is_handed_over;  ///< it is not queued any more, and the lock need not be asked
};

class SemaphoreCore {
 public:
  static constexpr std::size_t kMaxPermits = SIZE_MAX >> 3;

  enum class Try : std::uint8_t { kAcquired, kNoPermits, kClosed };

  explicit SemaphoreCore(std::size_t permits) : word_(permits * kPermit) {}
  SemaphoreCore(const SemaphoreCore&) = delete;
  SemaphoreCore& operator=(const SemaphoreCore&) = delete;
  ~SemaphoreCore() = default;

  [[nodiscard]] Try try_acquire(std::size_t count) noexcept {
    // relaxed: the compare-and-swap decides.
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    do {
      if ((word & kClosed) != 0) {
        return Try::kClosed;
      }
      if ((word & kHasWaiters) != 0 || word / kPermit < count) {
        return Try::kNoPermits;
      }
      // acquire: pairs with release(), what the previous holder did is visible.
    } while (!word_.compare_exchange_weak(word, word - count * kPermit, std::memory_order_acq_rel,
                                          std::memory_order_relaxed));
    return Try::kAcquired;
  }

  /// Gives permits back that were acquired here, to waiters first.
  void release(std::size_t count) noexcept {
    std::uint64_t word = word_.load(std::memory_order_relaxed);  // the compare-and-swap decides
    do {
      if ((word & kHasWaiters) != 0) [[unlikely]] {
        (void)release_to_waiters(count, SIZE_MAX);
        return;
      }
      // release: pairs with try_acquire().
    } while (!word_.compare_exchange_weak(word, word + count * kPermit, std::memory_order_acq_rel,
                                          std::memory_order_relaxed));
  }

  /// release() of permits that may be new. False: more than kMaxPermits would be free; nothing was
  /// done.
  [[nodiscard]] bool try_release(std::size_t count) noexcept {
    if (count > kMaxPermits) {
      return false;
    }
    std::uint64_t word = word_.load(std::memory_order_relaxed);  // the compare-and-swap decides
    do {
      if ((word & kHasWaiters) != 0) [[unlikely]] {
        return release_to_waiters(count, kMaxPermits);
      }
      if (word / kPermit + count > kMaxPermits) {
        return false;
      }
      // release: as in release().
    } while (!word_.compare_exchange_weak(word, word + count * kPermit, std::memory_order_acq_rel,
                                          std::memory_order_relaxed));
    return true;
  }

  /// Acquires, or queues the waiter. kNoPermits: it is queued, and woken when it is granted or the
  /// semaphore is closed.
  [[nodiscard]] Try acquire_or_wait(SemaphoreWaiter& waiter, Branch& branch,
                                    std::size_t count) noexcept;

  /// Ends a wait, whatever has become of it: unlinks the waiter and gives back what it was granted.
  void stop_waiting(SemaphoreWaiter& waiter) noexcept;
  /// After a wake: whether it is still queued.
  [[nodiscard]] bool is_waiting(SemaphoreWaiter& waiter) noexcept {
    return !waiter.is_handed_over.get() && is_queued(waiter);
  }

  /// The waiter's place in the queue, from 1; 0 if it is in none, or behind `most` others.
  [[nodiscard]] std::size_t queue_position(const SemaphoreWaiter& waiter,
                                           std::size_t most) noexcept;

  /// Fails all waiters, and all who come. Permits can still be given back.
  void close() noexcept;

  [[nodiscard]] bool is_closed() const noexcept {
    // seq_cst: callers combine it with other atomics (see mpsc::detail::Channel::is_finished).
    return (word_.load(std::memory_order_seq_cst) & kClosed) != 0;
  }
  [[nodiscard]] std::size_t available() const noexcept {
    return word_.load(std::memory_order_seq_cst) / kPermit;
  }
  /// Both at one moment.
  [[nodiscard]] bool is_closed_with(std::size_t permits) const noexcept {
    const std::uint64_t word = word_.load(std::memory_order_seq_cst);
    return (word & kClosed) != 0 && word / kPermit == permits;
  }
  /// Takes up to `count` free permits away for good; returns how many.
  std::size_t forget(std::size_t count) noexcept;

 private:
  static constexpr std::uint64_t kHasWaiters = 1;
  static constexpr std::uint64_t kClosed = 2;
  static constexpr std::uint64_t kPermit = 4;

  /// False: more than `most_free` would be free; nothing was done.
  bool release_to_waiters(std::size_t count, std::size_t most_free) noexcept;
  [[nodiscard]] bool is_queued(SemaphoreWaiter& waiter) noexcept;
  /// Wakes a waiter that was taken from the queue.
  static void hand_over(SemaphoreWaiter& waiter, WakeList& woken) noexcept;
  /// Serves the queue from `free` permits and stores what is left.
  void grant(std::uint64_t word, WakeList& woken) noexcept RINGO_REQUIRES(mutex_);

  Atomic<std::uint64_t> word_;
  Mutex mutex_;
  IntrusiveList<SemaphoreWaiter> waiters_ RINGO_GUARDED_BY(mutex_);
};

/// The waiting part of an awaiter that needs permits. Its owner calls poll(), enlist() and
/// is_ended() from its own, and take() when it uses the permits. What is not taken goes back.
class PermitWait {
 public:
  PermitWait(SemaphoreCore& semaphore, std::size_t count) noexcept
      : semaphore_(&semaphore), count_(count) {}
  /// Only before it is awaited.
  PermitWait(PermitWait&& other) noexcept
      : semaphore_(other.semaphore_),
        count_(other.count_),
        state_(std::exchange(other.state_, State::kIdle)) {
    RINGO_DCHECK(state_ != State::kWaiting, "an awaiter was moved while it waited");
  }
  PermitWait& operator=(PermitWait&&) = delete;
  ~PermitWait() {
    if (state_ == State::kWaiting) {
      semaphore_->stop_waiting(waiter_);
    } else if (state_ == State::kAcquired) {
      semaphore_->release(count_);
    }
  }

  bool poll() noexcept { return settle(semaphore_->try_acquire(count_)); }
  bool enlist(Branch& branch) noexcept {
    std::construct_at(&waiter_);
    state_ = State::kWaiting;
    return !settle(semaphore_->acquire_or_wait(waiter_, branch, count_));
  }
  bool is_ended() noexcept {
    if (semaphore_->is_waiting(waiter_)) {
      return false;
    }
    state_ = waiter_.is_granted.get() ? State::kAcquired : State::kClosed;
    return true;
  }

  [[nodiscard]] bool is_closed() const noexcept { return state_ == State::kClosed; }
  /// The permits are the caller's from now on. False: there are none, because the wait goes on or
  /// the semaphore was closed.
  [[nodiscard]] bool take() noexcept {
    if (state_ != State::kAcquired) {
      return false;
    }
    state_ = State::kTaken;
    return true;
  }
  [[nodiscard]] std::size_t count() const noexcept { return count_; }

  /// For a task dump; see Leaf::describe().
  void describe(LeafDescription& description) const noexcept {
    if (state_ == State::kWaiting) {
      description.queue_position =
          semaphore_->queue_position(waiter_, LeafDescription::kMaxQueuePosition);
    }
  }

 private:
  enum class State : std::uint8_t { kIdle, kWaiting, kAcquired, kClosed, kTaken };

  bool settle(SemaphoreCore::Try result) noexcept {
    if (result == SemaphoreCore::Try::kNoPermits) {
      return false;
    }
    state_ = result == SemaphoreCore::Try::kAcquired ? State::kAcquired : State::kClosed;
    return true;
  }

  SemaphoreCore* semaphore_;
  std::size_t count_;
  State state_ = State::kIdle;
  // Made by enlist(): an operation that needs not wait does without, because each store before an
  // atomic read-modify-write is one that it must wait for. It needs no destruction.
  union {
    SemaphoreWaiter waiter_;
  };
};

}  // namespace ringo::detail
