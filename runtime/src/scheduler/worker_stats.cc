// SPDX-License-Identifier: MIT
//
// The moving average of how long a task runs, what is tuned by it, and the counters that are worked
// out from others.

#include "scheduler/worker_stats.h"

#include <ringo/metrics.h>
#include <ringo/runtime.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

namespace ringo::detail {
namespace {

/// What is left of an average after so many more values: (1 - kWeight)^n.
double weight_of_old(std::uint64_t values) noexcept {
  static constexpr auto kWeights = [] {
    std::array<double, 128> weights{};
    double weight = 1;
    for (double& each : weights) {
      each = weight;
      weight *= 1 - WorkerStats::kWeight;
    }
    return weights;
  }();
  return values < kWeights.size() ? kWeights[values] : 0;
}

}  // namespace

std::vector<std::uint64_t> Histogram::read() const {
  std::vector<std::uint64_t> counts;
  counts.reserve(counts_.size());
  for (const Counter& count : counts_) {
    counts.push_back(count.get());
  }
  return counts;
}

WorkerStats::WorkerStats(const RuntimeConfig& config)
    : poll_times(config.poll_time_histogram),
      schedule_latencies(config.schedule_latency_histogram),
      is_tuning_(!config.is_current_thread && !config.global_queue_interval),
      injection_interval_(config.global_queue_interval.value_or(
          config.is_current_thread ? kCurrentThreadInterval : kFirstInterval)) {}

void WorkerStats::begin_busy(std::int64_t now_ns) noexcept {
  since_ns_ = now_ns;
  polls_seen_ = polls.get();
  polls_at_wake_ = polls_seen_;
}

bool WorkerStats::end_busy(std::int64_t now_ns) noexcept {
  look(now_ns);
  const bool was_for_nothing = polls.get() == polls_at_wake_;
  if (was_for_nothing && park_unparks_.get() != 0) {
    noops_.add();
  }
  return was_for_nothing;
}

void WorkerStats::look(std::int64_t now_ns) noexcept {
  const std::int64_t spent_ns = std::max<std::int64_t>(now_ns - since_ns_, 0);
  const std::uint64_t runs = polls.get() - polls_seen_;
  since_ns_ = now_ns;
  polls_seen_ += runs;
  busy_ns_.add(static_cast<std::uint64_t>(spent_ns));
  if (runs == 0) {
    return;
  }
  const double old = weight_of_old(runs);
  mean_ns_ = old * mean_ns_ + (1 - old) * static_cast<double>(spent_ns) / static_cast<double>(runs);
  mean_poll_ns_.set(static_cast<std::uint64_t>(std::llround(mean_ns_)));
  if (!is_tuning_) {
    return;
  }
  const double wanted = std::clamp<double>(kInjectionIntervalNs / std::max(mean_ns_, 1.0),
                                           kMinInterval, kMaxInterval);
  const auto interval = static_cast<std::uint32_t>(wanted);
  // As Tokio: small changes are noise.
  if (std::max(interval, injection_interval_) - std::min(interval, injection_interval_) > 2) {
    injection_interval_ = interval;
  }
}

WorkerMetrics WorkerStats::read(std::size_t queue_depth) const {
  WorkerMetrics metrics;
  metrics.polls = polls.get();
  metrics.steals = steals.get();
  metrics.steal_operations = steal_operations.get();
  metrics.overflows = overflows.get();
  // What became ready here has run here, waits here, or was taken or sent away; and what has run
  // here, but became ready elsewhere, came by injection or theft.
  const std::uint64_t from_here =
      polls.get() + queue_depth + stolen_by_others.get() + overflowed_tasks.get();
  const std::uint64_t from_elsewhere = injected_tasks.get() + steals.get();
  metrics.local_schedules = from_here > from_elsewhere ? from_here - from_elsewhere : 0;
  metrics.park_unparks = park_unparks_.get();
  metrics.parks = (metrics.park_unparks + 1) / 2;
  metrics.noops = noops_.get();
  metrics.forced_yields = forced_yields.get();
  metrics.stalls = stalls.get();
  metrics.local_queue_depth = queue_depth;
  metrics.busy = std::chrono::nanoseconds(static_cast<std::int64_t>(busy_ns_.get()));
  metrics.mean_poll = std::chrono::nanoseconds(static_cast<std::int64_t>(mean_poll_ns_.get()));
  metrics.poll_times = poll_times.read();
  metrics.schedule_latencies = schedule_latencies.read();
  return metrics;
}

}  // namespace ringo::detail
