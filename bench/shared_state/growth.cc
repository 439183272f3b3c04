// SPDX-License-Identifier: MIT
//
// Maps that change their size: from nothing to up to a million keys, in ascending order and in
// none, and with as many keys added as removed.
//
// Thread safety: none; called by the main thread.

#include <malloc.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "map_kinds.h"
#include "measure.h"

namespace bench {
namespace {

template <class Key>
void shuffle(std::vector<Key>& keys) {
  Random random(3);
  for (std::size_t i = keys.size(); i > 1; --i) {
    std::swap(keys[i - 1], keys[random() % i]);
  }
}

template <template <class, class> class Map, class Kind>
Outcome grow(const std::vector<typename Kind::K>& keys, std::size_t threads) {
  const auto map = std::make_unique<Map<typename Kind::K, typename Kind::V>>();
  const auto value = Kind::value(7);
  const std::size_t each = keys.size() / threads;
  return run_threads(threads, each,
                     [&](std::size_t t, std::size_t i) { map->set(keys[t * each + i], value); });
}

/// What the one before has freed lies about in small pieces: without this, the order in which they
/// take turns decides who finds memory in one piece.
void tidy_heap() {
  malloc_trim(0);
}

/// Each thread has half of its keys in the map, adds one and removes the oldest.
template <template <class, class> class Map, class Kind>
Outcome churn(const std::vector<typename Kind::K>& keys, std::size_t threads) {
  const auto map = std::make_unique<Map<typename Kind::K, typename Kind::V>>();
  const auto value = Kind::value(7);
  const std::size_t each = keys.size() / threads;
  const std::size_t there = each / 2;
  for (std::size_t t = 0; t < threads; ++t) {
    for (std::size_t i = 0; i < there; ++i) {
      map->set(keys[t * each + i], value);
    }
  }
  return run_threads(threads, each, [&](std::size_t t, std::size_t i) {
    map->set(keys[t * each + (there + i) % each], value);
    map->remove(keys[t * each + i]);
  });
}

template <class Kind>
void compare_growth(const Settings& settings, std::size_t count) {
  auto keys = make_keys<Kind>(settings.scaled(count));
  for (const bool is_shuffled : {false, true}) {
    if (is_shuffled) {
      shuffle(keys);
    }
    for (const std::size_t threads : {1U, 2U}) {
      for (const bool is_churn : {false, true}) {
        Contest contest;
        const auto add = [&]<template <class, class> class Map>(std::string_view name) {
          contest.add(std::string(name), [&, is_churn, threads] {
            tidy_heap();
            return is_churn ? churn<Map, Kind>(keys, threads) : grow<Map, Kind>(keys, threads);
          });
        };
        add.template operator()<StdSharded>("std::mutex shards");
        add.template operator()<RingoSharded>("Sharded");
        add.template operator()<RingoConcurrent>("ConcurrentMap");
#ifdef RINGO_BENCH_TBB
        add.template operator()<Tbb>("oneTBB");
#endif
        contest.run("growth",
                    fmt::format("\"kind\": \"{}\", \"count\": {}, \"order\": \"{}\", "
                                "\"work\": \"{}\", \"threads\": {}",
                                Kind::kName, count, is_shuffled ? "random" : "rising",
                                is_churn ? "churn" : "grow", threads),
                    settings);
      }
    }
  }
}

}  // namespace

void run_growth(const Settings& settings) {
  compare_growth<Numbers>(settings, 100'000);
  compare_growth<Numbers>(settings, 1'000'000);
  compare_growth<Texts>(settings, 100'000);
}

}  // namespace bench
