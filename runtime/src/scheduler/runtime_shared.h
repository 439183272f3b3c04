// SPDX-License-Identifier: MIT
//
// What the workers, handles and pool threads of one runtime share. It lives until the last of them
// is gone, which may be after the Runtime itself.
//
// Shutdown, in this order, each phase ended by all workers before any begins the next:
//   1. the injection queue is closed: new tasks are cancelled where they are spawned
//   2. every worker cancels the tasks it owns and goes on running (destroying) until none is left
//   3. every worker drains its driver, so that the kernel holds nothing
//   4. drivers are closed; whatever outlives the runtime sees that when it is used
//
// Thread safety: all of it.

#pragma once

#include <ringo/detail/task_core.h>
#include <ringo/join_error.h>
#include <ringo/metrics.h>
#include <ringo/runtime.h>
#include <ringo/sync/semaphore.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "base/condition.h"
#include "base/system.h"
#include "scheduler/blocking_pool.h"
#include "scheduler/idle.h"
#include "scheduler/injection_queue.h"
#include "scheduler/watchdog.h"
#include "scheduler/worker.h"
#include "time/runtime_clock.h"

namespace ringo::detail {

/// Takes so many task ids out of circulation, and returns the first.
[[nodiscard]] std::uint64_t take_task_ids(std::uint64_t count) noexcept;
/// Names the calling thread for the life of the process. (std::thread::id is used again as soon as
/// a thread has ended, and its ring does not take the newcomer for the owner.)
[[nodiscard]] std::uint64_t thread_number() noexcept;
/// Ends a task that will never run. Its body has not started, so nothing can be pinned.
void cancel_unstarted(TaskHeader& task) noexcept;

class RuntimeShared final : public Schedule, public std::enable_shared_from_this<RuntimeShared> {
 public:
  RuntimeShared(RuntimeConfig config, System& system);
  RuntimeShared(const RuntimeShared&) = delete;
  RuntimeShared& operator=(const RuntimeShared&) = delete;
  ~RuntimeShared();

  [[nodiscard]] const RuntimeConfig& config() const noexcept { return config_; }
  [[nodiscard]] std::uint64_t id() const noexcept { return id_; }
  [[nodiscard]] bool is_current_thread() const noexcept { return config_.is_current_thread; }
  [[nodiscard]] System& system() const noexcept { return system_; }
  [[nodiscard]] RuntimeClock& clock() noexcept { return clock_; }
  [[nodiscard]] InjectionQueue& injection() noexcept { return injection_; }
  [[nodiscard]] Idle& idle() noexcept { return idle_; }
  [[nodiscard]] BlockingPool& blocking_pool() noexcept { return blocking_pool_; }
  /// A permit for each job that may run or wait, of those that ask for one.
  [[nodiscard]] const std::shared_ptr<Semaphore>& blocking_room() const noexcept {
    return blocking_room_;
  }
  [[nodiscard]] std::vector<std::unique_ptr<Worker>>& workers() noexcept { return workers_; }
  [[nodiscard]] RuntimeMetrics metrics();

  /// Schedule: from this runtime's workers into their own queues, from elsewhere by injection.
  void schedule(TaskHeader& task) noexcept override;
  void schedule_last(TaskHeader& task) noexcept override;
  /// First scheduling of a new task, unless the runtime shuts down: then it is cancelled here.
  void launch(TaskHeader& task) noexcept;

  /// Wakes a worker that sleeps, if one should (rule W1 of Idle).
  void notify_one() noexcept;
  /// W3: whether some queue has work in it.
  [[nodiscard]] bool has_queued_work() noexcept;

  [[nodiscard]] bool is_shutting_down() const noexcept {
    // acquire: pairs with begin_shutdown(). seq_cst: see OwnedTasks::give_back().
    return is_shutting_down_.load(std::memory_order_seq_cst);
  }
  void begin_shutdown() noexcept;
  /// Shuts down and waits for it. False: the time was up. By a thread that may block.
  bool end(std::optional<std::chrono::nanoseconds> timeout);
  /// Whether end() has ever said yes.
  [[nodiscard]] bool has_ended() const noexcept {
    // acquire: pairs with end(), so that whoever sees it may destroy what the tasks have used.
    return has_ended_.load(std::memory_order_acquire);
  }
  /// A worker's way through phases 2 to 4.
  void shut_down_worker(Worker& worker) noexcept;

  [[nodiscard]] Result<void> start_threads();
  /// Waits until all worker threads have gone through shutdown. False: the time was up; the threads
  /// are left to themselves.
  [[nodiscard]] bool join_threads(std::optional<std::chrono::nanoseconds> timeout) noexcept;

  /// Nothing if the runtime is not to have one.
  void start_watchdog();

  /// So that what is dropped elsewhere finds its handler. Once, when it is made.
  void make_known();
  /// From now on it does not: the Runtime is gone, though a thread that ends, or a Handle, may keep
  /// this. May be repeated.
  void make_unknown() noexcept;
  void report_unhandled(const TaskHeader& task, std::exception_ptr exception) noexcept;

  void unpark_all() noexcept;

  /// For current_thread: makes the calling thread the one that drives the runtime. False: another
  /// does; `waiting` is unparked when that has left. take and leave in pairs.
  [[nodiscard]] bool take_seat(ThreadParker& waiting);
  void leave_seat() noexcept;
  /// After something was posted to a worker: does it here and now if nobody drives the runtime.
  void serve_empty_seat() noexcept;
  /// The calling thread has made the driver.
  void note_driver_thread() noexcept;
  void stop_waiting_for_seat(ThreadParker& waiting) noexcept;

 private:
  void push_remote(TaskHeader& task) noexcept;
  void cancel_at_birth(TaskHeader& task) noexcept;
  void worker_main(Worker& worker) noexcept;

  const RuntimeConfig config_;
  const std::uint64_t id_;
  System& system_;
  RuntimeClock clock_;
  InjectionQueue injection_;
  Idle idle_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::atomic<bool> is_shutting_down_{false};
  std::atomic<bool> has_ended_{false};
  Mutex launch_mutex_;  ///< closes the gap between a remote spawn and begin_shutdown()
  std::uint64_t launched_remotely_ RINGO_GUARDED_BY(launch_mutex_) = 0;
  std::atomic<std::uint32_t> workers_with_tasks_;
  std::atomic<std::uint32_t> workers_with_operations_;
  BlockingPool blocking_pool_;
  const std::shared_ptr<Semaphore> blocking_room_;
  std::unique_ptr<Watchdog> watchdog_;  ///< made before anybody else sees the runtime

  Mutex seat_mutex_;
  bool is_seat_taken_ RINGO_GUARDED_BY(seat_mutex_) = false;
  std::uint64_t last_driver_ RINGO_GUARDED_BY(seat_mutex_) = 0;  ///< its thread_number()
  std::vector<ThreadParker*> seat_waiters_ RINGO_GUARDED_BY(seat_mutex_);

  Mutex threads_mutex_;
  Condition thread_changed_;
  std::size_t running_threads_ RINGO_GUARDED_BY(threads_mutex_) = 0;
  std::size_t started_threads_ RINGO_GUARDED_BY(threads_mutex_) = 0;
  std::optional<Error> start_error_ RINGO_GUARDED_BY(threads_mutex_);
};

}  // namespace ringo::detail
