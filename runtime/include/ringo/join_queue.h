// SPDX-License-Identifier: MIT
//
// JoinQueue: spawned tasks whose results come in the order of spawning, whichever ends first. It
// aborts what is left when it is destroyed. As tokio_util::task::JoinQueue.
//
//   ringo::JoinQueue<int> queue;
//   for (int i = 0; i < 10; ++i) queue.spawn(twice(i));
//   while (auto done = co_await queue.join_next()) doubled.push_back(done->value());
//
// In the order of ending: JoinSet. Thread safety: one owner's at a time.

#pragma once

#include <ringo/abort_on_drop.h>
#include <ringo/detail/leaf_awaiter.h>
#include <ringo/join_error.h>
#include <ringo/named.h>
#include <ringo/spawn.h>
#include <ringo/spawn_blocking.h>
#include <ringo/task.h>

#include <concepts>
#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>
#include <vector>

namespace ringo {

namespace detail {

template <class T>
class JoinFrontAwaiter final : public LeafAwaiter<JoinFrontAwaiter<T>> {
 public:
  explicit JoinFrontAwaiter(std::deque<AbortOnDrop<T>>& tasks) : tasks_(&tasks) {
    if (!tasks.empty()) {
      front_.emplace(tasks.front().into_awaiter());
    }
  }
  JoinFrontAwaiter(JoinFrontAwaiter&&) = default;
  JoinFrontAwaiter& operator=(JoinFrontAwaiter&&) = delete;
  ~JoinFrontAwaiter() = default;

  bool poll() noexcept { return !front_ || front_->poll(); }
  bool enlist(Branch& branch) noexcept { return front_ && front_->enlist(branch); }
  bool is_ended() noexcept { return front_->is_ended(); }

  std::optional<JoinResult<T>> await_resume() {
    std::optional<JoinResult<T>> result;
    if (front_) {
      result.emplace(front_->await_resume());
      front_.reset();
      tasks_->pop_front();
    }
    return result;
  }

 private:
  std::deque<AbortOnDrop<T>>* tasks_;
  std::optional<JoinAwaiter<T>> front_;
};

}  // namespace detail

template <class T = void>
class JoinQueue {
 public:
  JoinQueue() = default;

  /// Spawns a task on the current runtime, as the last of the queue. Panics: as ringo::spawn().
  AbortHandle spawn(Task<T> task, std::source_location where = std::source_location::current()) {
    return add(ringo::spawn(std::move(task), where));
  }
  AbortHandle spawn(Named<Task<T>> task,
                    std::source_location where = std::source_location::current()) {
    return add(ringo::spawn(std::move(task), where));
  }
  /// spawn(invoke(function)).
  template <class F>
    requires std::same_as<std::invoke_result_t<std::decay_t<F>&>, Task<T>>
  AbortHandle spawn(F&& function, std::source_location where = std::source_location::current()) {
    return add(ringo::spawn(std::forward<F>(function), where));
  }
  /// Runs a function on the blocking pool.
  template <class F>
    requires std::same_as<std::invoke_result_t<std::decay_t<F>>, T>
  AbortHandle spawn_blocking(F&& function,
                             std::source_location where = std::source_location::current()) {
    return add(ringo::spawn_blocking(std::forward<F>(function), where));
  }
  /// Takes over a task that was spawned before, as the last.
  AbortHandle add(JoinHandle<T> handle) {
    return tasks_.emplace_back(std::move(handle)).abort_handle();
  }

  /// Waits for the oldest task: std::optional<JoinResult<T>>, empty if the queue is. Requires: the
  /// queue stays where it is meanwhile. Cancel safety: no result is lost. Complexity: O(1).
  [[nodiscard]] detail::JoinFrontAwaiter<T> join_next() {
    return detail::JoinFrontAwaiter<T>(tasks_);
  }
  /// The result of the oldest task, if it has ended.
  [[nodiscard]] std::optional<JoinResult<T>> try_join_next() {
    if (is_empty() || !tasks_.front().is_finished()) {
      return std::nullopt;
    }
    return join_next().await_resume();
  }
  /// Awaits all and gives their values in the order of spawning (nothing for void). What a task
  /// throws comes out and the others are aborted; an aborted one comes out as std::runtime_error.
  /// Not cancel safe: the values are lost, and the tasks aborted.
  [[nodiscard]] auto join_all() && { return collect(std::move(*this)); }

  /// Asks all tasks to end. They stay in the queue until join_next() has given each of them out.
  void abort_all() noexcept {
    for (const AbortOnDrop<T>& task : tasks_) {
      task.abort();
    }
  }
  /// Aborts all and waits until they are gone. The queue must live as long.
  [[nodiscard]] Task<void> shutdown() {
    abort_all();
    return drain(*this);
  }
  /// Lets all of them go on without the queue.
  void detach_all() noexcept {
    for (AbortOnDrop<T>& task : tasks_) {
      std::move(task).detach().detach();
    }
    tasks_.clear();
  }

  /// How many tasks are in the queue, those included that have ended and were not given out.
  [[nodiscard]] std::size_t size() const noexcept { return tasks_.size(); }
  [[nodiscard]] bool is_empty() const noexcept { return tasks_.empty(); }

 private:
  static auto collect(JoinQueue queue)
      -> Task<std::conditional_t<std::is_void_v<T>, void,
                                 std::vector<std::conditional_t<std::is_void_v<T>, char, T>>>> {
    if constexpr (std::is_void_v<T>) {
      while (!queue.is_empty()) {
        const std::optional<JoinResult<T>> ended = co_await queue.join_next();
        if (!*ended) {
          ended->error().rethrow();
        }
      }
    } else {
      std::vector<T> values;
      values.reserve(queue.size());
      while (!queue.is_empty()) {
        std::optional<JoinResult<T>> ended = co_await queue.join_next();
        if (!*ended) {
          ended->error().rethrow();
        }
        values.push_back(**std::move(ended));
      }
      co_return values;
    }
  }
  static Task<void> drain(JoinQueue& queue) {
    while (!queue.is_empty()) {
      (void)co_await queue.join_next();
    }
  }

  std::deque<AbortOnDrop<T>> tasks_;
};

}  // namespace ringo
