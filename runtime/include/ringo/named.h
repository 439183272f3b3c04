// SPDX-License-Identifier: MIT
//
// named(): gives a task a name, which reports of unhandled exceptions, dumps and the task itself
// can tell. As tokio::task::Builder::name().
//
//   auto handle = ringo::spawn(ringo::named("connection 17", serve(std::move(stream))));
//
// Everything that spawns takes a named task in place of a task. The name is kept in the task's own
// cell, so tasks without one pay nothing.
// Thread safety: a Named is one owner's.

#pragma once

#include <ringo/task.h>

#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace ringo {

/// A task, or a function for the blocking pool, together with its name. Move-only if that is.
template <class Body>
class [[nodiscard("a named task does nothing until it is spawned")]] Named {
 public:
  Named(std::string given_name, Body named_body)
      : name(std::move(given_name)), body(std::move(named_body)) {}

  std::string name;
  Body body;
};

/// Names a task, or a function for spawn_blocking(). The name may be empty, and as long as one
/// likes; several tasks may have the same. Complexity: up to 15 bytes cost no allocation.
template <class T>
Named<Task<T>> named(std::string name, Task<T> task) {
  return Named<Task<T>>(std::move(name), std::move(task));
}
template <class F>
  requires std::invocable<std::decay_t<F>>
Named<std::decay_t<F>> named(std::string name, F&& function) {
  return Named<std::decay_t<F>>(std::move(name), std::forward<F>(function));
}

namespace detail {
std::string_view current_task_name() noexcept;
}  // namespace detail

/// The name of the task that calls it; empty if it has none, and outside a task. Valid until the
/// task ends.
[[nodiscard]] inline std::string_view current_task_name() noexcept {
  return detail::current_task_name();
}

}  // namespace ringo
