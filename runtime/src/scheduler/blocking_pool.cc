// SPDX-License-Identifier: MIT
//
// Starting, feeding and ending the pool's threads. A job is a task like any other, so that its
// handle can be awaited and its exception comes out there; only who runs it differs.
//
// Thread safety: all of it; jobs run without the lock.

#include "scheduler/blocking_pool.h"

#include <pthread.h>
#include <ringo/detail/context.h>
#include <ringo/detail/mutex.h>
#include <ringo/detail/task_core.h>
#include <ringo/detail/task_state.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

#include "base/thread.h"
#include "base/time_limit.h"
#include "scheduler/runtime_shared.h"

namespace ringo::detail {

void complete(TaskHeader& task) noexcept {
  const TaskState::Completed completed = task.state.complete();
  if (!completed.has_join_interest) {
    task.kind->drop_output(task);
  }
  if (completed.has_join_waker) {
    // acq_rel: exactly one side takes the waker.
    Waker::from_word(task.join_slot.exchange(0, std::memory_order_acq_rel)).wake();
  }
}

void complete_and_release(TaskHeader& task) noexcept {
  bool freed = false;
  BranchWord waker = 0;
  if (task.state.try_complete_and_release(task.join_slot, waker, freed)) {
    if (waker != 0) {
      Waker::from_word(waker).wake();  // the task may be gone
    } else if (freed) {
      task.kind->destroy(task);
    }
    return;
  }
  complete(task);
  release(task);
}

void BlockingPool::run_job(TaskHeader& job) noexcept {
  TaskHeader* const outer = std::exchange(thread_context.task, &job);
  if (job.state.start_running()) {
    (void)job.kind->cancel(job);
  } else {
    (void)job.kind->poll(job);
  }
  thread_context.task = outer;
  complete_and_release(job);
}

void BlockingPool::cancel_job(TaskHeader& job) noexcept {
  (void)job.state.cancel();
  run_job(job);
}

void BlockingPool::submit(TaskHeader& job, std::shared_ptr<RuntimeShared> runtime) noexcept {
  bool must_start_thread = false;
  {
    const MutexGuard guard(mutex_);
    if (!is_closed_) {
      job.queue_next = nullptr;
      (tail_ == nullptr ? head_ : tail_->queue_next) = &job;
      tail_ = &job;
      ++depth_;
      if (idle_ >= depth_ || threads_ - leaving_ >= max_threads_) {
        changed_.notify_one();
        return;
      }
      ++threads_;
      must_start_thread = true;
    }
  }
  if (!must_start_thread) {
    cancel_job(job);
    return;
  }
  auto body = [this, runtime]() mutable { thread_main(std::move(runtime)); };
  if (start_thread(runtime->config().thread_stack_size, std::move(body)) != 0) {
    // No more threads from the system. The others will get to it; without any, nobody would.
    TaskHeader* orphaned = nullptr;
    {
      const MutexGuard guard(mutex_);
      --threads_;
      if (threads_ == leaving_) {
        orphaned = std::exchange(head_, nullptr);
        tail_ = nullptr;
        depth_ = 0;
      }
    }
    while (orphaned != nullptr) {
      cancel_job(*std::exchange(orphaned, orphaned->queue_next));
    }
  }
}

TaskHeader* BlockingPool::next_job() noexcept {
  const MutexGuard guard(mutex_);
  bool has_time = true;
  while (head_ == nullptr) {
    if (is_closed_ || !has_time) {
      ++leaving_;
      return nullptr;
    }
    ++idle_;
    has_time = changed_.wait(mutex_, keep_alive_);
    --idle_;
  }
  TaskHeader* job = head_;
  head_ = job->queue_next;
  if (head_ == nullptr) {
    tail_ = nullptr;
  }
  --depth_;
  ++running_;
  return job;
}

void BlockingPool::note_job_ended(RuntimeShared& runtime) noexcept {
  {
    const MutexGuard guard(mutex_);
    --running_;
  }
  if (runtime.clock().is_paused()) {
    runtime.unpark_all();  // time stood still for the job's sake, perhaps
  }
}

// NOLINTNEXTLINE(performance-unnecessary-value-param): the thread keeps the runtime alive.
void BlockingPool::thread_main(std::shared_ptr<RuntimeShared> runtime) noexcept {
  pthread_setname_np(pthread_self(), "ringo-blocking");
  thread_context.runtime = runtime.get();
  if (runtime->config().on_thread_start) {
    runtime->config().on_thread_start();
  }
  while (TaskHeader* job = next_job()) {
    run_job(*job);
    note_job_ended(*runtime);
  }
  if (runtime->config().on_thread_stop) {
    runtime->config().on_thread_stop();
  }
  thread_context.runtime = nullptr;
  const MutexGuard guard(mutex_);
  --threads_;
  --leaving_;
  changed_.notify_all();
}

void BlockingPool::close() noexcept {
  TaskHeader* waiting = nullptr;
  {
    const MutexGuard guard(mutex_);
    is_closed_ = true;
    waiting = std::exchange(head_, nullptr);
    tail_ = nullptr;
    depth_ = 0;
    changed_.notify_all();
  }
  while (waiting != nullptr) {
    TaskHeader* next = waiting->queue_next;
    cancel_job(*waiting);
    waiting = next;
  }
}

bool BlockingPool::join(std::optional<std::chrono::nanoseconds> timeout) noexcept {
  const TimeLimit limit(timeout);
  const MutexGuard guard(mutex_);
  while (threads_ != 0) {
    if (limit.is_over()) {
      return false;
    }
    changed_.wait(mutex_, limit.left());
  }
  return true;
}

std::size_t BlockingPool::threads() noexcept {
  const MutexGuard guard(mutex_);
  return threads_;
}

std::size_t BlockingPool::idle_threads() noexcept {
  const MutexGuard guard(mutex_);
  return idle_;
}

std::size_t BlockingPool::queue_depth() noexcept {
  const MutexGuard guard(mutex_);
  return depth_;
}

bool BlockingPool::is_busy() noexcept {
  const MutexGuard guard(mutex_);
  return depth_ != 0 || running_ != 0;
}

}  // namespace ringo::detail
