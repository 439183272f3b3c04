// SPDX-License-Identifier: MIT
//
// Shutting a runtime down from a task of another one, or of its own.

#include "scheduler/shutdown.h"

#include <ringo/detail/context.h>
#include <ringo/detail/task_core.h>
#include <ringo/join_error.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/spawn_blocking.h>
#include <ringo/task.h>
#include <ringo/task_dump.h>
#include <ringo/yield.h>

#include <chrono>
#include <iterator>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "scheduler/dump_request.h"
#include "scheduler/runtime_shared.h"

namespace ringo {
namespace detail {
namespace {

/// For the dump of what is left.
constexpr std::chrono::milliseconds kPatience(100);

}  // namespace

bool is_task_of(const RuntimeShared& runtime) noexcept {
  return thread_context.worker != nullptr && &thread_context.worker->shared() == &runtime;
}

ShutdownResult result_of_shutdown(RuntimeShared& runtime, bool is_complete) {
  ShutdownResult result;
  result.is_complete = is_complete;
  if (!is_complete) {
    const std::shared_ptr<DumpRequest> request = DumpRequest::start(runtime);
    request->wait(kPatience);
    result.left = request->finish(runtime);
    result.blocking_threads_left = runtime.blocking_pool().threads();
  }
  return result;
}

Task<ShutdownResult> shut_down(std::shared_ptr<RuntimeShared> runtime,
                               std::optional<std::chrono::nanoseconds> timeout) {
  if (is_task_of(*runtime)) {
    runtime->begin_shutdown();
    // Until the worker that answers for this task has come to it; then it ends in a yield, unless
    // it is pinned by a shield.
    while (!thread_context.task->state.is_cancelled()) {
      co_await yield_now();
    }
    co_await yield_now();
    ShutdownResult pinned;
    pinned.is_complete = false;
    co_return pinned;
  }
  auto body = [runtime, timeout] {
    const bool is_complete = runtime->end(timeout);
    return result_of_shutdown(*runtime, is_complete);
  };
  JoinHandle<ShutdownResult> ending = spawn_blocking(std::move(body));
  JoinResult<ShutdownResult> result = co_await ending;
  if (!result) {
    // The awaiting runtime is shut down itself, and has no thread for it any more.
    runtime->begin_shutdown();
    ShutdownResult unknown;
    unknown.is_complete = false;
    co_return unknown;
  }
  co_return *std::move(result);
}

}  // namespace detail

std::string ShutdownResult::message() const {
  std::string text;
  const auto add_task = [&text](TaskId id, const std::string& name,
                                const std::source_location& spawned_at, std::string_view what) {
    fmt::format_to(std::back_inserter(text), "task {}{}{}{}, spawned at {}:{}, {}\n", id.value(),
                   name.empty() ? "" : " \"", name, name.empty() ? "" : "\"",
                   spawned_at.file_name(), spawned_at.line(), what);
  };
  for (const TaskReport& task : left.tasks) {
    add_task(
        task.id, task.name, task.spawned_at,
        task.activity == TaskActivity::kIdle ? "waits for " + task.waits_at.operation : "runs");
  }
  for (const TaskDump::StuckWorker& stuck : left.stuck_workers) {
    if (stuck.task != TaskId(0)) {
      add_task(stuck.task, stuck.task_name, stuck.spawned_at, "does not suspend");
    }
  }
  if (left.omitted_tasks != 0) {
    fmt::format_to(std::back_inserter(text), "{} tasks more\n", left.omitted_tasks);
  }
  if (blocking_threads_left != 0) {
    fmt::format_to(std::back_inserter(text), "{} blocking closures\n", blocking_threads_left);
  }
  return text;
}

}  // namespace ringo
