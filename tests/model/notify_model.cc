// SPDX-License-Identifier: MIT
//
// Notify's word, queue and lock: a notification is lost neither to a waiter that leaves nor to one
// that only comes; notify_waiters() reaches whoever was there before; and who was notified may
// destroy the Notify at once. A waiter that hears nothing is a deadlock to relacy.
//
// twin: RINGO_TWIN_RELAXED
// twin: RINGO_TWIN_NOT_PASSED_ON
// twin: RINGO_TWIN_LATE_GENERATION
// twin: RINGO_TWIN_NO_LAST_LOOK

#ifdef RINGO_TWIN_RELAXED
// Then nobody sees what the notifier did before, nor the queue as the lock left it.
#define RINGO_MODEL_WEAKEN(order) \
  ((order) == std::memory_order_release || (order) == std::memory_order_acq_rel)
#endif

#include <ringo/detail/notify_core.h>
#include <ringo/detail/task_core.h>

#include <cstddef>
#include <cstring>
#include <memory>
#include <ostream>

#include "model/model.h"
#include "model/model_task.h"
// One translation unit: the source under test is a part of it.
#include "sync/notify_core.cc"  // NOLINT(bugprone-suspicious-include)

namespace ringo::detail {

/// For relacy's histories.
inline std::ostream& operator<<(std::ostream& out, Notification notification) {
  return out << static_cast<int>(notification);
}

namespace {

using model::ModelTask;

/// Waits in the core to the end. The look before sleeping is what a task does that runs for
/// another reason.
void wait_for_notification(NotifyCore& core, ModelTask& task, std::uint64_t generation) {
  NotifyWaiter waiter;
  if (core.take_or_wait(waiter, &task.branch(), generation) != Notification::kNone) {
    return;
  }
  if (core.look(waiter) != Notification::kNone) {
    return;
  }
  do {
    task.sleep();
  } while (core.look(waiter) == Notification::kNone);
}

/// One stays, one joins the queue and leaves it; one notify_one() is enough for the first.
struct PassOnModel : rl::test_suite<PassOnModel, 3> {
  NotifyCore core;
  ModelTask stays;
  ModelTask leaves;
  Plain<int> data;

  void before() {
    stays.open();
    leaves.open();
  }
  void after() {
    stays.close();
    leaves.close();
  }

  void thread(unsigned index) {
    if (index == 0) {
      data.set(1);
      core.notify(Notification::kOne);
    } else if (index == 1) {
      wait_for_notification(core, stays, core.generation());
      RL_ASSERT(data.get() == 1);
    } else {
      NotifyWaiter waiter;
      Notification outcome = core.take_or_wait(waiter, &leaves.branch(), core.generation());
      if (outcome == Notification::kNone) {
        outcome = core.stop_waiting(waiter);
      }
      if (outcome == Notification::kOne) {
#ifndef RINGO_TWIN_NOT_PASSED_ON
        core.notify(outcome);
#endif
      }
    }
  }
};

/// Two that look at a flag after they have begun to wait, and one that sets it and notifies all.
struct AllModel : rl::test_suite<AllModel, 3> {
  NotifyCore core;
  ModelTask tasks[2];
  Atomic<int> flag{0};

  void before() {
    for (ModelTask& task : tasks) {
      task.open();
    }
  }
  void after() {
    for (ModelTask& task : tasks) {
      task.close();
    }
  }

  void thread(unsigned index) {
    if (index == 2) {
      flag.store(1, std::memory_order_relaxed);
      core.notify_waiters();
      return;
    }
#ifdef RINGO_TWIN_LATE_GENERATION
    if (flag.load(std::memory_order_relaxed) == 1) {
      return;
    }
    const std::uint64_t generation = core.generation();
#else
    const std::uint64_t generation = core.generation();
    if (flag.load(std::memory_order_relaxed) == 1) {
      return;
    }
#endif
    wait_for_notification(core, tasks[index], generation);
    RL_ASSERT(flag.load(std::memory_order_relaxed) == 1);
  }
};

/// The waiter frees the core, and itself, as soon as it is told.
struct DestroyModel : rl::test_suite<DestroyModel, 2> {
  alignas(NotifyCore) std::byte memory[sizeof(NotifyCore)];
  NotifyCore* core = nullptr;
  ModelTask task;
  bool is_for_all = false;

  void before() {
    task.open();
    core = std::construct_at(reinterpret_cast<NotifyCore*>(memory));
    is_for_all = rl::rand(2) == 0;
  }
  void after() { task.close(); }

  void thread(unsigned index) {
    if (index == 0) {
      if (is_for_all) {
        core->notify_waiters();
      } else {
        core->notify(Notification::kOne);
      }
      return;
    }
    auto* waiter = new NotifyWaiter();
    // Generation 0: it began to wait before the call.
    if (core->take_or_wait(*waiter, &task.branch(), 0) == Notification::kNone) {
      bool must_sleep = false;
      for (;;) {
#ifdef RINGO_TWIN_NO_LAST_LOOK
        const Notification seen = waiter->notification.load(std::memory_order_acquire);
#else
        const Notification seen = core->look(*waiter);
#endif
        if (seen != Notification::kNone) {
          break;
        }
        if (must_sleep) {
          task.sleep();
        }
        must_sleep = true;
      }
    }
    delete waiter;
    std::destroy_at(core);
    std::memset(memory, 0, sizeof(memory));  // what is used after its end is seen by relacy
  }
};

}  // namespace
}  // namespace ringo::detail

int main() {
  using namespace ringo::detail;
  if (const int failed = ringo::model::run<PassOnModel>(200'000, 0); failed != 0) {
    return failed;
  }
  if (const int failed = ringo::model::run<AllModel>(200'000, 0); failed != 0) {
    return failed;
  }
  return ringo::model::run<DestroyModel>(100'000, 2);
}
