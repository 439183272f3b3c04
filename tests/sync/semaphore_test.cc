// SPDX-License-Identifier: MIT
//
// Semaphore: counting, first in first out. The behaviours are those of Tokio's sync_semaphore
// tests.

#include <ringo/join_error.h>
#include <ringo/result.h>
#include <ringo/spawn.h>
#include <ringo/sync/semaphore.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/usage_error.h>
#include <ringo/yield.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
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
  SemaphorePermit permit = semaphore.try_acquire(1).value();
  permit.merge(semaphore.try_acquire(2).value());
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

TEST(Semaphore, MaximumIsKeptAtTheLimitAndRefusedBeyond) {
  Semaphore semaphore(Semaphore::kMaxPermits);
  EXPECT_EQ(semaphore.available_permits(), Semaphore::kMaxPermits);
  EXPECT_THROW(semaphore.add_permits(1), UsageError);
  EXPECT_THROW(Semaphore{Semaphore::kMaxPermits + 1}, UsageError);
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
