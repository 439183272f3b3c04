// SPDX-License-Identifier: MIT
//
// The public face: block_on and how a thread waits in it, Handle, Runtime, Builder and run(). What
// it stands on is RuntimeShared; here are the checks of how it is used.
//
// Thread safety: as runtime.h says.

#include <ringo/detail/assert.h>
#include <ringo/detail/context.h>
#include <ringo/detail/task_cell.h>
#include <ringo/detail/task_core.h>
#include <ringo/detail/task_state.h>
#include <ringo/histogram.h>
#include <ringo/metrics.h>
#include <ringo/result.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/task.h>
#include <ringo/task_dump.h>
#include <ringo/usage_error.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include <fmt/core.h>

#include "base/condition.h"
#include "base/system.h"
#include "ring/driver.h"
#include "scheduler/blocking_pool.h"
#include "scheduler/dump_request.h"
#include "scheduler/runtime_shared.h"
#include "scheduler/shutdown.h"

namespace ringo {
namespace detail {
namespace {

/// Runs one task on a thread that is not a worker: scheduling it raises the thread's flag.
class ThreadTask final : public Schedule {
 public:
  explicit ThreadTask(Task<void> task)
      : cell_(new TaskCell<void>(std::move(task), TaskState::kSpawnedWithHandle, this,
                                 std::source_location::current())) {}
  ThreadTask(const ThreadTask&) = delete;
  ThreadTask& operator=(const ThreadTask&) = delete;
  ~ThreadTask() {
    if (!has_ended_) {
      // An exception has ended the wait. Whoever has scheduled the task may not be done with us.
      if (!cell_->state.cancel()) {
        while (!parker_.take_scheduled()) {
          parker_.park();
        }
      }
      (void)cell_->state.start_running();
      (void)cell_->kind->cancel(*cell_);
      complete_and_release(*cell_);
    }
    release(*cell_);
  }

  void schedule(TaskHeader& /*task*/) noexcept override {
    // The last that this thread does here: the owner may be gone with it.
    parker_.raise(ThreadParker::kScheduled);
  }

  [[nodiscard]] ThreadParker& parker() noexcept { return parker_; }
  [[nodiscard]] bool has_ended() const noexcept { return has_ended_; }
  [[nodiscard]] bool is_scheduled() const noexcept { return parker_.is_scheduled(); }

  /// Runs the task if something has happened to it.
  void run_if_scheduled() {
    if (!parker_.take_scheduled()) {
      return;
    }
    (void)cell_->state.start_running();
    take_ready_bits(*cell_);
    const Context saved = thread_context;
    thread_context.task = cell_;
    thread_context.budget = Budget();
    has_ended_ = cell_->kind->poll(*cell_);
    thread_context = saved;
    if (has_ended_) {
      complete_and_release(*cell_);
    } else if (cell_->take_turn() || cell_->state.stop_running()) {
      schedule(*cell_);
    }
  }

  /// Throws what the task threw.
  void take_result() { cell_->output.take(); }

 private:
  TaskCell<void>* cell_;
  ThreadParker parker_{ThreadParker::kScheduled};  // new, it is to be run
  bool has_ended_ = false;
};

void drive(RuntimeShared& runtime, ThreadTask& waiter) {
  Worker& worker = *runtime.workers().front();
  const Worker::Entered entered(worker);
  while (!waiter.is_scheduled()) {
    if (runtime.is_shutting_down()) [[unlikely]] {
      runtime.shut_down_worker(worker);  // its tasks end, and with them what is waited for
      return;
    }
    if (worker.step() == Worker::Step::kNothing && !waiter.is_scheduled()) {
      worker.park();
    }
  }
}

}  // namespace

void refuse_on_worker(const char* what) {
  if (thread_context.worker != nullptr) {
    throw_usage_error(
        fmt::format(
            "{} would block a worker thread, and with it every task there: co_await instead, "
            "or move the blocking part to ringo::spawn_blocking",
            what)
            .c_str());
  }
}

void block_thread_on(Task<void> task) {
  ThreadTask waiter(std::move(task));
  for (;;) {
    waiter.run_if_scheduled();
    if (waiter.has_ended()) {
      break;
    }
    waiter.parker().park();
  }
  waiter.take_result();
}

void block_on(RuntimeShared& runtime, Task<void> task) {
  if (!runtime.is_current_thread()) {
    block_thread_on(std::move(task));
    return;
  }
  ThreadTask waiter(std::move(task));
  for (;;) {
    waiter.run_if_scheduled();
    if (waiter.has_ended()) {
      break;
    }
    if (!runtime.take_seat(waiter.parker())) {
      waiter.parker().park();
      continue;
    }
    drive(runtime, waiter);
    runtime.leave_seat();
  }
  runtime.stop_waiting_for_seat(waiter.parker());
  waiter.take_result();
}

std::shared_ptr<DriverHandle> current_driver_handle() {
  if (thread_context.worker != nullptr) {
    return thread_context.worker->handle();
  }
  RuntimeShared& runtime = current_runtime();
  // Any will do.
  return runtime.workers().front()->handle();
}

DriverHandle* this_threads_driver_handle() noexcept {
  return thread_context.worker == nullptr ? nullptr : thread_context.worker->handle().get();
}

}  // namespace detail

// --- Handle -----------------------------------------------------------------------------------

Handle Handle::current() {
  return Handle(detail::current_runtime().shared_from_this());
}

std::optional<Handle> Handle::try_current() {
  if (detail::thread_context.runtime == nullptr) {
    return std::nullopt;
  }
  return current();
}

std::string_view Handle::name() const noexcept {
  return shared_->config().name;
}

std::uint64_t Handle::id() const noexcept {
  return shared_->id();
}

RuntimeMetrics Handle::metrics() const {
  return shared_->metrics();
}

Task<ShutdownResult> Handle::shutdown(std::optional<std::chrono::nanoseconds> timeout) const {
  return detail::shut_down(shared_, timeout);
}

Task<TaskDump> Handle::dump(std::chrono::nanoseconds timeout) const {
  return detail::dump_tasks(shared_, timeout);
}

TaskDump Handle::blocking_dump(std::chrono::nanoseconds timeout) const {
  detail::refuse_on_worker("Handle::blocking_dump");
  const std::shared_ptr<detail::DumpRequest> request = detail::DumpRequest::start(*shared_);
  request->wait(timeout);
  return request->finish(*shared_);
}

Handle::EnterGuard::EnterGuard(std::shared_ptr<detail::RuntimeShared> runtime) noexcept
    : entered_(std::move(runtime)),
      previous_(std::exchange(detail::thread_context.runtime, entered_.get())) {}

Handle::EnterGuard::~EnterGuard() {
  detail::thread_context.runtime = previous_;
}

// --- Runtime ----------------------------------------------------------------------------------

Runtime& Runtime::operator=(Runtime&& other) noexcept {
  std::swap(handle_, other.handle_);
  std::swap(is_shut_down_, other.is_shut_down_);
  return *this;
}

Runtime::~Runtime() {
  if (handle_.shared_ == nullptr) {
    return;
  }
  if (!is_shut_down_ && !handle_.shared_->has_ended()) {
    RINGO_CHECK(
        detail::thread_context.worker == nullptr,
        "a Runtime was destroyed on a worker thread, where it would wait for itself: co_await "
        "shutdown() first, or use shutdown_background()");
    (void)handle_.shared_->end(std::nullopt);
  }
  if (handle_.shared_->has_ended()) {
    handle_.shared_->make_unknown();
  }
}

ShutdownResult Runtime::shutdown_timeout(std::chrono::nanoseconds timeout) {
  detail::refuse_on_worker("Runtime::shutdown_timeout");
  if (handle_.shared_ == nullptr) {
    return {};
  }
  is_shut_down_ = true;
  const bool is_complete = handle_.shared_->end(timeout);
  return detail::result_of_shutdown(*handle_.shared_, is_complete);
}

void Runtime::shutdown_background() {
  const std::shared_ptr<detail::RuntimeShared> shared = handle_.shared_;
  if (shared == nullptr) {
    return;
  }
  if (shared->is_current_thread() && detail::is_task_of(*shared)) {
    detail::throw_usage_error(
        "a current_thread runtime cannot be shut down by one of its own tasks, which runs on the "
        "thread that would have to do it: co_await shutdown()");
  }
  is_shut_down_ = true;
  (void)shared->end(std::chrono::nanoseconds::zero());
}

// --- Builder ----------------------------------------------------------------------------------

namespace {

constexpr std::size_t kMaxWorkers = 1024;
constexpr std::size_t kMinStack = 16 * 1024;  // PTHREAD_STACK_MIN

std::size_t default_worker_threads() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): of the environment the runtime is only a reader.
  if (const char* text = std::getenv("RINGO_WORKER_THREADS"); text != nullptr) {
    const std::string_view digits(text);
    std::size_t count = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), count);
    if (error != std::errc() || end != digits.data() + digits.size() || count == 0 ||
        count > kMaxWorkers) {
      detail::throw_usage_error(
          fmt::format("RINGO_WORKER_THREADS is \"{}\", but must be a number from 1 to {}", text,
                      kMaxWorkers)
              .c_str());
    }
    return count;
  }
  const std::size_t cores = std::thread::hardware_concurrency();
  return cores == 0 ? 1 : std::min(cores, kMaxWorkers);
}

void require(bool holds, const char* message) {
  if (!holds) {
    detail::throw_usage_error(message);
  }
}

}  // namespace

Builder& Builder::worker_threads(std::size_t count) {
  require(count != 0, "Builder::worker_threads: a runtime needs at least one worker");
  require(count <= kMaxWorkers, "Builder::worker_threads: at most 1,024");
  config_.worker_threads = count;
  return *this;
}

Builder& Builder::max_blocking_threads(std::size_t count) {
  require(count != 0, "Builder::max_blocking_threads: at least one");
  config_.max_blocking_threads = count;
  return *this;
}

Builder& Builder::blocking_queue_limit(std::size_t jobs) {
  require(jobs <= SIZE_MAX / 16, "Builder::blocking_queue_limit: at most SIZE_MAX / 16");
  config_.blocking_queue_limit = jobs;
  return *this;
}

Builder& Builder::time_budget(std::chrono::nanoseconds quantum) {
  require(quantum.count() >= 0, "Builder::time_budget: a time, or 0 for no limit");
  config_.time_budget = quantum;
  return *this;
}

Builder& Builder::thread_keep_alive(std::chrono::nanoseconds duration) {
  config_.thread_keep_alive = duration;
  return *this;
}

Builder& Builder::thread_name(std::string name) {
  config_.thread_name = std::move(name);
  return *this;
}

Builder& Builder::on_thread_start(std::function<void()> callback) {
  config_.on_thread_start = std::move(callback);
  return *this;
}

Builder& Builder::on_thread_stop(std::function<void()> callback) {
  config_.on_thread_stop = std::move(callback);
  return *this;
}

Builder& Builder::thread_name_fn(std::function<std::string()> make_name) {
  config_.thread_name_fn = std::move(make_name);
  return *this;
}

Builder& Builder::on_thread_park(std::function<void()> callback) {
  config_.on_thread_park = std::move(callback);
  return *this;
}

Builder& Builder::on_thread_unpark(std::function<void()> callback) {
  config_.on_thread_unpark = std::move(callback);
  return *this;
}

Builder& Builder::on_task_spawn(std::function<void(const TaskMeta&)> callback) {
  config_.on_task_spawn = std::move(callback);
  return *this;
}

Builder& Builder::on_task_terminate(std::function<void(const TaskMeta&)> callback) {
  config_.on_task_terminate = std::move(callback);
  return *this;
}

Builder& Builder::on_before_task_poll(std::function<void(const TaskMeta&)> callback) {
  config_.on_before_task_poll = std::move(callback);
  return *this;
}

Builder& Builder::on_after_task_poll(std::function<void(const TaskMeta&)> callback) {
  config_.on_after_task_poll = std::move(callback);
  return *this;
}

Builder& Builder::event_interval(std::uint32_t ticks) {
  require(ticks != 0, "Builder::event_interval: at least 1");
  config_.event_interval = ticks;
  return *this;
}

Builder& Builder::global_queue_interval(std::uint32_t ticks) {
  require(ticks != 0, "Builder::global_queue_interval: at least 1");
  config_.global_queue_interval = ticks;
  return *this;
}

Builder& Builder::max_io_events_per_tick(std::uint32_t events) {
  require(events != 0, "Builder::max_io_events_per_tick: at least 1");
  config_.max_io_events_per_tick = events;
  return *this;
}

Builder& Builder::thread_stack_size(std::size_t bytes) {
  require(bytes >= kMinStack, "Builder::thread_stack_size: at least 16 KiB");
  config_.thread_stack_size = bytes;
  return *this;
}

Builder& Builder::poll_time_histogram(HistogramBuckets buckets) {
  config_.poll_time_histogram = buckets;
  return *this;
}

Builder& Builder::schedule_latency_histogram(HistogramBuckets buckets) {
  config_.schedule_latency_histogram = buckets;
  return *this;
}

Builder& Builder::after_unhandled_exception(OnUnhandledException action) {
  config_.after_unhandled_exception = action;
  return *this;
}

Builder& Builder::disable_lifo_slot() {
  config_.is_lifo_slot_enabled = false;
  return *this;
}

Builder& Builder::start_paused() {
  require(config_.is_current_thread,
          "Builder::start_paused: only on a current_thread runtime, where time can stand still");
  config_.is_clock_paused = true;
  return *this;
}

Builder& Builder::on_unhandled_exception(std::function<void(const UnhandledException&)> handler) {
  config_.on_unhandled_exception = std::move(handler);
  return *this;
}

Builder& Builder::watchdog(std::chrono::nanoseconds limit) {
  require(limit >= std::chrono::milliseconds(1), "Builder::watchdog: a limit of at least 1 ms");
  config_.watchdog_limit = limit;
  return *this;
}

Builder& Builder::disable_watchdog() {
  config_.watchdog_limit.reset();
  return *this;
}

Builder& Builder::on_stall(std::function<void(const Stall&)> handler) {
  config_.on_stall = std::move(handler);
  return *this;
}

Builder& Builder::name(std::string name) {
  config_.name = std::move(name);
  return *this;
}

Builder& Builder::seed(std::uint64_t value) {
  config_.seed = value;
  return *this;
}

Result<Runtime> Builder::build() const {
  detail::RuntimeConfig config = config_;
  if (config.is_current_thread) {
    config.worker_threads = 1;
  } else if (config.worker_threads == 0) {
    config.worker_threads = default_worker_threads();
  }
  auto shared = std::make_shared<detail::RuntimeShared>(std::move(config), detail::System::real());
  shared->make_known();
  if (shared->is_current_thread()) {
    // The driver is made now, so that a kernel without io_uring shows here and not in block_on().
    RINGO_TRY_RETURN_VOID(shared->workers().front()->open_driver());
    shared->note_driver_thread();
  } else {
    RINGO_TRY_RETURN_VOID(shared->start_threads());
  }
  shared->start_watchdog();
  return Runtime(std::move(shared));
}

// --- one-liners -------------------------------------------------------------------------------

int run(Task<int> task) {
  Result<Runtime> runtime = Builder::multi_thread().build();
  if (!runtime) {
    fmt::print(stderr, "ringo: {}\n", runtime.error().message());
    return 1;
  }
  try {
    return runtime->block_on(std::move(task));
  } catch (const std::exception& exception) {
    fmt::print(stderr, "ringo: the main task threw an exception: {}\n", exception.what());
  } catch (...) {
    fmt::print(stderr, "ringo: the main task threw an exception\n");
  }
  return 1;
}

int run(Task<void> task) {
  const auto exit_zero = [](Task<void> inner) -> Task<int> {
    co_await std::move(inner);
    co_return 0;
  };
  return run(exit_zero(std::move(task)));
}

}  // namespace ringo
