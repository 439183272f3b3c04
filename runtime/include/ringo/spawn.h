// SPDX-License-Identifier: MIT
//
// spawn() starts a Task as a task of its own; the JoinHandle awaits or aborts it. As tokio::task.
//
//   auto handle = ringo::spawn(compute(42));
//   ringo::JoinResult<int> result = co_await handle;
//
// Thread safety: a JoinHandle is one owner's; an AbortHandle may be copied to any thread.

#pragma once

#include <ringo/detail/context.h>
#include <ringo/detail/leaf_awaiter.h>
#include <ringo/detail/leaf_description.h>
#include <ringo/detail/task_cell.h>
#include <ringo/join_error.h>
#include <ringo/named.h>
#include <ringo/task.h>

#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <source_location>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace ringo {

template <class T>
class JoinHandle;

namespace detail {

/// The runtime that spawn() on this thread means. Panics: UsageError if there is none.
RuntimeShared& current_runtime();
/// Where tasks of a runtime are scheduled.
Schedule& schedule_of(RuntimeShared& runtime) noexcept;
/// Gives the new task an id and puts it into a queue; on a runtime that shuts down it is cancelled
/// at once instead.
void launch(TaskHeader& task, RuntimeShared& runtime) noexcept;
/// The running task is about to wait for the end of another: see Worker::run_newest_first().
void run_newest_first() noexcept;
/// Runs a task here and now, inside the running task that is about to await it, if it is the one
/// that this worker would run next. True: it has ended. The caller keeps the task alive.
bool run_awaited(TaskHeader& task) noexcept;
/// Whether the task is what the calling thread's worker would run next, so that nobody else knows
/// of it but by its handles.
[[nodiscard]] bool is_in_lifo_slot(const TaskHeader& task) noexcept;
/// The id of the running task, or 0.
std::uint64_t current_task_id() noexcept;

/// The wait for a task's end. Cancel safe: the output stays in the cell.
template <class T>
class JoinAwaiter final : public LeafAwaiter<JoinAwaiter<T>> {
 public:
  static constexpr std::string_view kOperation = "JoinHandle";

  explicit JoinAwaiter(OutputCell<T>& cell) noexcept : cell_(&cell) {}
  JoinAwaiter(JoinAwaiter&& other) noexcept
      : LeafAwaiter<JoinAwaiter>(other),
        cell_(other.cell_),
        registered_(std::exchange(other.registered_, 0)) {}
  JoinAwaiter& operator=(JoinAwaiter&&) = delete;
  ~JoinAwaiter() {
    // Only our own waker: the handle may be awaited in another branch since.
    if (registered_ != 0 && cell_->state.remove_join_waker() &&
        // acq_rel: as in WakerSlot::take().
        cell_->join_slot.compare_exchange_strong(registered_, 0, std::memory_order_acq_rel,
                                                 std::memory_order_relaxed)) {
      (void)Waker::from_word(registered_);
    }
  }

  bool poll() noexcept { return cell_->state.is_complete() || run_awaited(*cell_); }
  bool enlist(Branch& branch) noexcept {
    // relaxed: only joiners fill the slot.
    if (cell_->join_slot.load(std::memory_order_relaxed) != 0) {
      // The handle is awaited in another branch as well, which from now on is not woken.
      if (!cell_->state.remove_join_waker()) {
        return false;
      }
      take_waker();
    }
    // release: hands the reference to a completer that goes by exchange; add_join_waker() hands it
    // to one that does not.
    cell_->join_slot.store(Waker::of(branch).into_word(), std::memory_order_release);
    if (cell_->state.add_join_waker()) {
      take_waker();
      return false;
    }
    registered_ = branch.word;
    run_newest_first();
    return true;
  }
  bool is_ended() noexcept { return cell_->state.is_complete(); }
  void describe_more(LeafDescription& description) const noexcept {
    description.awaited_task = cell_->id;
  }

  JoinResult<T> await_resume() {
    const TaskId id(cell_->id);
    if (cell_->output.has_exception()) {
      return std::unexpected(JoinError::threw(id, cell_->output.take_exception()));
    }
    if (!cell_->output.has_value()) {
      return std::unexpected(JoinError::cancelled(id));
    }
    if constexpr (std::is_void_v<T>) {
      cell_->output.clear();
      return JoinResult<void>();
    } else {
      JoinResult<T> result(std::in_place, cell_->output.take());
      cell_->output.clear();
      return result;
    }
  }

 private:
  void take_waker() noexcept {
    // acq_rel: as in WakerSlot::take().
    (void)Waker::from_word(cell_->join_slot.exchange(0, std::memory_order_acq_rel));
  }

  OutputCell<T>* cell_;
  BranchWord registered_ = 0;  ///< the branch whose waker we have put into the slot
};

}  // namespace detail

/// Aborts a task from anywhere. Does not keep its output alive. Copyable.
class AbortHandle {
 public:
  explicit AbortHandle(detail::TaskHeader& task) noexcept : task_(&task) {
    task.state.add_reference();
  }
  AbortHandle(const AbortHandle& other) noexcept : AbortHandle(*other.task_) {}
  AbortHandle& operator=(const AbortHandle& other) noexcept {
    AbortHandle copy(other);
    std::swap(task_, copy.task_);
    return *this;
  }
  ~AbortHandle() { detail::release(*task_); }

  /// Asks the task to end: it is destroyed where it is suspended, or at its next suspension.
  /// Returns before that has happened. A task that completes first is not affected. Idempotent.
  /// Thread safety: any thread.
  void abort() const noexcept {
    if (task_->state.cancel()) {
      task_->home->schedule(*task_);
    }
  }
  /// True once the task has ended and its frames are gone.
  [[nodiscard]] bool is_finished() const noexcept { return task_->state.is_complete(); }
  [[nodiscard]] TaskId id() const noexcept { return TaskId(task_->id); }

 private:
  detail::TaskHeader* task_;
};

/// Owns the right to a task's output. Awaiting it gives JoinResult<T>; destroying it detaches the
/// task, which goes on; what a detached task throws goes to the runtime's handler. T must not be a
/// reference. Move-only.
///
/// Cancel safety: awaiting by reference (`co_await handle`) may be cancelled and repeated.
/// Requires: a result is taken once; awaiting again after that gives a cancelled JoinError.
template <class T = void>
class [[nodiscard(
    "dropping a JoinHandle detaches the task; say handle.detach() if that is meant")]] JoinHandle {
 public:
  using value_type = T;

  /// For the runtime: takes over the handle's reference and JOIN_INTEREST.
  explicit JoinHandle(detail::OutputCell<T>& cell) noexcept : cell_(&cell) {}
  JoinHandle(JoinHandle&& other) noexcept : cell_(std::exchange(other.cell_, nullptr)) {}
  JoinHandle& operator=(JoinHandle&& other) noexcept {
    std::swap(cell_, other.cell_);
    return *this;
  }
  ~JoinHandle() { detach(); }

  /// Lets the task go on without anybody who awaits it.
  void detach() noexcept {
    if (cell_ == nullptr) {
      return;
    }
    detail::OutputCell<T>& cell = *std::exchange(cell_, nullptr);
    if (detail::is_in_lifo_slot(cell) && cell.state.try_drop_join_interest_unshared()) {
      return;
    }
    bool freed = false;
    if (cell.state.drop_join_interest(freed)) {
      cell.drop_output();
      detail::release(cell);
    } else if (freed) {
      cell.kind->destroy(cell);
    }
  }

  /// As AbortHandle::abort().
  void abort() const noexcept {
    if (cell_->state.cancel()) {
      cell_->home->schedule(*cell_);
    }
  }
  [[nodiscard]] bool is_finished() const noexcept { return cell_->state.is_complete(); }
  [[nodiscard]] TaskId id() const noexcept { return TaskId(cell_->id); }
  [[nodiscard]] AbortHandle abort_handle() const noexcept { return AbortHandle(*cell_); }

  /// What co_await uses.
  [[nodiscard]] detail::JoinAwaiter<T> into_awaiter() const noexcept {
    return detail::JoinAwaiter<T>(*cell_);
  }

 private:
  detail::OutputCell<T>* cell_;
};

namespace detail {

/// `label`: the task's name, if it has one.
template <class T, class... Label>
JoinHandle<T> spawn_on(RuntimeShared& runtime, Task<T> task, std::source_location where,
                       Label... label) {
  static_assert(
      !std::is_reference_v<T>,
      "a spawned task cannot return a reference: the frame it would refer to is gone when "
      "the result is read");
  auto* cell = new TaskCell<T, Label...>(std::move(task), TaskState::kSpawnedWithHandle,
                                         &schedule_of(runtime), where, std::move(label)...);
  JoinHandle<T> handle(*cell);
  launch(*cell, runtime);
  return handle;
}

/// Keeps a callable and its arguments in a frame for as long as the coroutine that it makes runs.
template <class F, class... Args>
auto invoke_in_frame(F function, Args... args) -> std::invoke_result_t<F&, Args&...> {
  co_return co_await std::invoke(function, args...);
}

}  // namespace detail

/// Starts a task on the current runtime: the worker's, or the one that enter() chose. It runs
/// whether or not the handle is awaited.
///
/// Panics: UsageError where no runtime is current. Thread safety: any thread. Complexity: O(1).
template <class T>
JoinHandle<T> spawn(Task<T> task, std::source_location where = std::source_location::current()) {
  return detail::spawn_on(detail::current_runtime(), std::move(task), where);
}

template <class T>
JoinHandle<T> spawn(Named<Task<T>> task,
                    std::source_location where = std::source_location::current()) {
  return detail::spawn_on(detail::current_runtime(), std::move(task.body), where,
                          std::move(task.name));
}

/// Calls a coroutine function (a lambda with captures, say) and keeps the function and its
/// arguments alive for as long as the coroutine runs. Captures of a lambda live in the lambda, not
/// in the coroutine, so `[x]() -> Task<> { … }()` alone would dangle.
///
///   ringo::spawn(ringo::invoke([name] (int n) -> ringo::Task<> { … }, 3));
template <class F, class... Args>
  requires detail::IsTask<std::invoke_result_t<std::decay_t<F>&, std::decay_t<Args>&...>>::value
auto invoke(F&& function, Args&&... args) {
  return detail::invoke_in_frame<std::decay_t<F>, std::decay_t<Args>...>(
      std::forward<F>(function), std::forward<Args>(args)...);
}

/// spawn(invoke(function)).
template <class F>
  requires detail::IsTask<std::invoke_result_t<std::decay_t<F>&>>::value
auto spawn(F&& function, std::source_location where = std::source_location::current()) {
  return spawn(invoke(std::forward<F>(function)), where);
}

template <class F>
  requires detail::IsTask<std::invoke_result_t<F&>>::value
auto spawn(Named<F> function, std::source_location where = std::source_location::current()) {
  return spawn(named(std::move(function.name), invoke(std::move(function.body))), where);
}

/// The id of the task that calls it; a value of 0 outside a task. As tokio::task::try_id.
[[nodiscard]] inline TaskId current_task_id() noexcept {
  return TaskId(detail::current_task_id());
}

/// Ends the life of a value here and now: `ringo::drop(std::move(sender))`. As Rust's drop.
template <class T>
  requires(!std::is_lvalue_reference_v<T>)
void drop(T&& value) {
  [[maybe_unused]] const std::remove_cvref_t<T> dropped(std::forward<T>(value));
}

}  // namespace ringo
