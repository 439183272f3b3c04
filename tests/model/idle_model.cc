// SPDX-License-Identifier: MIT
//
// The wake-up handshake: Idle and ParkToken together, two workers that sleep when there is nothing
// to do and a producer from outside. A task that was pushed is run: no execution ends in all of
// them asleep (relacy reports that as a deadlock).
//
// twin: RINGO_TWIN_RELAXED
// twin: RINGO_TWIN_NO_LAST_LOOK
// twin: RINGO_TWIN_POLL_TAKES_TOKEN

#ifdef RINGO_TWIN_RELAXED
// W4: without a barrier on both sides each may look before the other's store is visible.
#define RINGO_MODEL_WEAKEN(order) ((order) == std::memory_order_seq_cst)
#endif

#include "model/model.h"
#include "ring/park_token.h"
#include "scheduler/idle.h"

namespace ringo::detail {
namespace {

struct IdleModel : rl::test_suite<IdleModel, 3> {
  static constexpr int kTasks = 2;
  static constexpr std::uint32_t kWorkers = 2;

  Idle idle{kWorkers};
  Mutex queue_mutex;
  Atomic<int> queue_length{0};  // as in InjectionQueue: written under the lock, read without
  Atomic<int> tasks_left{kTasks};
  ParkToken token[kWorkers];
  rl::rl_sem_t sleep[kWorkers];

  void before() {
    for (rl::rl_sem_t& semaphore : sleep) {
      rl::rl_sem_init(&semaphore, 0, 0, $);
    }
  }
  void after() {
    for (rl::rl_sem_t& semaphore : sleep) {
      rl::rl_sem_destroy(&semaphore, $);
    }
    RL_ASSERT(tasks_left.load(std::memory_order_relaxed) == 0);
  }

  void unpark(std::uint32_t worker) {
    if (token[worker].unpark()) {
      rl::rl_sem_post(&sleep[worker], $);
    }
  }
  void notify_one() {
    if (const std::optional<std::uint32_t> worker = idle.worker_to_wake()) {
      unpark(*worker);
    }
  }
  void push() {
    {
      const MutexGuard guard(queue_mutex);
      queue_length.store(queue_length.load(std::memory_order_relaxed) + 1,
                         std::memory_order_relaxed);
    }
    notify_one();
  }
  bool pop() {
    if (queue_length.load(std::memory_order_relaxed) == 0) {
      return false;
    }
    const MutexGuard guard(queue_mutex);
    const int length = queue_length.load(std::memory_order_relaxed);
    if (length == 0) {
      return false;
    }
    queue_length.store(length - 1, std::memory_order_relaxed);
    return true;
  }
  /// True: all tasks have been run.
  bool run_task() {
    if (tasks_left.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      unpark(0);
      unpark(1);
    }
    return is_done();
  }
  bool is_done() { return tasks_left.load(std::memory_order_acquire) == 0; }

  void park(std::uint32_t own) {
    if (token[own].begin_park()) {
      rl::rl_sem_wait(&sleep[own], $);
    }
    token[own].end_park();
  }

  void worker(std::uint32_t own) {
    bool is_searching = false;
    while (!is_done()) {
      bool has_task = pop();
      if (!has_task) {
        is_searching = is_searching || idle.try_start_searching();
        has_task = is_searching && pop();
      }
      if (has_task) {
        if (is_searching) {
          is_searching = false;
          if (idle.stop_searching()) {
            notify_one();  // W2
          }
        }
        (void)run_task();
        continue;
      }
#ifdef RINGO_TWIN_POLL_TAKES_TOKEN
      token[own].end_park();  // as a look at the driver between two tasks would
#endif
      const bool was_last_searcher = idle.start_sleeping(own, is_searching);
      is_searching = false;
#ifndef RINGO_TWIN_NO_LAST_LOOK
      if (was_last_searcher && queue_length.load(std::memory_order_relaxed) != 0) {
        notify_one();  // W3
      }
#else
      (void)was_last_searcher;
#endif
      for (;;) {
        park(own);
        if (is_done()) {
          (void)idle.stop_sleeping(own);
          return;
        }
        if (!idle.is_sleeping(own)) {
          is_searching = true;
          break;
        }
      }
    }
  }

  void thread(unsigned index) {
    if (index < kWorkers) {
      worker(index);
    } else {
      for (int i = 0; i < kTasks; ++i) {
        push();
      }
    }
  }
};

}  // namespace
}  // namespace ringo::detail

int main() {
  return ringo::model::run<ringo::detail::IdleModel>(200'000, 0);
}
