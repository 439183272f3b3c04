// SPDX-License-Identifier: MIT
//
// ConcurrentMap<K, V>: a hash map that any number of tasks and threads use at once, and that grows
// while they do (as dashmap). It is split into shards with a lock each; each shard's table grows
// by small segments, so that no single insertion pays for it. If keys and values are plain numbers,
// or small structs of them, a look-up takes no lock at all.
//
//   ringo::ConcurrentMap<std::string, int> hits;
//   hits.insert_or_assign("index.html", 1);
//   hits.update("index.html", [](int& count) { ++count; });
//   hits.entry("about.html", [](std::optional<int>& count) { count = count.value_or(0) + 1; });
//   const std::optional<int> index = hits.get("index.html");
//
// No guard and no reference leaves it: values are copied out, or used in a function that runs under
// the shard's lock. Such a function is no coroutine (that does not compile), is short, and uses the
// same map not again (a debug build says so). It may throw; the map is whole then.
//
// Look-ups take whatever the hash takes: for texts a std::string_view. Hash and Equal must not
// throw. Keys that an enemy chooses want a Hash with a secret: std::hash has none.
//
// Thread safety: all of it. Operations on one key are linearizable. len(), for_each(), retain() and
// clear() go through the shards one by one: each shard is seen at one moment, not all of them.

#pragma once

#include <ringo/detail/map_hash.h>
#include <ringo/detail/map_shard.h>
#include <ringo/detail/map_slot.h>
#include <ringo/detail/under_lock.h>
#include <ringo/parking_mutex.h>

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

namespace ringo {

namespace detail {
/// Four for each processor, as a power of two from 16 to 1,024.
[[nodiscard]] std::size_t default_map_shards() noexcept;
[[nodiscard]] std::size_t rounded_map_shards(std::size_t wanted);
}  // namespace detail

template <class K, class V, class Hash = detail::MapHash<K>, class Equal = std::equal_to<>>
class ConcurrentMap {
  static_assert(std::is_nothrow_move_constructible_v<K> && std::is_nothrow_move_constructible_v<V>,
                "a table that grows moves its entries, which must not throw: hold them by "
                "std::unique_ptr or std::shared_ptr");

 public:
  using key_type = K;
  using mapped_type = V;

  /// Whether get() and contains() take no lock: keys that are compared by their bytes, values of at
  /// most 64 bytes that are copied as bytes. (Memory that was outgrown is then kept, a hundredth of
  /// what is in use; clear() and remove() keep it as well.)
  static constexpr bool kReadsWithoutLock =
      kIsValueKey<K> && detail::kFitsWordCell<K> && detail::kFitsWordCell<V>;
  static constexpr std::size_t kMaxShards = 1024;

  ConcurrentMap() : ConcurrentMap(detail::default_map_shards()) {}
  /// The number of shards is fixed; it is rounded up to a power of two. Panics: UsageError if it is
  /// 0 or above kMaxShards.
  explicit ConcurrentMap(std::size_t shards, Hash hash = Hash(), Equal equal = Equal())
      : hash_(std::move(hash)),
        equal_(std::move(equal)),
        shift_(64 - std::countr_zero(detail::rounded_map_shards(shards))),
        shards_(std::make_unique<Shard[]>(shard_count())) {}
  ConcurrentMap(const ConcurrentMap&) = delete;
  ConcurrentMap& operator=(const ConcurrentMap&) = delete;
#if RINGO_CHECK_SUSPEND
  ~ConcurrentMap() { detail::note_lock_destroyed(this); }
#else
  ~ConcurrentMap() = default;
#endif

  /// A copy of the key's value.
  ///
  /// Complexity: one bucket, two cache lines, in most cases. Without a lock, as said above: a
  /// reader whom writers disturb four times takes it.
  template <class Q>
  [[nodiscard]] std::optional<V> get(
      const Q& key, std::source_location where = std::source_location::current()) const {
    const auto& wanted = as_key(key);
    const std::uint64_t hash = hash_of(wanted);
    Shard& shard = shard_of(hash);
    std::optional<V> found;
    if constexpr (kReadsWithoutLock) {
      if (shard.map.read(hash, wanted, equal_, found)) [[likely]] {
        return found;
      }
    }
    const Held held(*this, shard, where);
    if (const Place place = shard.map.find(hash, wanted, equal_)) {
      found.emplace(place->value());
    }
    return found;
  }
  template <class Q>
  [[nodiscard]] bool contains(const Q& key,
                              std::source_location where = std::source_location::current()) const {
    const auto& wanted = as_key(key);
    const std::uint64_t hash = hash_of(wanted);
    Shard& shard = shard_of(hash);
    if constexpr (kReadsWithoutLock) {
      std::optional<V> found;
      if (shard.map.read(hash, wanted, equal_, found)) [[likely]] {
        return found.has_value();
      }
    }
    const Held held(*this, shard, where);
    return static_cast<bool>(shard.map.find(hash, wanted, equal_));
  }
  /// Runs f(const V&) under the lock, without a copy of the value. False: there is no such key.
  template <class Q, class F>
  bool with(const Q& key, F&& f,
            std::source_location where = std::source_location::current()) const {
    const auto& wanted = as_key(key);
    const std::uint64_t hash = hash_of(wanted);
    Shard& shard = shard_of(hash);
    const Held held(*this, shard, where);
    const Place place = shard.map.find(hash, wanted, equal_);
    if (place) {
      const auto& value = place->value();
      detail::call_under_lock(std::forward<F>(f), value);
    }
    return static_cast<bool>(place);
  }

  /// False: the key has a value already, and keeps it. A K is made of the key only if it is new.
  template <class Q, class U = V>
    requires std::constructible_from<K, Q> && std::constructible_from<V, U>
  bool insert(Q&& key, U&& value, std::source_location where = std::source_location::current()) {
    const auto& wanted = as_key(key);
    Writer writer(*this, hash_of(wanted), where);
    if (writer.find(wanted)) {
      return false;
    }
    writer.insert(std::forward<Q>(key), std::forward<U>(value));
    return true;
  }
  /// True: the key is new.
  template <class Q, class U = V>
    requires std::constructible_from<K, Q> && std::constructible_from<V, U>
  bool insert_or_assign(Q&& key, U&& value,
                        std::source_location where = std::source_location::current()) {
    const auto& wanted = as_key(key);
    Writer writer(*this, hash_of(wanted), where);
    if (const Place place = writer.find(wanted)) {
      writer.change([&] { place->set_value(std::forward<U>(value)); });
      return false;
    }
    writer.insert(std::forward<Q>(key), std::forward<U>(value));
    return true;
  }
  /// Runs f(V&) under the lock. False: there is no such key.
  template <class Q, class F>
  bool update(const Q& key, F&& f, std::source_location where = std::source_location::current()) {
    const auto& wanted = as_key(key);
    Writer writer(*this, hash_of(wanted), where);
    const Place place = writer.find(wanted);
    if (!place) {
      return false;
    }
    writer.change([&] {
      place->use_value([&](V& value) { detail::call_under_lock(std::forward<F>(f), value); });
    });
    return true;
  }
  /// Runs f(std::optional<V>&) under the lock, whatever the key has: f looks, sets, changes, or
  /// resets it, and its result is returned. If f throws, the entry is as f left it, but a new key
  /// is not inserted.
  template <class F>
  auto entry(K key, F&& f, std::source_location where = std::source_location::current()) {
    Writer writer(*this, hash_of(key), where);
    Entry entry(writer, std::move(key));
    return entry.run(std::forward<F>(f));
  }
  /// What the key had.
  template <class Q>
  std::optional<V> remove(const Q& key,
                          std::source_location where = std::source_location::current()) {
    const auto& wanted = as_key(key);
    Writer writer(*this, hash_of(wanted), where);
    std::optional<V> removed;
    if (const Place place = writer.find(wanted)) {
      removed.emplace(place->take_value());
      writer.erase(place);
    }
    return removed;
  }

  /// Runs f(const K&, const V&) for every entry, a shard at a time under its lock. An entry that is
  /// there all the time is seen exactly once.
  template <class F>
  void for_each(F&& f, std::source_location where = std::source_location::current()) const {
    for (std::size_t i = 0; i < shard_count(); ++i) {
      const Held held(*this, shards_[i], where);
      shards_[i].map.for_each([&](Place place) {
        const auto& key = place->key();
        const auto& value = place->value();
        detail::call_under_lock(f, key, value);
      });
    }
  }
  /// Keeps the entries for which f(const K&, V&) says true; it may change the values.
  template <class F>
  void retain(F&& f, std::source_location where = std::source_location::current()) {
    for (std::size_t i = 0; i < shard_count(); ++i) {
      Shard& shard = shards_[i];
      const Held held(*this, shard, where);
      const Change change(shard.map);
      shard.map.for_each([&](Place place) {
        const auto& key = place->key();
        const bool keeps =
            place->use_value([&](V& value) { return detail::call_under_lock(f, key, value); });
        if (!keeps) {
          shard.map.erase(place, hash_of(key));
        }
      });
    }
  }
  /// The number of entries at some moment of each shard. Takes no lock.
  [[nodiscard]] std::size_t len() const noexcept {
    std::size_t sum = 0;
    for (std::size_t i = 0; i < shard_count(); ++i) {
      sum += shards_[i].map.size();
    }
    return sum;
  }
  [[nodiscard]] bool is_empty() const noexcept { return len() == 0; }
  /// Removes everything, a shard at a time. Values are destroyed after their shard's lock has been
  /// released.
  void clear(std::source_location where = std::source_location::current()) {
    for (std::size_t i = 0; i < shard_count(); ++i) {
      typename Map::Cleared cleared;  // goes after the lock
      const Held held(*this, shards_[i], where);
      shards_[i].map.clear(cleared);
    }
  }
  [[nodiscard]] std::size_t shard_count() const noexcept {
    return shift_ == 64 ? 1 : std::size_t{1} << (64 - shift_);
  }

 private:
  /// Numbers that follow each other are likely to come and go one after the other.
  static constexpr bool kKeepsNeighbours =
      std::same_as<Hash, detail::MapHash<K>> && (std::is_integral_v<K> || std::is_enum_v<K>);

  using Slot =
      std::conditional_t<kReadsWithoutLock, detail::WordSlot<K, V>, detail::ObjectSlot<K, V>>;
  using Map = detail::MapShard<Slot>;
  using Place = typename Map::Place;
  using Change = typename Map::Change;

  struct alignas(128) Shard {
    ParkingMutex mutex;
    Map map;
  };

  class [[nodiscard]] Held {
   public:
    Held(const ConcurrentMap& owner, Shard& shard,
         std::source_location where) RINGO_NO_THREAD_SAFETY_ANALYSIS : shard_(shard) {
      shard.mutex.lock_as({&shard.mutex, &owner}, where);
    }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    ~Held() RINGO_NO_THREAD_SAFETY_ANALYSIS { shard_.mutex.unlock(); }

   private:
    Shard& shard_;
  };

  /// The lock of one shard, and what is done under it for one key.
  class [[nodiscard]] Writer {
   public:
    Writer(ConcurrentMap& owner, std::uint64_t hash, std::source_location where)
        : owner_(owner),
          hash_(hash),
          shard_(prefetched(owner.shard_of(hash), hash)),
          held_(owner, shard_, where) {}

    template <class Q>
    [[nodiscard]] Place find(const Q& key) const {
      return shard_.map.find(hash_, key, owner_.equal_);
    }
    template <class Key, class Value>
    void insert(Key&& key, Value&& value) {
      prefetch_next();
      const auto hash_of = [this](const K& other) { return owner_.hash_of(other); };
      const Place place = shard_.map.make_place(hash_, hash_of);
      const Change change(shard_.map);
      shard_.map.insert(place, hash_, [&](Slot& slot) {
        slot.construct(hash_, std::forward<Key>(key), std::forward<Value>(value));
      });
    }
    void erase(Place place) noexcept {
      prefetch_next();
      const Change change(shard_.map);
      shard_.map.erase(place, hash_);
    }
    template <class F>
    void change(F&& f) {
      const Change change(shard_.map);
      std::forward<F>(f)();
    }

   private:
    [[nodiscard]] static Shard& prefetched(Shard& shard, std::uint64_t hash) noexcept {
      shard.map.prefetch(hash);  // while it waits for the lock
      return shard;
    }
    /// Keys that come or go in rising order: the shard's next one lies in the next bucket.
    void prefetch_next() const noexcept {
      if constexpr (kKeepsNeighbours) {
        shard_.map.prefetch(hash_ + 1);
      }
    }

    ConcurrentMap& owner_;
    std::uint64_t hash_;
    Shard& shard_;
    Held held_;
  };

  /// One call of entry(): the value is outside the table while f has it.
  class Entry {
   public:
    Entry(Writer& writer, K&& key)
        : writer_(writer), key_(std::move(key)), place_(writer.find(key_)) {
      if (place_) {
        value_.emplace(place_->take_value());
      }
    }
    template <class F>
    auto run(F&& f) {
      using Result = std::invoke_result_t<F, std::optional<V>&>;
      try {
        if constexpr (std::is_void_v<Result>) {
          detail::call_under_lock(std::forward<F>(f), value_);
          put_back();
        } else {
          Result result = detail::call_under_lock(std::forward<F>(f), value_);
          put_back();
          return result;
        }
      } catch (...) {
        put_back_old();
        throw;
      }
    }

   private:
    void put_back() {
      if (!place_ && value_) {
        writer_.insert(std::move(key_), *std::move(value_));
      } else {
        put_back_old();
      }
    }
    void put_back_old() {
      if (!place_) {
        return;
      }
      if (value_) {
        writer_.change([this] { place_->set_value(*std::move(value_)); });
      } else {
        writer_.erase(place_);
      }
    }

    Writer& writer_;
    K key_;
    Place place_;
    std::optional<V> value_;
  };

  /// A key as it is hashed and compared: itself, if the hash takes it, else as a K.
  template <class Q>
  [[nodiscard]] static decltype(auto) as_key(const Q& key) {
    if constexpr (std::same_as<Q, K> || requires { typename Hash::is_transparent; }) {
      return (key);
    } else {
      return K(key);
    }
  }
  template <class Q>
  [[nodiscard]] std::uint64_t hash_of(const Q& key) const {
    if constexpr (kKeepsNeighbours) {
      return detail::mix_number(hash_(key), 64 - shift_);
    } else {
      return detail::mix_hash(hash_(key));
    }
  }
  /// By the highest bits: a table goes by the lowest, and its tags are in the middle.
  [[nodiscard]] Shard& shard_of(std::uint64_t hash) const noexcept {
    return shards_[shift_ == 64 ? 0 : hash >> shift_];
  }

  [[no_unique_address]] Hash hash_;
  [[no_unique_address]] Equal equal_;
  int shift_;
  std::unique_ptr<Shard[]> shards_;
};

}  // namespace ringo
