// SPDX-License-Identifier: MIT
//
// The part of fork_join that is off its fast path: children that become tasks of their own, and
// parents that wait for them or are cancelled.
//
// Thread safety: see fork_core.h.

#include <ringo/detail/atomic.h>
#include <ringo/detail/context.h>
#include <ringo/detail/fork_core.h>
#include <ringo/detail/frame_pool.h>
#include <ringo/detail/local_set_core.h>
#include <ringo/detail/promise.h>
#include <ringo/detail/task_core.h>
#include <ringo/detail/task_state.h>

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "scheduler/runtime_shared.h"
#include "scheduler/worker.h"

namespace ringo::detail {
namespace {

/// In ForkItem::task: the parent was cancelled before the thief had made the task.
TaskHeader* cancelled_mark() noexcept {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): an address that no task has.
  return reinterpret_cast<TaskHeader*>(std::uintptr_t{1});
}

/// The cell of a child that runs as a task. Its output stays in the child's frame, which is the
/// parent's.
struct ForkTask final : TaskHeader {
  ForkTask(ForkItem& child, Schedule& runtime) noexcept
      : TaskHeader(kInitial, kKind, &runtime, child.core->branch().task().spawned_at),
        item(&child),
        waiting_parent(Waker::of(child.core->branch())) {
    PromiseBase& promise = PromiseBase::of(child.body);
    promise.branch = &root;
    promise.continuation = Continuation();
  }

  static void* operator new(std::size_t size) { return allocate_frame(size); }
  static void operator delete(void* cell, std::size_t size) noexcept { free_frame(cell, size); }

  static bool poll(TaskHeader& header) noexcept {
    auto& task = static_cast<ForkTask&>(header);
    if (!run_branch(task.root, task.item->body)) {
      return false;
    }
    task.finish(false);
    return true;
  }
  static bool cancel(TaskHeader& header) noexcept {
    auto& task = static_cast<ForkTask&>(header);
    if (!cancel_branch(task.root)) {
      return false;
    }
    task.root.leaf = nullptr;
    std::exchange(task.item->body, nullptr).destroy();
    task.finish(true);
    return true;
  }
  static void drop_output(TaskHeader& /*header*/) noexcept {}
  static void destroy(TaskHeader& header) noexcept { delete static_cast<ForkTask*>(&header); }

  void finish(bool was_cancelled) noexcept {
    // F3: the item and the core may be gone after note_done().
    std::exchange(item, nullptr)->core->note_done(was_cancelled);
    waiting_parent.wake();
  }

  /// Queued by its creator; the second reference is the item's.
  static constexpr TaskState::Word kInitial =
      TaskState::kSpawnedWithHandle - TaskState::kJoinInterest;
  static constexpr TaskKind kKind{&poll, &cancel, &drop_output, &destroy};

  ForkItem* item;
  Waker waiting_parent;
};

}  // namespace

TaskHeader& make_fork_task(ForkItem& item, Schedule& home) noexcept {
  // NOLINTNEXTLINE(bugprone-unhandled-exception-at-new): without memory the program ends.
  auto* const task = new ForkTask(item, home);
  // acq_rel: release publishes the task to cancel(); acquire: as there.
  if (item.task.exchange(task, std::memory_order_acq_rel) != nullptr) {
    (void)task->state.cancel();
  }
  return *task;
}

void fork_without_stack(ForkItem& item) noexcept {
  LocalSetCore* const set = thread_context.local_set;
  if (set != nullptr) {
    item.place = ForkItem::Place::kGiven;
    set->launch(make_fork_task(item, *set));
  }
}

void ForkStack::notify_thief() noexcept {
  thread_context.worker->shared().notify_one();
}

void ForkStack::promote(ForkItem& item) noexcept {
  item.place = ForkItem::Place::kGiven;
  Worker& worker = *thread_context.worker;
  worker.schedule_last(worker.adopt_fork(item));
}

bool ForkCore::ended() noexcept {
  if (parent) {
    if (std::exchange(gives_way_, false)) {
      return true;  // to begin with the first child
    }
    return is_over();
  }
  // Run by a combinator: children that have not been given away run, and wait, on its branch.
  Leaf* const leaf = branch_->leaf;
  if (leaf == this) {
    if (!std::exchange(gives_way_, false)) {
      return is_over();
    }
  } else if (!leaf->ended()) {
    return false;
  }
  branch_->leaf = nullptr;
  resume(leaf->waiting_coroutine);
  return is_finished_;
}

bool ForkCore::cancel() noexcept {
  if (is_finished_) {
    return true;
  }
  if (!is_cancelling_) {
    is_cancelling_ = true;
    while (begun_ != count_) {
      if (!take_back(items_[begun_++])) {
        ++given_away_;
      }
    }
    for (std::uint32_t i = 1; i != count_; ++i) {
      TaskHeader* task = nullptr;
      // acq_rel: acquire pairs with make_fork_task(); release: so does the mark.
      if (items_[i].task.compare_exchange_strong(task, cancelled_mark(), std::memory_order_acq_rel,
                                                 std::memory_order_acquire)) {
        continue;  // not begun, or stolen just now
      }
      if (task->state.cancel()) {
        task->home->schedule(*task);
      }
    }
  }
  return done_.load(std::memory_order_acquire) == given_away_;  // as in is_over()
}

void ForkCore::release_task(ForkItem& item) noexcept {
  // relaxed: if there was a task, its end has been waited for.
  TaskHeader* const task = item.task.load(std::memory_order_relaxed);
  if (task != nullptr && task != cancelled_mark()) {
    release(*task);
  }
}

}  // namespace ringo::detail
