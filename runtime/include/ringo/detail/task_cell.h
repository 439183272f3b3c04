// SPDX-License-Identifier: MIT
//
// The cell of a spawned coroutine: the header, the coroutine while it lives, and then its output.
//
// When the body ends the runner moves the output here and destroys the root frame, parameters
// included, before it publishes COMPLETE. A kept JoinHandle therefore keeps the output alive, and
// nothing else that the task owned.

#pragma once

#include <ringo/config.h>
#include <ringo/detail/assert.h>
#include <ringo/detail/frame_pool.h>
#include <ringo/detail/outcome.h>
#include <ringo/detail/task_core.h>
#include <ringo/task.h>

#include <coroutine>
#include <cstddef>
#include <exception>
#include <memory>
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
  OutputCell(TaskState::Word initial_state, const TaskKind& task_kind, Schedule* scheduler,
             std::source_location where) noexcept
      : TaskHeader(initial_state, task_kind, scheduler, where), output() {}
  OutputCell(const OutputCell&) = delete;
  OutputCell& operator=(const OutputCell&) = delete;

  /// What nobody will come for: an exception is reported, a value destroyed.
  void drop_output() noexcept {
    if (output.has_exception()) {
      report_unhandled_exception(*this, output.take_exception());
    }
    output.clear();
  }

  union {
    std::coroutine_handle<Promise<T>> body;  ///< a CoroutineCell's, until it ends
    Outcome<T> output;                       ///< left empty by a cancelled task
  };

 protected:
  /// With `body` instead of `output`.
  OutputCell(Task<T>&& task, TaskState::Word initial_state, const TaskKind& task_kind,
             Schedule* scheduler, std::source_location where) noexcept
      : TaskHeader(initial_state, task_kind, scheduler, where), body(task.release()) {}

  // What is left in the join slot is nobody's (T5 of task_state.h).
  ~OutputCell() {
    drop_output();
    std::destroy_at(&output);
  }
};

/// The cell of something that runs a coroutine: its body, and then in the same place its output.
template <class T>
struct CoroutineCell : OutputCell<T> {
  CoroutineCell(Task<T>&& task, TaskState::Word initial_state, const TaskKind& task_kind,
                Schedule* scheduler, std::source_location where) noexcept
      : OutputCell<T>(std::move(task), initial_state, task_kind, scheduler, where) {
    this->body.promise().branch = &this->root;
  }

  static void* operator new(std::size_t size) { return allocate_frame(size); }
  static void operator delete(void* cell, std::size_t size) noexcept { free_frame(cell, size); }

  static bool poll(TaskHeader& header) noexcept {
    auto& cell = static_cast<CoroutineCell&>(header);
    return run_branch(cell.root, cell.body) && cell.end();
  }

  static bool cancel(TaskHeader& header) noexcept {
    auto& cell = static_cast<CoroutineCell&>(header);
    if (!cancel_branch(cell.root)) {
      return false;
    }
    cell.root.leaf = nullptr;
    cell.destroy_frames(cell.release_body());
    return true;
  }

 protected:
  ~CoroutineCell() {
    RINGO_DCHECK(this->root.word == 0, "a task's cell was freed before its frames");
  }

 private:
  /// The body has ended. Always true. (Apart, since most polls do not come to it.)
  [[gnu::noinline]] bool end() noexcept {
    const std::coroutine_handle<Promise<T>> ended = release_body();
    this->output.take_from(ended.promise().outcome);
    destroy_frames(ended);
    return true;
  }
  void destroy_frames(std::coroutine_handle<Promise<T>> frames) noexcept {
    frames.destroy();
#if RINGO_DEBUG_CHECKS
    this->root.word = 0;  // nothing runs on the branch any more; see the destructor
#endif
  }
  std::coroutine_handle<Promise<T>> release_body() noexcept {
    const std::coroutine_handle<Promise<T>> released = this->body;
    std::construct_at(&this->output);
    return released;
  }
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
struct TaskCell final : CoroutineCell<T> {
  TaskCell(Task<T>&& task, TaskState::Word initial_state, Schedule* scheduler,
           std::source_location where, Label name = Label()) noexcept
      : CoroutineCell<T>(std::move(task), initial_state, kKind, scheduler, where),
        label(std::move(name)) {}
  TaskCell(const TaskCell&) = delete;
  TaskCell& operator=(const TaskCell&) = delete;
  ~TaskCell() = default;

  static void drop_output(TaskHeader& header) noexcept {
    static_cast<OutputCell<T>&>(header).drop_output();
  }
  static void destroy(TaskHeader& header) noexcept { delete static_cast<TaskCell*>(&header); }

  [[no_unique_address]] Label label;  ///< constant while the cell lives

  static constexpr TaskKind kKind{&CoroutineCell<T>::poll,
                                  &CoroutineCell<T>::cancel,
                                  &drop_output,
                                  &destroy,
                                  name_function<TaskCell>(),
                                  true};
};

}  // namespace ringo::detail
