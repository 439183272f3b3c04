// SPDX-License-Identifier: MIT
//
// Counters of a runtime, as tokio::runtime::RuntimeMetrics. Each worker counts for itself without
// locked instructions; a reader sees each counter as of some recent moment.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ringo {

struct WorkerMetrics {
  std::uint64_t polls = 0;             ///< how often a task was run
  std::uint64_t steals = 0;            ///< tasks taken from other workers
  std::uint64_t steal_operations = 0;  ///< successful thefts
  std::uint64_t overflows = 0;         ///< times the local queue was full
  std::uint64_t parks = 0;             ///< times the worker went to sleep
  std::uint64_t forced_yields = 0;     ///< tasks put back because their budget was used up
  std::uint64_t stalls = 0;            ///< times the watchdog found it stuck in one task
  std::uint64_t owned_tasks = 0;       ///< tasks that live now and that the worker answers for
};

struct RuntimeMetrics {
  std::vector<WorkerMetrics> workers;
  std::size_t injection_queue_depth = 0;
  std::size_t blocking_threads = 0;
  std::size_t blocking_queue_depth = 0;

  /// Tasks that live now; those that wait in the injection queue for their first run not included.
  [[nodiscard]] std::uint64_t alive_tasks() const noexcept {
    std::uint64_t sum = 0;
    for (const WorkerMetrics& worker : workers) {
      sum += worker.owned_tasks;
    }
    return sum;
  }
};

}  // namespace ringo
