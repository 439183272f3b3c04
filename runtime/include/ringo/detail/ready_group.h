// SPDX-License-Identifier: MIT
//
// Cells that run inside another task: as many as one likes, each with wakes of its own, so that the
// task touches only those that were woken. The branches of a join_all, the entries of a JoinSet.
//
// A member is a task cell whose queue is the group instead of a worker. Being pushed there wakes
// the task that waits for the group, and that task runs the members, under its own RUNNING. A wake
// that is under way while the group closes finds a closed queue and finishes the cell itself; each
// member holds a reference to the group for that.
//
// Thread safety: schedule() any thread, the rest by the holder of RUNNING of the task that waits.
// Complexity: a wake is O(1).

#pragma once

#include <ringo/detail/handle_count.h>
#include <ringo/detail/mutex.h>
#include <ringo/detail/task_core.h>
#include <ringo/detail/thread_annotations.h>

#include <utility>

namespace ringo::detail {

/// The first to be woken is the first. Linked by the queue link.
class ReadyMembers {
 public:
  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
  void push_back(TaskHeader& member) noexcept {
    member.queue_next = nullptr;
    (first_ == nullptr ? first_ : last_->queue_next) = &member;
    last_ = &member;
  }
  TaskHeader* pop_front() noexcept {
    TaskHeader* member = first_;
    if (member != nullptr) {
      first_ = std::exchange(member->queue_next, nullptr);
    }
    return member;
  }
  /// Takes over all of `others`, behind its own.
  void append(ReadyMembers& others) noexcept {
    if (others.empty()) {
      return;
    }
    (first_ == nullptr ? first_ : last_->queue_next) = std::exchange(others.first_, nullptr);
    last_ = others.last_;
  }

 private:
  TaskHeader* first_ = nullptr;
  TaskHeader* last_ = nullptr;  ///< unless empty
};

class ReadyGroup final : public Schedule, public RefCounted<ReadyGroup> {
 public:
  void schedule(TaskHeader& member) noexcept override {
    WakeList woken;
    {
      const MutexGuard guard(mutex_);
      if (!is_closed_) {
        ready_.push_back(member);
        if (Branch* branch = std::exchange(waiter_, nullptr)) {
          woken.add(*branch);
        }
        // Behind the lock the group may be gone: woken is ours alone.
        return;
      }
    }
    finish(member);
  }

  /// Moves what has been woken to `ready`. False: nothing was, and `waiter` will be woken when
  /// something is.
  [[nodiscard]] bool take_ready_or_wait(ReadyMembers& ready, Branch& waiter) noexcept {
    const MutexGuard guard(mutex_);
    if (ready_.empty() && ready.empty()) {
      waiter_ = &waiter;
      return false;
    }
    waiter_ = nullptr;
    ready.append(ready_);
    return true;
  }
  void take_ready(ReadyMembers& ready) noexcept {
    const MutexGuard guard(mutex_);
    ready.append(ready_);
  }
  /// Nobody waits any more.
  void stop_waiting() noexcept {
    const MutexGuard guard(mutex_);
    waiter_ = nullptr;
  }

  /// By a member's owner, who gives the member up after it has gone from memory that others use:
  /// its frames are destroyed. Drops the life reference, now or when the wake that is under way
  /// arrives.
  static void retire(TaskHeader& member) noexcept {
    if (member.state.notify()) {
      finish(member);
    }
  }
  /// No member is waited for any more; all have been retired or have ended.
  void close(ReadyMembers& ready) noexcept {
    {
      const MutexGuard guard(mutex_);
      is_closed_ = true;
      waiter_ = nullptr;
      ready.append(ready_);
    }
    while (TaskHeader* member = ready.pop_front()) {
      finish(*member);
    }
  }

 private:
  /// Completes a member that is NOTIFIED and in no queue.
  static void finish(TaskHeader& member) noexcept {
    (void)member.state.start_running();
    (void)member.state.complete();
    detail::release(member);
  }

  Mutex mutex_;
  ReadyMembers ready_ RINGO_GUARDED_BY(mutex_);
  Branch* waiter_ RINGO_GUARDED_BY(mutex_) = nullptr;
  bool is_closed_ RINGO_GUARDED_BY(mutex_) = false;
};

}  // namespace ringo::detail
