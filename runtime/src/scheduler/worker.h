// SPDX-License-Identifier: MIT
//
// A worker: a run queue, a LIFO slot, a driver to sleep in, a timer wheel, and the loop that runs
// tasks. Its thread calls run(); a current_thread runtime and tests call step() themselves. The
// loop is in worker.cc; worker_idle.cc is for when there is nothing to run, worker_lifecycle.cc for
// its beginning and end, worker_observed.cc for hooks and metrics.
//
// Order of work (Tokio's, but for the newest): now and then the injection queue and the driver
// first; else the LIFO slot; after a join that waits, for a while, the newest task of the local
// queue (see run_newest_first()); the oldest of it, the injection queue, then stealing, then sleep.
//
// Thread safety: the worker's own thread, but for unpark(), queue() (to steal from), and metrics.

#pragma once

#include <ringo/detail/context.h>
#include <ringo/detail/fork_core.h>
#include <ringo/detail/task_core.h>
#include <ringo/metrics.h>
#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/random.h"
#include "ring/driver.h"
#include "scheduler/local_queue.h"
#include "scheduler/mailbox.h"
#include "scheduler/owned_tasks.h"
#include "scheduler/stall_detector.h"
#include "scheduler/turn_timer.h"
#include "scheduler/worker_stats.h"
#include "time/timer_wheel.h"

namespace ringo::detail {

class RuntimeShared;

class Worker {
 public:
  static constexpr std::uint32_t kLocalQueueCapacity = 256;
  /// How many tasks may run out of the LIFO slot in a row, so that two tasks that wake each other
  /// cannot keep the others waiting.
  static constexpr unsigned kMaxLifoRuns = 3;
  /// How many tasks may be taken from the back of the queue, and for about how long, until all that
  /// wait in it have had a turn.
  static constexpr std::uint32_t kMaxNewestRuns = 8192;
  static constexpr std::int64_t kMaxNewestNs = 1'000'000;
  static constexpr std::uint64_t kTaskIdBlock = 1024;
  /// After how many operations a task looks at the time, unless they are slow.
  static constexpr std::uint32_t kMaxSlice = 32;
  using Queue = LocalQueue<TaskHeader*, kLocalQueueCapacity>;

  Worker(RuntimeShared& shared, std::uint32_t index);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker();

  /// Makes the driver and the thread's context. By the worker's thread, before anything else.
  [[nodiscard]] Result<void> open_driver();
  /// Takes the worker over to the calling thread, which makes a driver of its own and has what was
  /// watched watched again. For current_thread runtimes that several threads drive in turn.
  [[nodiscard]] Result<void> move_driver_here();

  /// Until the runtime shuts down. Then destroys the tasks and the driver, in step with the others.
  void run();

  enum class Step : std::uint8_t {
    kWorked,   ///< ran a task, or found some
    kNothing,  ///< there is nothing to do: park()
  };
  Step step();
  /// Sleeps until there may be something to do.
  void park();
  /// Polls the driver and fires timers, without waiting.
  void poll_driver();

  /// Puts a task that was woken by this thread into the LIFO slot.
  void schedule_woken(TaskHeader& task) noexcept;
  /// Runs the task inside the running one, which is about to await it, if it is in the LIFO slot
  /// or, while that is empty, at the front of the queue: it would be next anyway, and so neither of
  /// the two is suspended or woken for it. It pays from the same budget, and a run out of the slot
  /// counts as one. Not nested. True: it has ended.
  bool run_awaited(TaskHeader& task) noexcept;
  /// A task waits for the end of another. What was pushed since its turn began runs next, the last
  /// first: most likely those are the tasks that it has spawned and joins, or theirs. So a tree of
  /// tasks that spawn and join is walked depth first, and what is alive of it stays small. Within
  /// the two limits above; then the queue as it is has its turn.
  void run_newest_first() noexcept;
  [[nodiscard]] bool is_in_lifo_slot(const TaskHeader& task) const noexcept {
    return lifo_slot_ == &task;
  }
  /// Puts a task that was woken by this thread behind all that is ready here. If that is nothing it
  /// is next, and nobody else need be told of it.
  void schedule_behind(TaskHeader& task) noexcept;
  /// Puts a task at the back of the local queue.
  void schedule_last(TaskHeader& task) noexcept;
  /// Answers from now on for a task that the calling thread has spawned and not cancelled. Whatever
  /// is in a local queue is in some worker's list: there a dump finds it, and shutdown.
  void adopt(TaskHeader& task) noexcept { owned_.adopt(task); }
  /// The same for a task that is about to run, or be queued; shutdown may have begun.
  void adopt_new(TaskHeader& task) noexcept;
  /// A forked child, as a task of its own.
  [[nodiscard]] TaskHeader& adopt_fork(ForkItem& item) noexcept;

  /// Any thread.
  void unpark() noexcept { handle_->unpark(); }
  [[nodiscard]] Queue& queue() noexcept { return queue_; }
  [[nodiscard]] ForkStack& forks() noexcept { return forks_; }
  [[nodiscard]] const std::shared_ptr<DriverHandle>& handle() const noexcept { return handle_; }
  [[nodiscard]] RuntimeShared& shared() const noexcept { return shared_; }
  [[nodiscard]] TimerWheel& wheel() noexcept { return *wheel_; }
  [[nodiscard]] Random& random() noexcept { return random_; }
  [[nodiscard]] std::uint32_t index() const noexcept { return index_; }
  /// A number that no other task has had. They are fetched in blocks, since a counter that all
  /// workers write would travel between their caches.
  [[nodiscard]] std::uint64_t new_task_id() noexcept;
  /// As detail::renew_budget(), of the worker's running task.
  [[nodiscard]] bool renew_budget() noexcept;
  [[nodiscard]] Budget fresh_budget() const noexcept { return fresh_budget_; }
  /// Puts a new task of the runtime's own at the back of the queue, also during shutdown, which
  /// then waits for it.
  void launch_last(TaskHeader& task) noexcept;
  [[nodiscard]] WorkerMetrics metrics() const;
  void count_forced_yield() noexcept { stats_.forced_yields.add(); }
  /// How many ids new_task_id() has given out. Any thread.
  [[nodiscard]] std::uint64_t spawned_tasks() const noexcept { return spawned_.get(); }
  /// A task becomes ready now; for the histogram of how long it waits.
  void note_scheduled(TaskHeader& task) noexcept {
    if (stats_.schedule_latencies.is_on()) [[unlikely]] {
      stamp(task);
    }
  }

  /// Has a request carried out by the worker's thread, soon. Any thread. False: as Mailbox::post().
  [[nodiscard]] bool post(std::shared_ptr<WorkerRequest> request);
  /// Carries out what was posted. By who holds the worker.
  void serve_mailbox() noexcept;
  [[nodiscard]] bool has_mail() const noexcept { return !mailbox_.is_empty(); }

  /// The tasks that it answers for. By a request.
  template <class Visit>
  void for_each_task(Visit visit) {
    owned_.for_each(visit);
  }
  /// Ends a TaskState::try_freeze() that succeeded. By a request.
  class Frozen {
   public:
    Frozen(Worker& worker, TaskHeader& task) noexcept : worker_(worker), task_(task) {}
    Frozen(const Frozen&) = delete;
    Frozen& operator=(const Frozen&) = delete;
    ~Frozen() {
      if (task_.state.stop_running()) {
        worker_.note_scheduled(task_);
        worker_.schedule_last(task_);
      }
    }

   private:
    Worker& worker_;
    TaskHeader& task_;
  };

  /// Whether it is this worker that runs the task. Any thread; the answer may be out of date.
  [[nodiscard]] bool is_running(const TaskHeader& task) const noexcept {
    return running_.load(std::memory_order_relaxed) == &task ||
           nested_.load(std::memory_order_relaxed) == &task;
  }
  /// For the watchdog. Any thread.
  [[nodiscard]] StallDetector::Sample stall_sample() const noexcept {
    // That it was awake is seen here or said by note_awake(); the rest may be late.
    return {stats_.polls.get(), thread() == 0 || stats_.is_asleep()};
  }
  /// The thread that drives the worker, or 0.
  [[nodiscard]] pid_t thread() const noexcept { return thread_.load(std::memory_order_relaxed); }
  /// By the watchdog only.
  void count_stall() noexcept { stats_.stalls.add(); }
  void stop_being_watched() noexcept { thread_.store(0, std::memory_order_relaxed); }

  /// The phases of shutdown; see RuntimeShared.
  void cancel_owned_tasks() noexcept;
  [[nodiscard]] bool owns_tasks() noexcept;
  void drain_driver();
  void close_driver() noexcept;
  [[nodiscard]] bool is_closing() const noexcept { return is_closing_; }

  /// Says to this thread that it is the worker's, for as long as it lives.
  class Entered {
   public:
    explicit Entered(Worker& worker) noexcept;
    Entered(const Entered&) = delete;
    Entered& operator=(const Entered&) = delete;
    ~Entered();

   private:
    Context saved_;
  };

 private:
  [[nodiscard]] Step take_step();
  template <bool kIsObserved>
  void run(TaskHeader& task) noexcept;
  [[nodiscard]] std::int64_t before_run(const TaskHeader& task) noexcept;
  void after_run(const TaskHeader& task, std::int64_t started_ns, bool has_ended) noexcept;
  template <bool kIsObserved>
  void run_with_lifo(TaskHeader& task) noexcept;
  void finish(TaskHeader& task) noexcept;
  [[nodiscard]] TaskHeader* next_task() noexcept;
  [[nodiscard]] bool pop_local(TaskHeader*& task) noexcept;
  [[nodiscard]] TaskHeader* take_newest() noexcept;
  [[nodiscard]] bool take_if_next(TaskHeader& task) noexcept;
  [[nodiscard]] TaskHeader* take_injected() noexcept;
  void adopt_injected(TaskHeader& task) noexcept;
  [[nodiscard]] TaskHeader* steal() noexcept;
  void push_local(TaskHeader& task) noexcept {
    if (!queue_.push(&task)) [[unlikely]] {
      overflow(task);
    }
  }
  /// push_local() to a queue that is full: half of it goes to the injection queue.
  void overflow(TaskHeader& task) noexcept;
  void stop_searching() noexcept;
  [[nodiscard]] bool is_nested() const noexcept {
    return nested_.load(std::memory_order_relaxed) != nullptr;
  }
  [[nodiscard]] bool has_local_work() const noexcept {
    return lifo_slot_ != nullptr || queue_.length() != 0;
  }
  void fire_timers(std::int64_t system_now_ns) noexcept;
  [[nodiscard]] std::optional<std::int64_t> park_timeout();
  void maintain();
  [[nodiscard]] bool is_time_up() noexcept;
  void stamp(TaskHeader& task) noexcept;
  void look_for_work_and_sleep();
  void sleep_in_driver();

  RuntimeShared& shared_;
  const std::uint32_t index_;
  const bool is_alone_;         ///< the runtime's only worker: nobody steals, nobody need be woken
  const bool is_observed_;      ///< there are hooks around a run, or histograms
  const bool is_waking_plain_;  ///< what is woken goes to the LIFO slot, and nobody counts it
  struct RetireWheel {
    void operator()(TimerWheel* wheel) const noexcept { wheel->retire(); }
  };
  std::unique_ptr<TimerWheel, RetireWheel> wheel_;
  std::shared_ptr<DriverHandle> handle_;
  std::unique_ptr<Driver> driver_;
  std::atomic<pid_t> thread_{0};
  // What stands above hardly ever changes and is read by others, to wake the worker or to stop a
  // timer of it; what changes with each run begins on another cache line.
  Queue queue_;
  ForkStack forks_;
  TaskHeader* lifo_slot_ = nullptr;
  Budget fresh_budget_;  ///< its units: a slice, until the next look at the time
  TurnTimer turn_timer_;
  unsigned lifo_runs_ = 0;             ///< since a task was last taken from a queue
  Queue::Index turn_began_at_ = 0;     ///< the queue's tail when a task was last taken from it
  bool is_newest_first_ = false;       ///< see run_newest_first()
  Queue::Index newest_until_ = 0;      ///< what lies before it in the queue is not meant
  std::uint32_t newest_left_ = 0;      ///< how many more may be taken from the back
  std::int64_t newest_since_ns_ = 0;   ///< when it was first noticed by maintain(); 0: not yet
  std::uint64_t newest_again_at_ = 0;  ///< not before so many polls
  /// What runs, and what runs inside it because it awaits it. Written by the worker's thread only;
  /// relaxed: who asks wants no more than the address.
  std::atomic<const TaskHeader*> running_{nullptr};
  std::atomic<const TaskHeader*> nested_{nullptr};
  bool is_searching_ = false;
  bool is_closing_ = false;
  std::uint32_t until_maintenance_;    ///< tasks to run before the next look at the driver
  std::uint32_t until_injection_ = 0;  ///< and before the next look at the injection queue
  std::uint64_t first_task_id_ = 0;    ///< of the block, less those given out before it
  Counter spawned_;
  Random random_;
  OwnedTasks owned_;
  Mailbox mailbox_;
  alignas(64) WorkerStats stats_;
};

}  // namespace ringo::detail
