// SPDX-License-Identifier: MIT
//
// The life of a task in one atomic word. The rules are Tokio's (runtime/task/state.rs); the
// difference is that the run queue owns no reference of its own (see "References").
//
//   bits     RUNNING        somebody holds the task: executes it, or destroys its frames, or has
//                           put it into a run queue, and passes it on with its place there
//            COMPLETE       the body has ended, its frames are gone, the output is in the cell
//            NOTIFIED       it was woken while somebody held it: it runs once more
//            JOIN_INTEREST  the JoinHandle exists
//            JOIN_WAKER     somebody has registered in the cell's join slot
//            JOIN_MOVED     and has unregistered again, before COMPLETE
//            CANCELLED      the next holder of RUNNING destroys the frames instead of resuming
//   the rest: references
//
//            notify()            start_running()
//   idle ──────────────▶ RUNNING ────────────────▶ RUNNING ──complete()──▶ COMPLETE
//    ▲                  (queued)                    │ ▲ │
//    │                     ▲                        │ └─┘  a new task, and one that yields: pushed
//    │                     └─ stop_running() == true┤      without a change of the word
//    ├────────────────────── stop_running() == false┘
//    │                                              ▲
//    └───────────────── try_freeze() ───────────────┘      to be looked at, not to be run
//
// (stop_running() == true: it was notified meanwhile, and is pushed again. Then it is queued with
// NOTIFIED instead of RUNNING, which saves stop_running() a loop; start_running() exchanges them.)
//
// Invariants
//   T1  Whoever finds a task idle and notifies it holds RUNNING and puts it into a run queue, once.
//   T2  Only the holder of RUNNING touches the frames; COMPLETE is set only by that holder.
//   T3  COMPLETE is final: a notification after it changes nothing.
//   T4  The holder of RUNNING may push the task as it is, once; whoever pops it holds RUNNING then.
//       Wakers see RUNNING and push nothing. A notification that comes while it is queued is taken
//       back by start_running(): the run that begins sees all that was done before it.
//   T5  The waker in the join slot is the completer's if COMPLETE was set while JOIN_WAKER was and
//       JOIN_MOVED was not: the slot has not changed since it was filled, so it may be read before
//       COMPLETE is set, and is not cleared. With JOIN_MOVED it is whose exchange gets it.
//   T6  A frozen task is as it was when it became idle: who froze it only reads, and ends it with
//       stop_running(), as who has run it does.
// References
//   One for "not complete yet" (the life reference, dropped by who completes the task; hence a
//   queued or idle task is always alive), one for the JoinHandle, one per AbortHandle and one per
//   waker that a lock-free primitive holds. The last one to go frees the cell.

#pragma once

#include <ringo/detail/assert.h>
#include <ringo/detail/atomic.h>

#include <cstdint>

namespace ringo::detail {

class TaskState {
 public:
  using Word = std::uint64_t;
  static constexpr Word kRunning = 1;
  static constexpr Word kComplete = 2;
  static constexpr Word kNotified = 4;
  static constexpr Word kJoinInterest = 8;
  static constexpr Word kJoinWaker = 16;
  static constexpr Word kCancelled = 32;
  static constexpr Word kJoinMoved = 64;
  static constexpr Word kReference = 128;

  /// A task that is about to be put into a queue by its creator (T4).
  static constexpr Word kSpawnedWithHandle = kRunning | kJoinInterest | 2 * kReference;
  /// A task that nothing has scheduled yet.
  static constexpr Word kIdleWithHandle = kJoinInterest | 2 * kReference;

  explicit TaskState(Word initial) : word_(initial) {}

  /// Notes that the task should run. True: it was idle, and the caller must put it into a queue.
  [[nodiscard]] bool notify() { return notify_with(0); }

  /// notify() by the owner of a reference, which is given up with it. `freed` is set if it was the
  /// last (then the task is complete and the caller frees the cell).
  [[nodiscard]] bool notify_and_release(bool& freed) {
    Word old = word_.load(std::memory_order_relaxed);
    // acq_rel: release hands what the waker wrote to start_running(); acquire for the one who frees
    // the cell after the last release.
    while (!word_.compare_exchange_weak(old, notified(old) - kReference, std::memory_order_acq_rel,
                                        std::memory_order_relaxed)) {
    }
    freed = old / kReference == 1;
    return is_idle(old);
  }

  /// Asks for the task's end. True as for notify().
  [[nodiscard]] bool cancel() { return notify_with(kCancelled); }

  /// By who took the task out of a queue. True: it has been cancelled.
  [[nodiscard]] bool start_running() {
    // acquire, here and below: pairs with the release of every notify(), so that the leaf sees why
    // it was woken, and with stop_running() on the worker that ran the task before.
    Word queued = word_.load(std::memory_order_acquire);
    if ((queued & (kRunning | kNotified)) != kRunning) [[unlikely]] {
      queued = word_.fetch_sub((queued & kRunning) != 0 ? kNotified : kNotified - kRunning,
                               std::memory_order_acquire);
    }
    RINGO_DCHECK((queued & (kRunning | kNotified)) != 0, "a task that was not queued was run");
    RINGO_DCHECK((queued & kComplete) == 0, "a task that has ended was run");
    return (queued & kCancelled) != 0;
  }

  /// By who keeps the cell alive and wants to look at the frames of a task that waits: takes
  /// RUNNING of an idle task. stop_running() gives it back. False: the task runs, is queued, or has
  /// ended.
  [[nodiscard]] bool try_freeze() {
    Word old = word_.load(std::memory_order_relaxed);  // the compare-and-swap decides
    while (is_idle(old)) {
      // acquire: pairs with stop_running() on the worker that ran it before.
      if (word_.compare_exchange_weak(old, old | kRunning, std::memory_order_acquire,
                                      std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }

  /// By the holder of RUNNING, whose task has suspended. True: it was notified meanwhile and the
  /// caller must put it into a queue again.
  [[nodiscard]] bool stop_running() {
    // release: publishes the frames to the next start_running(). acquire: the wake that set
    // NOTIFIED is passed on with the push.
    const Word old = word_.fetch_sub(kRunning, std::memory_order_acq_rel);
    RINGO_DCHECK((old & kRunning) != 0, "RUNNING was given up by who did not hold it");
    return (old & kNotified) != 0;
  }

  struct Completed {
    bool has_join_waker;     ///< a joiner may be in the join slot and must be woken
    bool has_join_interest;  ///< the output is the JoinHandle's; else the caller destroys it
  };
  /// By the holder of RUNNING, after the frames are gone and the output is stored. The life
  /// reference stays with the caller.
  [[nodiscard]] Completed complete() {
    // release: publishes the output to is_complete(); acquire: pairs with add_join_waker(), so that
    // the registered waker is visible.
    const Word old = word_.fetch_add(kComplete - kRunning, std::memory_order_acq_rel);
    return {(old & kJoinWaker) != 0, (old & kJoinInterest) != 0};
  }

  /// complete() and release() of the life reference in one step, for when there is little to do.
  /// False: there is more (JOIN_MOVED; or nobody will take the output, and others keep the cell),
  /// nothing was done. `freed` as in notify_and_release(); `waker` is what was in the join slot if
  /// a joiner is to be woken, else 0.
  [[nodiscard]] bool try_complete_and_release(const Atomic<Word>& join_slot, Word& waker,
                                              bool& freed) {
    // acquire: pairs with add_join_waker(), so that the waker is visible in the slot.
    Word old = word_.load(std::memory_order_acquire);
    if ((old & (kJoinInterest | kJoinWaker)) == 0 && old / kReference == 1) {
      // Without a handle and another reference nobody looks at the word any more.
      waker = 0;
      freed = true;
      return true;
    }
    do {
      const bool is_output_wanted = (old & kJoinInterest) != 0;
      const bool has_waker = (old & kJoinWaker) != 0;
      if (has_waker ? !is_output_wanted || (old & kJoinMoved) != 0
                    : !is_output_wanted && old / kReference != 1) {
        return false;
      }
      waker = has_waker ? join_slot.load(std::memory_order_relaxed) : 0;  // T5
      // acq_rel: as in complete(); acquire: as above.
    } while (!word_.compare_exchange_weak(old, old + kComplete - kRunning - kReference,
                                          std::memory_order_acq_rel, std::memory_order_acquire));
    freed = old / kReference == 1;
    return true;
  }

  [[nodiscard]] bool is_complete() const {
    // acquire: pairs with complete(); the output may be read after it.
    return (word_.load(std::memory_order_acquire) & kComplete) != 0;
  }

  [[nodiscard]] bool is_running() const {
    return (word_.load(std::memory_order_relaxed) & kRunning) != 0;
  }

  [[nodiscard]] bool is_cancelled() const {
    return (word_.load(std::memory_order_relaxed) & kCancelled) != 0;
  }

  /// By the joiner, after it stored its waker in the join slot. True: the task is complete already.
  [[nodiscard]] bool add_join_waker() {
    // release: the waker in the slot is visible to complete(); acquire: the output is to us.
    return (word_.fetch_or(kJoinWaker, std::memory_order_acq_rel) & kComplete) != 0;
  }

  /// By a joiner that has registered and waits no more, or registers anew. True: the waker is to be
  /// taken out of the slot, by exchange. False: it is the completer's (T5).
  [[nodiscard]] bool remove_join_waker() {
    Word old = word_.load(std::memory_order_acquire);
    while ((old & kComplete) == 0) {
      // acq_rel: a completer that sees it goes by exchange, and so do we. Not set after COMPLETE:
      // the waker that the completer has got would seem to be in the slot still.
      if (word_.compare_exchange_weak(old, old | kJoinMoved, std::memory_order_acq_rel,
                                      std::memory_order_acquire)) {
        return true;
      }
    }
    return (old & kJoinMoved) != 0;
  }

  /// By the JoinHandle's destructor. True: the task is complete, so the output is the caller's to
  /// destroy, after which it release()s. False: done, and `freed` as in notify_and_release().
  [[nodiscard]] bool drop_join_interest(bool& freed) {
    Word old = word_.load(std::memory_order_acquire);
    do {
      if ((old & kComplete) != 0) {
        freed = false;
        return true;
      }
      // acq_rel, acquire: the output and the frames' memory may be ours to free.
    } while (!word_.compare_exchange_weak(old, old - kJoinInterest - kReference,
                                          std::memory_order_acq_rel, std::memory_order_acquire));
    freed = old / kReference == 1;
    return false;
  }

  /// drop_join_interest() where only the calling thread can reach the task: it is new, and has not
  /// left that thread's LIFO slot. False: it is not new, nothing was done.
  [[nodiscard]] bool try_drop_join_interest_unshared() {
    if (word_.load(std::memory_order_relaxed) != kSpawnedWithHandle) {
      return false;
    }
    // relaxed: others learn of the task by way of a queue.
    word_.store(kSpawnedWithHandle - kJoinInterest - kReference, std::memory_order_relaxed);
    return true;
  }

  void add_reference() {
    // relaxed: a new reference is made from an existing one, which keeps the cell alive.
    word_.fetch_add(kReference, std::memory_order_relaxed);
  }

  /// True: it was the last one, and the caller frees the cell.
  [[nodiscard]] bool release() {
    // acquire: pairs with the other owners' release. Where ours is the only reference nobody can
    // make another.
    if (word_.load(std::memory_order_acquire) / kReference == 1) {
      return true;
    }
    // acq_rel: all uses of the cell happen before it is freed.
    const Word old = word_.fetch_sub(kReference, std::memory_order_acq_rel);
    RINGO_DCHECK(old / kReference != 0, "a reference to a task was given up twice");
    return old / kReference == 1;
  }

 private:
  [[nodiscard]] static bool is_idle(Word word) {
    return (word & (kRunning | kComplete | kNotified)) == 0;
  }
  /// Who finds it idle holds it from then on; else the holder is told.
  [[nodiscard]] static Word notified(Word word) {
    return word | (is_idle(word) ? kRunning : kNotified);
  }

  bool notify_with(Word bits) {
    Word old = word_.load(std::memory_order_relaxed);  // the compare-and-swap decides
    // acq_rel: release hands what the waker did to start_running(), also where nothing changes;
    // acquire keeps a chain of wakers in order (the one who pushes has seen what all of them did).
    while (!word_.compare_exchange_weak(old, notified(old) | bits, std::memory_order_acq_rel,
                                        std::memory_order_relaxed)) {
    }
    return is_idle(old);
  }

  Atomic<Word> word_;
};

}  // namespace ringo::detail
