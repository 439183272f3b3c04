// SPDX-License-Identifier: MIT
//
// Locks and signals, alone and among ten tasks. "yield_held" yields while it holds, so that nearly
// every other task has to queue.
//
// Thread safety: none; called by the main thread.

#include <ringo/result.h>
#include <ringo/spawn.h>
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

struct MulHash {
  std::size_t operator()(std::uint64_t key) const noexcept {
    const std::uint64_t product = key * 0x9E37'79B9'7F4A'7C15U;
    return product ^ (product >> 32);
  }
};

struct Shard {
  std::mutex mutex;
  std::unordered_map<std::uint64_t, std::uint64_t, MulHash> map;
};

using Shards = std::vector<Shard>;

Task<void> use_shards(std::shared_ptr<Shards> shards, std::uint64_t seed, std::size_t times) {
  std::uint64_t state = 0x9E37'79B9'7F4A'7C15U ^ seed;  // xorshift64*
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < times; ++i) {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    const std::uint64_t random = state * 0x2545'F491'4F6C'DD1DU;
    const std::uint64_t key = (random >> 33) % 10'000;
    Shard& shard = (*shards)[key % 16];
    const std::lock_guard guard(shard.mutex);
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

Task<Sample> std_mutex_sharded_map(std::size_t times) {
  const auto shards = std::make_shared<Shards>(16);
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
  for (const Shard& shard : *shards) {
    size += shard.map.size();
  }
  require(size == 10'000, "std_mutex_sharded_map: a key is missing");
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
  suite.task("std_mutex_sharded_map", kTasks * each, [=] { return std_mutex_sharded_map(each); });
  suite.task("semaphore_uncontended", million, [=] { return semaphore_uncontended(million); });
  suite.task("semaphore_10tasks_5permits_yield", kTasks * holds,
             [=] { return semaphore_contended(holds); });
}

}  // namespace bench
