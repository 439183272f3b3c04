// SPDX-License-Identifier: MIT
//
// Mutex: exclusive, first in first out, held over a co_await, in all its forms. The behaviours are
// those of Tokio's sync_mutex and sync_mutex_owned tests; aborted_future_1 and _2 are the abort
// harness here, and debug_format is in format_test.cc. readiness polls a future by hand: here a
// wait is watched by the order in which tasks are served.

#include <ringo/join_error.h>
#include <ringo/result.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/sync/mutex.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/usage_error.h>
#include <ringo/yield.h>

#include <atomic>
#include <chrono>
#include <concepts>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/abort_harness.h"
#include "support/co_test.h"
#include "support/tracked.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;
using testing_support::Tracked;

static_assert(!std::copy_constructible<MutexGuard<int>> && !std::copyable<OwnedMutexGuard<int>>);
static_assert(std::is_nothrow_move_constructible_v<MutexGuard<int>>);
static_assert(!std::move_constructible<Mutex<int>>);
static_assert(!std::default_initializable<Mutex<std::reference_wrapper<int>>>);
static_assert(sizeof(MutexGuard<int>) == sizeof(void*));

struct State {
  int counter = 0;
  std::string name = "nobody";
};

CO_TEST(Mutex, HeaderExample) {
  ringo::Mutex<std::vector<int>> results;
  ringo::MutexGuard<std::vector<int>> guard = co_await results.lock();
  guard->push_back(42);
  ringo::drop(std::move(guard));
  CO_ASSERT_EQ(results.get_mut(), std::vector<int>{42});
}

CO_TEST(Mutex, LockGivesAccessAgainAndAgain) {
  Mutex<int> mutex(100);
  {
    const MutexGuard<int> guard = co_await mutex.lock();
    CO_ASSERT_EQ(*guard, 100);
    *guard = 99;
  }
  {
    const MutexGuard<int> guard = co_await mutex.lock();
    CO_ASSERT_EQ(*guard, 99);
    *guard = 98;
  }
  CO_ASSERT_EQ(std::move(mutex).into_inner(), 98);
}

TEST(Mutex, TryLockFailsWhileItIsHeld) {
  Mutex<int> mutex(0);
  std::optional<MutexGuard<int>> first = mutex.try_lock();
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->mutex(), &mutex);
  EXPECT_FALSE(mutex.try_lock().has_value());
  first.reset();
  EXPECT_TRUE(mutex.try_lock().has_value());
}

TEST(Mutex, MovedGuardUnlocksOnce) {
  Mutex<int> mutex(0);
  Mutex<int> other(0);
  MutexGuard<int> first = *mutex.try_lock();
  {
    const MutexGuard<int> second(std::move(first));
    EXPECT_FALSE(mutex.try_lock().has_value());
  }
  MutexGuard<int> third = *mutex.try_lock();
  third = *other.try_lock();
  EXPECT_TRUE(mutex.try_lock().has_value()) << "assignment lets the held one go";
  EXPECT_FALSE(other.try_lock().has_value());
}

TEST(Mutex, HoldsMoveOnlyValuesAndSuchMadeInPlace) {
  Mutex<std::unique_ptr<int>> mutex(std::make_unique<int>(5));
  **mutex.try_lock().value() += 1;
  const std::unique_ptr<int> inner = std::move(mutex).into_inner();
  EXPECT_EQ(*inner, 6);
  Mutex<std::atomic<int>> immovable(std::in_place, 7);
  EXPECT_EQ(immovable.get_mut().load(), 7);
  Mutex deduced(std::string("text"));
  EXPECT_EQ(deduced.get_mut(), "text");
}

Task<void> lock_and_note(Mutex<std::vector<int>>& mutex, int name) {
  const MutexGuard<std::vector<int>> guard = co_await mutex.lock();
  guard->push_back(name);
  co_await yield_now();
}

CO_TEST_PAUSED(Mutex, IsHandedOverFirstInFirstOut) {
  Mutex<std::vector<int>> mutex;
  MutexGuard<std::vector<int>> guard = co_await mutex.lock();
  std::vector<JoinHandle<void>> tasks;
  for (int i = 0; i < 5; ++i) {
    tasks.push_back(spawn(lock_and_note(mutex, i)));
    co_await time::sleep(1ms);
  }
  tasks[2].abort();
  (void)co_await tasks[2];
  CO_ASSERT_TRUE(guard->empty());
  drop(std::move(guard));
  CO_ASSERT_FALSE(mutex.try_lock().has_value()) << "it was handed over, nobody overtakes";
  for (JoinHandle<void>& task : tasks) {
    if (task.is_finished()) {
      continue;
    }
    (void)co_await task;
  }
  CO_ASSERT_EQ(mutex.get_mut(), (std::vector<int>{0, 1, 3, 4}));
}

CO_TEST(Mutex, HolderThatThrowsUnlocksAndPoisonsNothing) {
  Mutex<int> mutex(1);
  auto throws = [](Mutex<int>& held) -> Task<void> {
    const MutexGuard<int> guard = co_await held.lock();
    *guard = 2;
    co_await yield_now();
    throw std::runtime_error("while it is held");
  };
  JoinHandle<void> handle = spawn(throws(mutex));
  const JoinResult<void> ended = co_await handle;
  CO_ASSERT_FALSE(ended.has_value());
  const MutexGuard<int> guard = co_await mutex.lock();
  CO_ASSERT_EQ(*guard, 2);
}

CO_TEST(Mutex, AbortedHolderUnlocks) {
  Mutex<int> mutex(1);
  auto holds = [](Mutex<int>& held) -> Task<void> {
    const MutexGuard<int> guard = co_await held.lock();
    for (;;) {
      co_await yield_now();
    }
  };
  JoinHandle<void> handle = spawn(holds(mutex));
  while (mutex.try_lock().has_value()) {
    co_await yield_now();
  }
  handle.abort();
  const MutexGuard<int> guard = co_await mutex.lock();
  CO_ASSERT_EQ(*guard, 1);
  (void)co_await handle;
}

CO_TEST(Mutex, GuardMayBeHandedToAnotherTask) {
  auto mutex = std::make_shared<Mutex<int>>(1);
  auto adds = [](OwnedMutexGuard<int> guard) -> Task<void> {
    co_await yield_now();
    *guard += 1;
  };
  OwnedMutexGuard<int> guard = co_await lock_owned(mutex);
  JoinHandle<void> handle = spawn(adds(std::move(guard)));
  const MutexGuard<int> mine = co_await mutex->lock();
  CO_ASSERT_EQ(*mine, 2);
  (void)co_await handle;
}

TEST(Mutex, GuardMayBeDestroyedOnAnotherThread) {
  Mutex<int> mutex(1);
  std::thread([guard = *mutex.try_lock()]() mutable { drop(std::move(guard)); }).join();
  EXPECT_TRUE(mutex.try_lock().has_value());
}

TEST(Mutex, MapNarrowsToAPartAndStillHolds) {
  Mutex<State> mutex;
  Mutex<State> other;
  {
    MappedMutexGuard<int> counter = mutex.try_lock().value().map(&State::counter);
    *counter = 3;
    EXPECT_FALSE(mutex.try_lock().has_value());
    MappedMutexGuard<const int> again =
        std::move(counter).map([](int& value) -> const int& { return value; });
    EXPECT_EQ(*again, 3);
    EXPECT_FALSE(mutex.try_lock().has_value());
  }
  MappedMutexGuard<std::string> name = mutex.try_lock().value().map(&State::name);
  EXPECT_EQ(name->size(), 6U);
  name = other.try_lock().value().map(&State::name);
  EXPECT_TRUE(mutex.try_lock().has_value()) << "assignment lets the held one go";
}

TEST(Mutex, TryMapGivesTheGuardBackIfThereIsNoSuchPart) {
  Mutex<std::optional<int>> mutex;
  const auto part = [](std::optional<int>& value) { return value ? &*value : nullptr; };
  {
    std::expected<MappedMutexGuard<int>, MutexGuard<std::optional<int>>> none =
        mutex.try_lock().value().try_map(part);
    ASSERT_FALSE(none.has_value());
    none.error()->emplace(5);
    EXPECT_FALSE(mutex.try_lock().has_value());
  }
  {
    std::expected<MappedMutexGuard<int>, MutexGuard<std::optional<int>>> five =
        mutex.try_lock().value().try_map(part);
    ASSERT_TRUE(five.has_value());
    EXPECT_EQ(**five, 5);
    EXPECT_FALSE(mutex.try_lock().has_value());
    auto again = std::move(*five).try_map([](int& /*value*/) -> int* { return nullptr; });
    ASSERT_FALSE(again.has_value());
    EXPECT_EQ(*again.error(), 5);
  }
  EXPECT_TRUE(mutex.try_lock().has_value());
}

TEST(Mutex, ExceptionInMapUnlocks) {
  Mutex<int> mutex(0);
  const auto fails = [](int& /*value*/) -> int& { throw std::runtime_error("no"); };
  EXPECT_THROW((void)mutex.try_lock().value().map(fails), std::runtime_error);
  EXPECT_TRUE(mutex.try_lock().has_value());
}

CO_TEST(Mutex, OwnedGuardKeepsItAlive) {
  auto mutex = std::make_shared<Mutex<State>>();
  const std::weak_ptr<Mutex<State>> observer = mutex;
  OwnedMutexGuard<State> guard = co_await lock_owned(mutex);
  CO_ASSERT_EQ(guard.mutex(), mutex);
  CO_ASSERT_FALSE(try_lock_owned(mutex).has_value());
  mutex.reset();
  guard->counter = 8;
  OwnedMappedMutexGuard<int> part = std::move(guard).map(&State::counter);
  CO_ASSERT_EQ(*part, 8);
  CO_ASSERT_FALSE(observer.expired());
  drop(std::move(part));
  CO_ASSERT_TRUE(observer.expired());
}

CO_TEST(Mutex, OwnedTryLockTakesAFreeOne) {
  auto mutex = std::make_shared<Mutex<int>>(4);
  std::optional<OwnedMutexGuard<int>> guard = try_lock_owned(mutex);
  CO_ASSERT_TRUE(guard.has_value());
  CO_ASSERT_EQ(**guard, 4);
  const Result<OwnedMutexGuard<int>> late = co_await time::timeout(0ns, lock_owned(mutex));
  CO_ASSERT_FALSE(late.has_value());
}

TEST(Mutex, BlockingLockWaitsForTheHolder) {
  auto mutex = std::make_shared<Mutex<int>>(1);
  std::optional<MutexGuard<int>> guard = mutex->try_lock();
  std::thread unlocker([&guard] {
    **guard = 2;
    guard.reset();
  });
  {
    const MutexGuard<int> mine = mutex->blocking_lock();
    EXPECT_EQ(*mine, 2);
  }
  EXPECT_EQ(*blocking_lock_owned(mutex), 2);
  unlocker.join();
}

CO_TEST(Mutex, BlockingLockIsRefusedOnAWorker) {
  auto mutex = std::make_shared<Mutex<int>>(1);
  EXPECT_THROW((void)mutex->blocking_lock(), UsageError);
  EXPECT_THROW((void)blocking_lock_owned(mutex), UsageError);
  CO_ASSERT_TRUE(mutex->try_lock().has_value());
}

CO_TEST_PAUSED(Mutex, LockIsCooperative) {
  Mutex<int> mutex(0);
  bool has_other_run = false;
  auto runs = [](bool& flag) -> Task<void> {
    flag = true;
    co_return;
  };
  JoinHandle<void> other = spawn(runs(has_other_run));
  for (int i = 0; i < 1000; ++i) {
    const MutexGuard<int> guard = co_await mutex.lock();
    ++*guard;
  }
  CO_ASSERT_TRUE(has_other_run) << "a loop of successes kept the other task from running";
  (void)co_await other;
}

constexpr int kRounds = 300;

Task<void> add_often(std::shared_ptr<Mutex<int>> mutex, int yields) {
  for (int i = 0; i < kRounds; ++i) {
    const MutexGuard<int> guard = co_await mutex->lock();
    const int seen = *guard;
    for (int k = 0; k < yields; ++k) {
      co_await yield_now();
    }
    *guard = seen + 1;
  }
}

Task<int> add_from_tasks(std::shared_ptr<Mutex<int>> mutex, int tasks) {
  std::vector<JoinHandle<void>> handles;
  for (int i = 0; i < tasks; ++i) {
    handles.push_back(spawn(add_often(mutex, i % 3)));
  }
  int ended = 0;
  for (JoinHandle<void>& handle : handles) {
    const JoinResult<void> result = co_await handle;
    ended += result.has_value() ? 1 : 0;
  }
  co_return ended;
}

// Two runtimes, a plain thread and the blocking pool exclude each other.
TEST(Mutex, ExcludesTasksOfTwoRuntimesAndThreads) {
  Runtime one = testing_support::multi_thread_runtime();
  Runtime other = testing_support::current_thread_runtime();
  auto mutex = std::make_shared<Mutex<int>>(0);
  const auto adds = [mutex] {
    for (int i = 0; i < kRounds; ++i) {
      const OwnedMutexGuard<int> guard = blocking_lock_owned(mutex);
      *guard += 1;
    }
  };
  std::thread thread(adds);
  std::thread runs_other(
      [&other, mutex] { EXPECT_EQ(other.block_on(add_from_tasks(mutex, 3)), 3); });
  EXPECT_EQ(one.block_on(add_from_tasks(mutex, 6)), 6);
  thread.join();
  runs_other.join();
  EXPECT_EQ(mutex->get_mut(), 10 * kRounds);
}

// Tasks lock with a deadline that sometimes strikes while the lock is being handed over.
CO_TEST(Mutex, SurvivesWaitersThatGiveUp) {
  auto mutex = std::make_shared<Mutex<int>>(0);
  auto tries = [](std::shared_ptr<Mutex<int>> tried, int patience) -> Task<int> {
    int successes = 0;
    for (int i = 0; i < 100; ++i) {
      Result<OwnedMutexGuard<int>> guard =
          co_await time::timeout(std::chrono::microseconds(patience), lock_owned(tried));
      if (guard) {
        **guard += 1;
        ++successes;
        co_await yield_now();
      }
    }
    co_return successes;
  };
  std::vector<JoinHandle<int>> handles;
  for (int i = 0; i < 6; ++i) {
    handles.push_back(spawn(tries(mutex, 20 * i)));
  }
  int successes = 0;
  for (JoinHandle<int>& handle : handles) {
    const JoinResult<int> count = co_await handle;
    successes += count.value();
  }
  const MutexGuard<int> guard = co_await mutex->lock();
  CO_ASSERT_EQ(*guard, successes);
}

Task<int> locks_in_turns() {
  auto mutex = std::make_shared<Mutex<Tracked>>();
  auto holds = [](std::shared_ptr<Mutex<Tracked>> held, Tracked /*tracked*/) -> Task<void> {
    const OwnedMutexGuard<Tracked> guard = co_await lock_owned(std::move(held));
    co_await yield_now();
  };
  JoinHandle<void> other = spawn(holds(mutex, Tracked()));
  JoinHandle<void> third = spawn(holds(mutex, Tracked()));
  for (int i = 0; i < 3; ++i) {
    const MutexGuard<Tracked> guard = co_await mutex->lock();
    co_await yield_now();
  }
  (void)co_await other;
  (void)co_await third;
  EXPECT_TRUE(mutex->try_lock().has_value());
  co_return 1;
}

TEST(Mutex, MayBeAbortedAnywhere) {
  testing_support::abort_at_every_step([] { return locks_in_turns(); });
  testing_support::time_out_at_every_step([] { return locks_in_turns(); },
                                          testing_support::Holds::kElsewhereToo);
}

}  // namespace
}  // namespace ringo
