// SPDX-License-Identifier: MIT
//
// The wake-up handshake: Idle and ParkToken together, two workers that sleep when there is nothing
// to do and a producer from outside. A task that was pushed is run, also if the only other worker
// that is awake does not come back: the two tasks wait for each other, which takes both workers. No
// execution ends in a worker that waits for ever (relacy reports that as a deadlock).
//
// twin: RINGO_TWIN_RELAXED
// twin: RINGO_TWIN_NO_LAST_LOOK
// twin: RINGO_TWIN_SEARCHERS_LOOK
// twin: RINGO_TWIN_NO_CHAIN
// twin: RINGO_TWIN_CHAIN_LOOKS_TOO_EARLY
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
  Atomic<int> tasks_begun{0};
  rl::rl_sem_t has_partner;

  void before() {
    rl::rl_sem_init(&has_partner, 0, 0, $);
    for (rl::rl_sem_t& semaphore : sleep) {
      rl::rl_sem_init(&semaphore, 0, 0, $);
    }
  }
  void after() {
    rl::rl_sem_destroy(&has_partner, $);
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
    if (tasks_begun.fetch_add(1, std::memory_order_relaxed) == 0) {
      rl::rl_sem_wait(&has_partner, $);
    } else {
      rl::rl_sem_post(&has_partner, $);
    }
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

  /// W2
  void stop_searching() {
#if defined(RINGO_TWIN_NO_CHAIN)
    (void)idle.stop_searching();
#elif defined(RINGO_TWIN_CHAIN_LOOKS_TOO_EARLY)
    const bool is_there_more = queue_length.load(std::memory_order_relaxed) != 0;
    if (idle.stop_searching() && is_there_more) {
      notify_one();
    }
#else
    if (idle.stop_searching() && queue_length.load(std::memory_order_relaxed) != 0) {
      notify_one();
    }
#endif
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
          stop_searching();
        }
        (void)run_task();
        continue;
      }
#ifdef RINGO_TWIN_POLL_TAKES_TOKEN
      token[own].end_park();  // as a look at the driver between two tasks would
#endif
      const bool is_search_over = idle.start_sleeping(own, is_searching);
#ifdef RINGO_TWIN_SEARCHERS_LOOK
      const bool must_look = is_search_over && is_searching;
#else
      const bool must_look = is_search_over;
#endif
      is_searching = false;
#ifndef RINGO_TWIN_NO_LAST_LOOK
      if (must_look && queue_length.load(std::memory_order_relaxed) != 0) {
        notify_one();  // W3
      }
#else
      (void)must_look;
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
