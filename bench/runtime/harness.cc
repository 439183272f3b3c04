// SPDX-License-Identifier: MIT
//
// Running and printing: warm-ups, timed repetitions, and one more that counts instructions. Median,
// least and most are printed, since the mean of a disturbed machine says nothing.
//
// Thread safety: none; only the counter is read by tasks.

#include "harness.h"

#include <linux/perf_event.h>
#include <ringo/join_error.h>
#include <ringo/metrics.h>
#include <ringo/result.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/task.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace bench {
namespace {

// Written before any thread starts and after the last one has ended its work.
int counter_fd = -1;
bool is_counting = false;

double middle(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

void Sharing::add(const ringo::RuntimeMetrics& before, const ringo::RuntimeMetrics& after) {
  std::uint64_t all = 0;
  std::uint64_t fewest = UINT64_MAX;
  std::uint64_t steals = 0;
  for (std::size_t i = 0; i < after.workers.size(); ++i) {
    const std::uint64_t polls = after.workers[i].polls - before.workers[i].polls;
    all += polls;
    fewest = std::min(fewest, polls);
    steals += after.workers[i].steals - before.workers[i].steals;
  }
  const auto total = static_cast<double>(std::max<std::uint64_t>(all, 1));
  least.push_back(static_cast<double>(fewest) / total);
  stolen.push_back(static_cast<double>(steals) / total);
}

void fail(std::string_view what) noexcept {
  // No destructor runs: other threads are in the middle of the benchmark.
  std::fprintf(stderr, "bench_runtime: %.*s\n", static_cast<int>(what.size()), what.data());
  std::_Exit(1);
}

void InstructionCounter::open() noexcept {
  perf_event_attr attributes{};
  attributes.type = PERF_TYPE_HARDWARE;
  attributes.size = sizeof(attributes);
  attributes.config = PERF_COUNT_HW_INSTRUCTIONS;
  attributes.disabled = 1;
  attributes.inherit = 1;
  attributes.exclude_kernel = 1;
  attributes.exclude_hv = 1;
  counter_fd = static_cast<int>(
      ::syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC));
}

void InstructionCounter::enable() noexcept {
  is_counting = counter_fd >= 0 && ::ioctl(counter_fd, PERF_EVENT_IOC_ENABLE, 0) == 0;
}

void InstructionCounter::disable() noexcept {
  if (std::exchange(is_counting, false)) {
    (void)::ioctl(counter_fd, PERF_EVENT_IOC_DISABLE, 0);
  }
}

double InstructionCounter::read() noexcept {
  std::uint64_t count = 0;
  if (!is_counting || ::read(counter_fd, &count, sizeof(count)) != sizeof(count)) {
    return 0;
  }
  return static_cast<double>(count);
}

ringo::Runtime make_runtime(const Settings& settings) {
  ringo::Result<ringo::Runtime> runtime =
      settings.is_current_thread
          ? ringo::Builder::current_thread().build()
          : ringo::Builder::multi_thread().worker_threads(settings.workers).build();
  if (!runtime) {
    fail(runtime.error().message());
  }
  return *std::move(runtime);
}

Suite::Suite(Settings settings)
    : settings_(std::move(settings)), runtime_(make_runtime(settings_)) {}

bool Suite::wants(std::string_view name) const noexcept {
  return settings_.filters.empty() ||
         std::any_of(settings_.filters.begin(), settings_.filters.end(),
                     [name](const std::string& part) { return name.find(part) != name.npos; });
}

void Suite::outside(std::string_view name, std::size_t operations,
                    const std::function<Sample(ringo::Runtime&)>& run) {
  if (!wants(name)) {
    return;
  }
  for (std::size_t i = 0; i < settings_.warm_ups; ++i) {
    (void)run(runtime_);
  }
  std::vector<double> values;
  values.reserve(settings_.repetitions);
  for (std::size_t i = 0; i < settings_.repetitions; ++i) {
    const ringo::RuntimeMetrics before = runtime_.metrics();
    values.push_back(run(runtime_).ns / static_cast<double>(operations));
    sharing_.add(before, runtime_.metrics());
  }
  InstructionCounter::enable();
  const double instructions = run(runtime_).instructions / static_cast<double>(operations);
  InstructionCounter::disable();
  print(name, operations, std::move(values), instructions);
}

void Suite::task(std::string_view name, std::size_t operations,
                 const std::function<ringo::Task<Sample>()>& make) {
  // block_on() spawns the task on a worker.
  outside(name, operations, [&make](ringo::Runtime& runtime) { return runtime.block_on(make()); });
}

void Suite::print(std::string_view name, std::size_t operations, std::vector<double> values,
                  double instructions) {
  std::sort(values.begin(), values.end());
  const double median = middle(values);
  const Sharing sharing = std::exchange(sharing_, {});
  if (settings_.is_json) {
    fmt::print(
        "{{\"runtime\":\"ringo\",\"flavour\":\"{}\",\"workers\":{},\"bench\":\"{}\","
        "\"operations\":{},\"samples_ns\":[{:.3f}],\"instructions\":{:.1f},"
        "\"least_share\":[{:.4f}],\"stolen\":[{:.4f}]}}\n",
        settings_.is_current_thread ? "current_thread" : "multi_thread", settings_.workers, name,
        operations, fmt::join(values, ","), instructions, fmt::join(sharing.least, ","),
        fmt::join(sharing.stolen, ","));
  } else {
    fmt::print("{:34}{:>12.2f} ({:.2f}-{:.2f}) ns", name, median, values.front(), values.back());
    if (instructions > 0) {
      fmt::print(", {:.0f} instructions", instructions);
    }
    if (settings_.workers > 1 && !sharing.least.empty()) {
      fmt::print(", the other worker's share of the polls {:.1f} %", 100 * middle(sharing.least));
    }
    fmt::print("\n");
  }
  std::fflush(stdout);
}

ringo::Task<void> join_all(std::vector<ringo::JoinHandle<void>> handles) {
  for (ringo::JoinHandle<void>& handle : handles) {
    const ringo::JoinResult<void> ended = co_await handle;
    require(ended.has_value(), "a task failed");
  }
}

}  // namespace bench
