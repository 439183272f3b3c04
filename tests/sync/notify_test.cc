// SPDX-License-Identifier: MIT
//
// Notify: the behaviours of Tokio's sync_notify tests. What those do by polling once, enable() does
// here: it puts a wait into the queue and tells whether it is over. Not applicable in C++:
// notify_in_drop_after_wake (a waker has no destructor of the user's that could run under the
// lock); test_waker_update is the wait that moves to another task.

#include <ringo/join_error.h>
#include <ringo/result.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/sync/notify.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/yield.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/abort_harness.h"
#include "support/co_test.h"
#include "support/random_seed.h"
#include "support/tracked.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;
using testing_support::Tracked;

static_assert(!std::is_copy_constructible_v<Notified>);
static_assert(std::is_nothrow_move_constructible_v<Notified>);
static_assert(!std::is_move_constructible_v<Notify>);

CO_TEST(Notify, HeaderExample) {
  const bool is_ready = false;
  ringo::Notify notify;
  notify.notify_one();
  co_await notify.notified();

  ringo::Notified notified = notify.notified();
  notify.notify_waiters();
  if (!is_ready) {
    co_await std::move(notified);
  }
}

TEST(Notify, StoresOneNotificationAndNoMore) {
  Notify notify;
  notify.notify_one();
  notify.notify_one();
  Notified first = notify.notified();
  EXPECT_TRUE(first.enable());
  Notified second = notify.notified();
  EXPECT_FALSE(second.enable());
}

TEST(Notify, NotificationBeforeTheFirstLookIsTakenByIt) {
  Notify notify;
  Notified notified = notify.notified();
  notify.notify_one();
  EXPECT_TRUE(notified.enable());
}

TEST(Notify, ServesTheOldestFirst) {
  Notify notify;
  Notified first = notify.notified();
  Notified second = notify.notified();
  Notified third = notify.notified();
  EXPECT_FALSE(first.enable());
  EXPECT_FALSE(second.enable());
  EXPECT_FALSE(third.enable());
  notify.notify_one();
  EXPECT_TRUE(first.enable());
  EXPECT_FALSE(second.enable());
  notify.notify_one();
  EXPECT_TRUE(second.enable());
  EXPECT_FALSE(third.enable());
}

TEST(Notify, NotifyLastServesTheNewestFirst) {
  Notify notify;
  Notified first = notify.notified();
  Notified second = notify.notified();
  Notified third = notify.notified();
  EXPECT_FALSE(first.enable());
  EXPECT_FALSE(second.enable());
  EXPECT_FALSE(third.enable());
  notify.notify_last();
  EXPECT_TRUE(third.enable());
  EXPECT_FALSE(second.enable());
  notify.notify_last();
  EXPECT_TRUE(second.enable());
  EXPECT_FALSE(first.enable());
  notify.notify_last();
  EXPECT_TRUE(first.enable());
  notify.notify_last();
  Notified fourth = notify.notified();
  EXPECT_TRUE(fourth.enable()) << "without a waiter it is stored";
}

TEST(Notify, PlaceIsTakenByEnableAndNotByCreation) {
  Notify notify;
  Notified created_first = notify.notified();
  Notified enabled_first = notify.notified();
  EXPECT_FALSE(enabled_first.enable());
  EXPECT_FALSE(created_first.enable());
  notify.notify_one();
  EXPECT_TRUE(enabled_first.enable());
  EXPECT_FALSE(created_first.enable());
}

TEST(Notify, NotifyWaitersReachesAllThatWereCreatedBefore) {
  Notify notify;
  Notified queued = notify.notified();
  EXPECT_FALSE(queued.enable());
  Notified created = notify.notified();
  notify.notify_waiters();
  Notified later = notify.notified();
  EXPECT_TRUE(queued.enable());
  EXPECT_TRUE(created.enable()) << "also if nobody has awaited it";
  EXPECT_FALSE(later.enable()) << "and nothing is stored";
}

TEST(Notify, NotifyWaitersLeavesAStoredNotificationThere) {
  Notify notify;
  Notified created = notify.notified();
  notify.notify_one();
  notify.notify_waiters();
  EXPECT_TRUE(created.enable());
  Notified later = notify.notified();
  EXPECT_TRUE(later.enable()) << "the first was ended by notify_waiters() and took no permit";
  Notified last = notify.notified();
  EXPECT_FALSE(last.enable());
}

TEST(Notify, WaiterThatWasDroppedIsPassedOver) {
  Notify notify;
  std::optional<Notified> first(notify.notified());
  EXPECT_FALSE(first->enable());
  Notified second = notify.notified();
  EXPECT_FALSE(second.enable());
  first.reset();
  notify.notify_one();
  EXPECT_TRUE(second.enable());
}

TEST(Notify, LastWaiterThatWasDroppedLeavesAnEmptyQueue) {
  Notify notify;
  std::optional<Notified> only(notify.notified());
  EXPECT_FALSE(only->enable());
  only.reset();
  notify.notify_one();
  Notified later = notify.notified();
  EXPECT_TRUE(later.enable());
}

TEST(Notify, DroppedAfterNotifyOneItGoesToTheOldest) {
  Notify notify;
  std::optional<Notified> first(notify.notified());
  Notified second = notify.notified();
  Notified third = notify.notified();
  EXPECT_FALSE(first->enable());
  EXPECT_FALSE(second.enable());
  EXPECT_FALSE(third.enable());
  notify.notify_one();
  first.reset();
  EXPECT_TRUE(second.enable());
  EXPECT_FALSE(third.enable());
}

TEST(Notify, DroppedAfterNotifyLastItGoesToTheNewest) {
  Notify notify;
  Notified first = notify.notified();
  Notified second = notify.notified();
  std::optional<Notified> third(notify.notified());
  EXPECT_FALSE(first.enable());
  EXPECT_FALSE(second.enable());
  EXPECT_FALSE(third->enable());
  notify.notify_last();
  third.reset();
  EXPECT_TRUE(second.enable());
  EXPECT_FALSE(first.enable());
}

TEST(Notify, DroppedAfterNotifyWaitersNothingGoesOn) {
  Notify notify;
  std::optional<Notified> first(notify.notified());
  EXPECT_FALSE(first->enable());
  notify.notify_waiters();
  first.reset();
  Notified later = notify.notified();
  EXPECT_FALSE(later.enable());
}

TEST(Notify, DroppedWithoutAnotherWaiterItIsStored) {
  Notify notify;
  std::optional<Notified> queued(notify.notified());
  EXPECT_FALSE(queued->enable());
  notify.notify_one();
  queued.reset();
  std::optional<Notified> taker(notify.notified());
  EXPECT_TRUE(taker->enable());
  taker.reset();  // also a stored one that was taken, but not awaited to its end
  Notified last = notify.notified();
  EXPECT_TRUE(last.enable());
}

CO_TEST(Notify, AwaitedToItsEndNothingGoesOn) {
  Notify notify;
  Notified queued = notify.notified();
  CO_ASSERT_FALSE(queued.enable());
  notify.notify_one();
  co_await std::move(queued);
  notify.notify_one();
  co_await notify.notified();
  Notified later = notify.notified();
  CO_ASSERT_FALSE(later.enable());
}

TEST(Notify, MovedWaiterKeepsItsPlace) {
  Notify notify;
  Notified first = notify.notified();
  Notified second = notify.notified();
  EXPECT_FALSE(first.enable());
  EXPECT_FALSE(second.enable());
  Notified moved(std::move(first));
  notify.notify_one();
  EXPECT_TRUE(moved.enable());
  EXPECT_FALSE(second.enable());
  Notified moved_when_notified(std::move(moved));
  EXPECT_TRUE(moved_when_notified.enable());
}

Task<int> waits(Notified notified, int result) {
  co_await std::move(notified);
  co_return result;
}

// A wait that was enabled in one task is ended in another.
CO_TEST(Notify, EnabledWaitMayMoveToAnotherTask) {
  Notify notify;
  Notified notified = notify.notified();
  CO_ASSERT_FALSE(notified.enable());
  JoinHandle<int> other = spawn(waits(std::move(notified), 7));
  co_await yield_now();
  notify.notify_one();
  const JoinResult<int> result = co_await other;
  CO_ASSERT_EQ(result.value(), 7);
}

CO_TEST(Notify, NotifyWaitersEndsTasksHoweverFarTheyAre) {
  Notify notify;
  std::vector<JoinHandle<int>> tasks;
  for (int i = 0; i < 100; ++i) {
    tasks.push_back(spawn(waits(notify.notified(), i)));
    if (i % 7 == 0) {
      co_await yield_now();
    }
  }
  notify.notify_waiters();
  for (int i = 0; i < 100; ++i) {
    const JoinResult<int> result = co_await tasks[static_cast<std::size_t>(i)];
    CO_ASSERT_EQ(result.value(), i);
  }
}

CO_TEST_PAUSED(Notify, TaskWaitsUntilItIsNotified) {
  Notify notify;
  JoinHandle<int> waiter = spawn(waits(notify.notified(), 1));
  co_await time::sleep(1h);
  CO_ASSERT_FALSE(waiter.is_finished());
  notify.notify_one();
  const JoinResult<int> result = co_await waiter;
  CO_ASSERT_EQ(result.value(), 1);
}

CO_TEST_PAUSED(Notify, AbortedWaiterPassesTheNotificationOn) {
  Notify notify;
  JoinHandle<int> first = spawn(waits(notify.notified(), 1));
  co_await time::sleep(1ms);
  JoinHandle<int> second = spawn(waits(notify.notified(), 2));
  co_await time::sleep(1ms);
  notify.notify_one();  // wakes the first, which does not come to run
  first.abort();
  const JoinResult<int> aborted = co_await first;
  CO_ASSERT_FALSE(aborted.has_value());
  const JoinResult<int> result = co_await second;
  CO_ASSERT_EQ(result.value(), 2);
}

CO_TEST_PAUSED(Notify, TimedOutWaiterTakesNothing) {
  Notify notify;
  const Result<void> nothing = co_await time::timeout(1ms, notify.notified());
  CO_ASSERT_FALSE(nothing.has_value());
  Notified enabled = notify.notified();
  CO_ASSERT_FALSE(enabled.enable());
  const Result<void> nothing_either = co_await time::timeout(1ms, std::move(enabled));
  CO_ASSERT_FALSE(nothing_either.has_value());
  notify.notify_one();
  const Result<void> something = co_await time::timeout(1ms, notify.notified());
  CO_ASSERT_TRUE(something.has_value());
}

CO_TEST(Notify, OwnedWaitKeepsTheNotifyAlive) {
  auto notify = std::make_shared<Notify>();
  const std::weak_ptr<Notify> watched = notify;
  auto waits_owned = [](OwnedNotified notified) -> Task<void> { co_await std::move(notified); };
  JoinHandle<void> waiter = spawn(waits_owned(notified_owned(notify)));
  co_await yield_now();
  notify->notify_waiters();
  notify.reset();
  const JoinResult<void> result = co_await waiter;
  CO_ASSERT_TRUE(result.has_value());
  CO_ASSERT_TRUE(watched.expired());
}

TEST(Notify, ConnectsARuntimeToAThread) {
  Runtime runtime = testing_support::multi_thread_runtime();
  auto waits_owned = [](OwnedNotified notified) -> Task<void> { co_await std::move(notified); };
  for (int i = 0; i < 100; ++i) {
    auto notify = std::make_shared<Notify>();
    std::thread notifier([notify] { notify->notify_one(); });
    runtime.block_on(waits_owned(notified_owned(notify)));
    notifier.join();
  }
}

Task<void> notify_through(Notify& notify, bool is_all) {
  if (is_all) {
    notify.notify_waiters();
  } else {
    notify.notify_one();
  }
  co_return;
}
Task<void> wait_in_own_frame(bool is_all) {
  Notify notify;
  Notified notified = notify.notified();
  spawn(notify_through(notify, is_all)).detach();
  co_await std::move(notified);
}

// The frame, and with it the Notify, goes the moment the waiter is told. Run it under a sanitizer.
CO_TEST(Notify, MayBeDestroyedByWhoWasNotified) {
  for (int i = 0; i < 2000; ++i) {
    co_await wait_in_own_frame(i % 2 == 0);
  }
}

Task<void> notify_after_a_while(std::shared_ptr<Notify> notify, bool is_all) {
  const Tracked tracked;
  co_await yield_now();
  co_await yield_now();
  if (is_all) {
    notify->notify_waiters();
  } else {
    notify->notify_one();
  }
}
Task<void> waits_for_one() {
  const Tracked tracked;
  auto notify = std::make_shared<Notify>();
  JoinHandle<void> notifier = spawn(notify_after_a_while(notify, false));
  co_await notified_owned(notify);
  (void)co_await notifier;
}
Task<void> waits_for_all() {
  const Tracked tracked;
  auto notify = std::make_shared<Notify>();
  OwnedNotified notified = notified_owned(notify);
  (void)notified.enable();
  JoinHandle<void> notifier = spawn(notify_after_a_while(notify, true));
  co_await std::move(notified);
  (void)co_await notifier;
}

TEST(Notify, MayBeAbortedAnywhere) {
  testing_support::abort_at_every_step([] { return waits_for_one(); });
  testing_support::abort_at_every_step([] { return waits_for_all(); });
}

TEST(Notify, MayLoseATimeoutAnywhere) {
  testing_support::time_out_at_every_step([] { return waits_for_one(); },
                                          testing_support::Holds::kElsewhereToo);
  testing_support::time_out_at_every_step([] { return waits_for_all(); },
                                          testing_support::Holds::kElsewhereToo);
}

/// Items without a place: a count of them, and a Notify that says that there are some.
struct Warehouse {
  std::atomic<int> items{0};
  std::atomic<int> taken{0};
  std::atomic<bool> is_closing{false};
  Notify notify;

  void put() {
    items.fetch_add(1, std::memory_order_relaxed);  // notify_one() publishes it
    notify.notify_one();
  }
  bool take() {
    int count = items.load(std::memory_order_relaxed);
    while (count > 0) {
      if (items.compare_exchange_weak(count, count - 1, std::memory_order_relaxed)) {
        taken.fetch_add(1, std::memory_order_relaxed);
        return true;
      }
    }
    return false;
  }
};

Task<void> carry(Warehouse& warehouse, std::mt19937_64 random) {
  for (;;) {
    Notified notified = warehouse.notify.notified();
    const bool is_enabled = random() % 2 == 0;
    if (is_enabled) {
      notified.enable();
    }
    if (warehouse.is_closing.load(std::memory_order_relaxed)) {
      co_return;
    }
    if (warehouse.take()) {
      continue;  // what `notified` may have got meanwhile is passed on
    }
    if (is_enabled && random() % 4 == 0) {
      co_await yield_now();  // and dropped without being awaited
      continue;
    }
    co_await std::move(notified);
  }
}

Task<void> run_warehouse(Warehouse& warehouse, std::mt19937_64 random, int carriers, int total) {
  std::vector<JoinHandle<void>> tasks;
  for (int i = 0; i < carriers; ++i) {
    tasks.push_back(spawn(carry(warehouse, std::mt19937_64(random()))));
  }
  while (warehouse.taken.load(std::memory_order_relaxed) < total) {
    co_await yield_now();
  }
  warehouse.is_closing.store(true, std::memory_order_relaxed);
  warehouse.notify.notify_waiters();
  for (JoinHandle<void>& task : tasks) {
    const JoinResult<void> ended = co_await task;
    CO_ASSERT_TRUE(ended.has_value());
  }
}

// Every item is carried away: no notification is lost, whoever is chosen and goes away instead.
TEST(Notify, LosesNothingBetweenManyThreads) {
  constexpr int kThreads = 2;
  constexpr int kEach = 4000;
  std::mt19937_64 random = testing_support::seeded_random();
  Warehouse warehouse;
  Runtime runtime = testing_support::multi_thread_runtime(3);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&warehouse] {
      for (int item = 0; item < kEach; ++item) {
        warehouse.put();
      }
    });
  }
  runtime.block_on(run_warehouse(warehouse, random, 6, kThreads * kEach));
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(warehouse.taken.load(), kThreads * kEach);
}

}  // namespace
}  // namespace ringo
