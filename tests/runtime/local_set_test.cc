// SPDX-License-Identifier: MIT
//
// LocalSet and spawn_local(): the set's tasks run, wake and are destroyed on its thread, whoever
// wakes or aborts them.
//
// Tokio's local_set_block_on_socket and local_set_client_server_block_on are here as
// SleepsOnACurrentThreadRuntime and AcceptsOnACurrentThreadRuntime; remote_abort_local_set_3929 as
// AbortFromAnotherThreadDropsOnItsOwn.

#include <ringo/fork_join.h>
#include <ringo/join_error.h>
#include <ringo/join_set.h>
#include <ringo/local_set.h>
#include <ringo/named.h>
#include <ringo/net/tcp.h>
#include <ringo/result.h>
#include <ringo/runtime.h>
#include <ringo/shield.h>
#include <ringo/spawn.h>
#include <ringo/spawn_blocking.h>
#include <ringo/sync/mpsc.h>
#include <ringo/sync/notify.h>
#include <ringo/sync/oneshot.h>
#include <ringo/task.h>
#include <ringo/task_local.h>
#include <ringo/task_tracker.h>
#include <ringo/time.h>
#include <ringo/usage_error.h>
#include <ringo/yield.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/abort_harness.h"
#include "support/co_test.h"
#include "support/gate.h"
#include "support/random_seed.h"
#include "support/thread_id.h"
#include "support/tracked.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;
using testing_support::Gate;
using testing_support::thread_id;
using testing_support::Tracked;

/// Fails the test if it dies on another thread than it was made on.
class Resident {
 public:
  Resident() : home_(thread_id()) {}
  Resident(Resident&& other) noexcept : home_(other.home_) {}
  Resident& operator=(Resident&&) = delete;
  ~Resident() { EXPECT_EQ(thread_id(), home_) << "it has left its thread"; }
  void check() const { EXPECT_EQ(thread_id(), home_) << "used on another thread"; }

 private:
  std::thread::id home_;
};

struct Window {
  int frames = 0;
};
Task<void> draw(Window& window) {
  co_await yield_now();
  ++window.frames;
}
Task<int> gives(int value) {
  co_return value;
}
Task<void> never(Tracked /*held*/, Resident /*held*/) {
  co_await time::sleep(Duration::max());
}
Task<void> waits(Gate& gate, Resident resident) {
  co_await gate.passed();
  resident.check();
}

CO_TEST_PAUSED(LocalSet, HeaderExample) {
  Window window;
  const auto body = [](Window& shown) -> Task<void> {
    auto handle = ringo::spawn_local(draw(shown));
    (void)co_await handle;
  };
  ringo::LocalSet set;
  co_await set.run_until(body(window));
  CO_ASSERT_EQ(window.frames, 1);
}

// --- driving ----------------------------------------------------------------------------------

CO_TEST_PAUSED(LocalSet, RunsItsTasksOnlyWhileItIsDriven) {
  LocalSet set;
  Window window;
  JoinHandle<void> handle = set.spawn_local(draw(window));
  for (int i = 0; i < 10; ++i) {
    co_await yield_now();
  }
  CO_ASSERT_EQ(window.frames, 0);
  CO_ASSERT_EQ(set.size(), 1U);
  const int value = co_await set.run_until(gives(4));
  CO_ASSERT_EQ(value, 4);
  const auto joins = [](JoinHandle<void> joined) -> Task<JoinResult<void>> {
    co_return co_await joined;
  };
  const JoinResult<void> done = co_await set.run_until(joins(std::move(handle)));
  CO_ASSERT_TRUE(done.has_value());
  CO_ASSERT_EQ(window.frames, 1);
  CO_ASSERT_TRUE(set.is_empty());
}

CO_TEST_PAUSED(LocalSet, AwaitedItRunsDry) {
  LocalSet set;
  Window window;
  const auto spawns_more = [](Window& shown) -> Task<void> {
    for (int i = 0; i < 200; ++i) {
      spawn_local(draw(shown)).detach();
      co_await time::sleep(1ms);
    }
  };
  set.spawn_local(spawns_more(window)).detach();
  co_await set;
  CO_ASSERT_EQ(window.frames, 200);
  co_await set;  // of nothing
}

CO_TEST_PAUSED(LocalSet, ExceptionsOfTheBodyComeOut) {
  LocalSet set;
  const auto throws = []() -> Task<int> {
    co_await yield_now();
    throw std::runtime_error("broken");
  };
  bool has_thrown = false;
  try {
    (void)co_await set.run_until(throws());
  } catch (const std::runtime_error&) {
    has_thrown = true;
  }
  CO_ASSERT_TRUE(has_thrown);
  JoinHandle<int> failed = set.spawn_local(throws());
  co_await set;
  const JoinResult<int> result = co_await failed;
  CO_ASSERT_TRUE(result.error().is_exception());
}

CO_TEST_PAUSED(LocalSet, SeveralTasksMayDriveIt) {
  LocalSet set;
  Gate first;
  Gate second;
  const auto drives = [](LocalSet& driven, Gate& until) -> Task<void> {
    const auto passes = [](Gate& gate) -> Task<void> { co_await gate.passed(); };
    co_await driven.run_until(passes(until));
  };
  JoinHandle<void> one = spawn(drives(set, first));
  JoinHandle<void> two = spawn(drives(set, second));
  co_await yield_now();
  co_await yield_now();
  first.open();
  (void)co_await one;
  // The other must be woken for the set's tasks now.
  Window window;
  JoinHandle<void> handle = set.spawn_local(draw(window));
  (void)co_await handle;
  CO_ASSERT_EQ(window.frames, 1);
  second.open();
  (void)co_await two;
}

CO_TEST_PAUSED(LocalSet, LeavesOtherTasksOfTheThreadTheirTurns) {
  LocalSet set;
  bool is_done = false;
  const auto spins = [](const bool& ended) -> Task<void> {
    while (!ended) {
      co_await yield_now();
    }
  };
  for (int i = 0; i < 100; ++i) {
    set.spawn_local(spins(is_done)).detach();
  }
  const auto ends = [](bool& ended) -> Task<void> {
    for (int i = 0; i < 10; ++i) {
      co_await yield_now();
    }
    ended = true;
  };
  JoinHandle<void> other = spawn(ends(is_done));
  co_await set;
  CO_ASSERT_TRUE(other.is_finished());
}

CO_TEST_PAUSED(LocalSet, ItsTasksHaveBudgetsOfTheirOwn) {
  LocalSet set;
  auto [tx, rx] = mpsc::unbounded_channel<int>();
  const auto receives = [](mpsc::Receiver<int> receiver) -> Task<void> {
    for (;;) {
      const std::optional<int> value = co_await receiver.recv();
      if (!value) {
        co_return;
      }
    }
  };
  for (int i = 0; i < 1000; ++i) {
    (void)tx.send(i);
  }
  drop(std::move(tx));
  int turns = 0;
  JoinHandle<void> busy = set.spawn_local(receives(std::move(rx)));
  const auto counts = [](const JoinHandle<void>& watched, int& count) -> Task<void> {
    while (!watched.is_finished()) {
      ++count;
      co_await yield_now();
    }
  };
  set.spawn_local(counts(busy, turns)).detach();
  co_await set;
  CO_ASSERT_GE(turns, 7);
}

CO_TEST_PAUSED(LocalSet, TaskLocalsOfTheDriverAreNotItsTasks) {
  static const TaskLocal<int> kKey;
  LocalSet set;
  const auto looks = []() -> Task<bool> { co_return kKey.try_get().has_value(); };
  JoinHandle<bool> handle = set.spawn_local(looks());
  const auto drives = [](LocalSet& driven) -> Task<void> { co_await driven; };
  co_await kKey.scope(1, drives(set));
  const JoinResult<bool> seen = co_await handle;
  CO_ASSERT_FALSE(seen.value());
}

CO_TEST_PAUSED(LocalSet, NamesAndIdsAreAsOfOtherTasks) {
  LocalSet set;
  const auto tells = []() -> Task<std::string> {
    co_return std::string(current_task_name()) + (current_task_id().value() != 0 ? "!" : "?");
  };
  JoinHandle<std::string> handle = set.spawn_local(named("local", tells()));
  co_await set;
  const JoinResult<std::string> name = co_await handle;
  CO_ASSERT_EQ(name.value(), "local!");
}

Task<int> fibonacci(int n) {
  if (n < 2) {
    co_await yield_now();
    co_return n;
  }
  auto [first, second] = co_await fork_join(fibonacci(n - 1), fibonacci(n - 2));
  co_return first + second;
}

CO_TEST_PAUSED(LocalSet, ItsTasksMayForkChildrenThatSuspend) {
  LocalSet set;
  JoinHandle<int> handle = set.spawn_local(fibonacci(8));
  const auto drives = [](LocalSet& driven) -> Task<int> {
    co_return co_await driven.run_until(fibonacci(7));
  };
  auto [own, other] = co_await fork_join(drives(set), fibonacci(6));
  CO_ASSERT_EQ(own, 13);
  CO_ASSERT_EQ(other, 8);
  co_await set;
  const JoinResult<int> result = co_await handle;
  CO_ASSERT_EQ(result.value(), 21);
}

// --- spawn_local ------------------------------------------------------------------------------

CO_TEST_PAUSED(SpawnLocal, NeedsNoSetOnACurrentThreadRuntime) {
  const JoinResult<int> value = co_await spawn_local(gives(3));
  CO_ASSERT_EQ(value.value(), 3);
  JoinSet<int> set;
  set.spawn_local(gives(4));
  const auto joined = co_await set.join_next();
  CO_ASSERT_EQ(joined->value(), 4);
}

TEST(SpawnLocal, OnAMultiThreadRuntimeOrOutsideIsAUsageError) {
  EXPECT_THROW((void)spawn_local(gives(1)), UsageError);
  Runtime runtime = testing_support::multi_thread_runtime(2);
  const auto spawns = []() -> Task<void> {
    EXPECT_THROW((void)spawn_local(gives(1)), UsageError);
    LocalSet set;
    bool has_thrown = false;
    try {
      (void)co_await set.run_until(gives(1));
    } catch (const UsageError&) {
      has_thrown = true;
    }
    EXPECT_TRUE(has_thrown);
  };
  runtime.block_on(spawns());
}

TEST(SpawnLocal, MeansTheSetThatWasEntered) {
  LocalSet set;
  Runtime runtime = testing_support::current_thread_runtime();
  JoinHandle<int> handle = [&set] {
    const auto entered = set.enter();
    return spawn_local(gives(5));
  }();
  EXPECT_EQ(set.size(), 1U);
  EXPECT_THROW((void)spawn_local(gives(1)), UsageError);
  const auto takes = [](JoinHandle<int> joined) -> Task<int> {
    const JoinResult<int> result = co_await joined;
    co_return result.value();
  };
  EXPECT_EQ(set.block_on(runtime, takes(std::move(handle))), 5);
}

TEST(LocalSet, OnAnotherThreadIsAUsageError) {
  LocalSet set;
  std::thread([&set] {
    EXPECT_THROW((void)set.spawn_local(gives(1)), UsageError);
    EXPECT_THROW((void)set.enter(), UsageError);
    Runtime runtime = testing_support::current_thread_runtime();
    EXPECT_THROW((void)set.block_on(runtime, gives(1)), UsageError);
  }).join();
}

TEST(LocalSet, SetsAndTrackersTakeLocalTasks) {
  Runtime runtime = testing_support::current_thread_runtime();
  const auto body = []() -> Task<int> {
    LocalSet set;
    JoinSet<int> joined;
    joined.spawn_local_on(gives(1), set);
    const TaskTracker tracker;
    JoinHandle<int> tracked = tracker.spawn_local_on(gives(2), set);
    JoinHandle<int> local = tracker.spawn_local(gives(3));
    EXPECT_EQ(tracker.size(), 2U);
    co_await set;
    const auto first = co_await joined.join_next();
    const JoinResult<int> second = co_await tracked;
    const JoinResult<int> third = co_await local;
    co_return first->value() + second.value() + third.value();
  };
  EXPECT_EQ(runtime.block_on(body()), 6);
}

// --- threads ----------------------------------------------------------------------------------

TEST(LocalSet, StaysOnTheCallersThreadBesideAMultiThreadRuntime) {
  Runtime runtime = testing_support::multi_thread_runtime(2);
  const auto body = []() -> Task<int> {
    const Resident resident;
    const std::thread::id home = thread_id();
    int sum = 0;
    for (int i = 0; i < 100; ++i) {
      const auto elsewhere = [](std::thread::id not_here, int value) -> Task<int> {
        EXPECT_NE(thread_id(), not_here);
        co_await yield_now();
        co_return value;
      };
      const auto here = [](std::thread::id same, JoinHandle<int> other) -> Task<int> {
        EXPECT_EQ(thread_id(), same);
        const JoinResult<int> result = co_await other;
        EXPECT_EQ(thread_id(), same);
        co_return result.value();
      };
      JoinHandle<int> worker_task = spawn(elsewhere(home, i));
      JoinHandle<int> local = spawn_local(here(home, std::move(worker_task)));
      const JoinResult<int> result = co_await local;
      sum += result.value();
      resident.check();
    }
    const JoinResult<int> blocking = co_await spawn_blocking([] { return 50; });
    co_return sum + blocking.value();
  };
  LocalSet set;
  EXPECT_EQ(set.block_on(runtime, body()), 5000);
}

TEST(LocalSet, WakesOfManyThreadsAreNotLost) {
  Runtime runtime = testing_support::multi_thread_runtime(2);
  LocalSet set;
  const auto body = []() -> Task<void> {
    std::vector<JoinHandle<void>> handles;
    for (int i = 0; i < 50; ++i) {
      const auto exchanges = [](Resident resident) -> Task<void> {
        for (int round = 0; round < 20; ++round) {
          auto [tx, rx] = oneshot::channel<int>();
          const auto sends = [](oneshot::Sender<int> sender, int value) -> Task<void> {
            (void)sender.send(value);
            co_return;
          };
          spawn(sends(std::move(tx), round)).detach();
          const Result<int> value = co_await rx;
          EXPECT_EQ(*value, round);
          resident.check();
        }
      };
      handles.push_back(spawn_local(exchanges(Resident())));
    }
    for (JoinHandle<void>& handle : handles) {
      (void)co_await handle;
    }
  };
  set.block_on(runtime, body());
}

TEST(LocalSet, AbortFromAnotherThreadDropsOnItsOwn) {
  const int before = Tracked::alive();
  LocalSet set;
  Runtime runtime = testing_support::current_thread_runtime();
  JoinHandle<void> handle = set.spawn_local(never(Tracked(), Resident()));
  std::thread aborter;
  const auto body = [](JoinHandle<void>& watched, std::thread& other) -> Task<void> {
    co_await yield_now();
    other = std::thread([abort = watched.abort_handle()] { abort.abort(); });
    const JoinResult<void> result = co_await watched;
    EXPECT_TRUE(result.error().is_cancelled());
  };
  set.block_on(runtime, body(handle, aborter));
  aborter.join();
  EXPECT_EQ(Tracked::alive(), before);
}

TEST(LocalSet, SleepsOnACurrentThreadRuntime) {
  LocalSet set;
  Runtime runtime = testing_support::paused_runtime();
  const auto body = []() -> Task<bool> {
    const Instant begun = Clock::now();
    const auto sleeps = []() -> Task<void> { co_await time::sleep(1h); };
    JoinHandle<void> handle = spawn_local(sleeps());
    (void)co_await handle;
    co_return Clock::now() - begun >= 1h;
  };
  EXPECT_TRUE(set.block_on(runtime, body()));
}

TEST(LocalSet, SleepBesideAMultiThreadRuntimeIsAUsageErrorAndASpawnedSleepWorks) {
  LocalSet set;
  Runtime runtime = testing_support::multi_thread_runtime(1);
  const auto body = []() -> Task<bool> {
    bool has_thrown = false;
    try {
      co_await time::sleep(1ms);
    } catch (const UsageError&) {
      has_thrown = true;
    }
    const auto sleeps = []() -> Task<void> { co_await time::sleep(1ms); };
    const JoinResult<void> slept = co_await spawn(sleeps());
    co_return has_thrown&& slept.has_value();
  };
  EXPECT_TRUE(set.block_on(runtime, body()));
}

TEST(LocalSet, AcceptsOnACurrentThreadRuntime) {
  LocalSet set;
  Runtime runtime = testing_support::current_thread_runtime();
  const auto body = []() -> Task<bool> {
    Result<net::TcpListener> listener = co_await net::TcpListener::bind("127.0.0.1:0");
    const auto accepts = [](net::TcpListener& socket, Resident resident) -> Task<bool> {
      const auto accepted = co_await socket.accept();
      resident.check();
      co_return accepted.has_value();
    };
    JoinHandle<bool> server = spawn_local(accepts(*listener, Resident()));
    const auto address = listener->local_address();
    const Result<net::TcpStream> client = co_await net::TcpStream::connect(*address);
    const JoinResult<bool> accepted = co_await server;
    co_return client.has_value() && accepted.value();
  };
  EXPECT_TRUE(set.block_on(runtime, body()));
}

// --- the end ----------------------------------------------------------------------------------

CO_TEST_PAUSED(LocalSet, DroppingItDestroysItsTasks) {
  const int before = Tracked::alive();
  std::optional<LocalSet> set(std::in_place);
  JoinHandle<void> unstarted = set->spawn_local(never(Tracked(), Resident()));
  JoinHandle<void> suspended = set->spawn_local(never(Tracked(), Resident()));
  Gate gate;
  JoinHandle<void> woken = set->spawn_local(waits(gate, Resident()));
  (void)co_await set->run_until(gives(1));
  gate.open();
  set.reset();
  EXPECT_EQ(Tracked::alive(), before);
  const JoinResult<void> first = co_await unstarted;
  const JoinResult<void> second = co_await suspended;
  const JoinResult<void> third = co_await woken;
  EXPECT_TRUE(first.error().is_cancelled());
  EXPECT_TRUE(second.error().is_cancelled());
  EXPECT_TRUE(third.error().is_cancelled());
}

TEST(LocalSet, SpawningInADestructorDuringItsEndIsCancelled) {
  struct Spawner {
    explicit Spawner(std::optional<JoinHandle<int>>& spawned) : into(&spawned) {}
    Spawner(Spawner&& other) noexcept : into(std::exchange(other.into, nullptr)) {}
    Spawner& operator=(Spawner&&) = delete;
    ~Spawner() {
      if (into != nullptr) {
        into->emplace(spawn_local(gives(1)));
      }
    }
    std::optional<JoinHandle<int>>* into;
  };
  std::optional<JoinHandle<int>> spawned;
  {
    LocalSet set;
    const auto holds = [](Spawner) -> Task<void> { co_await yield_now(); };
    set.spawn_local(holds(Spawner(spawned))).detach();
  }
  ASSERT_TRUE(spawned.has_value());
  EXPECT_TRUE(spawned->is_finished());
}

CO_TEST_PAUSED(LocalSet, ShieldedTaskGoesOnWithoutTheSetOnARuntimesThread) {
  const int before = Tracked::alive();
  std::optional<LocalSet> set(std::in_place);
  bool has_ended = false;
  const auto shielded = [](bool& ended, Tracked, Resident) -> Task<void> {
    const auto section = [](bool& done) -> Task<void> {
      co_await time::sleep(5ms);  // which needs this very thread
      done = true;
    };
    co_await shield(section(ended));
    co_await time::sleep(Duration::max());
  };
  JoinHandle<void> handle = set->spawn_local(shielded(has_ended, Tracked(), Resident()));
  const auto sleeps = []() -> Task<void> { co_await time::sleep(1ms); };
  co_await set->run_until(sleeps());
  set.reset();
  CO_ASSERT_FALSE(has_ended);
  const JoinResult<void> result = co_await handle;
  CO_ASSERT_TRUE(result.error().is_cancelled());
  CO_ASSERT_TRUE(has_ended);
  EXPECT_EQ(Tracked::alive(), before);
}

TEST(LocalSet, ShutdownWaitsForAShieldInASetThatGoesWithItsTask) {
  const int before = Tracked::alive();
  bool has_ended = false;
  {
    Runtime runtime = testing_support::paused_runtime();
    const auto root = [](bool& ended) -> Task<void> {
      LocalSet set;
      const auto shielded = [](bool& done, Tracked) -> Task<void> {
        const auto section = [](bool& finished) -> Task<void> {
          co_await time::sleep(5ms);
          finished = true;
        };
        co_await shield(section(done));
      };
      set.spawn_local(shielded(ended, Tracked())).detach();
      co_await set;
    };
    runtime.spawn(root(has_ended)).detach();
    const auto sleeps = []() -> Task<void> { co_await time::sleep(1ms); };
    runtime.block_on(sleeps());
    EXPECT_FALSE(has_ended);
  }
  EXPECT_TRUE(has_ended);
  EXPECT_EQ(Tracked::alive(), before);
}

TEST(LocalSet, DestructorElsewhereWaitsForAShield) {
  Runtime runtime = testing_support::multi_thread_runtime(1);
  bool has_ended = false;
  {
    LocalSet set;
    const auto shielded = [](bool& ended, Resident) -> Task<void> {
      const auto section = [](bool& done) -> Task<void> {
        const auto sleeps = []() -> Task<void> { co_await time::sleep(2ms); };
        (void)co_await spawn(sleeps());
        done = true;
      };
      co_await shield(section(ended));
    };
    set.spawn_local(shielded(has_ended, Resident())).detach();
    const auto yields = []() -> Task<void> { co_await yield_now(); };
    set.block_on(runtime, yields());
  }
  EXPECT_TRUE(has_ended);
}

TEST(LocalSetDeathTest, DestroyedOnAnotherThreadAborts) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        auto set = std::make_unique<LocalSet>();
        std::thread([&set] { set.reset(); }).join();
      },
      "another thread");
}

Task<void> lives_with_a_set() {
  const Tracked held;
  LocalSet set;
  const auto child = [](Tracked, Resident) -> Task<void> {
    const Tracked own;
    co_await time::sleep(1ms);
    co_await yield_now();
    const auto grandchild = [](Tracked) -> Task<void> { co_await time::sleep(1ms); };
    (void)co_await spawn_local(grandchild(Tracked()));
  };
  set.spawn_local(child(Tracked(), Resident())).detach();
  set.spawn_local(never(Tracked(), Resident())).detach();
  const auto body = [](Tracked) -> Task<void> { co_await time::sleep(3ms); };
  co_await set.run_until(body(Tracked()));
  LocalSet second;
  second.spawn_local(child(Tracked(), Resident())).detach();
  co_await second;
}

TEST(LocalSet, MayBeAbortedAnywhere) {
  testing_support::abort_at_every_step([] { return lives_with_a_set(); });
  testing_support::time_out_at_every_step([] { return lives_with_a_set(); });
}

TEST(LocalSet, EndsWhileOtherThreadsWakeAndAbortItsTasks) {
  std::mt19937_64 random = testing_support::seeded_random();
  const int before = Tracked::alive();
  Runtime runtime = testing_support::multi_thread_runtime(2);
  for (int round = 0; round < 200; ++round) {
    std::vector<AbortHandle> handles;
    auto notify = std::make_shared<Notify>();
    {
      LocalSet set;
      const auto waiter = [](std::shared_ptr<Notify> waited, Tracked, Resident) -> Task<void> {
        for (;;) {
          co_await waited->notified();
        }
      };
      for (int i = 0; i < 8; ++i) {
        JoinHandle<void> handle = set.spawn_local(waiter(notify, Tracked(), Resident()));
        handles.push_back(handle.abort_handle());
        handle.detach();
      }
      const auto disturbs = [](std::shared_ptr<Notify> waited, std::vector<AbortHandle> tasks,
                               std::uint64_t seed) -> Task<void> {
        for (int i = 0; i < 20; ++i) {
          waited->notify_one();
          if (seed % 3 == 0) {
            tasks[(seed >> 8) % tasks.size()].abort();
          }
          seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
          co_await yield_now();
        }
      };
      for (int i = 0; i < 2; ++i) {
        runtime.spawn(disturbs(notify, handles, random())).detach();
      }
      const auto yields = [](std::uint64_t times) -> Task<void> {
        for (std::uint64_t i = 0; i < times; ++i) {
          co_await yield_now();
        }
      };
      set.block_on(runtime, yields(random() % 20));
    }
    EXPECT_EQ(Tracked::alive(), before) << "round " << round;
  }
}

}  // namespace
}  // namespace ringo
