// SPDX-License-Identifier: MIT
//
// The cell of a spawned coroutine: the header, the coroutine while it lives, and then its output.
//
// When the body ends the runner moves the output here and destroys the root frame, parameters
// included, before it publishes COMPLETE. A kept JoinHandle therefore keeps the output alive, and
// nothing else that the task owned.

#pragma once

#include <ringo/detail/frame_pool.h>
#include <ringo/detail/outcome.h>
#include <ringo/detail/task_core.h>
#include <ringo/task.h>

#include <coroutine>
#include <exception>
#include <new>
#include <source_location>
#include <string_view>
#include <type_traits>
#include <utility>

namespace ringo::detail {

/// Hands an exception that nobody will fetch to the runtime's handler. Any thread.
void report_unhandled_exception(const TaskHeader& task, std::exception_ptr exception) noexcept;

/// What a JoinHandle sees of a task: where its output will be.
template <class T>
struct OutputCell : TaskHeader {
  using TaskHeader::TaskHeader;

  /// What nobody will come for: an exception is reported, a value destroyed.
  void drop_output() noexcept {
    if (output.has_exception()) {
      report_unhandled_exception(*this, output.take_exception());
    }
    output.clear();
  }

  Outcome<T> output;  ///< left empty by a cancelled task

 protected:
  // What is left in the join slot is nobody's (T5 of task_state.h).
  ~OutputCell() { drop_output(); }
};

/// TaskKind::name of a cell that has a `label`: a string, or Nothing.
template <class Cell>
constexpr auto name_function() noexcept {
  using Name = std::string_view (*)(const TaskHeader&) noexcept;
  if constexpr (std::is_same_v<decltype(Cell::label), Nothing>) {
    return Name{nullptr};
  } else {
    return Name{[](const TaskHeader& header) noexcept {
      return std::string_view(static_cast<const Cell&>(header).label);
    }};
  }
}

template <class T, class Label = Nothing>
struct TaskCell final : OutputCell<T> {
  TaskCell(Task<T>&& task, TaskState::Word initial_state, Schedule* scheduler,
           std::source_location where, Label name = Label()) noexcept
      : OutputCell<T>(initial_state, kKind, scheduler, where),
        body(task.release()),
        label(std::move(name)) {
    body.promise().branch = &this->root;
  }
  TaskCell(const TaskCell&) = delete;
  TaskCell& operator=(const TaskCell&) = delete;
  ~TaskCell() { RINGO_DCHECK(!body, "a task's cell was freed before its frames"); }

  static void* operator new(std::size_t size) { return allocate_frame(size); }
  static void operator delete(void* cell, std::size_t size) noexcept { free_frame(cell, size); }

  static bool poll(TaskHeader& header) noexcept {
    auto& cell = static_cast<TaskCell&>(header);
    return run_branch(cell.root, cell.body) && cell.end();
  }

  static bool cancel(TaskHeader& header) noexcept {
    auto& cell = static_cast<TaskCell&>(header);
    if (!cancel_branch(cell.root)) {
      return false;
    }
    cell.root.leaf = nullptr;
    std::exchange(cell.body, nullptr).destroy();
    return true;
  }

  static void drop_output(TaskHeader& header) noexcept {
    static_cast<OutputCell<T>&>(header).drop_output();
  }
  static void destroy(TaskHeader& header) noexcept { delete static_cast<TaskCell*>(&header); }

  /// The body has ended. Always true. (Apart, since most polls do not come to it.)
  [[gnu::noinline]] bool end() noexcept {
    this->output.take_from(body.promise().outcome);
    std::exchange(body, nullptr).destroy();
    return true;
  }

  std::coroutine_handle<Promise<T>> body;
  [[no_unique_address]] Label label;  ///< constant while the cell lives

  static constexpr TaskKind kKind{&poll, &cancel, &drop_output, &destroy,
                                  name_function<TaskCell>()};
};

}  // namespace ringo::detail
