// SPDX-License-Identifier: MIT
//
// Semaphore, Mutex and RwLock under a mix of everything at once: many counts, deadlines that strike
// at any moment, aborts, threads that block, two runtimes, and a close at the end. What is checked
// holds under every interleaving: never more is taken than there is, and in the end all of it has
// come back. The seed decides who does what; the threads' order is the machine's.

#include <ringo/join_error.h>
#include <ringo/result.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/sync/mutex.h>
#include <ringo/sync/rw_lock.h>
#include <ringo/sync/semaphore.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/yield.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"
#include "support/co_test.h"
#include "support/random_seed.h"

namespace ringo {
namespace {

constexpr std::size_t kPermits = 7;
constexpr int kTasks = 12;
constexpr int kSteps = 60;

/// A number that only the holder of the lock may see torn.
struct Twins {
  int first = 0;
  int second = 0;
};

struct Shared {
  std::shared_ptr<Semaphore> semaphore = std::make_shared<Semaphore>(kPermits);
  std::shared_ptr<Mutex<Twins>> mutex = std::make_shared<Mutex<Twins>>();
  std::shared_ptr<RwLock<Twins>> rw_lock = std::make_shared<RwLock<Twins>>(Twins(), 3);
  std::atomic<std::size_t> taken{0};
};

/// Counts what is taken of the semaphore, for as long as it is.
class Use {
 public:
  Use(Shared& shared, std::size_t count) : shared_(shared), count_(count) {
    EXPECT_LE(shared_.taken.fetch_add(count_) + count_, kPermits);
  }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;
  ~Use() { shared_.taken.fetch_sub(count_); }

 private:
  Shared& shared_;
  std::size_t count_;
};

Duration short_time(detail::Random& random) {
  return std::chrono::microseconds(random.below(200));
}

Task<void> use_semaphore(std::shared_ptr<Shared> shared, std::size_t count, Duration patience) {
  Result<OwnedSemaphorePermit> permit =
      co_await time::timeout(patience, acquire_many_owned(shared->semaphore, count));
  if (!permit) {
    co_return;
  }
  std::optional<Use> use(std::in_place, *shared, count);
  co_await yield_now();
  use.reset();
  std::optional<OwnedSemaphorePermit> half = permit->split(count / 2);
  permit->merge(*std::move(half));
}

Task<void> use_mutex(std::shared_ptr<Shared> shared, Duration patience) {
  const Result<OwnedMutexGuard<Twins>> guard =
      co_await time::timeout(patience, lock_owned(shared->mutex));
  if (!guard) {
    co_return;
  }
  EXPECT_EQ((*guard)->first, (*guard)->second);
  (*guard)->first += 1;
  (*guard)->second += 1;
  co_await yield_now();
}

Task<void> use_rw_lock(std::shared_ptr<Shared> shared, bool writes, Duration patience) {
  if (writes) {
    Result<OwnedRwLockWriteGuard<Twins>> writer =
        co_await time::timeout(patience, write_owned(shared->rw_lock));
    if (!writer) {
      co_return;
    }
    (*writer)->first += 1;
    (*writer)->second += 1;
    const OwnedRwLockReadGuard<Twins> reader = (*std::move(writer)).downgrade();
    co_await yield_now();
    EXPECT_EQ(reader->first, reader->second);
  } else {
    const Result<OwnedRwLockReadGuard<Twins>> reader =
        co_await time::timeout(patience, read_owned(shared->rw_lock));
    if (!reader) {
      co_return;
    }
    const int first = (*reader)->first;
    co_await yield_now();
    EXPECT_EQ(first, (*reader)->second);
  }
}

Task<void> one_step(std::shared_ptr<Shared> shared, std::uint32_t what, std::size_t count,
                    Duration patience) {
  switch (what) {
    case 0:
    case 1:
      co_await use_semaphore(std::move(shared), count, patience);
      break;
    case 2:
      co_await use_mutex(std::move(shared), patience);
      break;
    default:
      co_await use_rw_lock(std::move(shared), what == 3, patience);
      break;
  }
}

Task<int> take_steps(std::shared_ptr<Shared> shared, std::uint64_t seed) {
  detail::Random random(seed);
  int aborted = 0;
  for (int i = 0; i < kSteps; ++i) {
    const std::uint32_t what = random.below(6);
    const std::size_t count = random.below(kPermits) + 1;
    const Duration patience = short_time(random);
    if (random.below(3) != 0) {
      co_await one_step(shared, what, count, patience);
      continue;
    }
    JoinHandle<void> step = spawn(one_step(shared, what, count, patience));
    for (std::uint32_t k = random.below(3); k != 0; --k) {
      co_await yield_now();
    }
    step.abort();
    const JoinResult<void> ended = co_await step;
    aborted += ended.has_value() ? 0 : 1;
  }
  co_return aborted;
}

Task<int> take_steps_in_tasks(std::shared_ptr<Shared> shared, std::uint64_t seed) {
  std::vector<JoinHandle<int>> tasks;
  for (int i = 0; i < kTasks; ++i) {
    tasks.push_back(spawn(take_steps(shared, seed + static_cast<std::uint64_t>(i))));
  }
  int ended = 0;
  for (JoinHandle<int>& task : tasks) {
    const JoinResult<int> aborted = co_await task;
    ended += aborted.has_value() ? 1 : 0;
  }
  co_return ended;
}

void take_blocking_steps(Shared& shared, std::uint64_t seed) {
  detail::Random random(seed);
  for (int i = 0; i < kSteps; ++i) {
    const std::size_t count = random.below(kPermits) + 1;
    {
      const Result<SemaphorePermit> permit = shared.semaphore->blocking_acquire_many(count);
      if (permit) {
        const Use use(shared, count);
      }
    }
    {
      const MutexGuard<Twins> guard = shared.mutex->blocking_lock();
      EXPECT_EQ(guard->first, guard->second);
    }
    const RwLockReadGuard<Twins> reader = shared.rw_lock->blocking_read();
    EXPECT_EQ(reader->first, reader->second);
  }
}

TEST(Locks, SurviveAMixOfEverything) {
  const std::uint64_t seed = testing_support::seeded_random()();
  auto shared = std::make_shared<Shared>();
  Runtime one = testing_support::multi_thread_runtime();
  Runtime other = testing_support::current_thread_runtime();
  std::thread thread([&shared, seed] { take_blocking_steps(*shared, seed + 1000); });
  std::thread other_thread([&shared, &other, seed] {
    EXPECT_EQ(other.block_on(take_steps_in_tasks(shared, seed + 2000)), kTasks);
  });
  EXPECT_EQ(one.block_on(take_steps_in_tasks(shared, seed)), kTasks);
  other_thread.join();
  thread.join();
  EXPECT_EQ(shared->taken.load(), 0U);
  EXPECT_EQ(shared->semaphore->available_permits(), kPermits);
  EXPECT_TRUE(shared->mutex->try_lock().has_value());
  EXPECT_TRUE(shared->rw_lock->try_write().has_value());
}

Task<int> acquire_until_closed(std::shared_ptr<Shared> shared, std::uint64_t seed) {
  detail::Random random(seed);
  int rounds = 0;
  for (;;) {
    const std::size_t count = random.below(kPermits) + 1;
    const Result<OwnedSemaphorePermit> permit =
        co_await acquire_many_owned(shared->semaphore, count);
    if (!permit) {
      co_return rounds;
    }
    const Use use(*shared, count);
    ++rounds;
    co_await yield_now();
  }
}

Task<int> acquire_in_tasks_until_closed(std::shared_ptr<Shared> shared, std::uint64_t seed) {
  std::vector<JoinHandle<int>> tasks;
  for (int i = 0; i < kTasks; ++i) {
    tasks.push_back(spawn(acquire_until_closed(shared, seed + static_cast<std::uint64_t>(i))));
  }
  int rounds = 0;
  for (JoinHandle<int>& task : tasks) {
    const JoinResult<int> result = co_await task;
    rounds += result.value();
  }
  co_return rounds;
}

TEST(Locks, CloseEndsAllWhoWaitAndLosesNoPermit) {
  const std::uint64_t seed = testing_support::seeded_random()();
  Runtime runtime = testing_support::multi_thread_runtime();
  for (std::uint64_t round = 0; round < 10; ++round) {
    auto shared = std::make_shared<Shared>();
    std::thread closer([shared, seed, round] {
      detail::Random random(seed + round);
      for (std::uint32_t i = random.below(50); i != 0; --i) {
        const Result<SemaphorePermit> permit = shared->semaphore->blocking_acquire();
        EXPECT_TRUE(permit.has_value());
      }
      shared->semaphore->close();
    });
    (void)runtime.block_on(acquire_in_tasks_until_closed(shared, seed + 100 * round));
    closer.join();
    EXPECT_EQ(shared->semaphore->available_permits(), kPermits);
    EXPECT_EQ(shared->taken.load(), 0U);
  }
}

}  // namespace
}  // namespace ringo
