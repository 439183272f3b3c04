// SPDX-License-Identifier: MIT
//
// What a parked task costs in memory: a million tasks wait, and the process is weighed before and
// after. In a process of its own, which ends without destroying them.
//
// Thread safety: none; called by the main thread.

#include <ringo/join_error.h>
#include <ringo/pending.h>
#include <ringo/result.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/sync/oneshot.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/yield.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "harness.h"

namespace bench {
namespace {

using ringo::Result;
using ringo::Task;

std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  require(static_cast<bool>(statm >> total >> resident), "no /proc/self/statm");
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

Task<void> do_nothing() {
  co_return;
}

Task<void> pend() {
  co_await ringo::pending();
}

Task<void> sleep_long() {
  co_await ringo::time::sleep(std::chrono::hours(1));
}

Task<void> await_oneshot(ringo::oneshot::Receiver<std::size_t> rx) {
  const Result<std::size_t> value = co_await rx;
  keep(value.has_value());
}

Task<void> hold_buffer(std::size_t index) {
  std::array<char, 4096> buffer{};
  buffer[index % buffer.size()] = 1;
  keep(buffer);
  co_await ringo::pending();
  keep(buffer);
}

struct Weight {
  double bytes = 0;
  double seconds = 0;
};

Task<Weight> park(std::string_view kind, std::size_t tasks) {
  for (std::size_t i = 0; i < 1'000; ++i) {
    ringo::JoinHandle<void> handle = ringo::spawn(do_nothing());
    const ringo::JoinResult<void> ended = co_await handle;
    require(ended.has_value(), "memory: a task failed");
  }
  std::vector<ringo::oneshot::Sender<std::size_t>> senders;
  if (kind == "oneshot") {
    senders.reserve(tasks);
  }
  const std::size_t before = resident_bytes();
  const Stopwatch stopwatch;
  for (std::size_t i = 0; i < tasks; ++i) {
    if (kind == "pending") {
      ringo::spawn(pend()).detach();
    } else if (kind == "sleep") {
      ringo::spawn(sleep_long()).detach();
    } else if (kind == "oneshot") {
      auto [tx, rx] = ringo::oneshot::channel<std::size_t>();
      senders.push_back(std::move(tx));
      ringo::spawn(await_oneshot(std::move(rx))).detach();
    } else {
      ringo::spawn(hold_buffer(i)).detach();
    }
    if (i % 1'000 == 999) {
      co_await ringo::yield_now();
    }
  }
  // Until each of them has run and waits.
  for (std::size_t i = 0; i < 2'000; ++i) {
    co_await ringo::yield_now();
  }
  co_await ringo::time::sleep(std::chrono::milliseconds(200));
  Weight weight;
  weight.seconds = stopwatch.stop().ns / 1e9;
  weight.bytes = static_cast<double>(resident_bytes() - before) / static_cast<double>(tasks);
  keep(senders);
  co_return weight;
}

}  // namespace

void measure_memory(const Settings& settings, std::string_view kind) {
  require(kind == "pending" || kind == "sleep" || kind == "oneshot" || kind == "buf4k",
          "memory: the kinds are pending, sleep, oneshot and buf4k");
  const std::size_t tasks = settings.is_quick ? 10'000 : 1'000'000;
  ringo::Runtime runtime = make_runtime(settings);
  const Weight weight = runtime.block_on(park(kind, tasks));
  if (settings.is_json) {
    fmt::print(
        "{{\"runtime\":\"ringo\",\"flavour\":\"{}\",\"workers\":{},\"bench\":\"memory_{}\","
        "\"operations\":{},\"bytes_per_task\":{:.1f},\"seconds\":{:.3f}}}\n",
        settings.is_current_thread ? "current_thread" : "multi_thread", settings.workers, kind,
        tasks, weight.bytes, weight.seconds);
  } else {
    fmt::print("memory_{:27}{:>12.1f} bytes per task, {:.3f} s\n", kind, weight.bytes,
               weight.seconds);
  }
  std::fflush(stdout);
  std::_Exit(0);
}

}  // namespace bench
