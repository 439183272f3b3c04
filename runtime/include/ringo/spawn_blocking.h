// SPDX-License-Identifier: MIT
//
// spawn_blocking(): runs a function that blocks (a file, getaddrinfo, a long computation) on a
// thread of its own, so that the workers go on. As tokio::task::spawn_blocking.
//
//   ringo::JoinResult<std::string> text = co_await ringo::spawn_blocking([] { return read_file();
//   });

#pragma once

#include <ringo/detail/frame_pool.h>
#include <ringo/detail/task_cell.h>
#include <ringo/spawn.h>

#include <concepts>
#include <functional>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

namespace ringo {

namespace detail {

/// Queues a blocking job. On a runtime that has been shut down it is cancelled at once.
void launch_blocking(TaskHeader& job, RuntimeShared& runtime) noexcept;

template <class T, class F, class Label = Nothing>
struct BlockingCell final : OutputCell<T> {
  BlockingCell(F&& job, Schedule* scheduler, std::source_location where, Label name = Label())
      : OutputCell<T>(TaskState::kSpawnedWithHandle, kKind, scheduler, where),
        function(std::move(job)),
        label(std::move(name)) {}
  BlockingCell(const BlockingCell&) = delete;
  BlockingCell& operator=(const BlockingCell&) = delete;
  ~BlockingCell() = default;

  static void* operator new(std::size_t size) { return allocate_frame(size); }
  static void operator delete(void* cell, std::size_t size) noexcept { free_frame(cell, size); }

  static bool poll(TaskHeader& header) noexcept {
    auto& cell = static_cast<BlockingCell&>(header);
    try {
      if constexpr (std::is_void_v<T>) {
        std::invoke(*std::move(cell.function));
        cell.output.set_value();
      } else {
        cell.output.set_value(std::invoke(*std::move(cell.function)));
      }
    } catch (...) {
      cell.output.set_exception(std::current_exception());
    }
    cell.function.reset();
    return true;
  }
  static bool cancel(TaskHeader& header) noexcept {
    static_cast<BlockingCell&>(header).function.reset();
    return true;
  }
  static void drop_output(TaskHeader& header) noexcept {
    static_cast<OutputCell<T>&>(header).drop_output();
  }
  static void destroy(TaskHeader& header) noexcept { delete static_cast<BlockingCell*>(&header); }

  std::optional<F> function;
  [[no_unique_address]] Label label;  ///< constant while the cell lives

  static constexpr TaskKind kKind{&poll, &cancel, &drop_output, &destroy,
                                  name_function<BlockingCell>()};
};

/// `label`: the job's name, if it has one.
template <class F, class... Label>
auto spawn_blocking_on(RuntimeShared& runtime, F function, std::source_location where,
                       Label... label) {
  using T = std::invoke_result_t<F&&>;
  auto* cell = new BlockingCell<T, F, Label...>(std::move(function), &schedule_of(runtime), where,
                                                std::move(label)...);
  JoinHandle<T> handle(*cell);
  launch_blocking(*cell, runtime);
  return handle;
}

}  // namespace detail

/// Runs `function` on the current runtime's blocking pool: up to 512 threads (see
/// Builder::max_blocking_threads), first in first out when all are busy. The queue is not bounded;
/// for one that is see bounded_blocking.h.
///
/// abort() only helps before it has started. Shutting the runtime down waits for those that run and
/// cancels those that wait. Panics: UsageError where no runtime is current.
template <class F>
  requires std::invocable<std::decay_t<F>>
auto spawn_blocking(F&& function, std::source_location where = std::source_location::current()) {
  return detail::spawn_blocking_on<std::decay_t<F>>(detail::current_runtime(),
                                                    std::forward<F>(function), where);
}
template <std::invocable F>
auto spawn_blocking(Named<F> function,
                    std::source_location where = std::source_location::current()) {
  return detail::spawn_blocking_on<F>(detail::current_runtime(), std::move(function.body), where,
                                      std::move(function.name));
}

}  // namespace ringo
