// SPDX-License-Identifier: MIT
//
// Locks and signals, alone and among ten tasks. "yield_held" yields while it holds, so that nearly
// every other task has to queue.
//
// Thread safety: none; called by the main thread.

#include <ringo/join_error.h>
#include <ringo/parking_mutex.h>
#include <ringo/result.h>
#include <ringo/spawn.h>
#include <ringo/sync/mutex.h>
#include <ringo/sync/notify.h>
#include <ringo/sync/rw_lock.h>
#include <ringo/sync/semaphore.h>
#include <ringo/task.h>
#include <ringo/yield.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "harness.h"

namespace bench {
namespace {

using ringo::JoinHandle;
using ringo::Result;
using ringo::Task;

constexpr std::size_t kTasks = 10;

// --- a blocking mutex -------------------------------------------------------------------------

/// As parking_mutex_uncontended of the peer, whose lock is parking_lot's.
Task<Sample> parking_mutex_uncontended(std::size_t times) {
  ringo::ParkingMutex mutex;
  std::size_t count = 0;
  const Stopwatch stopwatch;
  for (std::size_t i = 0; i < times; ++i) {
    const ringo::ParkingGuard guard(mutex);
    ++count;
    keep(count);
  }
  const Sample sample = stopwatch.stop();
  require(count == times, "parking_mutex_uncontended: a wrong count");
  co_return sample;
}

template <class Mutex>
struct Shard {
  Mutex mutex;
  std::unordered_map<std::uint64_t, std::uint64_t, MulHash> map;
};

template <class Mutex>
using Shards = std::vector<Shard<Mutex>>;

template <class Mutex>
Task<void> use_shards(std::shared_ptr<Shards<Mutex>> shards, std::uint64_t seed,
                      std::size_t times) {
  std::uint64_t state = 0x9E37'79B9'7F4A'7C15U ^ seed;  // xorshift64*
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < times; ++i) {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    const std::uint64_t random = state * 0x2545'F491'4F6C'DD1DU;
    const std::uint64_t key = (random >> 33) % 10'000;
    Shard<Mutex>& shard = (*shards)[key % 16];
    const std::lock_guard<Mutex> guard(shard.mutex);
    if (random % 2 == 0) {
      const auto found = shard.map.find(key);
      sum += found == shard.map.end() ? 0 : found->second;
    } else {
      shard.map.insert_or_assign(key, random);
    }
  }
  keep(sum);
  co_return;
}

template <class Mutex>
Task<Sample> sharded_map(std::size_t times) {
  const auto shards = std::make_shared<Shards<Mutex>>(16);
  for (std::uint64_t key = 0; key < 10'000; ++key) {
    (*shards)[key % 16].map.emplace(key, key);
  }
  std::vector<JoinHandle<void>> handles;
  handles.reserve(kTasks);
  const Stopwatch stopwatch;
  for (std::size_t i = 0; i < kTasks; ++i) {
    handles.push_back(ringo::spawn(use_shards(shards, i + 1, times)));
  }
  co_await join_all(std::move(handles));
  const Sample sample = stopwatch.stop();
  std::size_t size = 0;
  for (const auto& shard : *shards) {
    size += shard.map.size();
  }
  require(size == 10'000, "sharded_map: a key is missing");
  co_return sample;
}

// --- Mutex ------------------------------------------------------------------------------------

using Counter = ringo::Mutex<std::size_t>;

/// Runs ten tasks to their ends, and checks what the mutex has counted.
template <class Make>
Task<Sample> count_in_ten_tasks(Make make, std::size_t times) {
  const auto counter = std::make_shared<Counter>(0U);
  std::vector<JoinHandle<void>> handles;
  handles.reserve(kTasks);
  const Stopwatch stopwatch;
  for (std::size_t i = 0; i < kTasks; ++i) {
    handles.push_back(ringo::spawn(make(counter, times)));
  }
  co_await join_all(std::move(handles));
  const Sample sample = stopwatch.stop();
  const ringo::MutexGuard<std::size_t> value = co_await counter->lock();
  require(*value == kTasks * times, "mutex: a wrong count");
  co_return sample;
}

Task<Sample> mutex_uncontended(std::size_t times) {
  Counter counter(0U);
  const Stopwatch stopwatch;
  for (std::size_t i = 0; i < times; ++i) {
    const ringo::MutexGuard<std::size_t> value = co_await counter.lock();
    ++*value;
  }
  const Sample sample = stopwatch.stop();
  require(counter.get_mut() == times, "mutex_uncontended: a wrong count");
  co_return sample;
}

Task<void> count_up(std::shared_ptr<Counter> counter, std::size_t times) {
  for (std::size_t i = 0; i < times; ++i) {
    const ringo::MutexGuard<std::size_t> value = co_await counter->lock();
    ++*value;
  }
}

Task<void> count_up_and_yield(std::shared_ptr<Counter> counter, std::size_t times) {
  for (std::size_t i = 0; i < times; ++i) {
    const ringo::MutexGuard<std::size_t> value = co_await counter->lock();
    ++*value;
    co_await ringo::yield_now();
  }
}

// --- RwLock -----------------------------------------------------------------------------------

using Shared = ringo::RwLock<std::size_t>;

Task<void> read_times(std::shared_ptr<Shared> lock, std::size_t times) {
  std::size_t sum = 0;
  for (std::size_t i = 0; i < times; ++i) {
    const ringo::RwLockReadGuard<std::size_t> value = co_await lock->read();
    sum += *value;
  }
  require(sum == times, "rwlock: a wrong sum");
}

Task<Sample> rwlock_read_uncontended(std::size_t times) {
  const Shared lock(1U);
  std::size_t sum = 0;
  const Stopwatch stopwatch;
  for (std::size_t i = 0; i < times; ++i) {
    const ringo::RwLockReadGuard<std::size_t> value = co_await lock.read();
    sum += *value;
  }
  const Sample sample = stopwatch.stop();
  require(sum == times, "rwlock_read_uncontended: a wrong sum");
  co_return sample;
}

Task<Sample> rwlock_read_in_ten_tasks(std::size_t times) {
  const auto lock = std::make_shared<Shared>(1U);
  std::vector<JoinHandle<void>> handles;
  handles.reserve(kTasks);
  const Stopwatch stopwatch;
  for (std::size_t i = 0; i < kTasks; ++i) {
    handles.push_back(ringo::spawn(read_times(lock, times)));
  }
  co_await join_all(std::move(handles));
  co_return stopwatch.stop();
}

// --- Notify -----------------------------------------------------------------------------------

struct Table {
  ringo::Notify ping;
  ringo::Notify pong;
};

Task<std::size_t> return_balls(std::shared_ptr<Table> table, std::size_t times) {
  for (std::size_t i = 0; i < times; ++i) {
    co_await table->ping.notified();
    table->pong.notify_one();
  }
  co_return times;
}

Task<Sample> notify_ping_pong(std::size_t times) {
  const auto table = std::make_shared<Table>();
  const Stopwatch stopwatch;
  JoinHandle<std::size_t> partner = ringo::spawn(return_balls(table, times));
  for (std::size_t i = 0; i < times; ++i) {
    table->ping.notify_one();
    co_await table->pong.notified();
  }
  const ringo::JoinResult<std::size_t> returned = co_await partner;
  const Sample sample = stopwatch.stop();
  require(returned.value() == times, "notify_ping_pong: a ball is missing");
  co_return sample;
}

// --- Semaphore --------------------------------------------------------------------------------

Task<Sample> semaphore_uncontended(std::size_t times) {
  ringo::Semaphore semaphore(1);
  const Stopwatch stopwatch;
  for (std::size_t i = 0; i < times; ++i) {
    const Result<ringo::SemaphorePermit> permit = co_await semaphore.acquire();
    require(permit.has_value(), "semaphore: closed");
  }
  const Sample sample = stopwatch.stop();
  require(semaphore.available_permits() == 1, "semaphore: a permit was lost");
  co_return sample;
}

Task<void> hold_permit(std::shared_ptr<ringo::Semaphore> semaphore, std::size_t times) {
  for (std::size_t i = 0; i < times; ++i) {
    const Result<ringo::SemaphorePermit> permit = co_await semaphore->acquire();
    require(permit.has_value(), "semaphore: closed");
    co_await ringo::yield_now();
  }
}

Task<Sample> semaphore_contended(std::size_t times) {
  const auto semaphore = std::make_shared<ringo::Semaphore>(5);
  std::vector<JoinHandle<void>> handles;
  handles.reserve(kTasks);
  const Stopwatch stopwatch;
  for (std::size_t i = 0; i < kTasks; ++i) {
    handles.push_back(ringo::spawn(hold_permit(semaphore, times)));
  }
  co_await join_all(std::move(handles));
  const Sample sample = stopwatch.stop();
  require(semaphore->available_permits() == 5, "semaphore: a permit was lost");
  co_return sample;
}

}  // namespace

void run_lock_benchmarks(Suite& suite) {
  const std::size_t million = suite.scaled(1'000'000);
  const std::size_t each = suite.scaled(100'000);
  const std::size_t holds = suite.scaled(10'000);
  suite.task("std_mutex_sharded_map", kTasks * each, [=] { return sharded_map<std::mutex>(each); });
  suite.task("parking_mutex_sharded_map", kTasks * each,
             [=] { return sharded_map<ringo::ParkingMutex>(each); });
  suite.task("parking_mutex_uncontended", million,
             [=] { return parking_mutex_uncontended(million); });
  suite.task("mutex_uncontended", million, [=] { return mutex_uncontended(million); });
  suite.task("mutex_10tasks", kTasks * each, [=] { return count_in_ten_tasks(&count_up, each); });
  suite.task("mutex_10tasks_yield_held", kTasks * holds,
             [=] { return count_in_ten_tasks(&count_up_and_yield, holds); });
  suite.task("semaphore_uncontended", million, [=] { return semaphore_uncontended(million); });
  suite.task("semaphore_10tasks_5permits_yield", kTasks * holds,
             [=] { return semaphore_contended(holds); });
  const std::size_t balls = suite.scaled(200'000);
  suite.task("notify_ping_pong", balls, [=] { return notify_ping_pong(balls); });
  suite.task("rwlock_read_uncontended", million, [=] { return rwlock_read_uncontended(million); });
  suite.task("rwlock_read_10tasks", kTasks * each, [=] { return rwlock_read_in_ten_tasks(each); });
}

}  // namespace bench
