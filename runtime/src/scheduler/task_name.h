// SPDX-License-Identifier: MIT
//
// The name of a task, and what else hooks and reports are shown of it.
//
// Thread safety: who keeps the task's cell alive.

#pragma once

#include <ringo/detail/task_core.h>
#include <ringo/join_error.h>
#include <ringo/runtime.h>

#include <string_view>

namespace ringo::detail {

/// Empty if it has none. Valid as long as the cell.
inline std::string_view task_name(const TaskHeader& task) noexcept {
  const auto name = [](const auto& header) -> std::string_view {
    if constexpr (requires { name_of(header); }) {
      return name_of(header);
    } else {
      return {};
    }
  };
  return name(task);
}

/// Valid as long as the cell.
inline TaskMeta meta_of(const TaskHeader& task) noexcept {
  return {TaskId(task.id), task_name(task), task.spawned_at};
}

}  // namespace ringo::detail
