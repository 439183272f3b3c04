// SPDX-License-Identifier: MIT
//
// The ways to share state between tasks, side by side: one mutex, sharded mutexes, a mutex for
// tasks, a task that owns the state, and a concurrent map. Thirty-two tasks read and change a map
// of ten thousand numbers, on one to four workers, with different shares of reads, and keys that
// are used evenly or not.
//
// Thread safety: none; called by the main thread.

#include <ringo/concurrent_map.h>
#include <ringo/guarded.h>
#include <ringo/join_error.h>
#include <ringo/runtime.h>
#include <ringo/sharded.h>
#include <ringo/spawn.h>
#include <ringo/sync/mpsc.h>
#include <ringo/sync/mutex.h>
#include <ringo/sync/oneshot.h>
#include <ringo/task.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "measure.h"

namespace bench {
namespace {

using Number = std::uint64_t;
using Map = std::unordered_map<Number, Number>;
using ringo::Task;

constexpr std::size_t kTasks = 32;
constexpr std::size_t kKeys = 10'000;

std::optional<Number> look_up(const Map& map, Number key) {
  const auto found = map.find(key);
  return found == map.end() ? std::nullopt : std::optional(found->second);
}

// Each strategy gives: a handle that tasks copy, and get() and set() as awaitables or not.

class OneMutex {
 public:
  static constexpr std::string_view kName = "one mutex";
  std::optional<Number> get(Number key) const {
    return map_->with([&](const Map& map) { return look_up(map, key); });
  }
  void set(Number key, Number value) const {
    map_->with([&](Map& map) { map.insert_or_assign(key, value); });
  }

 private:
  std::shared_ptr<ringo::Guarded<Map>> map_ = std::make_shared<ringo::Guarded<Map>>();
};

class ShardedMutexes {
 public:
  static constexpr std::string_view kName = "sharded mutexes";
  std::optional<Number> get(Number key) const { return map_->get(key); }
  void set(Number key, Number value) const { map_->insert_or_assign(key, value); }

 private:
  std::shared_ptr<ringo::Sharded<Map>> map_ = std::make_shared<ringo::Sharded<Map>>(16);
};

class Concurrent {
 public:
  static constexpr std::string_view kName = "ConcurrentMap";
  std::optional<Number> get(Number key) const { return map_->get(key); }
  void set(Number key, Number value) const { map_->insert_or_assign(key, value); }

 private:
  using Shared = ringo::ConcurrentMap<Number, Number>;
  std::shared_ptr<Shared> map_ = std::make_shared<Shared>(16);
};

class AsyncMutex {
 public:
  static constexpr std::string_view kName = "async mutex";
  Task<std::optional<Number>> get(Number key) const {
    const ringo::MutexGuard<Map> map = co_await map_->lock();
    co_return look_up(*map, key);
  }
  Task<void> set(Number key, Number value) const {
    const ringo::MutexGuard<Map> map = co_await map_->lock();
    map->insert_or_assign(key, value);
  }

 private:
  std::shared_ptr<ringo::Mutex<Map>> map_ = std::make_shared<ringo::Mutex<Map>>();
};

struct Request {
  Number key = 0;
  std::optional<Number> value;  ///< to set; else it is a look-up
  ringo::oneshot::Sender<std::optional<Number>> reply;
};

Task<void> own_map(ringo::mpsc::Receiver<Request> requests) {
  Map map;
  while (std::optional<Request> request = co_await requests.recv()) {
    if (request->value) {
      map.insert_or_assign(request->key, *request->value);
    }
    (void)std::move(request->reply).send(look_up(map, request->key));
  }
}

class OwnerTask {
 public:
  static constexpr std::string_view kName = "owner task";
  /// Within a runtime.
  OwnerTask() : OwnerTask(ringo::mpsc::channel<Request>(32)) {}
  Task<std::optional<Number>> get(Number key) const { return ask(requests_, key, std::nullopt); }
  Task<std::optional<Number>> set(Number key, Number value) const {
    return ask(requests_, key, value);
  }

 private:
  template <class Channel>
  explicit OwnerTask(Channel channel) : requests_(std::move(channel.sender)) {
    ringo::spawn(own_map(std::move(channel.receiver))).detach();
  }
  static Task<std::optional<Number>> ask(ringo::mpsc::Sender<Request> requests, Number key,
                                         std::optional<Number> value) {
    auto [tx, rx] = ringo::oneshot::channel<std::optional<Number>>();
    Request request{key, value, std::move(tx)};
    const auto sent = co_await requests.send(std::move(request));
    if (!sent) {
      co_return std::nullopt;
    }
    auto answer = co_await std::move(rx);
    co_return answer.value_or(std::nullopt);
  }

  ringo::mpsc::Sender<Request> requests_;
};

template <class Store>
constexpr bool kIsAsync = requires(const Store& store) { store.get(0).release(); };

template <class Store>
Task<void> use(Store store, std::shared_ptr<const Keys> keys, std::uint64_t seed, std::size_t times,
               unsigned reads) {
  Random random(seed);
  for (std::size_t i = 0; i < times; ++i) {
    const std::uint64_t drawn = random();
    const Number key = (*keys)[drawn >> 8U];
    if (drawn % 100 < reads) {
      if constexpr (kIsAsync<Store>) {
        const std::optional<Number> found = co_await store.get(key);
        keep(found);
      } else {
        keep(store.get(key));
      }
    } else {
      if constexpr (kIsAsync<Store>) {
        co_await store.set(key, drawn);
      } else {
        store.set(key, drawn);
      }
    }
  }
}

template <class Store>
Task<Outcome> measure(std::shared_ptr<const Keys> keys, std::size_t each, unsigned reads) {
  const Store store;
  for (Number key = 0; key < kKeys; ++key) {
    if constexpr (kIsAsync<Store>) {
      co_await store.set(key, key);
    } else {
      store.set(key, key);
    }
  }
  const Stopwatch stopwatch;
  std::vector<ringo::JoinHandle<void>> tasks;
  tasks.reserve(kTasks);
  for (std::size_t t = 0; t < kTasks; ++t) {
    tasks.push_back(ringo::spawn(use(store, keys, t, each, reads)));
  }
  for (ringo::JoinHandle<void>& task : tasks) {
    const ringo::JoinResult<void> joined = co_await task;
    if (!joined) {
      std::abort();
    }
  }
  co_return stopwatch.stop(kTasks * each);
}

template <class Store>
void enter(Contest& contest, ringo::Runtime& runtime, const std::shared_ptr<const Keys>& keys,
           std::size_t operations, unsigned reads) {
  contest.add(std::string(Store::kName), [&runtime, keys, operations, reads] {
    return runtime.block_on(measure<Store>(keys, operations / kTasks + 1, reads));
  });
}

}  // namespace

void run_strategies(const Settings& settings) {
  const std::size_t many = settings.scaled(1'000'000);
  const std::size_t few = settings.scaled(200'000);
  for (const std::size_t workers : {1U, 2U, 4U}) {
    ringo::Runtime runtime = ringo::Builder::multi_thread().worker_threads(workers).build().value();
    for (const bool is_skewed : {false, true}) {
      const auto keys = std::make_shared<const Keys>(kKeys, is_skewed);
      for (const unsigned reads : {10U, 50U, 90U, 99U}) {
        Contest contest;
        enter<OneMutex>(contest, runtime, keys, many, reads);
        enter<ShardedMutexes>(contest, runtime, keys, many, reads);
        enter<Concurrent>(contest, runtime, keys, many, reads);
        enter<AsyncMutex>(contest, runtime, keys, few, reads);
        enter<OwnerTask>(contest, runtime, keys, few, reads);
        contest.run("strategies",
                    fmt::format("\"workers\": {}, \"keys\": \"{}\", \"reads\": {}", workers,
                                is_skewed ? "zipf" : "even", reads),
                    settings);
      }
    }
  }
}

}  // namespace bench
