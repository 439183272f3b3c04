// SPDX-License-Identifier: MIT
//
// The queue of tasks that were woken or spawned outside the runtime's workers, and of what a
// worker's own queue could not hold. Intrusive, unbounded, first in first out.
//
// Thread safety: all of it. Complexity: O(1) per task under a lock; looking at an empty queue is
// one load.

#pragma once

#include <ringo/detail/mutex.h>
#include <ringo/detail/task_core.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ringo::detail {

class InjectionQueue {
 public:
  /// A task that was made ready by no worker of the runtime.
  void push(TaskHeader& task) noexcept {
    task.queue_next = nullptr;
    const MutexGuard guard(mutex_);
    // relaxed, here and below: written under the lock; readers outside it want the number alone.
    pushes_.store(pushes_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    if (task.owner == nullptr) {
      unstarted_.store(unstarted_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
    append(task, task, 1);
  }

  /// Appends a chain that is linked by queue_next.
  void push_chain(TaskHeader& first, TaskHeader& last, std::size_t count) noexcept {
    const MutexGuard guard(mutex_);
    append(first, last, count);
  }

  /// Hands up to `limit` tasks to `take`, which returns false to stop (the task was not taken).
  template <class Take>
  void pop_many(std::size_t limit, Take take) noexcept {
    if (length() == 0) {
      return;
    }
    const MutexGuard guard(mutex_);
    std::size_t taken = 0;
    while (taken < limit && head_ != nullptr) {
      TaskHeader* task = head_;
      TaskHeader* next = task->queue_next;
      const bool is_unstarted = task->owner == nullptr;
      if (!take(*task)) {
        break;
      }
      if (is_unstarted) {
        unstarted_.store(unstarted_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
      }
      ++taken;
      head_ = next;
    }
    if (head_ == nullptr) {
      tail_ = nullptr;
    }
    // release: pairs with length(): who sees that they are gone sees where `take` has put them.
    length_.store(length_.load(std::memory_order_relaxed) - taken, std::memory_order_release);
  }

  [[nodiscard]] TaskHeader* pop() noexcept {
    TaskHeader* popped = nullptr;
    pop_many(1, [&popped](TaskHeader& task) {
      popped = &task;
      return true;
    });
    return popped;
  }

  /// Under the lock: `visit` must not come back here.
  template <class Visit>
  void for_each(Visit visit) {
    const MutexGuard guard(mutex_);
    for (const TaskHeader* task = head_; task != nullptr; task = task->queue_next) {
      visit(*task);
    }
  }

  [[nodiscard]] std::size_t length() const noexcept {
    // acquire: pairs with pop_many(). Else a hint; see append().
    return length_.load(std::memory_order_acquire);
  }
  /// How many of them have never run.
  [[nodiscard]] std::size_t unstarted() const noexcept {
    return unstarted_.load(std::memory_order_relaxed);
  }
  /// How many tasks push() was called for, ever.
  [[nodiscard]] std::uint64_t pushes() const noexcept {
    return pushes_.load(std::memory_order_relaxed);
  }

 private:
  void append(TaskHeader& first, TaskHeader& last, std::size_t count) noexcept
      RINGO_REQUIRES(mutex_) {
    (tail_ == nullptr ? head_ : tail_->queue_next) = &first;
    tail_ = &last;
    // relaxed: written under the lock; readers outside it only want a hint, and the idle protocol
    // has its own barrier.
    length_.store(length_.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  }

  Mutex mutex_;
  TaskHeader* head_ RINGO_GUARDED_BY(mutex_) = nullptr;
  TaskHeader* tail_ RINGO_GUARDED_BY(mutex_) = nullptr;
  std::atomic<std::size_t> length_{0};
  std::atomic<std::size_t> unstarted_{0};
  std::atomic<std::uint64_t> pushes_{0};
};

}  // namespace ringo::detail
