// SPDX-License-Identifier: MIT
//
// "Futurelock": in Tokio a lock can be handed to a future that nobody polls any more, and everybody
// waits for it for ever (tokio issues 6450 and 7892). It needs a future that has been polled, lost
// a select, and was kept. Here a loser is destroyed before the combinator returns, so what it was
// granted goes to the next in line; an operation cannot be awaited by name, so it cannot be kept
// (tests/compile_fail/lock_awaited_by_name.cc); and what is spawned runs on by itself. These tests
// have the shapes of those issues. Each would wait for ever, which on a paused clock means that
// kForever passes, if what a loser was granted were lost.

#include <ringo/detail/arm.h>
#include <ringo/detail/task_core.h>
#include <ringo/join_error.h>
#include <ringo/result.h>
#include <ringo/select.h>
#include <ringo/spawn.h>
#include <ringo/sync/mutex.h>
#include <ringo/sync/rw_lock.h>
#include <ringo/sync/semaphore.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/yield.h>

#include <chrono>
#include <coroutine>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "support/abort_harness.h"
#include "support/co_test.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::hours kForever{1000};

/// Starts an awaitable, and drops it when the task is woken, whatever has become of it.
template <class A>
class LosesOnceWoken final : public detail::Leaf {
 public:
  explicit LosesOnceWoken(A&& awaitable) : arm_(std::forward<A>(awaitable)) {}

  [[nodiscard]] bool await_ready() { return arm_.try_ready(); }
  template <class AwaitingPromise>
  bool await_suspend(std::coroutine_handle<AwaitingPromise> awaiting) {
    waiting_coroutine = awaiting;
    detail::Branch& branch = *awaiting.promise().branch;
    arm_.open(branch);
    if (arm_.start()) {
      return false;
    }
    branch.leaf = this;
    return true;
  }
  [[nodiscard]] bool ended() noexcept override { return arm_.was_woken() && arm_.cancel(); }
  [[nodiscard]] bool cancel() noexcept override { return arm_.cancel(); }
  void await_resume() const noexcept {}

 private:
  detail::Arm<A> arm_;
};
template <class A>
LosesOnceWoken<A> loses_once_woken(A&& awaitable) {
  return LosesOnceWoken<A>(std::forward<A>(awaitable));
}

// The program of issue 6450: two waiters of one task, made one after the other, lose against
// something that is ready; then the lock is released and asked for again.
CO_TEST_PAUSED(Futurelock, WaitersThatLostDoNotStandInTheWay) {
  RwLock<int> lock(0);
  RwLockWriteGuard<int> locked = *lock.try_write();
  const Result<RwLockWriteGuard<int>> first = co_await time::timeout(0ns, lock.write());
  const Result<RwLockWriteGuard<int>> second = co_await time::timeout(0ns, lock.write());
  CO_ASSERT_FALSE(first.has_value() || second.has_value());
  drop(std::move(locked));
  const Result<RwLockWriteGuard<int>> third = co_await time::timeout(kForever, lock.write());
  CO_ASSERT_TRUE(third.has_value());
}

// The same with select.
CO_TEST_PAUSED(Futurelock, LosersOfASelectDoNotStandInTheWay) {
  RwLock<int> lock(0);
  auto is_ready = []() -> Task<int> { co_return 1; };
  RwLockWriteGuard<int> locked = *lock.try_write();
  for (int i = 0; i < 2; ++i) {
    const std::variant<RwLockWriteGuard<int>, int> winner =
        co_await select(biased, lock.write(), is_ready());
    CO_ASSERT_EQ(winner.index(), 1U);
  }
  drop(std::move(locked));
  const Result<RwLockWriteGuard<int>> third = co_await time::timeout(kForever, lock.write());
  CO_ASSERT_TRUE(third.has_value());
}

// The lock is handed to the loser first, then it loses.
CO_TEST_PAUSED(Futurelock, LockHandedToALoserGoesToTheNext) {
  auto mutex = std::make_shared<Mutex<int>>(0);
  MutexGuard<int> locked = *mutex->try_lock();
  auto loses = [](std::shared_ptr<Mutex<int>> wanted) -> Task<void> {
    co_await loses_once_woken(wanted->lock());
  };
  auto locks = [](std::shared_ptr<Mutex<int>> wanted) -> Task<bool> {
    const Result<MutexGuard<int>> guard = co_await time::timeout(kForever, wanted->lock());
    co_return guard.has_value();
  };
  std::vector<JoinHandle<void>> losers;
  for (int i = 0; i < 3; ++i) {
    losers.push_back(spawn(loses(mutex)));
  }
  co_await time::sleep(1ms);
  JoinHandle<bool> next = spawn(locks(mutex));
  co_await time::sleep(1ms);
  drop(std::move(locked));
  CO_ASSERT_FALSE(mutex->try_lock().has_value()) << "it has been handed to the first loser";
  const JoinResult<bool> has_locked = co_await next;
  CO_ASSERT_TRUE(has_locked.value());
  for (JoinHandle<void>& loser : losers) {
    (void)co_await loser;
  }
}

CO_TEST_PAUSED(Futurelock, ManyPermitsGrantedToALoserGoToTheNext) {
  Semaphore semaphore(5);
  Result<SemaphorePermit> all = co_await semaphore.acquire_many(5);
  auto loses = [](Semaphore& wanted) -> Task<void> {
    co_await loses_once_woken(wanted.acquire_many(5));
  };
  auto acquires = [](Semaphore& wanted) -> Task<std::size_t> {
    const Result<SemaphorePermit> permit = co_await time::timeout(kForever, wanted.acquire_many(3));
    co_return permit ? permit->num_permits() : 0;
  };
  JoinHandle<void> loser = spawn(loses(semaphore));
  co_await time::sleep(1ms);
  JoinHandle<std::size_t> next = spawn(acquires(semaphore));
  co_await time::sleep(1ms);
  drop(*std::move(all));
  const JoinResult<std::size_t> count = co_await next;
  CO_ASSERT_EQ(count.value(), 3U);
  (void)co_await loser;
  CO_ASSERT_EQ(semaphore.available_permits(), 5U);
}

// The deadline and the hand-over come in the same instant, in either order.
CO_TEST_PAUSED(Futurelock, DeadlineInTheInstantOfTheHandOverLosesNothing) {
  auto mutex = std::make_shared<Mutex<int>>(0);
  auto holds = [](std::shared_ptr<Mutex<int>> held, Duration hold) -> Task<void> {
    const MutexGuard<int> guard = co_await held->lock();
    co_await time::sleep(hold);
  };
  for (int delay = 0; delay < 8; ++delay) {
    JoinHandle<void> holder = spawn(holds(mutex, 1ms));
    co_await time::sleep(1ns);
    JoinHandle<void> late_holder = spawn(holds(mutex, 1ms));
    const Duration patience = 1ms - std::chrono::nanoseconds(4 - delay);
    {
      const Result<MutexGuard<int>> maybe = co_await time::timeout(patience, mutex->lock());
    }
    const Result<MutexGuard<int>> surely = co_await time::timeout(kForever, mutex->lock());
    CO_ASSERT_TRUE(surely.has_value()) << "lost with a patience of " << patience.count() << " ns";
    (void)co_await holder;
    drop(std::move(late_holder));
  }
}

// An abort comes after the lock was handed over and before the task has run.
TEST(Futurelock, LockHandedToAnAbortedTaskGoesToTheNext) {
  testing_support::SteppedRuntime stepped(true);
  Mutex<int> mutex(0);
  auto locks = [](Mutex<int>& wanted) -> Task<int> {
    const MutexGuard<int> guard = co_await wanted.lock();
    co_return *guard;
  };
  std::optional<MutexGuard<int>> locked = mutex.try_lock();
  JoinHandle<int> aborted = stepped.runtime().spawn(locks(mutex));
  stepped.step();
  JoinHandle<int> next = stepped.runtime().spawn(locks(mutex));
  stepped.step();
  locked.reset();
  ASSERT_FALSE(mutex.try_lock().has_value()) << "it has been handed to the first";
  ASSERT_FALSE(aborted.is_finished());
  aborted.abort();
  ASSERT_TRUE(stepped.run_until_finished(next));
  ASSERT_TRUE(stepped.run_until_finished(aborted));
  EXPECT_TRUE(mutex.try_lock().has_value());
}

// A spawned task whose handle loses a race is not held up by that: it takes its turn and ends. What
// it returns is kept for whoever awaits the handle, and goes with the handle.
CO_TEST_PAUSED(Futurelock, SpawnedWaiterTakesItsTurnThoughNobodyAwaitsIt) {
  auto mutex = std::make_shared<Mutex<int>>(0);
  auto locks = [](std::shared_ptr<Mutex<int>> wanted) -> Task<OwnedMutexGuard<int>> {
    co_return co_await lock_owned(std::move(wanted));
  };
  auto passes = [](std::shared_ptr<Mutex<int>> wanted) -> Task<void> {
    const MutexGuard<int> guard = co_await wanted->lock();
    co_await yield_now();
  };
  MutexGuard<int> locked = *mutex->try_lock();
  JoinHandle<void> passing = spawn(passes(mutex));
  co_await time::sleep(1ms);
  JoinHandle<OwnedMutexGuard<int>> holding = spawn(locks(mutex));
  const auto late = co_await time::timeout(1ms, passing);
  CO_ASSERT_FALSE(late.has_value());
  drop(std::move(locked));
  co_await time::sleep(1ms);
  CO_ASSERT_TRUE(passing.is_finished() && holding.is_finished());
  CO_ASSERT_FALSE(mutex->try_lock().has_value());
  drop(std::move(holding));
  CO_ASSERT_TRUE(mutex->try_lock().has_value());
}

// Issue 7892: while one branch of a task is in the queue, another blocks the thread on the same
// lock. Blocking a worker is refused instead.
CO_TEST(Futurelock, BlockingOnTheLockBesideAWaitingBranchIsRefused) {
  auto mutex = std::make_shared<Mutex<int>>(0);
  const MutexGuard<int> locked = *mutex->try_lock();
  auto blocks = [](std::shared_ptr<Mutex<int>> wanted) -> Task<void> {
    co_await yield_now();
    (void)wanted->blocking_lock();
  };
  JoinHandle<void> blocking = spawn(blocks(mutex));
  const JoinResult<void> ended = co_await blocking;
  CO_ASSERT_FALSE(ended.has_value());
}

}  // namespace
}  // namespace ringo
