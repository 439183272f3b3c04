// SPDX-License-Identifier: MIT
//
// An arm of a combinator (timeout, shield, select): an awaitable that runs on a branch of its own
// inside the task. Arms never run in parallel. A wake sets the branch's bit in the task; the
// combinator, asked by the runner whether it has ended, runs the arms whose bits were set.
//
// Branch indices belong to the task, so combinators nest. Each arm knows the bits of all branches
// below it. Indices 1 to 62 are exclusive; when they are in use, further branches share 63, whose
// bit means "ask each of us". A bit may be stale (the index was used by another arm before): that
// costs one question to a leaf. A combinator with one arm needs no bit to tell which was woken: its
// arm lies in the branch that awaits it, and is asked after each wake of that.
//
// Thread safety: the holder of the task's RUNNING.

#pragma once

#include <ringo/detail/leaf_description.h>
#include <ringo/detail/promise.h>
#include <ringo/detail/task_core.h>
#include <ringo/task.h>

#include <bit>
#include <cstdint>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace ringo::detail {

class ArmBranch : public Branch {
 public:
  static constexpr unsigned kSharedIndex = kMaxBranchIndex;

  ArmBranch() noexcept : Branch(0) {}
  ArmBranch([[maybe_unused]] ArmBranch&& other) noexcept : Branch(0) {
    RINGO_DCHECK(other.word == 0, "an arm was moved after it had been started");
  }
  ArmBranch& operator=(ArmBranch&&) = delete;
  ~ArmBranch() { close(); }

  /// Makes it a branch below `parent`.
  void open(Branch& parent) noexcept {
    TaskHeader& task = parent.task();
    BranchSet& branches = task.make_branches();
    unsigned index = static_cast<unsigned>(std::countr_one(branches.in_use));
    if (index >= kSharedIndex) {
      index = kSharedIndex;
    }
    // The bit of the shared index stays for good: nobody counts who shares it, and without a bit
    // here the runner would not look at the ready bits.
    branches.in_use |= std::uint64_t{1} << index;
    word = parent.word & ~BranchWord{kMaxBranchIndex};
    word |= index;
    mask_ = std::uint64_t{1} << index;
    parent_ = parent.index() == 0 ? nullptr : static_cast<ArmBranch*>(&parent);
    for (ArmBranch* above = parent_; above != nullptr; above = above->parent_) {
      above->mask_ |= mask_;
    }
  }

  /// Makes it a branch that has its parent's index: the only arm of a combinator; was_woken() is
  /// not to be asked.
  void open_in(Branch& parent) noexcept {
    word = parent.word;
    parent_ = parent.index() == 0 ? nullptr : static_cast<ArmBranch*>(&parent);
  }

  /// Gives the index back. Nothing below it may still be open. Idempotent.
  void close() noexcept {
    if (word == 0) {
      return;
    }
    if (has_own_index()) {
      const std::uint64_t bit = std::uint64_t{1} << index();
      task().branches()->in_use &= ~bit;
      for (ArmBranch* above = parent_; above != nullptr; above = above->parent_) {
        above->mask_ &= ~bit;
      }
    }
    leaf = nullptr;
    word = 0;
  }

  [[nodiscard]] bool is_open() const noexcept { return word != 0; }
  /// For Leaf::visit_branches().
  void show(BranchVisitor& visitor) const {
    if (is_open()) {
      visitor.visit(*this);
    }
  }
  /// Whether something on this branch, or below it, was woken since the task last ran. After
  /// open().
  [[nodiscard]] bool was_woken() const noexcept {
    return word != 0 && (task().branches()->ready_taken & mask_) != 0;
  }

 private:
  [[nodiscard]] bool has_own_index() const noexcept {
    // With no bits at all it has been opened in another branch.
    return index() != kSharedIndex && (mask_ >> index() & 1) != 0;
  }

  ArmBranch* parent_ = nullptr;  ///< null: the task's root, or what lies in it
  std::uint64_t mask_ = 0;       ///< its own bit, if it has one, and those of the branches below it
};

template <class A>
struct AwaitableTraits;

template <LeafAwaitable A>
struct AwaitableTraits<A> {
  using Awaiter = std::remove_cvref_t<A>;
};
template <MakesAwaiter A>
  requires(!LeafAwaitable<A>)
struct AwaitableTraits<A> {
  using Awaiter = decltype(std::declval<A>().into_awaiter());
};

/// What awaiting an A gives.
template <class A>
struct ArmValueOf {
  using type = decltype(std::declval<typename AwaitableTraits<A>::Awaiter&>().await_resume());
};
template <class T>
struct ArmValueOf<Task<T>> {
  using type = T;
};
template <class A>
using ArmValue = typename ArmValueOf<A>::type;

/// An arm that waits in a leaf directly, without a coroutine of its own. A is what the combinator
/// was given: an lvalue reference stays one, anything else is moved in.
template <Awaitable A>
class Arm : public ArmBranch {
  using Awaiter = typename AwaitableTraits<A>::Awaiter;
  // What makes the awaiter must live as long as it does.
  using Kept = std::conditional_t<LeafAwaitable<A> || std::is_lvalue_reference_v<A>, Nothing,
                                  std::optional<std::remove_cvref_t<A>>>;

 public:
  explicit Arm(A&& awaitable) {
    if constexpr (LeafAwaitable<A>) {
      awaiter_.emplace(std::forward<A>(awaitable));
    } else if constexpr (std::is_lvalue_reference_v<A>) {
      awaiter_.emplace(awaitable.into_awaiter());
    } else {
      kept_.emplace(std::move(awaitable));
    }
  }
  Arm(Arm&&) = default;
  Arm& operator=(Arm&&) = delete;
  ~Arm() = default;

  /// Tries to end without a branch; before it is opened.
  [[nodiscard]] bool try_ready() { return awaiter().await_ready(); }
  /// Begins, after an open and a try_ready() that said no. True: it has ended already.
  [[nodiscard]] bool start() { return !awaiter().start(*this); }
  /// Goes on after a wake. True: it has ended.
  [[nodiscard]] bool run() noexcept { return awaiter_->ended(); }
  /// Destroys what waits. False: it is pinned; ask again after the next wake.
  [[nodiscard]] bool cancel() noexcept {
    if (!cancel_branch(*this)) {
      return false;
    }
    finish();
    return true;
  }
  [[nodiscard]] bool is_pinned() const noexcept { return is_branch_pinned(*this); }
  /// Destroys what has ended.
  void finish() noexcept {
    awaiter_.reset();
    if constexpr (!std::is_same_v<Kept, Nothing>) {
      kept_.reset();  // a receiver or handle that was moved in ends here, too
    }
    close();
  }
  ArmValue<A> take() { return awaiter_->await_resume(); }

 private:
  Awaiter& awaiter() {
    if constexpr (!std::is_same_v<Kept, Nothing>) {
      if (!awaiter_) {
        awaiter_.emplace(std::move(*kept_).into_awaiter());
      }
    }
    return *awaiter_;
  }

  [[no_unique_address]] Kept kept_;
  std::optional<Awaiter> awaiter_;
};

/// An arm that is a coroutine.
template <class T>
class Arm<Task<T>> : public ArmBranch {
 public:
  explicit Arm(Task<T>&& task) noexcept : body_(task.release()) {}
  Arm(Arm&& other) noexcept
      : ArmBranch(static_cast<ArmBranch&&>(other)), body_(std::exchange(other.body_, nullptr)) {}
  Arm& operator=(Arm&&) = delete;
  ~Arm() { destroy(); }

  [[nodiscard]] bool try_ready() noexcept { return false; }
  [[nodiscard]] bool start() {
    body_.promise().branch = this;
    return run_branch(*this, body_);
  }
  [[nodiscard]] bool run() noexcept { return run_branch(*this, body_); }
  [[nodiscard]] bool cancel() noexcept {
    if (!cancel_branch(*this)) {
      return false;
    }
    finish();
    return true;
  }
  [[nodiscard]] bool is_pinned() const noexcept { return is_branch_pinned(*this); }
  void finish() noexcept {
    destroy();
    close();
  }
  T take() { return body_.promise().outcome.take(); }
  [[nodiscard]] bool has_thrown() const noexcept { return body_.promise().outcome.has_exception(); }
  [[nodiscard]] std::exception_ptr take_exception() noexcept {
    return body_.promise().outcome.take_exception();
  }

 private:
  void destroy() noexcept {
    if (body_) {
      std::exchange(body_, nullptr).destroy();
    }
  }

  std::coroutine_handle<Promise<T>> body_;
};

}  // namespace ringo::detail
