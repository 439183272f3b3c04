// SPDX-License-Identifier: MIT
//
// yield_now(): lets other tasks run. As tokio::task::yield_now.

#pragma once

#include <ringo/detail/context.h>
#include <ringo/detail/task_core.h>
#include <ringo/detail/thread_annotations.h>

#include <coroutine>

namespace ringo {

namespace detail {

class YieldAwaiter final : public Leaf {
 public:
  [[nodiscard]] bool await_ready() const noexcept RINGO_EXCLUDES(no_suspend) { return false; }
  template <class AwaitingPromise>
  void await_suspend(std::coroutine_handle<AwaitingPromise> awaiting) noexcept {
    waiting_coroutine = awaiting;
    (void)start(*awaiting.promise().branch);
  }
  bool start(Branch& branch) noexcept {
    branch.leaf = this;
    yield_turn(branch);
    return true;
  }
  void await_resume() const noexcept {}
  [[nodiscard]] bool ended() noexcept override { return true; }
};

}  // namespace detail

/// Puts the running task behind the other ready tasks of its worker. In a select, another branch
/// that is ready may win over it. Cancel safe.
[[nodiscard]] inline detail::YieldAwaiter yield_now() noexcept {
  return {};
}

}  // namespace ringo
