// SPDX-License-Identifier: MIT
//
// Sharded<T>: several values of one kind, each with a lock of its own, of which a key chooses one.
// Threads that use different keys rarely meet; with a map for T it is the sharded map of the
// textbooks, and has its operations.
//
//   ringo::Sharded<std::unordered_map<std::string, int>> hits(16);
//   hits.with("index.html", [](auto& shard) { ++shard["index.html"]; });
//   hits.insert_or_assign("about.html", 7);
//   const std::optional<int> index = hits.get("index.html");
//
// The number of shards is fixed when it is made: 4 for each thread is ample. A map whose size
// nobody knows beforehand and whose reads should cost less: ConcurrentMap<K, V>.
//
// There is no guard: a shard is used inside a function, which is no coroutine, is short, and uses
// no other shard (with_all() takes several).
//
// Thread safety: all of it. Operations on one shard are linearizable; len(), for_each() and clear()
// go through the shards one by one, and are not one moment.

#pragma once

#include <ringo/detail/map_hash.h>
#include <ringo/detail/under_lock.h>
#include <ringo/parking_mutex.h>
#include <ringo/usage_error.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>
#include <vector>

namespace ringo {

namespace detail {

template <class T>
concept MapLike = requires {
  typename T::key_type;
  typename T::mapped_type;
};

template <class T>
struct ShardHash {
  template <class Key>
  std::size_t operator()(const Key& key) const {
    return MapHash<Key>()(key);
  }
};
/// A map's keys are hashed as its key_type, whatever converts to it.
template <MapLike T>
struct ShardHash<T> : MapHash<typename T::key_type> {};

}  // namespace detail

template <class T, class Hash = detail::ShardHash<T>>
class Sharded {
 public:
  using value_type = T;

  /// Two cache lines: a processor fetches neighbours in pairs.
  static constexpr std::size_t kShardAlignment = 128;

  /// `shards` is the number for good; any number from 1. Panics: UsageError if it is 0.
  explicit Sharded(std::size_t shards, Hash hash = Hash())
      : hash_(std::move(hash)),
        count_(shards == 0 ? refuse() : shards),
        slots_(std::make_unique<Slot[]>(count_)) {}
  Sharded(const Sharded&) = delete;
  Sharded& operator=(const Sharded&) = delete;
#if RINGO_CHECK_SUSPEND
  ~Sharded() { detail::note_lock_destroyed(this); }
#else
  ~Sharded() = default;
#endif

  [[nodiscard]] std::size_t shard_count() const noexcept { return count_; }
  /// Which shard a key belongs to: always the same.
  template <class Key>
  [[nodiscard]] std::size_t shard_of(const Key& key) const {
    // The high bits, without a division; a map inside goes by the low ones.
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::size_t>((Wide{detail::mix_hash(hash_(key))} * count_) >> 64U);
  }

  /// Runs f(T&) under the lock of the key's shard and returns its result.
  template <class Key, class F>
  auto with(const Key& key, F&& f, std::source_location where = std::source_location::current())
      -> std::invoke_result_t<F, T&> {
    return with_shard(shard_of(key), std::forward<F>(f), where);
  }
  /// The same by index. Requires: index < shard_count().
  template <class F>
  auto with_shard(std::size_t index, F&& f,
                  std::source_location where = std::source_location::current())
      -> std::invoke_result_t<F, T&> {
    Slot& slot = slots_[index];
    const Held held(*this, slot, where);
    return detail::call_under_lock(std::forward<F>(f), slot.value);
  }
  /// Runs f(T&) for each shard in turn.
  template <class F>
  void for_each_shard(F&& f, std::source_location where = std::source_location::current()) {
    for (std::size_t index = 0; index < count_; ++index) {
      with_shard(index, f, where);
    }
  }
  /// Runs f(shard_of_key) under the locks of all shards of `keys`, which makes it atomic:
  /// shard_of_key(key) gives the T& of each. They are taken in order, so two such calls cannot
  /// block each other.
  ///
  /// Complexity: one allocation; keys are sorted by shard.
  template <class Keys, class F>
  auto with_all(const Keys& keys, F&& f,
                std::source_location where = std::source_location::current()) {
    std::vector<std::size_t> indices;
    for (const auto& key : keys) {
      indices.push_back(shard_of(key));
    }
    std::sort(indices.begin(), indices.end());
    indices.erase(std::unique(indices.begin(), indices.end()), indices.end());
    const HeldAll held(*this, indices, where);
    auto shard = [this](const auto& key) -> T& { return slots_[shard_of(key)].value; };
    return detail::call_under_lock(std::forward<F>(f), shard);
  }

  // --- if T is a map ---

  /// A copy of what the key has.
  template <class Key>
    requires detail::MapLike<T>
  [[nodiscard]] auto get(const Key& key,
                         std::source_location where = std::source_location::current()) {
    using Value = typename T::mapped_type;
    return with(
        key,
        [&](T& map) {
          const auto found = map.find(key);
          return found == map.end() ? std::optional<Value>() : std::optional<Value>(found->second);
        },
        where);
  }
  /// False: the key has a value already, and keeps it.
  template <class Key, class Value>
    requires detail::MapLike<T>
  bool insert(Key&& key, Value&& value,
              std::source_location where = std::source_location::current()) {
    return with(
        key,
        [&](T& map) {
          return map.try_emplace(std::forward<Key>(key), std::forward<Value>(value)).second;
        },
        where);
  }
  /// True: the key is new.
  template <class Key, class Value>
    requires detail::MapLike<T>
  bool insert_or_assign(Key&& key, Value&& value,
                        std::source_location where = std::source_location::current()) {
    return with(
        key,
        [&](T& map) {
          return map.insert_or_assign(std::forward<Key>(key), std::forward<Value>(value)).second;
        },
        where);
  }
  /// What the key had.
  template <class Key>
    requires detail::MapLike<T>
  auto remove(const Key& key, std::source_location where = std::source_location::current()) {
    using Value = typename T::mapped_type;
    return with(
        key,
        [&](T& map) {
          const auto found = map.find(key);
          if (found == map.end()) {
            return std::optional<Value>();
          }
          std::optional<Value> value(std::move(found->second));
          map.erase(found);
          return value;
        },
        where);
  }
  /// Runs f(const key&, value&) for each entry, shard by shard.
  template <class F>
    requires detail::MapLike<T>
  void for_each(F&& f, std::source_location where = std::source_location::current()) {
    for_each_shard(
        [&](T& map) {
          for (auto& [key, value] : map) {
            detail::call_under_lock(f, key, value);
          }
        },
        where);
  }
  [[nodiscard]] std::size_t len(std::source_location where = std::source_location::current())
    requires detail::MapLike<T>
  {
    std::size_t sum = 0;
    for_each_shard([&](T& map) { sum += map.size(); }, where);
    return sum;
  }
  void clear(std::source_location where = std::source_location::current())
    requires detail::MapLike<T>
  {
    for_each_shard([](T& map) { map.clear(); }, where);
  }

 private:
  struct alignas(kShardAlignment) Slot {
    ParkingMutex mutex;
    T value{};
  };

  class [[nodiscard]] Held {
   public:
    Held(const Sharded& owner, Slot& slot,
         std::source_location where) RINGO_NO_THREAD_SAFETY_ANALYSIS : slot_(slot) {
      slot.mutex.lock_as({&slot.mutex, &owner}, where);
    }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    ~Held() RINGO_NO_THREAD_SAFETY_ANALYSIS { slot_.mutex.unlock(); }

   private:
    Slot& slot_;
  };

  class [[nodiscard]] HeldAll {
   public:
    HeldAll(const Sharded& owner, const std::vector<std::size_t>& indices,
            std::source_location where)
        : owner_(owner), indices_(indices) {
      detail::note_lock_wanted({&owner, &owner}, where);
      for (const std::size_t index : indices) {
        owner.slots_[index].mutex.lock_unnoted();
      }
      detail::note_locked({&owner, &owner}, where);
    }
    HeldAll(const HeldAll&) = delete;
    HeldAll& operator=(const HeldAll&) = delete;
    ~HeldAll() {
      detail::note_unlocked(&owner_);
      for (const std::size_t index : indices_) {
        owner_.slots_[index].mutex.unlock_unnoted();
      }
    }

   private:
    const Sharded& owner_;
    const std::vector<std::size_t>& indices_;
  };

  [[noreturn]] static std::size_t refuse() {
    detail::throw_usage_error("Sharded: at least one shard is needed");
  }

  [[no_unique_address]] Hash hash_;
  std::size_t count_;
  std::unique_ptr<Slot[]> slots_;
};

}  // namespace ringo
