// SPDX-License-Identifier: MIT
//
// What fork_join() is made of. The awaiter lies in the parent's frame and owns the frames of the
// children. The first child runs at once, on the parent's branch, as if it were awaited; the others
// are pushed to the worker's ForkStack. When a child has ended the next is popped, and runs
// likewise. That costs no task and no wake. A child becomes a task of its own (a ForkTask) only if
//   - an idle worker has stolen it, or
//   - the parent's task suspends while the child is still on the stack: then it is promoted.
// So a worker's stack is empty whenever no task runs on it.
//
// Invariants
//   F1  A child begins once: it is taken by who pops, steals or promotes it.
//   F2  The parent's frame is pinned (Branch::pin) from the first push until all children that were
//       given away have ended; ForkTasks and thieves may touch the core and the item until then.
//   F3  A ForkTask's last touch of the core is its count in done_; it wakes the parent through a
//       reference of its own.
//
// Thread safety: the holder of the RUNNING of the parent's task, but for what F2 allows.

#pragma once

#include <ringo/detail/assert.h>
#include <ringo/detail/atomic.h>
#include <ringo/detail/context.h>
#include <ringo/detail/fork_deque.h>
#include <ringo/detail/leaf_description.h>
#include <ringo/detail/promise.h>
#include <ringo/detail/task_core.h>

#include <coroutine>
#include <cstdint>

namespace ringo::detail {

class ForkCore;

/// A child.
struct ForkItem {
  enum class Place : std::uint8_t {
    kStack,  ///< on the stack, or stolen from there
    kLocal,  ///< nobody but the parent can begin it: there is no worker here
    kGiven,  ///< promoted, or given to a LocalSet
  };

  std::coroutine_handle<> body;  ///< null: a cancelled ForkTask has destroyed it
  ForkCore* core = nullptr;
  /// Its ForkTask, with a reference; or kCancelledFork: the ForkTask is to be cancelled at birth.
  Atomic<TaskHeader*> task{nullptr};
  Place place = Place::kLocal;
};

/// Children that have not begun, of the task that runs on a worker.
class ForkStack {
 public:
  static constexpr std::int64_t kCapacity = 1024;
  /// So many forks in a row and the task lets others run, since a large tree is one long run.
  static constexpr std::uint32_t kForksPerTurn = 4096;

  explicit ForkStack(bool is_alone) noexcept : is_alone_(is_alone) {}
  ForkStack(const ForkStack&) = delete;
  ForkStack& operator=(const ForkStack&) = delete;
  ~ForkStack() = default;

  void push(ForkItem& item) noexcept {
    const bool was_empty = deque_.looks_empty();
    if (!deque_.push(&item)) [[unlikely]] {
      promote(item);
      return;
    }
    item.place = ForkItem::Place::kStack;
    // Who goes to sleep looks at the stacks last, so only an item on an empty one needs a wake.
    if (!is_alone_ && was_empty) [[unlikely]] {
      notify_thief();
    }
  }
  /// The parent begins a child that it has pushed. False: it has been given away.
  [[nodiscard]] bool take_back(ForkItem& item) noexcept {
    while (ForkItem* popped = pop()) {
      if (popped == &item) [[likely]] {
        return true;
      }
      promote(*popped);  // of another branch of the task, which has suspended since
    }
    return false;
  }
  [[nodiscard]] bool must_give_way() noexcept {
    if (--forks_left_ != 0) [[likely]] {
      return false;
    }
    forks_left_ = kForksPerTurn;
    return true;
  }

  /// When a task begins to run: where its part of the stack will lie.
  [[nodiscard]] std::int64_t mark() const noexcept { return deque_.bottom(); }
  /// When it has suspended: what it has left above the mark becomes tasks.
  void promote_above(std::int64_t mark) noexcept {
    while (deque_.bottom() > mark) [[unlikely]] {
      ForkItem* const item = pop();
      if (item == nullptr) {
        return;
      }
      promote(*item);
    }
  }

  /// Any thread. Null: nothing to steal.
  [[nodiscard]] ForkItem* steal() noexcept { return deque_.steal(); }
  [[nodiscard]] bool looks_empty() const noexcept { return deque_.looks_empty(); }

 private:
  [[nodiscard]] ForkItem* pop() noexcept {
    return is_alone_ ? deque_.pop_unshared() : deque_.pop();
  }
  static void notify_thief() noexcept;
  void promote(ForkItem& item) noexcept;

  ForkDeque<ForkItem, kCapacity> deque_;
  const bool is_alone_;  ///< the runtime's only worker: nobody steals, nobody need be woken
  std::uint32_t forks_left_ = kForksPerTurn;
};

/// Makes a task of a child that was stolen or promoted, to be queued or run by the caller.
[[nodiscard]] TaskHeader& make_fork_task(ForkItem& item, Schedule& home) noexcept;
/// Where there is no stack: the child becomes a task of the LocalSet whose task runs here.
void fork_without_stack(ForkItem& item) noexcept;

/// The awaiter without its types. All children's frames exist before begin().
class ForkCore : public PinnedLeaf {
 public:
  ForkCore(const ForkCore&) = delete;
  ForkCore& operator=(const ForkCore&) = delete;

  [[nodiscard]] bool ended() noexcept final;
  [[nodiscard]] bool cancel() noexcept final;
  [[nodiscard]] bool is_pinned() const noexcept final { return !is_finished_; }
  void describe(LeafDescription& description) const noexcept final {
    description.operation = "fork_join";
  }
  [[nodiscard]] std::coroutine_handle<> child_ended() noexcept final {
    while (begun_ != count_) {
      ForkItem& item = items_[begun_++];
      if (take_back(item)) [[likely]] {
        return transfer(prepare(item));
      }
      ++given_away_;
    }
    if (!is_over()) {
      waiting_coroutine = parent;
      branch_->leaf = this;
      return std::noop_coroutine();
    }
    return parent ? transfer(parent) : std::noop_coroutine();
  }

  /// For a ForkTask: its child has ended or, cancelled, was destroyed.
  void note_done(bool was_cancelled) noexcept {
    if (was_cancelled) {
      // relaxed: published by the next line.
      was_child_cancelled_.store(true, std::memory_order_relaxed);
    }
    // release: pairs with the acquire of is_over() and cancel(). F3.
    done_.fetch_add(1, std::memory_order_release);
  }
  [[nodiscard]] Branch& branch() const noexcept { return *branch_; }

 protected:
  explicit ForkCore(std::uint32_t count) noexcept : count_(count) {}
  /// The derived class destroys the children's frames first: what they have pinned lies inside.
  ~ForkCore() {
    if (branch_ != nullptr && !is_finished_) {
      RINGO_DCHECK(done_.load(std::memory_order_relaxed) == given_away_,
                   "a frame was destroyed while forked children used it");
      unpin();
    }
  }

  void set_items(ForkItem* items) noexcept { items_ = items; }
  template <class T>
  void set_child(std::uint32_t index, std::coroutine_handle<Promise<T>> body) noexcept {
    items_[index].body = body;
    items_[index].core = this;
  }
  template <class T>
  [[nodiscard]] static PromiseOutcome<T>& outcome_of(ForkItem& item) noexcept {
    return std::coroutine_handle<Promise<T>>::from_address(item.body.address()).promise().outcome;
  }

  /// What to resume first. `awaiting` is null if a combinator runs this without a coroutine.
  [[nodiscard]] std::coroutine_handle<> begin(Branch& branch,
                                              std::coroutine_handle<> awaiting) noexcept {
    branch_ = &branch;
    parent = awaiting;
    outer_pin = branch.pin;
    branch.pin = this;
    ForkStack* const forks = thread_context.forks;
    if (forks == nullptr) [[unlikely]] {
      for (std::uint32_t i = 1; i != count_; ++i) {
        fork_without_stack(items_[i]);
      }
      return prepare(items_[0]);
    }
    for (std::uint32_t i = count_ - 1; i != 0; --i) {
      forks->push(items_[i]);
    }
    const std::coroutine_handle<> first = prepare(items_[0]);
    if (forks->must_give_way()) [[unlikely]] {
      gives_way_ = true;
      waiting_coroutine = first;
      branch.leaf = this;
      yield_turn(branch);
      return std::noop_coroutine();
    }
    return first;
  }
  [[nodiscard]] bool is_finished() const noexcept { return is_finished_; }
  void destroy_child(ForkItem& item) noexcept {
    if (item.body) [[likely]] {
      item.body.destroy();
    }
    if (given_away_ != 0) [[unlikely]] {
      release_task(item);
    }
  }

 private:
  std::coroutine_handle<> prepare(ForkItem& item) noexcept {
    PromiseBase& promise = PromiseBase::of(item.body);
    promise.branch = branch_;
    promise.continuation = *this;
    return item.body;
  }
  static bool take_back(ForkItem& item) noexcept {
    return item.place == ForkItem::Place::kStack ? thread_context.forks->take_back(item)
                                                 : item.place == ForkItem::Place::kLocal;
  }
  /// Whether all children have ended, of which all have begun.
  [[nodiscard]] bool is_over() noexcept {
    if (given_away_ != 0) [[unlikely]] {
      // acquire: pairs with note_done(); what the children did happens before we go on.
      if (done_.load(std::memory_order_acquire) != given_away_ ||
          was_child_cancelled_.load(std::memory_order_relaxed)) {
        return false;  // with a cancelled child it never ends, but is cancelled itself
      }
    }
    unpin();
    is_finished_ = true;
    return true;
  }
  static void release_task(ForkItem& item) noexcept;
  void unpin() noexcept { branch_->pin = outer_pin; }

  ForkItem* items_ = nullptr;
  const std::uint32_t count_;
  std::uint32_t begun_ = 1;  ///< items before it have begun, or were given away
  std::uint32_t given_away_ = 0;
  Atomic<std::uint32_t> done_{0};  ///< of those that were given away
  bool gives_way_ = false;
  bool is_finished_ = false;
  bool is_cancelling_ = false;
  Atomic<bool> was_child_cancelled_{false};
  Branch* branch_ = nullptr;
};

}  // namespace ringo::detail
