// SPDX-License-Identifier: MIT
//
// block_in_place(): runs a function that blocks on the blocking pool, as a part of the awaiting
// task, so that the function may use the task's locals. What tokio::task::block_in_place is for.
//
//   std::string line;
//   const auto read_line = [&] { return static_cast<bool>(std::getline(input, line)); };
//   const bool has_line = co_await ringo::block_in_place(read_line);
//
// Tokio blocks the worker's thread and hands the worker's work to another thread. Here a worker is
// its ring, which cannot change threads; so the function goes to another thread instead, and the
// worker runs other tasks meanwhile. Hence it has to be awaited, and the function sees the
// thread-local variables of another thread.
//
// To go on without waiting, spawn_blocking(). Thread safety: of the running task.

#pragma once

#include <ringo/detail/context.h>
#include <ringo/detail/leaf_awaiter.h>
#include <ringo/detail/leaf_description.h>
#include <ringo/detail/outcome.h>
#include <ringo/detail/task_core.h>
#include <ringo/detail/thread_annotations.h>
#include <ringo/spawn.h>
#include <ringo/spawn_blocking.h>

#include <concepts>
#include <coroutine>
#include <functional>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

namespace ringo {

namespace detail {

/// The job holds a pointer into the awaiting frame, which therefore is pinned until it has ended:
/// see cancel().
template <class F>
class BlockInPlaceAwaiter final : public Leaf {
 public:
  using T = std::invoke_result_t<F&&>;

  BlockInPlaceAwaiter(F&& function, std::source_location where)
      : function_(std::move(function)), where_(where) {}
  // Before it has begun.
  // NOLINTNEXTLINE(performance-noexcept-move-constructor): as noexcept as the function's.
  BlockInPlaceAwaiter(BlockInPlaceAwaiter&& other)
      : function_(std::move(other.function_)), where_(other.where_) {}
  BlockInPlaceAwaiter& operator=(BlockInPlaceAwaiter&&) = delete;
  ~BlockInPlaceAwaiter() = default;

  /// A thread that no runtime needs may block itself.
  [[nodiscard]] bool await_ready() RINGO_EXCLUDES(no_suspend) {
    if (thread_context.runtime != nullptr) {
      return false;
    }
    run_here();
    return true;
  }
  template <class AwaitingPromise>
  bool await_suspend(std::coroutine_handle<AwaitingPromise> awaiting) {
    waiting_coroutine = awaiting;
    return start(*awaiting.promise().branch);
  }
  [[nodiscard]] bool start(Branch& branch) {
    job_.emplace(spawn_blocking([this] { run_here(); }, where_));
    end_.emplace(job_->into_awaiter());
    if (!end_->enlist(branch)) {
      return false;
    }
    branch.leaf = this;
    return true;
  }
  [[nodiscard]] bool ended() noexcept override { return job_->is_finished(); }
  [[nodiscard]] bool cancel() noexcept override {
    job_->abort();  // in case it has not begun
    return ended();
  }
  [[nodiscard]] bool is_pinned() const noexcept override { return !job_->is_finished(); }
  void describe(LeafDescription& description) const noexcept override {
    description.operation = "block_in_place";
  }
  T await_resume() {
    if (job_ && !outcome_.has_value() && !outcome_.has_exception()) {
      JoinError::cancelled(job_->id()).rethrow();
    }
    return outcome_.take();
  }

 private:
  void run_here() noexcept {
    try {
      if constexpr (std::is_void_v<T>) {
        std::invoke(std::move(function_));
        outcome_.set_value();
      } else {
        outcome_.set_value(std::invoke(std::move(function_)));
      }
    } catch (...) {
      outcome_.set_exception(std::current_exception());
    }
  }

  F function_;
  std::source_location where_;
  Outcome<T> outcome_;
  std::optional<JoinHandle<void>> job_;
  std::optional<JoinAwaiter<void>> end_;  // after the handle whose cell it looks at
};

}  // namespace detail

/// Runs `function` on a thread of the blocking pool while the awaiting task waits, and gives what
/// it returns, or throws what it throws. The function may refer to anything that outlives the
/// co_await. In the task of a blocking_ call, outside any runtime, it runs in place.
///
/// Cancel safety: the task cannot be destroyed while the function runs: abort, a lost select or
/// timeout, and shutdown wait for it to return. One that waits for a thread still is dropped
/// without being called. Errors: throws std::runtime_error if the runtime was shut down before it
/// could begin.
template <class F>
  requires std::invocable<std::decay_t<F>>
[[nodiscard]] detail::BlockInPlaceAwaiter<std::decay_t<F>> block_in_place(
    F&& function, std::source_location where = std::source_location::current()) {
  return {std::decay_t<F>(std::forward<F>(function)), where};
}

}  // namespace ringo
