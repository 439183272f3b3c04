// SPDX-License-Identifier: MIT
//
// What a function may not give back that runs under a lock: a coroutine, which would go on when the
// lock has been released, and a reference to what the lock protects.
//
// Thread safety: compile time only.

#pragma once

#include <functional>
#include <type_traits>
#include <utility>

namespace ringo::detail {

/// A coroutine that has not run to its end, or an operation that has not begun. (What only waits
/// for something that goes on by itself is none: a JoinHandle, a oneshot receiver, a Notified.)
template <class T>
concept Suspendable =
    requires { typename T::promise_type; } || requires(T& value) { value.await_ready(); } ||
    requires(T&& value) { std::forward<T>(value).operator co_await(); } ||
    requires(T&& value) { operator co_await(std::forward<T>(value)); };

/// Calls f(value...) for a caller that holds their locks.
template <class F, class... Values>
auto call_under_lock(F&& f, Values&... values) -> std::invoke_result_t<F, Values&...> {
  using Result = std::invoke_result_t<F, Values&...>;
  static_assert(
      !Suspendable<std::remove_cvref_t<Result>>,
      "a function under a lock must not be a coroutine, nor return something to co_await: the lock "
      "would be released before it runs. Take a copy out, auto copy = guarded.with(...), and await "
      "afterwards; state that must stay locked over an await belongs in a ringo::Mutex<T>");
  static_assert(
      !std::is_reference_v<Result>,
      "a function under a lock must not return a reference: what it refers to may be used "
      "after the lock has been released. Return a copy");
  return std::invoke(std::forward<F>(f), values...);
}

}  // namespace ringo::detail
