// SPDX-License-Identifier: MIT
//
// Spawning, aborting, joining, dropping and shutting down at the same time from tasks and foreign
// threads, in random order: for the sanitizers. Bounded to a second or two.

#include <ringo/runtime.h>
#include <ringo/shield.h>
#include <ringo/spawn.h>
#include <ringo/spawn_blocking.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/yield.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/co_test.h"
#include "support/random_seed.h"
#include "support/tracked.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;
using testing_support::Tracked;

/// A child that does one of the things that suspend.
Task<int> works(std::uint64_t kind, Tracked /*parameter*/) {
  const Tracked local;
  switch (kind % 6) {
    case 0:
      co_return 1;
    case 1:
      for (int i = 0; i < 3; ++i) {
        co_await yield_now();
      }
      break;
    case 2:
      co_await time::sleep(Duration(static_cast<std::int64_t>(kind % 300'000)));
      break;
    case 3: {
      const auto sleeps = []() -> Task<void> { co_await time::sleep(1ms); };
      (void)co_await time::timeout(Duration(static_cast<std::int64_t>(kind % 2'000'000)), sleeps());
      break;
    }
    case 4: {
      const auto section = []() -> Task<void> { co_await yield_now(); };
      co_await shield(section());
      break;
    }
    default: {
      JoinHandle<int> child = spawn(works(kind / 6, Tracked()));
      if ((kind & 64) != 0) {
        child.abort();
      }
      (void)co_await child;
    }
  }
  co_return 2;
}

/// Spawns children and joins, aborts, times out or drops them.
Task<void> commotion(std::uint64_t seed, int rounds) {
  std::mt19937_64 random(seed);
  std::vector<JoinHandle<int>> kept;
  for (int i = 0; i < rounds; ++i) {
    JoinHandle<int> handle = spawn(works(random() & 0xFFFFF, Tracked()));
    switch (random() % 6) {
      case 0:
        (void)co_await handle;
        break;
      case 1:
        handle.abort();
        break;
      case 2:
        handle.abort();
        (void)co_await handle;
        break;
      case 3:
        (void)co_await time::timeout(50us, handle);
        break;
      case 4:
        kept.push_back(std::move(handle));
        break;
      default: {
        const auto nothing = [held = Tracked()] {};
        (void)co_await spawn_blocking(nothing);
      }
    }
  }
  for (JoinHandle<int>& handle : kept) {
    (void)co_await handle;
  }
}

TEST(TaskRace, EverythingAtOnceThenShutdownInTheMiddle) {
  std::mt19937_64 random = testing_support::seeded_random();
  for (int round = 0; round < 30; ++round) {
    const int before = Tracked::alive();
    {
      Runtime runtime = testing_support::multi_thread_runtime(1 + random() % 3);
      std::vector<JoinHandle<void>> roots;
      for (int i = 0; i < 8; ++i) {
        roots.push_back(runtime.spawn(commotion(random(), 30)));
      }
      std::thread aborter([abort = roots[0].abort_handle()] { abort.abort(); });
      if (round % 3 != 0) {
        const auto all = [](std::vector<JoinHandle<void>>& handles,
                            std::size_t count) -> Task<void> {
          for (std::size_t i = 0; i < count; ++i) {
            (void)co_await handles[i];
          }
        };
        runtime.block_on(all(roots, round % 3 == 1 ? roots.size() : 2));
      }
      aborter.join();
      if (round % 2 == 0) {
        roots.clear();
      }
    }
    ASSERT_EQ(Tracked::alive(), before) << "round " << round;
  }
}

TEST(TaskRace, HandleGoesWhileTheTaskEnds) {
  // An output that nobody will take is destroyed, whoever keeps the cell.
  Runtime runtime = testing_support::multi_thread_runtime(2);
  const auto gives = []() -> Task<Tracked> { co_return Tracked(); };
  const int before = Tracked::alive();
  std::vector<AbortHandle> kept;
  for (int i = 0; i < 3000; ++i) {
    JoinHandle<Tracked> handle = runtime.spawn(gives());
    kept.push_back(handle.abort_handle());
    if (i % 2 == 0) {
      std::this_thread::yield();
    }
  }
  for (const AbortHandle& handle : kept) {
    while (!handle.is_finished()) {
      std::this_thread::yield();
    }
  }
  runtime.shutdown_timeout(1h);
  EXPECT_EQ(Tracked::alive(), before);
}

TEST(TaskRace, BlockOnFromManyThreads) {
  Runtime runtime = testing_support::multi_thread_runtime(2);
  std::vector<std::thread> threads;
  std::atomic<int> sum{0};
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        int local = 0;  // the waker must have let go of this stack when block_on returns
        const auto adds = [](int& borrowed) -> Task<int> {
          if (borrowed == 0) {
            co_await yield_now();
          }
          co_return ++borrowed;
        };
        sum += runtime.block_on(adds(local));
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(sum, 1500);
}

}  // namespace
}  // namespace ringo
