// SPDX-License-Identifier: MIT
//
// What all tasks of a runtime wait for, and where: the co_awaits that each is suspended in, with
// their source lines, from the innermost to the task's own. As tokio::runtime::Dump, but nothing is
// polled for it: coroutines know at which line they are.
//
//   ringo::TaskDump dump = co_await ringo::Handle::current().dump(1s);
//   fmt::print("{}", dump.to_string());
//
// Thread safety: values.

#pragma once

#include <ringo/join_error.h>
#include <ringo/time.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <vector>

namespace ringo {

/// One line of control of a task: what it waits for, and the coroutines that wait.
struct AwaitChain {
  std::string operation;               ///< "mpsc::recv"; a type's name for an awaitable without one
  std::optional<TaskId> awaited_task;  ///< of a JoinHandle
  std::optional<Instant> deadline;     ///< of a timer
  std::optional<TaskId> locked_by;     ///< of a Mutex: which task locked it last, if it still lives
  std::size_t queue_position = 0;      ///< in a lock's queue, from 1; 0: unknown, or above 1,000

  /// The co_awaits that it is suspended in, innermost first. Empty for an operation that a select
  /// or join awaits directly.
  std::vector<std::source_location> frames;
  std::size_t omitted_frames = 0;  ///< outer ones that did not fit
  /// Where it waits in a select, join, timeout or shield: what it runs there.
  std::vector<AwaitChain> branches;

  static constexpr std::size_t kMaxFrames = 64;
  /// Combinators inside of each other. What is deeper is left out.
  static constexpr std::size_t kMaxDepth = 32;

  const void* lock_holder = nullptr;  ///< for the library
};

enum class TaskActivity : std::uint8_t {
  kIdle,     ///< it waits
  kReady,    ///< it waits for its turn: new, woken, or it has yielded
  kRunning,  ///< it runs
};

struct TaskReport {
  TaskId id;
  std::string name;  ///< empty if it has none
  std::source_location spawned_at;
  TaskActivity activity = TaskActivity::kIdle;
  std::optional<std::size_t> worker;  ///< who answers for it; none before its first run
  AwaitChain waits_at;                ///< of an idle one

  const void* cell = nullptr;  ///< for the library
};

struct TaskDump {
  /// A worker that has not answered in time, since it is stuck in a task.
  struct StuckWorker {
    std::size_t worker = 0;
    TaskId task;            ///< 0 if that could not be found out
    std::string task_name;  ///< empty if it has none
    std::source_location spawned_at;
    std::vector<std::string> stack;  ///< of its thread, innermost call first
  };

  std::string runtime;  ///< as Builder::name() said
  Instant taken_at;     ///< on the runtime's clock
  std::vector<TaskReport> tasks;
  std::size_t omitted_tasks = 0;  ///< more than kMaxTasksPerWorker
  /// Their tasks are missing.
  std::vector<StuckWorker> stuck_workers;

  /// Limits for how long a worker is held up: about a microsecond per task.
  static constexpr std::size_t kMaxTasksPerWorker = 10'000;

  [[nodiscard]] bool is_complete() const noexcept {
    return omitted_tasks == 0 && stuck_workers.empty();
  }
  /// For people: tasks in the order of their ids, one line per co_await.
  [[nodiscard]] std::string to_string() const;
};

/// The name of the function at a source location, as one would write it. (g++ gives that of a
/// coroutine's frame.)
[[nodiscard]] std::string_view function_at(const std::source_location& where) noexcept;

}  // namespace ringo
