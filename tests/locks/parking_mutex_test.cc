// SPDX-License-Identifier: MIT
//
// ParkingMutex, its guards and lock_all(), from one thread and from many.

#include <ringo/parking_mutex.h>
#include <ringo/thread_annotations.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

#include <gtest/gtest.h>

namespace ringo {
namespace {

static_assert(sizeof(ParkingMutex) == 4);
static_assert(!std::is_copy_constructible_v<ParkingGuard> &&
              !std::is_move_constructible_v<ParkingGuard>);

constinit ParkingMutex static_mutex;  // needs no code before main()

bool is_free(ParkingMutex& mutex) {
  if (!mutex.try_lock()) {
    return false;
  }
  mutex.unlock();
  return true;
}

TEST(ParkingMutex, HeaderExample) {
  struct Counter {
    ringo::ParkingMutex mutex;
    int hits RINGO_GUARDED_BY(mutex) = 0;
  };
  static Counter counter;
  {
    const ringo::ParkingGuard guard(counter.mutex);
    ++counter.hits;
  }  // before any co_await
  EXPECT_TRUE(is_free(counter.mutex));
}

TEST(ParkingMutex, IsHeldByOneAtATime) {
  const ParkingGuard guard(static_mutex);
  std::thread([] { EXPECT_FALSE(is_free(static_mutex)); }).join();
}

TEST(ParkingMutex, GuardUnlocksAtTheEndOfItsScope) {
  ParkingMutex mutex;
  {
    const ParkingGuard guard(mutex);
  }
  EXPECT_TRUE(is_free(mutex));
}

TEST(ParkingMutex, GuardMayUnlockEarlyAndLockAgain) {
  ParkingMutex mutex;
  {
    ParkingGuard guard(mutex);
    guard.unlock();
    {
      const ParkingGuard other(mutex);
    }
    guard.lock();
    guard.unlock();
  }
  EXPECT_TRUE(is_free(mutex));
}

TEST(ParkingMutex, WorksWithTheGuardsOfTheStandard) {
  ParkingMutex mutex;
  {
    const std::lock_guard guard(mutex);
  }
  std::unique_lock lock(mutex);
  lock.unlock();
  EXPECT_TRUE(lock.try_lock());
}

TEST(ParkingMutex, LosesNoCountBetweenThreads) {
  constexpr int kThreads = 4;
  constexpr int kTimes = 5'000;
  ParkingMutex mutex;
  std::size_t count = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < kTimes; ++k) {
        const ParkingGuard guard(mutex);
        ++count;
        if (k % 64 == 0) {
          std::this_thread::yield();  // so that others have to sleep
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(count, std::size_t{kThreads} * kTimes);
}

TEST(ParkingMutex, WakesEveryoneWhoSleeps) {
  constexpr int kThreads = 6;
  ParkingMutex mutex;
  std::atomic<int> begun{0};
  int served = 0;
  std::vector<std::thread> threads;
  {
    const ParkingGuard guard(mutex);
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        begun.fetch_add(1);
        const ParkingGuard inner(mutex);
        ++served;
      });
    }
    while (begun.load() != kThreads) {
      std::this_thread::yield();
    }
    EXPECT_EQ(served, 0);
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(served, kThreads);
}

TEST(LockAll, HoldsAllOfThem) {
  std::array<ParkingMutex, 4> m;
  {
    const auto guard = lock_all(m[0], m[1], m[2], m[3]);
    std::thread([&] {
      for (ParkingMutex& mutex : m) {
        EXPECT_FALSE(is_free(mutex));
      }
    }).join();
  }
  for (ParkingMutex& mutex : m) {
    EXPECT_TRUE(is_free(mutex));
  }
}

TEST(LockAll, TakesOneMutexOnce) {
  ParkingMutex a;
  ParkingMutex b;
  {
    // The analysis cannot know that this is meant.
    [&]() RINGO_NO_THREAD_SAFETY_ANALYSIS { const auto guard = lock_all(a, b, a); }();
  }
  EXPECT_TRUE(is_free(a));
}

TEST(LockAll, DoesNotDeadlockInAnyOrderOfItsArguments) {
  constexpr int kTimes = 3'000;
  ParkingMutex a;
  ParkingMutex b;
  int moved = 0;
  std::thread other([&] {
    for (int i = 0; i < kTimes; ++i) {
      const auto guard = lock_all(b, a);
      ++moved;
    }
  });
  for (int i = 0; i < kTimes; ++i) {
    const auto guard = lock_all(a, b);
    ++moved;
  }
  other.join();
  EXPECT_EQ(moved, 2 * kTimes);
}

}  // namespace
}  // namespace ringo
