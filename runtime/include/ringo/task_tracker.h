// SPDX-License-Identifier: MIT
//
// TaskTracker: counts tasks, so that one can wait until all of them have ended. It keeps no
// results, so it may run for months. Together with a CancellationToken it is how a server shuts
// down. As tokio_util::task::TaskTracker.
//
//   ringo::TaskTracker tracker;
//   for (int i = 0; i < 3; ++i) tracker.spawn(serve(i, stop)).detach();
//   tracker.close();
//   stop.cancel();
//   co_await tracker.wait();
//
// Results, or an abort of the rest: JoinSet.
// Thread safety: all of it. Copies are the same tracker.

#pragma once

#include <ringo/detail/atomic.h>
#include <ringo/detail/leaf_awaiter.h>
#include <ringo/detail/task_core.h>
#include <ringo/detail/wait_list.h>
#include <ringo/local_set.h>
#include <ringo/named.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/spawn_blocking.h>
#include <ringo/task.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <source_location>
#include <type_traits>
#include <utility>

namespace ringo {

namespace detail {

/// One word, {tasks: 63 | CLOSED}, and who waits for it to be CLOSED alone. The generation counts
/// how often that has come about, so that a wait ends though the tracker was opened again since.
class TrackerCore {
 public:
  void enter() noexcept {
    // relaxed: whoever enters has been counted before, or nobody can know of it yet.
    word_.fetch_add(kTask, std::memory_order_relaxed);
  }
  void leave() noexcept {
    // acq_rel: what all tasks did happens before the end of a wait.
    if (word_.fetch_sub(kTask, std::memory_order_acq_rel) == (kTask | kClosed)) {
      end_waits();
    }
  }
  bool close() noexcept {
    const std::size_t old = word_.fetch_or(kClosed, std::memory_order_acq_rel);
    if (old == 0) {
      end_waits();
    }
    return (old & kClosed) == 0;
  }
  bool reopen() noexcept {
    return (word_.fetch_and(~kClosed, std::memory_order_acq_rel) & kClosed) != 0;
  }

  [[nodiscard]] std::size_t tasks() const noexcept { return load() / kTask; }
  [[nodiscard]] bool is_closed() const noexcept { return (load() & kClosed) != 0; }
  [[nodiscard]] bool is_closed_and_empty() const noexcept { return load() == kClosed; }
  [[nodiscard]] std::uint64_t generation() const noexcept {
    // acquire: pairs with end_waits().
    return generation_.load(std::memory_order_acquire);
  }

  WaitList waiters;

 private:
  static constexpr std::size_t kClosed = 1;
  static constexpr std::size_t kTask = 2;

  // acquire: pairs with leave().
  [[nodiscard]] std::size_t load() const noexcept { return word_.load(std::memory_order_acquire); }
  void end_waits() noexcept {
    // acq_rel: who sees the new number sees what the tasks did. Before the wake: see WaitList.
    generation_.fetch_add(1, std::memory_order_acq_rel);
    waiters.wake_all();
  }

  Atomic<std::size_t> word_{0};
  Atomic<std::uint64_t> generation_{0};
};

class TrackerWaitAwaiter final : public LeafAwaiter<TrackerWaitAwaiter> {
 public:
  explicit TrackerWaitAwaiter(std::shared_ptr<TrackerCore> core) noexcept
      : core_(std::move(core)), generation_(core_->generation()) {
    has_ended_ = core_->is_closed_and_empty();
  }
  TrackerWaitAwaiter(TrackerWaitAwaiter&&) = default;
  TrackerWaitAwaiter& operator=(TrackerWaitAwaiter&&) = delete;
  ~TrackerWaitAwaiter() {
    if (waiter_.branch != nullptr) {
      core_->waiters.remove(waiter_);
    }
  }

  bool poll() noexcept {
    return has_ended_ || core_->generation() != generation_ || core_->is_closed_and_empty();
  }
  bool enlist(Branch& branch) noexcept {
    return core_->waiters.add_unless(waiter_, branch, [this] { return poll(); });
  }
  bool is_ended() noexcept { return poll(); }
  void await_resume() const noexcept {}

 private:
  std::shared_ptr<TrackerCore> core_;
  std::uint64_t generation_;
  bool has_ended_ = false;
  WaitList::Waiter waiter_;
};

}  // namespace detail

/// One of a tracker's tasks, whatever it is: the tracker is not empty while it lives. A copy counts
/// as another.
class [[nodiscard("the tracker counts the token for as long as it is kept")]] TaskTrackerToken {
 public:
  explicit TaskTrackerToken(std::shared_ptr<detail::TrackerCore> core) noexcept
      : core_(std::move(core)) {
    core_->enter();
  }
  TaskTrackerToken(const TaskTrackerToken& other) noexcept : core_(other.core_) {
    if (core_ != nullptr) {
      core_->enter();
    }
  }
  TaskTrackerToken(TaskTrackerToken&&) noexcept = default;
  TaskTrackerToken& operator=(TaskTrackerToken other) noexcept {
    std::swap(core_, other.core_);
    return *this;
  }
  ~TaskTrackerToken() {
    if (core_ != nullptr) {
      core_->leave();
    }
  }

 private:
  std::shared_ptr<detail::TrackerCore> core_;
};

/// Destroying a tracker aborts nothing, and ends no wait.
class TaskTracker {
 public:
  TaskTracker() : core_(std::make_shared<detail::TrackerCore>()) {}

  /// Spawns a task that is counted until its frames are gone, whether it ended or was aborted; its
  /// result is the handle's. Works on a closed tracker too. Panics: as ringo::spawn().
  template <class T>
  JoinHandle<T> spawn(Task<T> task,
                      std::source_location where = std::source_location::current()) const {
    return ringo::spawn(track_task(std::move(task)), where);
  }
  template <class T>
  JoinHandle<T> spawn(Named<Task<T>> task,
                      std::source_location where = std::source_location::current()) const {
    return ringo::spawn(named(std::move(task.name), track_task(std::move(task.body))), where);
  }
  /// spawn(invoke(function)).
  template <class F>
    requires detail::IsTask<std::invoke_result_t<std::decay_t<F>&>>::value
  auto spawn(F&& function, std::source_location where = std::source_location::current()) const {
    return spawn(invoke(std::forward<F>(function)), where);
  }
  template <class T>
  JoinHandle<T> spawn_on(Task<T> task, const Handle& runtime,
                         std::source_location where = std::source_location::current()) const {
    return runtime.spawn(track_task(std::move(task)), where);
  }
  template <class T>
  JoinHandle<T> spawn_local(Task<T> task,
                            std::source_location where = std::source_location::current()) const {
    return ringo::spawn_local(track_task(std::move(task)), where);
  }
  template <class T>
  JoinHandle<T> spawn_local_on(Task<T> task, LocalSet& set,
                               std::source_location where = std::source_location::current()) const {
    return set.spawn_local(track_task(std::move(task)), where);
  }
  /// Counted until the function has returned, or has been dropped without being called.
  template <class F>
    requires std::invocable<std::decay_t<F>>
  auto spawn_blocking(F&& function,
                      std::source_location where = std::source_location::current()) const {
    return ringo::spawn_blocking(
        [counted = token(), function = std::decay_t<F>(std::forward<F>(function))]() mutable {
          return std::invoke(std::move(function));
        },
        where);
  }
  /// A task that is counted from now on until it is destroyed, for whoever will await or spawn it.
  template <class T>
  [[nodiscard]] Task<T> track_task(Task<T> task) const {
    return tracked(token(), std::move(task));
  }
  /// Counts whatever holds it.
  [[nodiscard]] TaskTrackerToken token() const noexcept { return TaskTrackerToken(core_); }

  /// Lets waits end when the tracker is empty. It does not keep others from spawning. False: it was
  /// closed already.
  bool close() const noexcept { return core_->close(); }
  /// False: it was open already.
  bool reopen() const noexcept { return core_->reopen(); }
  [[nodiscard]] bool is_closed() const noexcept { return core_->is_closed(); }

  /// Waits until the tracker is closed and empty, or has been so since this was called. Cancel
  /// safe. Complexity: waking n waiters is O(n).
  [[nodiscard]] detail::TrackerWaitAwaiter wait() const noexcept {
    return detail::TrackerWaitAwaiter(core_);
  }

  /// How many tasks and tokens live.
  [[nodiscard]] std::size_t size() const noexcept { return core_->tasks(); }
  [[nodiscard]] bool is_empty() const noexcept { return size() == 0; }

  /// The same tracker.
  friend bool operator==(const TaskTracker&, const TaskTracker&) = default;

 private:
  // The token goes last: the frame destroys its parameters in reverse order, after what it awaits.
  template <class T>
  static Task<T> tracked(TaskTrackerToken /*counted*/, Task<T> task) {
    co_return co_await std::move(task);
  }

  std::shared_ptr<detail::TrackerCore> core_;
};

}  // namespace ringo
