// SPDX-License-Identifier: MIT
//
// The end of a runtime, by destruction, with a timeout and in the background, whatever its tasks,
// closures and friends on other threads are doing.

#include <ringo/join_error.h>
#include <ringo/runtime.h>
#include <ringo/shield.h>
#include <ringo/spawn.h>
#include <ringo/spawn_blocking.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/usage_error.h>
#include <ringo/yield.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/co_test.h"
#include "support/gate.h"
#include "support/tracked.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;
using testing_support::Gate;
using testing_support::Tracked;

Runtime make(bool is_current_thread) {
  return is_current_thread ? testing_support::current_thread_runtime()
                           : testing_support::multi_thread_runtime();
}

Task<void> waits(Gate& gate, Tracked /*parameter*/) {
  const Tracked local;
  co_await gate.passed();
}
Task<void> sleeps_for_ever(Tracked /*parameter*/) {
  const Tracked local;
  co_await time::sleep(Duration::max());
}
Task<void> yields_for_ever(Tracked /*parameter*/) {
  const Tracked local;
  for (;;) {
    co_await yield_now();
  }
}

TEST(Shutdown, DestroysTasksThatNeverEndWhereTheyWait) {
  for (const bool is_current_thread : {true, false}) {
    const int before = Tracked::alive();
    Gate never;
    {
      Runtime runtime = make(is_current_thread);
      const auto spawns = [](Gate& gate) -> Task<void> {
        for (int i = 0; i < 300; ++i) {
          spawn(waits(gate, Tracked())).detach();
          spawn(sleeps_for_ever(Tracked())).detach();
          spawn(yields_for_ever(Tracked())).detach();
        }
        while (gate.waiting() != 300) {
          co_await yield_now();
        }
        co_await time::sleep(2ms);
      };
      runtime.block_on(spawns(never));
      EXPECT_EQ(never.waiting(), 300);
    }
    EXPECT_EQ(never.waiting(), 0);
    EXPECT_EQ(Tracked::alive(), before);
  }
}

TEST(Shutdown, DestroysTasksThatNeverRan) {
  for (const bool is_current_thread : {true, false}) {
    const int before = Tracked::alive();
    std::optional<JoinHandle<void>> kept;
    {
      Runtime runtime = make(is_current_thread);
      for (int i = 0; i < 1000; ++i) {
        kept.emplace(runtime.spawn(sleeps_for_ever(Tracked())));
      }
    }
    EXPECT_TRUE(kept->is_finished());
    EXPECT_EQ(Tracked::alive(), before);
  }
}

TEST(Shutdown, JoinersInOtherRuntimesLearnOfIt) {
  Runtime other = testing_support::multi_thread_runtime();
  const auto joins = [](JoinHandle<void> handle) -> Task<bool> {
    const JoinResult<void> result = co_await handle;
    co_return !result.has_value() && result.error().is_cancelled();
  };
  JoinHandle<bool> joiner = [&] {
    Runtime runtime = testing_support::multi_thread_runtime();
    JoinHandle<bool> spawned = other.spawn(joins(runtime.spawn(sleeps_for_ever(Tracked()))));
    return spawned;
  }();
  const auto take = [](JoinHandle<bool> handle) -> Task<bool> {
    const JoinResult<bool> result = co_await handle;
    co_return result.value();
  };
  EXPECT_TRUE(other.block_on(take(std::move(joiner))));
}

TEST(Shutdown, WaitsForAShield) {
  for (const bool is_current_thread : {true, false}) {
    bool section_ended = false;
    {
      Runtime runtime = make(is_current_thread);
      Gate inside;
      const auto section = [](Gate& entered, bool& ended) -> Task<void> {
        entered.open();
        co_await time::sleep(20ms);  // timers go on working meanwhile
        co_await yield_now();
        ended = true;
      };
      const auto shields = [section](Gate& entered, bool& ended) -> Task<void> {
        co_await shield(section(entered, ended));
        co_await yield_now();
        ADD_FAILURE() << "the task went on after its shield";
      };
      JoinHandle<void> handle = runtime.spawn(shields(inside, section_ended));
      const auto enters = [](Gate& entered) -> Task<void> { co_await entered.passed(); };
      runtime.block_on(enters(inside));
      runtime = make(true);  // the old one is shut down by the assignment's swap and scope
    }
    EXPECT_TRUE(section_ended);
  }
}

TEST(Shutdown, SpawningInADestructorDuringItIsCancelled) {
  struct SpawnsAtTheEnd {
    explicit SpawnsAtTheEnd(std::atomic<int>& count) : count_(&count) {}
    SpawnsAtTheEnd(const SpawnsAtTheEnd&) = delete;
    SpawnsAtTheEnd& operator=(const SpawnsAtTheEnd&) = delete;
    ~SpawnsAtTheEnd() {
      const auto never = [](Tracked) -> Task<void> {
        ADD_FAILURE() << "a task spawned during shutdown ran";
        co_return;
      };
      const JoinHandle<void> handle = spawn(never(Tracked()));
      *count_ += handle.is_finished() ? 1 : 0;
    }
    std::atomic<int>* count_;
  };
  for (const bool is_current_thread : {true, false}) {
    const int before = Tracked::alive();
    std::atomic<int> cancelled{0};
    {
      Runtime runtime = make(is_current_thread);
      const auto holds = [](std::atomic<int>& count, Gate& gate) -> Task<void> {
        const SpawnsAtTheEnd at_end(count);
        co_await gate.passed();
      };
      Gate never;
      const auto spawns = [holds](std::atomic<int>& count, Gate& gate) -> Task<void> {
        for (int i = 0; i < 50; ++i) {
          spawn(holds(count, gate)).detach();
        }
        while (gate.waiting() != 50) {
          co_await yield_now();
        }
      };
      runtime.block_on(spawns(cancelled, never));
      runtime.shutdown_timeout(1h);
    }
    EXPECT_EQ(cancelled, 50);
    EXPECT_EQ(Tracked::alive(), before);
  }
}

TEST(Shutdown, TimeoutGivesUpOnATaskThatDoesNotSuspend) {
  std::atomic<bool> has_begun{false};
  std::atomic<bool> may_end{false};
  const auto hogs = [](std::atomic<bool>& begun, std::atomic<bool>& end) -> Task<void> {
    begun = true;
    begun.notify_all();
    end.wait(false);
    co_return;
  };
  Runtime runtime = testing_support::multi_thread_runtime();
  JoinHandle<void> handle = runtime.spawn(hogs(has_begun, may_end));
  has_begun.wait(false);
  EXPECT_FALSE(runtime.shutdown_timeout(5ms));
  EXPECT_FALSE(handle.is_finished());
  may_end = true;
  may_end.notify_all();
  EXPECT_TRUE(runtime.shutdown_timeout(1h)) << "asked again, it waits for what was left";
  EXPECT_TRUE(handle.is_finished());
}

TEST(Shutdown, WaitsForRunningClosuresAndCancelsQueuedOnes) {
  std::atomic<bool> may_end{false};
  bool first_ended = false;
  bool second_ran = false;
  const int before = Tracked::alive();
  std::thread releases;
  {
    Runtime runtime = testing_support::build_runtime(
        Builder::multi_thread().worker_threads(1).max_blocking_threads(1));
    const Handle::EnterGuard entered = runtime.enter();
    std::atomic<bool> has_begun{false};
    spawn_blocking([&, held = Tracked()] {
      has_begun = true;
      has_begun.notify_all();
      may_end.wait(false);
      first_ended = true;
    }).detach();
    spawn_blocking([&second_ran, held = Tracked()] { second_ran = true; }).detach();
    has_begun.wait(false);
    EXPECT_EQ(runtime.metrics().blocking_queue_depth, 1U);
    releases = std::thread([&may_end] {
      may_end = true;
      may_end.notify_all();
    });
    EXPECT_TRUE(runtime.shutdown_timeout(1h));
  }
  releases.join();
  EXPECT_TRUE(first_ended);
  // Either the closure was queued when the pool closed, or it ran before: never lost in between.
  EXPECT_EQ(Tracked::alive(), before);
  (void)second_ran;
}

TEST(Shutdown, PoolThreadThatSpawnsMeanwhile) {
  for (int round = 0; round < 50; ++round) {
    const int before = Tracked::alive();
    {
      std::atomic<bool> has_begun{false};  // the closure uses it until the runtime has ended
      Runtime runtime = testing_support::multi_thread_runtime();
      const Handle::EnterGuard entered = runtime.enter();
      spawn_blocking([&has_begun] {
        for (;;) {
          const JoinHandle<void> handle = spawn(yields_for_ever(Tracked()));
          has_begun = true;
          has_begun.notify_all();
          if (handle.is_finished()) {
            return;  // cancelled at once: the runtime is shutting down
          }
        }
      }).detach();
      has_begun.wait(false);
    }
    ASSERT_EQ(Tracked::alive(), before);
  }
}

TEST(Shutdown, InTheBackgroundOnAWorkerOfAnotherRuntime) {
  for (const bool is_current_thread : {true, false}) {
    const int before = Tracked::alive();
    {
      Runtime outer = testing_support::multi_thread_runtime();
      const auto drops = [](bool is_current) -> Task<void> {
        Runtime inner = make(is_current);
        inner.spawn(sleeps_for_ever(Tracked())).detach();
        inner.shutdown_background();
        co_return;
      };
      outer.block_on(drops(is_current_thread));
    }
    while (Tracked::alive() != before) {
      std::this_thread::yield();
    }
  }
}

TEST(Shutdown, ByATaskOfTheCurrentThreadRuntimeItselfIsAUsageError) {
  Runtime runtime = testing_support::current_thread_runtime();
  const auto shuts_down = [](Runtime& own) -> Task<bool> {
    try {
      own.shutdown_background();
    } catch (const UsageError&) {
      co_return true;
    }
    co_return false;
  };
  EXPECT_TRUE(runtime.block_on(shuts_down(runtime)));
}

TEST(Shutdown, DestroyingARuntimeOnAWorkerAborts) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto destroys = []() -> Task<void> {
    {
      const Runtime inner = testing_support::current_thread_runtime();
    }
    co_return;
  };
  EXPECT_DEATH(testing_support::current_thread_runtime().block_on(destroys()),
               "shutdown_background");
}

TEST(Shutdown, WhileForeignThreadsWakeAbortAndSpawn) {
  for (int round = 0; round < 200; ++round) {
    const int before = Tracked::alive();
    Gate gate;
    std::atomic<bool> stop{false};
    std::vector<std::thread> threads;
    {
      Runtime runtime = testing_support::multi_thread_runtime(1 + round % 3);
      std::vector<AbortHandle> aborts;
      for (int i = 0; i < 20; ++i) {
        JoinHandle<void> handle = runtime.spawn(waits(gate, Tracked()));
        aborts.push_back(handle.abort_handle());
      }
      threads.emplace_back([&gate, &stop] {
        while (!stop) {
          gate.wake_for_nothing();
        }
      });
      threads.emplace_back([aborts] {
        for (const AbortHandle& abort : aborts) {
          abort.abort();
        }
      });
      threads.emplace_back([&stop, handle = runtime.handle()] {
        while (!stop) {
          handle.spawn(sleeps_for_ever(Tracked())).detach();
        }
      });
    }
    stop = true;
    for (std::thread& thread : threads) {
      thread.join();
    }
    ASSERT_EQ(Tracked::alive(), before);
  }
}

TEST(Shutdown, HappensOverAndOver) {
  // The last phases wait for each other: a wake-up that is lost there hangs.
  for (int round = 0; round < 300; ++round) {
    Runtime runtime = testing_support::multi_thread_runtime(1 + round % 4);
    for (int i = 0; i < round % 70; ++i) {
      runtime.spawn(yields_for_ever(Tracked())).detach();
    }
  }
}

}  // namespace
}  // namespace ringo
