// SPDX-License-Identifier: MIT
//
// The state word of a task that yields once: a runner, a lock-free waker, and a JoinHandle that is
// joined (perhaps after a wait that was given up, or after a look at the frozen task), aborted or
// dropped. The task is in a queue at most once, no wake is lost, the frame is touched by the holder
// of RUNNING only, the output is destroyed exactly once, the cell freed exactly once, and each
// joiner's waker used up exactly once.
//
// twin: RINGO_TWIN_RELAXED
// twin: RINGO_TWIN_IGNORE_NOTIFIED
// twin: RINGO_TWIN_NO_LOOK_AFTER_REGISTERING
// twin: RINGO_TWIN_OUTPUT_LEFT
// twin: RINGO_TWIN_YIELD_LETS_GO
// twin: RINGO_TWIN_SILENT_MOVE
// twin: RINGO_TWIN_FREEZE_LOSES_WAKE
// twin: RINGO_TWIN_FREEZE_RUNNING

#ifdef RINGO_TWIN_RELAXED
#define RINGO_MODEL_WEAKEN(order) true
#endif

#include <ringo/detail/task_state.h>

#include <array>

#include "model/model.h"

namespace ringo::detail {

void check_failed(const char* /*condition*/, const char* message, const char* /*file*/,
                  int /*line*/) noexcept {
  RL_ASSERT(!message);
  std::abort();
}

namespace {

struct TaskStateModel : rl::test_suite<TaskStateModel, 3> {
  // References: life, handle, and the waker's.
  TaskState state{TaskState::kSpawnedWithHandle + TaskState::kReference};
  Atomic<int> queued{1};
  Atomic<int> is_ready{0};               // what the leaf waits for
  Atomic<TaskState::Word> join_slot{0};  // the number of the joiner's waker that is in it
  Atomic<TaskState::Word> joiner_woken{0};
  std::array<Plain<int>, 3> wakers;  // 1: is registered or being used
  TaskState::Word registrations = 0;
  Plain<int> frame{0};
  Plain<int> output{0};  // 1: there is one
  int outputs_made = 0;
  int outputs_destroyed = 0;
  int freed = 0;
  int choice = 0;

  void before() { choice = static_cast<int>(rl::rand(8)); }

  void push() { RL_ASSERT(queued.exchange(1, std::memory_order_acq_rel) == 0); }
  void free_cell() {
    RL_ASSERT(++freed == 1);
    drop_output();
  }
  void drop_output() {
    if (output.get() == 1) {
      output.set(0);
      ++outputs_destroyed;
    }
  }

  void use_up(TaskState::Word waker) {
    RL_ASSERT(wakers[waker].get() == 1);
    wakers[waker].set(0);
  }
  void wake_joiner(TaskState::Word waker) {
    if (waker != 0) {
      use_up(waker);
      joiner_woken.store(waker, std::memory_order_release);
    }
  }

  void complete() {
    bool is_last = false;
    TaskState::Word waker = 0;
    if (state.try_complete_and_release(join_slot, waker, is_last)) {
      wake_joiner(waker);
      if (is_last) {
        free_cell();
      }
      return;
    }
    const TaskState::Completed completed = state.complete();
    if (!completed.has_join_interest) {
#ifndef RINGO_TWIN_OUTPUT_LEFT
      drop_output();
#endif
    }
    if (completed.has_join_waker) {
      wake_joiner(join_slot.exchange(0, std::memory_order_acq_rel));
    }
#ifdef RINGO_TWIN_OUTPUT_LEFT
    if (!completed.has_join_interest) {
      // The handle went meanwhile, and another reference keeps the cell, and with it the output.
      RL_ASSERT(output.get() == 0);
    }
#endif
    if (state.release()) {
      free_cell();
    }
  }

  void runner() {
    bool has_yielded = false;
    for (;;) {
      if (queued.exchange(0, std::memory_order_acq_rel) == 0) {
        rl::yield(1, $);
        continue;
      }
      const bool is_cancelled = state.start_running();
      frame.set(frame.get() + 1);
      if (is_cancelled) {
        complete();
        return;
      }
      if (is_ready.load(std::memory_order_relaxed) == 1) {
        output.set(1);
        ++outputs_made;
        complete();
        return;
      }
      if (!has_yielded) {
        has_yielded = true;
#ifdef RINGO_TWIN_YIELD_LETS_GO
        (void)state.stop_running();
#endif
        push();
        continue;
      }
      if (state.stop_running()) {
#ifndef RINGO_TWIN_IGNORE_NOTIFIED
        push();
#endif
      }
    }
  }

  void waker() {
    // relaxed: the state word carries it to the runner.
    is_ready.store(1, std::memory_order_relaxed);
    bool is_last = false;
    const bool must_push = state.notify_and_release(is_last);
    if (is_last) {
      free_cell();
    } else if (must_push) {
      push();
    }
  }

  void take_waker() {
    if (const TaskState::Word waker = join_slot.exchange(0, std::memory_order_acq_rel);
        waker != 0) {
      use_up(waker);
    }
  }
  /// False: the task is complete already.
  bool begin_join() {
    const TaskState::Word waker = ++registrations;
    wakers[waker].set(1);
    join_slot.store(waker, std::memory_order_release);
    if (state.add_join_waker()) {
      take_waker();
#ifndef RINGO_TWIN_NO_LOOK_AFTER_REGISTERING
      return false;
#endif
    }
    return true;
  }
  void end_join() {
#ifdef RINGO_TWIN_SILENT_MOVE
    if (!state.is_complete()) {
      take_waker();
    }
#else
    if (state.remove_join_waker()) {
      take_waker();
    } else {
      RL_ASSERT(!state.remove_join_waker());  // the completer's it stays
    }
#endif
  }
  void join() {
    if (begin_join()) {
      // What is left of an earlier wait may wake it, too.
      while (joiner_woken.load(std::memory_order_acquire) != registrations) {
        rl::yield(1, $);
      }
      end_join();
    }
    RL_ASSERT(state.is_complete());
    drop_output();  // takes it
  }

  /// What a task dump does, which keeps the cell alive.
  void look() {
#ifdef RINGO_TWIN_FREEZE_RUNNING
    (void)state.try_freeze();
    (void)frame.get();
#else
    if (!state.try_freeze()) {
      return;
    }
    (void)frame.get();
    if (state.stop_running()) {
#ifndef RINGO_TWIN_FREEZE_LOSES_WAKE
      push();
#endif
    }
#endif
  }

  void handle() {
    if (choice >= 6) {
      look();
    }
    if ((choice == 4 || choice == 5) && begin_join()) {
      end_join();  // a wait that is given up
    }
    if (choice == 0 || choice == 4 || choice == 6) {
      join();
    } else if (choice == 1) {
      if (state.cancel()) {
        push();
      }
      join();
    } else if (choice == 2) {
      if (state.cancel()) {
        push();
      }
    }
    bool is_last = false;
    if (state.drop_join_interest(is_last)) {
      drop_output();
      is_last = state.release();
    }
    if (is_last) {
      free_cell();
    }
  }

  void thread(unsigned index) {
    if (index == 0) {
      runner();
    } else if (index == 1) {
      waker();
    } else {
      handle();
    }
  }

  void after() {
    RL_ASSERT(freed == 1);
    RL_ASSERT(outputs_made == outputs_destroyed);
    for (const Plain<int>& waker : wakers) {
      RL_ASSERT(waker.get() == 0);
    }
    RL_ASSERT(choice == 1 || choice == 2 || outputs_made == 1);
  }
};

}  // namespace
}  // namespace ringo::detail

int main() {
  return ringo::model::run<ringo::detail::TaskStateModel>(200'000, 2);
}
