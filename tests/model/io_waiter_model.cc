// SPDX-License-Identifier: MIT
//
// A wait for an event of a source: whoever waits is woken, whoever leaves is not touched any more,
// and who finds that the event has unlinked it may go without the lock.
//
// twin: RINGO_TWIN_RELAXED
// twin: RINGO_TWIN_MARKED_BEFORE_THE_WAKE

#ifdef RINGO_TWIN_RELAXED
#define RINGO_MODEL_WEAKEN(order) ((order) == std::memory_order_release)
#endif

#include <ringo/detail/intrusive_list.h>
#include <ringo/detail/io_waiter.h>
#include <ringo/detail/mutex.h>
#include <ringo/detail/task_core.h>

#include "model/model.h"
#include "model/model_task.h"

namespace ringo::detail {
namespace {

using model::ModelTask;

/// What Source does with its list, its lock and a bit of readiness. Thread 0 is the driver, with
/// one event; the others wait for it, or look in and leave.
struct IoWaiterModel : rl::test_suite<IoWaiterModel, 3> {
  Mutex mutex;
  IntrusiveList<IoWaiter> waiters;
  bool is_ready = false;  // under the lock
  ModelTask tasks[2];
  /// Touched by whoever touches the frame that a waiter lies in.
  Plain<int> frames[2];
  IoWaiter* enlisted[2] = {};
  bool leaves[2] = {};

  void before() {
    for (ModelTask& task : tasks) {
      task.open();
    }
    for (bool& one : leaves) {
      one = rl::rand(2) == 0;
    }
  }
  void after() {
    RL_ASSERT(waiters.empty());
    for (ModelTask& task : tasks) {
      task.close();
    }
  }

  Plain<int>& frame_of(const IoWaiter& waiter) { return frames[&waiter == enlisted[0] ? 0 : 1]; }

  void on_event() {
    WakeList woken;
    {
      const MutexGuard guard(mutex);
      is_ready = true;
      while (IoWaiter* waiter = waiters.pop_front()) {
        Plain<int>& frame = frame_of(*waiter);
        frame.set(1);  // its links
#ifdef RINGO_TWIN_MARKED_BEFORE_THE_WAKE
        waiter->give_up();
        frame.set(1);
#else
        waiter->wake(woken);
#endif
      }
    }
    woken.schedule_all();
  }

  [[nodiscard]] bool enlist(IoWaiter& waiter, unsigned which) {
    const MutexGuard guard(mutex);
    if (is_ready) {
      return false;
    }
    enlisted[which] = &waiter;
    waiter.link_as(tasks[which].branch());
    waiters.push_back(waiter);
    frames[which].set(2);
    return true;
  }
  void unlist(IoWaiter& waiter) {
    if (waiter.may_be_linked()) {
      const MutexGuard guard(mutex);
      if (waiter.is_linked()) {
        waiters.remove(waiter);
        waiter.give_up();
      }
    }
  }

  void wait(unsigned which) {
    IoWaiter waiter;
    if (enlist(waiter, which) && !leaves[which]) {
      tasks[which].sleep();
    }
    unlist(waiter);        // as the awaiter's destructor
    frames[which].set(3);  // the frame is used for something else
  }

  void thread(unsigned index) {
    if (index == 0) {
      on_event();
    } else {
      wait(index - 1);
    }
  }
};

}  // namespace
}  // namespace ringo::detail

int main() {
  return ringo::model::run<ringo::detail::IoWaiterModel>(200'000, 0);
}
