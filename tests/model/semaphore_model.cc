// SPDX-License-Identifier: MIT
//
// The semaphore's core: one permit excludes, and is handed over; a waiter that leaves passes on
// what it was granted; closing fails who waits; and who was granted permits may destroy semaphore
// and waiter at once, although it may look at any time (S4). A waiter that hears nothing is a
// deadlock to relacy.
//
// twin: RINGO_TWIN_RELAXED
// twin: RINGO_TWIN_NOT_PASSED_ON
// twin: RINGO_TWIN_LOOKS_WHILE_IDLE
// twin: RINGO_TWIN_LOOKS_WITHOUT_LOCK

#ifdef RINGO_TWIN_RELAXED
// Then the next holder does not see what the last one did.
#define RINGO_MODEL_WEAKEN(order) \
  ((order) == std::memory_order_release || (order) == std::memory_order_acq_rel)
#endif

#include <ringo/detail/semaphore_core.h>
#include <ringo/detail/task_core.h>

#include <cstddef>
#include <cstring>
#include <memory>
#include <source_location>

#include "model/model.h"
#include "model/model_task.h"
// One translation unit: the source under test is a part of it.
#include "sync/semaphore_core.cc"  // NOLINT(bugprone-suspicious-include)

namespace ringo::detail {
namespace {

using Try = SemaphoreCore::Try;

/// A task that runs until it suspends, so that wakers find it running, queued or idle. Its run
/// queue is a semaphore on which the model's thread sleeps.
class RunningTask final : public Schedule {
 public:
  void open() {
    rl::rl_sem_init(&queue_, 0, 0, $);
    header_ = new model::ModelCell(kInitial, kNoKind, this, std::source_location::current());
  }
  void close() {
    RL_ASSERT(!header_->state.release());
    RL_ASSERT(header_->state.release());
    delete header_;
    rl::rl_sem_destroy(&queue_, $);
  }

  void schedule(TaskHeader& /*task*/) noexcept override { rl::rl_sem_post(&queue_, $); }
  [[nodiscard]] Branch& branch() noexcept { return header_->root; }

  void suspend() {
#ifdef RINGO_TWIN_LOOKS_WHILE_IDLE
    wait_in_queue();
    (void)header_->state.start_running();
    (void)header_->state.stop_running();
#else
    if (!header_->state.stop_running()) {
      wait_in_queue();
    }
    (void)header_->state.start_running();
#endif
  }

 private:
  static constexpr TaskKind kNoKind{nullptr, nullptr, nullptr, nullptr};
#ifdef RINGO_TWIN_LOOKS_WHILE_IDLE
  // A waker takes it for suspended all the time, also while it looks.
  static constexpr TaskState::Word kInitial = TaskState::kIdleWithHandle;
#else
  static constexpr TaskState::Word kInitial = TaskState::kSpawnedWithHandle;  // it runs
#endif

  void wait_in_queue() {
    while (rl::rl_sem_wait(&queue_, $) != 0) {
      // interrupted for nothing, as real ones are
    }
  }

  rl::rl_sem_t queue_;
  model::ModelCell* header_ = nullptr;
};

/// What a task sees when it looks at its waiter.
bool is_waiting(SemaphoreCore& core, SemaphoreWaiter& waiter) {
#ifdef RINGO_TWIN_LOOKS_WITHOUT_LOCK
  (void)core;
  return !waiter.is_granted.get();
#else
  return core.is_waiting(waiter);
#endif
}

/// Waits to the end. True: the permits are ours. The first look, before suspending, is what a task
/// does that was woken for another reason.
bool acquire(SemaphoreCore& core, RunningTask& task, SemaphoreWaiter& waiter, std::size_t count) {
  const Try first = core.acquire_or_wait(waiter, task.branch(), count);
  if (first != Try::kNoPermits) {
    return first == Try::kAcquired;
  }
  while (is_waiting(core, waiter)) {
    task.suspend();
  }
  return waiter.is_granted.get();
}

/// Two tasks hold the one permit in turn; a third joins the queue and leaves it.
struct HandOverModel : rl::test_suite<HandOverModel, 3> {
  SemaphoreCore core{1};
  RunningTask tasks[3];
  Plain<int> data;

  void before() {
    for (RunningTask& task : tasks) {
      task.open();
    }
  }
  void after() {
    RL_ASSERT(core.available() == 1);
    RL_ASSERT(data.get() == 2);
    for (RunningTask& task : tasks) {
      task.close();
    }
  }

  void thread(unsigned index) {
    RunningTask& task = tasks[index];
    SemaphoreWaiter waiter;
    if (index == 2) {
      const Try outcome = core.acquire_or_wait(waiter, task.branch(), 1);
      if (outcome == Try::kAcquired) {
        core.release(1);
        return;
      }
#ifdef RINGO_TWIN_NOT_PASSED_ON
      if (!core.is_waiting(waiter)) {
        return;  // it leaves with what it was granted
      }
#endif
      core.stop_waiting(waiter);
      return;
    }
    if (core.try_acquire(1) != Try::kAcquired) {
      RL_ASSERT(acquire(core, task, waiter, 1));
    }
    data.set(data.get() + 1);
    core.release(1);
  }
};

/// One waits for two permits, one for one; a permit is given back, and the semaphore closed.
struct CloseModel : rl::test_suite<CloseModel, 3> {
  SemaphoreCore core{1};
  RunningTask big;
  RunningTask small;
  std::size_t taken[2] = {0, 0};

  void before() {
    big.open();
    small.open();
  }
  void after() {
    RL_ASSERT(core.available() + taken[0] + taken[1] == 2);
    RL_ASSERT(core.is_closed());
    big.close();
    small.close();
  }

  void thread(unsigned index) {
    if (index == 0) {
      RL_ASSERT(core.try_release(1));
      core.close();
      return;
    }
    SemaphoreWaiter waiter;
    const std::size_t count = index == 1 ? 2 : 1;
    if (acquire(core, index == 1 ? big : small, waiter, count)) {
      taken[index - 1] = count;
    }
  }
};

/// A semaphore as a signal: the waiter frees it, and itself, as soon as it has its permit.
struct DestroyModel : rl::test_suite<DestroyModel, 2> {
  alignas(SemaphoreCore) std::byte memory[sizeof(SemaphoreCore)];
  SemaphoreCore* core = nullptr;
  RunningTask task;

  void before() {
    task.open();
    core = std::construct_at(reinterpret_cast<SemaphoreCore*>(memory), 0);
  }
  void after() { task.close(); }

  void thread(unsigned index) {
    if (index == 0) {
      core->release(1);
      return;
    }
    auto* waiter = new SemaphoreWaiter();
    RL_ASSERT(acquire(*core, task, *waiter, 1));
    delete waiter;
    std::destroy_at(core);
    std::memset(memory, 0, sizeof(memory));  // what is used after its end is seen by relacy
  }
};

}  // namespace
}  // namespace ringo::detail

int main() {
  using namespace ringo::detail;
  if (const int failed = ringo::model::run<HandOverModel>(200'000, 0); failed != 0) {
    return failed;
  }
  if (const int failed = ringo::model::run<CloseModel>(200'000, 0); failed != 0) {
    return failed;
  }
  return ringo::model::run<DestroyModel>(100'000, 2);
}
