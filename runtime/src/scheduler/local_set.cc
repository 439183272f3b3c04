// SPDX-License-Identifier: MIT
//
// Running the tasks of a LocalSet, and how the set ends.
//
// Thread safety: as local_set_core.h says.

#include <ringo/detail/assert.h>
#include <ringo/detail/context.h>
#include <ringo/detail/local_set_core.h>
#include <ringo/detail/mutex.h>
#include <ringo/detail/task_cell.h>
#include <ringo/detail/task_core.h>
#include <ringo/local_set.h>
#include <ringo/spawn.h>
#include <ringo/task.h>
#include <ringo/task_local.h>
#include <ringo/usage_error.h>

#include <atomic>
#include <memory>
#include <source_location>
#include <utility>

#include <fmt/core.h>

#include "base/condition.h"
#include "scheduler/blocking_pool.h"
#include "scheduler/runtime_shared.h"

namespace ringo::detail {
namespace {

/// Drives a set that could not be closed until its last task has ended.
Task<void> drive_to_the_end(LocalSetOwner set) {
  co_await LocalSetDryAwaiter(*set, LocalSetDryAwaiter::Pins::kYes);
}

}  // namespace

LocalSetCore::LocalSetCore() noexcept : thread_(thread_number()) {}

LocalSetCore::~LocalSetCore() {
  RINGO_CHECK(size_ == 0, "a LocalSet was freed before its tasks");
}

LocalSetCore::Entered::Entered(LocalSetCore& set) noexcept
    : previous_(std::exchange(thread_context.local_set, &set)),
      forks_(std::exchange(thread_context.forks, nullptr)) {}
LocalSetCore::Entered::~Entered() {
  thread_context.local_set = previous_;
  thread_context.forks = forks_;
}

bool LocalSetCore::is_on_own_thread() const noexcept {
  return thread_number() == thread_;
}

void LocalSetCore::check_thread(const char* what) const {
  if (!is_on_own_thread()) {
    throw_usage_error(
        fmt::format("{}: a LocalSet belongs to the thread that made it, and this is another", what)
            .c_str());
  }
}

void LocalSetCore::check_driver(const char* what) const {
  check_thread(what);
  if (thread_context.worker != nullptr && !thread_context.worker->shared().is_current_thread()) {
    throw_usage_error(
        fmt::format("{}: the tasks of a multi_thread runtime change threads, so they cannot drive "
                    "a set: call LocalSet::block_on on a thread of your own",
                    what)
            .c_str());
  }
}

void check_local_runtime() {
  const Worker* worker = thread_context.worker;
  if (worker == nullptr || !worker->shared().is_current_thread()) {
    throw_usage_error(
        "spawn_local: no LocalSet runs on this thread, and this is no task of a current_thread "
        "runtime");
  }
}

bool is_current_thread(const RuntimeShared& runtime) noexcept {
  return runtime.is_current_thread();
}

// --- wakes ------------------------------------------------------------------------------------

void LocalSetCore::schedule(TaskHeader& task) noexcept {
  if (is_on_own_thread()) {
    ready_.push_back(task);
    if (!is_running_) {
      wake_drivers();
    }
    return;
  }
  WakeList woken;
  {
    const MutexGuard guard(mutex_);
    remote_.push_back(task);
    // relaxed: whoever is woken for it, or waits for it, takes the lock.
    has_remote_.store(true, std::memory_order_relaxed);
    for (Driver* driver = drivers_.front(); driver != nullptr; driver = drivers_.after(*driver)) {
      woken.add(*driver->branch);
    }
    if (closer_ != nullptr) {
      closer_->unpark();
    }
  }
  // Behind the lock the set may be gone: woken is ours alone.
}

void LocalSetCore::wake_drivers() noexcept {
  WakeList woken;
  const MutexGuard guard(mutex_);
  for (Driver* driver = drivers_.front(); driver != nullptr; driver = drivers_.after(*driver)) {
    woken.add(*driver->branch);
  }
}

void LocalSetCore::launch(TaskHeader& task) noexcept {
  task.id = take_task_ids(1);
  if (is_closed_) {
    cancel_unstarted(task);
    return;
  }
  tasks_.push_back(task);
  ++size_;
  schedule(task);
}

void LocalSetCore::start_driving(Driver& driver, Branch& branch) noexcept {
  driver.branch = &branch;
  const MutexGuard guard(mutex_);
  drivers_.push_back(driver);
}

void LocalSetCore::stop_driving(Driver& driver) noexcept {
  {
    const MutexGuard guard(mutex_);
    drivers_.remove(driver);
  }
  if (!ready_.empty() || has_remote_.load(std::memory_order_relaxed)) {
    wake_drivers();  // what this one was woken for is another's now
  }
}

// --- running ----------------------------------------------------------------------------------

void LocalSetCore::take_remote() noexcept {
  if (!has_remote_.load(std::memory_order_relaxed)) {
    return;
  }
  const MutexGuard guard(mutex_);
  ready_.append(remote_);
  has_remote_.store(false, std::memory_order_relaxed);
}

void LocalSetCore::run_task(TaskHeader& task) noexcept {
  const bool is_cancelled = task.state.start_running();
  take_ready_bits(task);
  thread_context.task = &task;
  thread_context.budget = fresh_budget();
  const bool has_ended = is_cancelled ? task.kind->cancel(task) : task.kind->poll(task);
  if (has_ended) {
    tasks_.remove(task);  // or pinned_
    --size_;
    complete_and_release(task);
    return;
  }
  if (is_cancelled) {
    tasks_.remove(task);
    pinned_.push_back(task);
  }
  if (task.take_turn() || task.state.stop_running()) {
    ready_.push_back(task);
  }
}

bool LocalSetCore::run_some(unsigned limit) noexcept {
  RINGO_CHECK(is_on_own_thread(),
              "a LocalSet is driven on another thread than the one that made it");
  if (is_running_) {
    return false;  // one of its own tasks drives it
  }
  const Entered entered(*this);
  const NoLocalBindings no_bindings;
  TaskHeader* const outer = thread_context.task;
  const Budget outer_budget = thread_context.budget;
  is_running_ = true;
  unsigned runs = 0;
  take_remote();
  while (runs < limit) {
    TaskHeader* task = ready_.pop_front();
    if (task == nullptr) {
      break;
    }
    run_task(*task);
    ++runs;
  }
  is_running_ = false;
  thread_context.task = outer;
  thread_context.budget = outer_budget;
  return runs != 0;
}

void LocalSetCore::run_ready(Branch& branch) noexcept {
  (void)run_some(kMaxRunsPerTurn);
  if (!ready_.empty()) {
    yield_turn(branch);
  }
}

// --- the end ----------------------------------------------------------------------------------

void LocalSetCore::wait_for_remote() noexcept {
  ThreadParker parker;
  {
    const MutexGuard guard(mutex_);
    if (!remote_.empty()) {
      return;
    }
    closer_ = &parker;
  }
  parker.park();
  const MutexGuard guard(mutex_);
  closer_ = nullptr;
}

bool LocalSetCore::close() noexcept {
  RINGO_CHECK(is_on_own_thread(), "a LocalSet was destroyed on another thread than its own");
  RINGO_CHECK(!is_running_, "a LocalSet was destroyed by one of its own tasks");
  if (!std::exchange(is_closed_, true)) {
    for (TaskHeader* task = tasks_.front(); task != nullptr; task = tasks_.after(*task)) {
      if (task->state.cancel()) {
        ready_.push_back(*task);
      }
    }
  }
  for (;;) {
    const bool has_run = run_some(static_cast<unsigned>(size_) + 1);
    if (size_ == 0) {
      return true;
    }
    // What is in tasks_ still has been notified by a thread that is about to push it.
    if (tasks_.empty() && thread_context.worker != nullptr) {
      return false;
    }
    if (!has_run) {
      wait_for_remote();
    }
  }
}

void LocalSetCloser::operator()(LocalSetCore* set) const noexcept {
  if (set->close()) {
    delete set;
    return;
  }
  auto* cell =
      // NOLINTNEXTLINE(bugprone-unhandled-exception-at-new): without memory the program ends.
      new TaskCell<void>(drive_to_the_end(LocalSetOwner(set)), TaskState::kSpawnedWithHandle,
                         &thread_context.worker->shared(), std::source_location::current());
  JoinHandle<void> handle(*cell);
  thread_context.worker->launch_last(*cell);
  handle.detach();
}

}  // namespace ringo::detail
