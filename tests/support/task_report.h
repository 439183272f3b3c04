// SPDX-License-Identifier: MIT
//
// What a dump says of one task; and so a way to wait until a task waits.
//
// Thread safety: called by a task of the runtime that is dumped.

#pragma once

#include <ringo/runtime.h>
#include <ringo/task.h>
#include <ringo/task_dump.h>
#include <ringo/yield.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <stdexcept>

namespace ringo::testing_support {

inline std::optional<TaskReport> find(const TaskDump& dump, TaskId id) {
  const auto found = std::find_if(dump.tasks.begin(), dump.tasks.end(),
                                  [id](const TaskReport& task) { return task.id == id; });
  return found == dump.tasks.end() ? std::nullopt : std::optional<TaskReport>(*found);
}

/// Dumps again until the task waits: it may not have come to it yet. Throws std::logic_error if it
/// has ended.
inline Task<TaskReport> report_when_idle(TaskId id) {
  for (;;) {
    const TaskDump dump = co_await Handle::current().dump(std::chrono::hours(1));
    const std::optional<TaskReport> task = find(dump, id);
    if (!task) {
      throw std::logic_error("the task is not in the dump");
    }
    if (task->activity == TaskActivity::kIdle) {
      co_return *task;
    }
    co_await yield_now();
  }
}

}  // namespace ringo::testing_support
