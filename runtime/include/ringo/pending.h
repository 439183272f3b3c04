// SPDX-License-Identifier: MIT
//
// pending<T>(): the wait that never ends. As std::future::pending of Rust.
//
//   co_await ringo::pending();  // until the task is aborted, or another branch wins

#pragma once

#include <ringo/detail/context.h>
#include <ringo/detail/leaf_description.h>
#include <ringo/detail/task_core.h>
#include <ringo/detail/thread_annotations.h>

#include <coroutine>
#include <cstdlib>

namespace ringo {

namespace detail {

template <class T>
class PendingAwaiter final : public Leaf {
 public:
  [[nodiscard]] bool await_ready() const noexcept RINGO_EXCLUDES(no_suspend) { return false; }
  template <class AwaitingPromise>
  void await_suspend(std::coroutine_handle<AwaitingPromise> awaiting) noexcept {
    waiting_coroutine = awaiting;
    (void)start(*awaiting.promise().branch);
  }
  bool start(Branch& branch) noexcept {
    branch.leaf = this;
    return true;
  }
  T await_resume() const noexcept { std::abort(); }  // it never ends
  [[nodiscard]] bool ended() noexcept override { return false; }
  void describe(LeafDescription& description) const noexcept override {
    description.operation = "pending";
  }
};

}  // namespace detail

/// Never ends: the task, or the branch of a select that awaits it, waits until it is aborted or
/// another branch wins. Costs no allocation and is in nobody's queue. `T` is what it would give,
/// for where types must agree.
///
/// Cancel safe. Thread safety: any task. Complexity: O(1).
template <class T = void>
[[nodiscard]] detail::PendingAwaiter<T> pending() noexcept {
  return {};
}

}  // namespace ringo
