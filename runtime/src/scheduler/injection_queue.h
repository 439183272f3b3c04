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

namespace ringo::detail {

class InjectionQueue {
 public:
  void push(TaskHeader& task) noexcept {
    task.queue_next = nullptr;
    push_chain(task, task, 1);
  }

  /// Appends a chain that is linked by queue_next.
  void push_chain(TaskHeader& first, TaskHeader& last, std::size_t count) noexcept {
    const MutexGuard guard(mutex_);
    (tail_ == nullptr ? head_ : tail_->queue_next) = &first;
    tail_ = &last;
    // relaxed: written under the lock; readers outside it only want a hint, and the idle protocol
    // has its own barrier.
    length_.store(length_.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
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
      if (!take(*task)) {
        break;
      }
      ++taken;
      head_ = next;
    }
    if (head_ == nullptr) {
      tail_ = nullptr;
    }
    length_.store(length_.load(std::memory_order_relaxed) - taken, std::memory_order_relaxed);
  }

  [[nodiscard]] TaskHeader* pop() noexcept {
    TaskHeader* popped = nullptr;
    pop_many(1, [&popped](TaskHeader& task) {
      popped = &task;
      return true;
    });
    return popped;
  }

  [[nodiscard]] std::size_t length() const noexcept {
    return length_.load(std::memory_order_relaxed);  // a hint; see push_chain()
  }

 private:
  Mutex mutex_;
  TaskHeader* head_ RINGO_GUARDED_BY(mutex_) = nullptr;
  TaskHeader* tail_ RINGO_GUARDED_BY(mutex_) = nullptr;
  std::atomic<std::size_t> length_{0};
};

}  // namespace ringo::detail
