// SPDX-License-Identifier: MIT
//
// Semaphore: counting, first in first out. The behaviours are those of Tokio's sync_semaphore
// tests. Of those, the blocking_*_in_async_context ones test a panic; here it is a UsageError.
// Neither a poisoned semaphore nor a poll after completion exists: nothing like them is tested.

#include <ringo/join_error.h>
#include <ringo/result.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/spawn_blocking.h>
#include <ringo/sync/semaphore.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/usage_error.h>
#include <ringo/yield.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <thread>
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

TEST(Semaphore, TryAcquireTakesWhatThereIs) {
  Semaphore semaphore(2);
  auto first = semaphore.try_acquire();
  auto second = semaphore.try_acquire();
  ASSERT_TRUE(first.has_value());
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(semaphore.try_acquire().error(), TryAcquireError::kNoPermits);
  drop(*std::move(first));
  EXPECT_EQ(semaphore.available_permits(), 1U);
  EXPECT_TRUE(semaphore.try_acquire().has_value());
}

Task<void> acquire_and_note(Semaphore& semaphore, std::size_t count, int name,
                            std::vector<int>& order) {
  const Result<SemaphorePermit> permit = co_await semaphore.acquire_many(count);
  if (permit) {
    order.push_back(name);
  }
}

CO_TEST_PAUSED(Semaphore, ServesFirstInFirstOutAndSmallWaitsBehindBig) {
  Semaphore semaphore(0);
  std::vector<int> order;
  JoinHandle<void> big = spawn(acquire_and_note(semaphore, 3, 3, order));
  co_await time::sleep(1ms);
  JoinHandle<void> small = spawn(acquire_and_note(semaphore, 1, 1, order));
  co_await time::sleep(1ms);
  semaphore.add_permits(2);
  co_await time::sleep(1ms);
  CO_ASSERT_TRUE(order.empty()) << "the big request at the head waits for three";
  CO_ASSERT_FALSE(semaphore.try_acquire().has_value()) << "nobody overtakes the queue";
  semaphore.add_permits(1);
  (void)co_await big;
  (void)co_await small;
  CO_ASSERT_EQ(order, (std::vector<int>{3, 1}));
  CO_ASSERT_EQ(semaphore.available_permits(), 3U);
}

CO_TEST_PAUSED(Semaphore, CancelledBigRequestLetsSmallOnesThrough) {
  Semaphore semaphore(1);
  std::vector<int> order;
  JoinHandle<void> big = spawn(acquire_and_note(semaphore, 5, 5, order));
  co_await time::sleep(1ms);
  JoinHandle<void> small = spawn(acquire_and_note(semaphore, 1, 1, order));
  co_await time::sleep(1ms);
  CO_ASSERT_TRUE(order.empty());
  big.abort();
  (void)co_await small;
  CO_ASSERT_EQ(order, (std::vector<int>{1}));
}

CO_TEST(Semaphore, CloseFailsWaitersAndNewcomers) {
  Semaphore semaphore(0);
  auto waits = [](Semaphore& waited) -> Task<bool> {
    const Result<SemaphorePermit> permit = co_await waited.acquire();
    co_return !permit.has_value() && permit.error().kind() == ErrorKind::kClosed;
  };
  JoinHandle<bool> waiter = spawn(waits(semaphore));
  co_await yield_now();
  semaphore.close();
  const JoinResult<bool> was_closed = co_await waiter;
  CO_ASSERT_TRUE(was_closed.value());
  CO_ASSERT_TRUE(semaphore.is_closed());
  CO_ASSERT_EQ(semaphore.try_acquire().error(), TryAcquireError::kClosed);
  const Result<SemaphorePermit> late = co_await semaphore.acquire();
  CO_ASSERT_FALSE(late.has_value());
}

TEST(Semaphore, ForgetTakesPermitsOut) {
  Semaphore semaphore(5);
  EXPECT_EQ(semaphore.forget_permits(2), 2U);
  EXPECT_EQ(semaphore.available_permits(), 3U);
  EXPECT_EQ(semaphore.forget_permits(10), 3U);
  EXPECT_EQ(semaphore.available_permits(), 0U);
  semaphore.add_permits(1);
  semaphore.try_acquire().value().forget();
  EXPECT_EQ(semaphore.available_permits(), 0U);
}

TEST(Semaphore, PermitsMergeAndSplit) {
  Semaphore semaphore(3);
  Semaphore other(1);
  SemaphorePermit permit = semaphore.try_acquire().value();
  permit.merge(semaphore.try_acquire_many(2).value());
  EXPECT_EQ(permit.num_permits(), 3U);
  EXPECT_FALSE(permit.split(4).has_value());
  std::optional<SemaphorePermit> half = permit.split(2);
  ASSERT_TRUE(half.has_value());
  EXPECT_EQ(half->num_permits(), 2U);
  half.reset();
  EXPECT_EQ(semaphore.available_permits(), 2U);
  EXPECT_THROW(permit.merge(other.try_acquire().value()), UsageError);
  EXPECT_EQ(other.available_permits(), 1U);
}

TEST(Semaphore, SplitOffPermitsAreNotGivenBackTwice) {
  Semaphore semaphore(5);
  SemaphorePermit permit = semaphore.try_acquire_many(3).value();
  std::optional<SemaphorePermit> rest = permit.split(2);
  ASSERT_TRUE(rest.has_value());
  EXPECT_EQ(permit.num_permits(), 1U);
  std::optional<SemaphorePermit> nothing = permit.split(0);
  ASSERT_TRUE(nothing.has_value());
  EXPECT_EQ(nothing->num_permits(), 0U);
  drop(std::move(permit));
  EXPECT_EQ(semaphore.available_permits(), 3U);
  rest->forget();
  rest.reset();
  nothing.reset();
  EXPECT_EQ(semaphore.available_permits(), 3U);
}

TEST(Semaphore, MovedPermitIsGivenBackOnce) {
  Semaphore semaphore(2);
  SemaphorePermit first = semaphore.try_acquire().value();
  SemaphorePermit second(std::move(first));
  EXPECT_EQ(semaphore.available_permits(), 1U);
  EXPECT_EQ(second.semaphore(), &semaphore);
  second = semaphore.try_acquire().value();
  EXPECT_EQ(semaphore.available_permits(), 1U) << "the replaced permit went back";
}

TEST(Semaphore, PermitsMayBeAddedForgottenAndGivenBackAfterClose) {
  Semaphore semaphore(3);
  SemaphorePermit permit = semaphore.try_acquire().value();
  semaphore.close();
  semaphore.close();
  semaphore.add_permits(2);
  EXPECT_EQ(semaphore.available_permits(), 4U);
  EXPECT_EQ(semaphore.forget_permits(3), 3U);
  drop(std::move(permit));
  EXPECT_EQ(semaphore.available_permits(), 2U);
  EXPECT_EQ(semaphore.try_acquire().error(), TryAcquireError::kClosed);
  EXPECT_EQ(semaphore.try_acquire_many(0).error(), TryAcquireError::kClosed);
}

TEST(Semaphore, MaximumIsKeptAtTheLimitAndRefusedBeyond) {
  Semaphore semaphore(Semaphore::kMaxPermits);
  EXPECT_EQ(semaphore.available_permits(), Semaphore::kMaxPermits);
  EXPECT_THROW(semaphore.add_permits(1), UsageError);
  EXPECT_THROW(Semaphore{Semaphore::kMaxPermits + 1}, UsageError);

  Semaphore empty(0);
  EXPECT_THROW(empty.add_permits(Semaphore::kMaxPermits + 1), UsageError);
  EXPECT_EQ(empty.available_permits(), 0U);
  empty.add_permits(Semaphore::kMaxPermits);
  EXPECT_THROW(empty.add_permits(1), UsageError);
  EXPECT_EQ(empty.available_permits(), Semaphore::kMaxPermits);
  SemaphorePermit all = empty.try_acquire_many(Semaphore::kMaxPermits).value();
  EXPECT_EQ(empty.available_permits(), 0U);
  EXPECT_THROW((void)empty.try_acquire_many(Semaphore::kMaxPermits + 1), UsageError);
  EXPECT_THROW((void)empty.acquire_many(Semaphore::kMaxPermits + 1), UsageError);
  drop(std::move(all));
}

TEST(SemaphoreDeathTest, PermitThatDoesNotFitAborts) {
  Semaphore semaphore(1);
  SemaphorePermit permit = semaphore.try_acquire().value();
  semaphore.add_permits(Semaphore::kMaxPermits);
  EXPECT_DEATH(permit = SemaphorePermit(&semaphore, 0), "more permits than SIZE_MAX / 8");
  permit.forget();
}

// Several threads try to add the last permit that fits: one of them may. A check that is not one
// step with the addition lets several through.
TEST(Semaphore, AddPermitsChecksAndAddsInOneStep) {
  for (int round = 0; round < 20; ++round) {
    Semaphore semaphore(Semaphore::kMaxPermits - 1);
    std::atomic<int> refused{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&semaphore, &refused] {
        try {
          semaphore.add_permits(1);
        } catch (const UsageError&) {
          refused.fetch_add(1);
        }
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    EXPECT_EQ(refused.load(), 3);
    EXPECT_EQ(semaphore.available_permits(), Semaphore::kMaxPermits);
  }
}

CO_TEST_PAUSED(Semaphore, AddPermitsLooksAtTheLimitWhileSomebodyWaits) {
  Semaphore semaphore(1);
  std::vector<int> order;
  JoinHandle<void> waiter = spawn(acquire_and_note(semaphore, 2, 2, order));
  co_await time::sleep(1ms);
  CO_ASSERT_EQ(semaphore.available_permits(), 1U);
  EXPECT_THROW(semaphore.add_permits(Semaphore::kMaxPermits), UsageError);
  CO_ASSERT_EQ(semaphore.available_permits(), 1U);
  semaphore.add_permits(Semaphore::kMaxPermits - 1);
  (void)co_await waiter;
  CO_ASSERT_EQ(semaphore.available_permits(), Semaphore::kMaxPermits);
}

CO_TEST(Semaphore, AcquireGivesAtOnceWhatThereIs) {
  Semaphore semaphore(3);
  const Result<SemaphorePermit> one = co_await semaphore.acquire();
  const Result<SemaphorePermit> two = co_await semaphore.acquire_many(2);
  CO_ASSERT_EQ(one.value().num_permits(), 1U);
  CO_ASSERT_EQ(two.value().num_permits(), 2U);
  CO_ASSERT_EQ(semaphore.available_permits(), 0U);
  const Result<SemaphorePermit> none = co_await semaphore.acquire_many(0);
  CO_ASSERT_EQ(none.value().num_permits(), 0U);
}

CO_TEST_PAUSED(Semaphore, AcquireIsCooperative) {
  Semaphore semaphore(1);
  bool has_other_run = false;
  auto runs = [](bool& flag) -> Task<void> {
    flag = true;
    co_return;
  };
  JoinHandle<void> other = spawn(runs(has_other_run));
  for (int i = 0; i < 1000; ++i) {
    const Result<SemaphorePermit> permit = co_await semaphore.acquire();
    CO_ASSERT_TRUE(permit.has_value());
  }
  CO_ASSERT_TRUE(has_other_run) << "a loop of successes kept the other task from running";
  (void)co_await other;
}

CO_TEST(Semaphore, HeaderExample) {
  auto slots = std::make_shared<ringo::Semaphore>(100);
  ringo::Result<ringo::OwnedSemaphorePermit> permit = co_await ringo::acquire_owned(slots);
  CO_ASSERT_TRUE(permit.has_value());
  CO_ASSERT_EQ(slots->available_permits(), 99U);
}

CO_TEST(Semaphore, OwnedPermitsOfAllKinds) {
  auto semaphore = std::make_shared<Semaphore>(3);
  {
    const Result<OwnedSemaphorePermit> two = co_await acquire_many_owned(semaphore, 2);
    CO_ASSERT_EQ(two.value().num_permits(), 2U);
    const auto one = try_acquire_owned(semaphore);
    CO_ASSERT_TRUE(one.has_value());
    CO_ASSERT_EQ(one->semaphore(), semaphore);
    CO_ASSERT_EQ(try_acquire_owned(semaphore).error(), TryAcquireError::kNoPermits);
    CO_ASSERT_EQ(try_acquire_many_owned(semaphore, 2).error(), TryAcquireError::kNoPermits);
  }
  CO_ASSERT_EQ(semaphore->available_permits(), 3U);
  semaphore->close();
  CO_ASSERT_EQ(try_acquire_owned(semaphore).error(), TryAcquireError::kClosed);
  const Result<OwnedSemaphorePermit> closed = co_await acquire_owned(semaphore);
  CO_ASSERT_FALSE(closed.has_value());
}

TEST(Semaphore, BlockingAcquireTakesWhatThereIs) {
  auto semaphore = std::make_shared<Semaphore>(10);
  Result<SemaphorePermit> one = semaphore->blocking_acquire();
  Result<SemaphorePermit> two = semaphore->blocking_acquire_many(2);
  Result<OwnedSemaphorePermit> owned = blocking_acquire_owned(semaphore);
  Result<OwnedSemaphorePermit> three = blocking_acquire_many_owned(semaphore, 3);
  ASSERT_TRUE(one && two && owned && three);
  EXPECT_EQ(semaphore->available_permits(), 3U);
}

TEST(Semaphore, BlockingAcquireWaitsForAPermit) {
  Semaphore semaphore(0);
  std::atomic<bool> is_added{false};
  std::thread adder([&semaphore, &is_added] {
    is_added.store(true);
    semaphore.add_permits(2);
  });
  const Result<SemaphorePermit> permit = semaphore.blocking_acquire_many(2);
  EXPECT_TRUE(is_added.load());
  EXPECT_TRUE(permit.has_value());
  adder.join();
}

TEST(Semaphore, BlockingAcquireFailsOnceItIsClosed) {
  auto semaphore = std::make_shared<Semaphore>(0);
  std::thread closer([semaphore] { semaphore->close(); });
  const Result<SemaphorePermit> permit = semaphore->blocking_acquire();
  ASSERT_FALSE(permit.has_value());
  EXPECT_EQ(permit.error().kind(), ErrorKind::kClosed);
  EXPECT_FALSE(blocking_acquire_owned(semaphore).has_value());
  closer.join();
}

CO_TEST(Semaphore, BlockingAcquireIsRefusedOnAWorker) {
  auto semaphore = std::make_shared<Semaphore>(10);
  EXPECT_THROW((void)semaphore->blocking_acquire(), UsageError);
  EXPECT_THROW((void)semaphore->blocking_acquire_many(2), UsageError);
  EXPECT_THROW((void)blocking_acquire_owned(semaphore), UsageError);
  EXPECT_THROW((void)blocking_acquire_many_owned(semaphore, 2), UsageError);
  CO_ASSERT_EQ(semaphore->available_permits(), 10U);
}

CO_TEST(Semaphore, BlockingAcquireWorksInTheBlockingPool) {
  auto semaphore = std::make_shared<Semaphore>(0);
  JoinHandle<bool> handle =
      spawn_blocking([semaphore] { return semaphore->blocking_acquire().has_value(); });
  semaphore->add_permits(1);
  const JoinResult<bool> acquired = co_await handle;
  CO_ASSERT_TRUE(acquired.value());
}

TEST(Semaphore, ConnectsTwoRuntimes) {
  Runtime one = testing_support::multi_thread_runtime();
  Runtime other = testing_support::current_thread_runtime();
  auto semaphore = std::make_shared<Semaphore>(0);
  auto waits = [](std::shared_ptr<Semaphore> waited) -> Task<bool> {
    const Result<OwnedSemaphorePermit> permit = co_await acquire_owned(std::move(waited));
    co_return permit.has_value();
  };
  auto adds = [](std::shared_ptr<Semaphore> target) -> Task<void> {
    target->add_permits(1);
    co_return;
  };
  JoinHandle<bool> waiter = one.spawn(waits(semaphore));
  other.block_on(adds(semaphore));
  auto joins = [](JoinHandle<bool> handle) -> Task<bool> {
    const JoinResult<bool> result = co_await handle;
    co_return result.value();
  };
  EXPECT_TRUE(other.block_on(joins(std::move(waiter))));
}

CO_TEST(Semaphore, OwnedPermitKeepsItAlive) {
  auto semaphore = std::make_shared<Semaphore>(1);
  const std::weak_ptr<Semaphore> observer = semaphore;
  Result<OwnedSemaphorePermit> permit = co_await acquire_owned(std::move(semaphore));
  CO_ASSERT_TRUE(permit.has_value());
  CO_ASSERT_FALSE(observer.expired());
  drop(*std::move(permit));
  CO_ASSERT_TRUE(observer.expired());
}

// "Futurelock": a permit that is assigned to a waiter which nobody goes on with must not be lost.
// Here the loser of a timeout is destroyed at once and hands it on.
CO_TEST(Semaphore, PermitGrantedToALoserGoesToTheNext) {
  Semaphore semaphore(0);
  for (int round = 0; round < 50; ++round) {
    auto loser = time::timeout(1ms, semaphore.acquire());
    auto adds = [](Semaphore& target) -> Task<void> {
      co_await time::sleep(1ms);
      target.add_permits(1);
    };
    JoinHandle<void> adder = spawn(adds(semaphore));
    Result<SemaphorePermit> first = co_await std::move(loser);
    (void)co_await adder;
    if (first) {
      first->forget();
    } else {
      Result<SemaphorePermit> second = co_await semaphore.acquire();
      CO_ASSERT_TRUE(second.has_value());
      second->forget();
    }
  }
}

Task<void> counts_under_limit(Semaphore& semaphore, std::atomic<int>& inside, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    const Result<SemaphorePermit> permit = co_await semaphore.acquire();
    EXPECT_LE(inside.fetch_add(1) + 1, 3);
    co_await yield_now();
    inside.fetch_sub(1);
  }
}

CO_TEST(Semaphore, BoundsManyTasks) {
  Semaphore semaphore(3);
  std::atomic<int> inside{0};
  std::vector<JoinHandle<void>> tasks;
  for (int i = 0; i < 10; ++i) {
    tasks.push_back(spawn(counts_under_limit(semaphore, inside, 200)));
  }
  for (JoinHandle<void>& task : tasks) {
    (void)co_await task;
  }
  CO_ASSERT_EQ(semaphore.available_permits(), 3U);
}

Task<void> acquires_in_turns() {
  auto semaphore = std::make_shared<Semaphore>(1);
  auto holds = [](std::shared_ptr<Semaphore> held, Tracked /*tracked*/) -> Task<void> {
    const Result<OwnedSemaphorePermit> permit = co_await acquire_owned(std::move(held));
    co_await yield_now();
  };
  JoinHandle<void> other = spawn(holds(semaphore, Tracked()));
  const Tracked tracked;
  for (int i = 0; i < 3; ++i) {
    const Result<SemaphorePermit> permit = co_await semaphore->acquire();
    co_await yield_now();
  }
  (void)co_await other;
  EXPECT_EQ(semaphore->available_permits(), 1U);
}

TEST(Semaphore, MayBeAbortedAnywhere) {
  testing_support::abort_at_every_step([] { return acquires_in_turns(); });
  testing_support::time_out_at_every_step([] { return acquires_in_turns(); },
                                          testing_support::Holds::kElsewhereToo);
}

}  // namespace
}  // namespace ringo
