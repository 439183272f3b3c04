// SPDX-License-Identifier: MIT
//
// What every part of the runtime agrees on: the task cell, the branch of control inside a task, the
// leaf at which a branch waits, and the two ways to wake it.
//
//   TaskHeader   the cell of a spawned task. It outlives the coroutine frames; see task_state.h.
//   Branch       one line of control in a task: the root, or an arm of a select, join or timeout.
//                Branches of one task never run in parallel.
//   Leaf         the innermost wait of a branch. It lives in the coroutine frame.
//
// Being scheduled is a hint. A notification may be late, doubled, or meant for an earlier wait; the
// runner resumes a branch only when its leaf says that the wait has ended.
//
// A waker reaches a task in one of two ways, and there is no third:
//   1. Under the primitive's lock: the waker unlinks the waiter's node, stores the result in it and
//      adds the branch to a WakeList; the tasks are pushed to the run queues after unlocking. The
//      node's destructor takes the same lock, so the frame is alive for as long as it is linked.
//   2. Without a lock: the waiter puts a Waker (task reference and branch index in one word) into
//      a slot; exactly one side takes it out again, by a read-modify-write of the slot (WakerSlot)
//      or of the state word that guards it (OneshotCore), and owns the reference.

#pragma once

#include <ringo/detail/assert.h>
#include <ringo/detail/frame_pool.h>
#include <ringo/detail/intrusive_list.h>
#include <ringo/detail/task_state.h>

#include <bit>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <string_view>
#include <utility>

namespace ringo::detail {

class BranchVisitor;
class Leaf;
class PinnedLeaf;
struct LeafDescription;
struct TaskHeader;
class OwnedTasks;

/// The queue that a task is pushed to when it is notified. Each runtime is one; a thread that
/// blocks on an awaitable is another.
class Schedule {
 public:
  /// Puts a task whose NOTIFIED bit the caller has just set into a run queue. Any thread.
  virtual void schedule(TaskHeader& task) noexcept = 0;
  /// The same for a task that had better find much to do than run soon: it goes behind the tasks
  /// that are ready.
  virtual void schedule_last(TaskHeader& task) noexcept { schedule(task); }

 protected:
  ~Schedule() = default;
};

/// What differs between kinds of tasks.
struct TaskKind {
  /// Runs the body until it suspends or ends. True: it has ended.
  bool (*poll)(TaskHeader&) noexcept;
  /// Destroys the frames of a cancelled task. False: a frame is pinned, try again when notified.
  bool (*cancel)(TaskHeader&) noexcept;
  /// Destroys the output, for want of a JoinHandle. An exception is reported.
  void (*drop_output)(TaskHeader&) noexcept;
  /// Destroys the cell and frees it.
  void (*destroy)(TaskHeader&) noexcept;
  /// The task's name; null for those that have none, who so pay nothing for it.
  std::string_view (*name)(const TaskHeader&) noexcept = nullptr;
  /// A task by itself, which nothing ends early but an abort or a shutdown; not a part of another,
  /// as a member of a join_all, a generator's body or a forked child.
  bool is_spawned = false;
};

inline constexpr unsigned kMaxBranchIndex = 63;

/// The word that names a branch: the cell's address, and the branch's index in the low six bits.
using BranchWord = std::uintptr_t;

/// One line of control inside a task.
struct Branch {
  explicit Branch(BranchWord branch_word) noexcept : word(branch_word) {}

  [[nodiscard]] TaskHeader& task() const noexcept {
    // The cell is aligned to 64 bytes, which leaves the low bits to the index.
    // NOLINTNEXTLINE(performance-no-int-to-ptr): a tagged pointer is one.
    return *reinterpret_cast<TaskHeader*>(word & ~BranchWord{kMaxBranchIndex});
  }
  [[nodiscard]] unsigned index() const noexcept {
    return static_cast<unsigned>(word & kMaxBranchIndex);
  }

  BranchWord word;
  Leaf* leaf = nullptr;       ///< where it waits; null while it runs or has not started
  PinnedLeaf* pin = nullptr;  ///< the innermost of those that have lent a frame of it
};

/// The innermost wait of a branch. All of it is used by the holder of RUNNING only.
class Leaf {
 public:
  /// Whether the wait is over, so that the branch may go on. Asked after each wake; a combinator
  /// runs its own branches here. Must not throw.
  [[nodiscard]] virtual bool ended() noexcept = 0;

  /// Whether the frame may be destroyed now. A leaf whose frame has been lent to somebody (a
  /// shield, a scope) starts to end that instead and answers false until it has ended; it is asked
  /// again after each wake.
  [[nodiscard]] virtual bool cancel() noexcept { return true; }

  /// Whether cancel() would have to wait, asked without beginning to end anything. Who leaves a
  /// wait for later instead of destroying it (a Generator) must not leave one that is pinned.
  [[nodiscard]] virtual bool is_pinned() const noexcept { return false; }
  /// For a task dump, while it waits: what it waits for.
  virtual void describe(LeafDescription& /*description*/) const noexcept {}
  /// And of a combinator, the branches that have begun and not ended. May throw what `visitor`
  /// throws.
  virtual void visit_branches(BranchVisitor& /*visitor*/) const {}

  /// The coroutine that waits; null where a combinator runs the leaf without a coroutine.
  std::coroutine_handle<> waiting_coroutine;

 protected:
  Leaf() = default;
  Leaf(const Leaf&) = default;
  Leaf& operator=(const Leaf&) = default;
  ~Leaf() = default;
};

/// A leaf that has lent the frame it lies in to children that run as tasks of their own
/// (fork_join). Its first child may run on the branch meanwhile and wait in a leaf of its own; that
/// the frames must stay is seen by the branch's chain of pins.
class PinnedLeaf : public Leaf {
 public:
  /// A child that runs on the branch has ended. What to resume next.
  [[nodiscard]] virtual std::coroutine_handle<> child_ended() noexcept = 0;

  /// The coroutine that awaits the children; null where a combinator runs the leaf.
  std::coroutine_handle<> parent;
  PinnedLeaf* outer_pin = nullptr;

 protected:
  PinnedLeaf() = default;
  PinnedLeaf(const PinnedLeaf&) = default;
  PinnedLeaf& operator=(const PinnedLeaf&) = default;
  ~PinnedLeaf() = default;
};

/// Whether the branch's frames may be destroyed now; Leaf::cancel() of all that waits on it. False:
/// ask again after the next wake.
[[nodiscard]] inline bool cancel_branch(Branch& branch) noexcept {
  bool may_go = branch.leaf == nullptr || branch.leaf->cancel();
  for (PinnedLeaf* pin = branch.pin; pin != nullptr; pin = pin->outer_pin) {
    may_go = pin->cancel() && may_go;
  }
  return may_go;
}

/// Leaf::is_pinned() of all that waits on a branch.
[[nodiscard]] inline bool is_branch_pinned(const Branch& branch) noexcept {
  return branch.pin != nullptr || (branch.leaf != nullptr && branch.leaf->is_pinned());
}

/// What a task needs when a combinator gives it branches beside the root, or when somebody counts
/// how long it waits in queues. Made with the first of these, and kept until the cell goes.
struct BranchSet {
  static void* operator new(std::size_t size) { return allocate_frame(size); }
  static void operator delete(void* set, std::size_t size) noexcept { free_frame(set, size); }

  /// Bits of branches that were woken; the wakers set, the runner takes.
  Atomic<std::uint64_t> ready{0};
  // The rest is the holder of RUNNING's, or of the task's place in a queue.
  /// Those that the runner has taken and no combinator has looked at yet.
  std::uint64_t ready_taken = 0;
  /// Which indices are in use by combinators.
  std::uint64_t in_use = 1;
  /// When it became ready, if that is counted: see Worker::note_scheduled().
  std::uint32_t ready_since = 0;
  /// The branch that yields, to be marked ready when the turn comes; 0: the root, or none.
  std::uint8_t yielding = 0;
};

/// The cell of a task. 64-byte alignment makes room for the branch index. It is kept at 112 bytes,
/// so that a cell for a small output has 128, two lines: what is alive by the million must be
/// small.
struct alignas(64) TaskHeader : ListNode {
  TaskHeader(TaskState::Word initial_state, const TaskKind& task_kind, Schedule* scheduler,
             std::source_location where) noexcept
      : state(initial_state),
        kind(&task_kind),
        home(scheduler),
        root(reinterpret_cast<BranchWord>(this)),
        spawned_at(where) {}
  TaskHeader(const TaskHeader&) = delete;
  TaskHeader& operator=(const TaskHeader&) = delete;

  /// Null: there is only the root. Whoever knows of another branch may ask.
  [[nodiscard]] BranchSet* branches() const noexcept {
    // relaxed: it was set before anybody was told of a branch.
    // NOLINTNEXTLINE(performance-no-int-to-ptr): a tagged pointer is one.
    return reinterpret_cast<BranchSet*>(extras_.load(std::memory_order_relaxed) & ~kWantsTurn);
  }
  /// The same, made if there is none. By the holder of RUNNING, or of the task's place in a queue.
  BranchSet& make_branches() noexcept {
    BranchSet* set = branches();
    if (set == nullptr) {
      set = new BranchSet();  // NOLINT(bugprone-unhandled-exception-at-new): else the program ends
      // relaxed, here and below: no other thread writes it.
      extras_.store(extras_.load(std::memory_order_relaxed) | reinterpret_cast<Extras>(set),
                    std::memory_order_relaxed);
    }
    return *set;
  }

  /// It yields: when it suspends it goes to the back of the queue. By the holder of RUNNING.
  void want_turn() noexcept {
    extras_.store(extras_.load(std::memory_order_relaxed) | kWantsTurn, std::memory_order_relaxed);
  }
  /// Whether it yields; answered with yes once. By the holder of RUNNING.
  [[nodiscard]] bool take_turn() noexcept {
    const Extras extras = extras_.load(std::memory_order_relaxed);
    if ((extras & kWantsTurn) == 0) {
      return false;
    }
    extras_.store(extras & ~kWantsTurn, std::memory_order_relaxed);
    return true;
  }

  TaskState state;
  TaskHeader* queue_next = nullptr;  ///< owned by who pushed it to a queue
  const TaskKind* kind;
  Schedule* home;
  Branch root;

 private:
  using Extras = std::uintptr_t;
  static constexpr Extras kWantsTurn = 1;

  Atomic<Extras> extras_{0};  ///< the BranchSet, if there is one, and kWantsTurn

 public:
  /// The joiner's waker (a BranchWord that owns a reference), or 0.
  Atomic<BranchWord> join_slot{0};
  OwnedTasks* owner = nullptr;  ///< the worker's list that it is in; set before it first runs
  std::uint64_t id = 0;
  std::source_location spawned_at;

 protected:
  ~TaskHeader() { delete branches(); }
};

/// The task's name, or nothing. Any thread that keeps the cell alive; valid as long as that is.
[[nodiscard]] inline std::string_view name_of(const TaskHeader& task) noexcept {
  return task.kind->name == nullptr ? std::string_view() : task.kind->name(task);
}

/// Drops a reference; frees the cell with the last.
inline void release(TaskHeader& task) noexcept {
  if (task.state.release()) {
    task.kind->destroy(task);
  }
}

/// Whether nothing but an abort or a shutdown of a whole task can end the branch's wait early. What
/// an arm, or a cell that is a part of another task, waits for may be dropped because another has
/// won.
inline bool is_spawned_task(const Branch& branch) noexcept {
  const TaskHeader& task = branch.task();
  return &branch == &task.root && task.kind->is_spawned;
}

/// Marks the branch that a word names as woken.
inline void mark_ready(TaskHeader& task, unsigned index) noexcept {
  if (index != 0) {
    // release: pairs with the acquire of the runner that takes the bits.
    task.branches()->ready.fetch_or(std::uint64_t{1} << index, std::memory_order_release);
  }
}

/// Wakes a branch through a pointer that is known to be alive: by the task itself while it runs, or
/// under a lock that the branch's leaf must take before it can go.
inline void wake(const Branch& branch) noexcept {
  TaskHeader& task = branch.task();
  mark_ready(task, branch.index());
  if (task.state.notify()) {
    task.home->schedule(task);
  }
}

/// wake() of a branch of the running task by itself: it only lets others go first, which costs no
/// atomic operation.
inline void yield_turn(const Branch& branch) noexcept {
  TaskHeader& task = branch.task();
  if (const unsigned index = branch.index(); index != 0) {
    BranchSet& branches = *task.branches();
    if (branches.yielding == 0) {
      branches.yielding = static_cast<std::uint8_t>(index);
    } else if (branches.yielding != index) {
      mark_ready(task, index);
    }
  }
  task.want_turn();
}

/// Takes the bits of the branches that were woken since the task last ran. By the runner.
inline void take_ready_bits(TaskHeader& task) noexcept {
  BranchSet* const branches = task.branches();
  if (branches == nullptr || branches->in_use == 1) [[likely]] {
    return;  // there is only the root, which has no bit
  }
  const std::uint64_t yielding =
      branches->yielding == 0 ? 0 : std::uint64_t{1} << branches->yielding;
  branches->yielding = 0;
  // relaxed: a bit that is set at this moment comes with a notification, and so with another run.
  if (branches->ready.load(std::memory_order_relaxed) == 0) {
    branches->ready_taken = yielding;
    return;
  }
  // acquire: pairs with mark_ready().
  branches->ready_taken = branches->ready.exchange(0, std::memory_order_acquire) | yielding;
}

/// The second way: a branch's word together with a reference to its task. Move-only.
class Waker {
 public:
  Waker() = default;
  /// Takes a reference to the branch's task.
  static Waker of(const Branch& branch) noexcept {
    branch.task().state.add_reference();
    return Waker(branch.word);
  }
  /// Takes over what into_word() gave away. 0 makes an empty one.
  static Waker from_word(BranchWord word) noexcept { return Waker(word); }

  Waker(Waker&& other) noexcept : word_(std::exchange(other.word_, 0)) {}
  Waker& operator=(Waker&& other) noexcept {
    std::swap(word_, other.word_);
    return *this;
  }
  ~Waker() {
    if (word_ != 0) {
      release(Branch(word_).task());
    }
  }

  [[nodiscard]] explicit operator bool() const noexcept { return word_ != 0; }
  [[nodiscard]] BranchWord into_word() noexcept { return std::exchange(word_, 0); }

  /// Wakes the branch and gives the reference up.
  void wake() noexcept {
    if (TaskHeader* task = notify()) {
      task->home->schedule(*task);
    }
  }
  /// The same by Schedule::schedule_last().
  void wake_last() noexcept {
    if (TaskHeader* task = notify()) {
      task->home->schedule_last(*task);
    }
  }

 private:
  explicit Waker(BranchWord word) noexcept : word_(word) {}

  /// The task, if it must be scheduled.
  [[nodiscard]] TaskHeader* notify() noexcept {
    if (word_ == 0) {
      return nullptr;
    }
    const Branch branch(std::exchange(word_, 0));
    TaskHeader& task = branch.task();
    mark_ready(task, branch.index());
    bool freed = false;
    const bool must_schedule = task.state.notify_and_release(freed);
    if (freed) {
      task.kind->destroy(task);
    }
    return must_schedule && !freed ? &task : nullptr;
  }

  BranchWord word_ = 0;
};

/// An atomic slot for one Waker: the registration of the second way.
class WakerSlot {
 public:
  WakerSlot() = default;
  WakerSlot(const WakerSlot&) = delete;
  WakerSlot& operator=(const WakerSlot&) = delete;
  ~WakerSlot() { (void)Waker::from_word(slot_.load(std::memory_order_relaxed)); }

  /// Registers, replacing (and releasing) what was there. The caller must look at its condition
  /// once more after it: whoever made it true may have looked into the slot before.
  void set(Waker waker) noexcept {
    // acq_rel: release publishes the reference to take(); acquire owns the replaced one.
    (void)Waker::from_word(slot_.exchange(waker.into_word(), std::memory_order_acq_rel));
  }
  /// Takes the waker out, if there is one. Exactly one side gets it.
  [[nodiscard]] Waker take() noexcept {
    // acq_rel: as in set().
    return Waker::from_word(slot_.exchange(0, std::memory_order_acq_rel));
  }
  /// By who has called set(), when it waits no longer: takes the waker back if nobody else has.
  void reset() noexcept {
    // relaxed: we see our own waker there, or that somebody took it; take() orders the rest.
    if (slot_.load(std::memory_order_relaxed) != 0) {
      (void)take();
    }
  }

 private:
  Atomic<BranchWord> slot_{0};
};

/// Tasks that were notified under a lock, to be pushed to the run queues after it. Chained through
/// the queue link, which belongs to whoever set NOTIFIED. Nothing is allocated.
class WakeList {
 public:
  WakeList() = default;
  WakeList(const WakeList&) = delete;
  WakeList& operator=(const WakeList&) = delete;
  ~WakeList() { schedule_all(); }

  /// Under the lock that keeps the branch alive. True: the task was idle and is this list's now, so
  /// it cannot run before schedule_all(). False: it runs, or may do so at any moment.
  bool add(const Branch& branch) noexcept {
    TaskHeader& task = branch.task();
    mark_ready(task, branch.index());
    if (!task.state.notify()) {
      return false;
    }
    append(task);
    return true;
  }
  /// Aborts a task that a lock keeps alive.
  void add_cancelled(TaskHeader& task) noexcept {
    if (task.state.cancel()) {
      append(task);
    }
  }

  /// The first `most` of those that schedule_all() would schedule.
  template <class Visit>
  void visit_first(std::size_t most, Visit visit) const {
    for (const TaskHeader* task = head_; task != nullptr && most != 0; task = task->queue_next) {
      visit(*task);
      --most;
    }
  }

  /// After the lock was released.
  void schedule_all() noexcept {
    TaskHeader* task = std::exchange(head_, nullptr);
    tail_ = &head_;
    while (task != nullptr) {
      // The task may run and be gone as soon as it is scheduled.
      TaskHeader* next = std::exchange(task->queue_next, nullptr);
      task->home->schedule(*task);
      task = next;
    }
  }

 private:
  void append(TaskHeader& task) noexcept {
    task.queue_next = nullptr;
    *tail_ = &task;
    tail_ = &task.queue_next;
  }

  TaskHeader* head_ = nullptr;
  TaskHeader** tail_ = &head_;
};

}  // namespace ringo::detail
