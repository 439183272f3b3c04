// SPDX-License-Identifier: MIT
//
// ConcurrentMap and Sharded beside std::unordered_map in shards behind std::mutex, and oneTBB's
// concurrent_hash_map where it is installed: look-ups and changes by up to eight threads, of
// numbers and of texts, and how long single insertions take while a million keys come.
//
// Thread safety: none; called by the main thread.

#include <ringo/concurrent_map.h>
#include <ringo/sharded.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#ifdef RINGO_BENCH_TBB
#include <tbb/concurrent_hash_map.h>
#endif

#include "measure.h"

namespace bench {
namespace {

constexpr std::size_t kShards = 64;  // of all that have some

template <class K, class V>
class StdSharded {
 public:
  bool get(const K& key, V& value) {
    Shard& shard = shard_of(key);
    const std::lock_guard guard(shard.mutex);
    const auto found = shard.map.find(key);
    if (found == shard.map.end()) {
      return false;
    }
    value = found->second;
    return true;
  }
  void set(const K& key, const V& value) {
    Shard& shard = shard_of(key);
    const std::lock_guard guard(shard.mutex);
    shard.map.insert_or_assign(key, value);
  }

 private:
  struct alignas(128) Shard {
    std::mutex mutex;
    std::unordered_map<K, V> map;
  };
  Shard& shard_of(const K& key) {
    return shards_[(std::hash<K>()(key) * 0x9E37'79B9'7F4A'7C15U) >> 58U];
  }
  std::array<Shard, kShards> shards_;
};

template <class K, class V>
class RingoSharded {
 public:
  bool get(const K& key, V& value) {
    return map_.with(key, [&](auto& map) {
      const auto found = map.find(key);
      if (found == map.end()) {
        return false;
      }
      value = found->second;
      return true;
    });
  }
  void set(const K& key, const V& value) { map_.insert_or_assign(key, value); }

 private:
  ringo::Sharded<std::unordered_map<K, V>> map_{kShards};
};

template <class K, class V>
class RingoConcurrent {
 public:
  bool get(const K& key, V& value) {
    std::optional<V> found = map_.get(key);
    if (!found) {
      return false;
    }
    value = std::move(*found);
    return true;
  }
  void set(const K& key, const V& value) { map_.insert_or_assign(key, value); }

 private:
  ringo::ConcurrentMap<K, V> map_{kShards};
};

#ifdef RINGO_BENCH_TBB
template <class K, class V>
class Tbb {
 public:
  bool get(const K& key, V& value) {
    typename Map::const_accessor found;
    if (!map_.find(found, key)) {
      return false;
    }
    value = found->second;
    return true;
  }
  void set(const K& key, const V& value) {
    typename Map::accessor found;
    map_.insert(found, key);
    found->second = value;
  }

 private:
  using Map = tbb::concurrent_hash_map<K, V>;  // NOLINT(misc-include-cleaner): its own header
  Map map_;
};
#endif

struct Numbers {
  using K = std::uint64_t;
  using V = std::uint64_t;
  static constexpr std::string_view kName = "numbers";
  static K key(std::uint64_t n) { return n; }
  static V value(std::uint64_t n) { return n; }
};
struct Texts {
  using K = std::string;
  using V = std::string;
  static constexpr std::string_view kName = "texts";
  static K key(std::uint64_t n) { return fmt::format("key:{:012}", n); }
  static V value(std::uint64_t n) { return fmt::format("{:064}", n); }
};

constexpr std::size_t kKeys = 10'000;

template <class Kind>
std::vector<typename Kind::K> make_keys(std::size_t count) {
  std::vector<typename Kind::K> keys;
  keys.reserve(count);
  for (std::uint64_t n = 0; n < count; ++n) {
    keys.push_back(Kind::key(n));
  }
  return keys;
}

/// What is done with a map.
struct Mix {
  unsigned reads = 0;
  std::size_t threads = 0;
  std::size_t operations = 0;
};

template <template <class, class> class Map, class Kind>
class Filled {
 public:
  explicit Filled(const std::vector<typename Kind::K>& keys) : keys_(keys) {
    for (const auto& key : keys) {
      map_->set(key, value_);
    }
  }
  Outcome run(const Keys& drawn, const Mix& mix) {
    std::vector<Random> randoms;
    randoms.reserve(mix.threads);
    for (std::size_t t = 0; t < mix.threads; ++t) {
      randoms.emplace_back(++seed_);
    }
    return run_threads(mix.threads, mix.operations / mix.threads + 1,
                       [&](std::size_t t, std::size_t) {
                         const std::uint64_t random = randoms[t]();
                         const auto& key = keys_[drawn[random >> 8U]];
                         if (random % 100 < mix.reads) {
                           typename Kind::V found{};
                           keep(map_->get(key, found));
                         } else {
                           map_->set(key, value_);
                         }
                       });
  }

 private:
  using Shared = Map<typename Kind::K, typename Kind::V>;
  const std::vector<typename Kind::K>& keys_;
  typename Kind::V value_ = Kind::value(7);
  std::unique_ptr<Shared> map_ = std::make_unique<Shared>();
  std::uint64_t seed_ = 0;
};

template <class Kind>
void compare_mixes(const Settings& settings) {
  const auto keys = make_keys<Kind>(settings.scaled(kKeys));
  Filled<StdSharded, Kind> std_sharded(keys);
  Filled<RingoSharded, Kind> sharded(keys);
  Filled<RingoConcurrent, Kind> concurrent(keys);
#ifdef RINGO_BENCH_TBB
  Filled<Tbb, Kind> tbb(keys);
#endif
  for (const bool is_skewed : {false, true}) {
    const Keys drawn(keys.size(), is_skewed);
    for (const unsigned reads : {50U, 95U, 100U}) {
      for (const std::size_t threads : {1U, 2U, 8U}) {
        const Mix mix{reads, threads, settings.scaled(100'000)};
        Contest contest;
        contest.add("std::mutex shards", [&] { return std_sharded.run(drawn, mix); });
        contest.add("Sharded", [&] { return sharded.run(drawn, mix); });
        contest.add("ConcurrentMap", [&] { return concurrent.run(drawn, mix); });
#ifdef RINGO_BENCH_TBB
        contest.add("oneTBB", [&] { return tbb.run(drawn, mix); });
#endif
        contest.run(
            "maps",
            fmt::format("\"kind\": \"{}\", \"keys\": \"{}\", \"reads\": {}, \"threads\": {}",
                        Kind::kName, is_skewed ? "zipf" : "even", reads, threads),
            settings);
      }
    }
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

template <class Kind>
void compare_growth(const Settings& settings) {
  const auto keys = make_keys<Kind>(settings.scaled(300'000));
  for (const std::size_t threads : {1U, 2U}) {
    Contest contest;
    contest.add("std::mutex shards", [&] { return grow<StdSharded, Kind>(keys, threads); });
    contest.add("Sharded", [&] { return grow<RingoSharded, Kind>(keys, threads); });
    contest.add("ConcurrentMap", [&] { return grow<RingoConcurrent, Kind>(keys, threads); });
#ifdef RINGO_BENCH_TBB
    contest.add("oneTBB", [&] { return grow<Tbb, Kind>(keys, threads); });
#endif
    contest.run("growth", fmt::format("\"kind\": \"{}\", \"threads\": {}", Kind::kName, threads),
                settings);
  }
}

}  // namespace

void run_maps(const Settings& settings) {
  compare_mixes<Numbers>(settings);
  compare_mixes<Texts>(settings);
  compare_growth<Numbers>(settings);
  compare_growth<Texts>(settings);
}

}  // namespace bench
