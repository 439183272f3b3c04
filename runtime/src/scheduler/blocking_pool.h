// SPDX-License-Identifier: MIT
//
// The threads for closures that block. They are started on demand, up to a limit, and end when they
// have been idle for a while. Jobs wait first in first out.
//
// Thread safety: all of it.

#pragma once

#include <ringo/detail/mutex.h>
#include <ringo/detail/task_core.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>

#include "base/condition.h"

namespace ringo::detail {

class RuntimeShared;

class BlockingPool {
 public:
  BlockingPool(std::size_t max_threads, std::chrono::nanoseconds keep_alive) noexcept
      : max_threads_(max_threads), keep_alive_(keep_alive) {}

  /// Takes over a job whose NOTIFIED bit is set, with its life reference. If no thread can be had
  /// at all, or the pool is closed, the job is cancelled.
  void submit(TaskHeader& job, std::shared_ptr<RuntimeShared> runtime) noexcept;

  /// Cancels what waits, and refuses what comes. Idle threads end.
  void close() noexcept;
  /// Waits for the threads after close(). False: the time was up, some jobs still run.
  [[nodiscard]] bool join(std::optional<std::chrono::nanoseconds> timeout) noexcept;

  [[nodiscard]] std::size_t threads() noexcept;
  [[nodiscard]] std::size_t idle_threads() noexcept;
  [[nodiscard]] std::size_t queue_depth() noexcept;
  /// Jobs that wait or run; a paused clock does not advance by itself while there are any.
  [[nodiscard]] bool is_busy() noexcept;

 private:
  void thread_main(std::shared_ptr<RuntimeShared> runtime) noexcept;
  [[nodiscard]] TaskHeader* next_job() noexcept;
  void note_job_ended(RuntimeShared& runtime) noexcept;
  static void run_job(TaskHeader& job) noexcept;
  static void cancel_job(TaskHeader& job) noexcept;

  const std::size_t max_threads_;
  const std::chrono::nanoseconds keep_alive_;
  Mutex mutex_;
  Condition changed_;
  TaskHeader* head_ RINGO_GUARDED_BY(mutex_) = nullptr;
  TaskHeader* tail_ RINGO_GUARDED_BY(mutex_) = nullptr;
  std::size_t depth_ RINGO_GUARDED_BY(mutex_) = 0;
  std::size_t threads_ RINGO_GUARDED_BY(mutex_) = 0;
  std::size_t idle_ RINGO_GUARDED_BY(mutex_) = 0;
  std::size_t leaving_ RINGO_GUARDED_BY(mutex_) = 0;  ///< of threads_: takes no job any more
  std::size_t running_ RINGO_GUARDED_BY(mutex_) = 0;  ///< jobs taken from the queue, not yet ended
  bool is_closed_ RINGO_GUARDED_BY(mutex_) = false;
};

/// Publishes that a task has ended: wakes the joiner, or destroys the output if there is none. The
/// life reference stays with the caller.
void complete(TaskHeader& task) noexcept;
/// complete(), and drops the life reference.
void complete_and_release(TaskHeader& task) noexcept;

}  // namespace ringo::detail
