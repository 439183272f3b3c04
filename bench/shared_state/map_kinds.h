// SPDX-License-Identifier: MIT
//
// The maps that are compared, each behind get(), set() and remove(): ConcurrentMap and Sharded,
// std::unordered_map in shards behind std::mutex, and oneTBB's concurrent_hash_map where it is
// installed.
//
// Thread safety: all of it; that is what they are compared for.

#pragma once

#include <ringo/concurrent_map.h>
#include <ringo/sharded.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/core.h>

#ifdef RINGO_BENCH_TBB
#include <tbb/concurrent_hash_map.h>
#endif

namespace bench {

inline constexpr std::size_t kShards = 64;  // of all that have some

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
  void remove(const K& key) {
    Shard& shard = shard_of(key);
    const std::lock_guard guard(shard.mutex);
    shard.map.erase(key);
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
  void remove(const K& key) { map_.remove(key); }

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
  void remove(const K& key) { map_.remove(key); }

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
  void remove(const K& key) { map_.erase(key); }

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

template <class Kind>
std::vector<typename Kind::K> make_keys(std::size_t count) {
  std::vector<typename Kind::K> keys;
  keys.reserve(count);
  for (std::uint64_t n = 0; n < count; ++n) {
    keys.push_back(Kind::key(n));
  }
  return keys;
}

}  // namespace bench
