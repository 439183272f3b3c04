// SPDX-License-Identifier: MIT
//
// scope(body, args…): a nursery. What the body spawns into the scope are tasks of their own, which
// run in parallel, and the co_await of the scope does not end before all of them have. So they may
// borrow: the locals of who awaits the scope outlive them, whatever happens.
//
//   ringo::Task<void> square_all(ringo::Scope& scope, std::span<int> numbers) {
//     for (int& number : numbers) {
//       scope.spawn(square(number));
//     }
//     co_return;
//   }
//   co_await ringo::scope(square_all, std::span<int>(numbers));
//
// As Trio's nursery; Tokio has none, since a future can be dropped at any time. For children that
// need not end first: JoinSet. For divide and conquer: fork_join().
//
// Thread safety: a Scope may be used by its body and by its children, on any thread.

#pragma once

#include <ringo/detail/arm.h>
#include <ringo/detail/context.h>
#include <ringo/detail/leaf_description.h>
#include <ringo/detail/scope_core.h>
#include <ringo/detail/task_core.h>
#include <ringo/detail/thread_annotations.h>
#include <ringo/spawn.h>
#include <ringo/task.h>

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <functional>
#include <optional>
#include <source_location>
#include <tuple>
#include <type_traits>
#include <utility>

namespace ringo {

namespace detail {
template <class F, class... Args>
class ScopeAwaiter;
}  // namespace detail

/// What a scope's body, and through it the children, spawn into.
class Scope {
 public:
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

  /// Starts a child on the runtime that awaits the scope. It may borrow what the awaiting coroutine
  /// and the arguments of scope() own, and the body's parameters; not the body's locals, which are
  /// gone when the body has ended. Once the scope is ending (see scope()), children are cancelled
  /// before they run.
  ///
  /// An exception that leaves a child fails the scope. Complexity: O(1).
  AbortHandle spawn(Task<void> task, std::source_location where = std::source_location::current()) {
    return detail::ScopeTask::spawn(core_, std::move(task), where);
  }
  /// spawn(invoke(function)).
  template <class F>
    requires std::same_as<std::invoke_result_t<std::decay_t<F>&>, Task<void>>
  AbortHandle spawn(F&& function, std::source_location where = std::source_location::current()) {
    return spawn(invoke(std::forward<F>(function)), where);
  }

  /// Asks all children that there are to end. That is no failure: the body goes on, and may spawn
  /// others.
  void abort_all() noexcept { core_.abort_children(); }
  /// How many children have not ended.
  [[nodiscard]] std::size_t size() const noexcept { return core_.size(); }

 private:
  template <class F, class... Args>
  friend class detail::ScopeAwaiter;
  Scope() = default;

  detail::ScopeCore core_;
};

namespace detail {

template <class F, class... Args>
class ScopeAwaiter final : public Leaf {
  using Body = std::invoke_result_t<F&, Scope&, Args&...>;
  using Value = typename Body::value_type;

 public:
  template <class G, class... Given>
  explicit ScopeAwaiter(std::in_place_t /*tag*/, G&& function, Given&&... args)
      : function_(std::forward<G>(function)), args_(std::forward<Given>(args)...) {}
  // NOLINTNEXTLINE(performance-noexcept-move-constructor): as noexcept as what it keeps.
  ScopeAwaiter(ScopeAwaiter&& other)
      : function_(std::move(other.function_)), args_(std::move(other.args_)) {}
  ScopeAwaiter& operator=(ScopeAwaiter&&) = delete;
  ~ScopeAwaiter() = default;

  [[nodiscard]] bool await_ready() const noexcept RINGO_EXCLUDES(no_suspend) { return false; }
  template <class AwaitingPromise>
  bool await_suspend(std::coroutine_handle<AwaitingPromise> awaiting) {
    waiting_coroutine = awaiting;
    return start(*awaiting.promise().branch);
  }
  [[nodiscard]] bool start(Branch& branch) {
    body_.emplace(std::apply(
        [this](Args&... args) { return std::invoke(function_, scope_, args...); }, args_));
    scope_.core_.open(branch, current_runtime());
    body_->open(branch);
    note_body(body_->start());
    branch.leaf = is_over() ? nullptr : this;
    return branch.leaf != nullptr;
  }
  [[nodiscard]] bool ended() noexcept override {
    if (!has_body_ended_ && !scope_.core_.is_ending() && body_->was_woken()) {
      note_body(body_->run());
    }
    return is_over();
  }
  [[nodiscard]] bool cancel() noexcept override {
    scope_.core_.end();
    return is_over();
  }
  void describe(LeafDescription& description) const noexcept override {
    description.operation = "scope";
  }
  /// The children are tasks of their own.
  void visit_branches(BranchVisitor& visitor) const override {
    if (body_) {
      body_->show(visitor);
    }
  }
  // Without children there is nobody who could spawn one, as long as the body does not run.
  [[nodiscard]] bool is_pinned() const noexcept override {
    return scope_.core_.size() != 0 || (body_ && body_->is_pinned());
  }
  Value await_resume() {
    if (std::exception_ptr failure = scope_.core_.take_failure()) {
      std::rethrow_exception(std::move(failure));
    }
    return body_->take();
  }

 private:
  void note_body(bool has_just_ended) noexcept {
    has_body_ended_ = has_just_ended;
    if (has_just_ended && body_->has_thrown()) {
      scope_.core_.fail(body_->take_exception());
    }
  }
  /// Whether everything has ended. A scope that fails or is cancelled first ends the children, and
  /// then the body, which may be what they use.
  [[nodiscard]] bool is_over() noexcept {
    if (scope_.core_.size() != 0) {
      return false;
    }
    if (!has_body_ended_) {
      if (!scope_.core_.is_ending() || !body_->cancel()) {
        return false;
      }
      has_body_ended_ = true;
    }
    return scope_.core_.size() == 0;  // the body's destructors may have spawned
  }

  [[no_unique_address]] F function_;
  [[no_unique_address]] std::tuple<Args...> args_;
  Scope scope_;
  std::optional<Arm<Body>> body_;  ///< its parameters live until the children have ended
  bool has_body_ended_ = false;
};

}  // namespace detail

/// Calls `body(scope, args…)`, a coroutine function, and awaits the Task that it returns and then
/// all children; gives the body's value. The body is a part of the calling task. The arguments are
/// copied or moved into the awaiting coroutine, and passed as lvalues.
///
/// Errors: the first exception that leaves the body or a child ends the scope: the other children
/// are aborted, then the body is destroyed where it waits, and the exception comes out of the
/// co_await. (A child that is aborted by its handle does not count as failed.)
/// Cancel safety: abort, a lost select or timeout, and shutdown end the scope in the same way, and
/// take effect when all children have ended; one that never suspends runs to its end.
/// With g++ 12 name a lambda that captures before the co_await: docs/guide/g++12.md.
template <class F, class... Args>
  requires detail::IsTask<
      std::invoke_result_t<std::decay_t<F>&, Scope&, std::decay_t<Args>&...>>::value
[[nodiscard]] detail::ScopeAwaiter<std::decay_t<F>, std::decay_t<Args>...> scope(F&& body,
                                                                                 Args&&... args) {
  return detail::ScopeAwaiter<std::decay_t<F>, std::decay_t<Args>...>(
      std::in_place, std::forward<F>(body), std::forward<Args>(args)...);
}

}  // namespace ringo
