// SPDX-License-Identifier: MIT
//
// Runtimes: what runs tasks. run() and RINGO_MAIN are the one-liners; Builder has the knobs, with
// Tokio's names and defaults.
//
//   int main() { return ringo::run(async_main()); }
//
//   auto runtime = ringo::Builder::multi_thread().worker_threads(4).build();
//   runtime->block_on(async_main());
//
// Thread safety: Handle and the const members of Runtime may be used from any thread.

#pragma once

#include <ringo/detail/block_thread.h>
#include <ringo/histogram.h>
#include <ringo/join_error.h>
#include <ringo/metrics.h>
#include <ringo/named.h>
#include <ringo/result.h>
#include <ringo/spawn.h>
#include <ringo/spawn_blocking.h>
#include <ringo/task.h>
#include <ringo/task_dump.h>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace ringo {

class Runtime;

/// What a detached task threw, and where that task was spawned.
struct UnhandledException {
  TaskId task;
  std::source_location spawned_at;
  std::exception_ptr exception;
  std::string name;  ///< empty if the task has none
};

/// A worker that has stayed in one task for too long: the other tasks there, and its sockets, wait.
struct Stall {
  std::string runtime;                   ///< as Builder::name() said
  std::size_t worker = 0;                ///< its index
  TaskId task{0};                        ///< the task that it runs; 0 if that is not known
  std::string task_name;                 ///< empty if it has none
  std::source_location spawned_at;       ///< the task's spawn site
  std::chrono::nanoseconds lasted{};     ///< for so long already, or half a limit longer
  std::vector<std::string> stack;        ///< of the worker's thread, innermost call first
  std::uint64_t suppressed_reports = 0;  ///< stalls that were not told of since the last one

  /// All but the stack, in one line.
  [[nodiscard]] std::string message() const;
};

/// What follows when an exception leaves a detached task. As tokio::runtime::UnhandledPanic, for
/// both flavours.
enum class OnUnhandledException : std::uint8_t {
  kIgnore,    ///< nothing
  kReport,    ///< the handler is called, or the exception written to stderr
  kShutdown,  ///< and then the runtime shuts down: block_on() throws unless its task has ended
  kAbort,     ///< and then the process aborts
};

/// A task, as hooks are shown it.
struct TaskMeta {
  TaskId id;
  std::string_view name;  ///< empty if it has none; valid during the call
  std::source_location spawned_at;
};

/// How a shutdown with a time limit has ended.
struct ShutdownResult {
  bool is_complete = true;
  /// What had not ended: tasks that do not suspend (TaskDump::stuck_workers), or are pinned, by a
  /// shield, a scope or a closure that runs in place. With their spawn sites, and where they wait.
  TaskDump left;
  /// Threads whose blocking closures had not returned.
  std::size_t blocking_threads_left = 0;

  // NOLINTNEXTLINE(google-explicit-constructor): it is a yes or no first of all.
  [[nodiscard]] operator bool() const noexcept { return is_complete; }
  /// For people: what is left, one line each; empty if nothing is.
  [[nodiscard]] std::string message() const;
};

namespace detail {

struct RuntimeConfig {
  bool is_current_thread = false;
  bool is_lifo_slot_enabled = true;
  bool is_clock_paused = false;
  std::size_t worker_threads = 0;
  std::size_t max_blocking_threads = 512;
  std::optional<std::size_t> blocking_queue_limit;
  std::chrono::nanoseconds thread_keep_alive = std::chrono::seconds(10);
  std::uint32_t event_interval = 61;
  std::chrono::nanoseconds time_budget = std::chrono::milliseconds(1);
  std::optional<std::uint32_t> global_queue_interval;
  std::uint32_t max_io_events_per_tick = 1024;
  std::size_t thread_stack_size = 0;
  std::string thread_name = "ringo-worker";
  std::function<std::string()> thread_name_fn;
  std::function<void()> on_thread_start;
  std::function<void()> on_thread_stop;
  std::function<void()> on_thread_park;
  std::function<void()> on_thread_unpark;
  std::function<void(const TaskMeta&)> on_task_spawn;
  std::function<void(const TaskMeta&)> on_task_terminate;
  std::function<void(const TaskMeta&)> on_before_task_poll;
  std::function<void(const TaskMeta&)> on_after_task_poll;
  HistogramBuckets poll_time_histogram;
  HistogramBuckets schedule_latency_histogram;
  OnUnhandledException after_unhandled_exception = OnUnhandledException::kReport;
  std::function<void(const UnhandledException&)> on_unhandled_exception;
  std::function<void(const Stall&)> on_stall;
  std::optional<std::chrono::nanoseconds> watchdog_limit = std::chrono::milliseconds(500);
  std::string name = "ringo";
  std::optional<std::uint64_t> seed;
};

/// Runs `waiter` on the calling thread, which meanwhile drives the runtime (current_thread) or
/// sleeps (multi_thread).
void block_on(RuntimeShared& runtime, Task<void> waiter);
}  // namespace detail

/// Where tasks can be spawned from anywhere. Cheap to copy; does not keep the runtime running, and
/// may outlive it: tasks spawned then are cancelled at once.
class Handle {
 public:
  /// Panics: UsageError if the thread neither runs a task of a runtime nor has entered one.
  [[nodiscard]] static Handle current();
  [[nodiscard]] static std::optional<Handle> try_current();

  template <class T>
  JoinHandle<T> spawn(Task<T> task,
                      std::source_location where = std::source_location::current()) const {
    return detail::spawn_on(*shared_, std::move(task), where);
  }
  template <class T>
  JoinHandle<T> spawn(Named<Task<T>> task,
                      std::source_location where = std::source_location::current()) const {
    return detail::spawn_on(*shared_, std::move(task.body), where, std::move(task.name));
  }
  /// As ringo::spawn_blocking(), on this runtime's pool.
  template <class F>
    requires std::invocable<std::decay_t<F>>
  auto spawn_blocking(F&& function,
                      std::source_location where = std::source_location::current()) const {
    return detail::spawn_blocking_on<std::decay_t<F>>(*shared_, std::forward<F>(function), where);
  }

  /// As Runtime::enter().
  class EnterGuard {
   public:
    explicit EnterGuard(std::shared_ptr<detail::RuntimeShared> runtime) noexcept;
    EnterGuard(const EnterGuard&) = delete;
    EnterGuard& operator=(const EnterGuard&) = delete;
    ~EnterGuard();

   private:
    std::shared_ptr<detail::RuntimeShared> entered_;  ///< spawn() may come after the Runtime's end
    detail::RuntimeShared* previous_;
  };
  [[nodiscard]] EnterGuard enter() const noexcept { return EnterGuard(shared_); }

  [[nodiscard]] RuntimeMetrics metrics() const;
  /// As Builder::name() said. Valid as long as the handle.
  [[nodiscard]] std::string_view name() const noexcept;
  /// Differs between all runtimes of the process.
  [[nodiscard]] std::uint64_t id() const noexcept;

  /// What all tasks of the runtime wait for, and where. Each worker lists its tasks between two of
  /// them; one that is stuck in a task for longer than `timeout` is reported with what it runs.
  /// A worker is held up for about a microsecond per task. May be awaited in any runtime.
  /// As tokio::runtime::Handle::dump().
  ///
  /// Cancel safety: nothing is lost. Complexity: O(tasks), of at most
  /// TaskDump::kMaxTasksPerWorker each.
  [[nodiscard]] Task<TaskDump> dump(
      std::chrono::nanoseconds timeout = std::chrono::seconds(1)) const;
  /// dump() for threads. Panics: UsageError on a worker thread.
  [[nodiscard]] TaskDump blocking_dump(
      std::chrono::nanoseconds timeout = std::chrono::seconds(1)) const;

  /// Ends the runtime and waits until all of its tasks and threads have ended, at most for so long:
  /// from async code, where Runtime::shutdown_timeout() must not be called. The waiting is done by
  /// a blocking thread of the awaiting runtime.
  ///
  /// In a task of the runtime itself it does not return, as the task is ended here with all others;
  /// only inside a shield it does, at once and incomplete. Cancel safety: once awaited, the
  /// shutdown goes on. Thread safety: any; several may await it.
  [[nodiscard]] Task<ShutdownResult> shutdown(
      std::optional<std::chrono::nanoseconds> timeout = std::nullopt) const;

  /// For the library.
  [[nodiscard]] detail::RuntimeShared& shared() const noexcept { return *shared_; }

 private:
  friend class Runtime;
  explicit Handle(std::shared_ptr<detail::RuntimeShared> shared) noexcept
      : shared_(std::move(shared)) {}

  std::shared_ptr<detail::RuntimeShared> shared_;
};

/// Owns a runtime. Destroying it ends its tasks at their next suspension and waits for its threads
/// and for blocking closures that run. Move-only.
///
/// A multi_thread runtime works by itself; a current_thread one only inside block_on().
class Runtime {
 public:
  Runtime(Runtime&&) noexcept = default;
  Runtime& operator=(Runtime&& other) noexcept;
  /// Panics (aborts) on a worker thread, where it would wait for itself, unless the runtime has
  /// ended: co_await shutdown() first, or use shutdown_background().
  ~Runtime();

  /// Runs a task to its end and returns what it returns, or throws what it throws. On multi_thread
  /// the task runs on the workers while the caller sleeps; on current_thread the caller runs
  /// everything until the task has ended. The task may borrow the caller's locals: when block_on
  /// returns, its frames are gone.
  ///
  /// Panics: UsageError on a worker thread. Thread safety: any thread; on current_thread one caller
  /// drives and the others wait, and take over when it leaves.
  template <class T>
  T block_on(Task<T> task, std::source_location where = std::source_location::current());

  template <class T>
  JoinHandle<T> spawn(Task<T> task,
                      std::source_location where = std::source_location::current()) const {
    return handle_.spawn(std::move(task), where);
  }
  template <class T>
  JoinHandle<T> spawn(Named<Task<T>> task,
                      std::source_location where = std::source_location::current()) const {
    return handle_.spawn(std::move(task), where);
  }
  template <class F>
    requires std::invocable<std::decay_t<F>>
  auto spawn_blocking(F&& function,
                      std::source_location where = std::source_location::current()) const {
    return handle_.spawn_blocking(std::forward<F>(function), where);
  }

  [[nodiscard]] const Handle& handle() const noexcept { return handle_; }
  /// Makes this the current runtime of the calling thread until the guard is destroyed, so that
  /// spawn() and sockets work there. Guards end in reverse order.
  [[nodiscard]] Handle::EnterGuard enter() const noexcept { return handle_.enter(); }
  [[nodiscard]] RuntimeMetrics metrics() const { return handle_.metrics(); }

  /// Ends the runtime but waits at most so long for tasks that do not suspend, or are pinned, and
  /// closures that do not return. What did not end is named in the result, and left to itself (its
  /// threads go on, with all that they use kept alive). May be called again, to wait once more.
  /// On a current_thread runtime the limit holds for closures only.
  ShutdownResult shutdown_timeout(std::chrono::nanoseconds timeout);
  /// As Handle::shutdown(). The Runtime may be destroyed in async code afterwards.
  [[nodiscard]] Task<ShutdownResult> shutdown(
      std::optional<std::chrono::nanoseconds> timeout = std::nullopt) const {
    return handle_.shutdown(timeout);
  }
  /// Ends the runtime without waiting for its threads. Legal on a worker thread; a current_thread
  /// runtime has no other thread, so its tasks are destroyed by the caller. What is spawned on a
  /// runtime that was shut down is cancelled at once.
  /// Panics: UsageError in a task of the current_thread runtime itself.
  void shutdown_background();

 private:
  friend class Builder;
  explicit Runtime(std::shared_ptr<detail::RuntimeShared> shared) noexcept
      : handle_(std::move(shared)) {}

  Handle handle_;
  bool is_shut_down_ = false;
};

/// Configures a runtime. Methods change the builder and return it.
class Builder {
 public:
  /// Workers on threads of their own that steal from each other. As many as there are cores, or as
  /// RINGO_WORKER_THREADS says.
  [[nodiscard]] static Builder multi_thread() { return Builder(false); }
  /// Everything on the thread that calls block_on().
  [[nodiscard]] static Builder current_thread() { return Builder(true); }

  /// Panics: UsageError for 0. At most 1,024.
  Builder& worker_threads(std::size_t count);
  /// Threads for blocking closures, in addition to the workers. Default 512. Panics: for 0.
  Builder& max_blocking_threads(std::size_t count);
  /// How many blocking jobs may wait for a thread, of those that ask for room first: see
  /// try_spawn_blocking(). 0: none waits. Without this call there is no limit.
  /// Panics: UsageError for more than SIZE_MAX / 16.
  Builder& blocking_queue_limit(std::size_t jobs);
  /// How long an idle blocking thread stays. Default 10 s.
  Builder& thread_keep_alive(std::chrono::nanoseconds duration);
  /// The workers' name; the kernel shows 15 characters. Default "ringo-worker".
  Builder& thread_name(std::string name);
  /// A name for each worker as it starts. Called on the new thread.
  Builder& thread_name_fn(std::function<std::string()> make_name);
  /// The stack of workers and blocking threads, in bytes; at least 16 KiB. Default: the system's.
  Builder& thread_stack_size(std::size_t bytes);
  Builder& on_thread_start(std::function<void()> callback);
  Builder& on_thread_stop(std::function<void()> callback);
  /// Before a worker sleeps, and after it has woken; always in pairs. The callback may spawn tasks:
  /// then the worker does not sleep.
  Builder& on_thread_park(std::function<void()> callback);
  Builder& on_thread_unpark(std::function<void()> callback);
  /// Called on the spawning thread before the task can run; where the task has ended, or was
  /// destroyed, before its handle says so; and around each of its runs. All must not throw. Without
  /// such callbacks a run costs one branch more for all of them and the histograms together.
  Builder& on_task_spawn(std::function<void(const TaskMeta&)> callback);
  Builder& on_task_terminate(std::function<void(const TaskMeta&)> callback);
  Builder& on_before_task_poll(std::function<void(const TaskMeta&)> callback);
  Builder& on_after_task_poll(std::function<void(const TaskMeta&)> callback);
  /// Counts how long the runs of tasks take: two looks at the clock per run.
  Builder& poll_time_histogram(HistogramBuckets buckets);
  /// Counts how long tasks that have been woken wait for their run, in steps of 256 ns and modulo
  /// 18 minutes: a look at the clock per wake and per run.
  Builder& schedule_latency_histogram(HistogramBuckets buckets);
  /// How many tasks run between two looks at the driver under load. Default 61.
  Builder& event_interval(std::uint32_t ticks);
  /// How many tasks run between two looks at the injection queue under load. Default: 31 on
  /// current_thread; else so many as run in 200 us, from 2 to 127, which each worker works out.
  Builder& global_queue_interval(std::uint32_t ticks);
  /// How long a task may go on completing operations before others have their turn, though it has
  /// units of its budget left (see coop.h). Looked at after every 32 operations, and counted from
  /// the first look; where operations turn out to be slow the looks come closer, until there is one
  /// after each. Default 1 ms; 0: no limit. Panics: UsageError if negative.
  Builder& time_budget(std::chrono::nanoseconds quantum);
  /// How many events of the kernel a worker delivers before it runs tasks again. Default 1,024.
  Builder& max_io_events_per_tick(std::uint32_t events);
  /// Without it a task that was just woken waits its turn. It lets a message be handled while it is
  /// in the cache, at the price of a task that blocks its worker holding it up.
  Builder& disable_lifo_slot();
  /// The clock stands still from the start; see time::pause(). current_thread only.
  Builder& start_paused();
  /// What happens to an exception that leaves a detached task. The default writes it to stderr with
  /// the task's spawn site. Called on the thread that ran the task or, if it had a handle when it
  /// ended, on the one that drops that; must not throw. Once the Runtime has been
  /// destroyed, and its shutdown was complete, what is dropped later is written to stderr instead.
  Builder& on_unhandled_exception(std::function<void(const UnhandledException&)> handler);
  /// And what follows. Default kReport.
  Builder& after_unhandled_exception(OnUnhandledException action);
  /// How long a worker may stay in one task before the watchdog reports it: with the task's spawn
  /// site and the thread's stack (functions have names in it if the program was linked with
  /// -rdynamic), and again each time when the stall has lasted twice as long. Default 500 ms, at
  /// least 1 ms. Found between one and one and a half limits. At most 5 reports a minute.
  ///
  /// The stack is taken by a signal, SIGURG, to the worker's thread: only when it has stalled, and
  /// not if the program handles that signal itself. It may interrupt a blocking system call (EINTR
  /// where SA_RESTART does not help). Complexity: nothing per task; one thread per process, which
  /// wakes twice per limit while some worker is awake.
  Builder& watchdog(std::chrono::nanoseconds limit);
  Builder& disable_watchdog();
  /// Instead of a report on stderr. Called on the watchdog's thread; must not throw.
  Builder& on_stall(std::function<void(const Stall&)> handler);
  /// The runtime's name, for reports. Default "ringo".
  Builder& name(std::string name);
  /// Makes the scheduler's random choices repeatable.
  Builder& seed(std::uint64_t value);

  /// Errors: kUnsupported where io_uring is missing or forbidden, with what to do about it; kOs if
  /// a thread cannot be started. Panics: UsageError for options that exclude each other.
  [[nodiscard]] Result<Runtime> build() const;

 private:
  explicit Builder(bool is_current_thread) { config_.is_current_thread = is_current_thread; }

  detail::RuntimeConfig config_;
};

namespace detail {

/// Keeps what block_on() returns until the caller takes it.
template <class T>
Task<void> await_into(JoinHandle<T>& handle, std::optional<JoinResult<T>>& result) {
  result.emplace(co_await handle);
}

template <class T>
T unwrap(JoinResult<T>&& result) {
  if (!result) {
    result.error().rethrow();
  }
  if constexpr (!std::is_void_v<T>) {
    return *std::move(result);
  }
}

}  // namespace detail

template <class T>
T Runtime::block_on(Task<T> task, std::source_location where) {
  detail::refuse_on_worker("Runtime::block_on");
  JoinHandle<T> handle = detail::spawn_on(*handle_.shared_, std::move(task), where);
  std::optional<JoinResult<T>> result;
  detail::block_on(*handle_.shared_, detail::await_into(handle, result));
  return detail::unwrap(*std::move(result));
}

/// Builds a multi_thread runtime, runs the task on it, and shuts it down. For main(): a task that
/// returns int gives the exit code. An error of the runtime is printed and gives 1; an exception of
/// the task is printed and gives 1.
int run(Task<int> task);
int run(Task<void> task);

namespace detail {
// RINGO_MAIN's body may take the arguments or leave them.
inline int run_main(Task<int> (*body)(int, char**), int argc, char** argv) {
  return run(body(argc, argv));
}
inline int run_main(Task<int> (*body)(), int /*argc*/, char** /*argv*/) {
  return run(body());
}
}  // namespace detail

}  // namespace ringo

/// Defines main() around a coroutine: `RINGO_MAIN(int argc, char** argv) { …; co_return 0; }`, or
/// `RINGO_MAIN() { … }`.
#define RINGO_MAIN(...)                                              \
  static ::ringo::Task<int> ringo_async_main(__VA_ARGS__);           \
  int main(int argc, char** argv) {                                  \
    return ::ringo::detail::run_main(&ringo_async_main, argc, argv); \
  }                                                                  \
  static ::ringo::Task<int> ringo_async_main(__VA_ARGS__)
