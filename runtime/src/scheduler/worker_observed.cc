// SPDX-License-Identifier: MIT
//
// What a user sees of a worker: the hooks around each run of a task, the histograms of how long
// tasks wait and run, and the worker's metrics. Apart from the loop, since most runtimes have
// neither hooks nor histograms.
//
// Thread safety: the worker's own thread, but for stamp() and metrics(), which any thread may call.

#include <ringo/detail/task_core.h>
#include <ringo/metrics.h>
#include <ringo/runtime.h>

#include <chrono>
#include <cstdint>

#include "scheduler/runtime_shared.h"
#include "scheduler/task_name.h"
#include "scheduler/worker.h"

namespace ringo::detail {
namespace {

/// Time since a task became ready is kept in this unit, modulo 2^32.
constexpr unsigned kStampShift = 8;

}  // namespace

void Worker::stamp(TaskHeader& task) noexcept {
  task.make_branches().ready_since =
      static_cast<std::uint32_t>(shared_.system().now() >> kStampShift);
}

std::int64_t Worker::before_run(const TaskHeader& task) noexcept {
  const RuntimeConfig& config = shared_.config();
  if (config.on_before_task_poll) {
    config.on_before_task_poll(meta_of(task));
  }
  const std::int64_t now_ns = shared_.system().now();
  if (stats_.schedule_latencies.is_on()) {
    const auto now = static_cast<std::uint32_t>(now_ns >> kStampShift);
    const BranchSet* const stamped = task.branches();
    const std::uint32_t waited = stamped != nullptr ? now - stamped->ready_since : 0;
    stats_.schedule_latencies.add(std::chrono::nanoseconds(std::int64_t{waited} << kStampShift));
  }
  return now_ns;
}

void Worker::after_run(const TaskHeader& task, std::int64_t started_ns, bool has_ended) noexcept {
  const RuntimeConfig& config = shared_.config();
  if (stats_.poll_times.is_on()) {
    stats_.poll_times.add(std::chrono::nanoseconds(shared_.system().now() - started_ns));
  }
  if (config.on_after_task_poll) {
    config.on_after_task_poll(meta_of(task));
  }
  if (has_ended && config.on_task_terminate) {
    config.on_task_terminate(meta_of(task));
  }
}

WorkerMetrics Worker::metrics() const {
  WorkerMetrics metrics = stats_.read(queue_.length());
  metrics.owned_tasks = owned_.alive();
  metrics.thread = static_cast<std::uint64_t>(thread());
  return metrics;
}

}  // namespace ringo::detail
