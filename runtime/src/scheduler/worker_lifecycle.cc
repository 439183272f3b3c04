// SPDX-License-Identifier: MIT
//
// How a worker comes to a thread and ends: it opens its driver, says to the thread whose it is,
// does what others post to it, and at shutdown cancels its tasks and lets the driver go.
//
// Thread safety: the worker's own thread, but for post().

#include <ringo/detail/context.h>
#include <ringo/detail/task_core.h>
#include <ringo/result.h>
#include <ringo/runtime.h>
#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <utility>

#include "ring/driver.h"
#include "scheduler/mailbox.h"
#include "scheduler/runtime_shared.h"
#include "scheduler/watchdog.h"
#include "scheduler/worker.h"

namespace ringo::detail {
namespace {

/// The kernel's id, by one system call per thread.
pid_t this_thread() noexcept {
  thread_local const pid_t kThread = gettid();
  return kThread;
}

}  // namespace

Worker::Entered::Entered(Worker& worker) noexcept : saved_(thread_context) {
  thread_context = Context();
  thread_context.local_set = saved_.local_set;
  thread_context.worker = &worker;
  thread_context.forks = &worker.forks_;
  thread_context.runtime = &worker.shared_;
  worker.stats_.begin_busy(worker.shared_.system().now());
  // seq_cst: the barrier that note_awake() asks for.
  worker.thread_.exchange(this_thread(), std::memory_order_seq_cst);
  WatchdogThread::note_awake();
}

Worker::Entered::~Entered() {
  Worker& worker = *thread_context.worker;
  (void)worker.stats_.end_busy(worker.shared_.system().now());
  worker.stop_being_watched();
  thread_context = saved_;
}

Result<void> Worker::open_driver() {
  RINGO_TRY_RETURN(driver_, make_driver(shared_.system()));
  driver_->set_max_events(shared_.config().max_io_events_per_tick);
  handle_->attach(driver_.get());
  return {};
}

Result<void> Worker::move_driver_here() {
  if (driver_ == nullptr) {
    return {};  // the runtime has been shut down meanwhile
  }
  RINGO_TRY_RETURN(auto fresh, make_driver(shared_.system()));
  fresh->set_max_events(shared_.config().max_io_events_per_tick);
  handle_->attach(fresh.get());
  driver_->move_sources_to(*fresh);
  driver_ = std::move(fresh);
  return {};
}

// --- requests ---------------------------------------------------------------------------------

bool Worker::post(std::shared_ptr<WorkerRequest> request) {
  if (!mailbox_.post(std::move(request))) {
    return false;
  }
  unpark();
  return true;
}

void Worker::serve_mailbox() noexcept {
  if (mailbox_.is_empty()) {
    return;
  }
  for (const std::shared_ptr<WorkerRequest>& request : mailbox_.take_all()) {
    request->carry_out(*this);
  }
}

// --- shutdown ---------------------------------------------------------------------------------

void Worker::cancel_owned_tasks() noexcept {
  is_closing_ = true;
  owned_.collect();
  owned_.for_each([this](TaskHeader& task) {
    if (task.state.cancel()) {
      push_local(task);
    }
  });
}

bool Worker::owns_tasks() noexcept {
  owned_.collect();
  return owned_.count() != 0;
}

void Worker::drain_driver() {
  if (driver_ != nullptr) {
    handle_->close();
    driver_->shut_down();
  }
}

void Worker::close_driver() noexcept {
  for (const std::shared_ptr<WorkerRequest>& request : mailbox_.close()) {
    request->carry_out(*this);
  }
  driver_.reset();
}

}  // namespace ringo::detail
