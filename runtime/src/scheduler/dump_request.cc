// SPDX-License-Identifier: MIT
//
// How a task is read while it is frozen, and how the answers of the workers become a dump.

#include "scheduler/dump_request.h"

#include <ringo/detail/leaf_description.h>
#include <ringo/detail/mutex.h>
#include <ringo/detail/promise.h>
#include <ringo/detail/task_core.h>
#include <ringo/join_error.h>
#include <ringo/sync/notify.h>
#include <ringo/task.h>
#include <ringo/task_dump.h>
#include <ringo/time.h>

#include <algorithm>
#include <chrono>
#include <coroutine>
#include <cstddef>
#include <iterator>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/condition.h"
#include "base/time_limit.h"
#include "scheduler/runtime_shared.h"
#include "scheduler/task_name.h"
#include "scheduler/thread_probe.h"
#include "scheduler/worker.h"

namespace ringo::detail {
namespace {

/// How long a worker that is stuck may take to say where.
constexpr std::chrono::milliseconds kPatience(100);

void read_branch(const Branch& branch, AwaitChain& chain, std::size_t depth);

class BranchReader final : public BranchVisitor {
 public:
  BranchReader(AwaitChain& above, std::size_t depth) : above_(above), depth_(depth) {}
  void visit(const Branch& branch) override {
    read_branch(branch, above_.branches.emplace_back(), depth_);
  }

 private:
  AwaitChain& above_;
  std::size_t depth_;
};

void read_branch(const Branch& branch, AwaitChain& chain, std::size_t depth) {
  const Leaf* leaf = branch.leaf;
  if (leaf == nullptr) {
    chain.operation = "not begun";
    return;
  }
  LeafDescription description;
  leaf->describe(description);
  chain.operation = description.operation;
  if (description.awaited_task != 0) {
    chain.awaited_task = TaskId(description.awaited_task);
  }
  if (description.deadline_ns != LeafDescription::kNone) {
    chain.deadline = Instant(Duration(description.deadline_ns));
  }
  chain.queue_position = description.queue_position;
  chain.lock_holder = description.holder;
  for (std::coroutine_handle<> at = leaf->waiting_coroutine; at;
       at = PromiseBase::of(at).continuation.awaiting()) {
    if (chain.frames.size() < AwaitChain::kMaxFrames) {
      chain.frames.push_back(PromiseBase::of(at).awaits_at());
    } else {
      ++chain.omitted_frames;
    }
  }
  if (depth < AwaitChain::kMaxDepth) {
    BranchReader reader(chain, depth + 1);
    leaf->visit_branches(reader);
  }
}

TaskReport describe_task(const TaskHeader& task) {
  TaskReport report;
  report.id = TaskId(task.id);
  report.name = task_name(task);
  report.spawned_at = task.spawned_at;
  report.cell = &task;
  return report;
}

/// Fills in who holds the locks that are waited for.
void resolve_holders(AwaitChain& chain, const std::unordered_map<const void*, TaskId>& tasks) {
  if (const auto holder = tasks.find(chain.lock_holder); holder != tasks.end()) {
    chain.locked_by = holder->second;
  }
  for (AwaitChain& branch : chain.branches) {
    resolve_holders(branch, tasks);
  }
}

/// Which of those that somebody holds (TaskState) are run, and not queued.
bool is_run_by_a_worker(const TaskHeader& task, RuntimeShared& runtime) {
  const auto& workers = runtime.workers();
  return std::any_of(workers.begin(), workers.end(),
                     [&](const auto& worker) { return worker->is_running(task); });
}

}  // namespace

DumpRequest::DumpRequest(RuntimeShared& runtime)
    : has_answered_(runtime.workers().size()), missing_(runtime.workers().size()) {
  dump_.runtime = runtime.config().name;
}

std::shared_ptr<DumpRequest> DumpRequest::start(RuntimeShared& runtime) {
  auto request = std::make_shared<DumpRequest>(runtime);
  // Before the workers: what they take from here meanwhile they list themselves, so nothing is
  // missing, and finish() sorts out what is there twice.
  request->list_unstarted(runtime);
  for (const auto& worker : runtime.workers()) {
    if (!worker->post(request)) {
      request->note_answer(worker->index(), {}, 0);  // it has ended, and its tasks before it
    }
  }
  runtime.serve_empty_seat();
  return request;
}

void DumpRequest::list_unstarted(RuntimeShared& runtime) {
  std::vector<TaskReport> tasks;
  std::size_t omitted = 0;
  runtime.injection().for_each([&](const TaskHeader& task) {
    if (task.owner != nullptr) {
      return;  // a worker lists it
    }
    if (tasks.size() == TaskDump::kMaxTasksPerWorker) {
      ++omitted;
      return;
    }
    tasks.emplace_back(describe_task(task)).activity = TaskActivity::kReady;
  });
  const MutexGuard guard(mutex_);
  dump_.tasks = std::move(tasks);
  dump_.omitted_tasks = omitted;
}

void DumpRequest::carry_out(Worker& worker) noexcept {
  try {
    std::vector<TaskReport> tasks;
    std::size_t omitted = 0;
    worker.for_each_task([&](TaskHeader& task) {
      if (task.state.is_complete()) {
        return;
      }
      if (tasks.size() == TaskDump::kMaxTasksPerWorker) {
        ++omitted;
        return;
      }
      TaskReport& report = tasks.emplace_back(describe_task(task));
      report.worker = worker.index();
      if (!task.state.try_freeze()) {
        report.activity = is_run_by_a_worker(task, worker.shared()) ? TaskActivity::kRunning
                                                                    : TaskActivity::kReady;
        return;
      }
      const Worker::Frozen frozen(worker, task);
      read_branch(task.root, report.waits_at, 0);
    });
    note_answer(worker.index(), std::move(tasks), omitted);
    // NOLINTNEXTLINE(bugprone-empty-catch): see below.
  } catch (...) {
    // Out of memory. Without an answer the worker counts as stuck: the dump is not complete.
  }
}

void DumpRequest::note_answer(std::size_t worker, std::vector<TaskReport>&& tasks,
                              std::size_t omitted) {
  bool was_last = false;
  {
    const MutexGuard guard(mutex_);
    if (is_finished_ || has_answered_[worker]) {
      return;
    }
    dump_.tasks.insert(dump_.tasks.end(), std::move_iterator(tasks.begin()),
                       std::move_iterator(tasks.end()));
    dump_.omitted_tasks += omitted;
    has_answered_[worker] = true;
    was_last = --missing_ == 0;
    changed_.notify_all();
  }
  if (was_last) {
    answered_.notify_one();
  }
}

void DumpRequest::wait(std::chrono::nanoseconds timeout) noexcept {
  const TimeLimit limit(timeout);
  const MutexGuard guard(mutex_);
  while (missing_ != 0 && !limit.is_over()) {
    (void)changed_.wait(mutex_, limit.left());
  }
}

TaskDump DumpRequest::finish(RuntimeShared& runtime) {
  TaskDump dump;
  std::vector<bool> has_answered;
  {
    const MutexGuard guard(mutex_);
    is_finished_ = true;
    dump = std::move(dump_);
    has_answered = has_answered_;
  }
  for (const auto& worker : runtime.workers()) {
    if (has_answered[worker->index()]) {
      continue;
    }
    TaskDump::StuckWorker& stuck = dump.stuck_workers.emplace_back();
    stuck.worker = worker->index();
    if (const auto finding = probe_thread(worker->thread(), *worker, kPatience)) {
      stuck.task = TaskId(finding->task_id);
      stuck.task_name = finding->name.data();
      stuck.spawned_at = finding->spawned_at;
      stuck.stack = describe_stack(finding->stack());
    }
  }
  dump.taken_at = Instant(Duration(runtime.clock().now()));
  std::sort(dump.tasks.begin(), dump.tasks.end(), [](const TaskReport& a, const TaskReport& b) {
    return a.id != b.id ? a.id < b.id : a.worker.has_value() && !b.worker.has_value();
  });
  const auto repeated =
      std::unique(dump.tasks.begin(), dump.tasks.end(),
                  [](const TaskReport& a, const TaskReport& b) { return a.id == b.id; });
  dump.tasks.erase(repeated, dump.tasks.end());
  std::unordered_map<const void*, TaskId> tasks;
  for (const TaskReport& task : dump.tasks) {
    tasks.emplace(task.cell, task.id);
  }
  for (TaskReport& task : dump.tasks) {
    resolve_holders(task.waits_at, tasks);
  }
  return dump;
}

Task<TaskDump> dump_tasks(std::shared_ptr<RuntimeShared> runtime,
                          std::chrono::nanoseconds timeout) {
  const std::shared_ptr<DumpRequest> request = DumpRequest::start(*runtime);
  (void)co_await time::timeout(timeout, request->all_answered());
  co_return request->finish(*runtime);
}

}  // namespace ringo::detail
