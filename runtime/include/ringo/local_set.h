// SPDX-License-Identifier: MIT
//
// LocalSet and spawn_local(): tasks that never leave one thread, for objects that must not either:
// a window toolkit, a graphics context, a library that keeps its state in thread-local variables,
// reference counts that are not atomic. As tokio::task::LocalSet.
//
//   const auto body = [](Window& shown) -> Task<void> {
//     auto handle = ringo::spawn_local(draw(shown));       // runs on this thread, always
//     (void)co_await handle;
//   };
//   ringo::LocalSet set;
//   co_await set.run_until(body(window));
//
// On a current_thread runtime all tasks are local: spawn_local() works there without a set. A
// multi_thread runtime has no thread that its tasks stay on; there set.block_on() runs the set on
// the calling thread, beside the workers.
//
// Thread safety: a set belongs to the thread that made it. JoinHandles, AbortHandles and wakes of
// its tasks may be used on any.

#pragma once

#include <ringo/detail/arm.h>
#include <ringo/detail/block_thread.h>
#include <ringo/detail/leaf_description.h>
#include <ringo/detail/local_set_core.h>
#include <ringo/detail/task_cell.h>
#include <ringo/detail/task_core.h>
#include <ringo/detail/thread_annotations.h>
#include <ringo/named.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/task.h>

#include <coroutine>
#include <cstddef>
#include <memory>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

namespace ringo {

namespace detail {

/// Closes the set that it owns.
struct LocalSetCloser {
  void operator()(LocalSetCore* set) const noexcept;
};
using LocalSetOwner = std::unique_ptr<LocalSetCore, LocalSetCloser>;

/// A leaf's part in driving a set.
class LocalSetDriving {
 public:
  explicit LocalSetDriving(LocalSetCore& set) noexcept : set_(&set) {}
  LocalSetDriving(LocalSetDriving&& other) noexcept : set_(other.set_) {}
  LocalSetDriving& operator=(LocalSetDriving&&) = delete;
  ~LocalSetDriving() { stop(); }

  [[nodiscard]] LocalSetCore& set() const noexcept { return *set_; }
  void start(Branch& branch) {
    set_->check_driver("LocalSet");
    set_->start_driving(driver_, branch);
  }
  void run_ready() noexcept { set_->run_ready(*driver_.branch); }
  void stop() noexcept {
    if (driver_.branch != nullptr) {
      set_->stop_driving(driver_);
      driver_.branch = nullptr;
    }
  }

 private:
  LocalSetCore* set_;
  LocalSetCore::Driver driver_;
};

/// Awaits that the set has no tasks.
class LocalSetDryAwaiter final : public Leaf {
 public:
  /// Whether a cancel waits until then, too: for what is left of a set that has gone.
  enum class Pins : bool { kNo, kYes };

  explicit LocalSetDryAwaiter(LocalSetCore& set, Pins pins = Pins::kNo) noexcept
      : driving_(set), pins_(pins) {}
  LocalSetDryAwaiter(LocalSetDryAwaiter&&) = default;
  LocalSetDryAwaiter& operator=(LocalSetDryAwaiter&&) = delete;
  ~LocalSetDryAwaiter() = default;

  [[nodiscard]] bool await_ready() const noexcept RINGO_EXCLUDES(no_suspend) {
    return driving_.set().tasks() == 0;
  }
  template <class AwaitingPromise>
  bool await_suspend(std::coroutine_handle<AwaitingPromise> awaiting) {
    waiting_coroutine = awaiting;
    return start(*awaiting.promise().branch);
  }
  [[nodiscard]] bool start(Branch& branch) {
    driving_.start(branch);
    if (ended()) {
      return false;
    }
    branch.leaf = this;
    return true;
  }
  [[nodiscard]] bool ended() noexcept override {
    driving_.run_ready();
    return driving_.set().tasks() == 0;
  }
  [[nodiscard]] bool cancel() noexcept override { return pins_ == Pins::kNo || ended(); }
  [[nodiscard]] bool is_pinned() const noexcept override { return pins_ == Pins::kYes; }
  void describe(LeafDescription& description) const noexcept override {
    description.operation = "LocalSet";
  }
  void await_resume() const noexcept {}

 private:
  LocalSetDriving driving_;
  Pins pins_;
};

template <class T>
class RunUntilAwaiter final : public Leaf {
 public:
  RunUntilAwaiter(LocalSetCore& set, Task<T>&& task) noexcept
      : driving_(set), inner_(std::in_place, std::move(task)) {}
  RunUntilAwaiter(RunUntilAwaiter&&) = default;
  RunUntilAwaiter& operator=(RunUntilAwaiter&&) = delete;
  ~RunUntilAwaiter() {
    if (inner_) {
      // Its locals' destructors may spawn, too.
      const LocalSetCore::Entered entered(driving_.set());
      inner_.reset();
    }
  }

  [[nodiscard]] bool await_ready() const noexcept RINGO_EXCLUDES(no_suspend) { return false; }
  template <class AwaitingPromise>
  bool await_suspend(std::coroutine_handle<AwaitingPromise> awaiting) {
    waiting_coroutine = awaiting;
    return start(*awaiting.promise().branch);
  }
  [[nodiscard]] bool start(Branch& branch) {
    driving_.start(branch);
    inner_->open(branch);
    {
      const LocalSetCore::Entered entered(driving_.set());
      has_ended_ = inner_->start();
    }
    if (has_ended_) {
      return false;
    }
    branch.leaf = this;
    driving_.run_ready();
    return true;
  }
  [[nodiscard]] bool ended() noexcept override {
    if (!has_ended_ && inner_->was_woken()) {
      const LocalSetCore::Entered entered(driving_.set());
      has_ended_ = inner_->run();
    }
    if (!has_ended_) {
      driving_.run_ready();
    }
    return has_ended_;
  }
  [[nodiscard]] bool cancel() noexcept override {
    if (inner_) {
      const LocalSetCore::Entered entered(driving_.set());
      if (!inner_->cancel()) {
        driving_.run_ready();  // which it may be waiting for
        return false;
      }
      inner_.reset();
    }
    return true;
  }
  [[nodiscard]] bool is_pinned() const noexcept override { return inner_ && inner_->is_pinned(); }
  void describe(LeafDescription& description) const noexcept override {
    description.operation = "LocalSet::run_until";
  }
  void visit_branches(BranchVisitor& visitor) const override {
    if (inner_) {
      inner_->show(visitor);
    }
  }
  T await_resume() {
    driving_.stop();
    return inner_->take();
  }

 private:
  LocalSetDriving driving_;
  std::optional<Arm<Task<T>>> inner_;
  bool has_ended_ = false;
};

template <class T>
Task<void> store_result(Task<T> task, std::optional<T>& result) {
  result.emplace(co_await std::move(task));
}

template <class T, class... Label>
JoinHandle<T> spawn_local_on(LocalSetCore& set, Task<T> task, std::source_location where,
                             Label... label) {
  static_assert(!std::is_reference_v<T>, "a spawned task cannot return a reference");
  auto* cell = new TaskCell<T, Label...>(std::move(task), TaskState::kSpawnedWithHandle, &set,
                                         where, std::move(label)...);
  JoinHandle<T> handle(*cell);
  set.launch(*cell);
  return handle;
}

}  // namespace detail

/// Its tasks run only while somebody drives the set: by run_until(), by awaiting the set, or by
/// block_on(). Destroying it destroys its tasks, on its thread; those in a shield end first: on a
/// runtime's thread they go on without the set, elsewhere the destructor waits for them.
/// Panics (aborts) if it is driven or destroyed on another thread.
class LocalSet {
 public:
  LocalSet() : core_(new detail::LocalSetCore()) {}

  /// Spawns a task that only ever runs on the set's thread. Panics: UsageError on another thread.
  /// Complexity: O(1).
  template <class T>
  JoinHandle<T> spawn_local(Task<T> task,
                            std::source_location where = std::source_location::current()) {
    core_->check_thread("LocalSet::spawn_local");
    return detail::spawn_local_on(*core_, std::move(task), where);
  }
  template <class T>
  JoinHandle<T> spawn_local(Named<Task<T>> task,
                            std::source_location where = std::source_location::current()) {
    core_->check_thread("LocalSet::spawn_local");
    return detail::spawn_local_on(*core_, std::move(task.body), where, std::move(task.name));
  }

  /// Runs `task` as a part of the awaiting task, and meanwhile the set's tasks; gives what `task`
  /// gives. Others of the set go on when the set is driven again. In it, and in the set's tasks,
  /// spawn_local() spawns on this set. Several tasks of the thread may drive the set.
  ///
  /// Panics: UsageError on a worker of a multi_thread runtime, and on another thread.
  /// Cancel safety: `task` is destroyed where it waits; the set keeps its tasks.
  template <class T>
  [[nodiscard]] detail::RunUntilAwaiter<T> run_until(Task<T> task) noexcept {
    return detail::RunUntilAwaiter<T>(*core_, std::move(task));
  }
  /// What `co_await set` uses: drives the set until it has no tasks. Panics and cancel safety: as
  /// run_until().
  [[nodiscard]] detail::LocalSetDryAwaiter into_awaiter() noexcept {
    return detail::LocalSetDryAwaiter(*core_);
  }
  /// run_until() on the calling thread, with that runtime as the current one. On a multi_thread
  /// runtime the set's tasks cannot sleep or use sockets, which need a worker: they await a task
  /// that does, by ringo::spawn(). On a current_thread runtime they can, and only one thread may
  /// call block_on() of it meanwhile.
  template <class T>
  T block_on(Runtime& runtime, Task<T> task);

  /// Makes spawn_local() on this thread mean this set for as long as the guard lives.
  [[nodiscard]] detail::LocalSetCore::Entered enter() {
    core_->check_thread("LocalSet::enter");
    return detail::LocalSetCore::Entered(*core_);
  }

  /// How many tasks have not ended. On the set's thread.
  [[nodiscard]] std::size_t size() const noexcept { return core_->tasks(); }
  [[nodiscard]] bool is_empty() const noexcept { return size() == 0; }

 private:
  template <class T>
  static Task<T> drive(LocalSet& set, Task<T> task) {
    co_return co_await set.run_until(std::move(task));
  }

  detail::LocalSetOwner core_;
};

/// Spawns a task that stays on this thread: on the LocalSet that runs here, or on the
/// current_thread runtime whose task calls it. As tokio::task::spawn_local. Panics: UsageError
/// where neither is the case.
template <class T>
JoinHandle<T> spawn_local(Task<T> task,
                          std::source_location where = std::source_location::current()) {
  if (detail::LocalSetCore* set = detail::current_local_set()) {
    return detail::spawn_local_on(*set, std::move(task), where);
  }
  detail::check_local_runtime();
  return spawn(std::move(task), where);
}
template <class T>
JoinHandle<T> spawn_local(Named<Task<T>> task,
                          std::source_location where = std::source_location::current()) {
  if (detail::LocalSetCore* set = detail::current_local_set()) {
    return detail::spawn_local_on(*set, std::move(task.body), where, std::move(task.name));
  }
  detail::check_local_runtime();
  return spawn(std::move(task), where);
}

template <class T>
T LocalSet::block_on(Runtime& runtime, Task<T> task) {
  core_->check_thread("LocalSet::block_on");
  if (detail::is_current_thread(runtime.handle().shared())) {
    return runtime.block_on(drive(*this, std::move(task)));
  }
  detail::refuse_on_worker("LocalSet::block_on");
  const Handle::EnterGuard entered = runtime.enter();
  if constexpr (std::is_void_v<T>) {
    detail::block_thread_on(drive(*this, std::move(task)));
  } else {
    std::optional<T> result;
    detail::block_thread_on(detail::store_result(drive(*this, std::move(task)), result));
    return *std::move(result);
  }
}

}  // namespace ringo
