// SPDX-License-Identifier: MIT
//
// Counters of a runtime, as tokio::runtime::RuntimeMetrics, and by its names. Each worker counts
// for itself without locked instructions; a reader sees each counter as of some recent moment.
//
//   const ringo::RuntimeMetrics metrics = ringo::Handle::current().metrics();
//   fmt::print("{} tasks, {} waiting\n", metrics.num_alive_tasks(), metrics.global_queue_depth());
//
// Thread safety: values.

#pragma once

#include <ringo/histogram.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ringo {

struct WorkerMetrics {
  std::uint64_t polls = 0;             ///< how often a task was run
  std::uint64_t steals = 0;            ///< tasks taken from other workers
  std::uint64_t steal_operations = 0;  ///< successful thefts
  std::uint64_t overflows = 0;         ///< times the local queue was full
  /// Tasks that were made ready by this worker itself. Worked out from the others, so that it costs
  /// nothing: exact when the worker rests.
  std::uint64_t local_schedules = 0;
  std::uint64_t parks = 0;          ///< times the worker went to sleep
  std::uint64_t park_unparks = 0;   ///< and woke: odd while it sleeps
  std::uint64_t noops = 0;          ///< times it woke and had nothing to do
  std::uint64_t forced_yields = 0;  ///< tasks put back because their budget was used up
  std::uint64_t stalls = 0;         ///< times the watchdog found it stuck in one task
  std::uint64_t owned_tasks = 0;    ///< tasks that live now and that the worker answers for
  std::size_t local_queue_depth = 0;
  std::chrono::nanoseconds busy{};       ///< time between waking and going to sleep
  std::chrono::nanoseconds mean_poll{};  ///< of a task's run: a moving average
  std::uint64_t thread = 0;              ///< the kernel's id of its thread; 0: it has none now
  /// See Builder::poll_time_histogram() and schedule_latency_histogram(); empty without.
  std::vector<std::uint64_t> poll_times;
  std::vector<std::uint64_t> schedule_latencies;
};

struct RuntimeMetrics {
  std::vector<WorkerMetrics> workers;
  std::size_t injection_queue_depth = 0;
  std::size_t unstarted_tasks = 0;  ///< in the injection queue, for their first run
  std::uint64_t spawned_tasks = 0;
  std::uint64_t remote_schedules = 0;  ///< tasks made ready by others than this runtime's workers
  std::size_t blocking_threads = 0;
  std::size_t idle_blocking_threads = 0;
  std::size_t blocking_queue_depth = 0;
  std::uint64_t io_registered = 0;    ///< descriptors that were ever watched
  std::uint64_t io_deregistered = 0;  ///< and of those, no more
  std::uint64_t io_ready = 0;         ///< events that the kernel has reported
  HistogramBuckets poll_time_buckets;
  HistogramBuckets schedule_latency_buckets;

  /// Tasks that live now; those that wait in the injection queue for their first run not included.
  [[nodiscard]] std::uint64_t alive_tasks() const noexcept {
    return sum(&WorkerMetrics::owned_tasks);
  }

  // By Tokio's names. `worker` is an index below num_workers().
  [[nodiscard]] std::size_t num_workers() const noexcept { return workers.size(); }
  [[nodiscard]] std::uint64_t num_alive_tasks() const noexcept {
    return alive_tasks() + unstarted_tasks;
  }
  [[nodiscard]] std::size_t global_queue_depth() const noexcept { return injection_queue_depth; }
  [[nodiscard]] std::uint64_t spawned_tasks_count() const noexcept { return spawned_tasks; }
  [[nodiscard]] std::uint64_t remote_schedule_count() const noexcept { return remote_schedules; }
  [[nodiscard]] std::uint64_t budget_forced_yield_count() const noexcept {
    return sum(&WorkerMetrics::forced_yields);
  }
  [[nodiscard]] std::size_t num_blocking_threads() const noexcept { return blocking_threads; }
  [[nodiscard]] std::size_t num_idle_blocking_threads() const noexcept {
    return idle_blocking_threads;
  }
  [[nodiscard]] std::uint64_t io_driver_fd_registered_count() const noexcept {
    return io_registered;
  }
  [[nodiscard]] std::uint64_t io_driver_fd_deregistered_count() const noexcept {
    return io_deregistered;
  }
  [[nodiscard]] std::uint64_t io_driver_ready_count() const noexcept { return io_ready; }

  [[nodiscard]] std::uint64_t worker_park_count(std::size_t worker) const {
    return workers.at(worker).parks;
  }
  [[nodiscard]] std::uint64_t worker_park_unpark_count(std::size_t worker) const {
    return workers.at(worker).park_unparks;
  }
  [[nodiscard]] std::uint64_t worker_noop_count(std::size_t worker) const {
    return workers.at(worker).noops;
  }
  [[nodiscard]] std::uint64_t worker_steal_count(std::size_t worker) const {
    return workers.at(worker).steals;
  }
  [[nodiscard]] std::uint64_t worker_steal_operations(std::size_t worker) const {
    return workers.at(worker).steal_operations;
  }
  [[nodiscard]] std::uint64_t worker_poll_count(std::size_t worker) const {
    return workers.at(worker).polls;
  }
  [[nodiscard]] std::uint64_t worker_local_schedule_count(std::size_t worker) const {
    return workers.at(worker).local_schedules;
  }
  [[nodiscard]] std::uint64_t worker_overflow_count(std::size_t worker) const {
    return workers.at(worker).overflows;
  }
  [[nodiscard]] std::chrono::nanoseconds worker_total_busy_duration(std::size_t worker) const {
    return workers.at(worker).busy;
  }
  [[nodiscard]] std::chrono::nanoseconds worker_mean_poll_time(std::size_t worker) const {
    return workers.at(worker).mean_poll;
  }
  [[nodiscard]] std::size_t worker_local_queue_depth(std::size_t worker) const {
    return workers.at(worker).local_queue_depth;
  }

 private:
  [[nodiscard]] std::uint64_t sum(std::uint64_t WorkerMetrics::* counter) const noexcept {
    std::uint64_t total = 0;
    for (const WorkerMetrics& worker : workers) {
      total += worker.*counter;
    }
    return total;
  }
};

}  // namespace ringo
