// SPDX-License-Identifier: MIT
//
// A task dump under way: each worker adds the tasks that it answers for. An idle one is frozen
// while it is read (TaskState::try_freeze), so that no other worker runs it meanwhile; then it goes
// on as it was.
//
// Thread safety: all of it.

#pragma once

#include <ringo/detail/mutex.h>
#include <ringo/sync/notify.h>
#include <ringo/task.h>
#include <ringo/task_dump.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <vector>

#include "base/condition.h"
#include "scheduler/mailbox.h"

namespace ringo::detail {

class RuntimeShared;

class DumpRequest final : public WorkerRequest {
 public:
  /// Asks all workers. On a current_thread runtime that nobody drives, does it here and now.
  [[nodiscard]] static std::shared_ptr<DumpRequest> start(RuntimeShared& runtime);

  /// Made by start().
  explicit DumpRequest(RuntimeShared& runtime);
  void carry_out(Worker& worker) noexcept override;

  /// Ends when all workers have answered. Cancel safe. For one waiter.
  [[nodiscard]] Notified all_answered() noexcept { return answered_.notified(); }
  /// The same for a thread, for at most so long.
  void wait(std::chrono::nanoseconds timeout) noexcept;

  /// What there is. Workers that have not answered are asked what they run; who answers later is
  /// not heard.
  [[nodiscard]] TaskDump finish(RuntimeShared& runtime);

 private:
  void list_unstarted(RuntimeShared& runtime);
  void note_answer(std::size_t worker, std::vector<TaskReport>&& tasks, std::size_t omitted);

  Mutex mutex_;
  Condition changed_;
  Notify answered_;
  TaskDump dump_ RINGO_GUARDED_BY(mutex_);
  std::vector<bool> has_answered_ RINGO_GUARDED_BY(mutex_);
  std::size_t missing_ RINGO_GUARDED_BY(mutex_);
  bool is_finished_ RINGO_GUARDED_BY(mutex_) = false;
};

/// Dumps the runtime, waiting in the calling task.
Task<TaskDump> dump_tasks(std::shared_ptr<RuntimeShared> runtime, std::chrono::nanoseconds timeout);

}  // namespace ringo::detail
