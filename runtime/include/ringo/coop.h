// SPDX-License-Identifier: MIT
//
// The budget: how much a task may do before others have their turn. Every operation of the library
// that completes costs a unit, of which a task has 128 each time it is run, and some time
// (Builder::time_budget); when either is used up the next operation waits one turn. As
// tokio::task::coop.
//
//   for (const Row& row : rows) {
//     sum += digest(row);
//     co_await ringo::consume_budget();     // lets others run now and then
//   }
//
// Thread safety: of the running task.

#pragma once

#include <ringo/detail/arm.h>
#include <ringo/detail/context.h>
#include <ringo/detail/leaf_awaiter.h>
#include <ringo/detail/leaf_description.h>
#include <ringo/detail/promise.h>
#include <ringo/detail/task_core.h>
#include <ringo/detail/thread_annotations.h>

#include <coroutine>
#include <utility>

namespace ringo {

namespace detail {

class ConsumeBudgetAwaiter final : public LeafAwaiter<ConsumeBudgetAwaiter> {
 public:
  bool poll() noexcept { return true; }
  bool enlist(Branch& /*branch*/) noexcept { return false; }
  bool is_ended() noexcept { return true; }
  void await_resume() const noexcept {}
};

/// Lifts the budget of the calling thread for as long as it lives.
class NoBudgetLimit {
 public:
  NoBudgetLimit() noexcept : saved_(std::exchange(thread_context.budget, Budget())) {}
  NoBudgetLimit(const NoBudgetLimit&) = delete;
  NoBudgetLimit& operator=(const NoBudgetLimit&) = delete;
  ~NoBudgetLimit() { thread_context.budget = saved_; }

 private:
  Budget saved_;
};

template <Awaitable A>
class UnconstrainedAwaiter final : public Leaf {
 public:
  explicit UnconstrainedAwaiter(A&& awaitable) : inner_(std::forward<A>(awaitable)) {}
  UnconstrainedAwaiter(UnconstrainedAwaiter&&) = default;
  UnconstrainedAwaiter& operator=(UnconstrainedAwaiter&&) = delete;
  ~UnconstrainedAwaiter() = default;

  [[nodiscard]] bool await_ready() RINGO_EXCLUDES(no_suspend) {
    const NoBudgetLimit no_limit;
    return inner_.try_ready();
  }
  template <class AwaitingPromise>
  bool await_suspend(std::coroutine_handle<AwaitingPromise> awaiting) {
    waiting_coroutine = awaiting;
    return start(*awaiting.promise().branch);
  }
  [[nodiscard]] bool start(Branch& branch) {
    const NoBudgetLimit no_limit;
    inner_.open_in(branch);
    has_ended_ = inner_.start();
    branch.leaf = has_ended_ ? nullptr : this;
    return !has_ended_;
  }
  [[nodiscard]] bool ended() noexcept override {
    if (!has_ended_) {
      const NoBudgetLimit no_limit;
      has_ended_ = inner_.run();
    }
    return has_ended_;
  }
  [[nodiscard]] bool cancel() noexcept override { return inner_.cancel(); }
  [[nodiscard]] bool is_pinned() const noexcept override { return inner_.is_pinned(); }
  void describe(LeafDescription& description) const noexcept override {
    description.operation = "unconstrained";
  }
  void visit_branches(BranchVisitor& visitor) const override { inner_.show(visitor); }
  ArmValue<A> await_resume() { return inner_.take(); }

 private:
  Arm<A> inner_;
  bool has_ended_ = false;
};

}  // namespace detail

/// Spends one unit of the running task's budget, and lets others run first if none is left. For
/// loops that compute and await nothing else. Cancel safe. Complexity: a few instructions while
/// there is budget.
[[nodiscard]] inline detail::ConsumeBudgetAwaiter consume_budget() noexcept {
  return {};
}

/// Whether the running task may complete another operation before it lets others run; always true
/// outside a task. Cheap: it may be asked in a loop.
[[nodiscard]] inline bool has_budget_remaining() noexcept {
  return detail::has_budget();
}

/// Awaits something as a part of the running task, and without a budget: it is never made to wait
/// its turn while it could go on. What it starves is your concern: other tasks, timers and sockets
/// of this worker wait until it suspends of itself. yield_now() inside still yields. Cancel safety:
/// as the awaited.
template <detail::Awaitable A>
[[nodiscard]] detail::UnconstrainedAwaiter<A> unconstrained(A&& awaitable) {
  return detail::UnconstrainedAwaiter<A>(std::forward<A>(awaitable));
}

}  // namespace ringo
