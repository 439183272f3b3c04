// SPDX-License-Identifier: MIT
//
// The scheduler as tasks see it: fairness, migration, overflow, wake-ups and metrics.

#include <ringo/join_error.h>
#include <ringo/metrics.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/sync/oneshot.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/yield.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "scheduler/idle.h"
#include "support/co_test.h"
#include "support/gate.h"
#include "support/thread_id.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;
using testing_support::Gate;

// --- who sleeps -------------------------------------------------------------------------------

TEST(Idle, WakesNobodyWhileSomebodySearchesOrAllAreAwake) {
  detail::Idle idle(4);
  EXPECT_FALSE(idle.worker_to_wake());
  (void)idle.start_sleeping(0, false);
  (void)idle.start_sleeping(1, false);
  EXPECT_EQ(idle.worker_to_wake(), 1U);  // the last one to fall asleep; it now counts as searching
  EXPECT_FALSE(idle.worker_to_wake());
  EXPECT_TRUE(idle.stop_searching());
  EXPECT_EQ(idle.worker_to_wake(), 0U);
}

TEST(Idle, AtMostHalfSearchAndTheLastOneIsTold) {
  detail::Idle idle(4);
  EXPECT_TRUE(idle.try_start_searching());
  EXPECT_TRUE(idle.try_start_searching());
  EXPECT_FALSE(idle.try_start_searching());
  EXPECT_FALSE(idle.stop_searching());
  EXPECT_TRUE(idle.start_sleeping(2, true));
}

TEST(Idle, WhoeverSleepsWhileNobodySearchesIsToldToLook) {
  detail::Idle idle(4);
  EXPECT_TRUE(idle.start_sleeping(0, false));
  EXPECT_TRUE(idle.try_start_searching());
  EXPECT_FALSE(idle.start_sleeping(1, false)) << "who searches will look";
  EXPECT_TRUE(idle.stop_searching());
  EXPECT_TRUE(idle.start_sleeping(2, false));
}

TEST(Idle, WorkerThatWakesByItselfIsNoLongerWoken) {
  detail::Idle idle(2);
  (void)idle.start_sleeping(0, false);
  EXPECT_TRUE(idle.is_sleeping(0));
  EXPECT_TRUE(idle.stop_sleeping(0));
  EXPECT_FALSE(idle.is_sleeping(0));
  EXPECT_FALSE(idle.worker_to_wake());
  (void)idle.start_sleeping(0, false);
  EXPECT_EQ(idle.worker_to_wake(), 0U);
  EXPECT_FALSE(idle.stop_sleeping(0)) << "somebody had woken it already";
}

// --- fairness ---------------------------------------------------------------------------------

/// Two of these wake each other for ever, always through the LIFO slot.
Task<void> ping(Gate* gates, std::size_t rounds, std::size_t& done) {
  for (std::size_t i = 0; i < rounds; ++i) {
    co_await gates[2 * i].passed();
    gates[2 * i + 1].open();
    done = i;
  }
}
Task<void> pong(Gate* gates, std::size_t rounds) {
  for (std::size_t i = 0; i < rounds; ++i) {
    gates[2 * i].open();
    co_await gates[2 * i + 1].passed();
  }
}

TEST(Scheduler, PingPongPairDoesNotStarveAThird) {
  constexpr std::size_t kRounds = 3000;
  Runtime runtime = testing_support::current_thread_runtime();
  const auto plays = []() -> Task<std::size_t> {
    const auto gates = std::make_unique<Gate[]>(2 * kRounds);
    std::size_t done = 0;
    JoinHandle<void> first = spawn(ping(gates.get(), kRounds, done));
    JoinHandle<void> second = spawn(pong(gates.get(), kRounds));
    std::size_t own_turns = 0;
    // NOLINTNEXTLINE(bugprone-infinite-loop): ping() counts it.
    while (done < kRounds - 1) {
      ++own_turns;
      co_await yield_now();
    }
    (void)co_await first;
    (void)co_await second;
    co_return own_turns;
  };
  // At most 1 + kMaxLifoRuns runs between two of ours, and each round is two.
  EXPECT_GE(runtime.block_on(plays()), 2 * kRounds / 5);
}

TEST(Scheduler, YieldingTasksTakeTurns) {
  Runtime runtime = testing_support::current_thread_runtime();
  const auto plays = []() -> Task<int> {
    std::vector<int> turns(50, 0);
    int worst = 0;
    const auto yields = [](std::vector<int>& all, std::size_t own, int& spread) -> Task<void> {
      for (int i = 0; i < 200; ++i) {
        ++all[own];
        const auto [least, most] = std::minmax_element(all.begin(), all.end());
        spread = std::max(spread, *most - *least);
        co_await yield_now();
      }
    };
    std::vector<JoinHandle<void>> handles;
    for (std::size_t i = 0; i < turns.size(); ++i) {
      handles.push_back(spawn(yields(turns, i, worst)));
    }
    for (JoinHandle<void>& handle : handles) {
      (void)co_await handle;
    }
    co_return worst;
  };
  EXPECT_LE(runtime.block_on(plays()), 5);
}

TEST(Scheduler, InjectedTaskRunsBesideABusyLoopOfLocalOnes) {
  Runtime runtime = testing_support::build_runtime(Builder::multi_thread().worker_threads(1));
  std::atomic<bool> stop{false};
  const auto spins = [](std::atomic<bool>& ended) -> Task<void> {
    while (!ended) {
      co_await yield_now();
    }
  };
  std::vector<JoinHandle<void>> busy;
  for (int i = 0; i < 3; ++i) {
    busy.push_back(runtime.spawn(spins(stop)));
  }
  const auto ends = [](std::atomic<bool>& ended) -> Task<void> {
    ended = true;
    co_return;
  };
  runtime.block_on(ends(stop));  // comes through the injection queue
}

TEST(Scheduler, DisabledLifoSlotKeepsTheOrderOfSpawning) {
  Runtime runtime = testing_support::build_runtime(Builder::current_thread().disable_lifo_slot());
  const auto spawns = []() -> Task<std::vector<int>> {
    std::vector<int> order;
    const auto notes = [](std::vector<int>& all, int own) -> Task<void> {
      all.push_back(own);
      co_return;
    };
    std::vector<JoinHandle<void>> handles;
    for (int i = 0; i < 5; ++i) {
      handles.push_back(spawn(notes(order, i)));
    }
    for (JoinHandle<void>& handle : handles) {
      (void)co_await handle;
    }
    co_return order;
  };
  EXPECT_EQ(runtime.block_on(spawns()), (std::vector<int>{0, 1, 2, 3, 4}));
}

// --- several workers --------------------------------------------------------------------------

struct Helper {
  std::atomic<bool> has_begun{false};
};

/// Wakes whoever waits for it, from the worker on which it runs.
Task<void> wakes_from_here(std::shared_ptr<Helper> helper, oneshot::Sender<int> sender) {
  helper->has_begun = true;
  helper->has_begun.notify_all();
  for (int i = 0; i < 100; ++i) {
    co_await yield_now();  // meanwhile the other begins to wait
  }
  (void)sender.send(1);
}

Task<bool> is_resumed_elsewhere() {
  const std::thread::id begun_on = testing_support::thread_id();
  auto [tx, rx] = oneshot::channel<int>();
  auto helper = std::make_shared<Helper>();
  JoinHandle<void> waking = spawn(wakes_from_here(helper, std::move(tx)));
  // Its worker is blocked, so the helper begins on the other one.
  helper->has_begun.wait(false);
  (void)co_await rx;
  const bool has_moved = testing_support::thread_id() != begun_on;
  (void)co_await waking;
  co_return has_moved;
}

/// A task that is woken goes on where its waker runs. (If it is woken before it has suspended it
/// stays where it is; hence the loop, which ends in the first round nearly always.)
Task<void> goes_on_until_it_has_moved() {
  for (;;) {
    const bool has_moved = co_await is_resumed_elsewhere();
    if (has_moved) {
      co_return;
    }
  }
}

TEST(Scheduler, TaskGoesOnOnAnotherWorker) {
  // Without the LIFO slot, from which nobody could steal the helper.
  Runtime runtime =
      testing_support::build_runtime(Builder::multi_thread().worker_threads(2).disable_lifo_slot());
  runtime.block_on(goes_on_until_it_has_moved());
}

TEST(Scheduler, TasksSpawnedByABlockedWorkerAreStolen) {
  Runtime runtime = testing_support::multi_thread_runtime(2);
  const auto blocks = []() -> Task<void> {
    std::atomic<int> ended{0};
    const auto ends = [](std::atomic<int>& count) -> Task<void> {
      ++count;
      count.notify_all();
      co_return;
    };
    for (int i = 0; i < 10; ++i) {
      spawn(ends(ended)).detach();
    }
    // All but the one in the LIFO slot, which is nobody else's.
    for (int seen = ended; seen < 9; seen = ended) {
      ended.wait(seen);
    }
    while (ended < 10) {
      co_await yield_now();
    }
  };
  runtime.block_on(blocks());
}

struct Yielder {
  std::atomic<bool> is_blocked{false};
  std::atomic<bool> has_gone_on{false};
};

Task<void> yields_until_blocked(Yielder& yielder) {
  while (!yielder.is_blocked) {
    co_await yield_now();
  }
  yielder.has_gone_on = true;
  yielder.has_gone_on.notify_all();
}

/// Blocks its worker until the task that yields has gone on; then that is on another.
Task<void> blocks_after_a_timer(Yielder& yielder) {
  co_await time::sleep(1ms);
  yielder.is_blocked = true;
  yielder.has_gone_on.wait(false);
}

TEST(Scheduler, TaskThatYieldedIsStolenIfATimersTaskGoesFirst) {
  // Timers fire between any two tasks.
  Runtime runtime =
      testing_support::build_runtime(Builder::multi_thread().worker_threads(2).event_interval(1));
  const auto plays = []() -> Task<void> {
    Yielder yielder;
    JoinHandle<void> blocking = spawn(blocks_after_a_timer(yielder));
    JoinHandle<void> yielding = spawn(yields_until_blocked(yielder));
    (void)co_await blocking;
    (void)co_await yielding;
  };
  // Often, but not always, the two are on the same worker.
  for (int round = 0; round < 20; ++round) {
    runtime.block_on(plays());
  }
}

CO_TEST(Scheduler, MoreTasksThanTheLocalQueueHolds) {
  std::atomic<int> ended{0};
  const auto ends = [](std::atomic<int>& count) -> Task<void> {
    co_await yield_now();
    ++count;
  };
  std::vector<JoinHandle<void>> handles;
  for (int i = 0; i < 257 * 4; ++i) {
    handles.push_back(spawn(ends(ended)));
  }
  for (JoinHandle<void>& handle : handles) {
    (void)co_await handle;
  }
  CO_ASSERT_EQ(ended.load(), 257 * 4);
}

// Tasks that have not begun, from inside and outside, and those that wait on the root and in an
// arm, so many that their memory goes back to its slabs, and that many timers fire at once, whose
// tasks' memory is fetched before.
TEST(Scheduler, MoreTasksThanTheCachesHold) {
  constexpr std::size_t kTasks = 20'000;
  for (const bool is_current_thread : {true, false}) {
    Runtime runtime = testing_support::build_runtime(
        is_current_thread ? Builder::current_thread() : Builder::multi_thread().worker_threads(1));
    const auto works = [](Gate& gate, std::size_t i) -> Task<std::size_t> {
      if (i % 3 == 1) {
        co_await yield_now();
      } else if (i % 3 == 2) {
        co_await time::timeout(1h, yield_now());
      }
      co_await gate.passed();
      co_await time::sleep(Duration(static_cast<std::int64_t>(i % 7) * 1000));
      co_return i;
    };
    // Twice, so that the second time the blocks come out of the pool's store.
    for (int round = 0; round < 2; ++round) {
      Gate gate;
      std::vector<JoinHandle<std::size_t>> handles;
      handles.reserve(2 * kTasks);
      for (std::size_t i = 0; i < kTasks; ++i) {
        handles.push_back(runtime.spawn(works(gate, i)));
      }
      const auto spawns = [&]() -> Task<std::size_t> {
        for (std::size_t i = 0; i < kTasks; ++i) {
          handles.push_back(spawn(works(gate, i)));
        }
        const std::size_t depth = runtime.metrics().injection_queue_depth;
        co_await yield_now();
        gate.open();
        co_return depth;
      };
      const auto joins = [&]() -> Task<std::size_t> {
        JoinHandle<std::size_t> spawner = spawn(spawns());
        const JoinResult<std::size_t> depth = co_await spawner;
        std::size_t sum = 0;
        for (JoinHandle<std::size_t>& handle : handles) {
          sum += (co_await handle).value();
        }
        EXPECT_EQ(sum, kTasks * (kTasks - 1));
        co_return depth.value();
      };
      EXPECT_GE(runtime.block_on(joins()), 8192U) << "the test shows nothing";
    }
  }
}

TEST(Scheduler, CountsWhatItDoes) {
  Runtime runtime = testing_support::current_thread_runtime();
  const auto works = []() -> Task<void> {
    std::vector<JoinHandle<void>> handles;
    const auto yields = []() -> Task<void> { co_await yield_now(); };
    for (int i = 0; i < 300; ++i) {
      handles.push_back(spawn(yields()));
    }
    for (JoinHandle<void>& handle : handles) {
      (void)co_await handle;
    }
    co_await time::sleep(1ms);
  };
  runtime.block_on(works());
  const RuntimeMetrics metrics = runtime.metrics();
  ASSERT_EQ(metrics.workers.size(), 1U);
  EXPECT_GE(metrics.workers[0].polls, 600U);
  EXPECT_GE(metrics.workers[0].overflows, 1U);
  EXPECT_GE(metrics.workers[0].parks, 1U);
  EXPECT_EQ(metrics.workers[0].steals, 0U);
  EXPECT_EQ(metrics.alive_tasks(), 0U);
  EXPECT_EQ(metrics.injection_queue_depth, 0U);
}

TEST(Scheduler, EndedTasksAreNotAliveWhoeverRanThem) {
  Runtime runtime = testing_support::multi_thread_runtime(2);
  const auto works = []() -> Task<void> {
    std::vector<JoinHandle<void>> handles;
    const auto yields = []() -> Task<void> {
      for (int i = 0; i < 10; ++i) {
        co_await yield_now();
      }
    };
    for (int i = 0; i < 2000; ++i) {
      handles.push_back(spawn(yields()));
    }
    for (JoinHandle<void>& handle : handles) {
      (void)co_await handle;
    }
  };
  runtime.block_on(works());
  EXPECT_LE(runtime.metrics().alive_tasks(), 1U);  // the root may be about to be forgotten
}

TEST(Scheduler, NoWakeFromForeignThreadsIsLost) {
  // A wake that meets a worker on its way to sleep, again and again.
  for (const std::size_t workers : {1U, 2U, 3U}) {
    Runtime runtime = testing_support::multi_thread_runtime(workers);
    for (int i = 0; i < 3000; ++i) {
      Gate gate;
      const auto waits = [](Gate& opened) -> Task<void> { co_await opened.passed(); };
      JoinHandle<void> handle = runtime.spawn(waits(gate));
      if (i % 3 == 0) {
        std::this_thread::yield();
      }
      gate.open();
      const auto take = [](JoinHandle<void>& taken) -> Task<void> { (void)co_await taken; };
      runtime.block_on(take(handle));
    }
  }
}

}  // namespace
}  // namespace ringo
