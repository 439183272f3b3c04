// SPDX-License-Identifier: MIT
//
// join_all(tasks): awaits any number of Tasks at once in one task, until all have ended; race_all()
// until the first has. As futures::future::join_all and select_all. A million of them are no
// trouble: each costs one cell and its frame, and a wake touches the one that it is for.
//
//   std::vector<ringo::Task<int>> lookups;
//   for (int key : keys) lookups.push_back(look_up(key));
//   std::vector<int> found = co_await ringo::join_all(std::move(lookups));
//
// A number that is known when the program is written: join(). To run them in parallel: JoinSet.
// Thread safety: the awaiting task's.

#pragma once

#include <ringo/detail/context.h>
#include <ringo/detail/handle_count.h>
#include <ringo/detail/leaf_description.h>
#include <ringo/detail/outcome.h>
#include <ringo/detail/promise.h>
#include <ringo/detail/ready_group.h>
#include <ringo/detail/task_cell.h>
#include <ringo/detail/task_core.h>
#include <ringo/detail/thread_annotations.h>
#include <ringo/join.h>
#include <ringo/task.h>
#include <ringo/usage_error.h>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <expected>
#include <source_location>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace ringo {

namespace detail {

/// A Task that runs in a group. The owner's reference is its JOIN_INTEREST.
template <class T>
struct MemberCell final : CoroutineCell<T> {
  MemberCell(Task<T>&& task, ReadyGroup& in_group, std::size_t position) noexcept
      : CoroutineCell<T>(std::move(task), TaskState::kSpawnedWithHandle, kKind, &in_group,
                         std::source_location::current()),
        group(in_group),
        index(position) {}
  MemberCell(const MemberCell&) = delete;
  MemberCell& operator=(const MemberCell&) = delete;
  ~MemberCell() = default;

  static bool poll(TaskHeader& header) noexcept {
    auto& cell = static_cast<MemberCell&>(header);
    cell.has_ended = CoroutineCell<T>::poll(header);
    return cell.has_ended;
  }
  static bool cancel(TaskHeader& header) noexcept {
    auto& cell = static_cast<MemberCell&>(header);
    cell.has_ended = cell.has_ended || CoroutineCell<T>::cancel(header);
    return cell.has_ended;
  }
  static void drop_output(TaskHeader& header) noexcept {
    static_cast<MemberCell&>(header).output.clear();
  }
  static void destroy(TaskHeader& header) noexcept { delete static_cast<MemberCell*>(&header); }

  static constexpr TaskKind kKind{&poll, &cancel, &drop_output, &destroy};

  RefPtr<ReadyGroup> group;
  std::size_t index;
  bool has_ended = false;  ///< the body is gone, the output is there
};

/// The running part of join_all and race_all: Members of which each is run when it was woken, until
/// Derived::must_stop() is true of one that has ended, or all have.
template <class T, class Derived>
class MembersAwaiter : public Leaf {
 public:
  explicit MembersAwaiter(std::vector<Task<T>>&& tasks) : tasks_(std::move(tasks)) {}
  MembersAwaiter(MembersAwaiter&& other) noexcept : Leaf(other), tasks_(std::move(other.tasks_)) {
    RINGO_DCHECK(!other.group_, "an awaiter was moved after it had been awaited");
  }
  MembersAwaiter& operator=(MembersAwaiter&&) = delete;

  [[nodiscard]] bool await_ready() const noexcept RINGO_EXCLUDES(no_suspend) {
    return tasks_.empty();
  }
  template <class AwaitingPromise>
  bool await_suspend(std::coroutine_handle<AwaitingPromise> awaiting) {
    waiting_coroutine = awaiting;
    return start(*awaiting.promise().branch);
  }
  [[nodiscard]] bool start(Branch& branch) {
    group_ = RefPtr(*new ReadyGroup());
    members_.reserve(tasks_.size());
    for (Task<T>& task : tasks_) {
      auto* member = new MemberCell<T>(std::move(task), *group_, members_.size());
      members_.push_back(member);
      ready_.push_back(*member);
    }
    tasks_.clear();
    branch_ = &branch;
    if (ended()) {
      return false;
    }
    branch.leaf = this;
    return true;
  }
  [[nodiscard]] bool ended() noexcept final {
    while (!must_stop_ && ended_ != members_.size()) {
      if (!group_->take_ready_or_wait(ready_, *branch_)) {
        return false;
      }
      run_ready();
      ready_.append(again_);
      if (!ready_.empty() && !must_stop_) {
        wake(*branch_);  // the other tasks first
        return false;
      }
    }
    return !must_stop_ || cancel();
  }
  [[nodiscard]] bool cancel() noexcept final {
    if (!group_) {
      return true;
    }
    group_->take_ready(ready_);
    while (TaskHeader* member = ready_.pop_front()) {
      begin(*member);
      (void)member->kind->cancel(*member);
      stop(*member);
    }
    ready_.append(again_);
    // A pinned member goes on in its shield; each question moves it on.
    bool are_gone = true;
    for (MemberCell<T>* member : members_) {
      are_gone = MemberCell<T>::cancel(*member) && are_gone;
      if (member->take_turn() && member->state.notify()) {
        ready_.push_back(*member);  // it has yielded; else it is queued, or will be
      }
    }
    if (!are_gone && group_->take_ready_or_wait(ready_, *branch_)) {
      wake(*branch_);
    }
    return are_gone;
  }
  [[nodiscard]] bool is_pinned() const noexcept final {
    for (const MemberCell<T>* member : members_) {
      if (is_branch_pinned(member->root)) {
        return true;
      }
    }
    return false;
  }
  void describe(LeafDescription& description) const noexcept final {
    description.operation = Derived::kOperation;
  }
  void visit_branches(BranchVisitor& visitor) const final {
    for (const MemberCell<T>* member : members_) {
      if (!member->state.is_complete()) {
        visitor.visit(member->root);
      }
    }
  }

 protected:
  ~MembersAwaiter() {
    if (!group_) {
      return;
    }
    for (MemberCell<T>* member : members_) {
      const bool is_alive = MemberCell<T>::cancel(*member);
      RINGO_CHECK(is_alive, "a pinned member was destroyed");
      if (!member->state.is_complete()) {
        ReadyGroup::retire(*member);
      }
    }
    ready_.append(again_);
    group_->close(ready_);
    for (MemberCell<T>* member : members_) {
      member->output.clear();
      release(*member);
    }
  }

  [[nodiscard]] std::vector<MemberCell<T>*>& members() noexcept { return members_; }
  /// The member whose end stopped the others; null if none did.
  [[nodiscard]] MemberCell<T>* stopper() noexcept { return stopper_; }

 private:
  static void begin(TaskHeader& member) noexcept {
    (void)member.state.start_running();
    take_ready_bits(member);
  }
  void stop(TaskHeader& member) noexcept {
    if (member.take_turn() || member.state.stop_running()) {
      again_.push_back(member);  // it has yielded
    }
  }
  /// Runs what is ready, until the budget is used up.
  void run_ready() noexcept {
    while (has_budget() && !must_stop_) {
      TaskHeader* header = ready_.pop_front();
      if (header == nullptr) {
        return;
      }
      begin(*header);
      if (!header->kind->poll(*header)) {
        stop(*header);
      } else {
        auto& member = static_cast<MemberCell<T>&>(*header);
        (void)member.state.complete();
        release(member);  // the life reference; ours is left
        ++ended_;
        if (static_cast<Derived*>(this)->stops(member)) {
          must_stop_ = true;
          stopper_ = &member;
        }
      }
      spend_budget();
    }
  }

  std::vector<Task<T>> tasks_;  ///< until it is awaited
  RefPtr<ReadyGroup> group_;
  Branch* branch_ = nullptr;
  std::vector<MemberCell<T>*> members_;
  ReadyMembers ready_;
  ReadyMembers again_;  ///< woken by themselves, for the next time
  std::size_t ended_ = 0;
  bool must_stop_ = false;
  MemberCell<T>* stopper_ = nullptr;
};

template <class T>
struct AllValues {
  using type = std::vector<T>;
};
template <>
struct AllValues<void> {
  using type = void;
};

template <class T>
class JoinAllAwaiter final : public MembersAwaiter<T, JoinAllAwaiter<T>> {
  using Base = MembersAwaiter<T, JoinAllAwaiter>;

 public:
  static constexpr std::string_view kOperation = "join_all";
  using Base::Base;
  [[nodiscard]] bool stops(MemberCell<T>& member) noexcept { return member.output.has_exception(); }

  typename AllValues<T>::type await_resume() {
    if (MemberCell<T>* failed = this->stopper()) {
      std::rethrow_exception(failed->output.take_exception());
    }
    if constexpr (!std::is_void_v<T>) {
      std::vector<T> values;
      values.reserve(this->members().size());
      for (MemberCell<T>* member : this->members()) {
        values.push_back(member->output.take());
      }
      return values;
    }
  }
};

template <class E>
class TryJoinAllAwaiter final : public MembersAwaiter<E, TryJoinAllAwaiter<E>> {
  using Base = MembersAwaiter<E, TryJoinAllAwaiter>;
  using Value = typename E::value_type;

 public:
  static constexpr std::string_view kOperation = "try_join_all";
  using Base::Base;
  using Output = std::expected<typename AllValues<Value>::type, typename E::error_type>;
  [[nodiscard]] bool stops(MemberCell<E>& member) noexcept {
    return member.output.has_exception() || !member.output.value().has_value();
  }

  Output await_resume() {
    if (MemberCell<E>* failed = this->stopper()) {
      if (failed->output.has_exception()) {
        std::rethrow_exception(failed->output.take_exception());
      }
      return std::unexpected(std::move(failed->output.value()).error());
    }
    if constexpr (std::is_void_v<Value>) {
      return Output();
    } else {
      std::vector<Value> values;
      values.reserve(this->members().size());
      for (MemberCell<E>* member : this->members()) {
        values.push_back(*std::move(member->output.value()));
      }
      return values;
    }
  }
};

}  // namespace detail

/// Who won a race_all(), and with what. For void the value is std::monostate.
template <class T>
struct Winner {
  std::size_t index = 0;
  std::conditional_t<std::is_void_v<T>, std::monostate, T> value;
};

namespace detail {

template <class T>
class RaceAllAwaiter final : public MembersAwaiter<T, RaceAllAwaiter<T>> {
  using Base = MembersAwaiter<T, RaceAllAwaiter>;

 public:
  static constexpr std::string_view kOperation = "race_all";
  using Base::Base;
  [[nodiscard]] bool stops(MemberCell<T>& /*member*/) noexcept { return true; }

  Winner<T> await_resume() {
    MemberCell<T>* winner = this->stopper();
    if (winner == nullptr) {
      throw_usage_error("race_all: there is nobody in the race");
    }
    if constexpr (std::is_void_v<T>) {
      winner->output.take();
      return Winner<T>{winner->index, {}};
    } else {
      return Winner<T>{winner->index, winner->output.take()};
    }
  }
};

}  // namespace detail

/// Awaits all tasks inside the calling one and gives their values in order; for Task<void> nothing.
/// If one throws, the others are destroyed where they wait and the exception comes out.
///
/// Cancel safety: what is inside is destroyed where it waits; values that were ready are lost.
/// Complexity: two allocations per task (cell and frame); a wake costs the same however many there
/// are. Runs at most a coop budget's worth of them before other tasks have their turn.
template <class T>
[[nodiscard]] detail::JoinAllAwaiter<T> join_all(std::vector<Task<T>> tasks) {
  return detail::JoinAllAwaiter<T>(std::move(tasks));
}

/// join_all() for tasks that give an expected<T, E>: expected<std::vector<T>, E>. At the first
/// error the others are destroyed where they wait, and that error is the result.
template <class E>
  requires detail::ExpectedLike<E>
[[nodiscard]] detail::TryJoinAllAwaiter<E> try_join_all(std::vector<Task<E>> tasks) {
  return detail::TryJoinAllAwaiter<E>(std::move(tasks));
}

/// Awaits the first task to end; the others are destroyed where they wait before it returns.
/// Errors: what the winner throws comes out. Panics: UsageError if there are none.
template <class T>
[[nodiscard]] detail::RaceAllAwaiter<T> race_all(std::vector<Task<T>> tasks) {
  return detail::RaceAllAwaiter<T>(std::move(tasks));
}

}  // namespace ringo
