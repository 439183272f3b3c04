// SPDX-License-Identifier: MIT
//
// The end of a runtime as async code sees it, and what it says of those who have not ended.
//
// Thread safety: all of it.

#pragma once

#include <ringo/runtime.h>
#include <ringo/task.h>

#include <chrono>
#include <memory>
#include <optional>

namespace ringo::detail {

class RuntimeShared;

/// Whether the calling thread runs a task of this runtime.
[[nodiscard]] bool is_task_of(const RuntimeShared& runtime) noexcept;

/// See Handle::shutdown().
Task<ShutdownResult> shut_down(std::shared_ptr<RuntimeShared> runtime,
                               std::optional<std::chrono::nanoseconds> timeout);

/// After RuntimeShared::end(). By a thread that may block.
[[nodiscard]] ShutdownResult result_of_shutdown(RuntimeShared& runtime, bool is_complete);

}  // namespace ringo::detail
