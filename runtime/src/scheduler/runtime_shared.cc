// SPDX-License-Identifier: MIT
//
// Where tasks enter a runtime, how its threads start, and the phases of shutdown; for
// current_thread also the seat, the right of one thread at a time to drive the only worker.
//
// Thread safety: all of it.

#include "scheduler/runtime_shared.h"

#include <pthread.h>
#include <ringo/detail/context.h>
#include <ringo/detail/mutex.h>
#include <ringo/detail/task_core.h>
#include <ringo/join_error.h>
#include <ringo/metrics.h>
#include <ringo/result.h>
#include <ringo/runtime.h>
#include <ringo/sync/semaphore.h>
#include <ringo/task_local.h>
#include <ringo/thread_annotations.h>
#include <ringo/usage_error.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "base/condition.h"
#include "base/system.h"
#include "base/thread.h"
#include "base/time_limit.h"
#include "scheduler/blocking_pool.h"
#include "scheduler/task_name.h"
#include "scheduler/watchdog.h"

namespace ringo::detail {
namespace {

std::atomic<std::uint64_t> next_task_id{1};
std::atomic<std::uint64_t> next_runtime_id{1};

/// The runtimes that there are. A task's cell does not keep its runtime, and a handle may be
/// dropped anywhere.
struct LiveRuntimes {
  Mutex mutex;
  std::map<const Schedule*, std::weak_ptr<RuntimeShared>> runtimes RINGO_GUARDED_BY(mutex);
};
LiveRuntimes& live_runtimes() {
  static auto* const kInstance = new LiveRuntimes();  // handles may outlive static destructors
  return *kInstance;
}
std::shared_ptr<RuntimeShared> runtime_at(const Schedule* home) noexcept {
  LiveRuntimes& live = live_runtimes();
  const MutexGuard guard(live.mutex);
  const auto found = live.runtimes.find(home);
  return found == live.runtimes.end() ? nullptr : found->second.lock();
}

UnhandledException describe_unhandled(const TaskHeader& task,
                                      std::exception_ptr exception) noexcept {
  return UnhandledException{TaskId(task.id), task.spawned_at, std::move(exception),
                            std::string(name_of(task))};
}

void write_unhandled(const UnhandledException& unhandled) noexcept {
  try {
    const JoinError error = JoinError::threw(unhandled.task, unhandled.exception);
    fmt::print(stderr, "ringo: a detached task failed: {} ({}spawned at {}:{})\n", error.message(),
               unhandled.name.empty() ? "" : fmt::format("named \"{}\", ", unhandled.name),
               unhandled.spawned_at.file_name(), unhandled.spawned_at.line());
  } catch (...) {
    std::fputs("ringo: a detached task failed, and describing how failed too\n", stderr);
  }
}

}  // namespace

std::uint64_t thread_number() noexcept {
  static std::atomic<std::uint64_t> next{1};
  thread_local const std::uint64_t kNumber = next.fetch_add(1, std::memory_order_relaxed);
  return kNumber;
}

void cancel_unstarted(TaskHeader& task) noexcept {
  (void)task.state.cancel();
  (void)task.state.start_running();
  const NoLocalBindings no_bindings;
  TaskHeader* const outer = std::exchange(thread_context.task, &task);
  (void)task.kind->cancel(task);
  thread_context.task = outer;
  complete_and_release(task);
}

RuntimeShared::RuntimeShared(RuntimeConfig config, System& system)
    : config_(std::move(config)),
      id_(next_runtime_id.fetch_add(1, std::memory_order_relaxed)),
      system_(system),
      clock_(system),
      idle_(static_cast<std::uint32_t>(config_.worker_threads)),
      workers_with_tasks_(static_cast<std::uint32_t>(config_.worker_threads)),
      workers_with_operations_(static_cast<std::uint32_t>(config_.worker_threads)),
      blocking_pool_(config_.max_blocking_threads, config_.thread_keep_alive),
      blocking_room_(std::make_shared<Semaphore>(
          config_.blocking_queue_limit ? std::min(config_.max_blocking_threads, SIZE_MAX / 16) +
                                             *config_.blocking_queue_limit
                                       : Semaphore::kMaxPermits)) {
  if (config_.is_clock_paused) {
    clock_.pause();
  }
  workers_.reserve(config_.worker_threads);
  for (std::uint32_t i = 0; i < config_.worker_threads; ++i) {
    workers_.push_back(std::make_unique<Worker>(*this, i));
  }
}

void RuntimeShared::make_known() {
  LiveRuntimes& live = live_runtimes();
  const MutexGuard guard(live.mutex);
  live.runtimes[this] = weak_from_this();
}

void RuntimeShared::make_unknown() noexcept {
  LiveRuntimes& live = live_runtimes();
  const MutexGuard guard(live.mutex);
  live.runtimes.erase(this);
}

RuntimeShared::~RuntimeShared() {
  make_unknown();
  if (watchdog_ != nullptr) {
    WatchdogThread::forget(*watchdog_);
  }
}

void RuntimeShared::start_watchdog() {
  if (config_.watchdog_limit) {
    watchdog_ = std::make_unique<Watchdog>(*this, *config_.watchdog_limit);
    WatchdogThread::watch(*watchdog_, config_.on_stall);
  }
}

// --- scheduling -------------------------------------------------------------------------------

void RuntimeShared::push_remote(TaskHeader& task) noexcept {
  workers_.front()->note_scheduled(task);
  // Once it is pushed the task may run, end, and with it the runtime's shutdown.
  const std::shared_ptr<RuntimeShared> alive = shared_from_this();
  injection_.push(task);
  if (workers_.size() == 1) {
    workers_.front()->unpark();
  } else {
    notify_one();
  }
}

void RuntimeShared::schedule(TaskHeader& task) noexcept {
  if (Worker* worker = thread_context.worker; worker != nullptr && &worker->shared() == this) {
    worker->schedule_woken(task);
  } else {
    push_remote(task);
  }
}

void RuntimeShared::schedule_last(TaskHeader& task) noexcept {
  if (Worker* worker = thread_context.worker; worker != nullptr && &worker->shared() == this) {
    worker->schedule_behind(task);
  } else {
    push_remote(task);
  }
}

void RuntimeShared::launch(TaskHeader& task) noexcept {
  Worker* worker = thread_context.worker;
  if (worker != nullptr && &worker->shared() != this) {
    worker = nullptr;
  }
  task.id = worker != nullptr ? worker->new_task_id() : take_task_ids(1);
  if (config_.on_task_spawn) [[unlikely]] {
    config_.on_task_spawn(meta_of(task));
  }
  if (worker != nullptr) {
    if (worker->is_closing()) {
      cancel_at_birth(task);
    } else {
      worker->adopt(task);
      worker->schedule_woken(task);
    }
    return;
  }
  bool is_launched = false;
  {
    const MutexGuard guard(launch_mutex_);
    ++launched_remotely_;
    if (!is_shutting_down()) {
      workers_.front()->note_scheduled(task);
      injection_.push(task);
      is_launched = true;
    }
  }
  if (!is_launched) {
    cancel_at_birth(task);
  } else if (workers_.size() == 1) {
    workers_.front()->unpark();
  } else {
    notify_one();
  }
}

void RuntimeShared::cancel_at_birth(TaskHeader& task) noexcept {
  if (config_.on_task_terminate) {
    config_.on_task_terminate(meta_of(task));
  }
  cancel_unstarted(task);
}

void RuntimeShared::notify_one() noexcept {
  if (workers_.size() == 1) {
    return;
  }
  if (const std::optional<std::uint32_t> worker = idle_.worker_to_wake()) {
    workers_[*worker]->unpark();
  }
}

bool RuntimeShared::has_queued_work() noexcept {
  return injection_.length() != 0 ||
         std::any_of(workers_.begin(), workers_.end(), [](const auto& worker) {
           return worker->queue().length() != 0 || !worker->forks().looks_empty();
         });
}

void RuntimeShared::unpark_all() noexcept {
  for (const auto& worker : workers_) {
    worker->unpark();
  }
}

// --- threads ----------------------------------------------------------------------------------

void RuntimeShared::worker_main(Worker& worker) noexcept {
  const std::string name = config_.thread_name_fn ? config_.thread_name_fn() : config_.thread_name;
  pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
  const Result<void> opened = worker.open_driver();
  bool have_all_started = false;
  {
    const MutexGuard guard(threads_mutex_);
    ++started_threads_;
    if (!opened) {
      start_error_ = opened.error();
    }
    thread_changed_.notify_all();
    // All start together or none does: shutdown counts on every worker to take part.
    while (started_threads_ < workers_.size() && !start_error_) {
      thread_changed_.wait(threads_mutex_);
    }
    have_all_started = !start_error_;
  }
  if (have_all_started) {
    if (config_.on_thread_start) {
      config_.on_thread_start();
    }
    worker.run();
    if (config_.on_thread_stop) {
      config_.on_thread_stop();
    }
  } else {
    worker.drain_driver();
    worker.close_driver();
  }
  const MutexGuard guard(threads_mutex_);
  --running_threads_;
  thread_changed_.notify_all();
}

Result<void> RuntimeShared::start_threads() {
  for (const auto& worker : workers_) {
    {
      const MutexGuard guard(threads_mutex_);
      ++running_threads_;
    }
    auto body = [self = shared_from_this(), &worker = *worker] { self->worker_main(worker); };
    if (const int error = start_thread(config_.thread_stack_size, std::move(body)); error != 0) {
      const MutexGuard guard(threads_mutex_);
      --running_threads_;
      start_error_ = Error::os(error, "starting a worker thread");
      thread_changed_.notify_all();
      break;
    }
  }
  std::optional<Error> start_error;
  {
    const MutexGuard guard(threads_mutex_);
    while (started_threads_ < workers_.size() && !start_error_) {
      thread_changed_.wait(threads_mutex_);
    }
    start_error = start_error_;
  }
  if (start_error) {
    (void)join_threads(std::nullopt);
    return std::unexpected(*start_error);
  }
  return {};
}

bool RuntimeShared::join_threads(std::optional<std::chrono::nanoseconds> timeout) noexcept {
  const TimeLimit limit(timeout);
  {
    const MutexGuard guard(threads_mutex_);
    while (running_threads_ != 0) {
      if (limit.is_over()) {
        return false;
      }
      thread_changed_.wait(threads_mutex_, limit.left());
    }
  }
  return blocking_pool_.join(limit.left());
}

// --- shutdown ---------------------------------------------------------------------------------

void RuntimeShared::begin_shutdown() noexcept {
  {
    const MutexGuard guard(launch_mutex_);
    // release: pairs with is_shutting_down(). seq_cst: see OwnedTasks::give_back().
    is_shutting_down_.store(true, std::memory_order_seq_cst);
  }
  unpark_all();
  blocking_pool_.close();
}

bool RuntimeShared::end(std::optional<std::chrono::nanoseconds> timeout) {
  begin_shutdown();
  if (is_current_thread()) {
    ThreadParker parker;
    while (!take_seat(parker)) {
      parker.park();
    }
    {
      Worker& worker = *workers_.front();
      const Worker::Entered entered(worker);
      shut_down_worker(worker);
    }
    leave_seat();
  }
  const bool is_complete = join_threads(timeout);
  if (is_complete) {
    has_ended_.store(true, std::memory_order_release);
  }
  return is_complete;
}

void RuntimeShared::shut_down_worker(Worker& worker) noexcept {
  if (worker.is_closing()) {
    return;  // a current_thread runtime that was shut down while somebody drove it
  }
  const auto arrive = [this](std::atomic<std::uint32_t>& remaining) {
    // acq_rel: what each worker did in the phase happens before the next one anywhere.
    if (remaining.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      unpark_all();
      const MutexGuard guard(threads_mutex_);
      thread_changed_.notify_all();
    }
  };
  worker.cancel_owned_tasks();
  bool has_arrived = false;
  // acquire: pairs with arrive().
  while (workers_with_tasks_.load(std::memory_order_acquire) != 0) {
    if (worker.step() == Worker::Step::kWorked) {
      continue;
    }
    if (injection_.length() != 0) {
      continue;  // somebody may take it before us, and nobody would say that it is empty again
    }
    if (!has_arrived && !worker.owns_tasks()) {
      has_arrived = true;
      arrive(workers_with_tasks_);
    } else {
      worker.park();
    }
  }
  // What was stolen or injected while the last ones arrived: tasks that never ran.
  while (worker.step() == Worker::Step::kWorked) {
  }
  worker.stop_being_watched();  // it may wait for the others for long
  worker.drain_driver();
  arrive(workers_with_operations_);
  {
    const MutexGuard guard(threads_mutex_);
    while (workers_with_operations_.load(std::memory_order_acquire) != 0) {
      thread_changed_.wait(threads_mutex_);
    }
  }
  (void)worker.owns_tasks();  // collects what others gave back last
  worker.close_driver();
}

// --- the seat of a current_thread runtime -----------------------------------------------------

bool RuntimeShared::take_seat(ThreadParker& waiting) {
  bool must_move = false;
  {
    const MutexGuard guard(seat_mutex_);
    if (is_seat_taken_) {
      if (std::find(seat_waiters_.begin(), seat_waiters_.end(), &waiting) == seat_waiters_.end()) {
        seat_waiters_.push_back(&waiting);
      }
      return false;
    }
    is_seat_taken_ = true;
    must_move = last_driver_ != thread_number();
    last_driver_ = thread_number();
  }
  stop_waiting_for_seat(waiting);
  if (must_move) {
    // A ring belongs to the thread that made it.
    if (const Result<void> moved = workers_.front()->move_driver_here(); !moved) {
      {
        const MutexGuard guard(seat_mutex_);
        last_driver_ = 0;  // the ring is still another thread's
      }
      leave_seat();
      throw std::runtime_error(moved.error().message());
    }
  }
  return true;
}

void RuntimeShared::note_driver_thread() noexcept {
  const MutexGuard guard(seat_mutex_);
  last_driver_ = thread_number();
}

void RuntimeShared::leave_seat() noexcept {
  Worker& worker = *workers_.front();
  for (;;) {
    worker.serve_mailbox();
    const MutexGuard guard(seat_mutex_);
    if (worker.has_mail()) {
      continue;  // posted by somebody who saw that the seat was taken
    }
    is_seat_taken_ = false;
    if (!seat_waiters_.empty()) {
      seat_waiters_.front()->unpark();
    }
    return;
  }
}

void RuntimeShared::serve_empty_seat() noexcept {
  if (!is_current_thread()) {
    return;
  }
  {
    const MutexGuard guard(seat_mutex_);
    if (is_seat_taken_) {
      return;
    }
    is_seat_taken_ = true;
  }
  leave_seat();
}

void RuntimeShared::stop_waiting_for_seat(ThreadParker& waiting) noexcept {
  const MutexGuard guard(seat_mutex_);
  std::erase(seat_waiters_, &waiting);
  // The seat may have been offered to us, who do not want it any more.
  if (!is_seat_taken_ && !seat_waiters_.empty()) {
    seat_waiters_.front()->unpark();
  }
}

// --- the rest ---------------------------------------------------------------------------------

RuntimeMetrics RuntimeShared::metrics() {
  RuntimeMetrics metrics;
  metrics.workers.reserve(workers_.size());
  for (const auto& worker : workers_) {
    metrics.workers.push_back(worker->metrics());
  }
  for (const auto& worker : workers_) {
    metrics.spawned_tasks += worker->spawned_tasks();
    metrics.io_registered += worker->handle()->armed();
    metrics.io_deregistered += worker->handle()->disarmed();
    metrics.io_ready += worker->handle()->events();
  }
  {
    const MutexGuard guard(launch_mutex_);
    metrics.spawned_tasks += launched_remotely_;
  }
  metrics.poll_time_buckets = config_.poll_time_histogram;
  metrics.schedule_latency_buckets = config_.schedule_latency_histogram;
  metrics.injection_queue_depth = injection_.length();
  metrics.unstarted_tasks = injection_.unstarted();
  metrics.remote_schedules = injection_.pushes();
  metrics.blocking_threads = blocking_pool_.threads();
  metrics.idle_blocking_threads = blocking_pool_.idle_threads();
  metrics.blocking_queue_depth = blocking_pool_.queue_depth();
  return metrics;
}

void RuntimeShared::report_unhandled(const TaskHeader& task,
                                     std::exception_ptr exception) noexcept {
  const OnUnhandledException action = config_.after_unhandled_exception;
  if (action == OnUnhandledException::kIgnore) {
    return;
  }
  const UnhandledException unhandled = describe_unhandled(task, std::move(exception));
  if (config_.on_unhandled_exception) {
    config_.on_unhandled_exception(unhandled);
  } else {
    write_unhandled(unhandled);
  }
  if (action == OnUnhandledException::kAbort) {
    std::abort();
  }
  if (action == OnUnhandledException::kShutdown) {
    begin_shutdown();
  }
}

RuntimeShared& current_runtime() {
  RuntimeShared* runtime = thread_context.runtime;
  if (runtime == nullptr) {
    throw_usage_error(
        "there is no ringo runtime on this thread: call this from a task, or from a thread that "
        "holds "
        "the guard of Runtime::enter()");
  }
  return *runtime;
}

Schedule& schedule_of(RuntimeShared& runtime) noexcept {
  return runtime;
}

void launch(TaskHeader& task, RuntimeShared& runtime) noexcept {
  runtime.launch(task);
}

void launch_blocking(TaskHeader& job, RuntimeShared& runtime) noexcept {
  job.id = take_task_ids(1);
  runtime.blocking_pool().submit(job, runtime.shared_from_this());
}

std::uint32_t random_below(std::uint32_t bound) noexcept {
  if (Worker* worker = thread_context.worker) {
    return worker->random().below(bound);
  }
  thread_local Random random(thread_number() + 1);  // a thread in block_on or a blocking_ call
  return random.below(bound);
}

std::uint64_t take_task_ids(std::uint64_t count) noexcept {
  // relaxed: only uniqueness matters.
  return next_task_id.fetch_add(count, std::memory_order_relaxed);
}

std::shared_ptr<Semaphore> blocking_room(RuntimeShared& runtime) noexcept {
  return runtime.blocking_room();
}

std::string_view current_task_name() noexcept {
  return thread_context.task == nullptr ? std::string_view() : name_of(*thread_context.task);
}

std::uint64_t current_task_id() noexcept {
  return thread_context.task == nullptr ? 0 : thread_context.task->id;
}

void report_unhandled_exception(const TaskHeader& task, std::exception_ptr exception) noexcept {
  const std::shared_ptr<RuntimeShared> own = runtime_at(task.home);
  // A LocalSet's task (spawned, but no worker's) goes to the runtime that it is dropped in.
  const bool is_in_local_set = own == nullptr && task.owner == nullptr && task.kind->is_spawned;
  RuntimeShared* const runtime = is_in_local_set ? thread_context.runtime : own.get();
  if (runtime != nullptr) {
    runtime->report_unhandled(task, std::move(exception));
  } else {
    write_unhandled(describe_unhandled(task, std::move(exception)));
  }
}

}  // namespace ringo::detail
