// SPDX-License-Identifier: MIT
//
// Sharded and ConcurrentMap against a sequential map: what three threads see of them at once must
// have happened in some order. Random histories over a few keys, while other keys make tables grow.

#include <ringo/concurrent_map.h>
#include <ringo/sharded.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include <gtest/gtest.h>

#include "support/linearizability.h"
#include "support/random_seed.h"

namespace ringo {
namespace {

using testing_support::History;
using testing_support::is_linearizable;
using testing_support::Recorded;

enum class Kind : std::uint8_t { kGet, kInsert, kAssign, kRemove, kAdd };

struct Operation {
  Kind kind = Kind::kGet;
  int key = 0;
  int argument = 0;
  std::optional<int> value;  ///< what get and remove gave
  bool flag = false;         ///< what the others gave
};

/// What a map with one key does.
bool apply(std::optional<int>& state, const Operation& operation) {
  switch (operation.kind) {
    case Kind::kGet:
      return operation.value == state;
    case Kind::kInsert: {
      const bool is_new = !state;
      state = state.value_or(operation.argument);
      return operation.flag == is_new;
    }
    case Kind::kAssign: {
      const bool is_new = !state;
      state = operation.argument;
      return operation.flag == is_new;
    }
    case Kind::kRemove: {
      const std::optional<int> before = state;
      state.reset();
      return operation.value == before;
    }
    case Kind::kAdd: {
      const bool was_there = state.has_value();
      if (state) {
        *state += operation.argument;
      }
      return operation.flag == was_there;
    }
  }
  return false;
}

/// A map under test, by the numbers of the model.
struct NumberMap {
  ConcurrentMap<int, int> map{1};
  std::optional<int> get(int k) { return map.get(k); }
  bool insert(int k, int v) { return map.insert(k, v); }
  bool assign(int k, int v) { return map.insert_or_assign(k, v); }
  std::optional<int> remove(int k) { return map.remove(k); }
  bool add(int k, int n) {
    return map.update(k, [&](int& value) { value += n; });
  }
};
struct TextMap {
  ConcurrentMap<std::string, std::string> map{1};
  static std::optional<int> number(const std::optional<std::string>& text) {
    return text ? std::optional(std::stoi(*text)) : std::nullopt;
  }
  std::optional<int> get(int k) { return number(map.get(std::to_string(k))); }
  bool insert(int k, int v) { return map.insert(std::to_string(k), std::to_string(v)); }
  bool assign(int k, int v) { return map.insert_or_assign(std::to_string(k), std::to_string(v)); }
  std::optional<int> remove(int k) { return number(map.remove(std::to_string(k))); }
  bool add(int k, int n) {
    return map.update(std::to_string(k),
                      [&](std::string& text) { text = std::to_string(std::stoi(text) + n); });
  }
};
struct ShardedMap {
  Sharded<std::unordered_map<int, int>> map{2};
  std::optional<int> get(int k) { return map.get(k); }
  bool insert(int k, int v) { return map.insert(k, v); }
  bool assign(int k, int v) { return map.insert_or_assign(k, v); }
  std::optional<int> remove(int k) { return map.remove(k); }
  bool add(int k, int n) {
    return map.with(k, [&](auto& shard) {
      const auto found = shard.find(k);
      if (found == shard.end()) {
        return false;
      }
      found->second += n;
      return true;
    });
  }
};
constexpr std::size_t kThreads = 3;
constexpr int kKeys = 3;
constexpr int kOperations = 30;  // of each thread; of one key, less than the checker takes

template <class Map>
void perform(Map& map, Operation& o) {
  switch (o.kind) {
    case Kind::kGet:
      o.value = map.get(o.key);
      break;
    case Kind::kInsert:
      o.flag = map.insert(o.key, o.argument);
      break;
    case Kind::kAssign:
      o.flag = map.assign(o.key, o.argument);
      break;
    case Kind::kRemove:
      o.value = map.remove(o.key);
      break;
    case Kind::kAdd:
      o.flag = map.add(o.key, o.argument);
      break;
  }
}

/// One history on a new map. False: it cannot have happened in any order.
template <class Map>
bool run_history(std::uint64_t seed) {
  Map map;
  History<Operation> history(kThreads);
  std::atomic<std::size_t> ready{0};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(seed + t);
      ready.fetch_add(1);
      while (ready.load() != kThreads) {
        std::this_thread::yield();
      }
      for (int i = 0; i < kOperations; ++i) {
        Operation o;
        o.kind = static_cast<Kind>(random() % 5);
        o.key = static_cast<int>(random() % kKeys);
        o.argument = static_cast<int>(random() % 1000);
        const std::uint64_t begun = history.begin();
        perform(map, o);
        history.end(t, begun, o);
        map.insert(1000 + static_cast<int>(t) * kOperations + i, 0);  // makes it grow
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  const std::vector<Recorded<Operation>> all = history.merged();
  for (int key = 0; key < kKeys; ++key) {
    std::vector<Recorded<Operation>> of_key;
    for (const Recorded<Operation>& one : all) {
      if (one.operation.key == key) {
        of_key.push_back(one);
      }
    }
    if (of_key.size() > testing_support::kMaxLinearizableOperations) {
      continue;  // chance gave one key nearly everything
    }
    if (!is_linearizable(of_key, std::optional<int>(), apply)) {
      return false;
    }
  }
  return true;
}

template <class Map>
void check_histories() {
  auto random = testing_support::seeded_random();
  for (int round = 0; round < 60; ++round) {
    const std::uint64_t seed = random();
    ASSERT_TRUE(run_history<Map>(seed)) << "seed of the history: " << seed;
  }
}

TEST(MapHistory, NumbersAreLinearizable) {
  check_histories<NumberMap>();
}
TEST(MapHistory, TextsAreLinearizable) {
  check_histories<TextMap>();
}
TEST(MapHistory, ShardedIsLinearizable) {
  check_histories<ShardedMap>();
}

// The checker itself: histories that are told, not run.
Recorded<Operation> recorded(std::uint64_t begin, std::uint64_t end, Operation operation) {
  return {begin, end, operation};
}

TEST(Linearizability, AcceptsWhatOverlaps) {
  // The get runs beside both writes: it may see neither, one or both.
  for (const std::optional<int> seen : {std::optional<int>(), std::optional(1), std::optional(2)}) {
    EXPECT_TRUE(is_linearizable<Operation>({recorded(0, 5, {Kind::kGet, 0, 0, seen, false}),
                                            recorded(1, 2, {Kind::kAssign, 0, 1, {}, true}),
                                            recorded(3, 4, {Kind::kAssign, 0, 2, {}, false})},
                                           std::optional<int>(), apply));
  }
}

TEST(Linearizability, RefusesWhatCameTooLate) {
  EXPECT_FALSE(is_linearizable<Operation>({recorded(0, 1, {Kind::kAssign, 0, 1, {}, true}),
                                           recorded(2, 3, {Kind::kAssign, 0, 2, {}, false}),
                                           recorded(4, 5, {Kind::kGet, 0, 0, 1, false})},
                                          std::optional<int>(), apply));
}

TEST(Linearizability, RefusesTwoFirstInserts) {
  EXPECT_FALSE(is_linearizable<Operation>({recorded(0, 3, {Kind::kInsert, 0, 1, {}, true}),
                                           recorded(1, 2, {Kind::kInsert, 0, 2, {}, true})},
                                          std::optional<int>(), apply));
}

}  // namespace
}  // namespace ringo
