// SPDX-License-Identifier: MIT
//
// The tasks of a LocalSet and their queue. A task of the set is a task like any other whose home is
// the set instead of a runtime: a wake pushes it here, and wakes who drives the set, a leaf of some
// task that runs on the set's thread. That leaf runs the set's tasks, nested in its own task.
//
// Wakes on the set's own thread go to a list without a lock; those of other threads through a list
// with one. No task leaves the set before whoever has notified it has pushed it, so the set may be
// freed once it has no tasks.
//
// Thread safety: schedule() any thread; the rest belongs to the thread that made the set.

#pragma once

#include <ringo/detail/atomic.h>
#include <ringo/detail/context.h>
#include <ringo/detail/intrusive_list.h>
#include <ringo/detail/mutex.h>
#include <ringo/detail/ready_group.h>
#include <ringo/detail/task_core.h>
#include <ringo/detail/thread_annotations.h>

#include <cstddef>
#include <cstdint>

namespace ringo::detail {

class ThreadParker;

class LocalSetCore final : public Schedule {
 public:
  /// How many of its tasks run before the other tasks of the thread have their turn.
  static constexpr unsigned kMaxRunsPerTurn = 61;

  /// A task that drives the set. Linked while it does.
  struct Driver : ListNode {
    Branch* branch = nullptr;
  };

  LocalSetCore() noexcept;
  LocalSetCore(const LocalSetCore&) = delete;
  LocalSetCore& operator=(const LocalSetCore&) = delete;
  /// Requires: no task is left.
  ~LocalSetCore();

  void schedule(TaskHeader& task) noexcept override;

  /// A new task, with its life reference.
  void launch(TaskHeader& task) noexcept;
  [[nodiscard]] std::size_t tasks() const noexcept { return size_; }

  /// Panics: UsageError unless the calling task can drive the set: it runs on the set's thread, and
  /// does not leave it.
  void check_driver(const char* what) const;
  /// Panics: UsageError on another thread.
  void check_thread(const char* what) const;
  [[nodiscard]] bool is_on_own_thread() const noexcept;

  void start_driving(Driver& driver, Branch& branch) noexcept;
  void stop_driving(Driver& driver) noexcept;
  /// Runs what is ready, up to kMaxRunsPerTurn tasks; if there is more, `branch` goes to the back
  /// of its queue.
  void run_ready(Branch& branch) noexcept;

  /// Destroys the tasks, and refuses new ones. Waits for those in a shield, unless the thread is a
  /// worker, which they may need: false, then somebody has to drive the set until it has none.
  [[nodiscard]] bool close() noexcept;

  /// Says to this thread which set spawn_local() and fork_join() mean.
  class Entered {
   public:
    explicit Entered(LocalSetCore& set) noexcept;
    Entered(const Entered&) = delete;
    Entered& operator=(const Entered&) = delete;
    ~Entered();

   private:
    LocalSetCore* previous_;
    ForkStack* forks_;  ///< the worker's, whose children might leave the thread
  };

 private:
  /// Runs up to so many. False: there was nothing to run.
  bool run_some(unsigned limit) noexcept;
  void run_task(TaskHeader& task) noexcept;
  [[nodiscard]] TaskHeader* next_task() noexcept;
  void take_remote() noexcept;
  void wake_drivers() noexcept;
  void wait_for_remote() noexcept;

  const std::uint64_t thread_;  ///< its thread_number()
  ReadyMembers ready_;
  IntrusiveList<TaskHeader> tasks_;
  IntrusiveList<TaskHeader> pinned_;  ///< cancelled, and in a shield still
  std::size_t size_ = 0;
  bool is_running_ = false;  ///< in run_some(), which looks at ready_ again
  bool is_closed_ = false;

  Mutex mutex_;
  ReadyMembers remote_ RINGO_GUARDED_BY(mutex_);
  IntrusiveList<Driver> drivers_ RINGO_GUARDED_BY(mutex_);
  ThreadParker* closer_ RINGO_GUARDED_BY(mutex_) = nullptr;  ///< waits for remote_
  Atomic<bool> has_remote_{false};                           ///< a hint whether to look
};

/// The set that spawn_local() means on this thread, or null.
[[nodiscard]] inline LocalSetCore* current_local_set() noexcept {
  return thread_context.local_set;
}
/// Panics: UsageError unless tasks of the current runtime stay on this thread.
void check_local_runtime();
[[nodiscard]] bool is_current_thread(const RuntimeShared& runtime) noexcept;

}  // namespace ringo::detail
