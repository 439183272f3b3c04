// SPDX-License-Identifier: MIT
//
// fork_join(a, b, …): runs Tasks in parallel and awaits them all; for divide and conquer. The
// children may use the parent's locals, since nothing can destroy it before they have ended.
//
//   ringo::Task<std::uint64_t> fib(unsigned n) {
//     if (n < 2) {
//       co_return n;
//     }
//     const auto [a, b] = co_await ringo::fork_join(fib(n - 1), fib(n - 2));
//     co_return a + b;
//   }
//
// A child costs little more than a co_await of it, unless another worker has nothing to do and
// takes it. For work that is to go on by itself: spawn(). For things that wait rather than
// calculate: join(), which needs one worker only. For children that come one by one: scope().
//
// Thread safety: the awaiting task's; the children run on any worker, at the same time.

#pragma once

#include <ringo/detail/branches.h>
#include <ringo/detail/fork_core.h>
#include <ringo/detail/thread_annotations.h>
#include <ringo/task.h>

#include <array>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace ringo {

namespace detail {

template <std::uint32_t kCount>
class ForkAwaiterBase : public ForkCore {
 public:
  ForkAwaiterBase& operator=(ForkAwaiterBase&&) = delete;

  [[nodiscard]] bool await_ready() const noexcept RINGO_EXCLUDES(no_suspend) { return false; }
  template <class AwaitingPromise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<AwaitingPromise> awaiting) noexcept {
    return transfer(begin(*awaiting.promise().branch, awaiting));
  }
  /// For combinators, which have no coroutine.
  [[nodiscard]] bool start(Branch& branch) noexcept {
    resume(begin(branch, nullptr));
    return !is_finished();
  }

 protected:
  ForkAwaiterBase() noexcept : ForkCore(kCount) { set_items(items_.data()); }
  // NOLINTNEXTLINE(bugprone-copy-constructor-init): only what has not begun is moved.
  ForkAwaiterBase(ForkAwaiterBase&& other) noexcept : ForkAwaiterBase() {
    for (std::uint32_t i = 0; i != kCount; ++i) {
      items_[i].body = std::exchange(other.items_[i].body, nullptr);
      items_[i].core = this;
    }
  }
  ~ForkAwaiterBase() {
    for (ForkItem& item : items_) {
      destroy_child(item);
    }
  }

  template <class T>
  BranchValue<Task<T>> take(std::uint32_t index) {
    if constexpr (std::is_void_v<T>) {
      outcome_of<T>(items_[index]).take();
      return {};
    } else {
      return outcome_of<T>(items_[index]).take();
    }
  }
  template <class T>
  void rethrow(std::uint32_t index) {
    if (auto& outcome = outcome_of<T>(items_[index]); outcome.has_exception()) [[unlikely]] {
      std::rethrow_exception(outcome.take_exception());
    }
  }

 private:
  std::array<ForkItem, kCount> items_;
};

template <class... Ts>
class ForkTupleAwaiter final : public ForkAwaiterBase<sizeof...(Ts)> {
 public:
  explicit ForkTupleAwaiter(Task<Ts>&&... children) noexcept {
    std::uint32_t index = 0;
    (this->template set_child<Ts>(index++, children.release()), ...);
  }

  std::tuple<BranchValue<Task<Ts>>...> await_resume() {
    return take_all(std::index_sequence_for<Ts...>());
  }

 private:
  template <std::size_t... kIndices>
  std::tuple<BranchValue<Task<Ts>>...> take_all(std::index_sequence<kIndices...> /*indices*/) {
    (this->template rethrow<Ts>(kIndices), ...);
    return std::tuple<BranchValue<Task<Ts>>...>(this->template take<Ts>(kIndices)...);
  }
};

template <class T, std::size_t kCount>
class ForkArrayAwaiter final : public ForkAwaiterBase<kCount> {
 public:
  explicit ForkArrayAwaiter(std::array<Task<T>, kCount>& children) noexcept {
    for (std::uint32_t i = 0; i != kCount; ++i) {
      this->template set_child<T>(i, children[i].release());
    }
  }

  std::array<BranchValue<Task<T>>, kCount> await_resume() {
    return take_all(std::make_index_sequence<kCount>());
  }

 private:
  template <std::size_t... kIndices>
  std::array<BranchValue<Task<T>>, kCount> take_all(std::index_sequence<kIndices...> /*indices*/) {
    (this->template rethrow<T>(kIndices), ...);
    return {this->template take<T>(kIndices)...};
  }
};

/// Halves until one child is left, so that a thief gets half of what there is.
template <class T>
Task<void> fork_span(std::span<Task<T>> children,
                     std::span<Outcome<BranchValue<Task<T>>>> outputs) {
  if (children.size() == 1) {
    if constexpr (std::is_void_v<T>) {
      co_await std::move(children.front());
      outputs.front().set_value();
    } else {
      outputs.front().set_value(co_await std::move(children.front()));
    }
    co_return;
  }
  const std::size_t half = children.size() / 2;
  co_await ForkTupleAwaiter<void, void>(
      fork_span<T>(children.first(half), outputs.first(half)),
      fork_span<T>(children.subspan(half), outputs.subspan(half)));
}

template <class T>
Task<std::vector<BranchValue<Task<T>>>> fork_vector(std::vector<Task<T>> children) {
  using Value = BranchValue<Task<T>>;
  std::vector<Outcome<Value>> outputs(children.size());
  if (!children.empty()) {
    co_await fork_span<T>(std::span<Task<T>>(children), std::span<Outcome<Value>>(outputs));
  }
  std::vector<Value> values;
  values.reserve(outputs.size());
  for (Outcome<Value>& output : outputs) {
    values.push_back(output.take());
  }
  co_return values;
}

}  // namespace detail

/// Runs the children in parallel, as far as workers have nothing else to do, and gives their values
/// as a tuple (for void: std::monostate). The first begins at once and on this thread; the others
/// begin in order or, if they are taken, at any time. On one worker nothing runs in parallel, but a
/// child that waits lets the others go on.
///
/// Errors: if children throw, all others run to their ends first; then the first exception, in the
/// order of the children, comes out of the co_await.
/// Cancel safety: abort, a lost select or timeout, and shutdown abort the children, and take effect
/// when all of these have ended (a child that never suspends runs to its end). The parent's frame
/// is kept until then, so the children may refer to its locals.
/// A child is a part of the calling task or a task of its own, and cannot tell: current_task_id()
/// may be another one's, and values of TaskLocal are not to be relied on.
/// Limits: 1,024 children of a worker's running task can wait at this low cost at a time; more
/// become tasks at once. After 4,096 forks in a row the task lets other tasks run. In a LocalSet
/// all but the first child are tasks of the set. Complexity: O(number of children), without an
/// allocation of its own while no child is taken.
template <class... Ts>
  requires(sizeof...(Ts) > 0)
[[nodiscard]] detail::ForkTupleAwaiter<Ts...> fork_join(Task<Ts>... children) noexcept {
  return detail::ForkTupleAwaiter<Ts...>(std::move(children)...);
}

/// The same for up to 64 children of one type: gives an array.
template <class T, std::size_t kCount>
  requires(kCount > 0 && kCount <= 64)
[[nodiscard]] detail::ForkArrayAwaiter<T, kCount> fork_join(
    std::array<Task<T>, kCount> children) noexcept {
  return detail::ForkArrayAwaiter<T, kCount>(children);
}

/// The same for any number of children (none is allowed): gives a vector. The children are halved
/// again and again, so that a thief gets many of them at once.
/// Complexity: O(number of children), an allocation for each two.
template <class T>
[[nodiscard]] Task<std::vector<detail::BranchValue<Task<T>>>> fork_join(
    std::vector<Task<T>> children) {
  return detail::fork_vector<T>(std::move(children));
}

}  // namespace ringo
