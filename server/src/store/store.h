// SPDX-License-Identifier: MIT
//
// Store: the key space, in shards with a lock each. A shard is reached only through with(), so
// that nobody forgets the lock, and nothing can suspend while holding it.
//
//   store.with(key, [&](Shard& shard) { shard.put(key, "value", kNoExpiry, now); });
//
// Commands over several keys take the locks of all their shards at once, in the order of their
// indices (with_all), which makes them atomic and free of deadlock.
//
// Thread safety: all functions, from any thread. Functions passed to with() run under the lock:
// they are short, do not call the store, and keep no entry or view beyond their return.

#pragma once

#include <ringo/parking_mutex.h>
#include <ringo/thread_annotations.h>

#include <array>
#include <atomic>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "store/entry.h"
#include "store/key_hash.h"
#include "store/page_pool.h"
#include "store/shard.h"

namespace ringo::server {

/// What must not come out of a function under a lock: it would go on after the lock is gone.
template <typename T>
concept Suspendable = requires(T value) { value.await_ready(); } || requires(T value) {
  std::forward<T>(value).operator co_await();
} || requires(T value) { operator co_await(std::forward<T>(value)); };

/// A set of shards.
class ShardSet {
 public:
  void add(std::size_t index) { words_[index / 64] |= std::uint64_t{1} << (index % 64); }

  /// Calls f(index) in ascending order.
  template <typename F>
  void for_each(F&& f) const {
    for (std::size_t word = 0; word < words_.size(); ++word) {
      for (std::uint64_t bits = words_[word]; bits != 0; bits &= bits - 1) {
        f(word * 64 + static_cast<std::size_t>(std::countr_zero(bits)));
      }
    }
  }

 private:
  std::array<std::uint64_t, kMaxShards / 64> words_{};
};

class Store {
 public:
  struct Options {
    std::uint32_t shards = 16;  // a power of two up to kMaxShards; others are rounded up or capped
    HashSeed seed;              // secret, from the process's source of randomness
  };

  explicit Store(const Options& options);
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  Store(Store&&) = delete;
  Store& operator=(Store&&) = delete;
  ~Store();

  HashedKey hashed(std::string_view key) const { return {key, hash_key(key, seed_)}; }

  std::size_t shard_count() const { return mask_ + 1; }
  std::size_t shard_of(const HashedKey& key) const { return key.hash & mask_; }

  /// Runs f(Shard&) under the lock of the key's shard and returns its result.
  template <typename F>
  std::invoke_result_t<F, Shard&> with(const HashedKey& key, F&& f) {
    return with_shard(shard_of(key), std::forward<F>(f));
  }

  template <typename F>
  std::invoke_result_t<F, Shard&> with_shard(std::size_t index, F&& f) {
    static_assert(!Suspendable<std::invoke_result_t<F, Shard&>>,
                  "a coroutine would go on after the shard's lock has been released");
    Slot& slot = slots_[index];
    const ParkingGuard guard(slot.lock);
    return std::forward<F>(f)(slot.shard);
  }

  /// Runs f(shard_of_key) under the locks of all shards of `keys`; shard_of_key(const HashedKey&)
  /// gives the Shard& of each.
  template <typename F>
  auto with_all(std::span<const HashedKey> keys, F&& f) RINGO_NO_THREAD_SAFETY_ANALYSIS {
    ShardSet set;
    for (const HashedKey& key : keys) {
      set.add(shard_of(key));
    }
    const SetGuard guard(*this, set);
    auto shard = [this](const HashedKey& key) -> Shard& { return slots_[shard_of(key)].shard; };
    using Result = std::invoke_result_t<F, decltype(shard)&>;
    static_assert(!Suspendable<Result>,
                  "a coroutine would go on after the shards' locks have been released");
    return std::forward<F>(f)(shard);
  }

  /// Starts to bring the index line of a key near; a batch calls it for all its keys first.
  void prefetch(const HashedKey& key) const { slots_[shard_of(key)].shard.prefetch(key.hash); }

  /// Starts to bring the entry of a key near, once its index line has arrived.
  void prefetch_entry(const HashedKey& key) {
    with(key, [&](Shard& shard) { shard.prefetch_entry(key.hash); });
  }

  std::uint64_t size();

  /// Removes all keys at one moment; destroys them after the locks have been released.
  void clear();

  /// One step of SCAN: calls visit(const Entry&) for keys until `count` were visited or a bounded
  /// number of buckets was looked at. Start with 0; 0 comes back at the end. Keys that are there
  /// from the start to the end of a scan are visited exactly once. `visit` runs under a lock.
  template <typename Visit>
  std::uint64_t scan(std::uint64_t cursor, std::size_t count, UnixMs now, Visit&& visit);

  /// Calls visit(const Entry&) with some key, `random` being a random number; false if there is
  /// none. Keys after a gap in the table are somewhat more likely.
  template <typename Visit>
  bool random(std::uint64_t random, UnixMs now, Visit&& visit);

  /// Looks for expired keys in up to `buckets` buckets, going on where the last call ended; the
  /// lock of a shard is held for at most kExpireStep buckets at a time.
  ///
  /// A full round sees every key with a deadline, and costs about 3 ns per bucket of up to seven
  /// keys plus what it removes. The caller decides how often; if a large share of what was found
  /// had expired, it goes on at once.
  ExpireProgress expire_cycle(std::size_t buckets, UnixMs now);
  static constexpr std::size_t kExpireStep = 64;

  /// Sums over all shards; each shard is locked for itself.
  StoreCounters counters();
  void reset_counters();

  /// Memory of tables, pages and values, free room in pages included.
  std::uint64_t memory_bytes();

  bool is_consistent();

 private:
  // Two lines: neighbours would fetch each other's lock.
  struct alignas(128) Slot {
    Slot(PagePool& pool, const HashSeed& seed) : shard(pool, seed) {}
    ParkingMutex lock;
    Shard shard;
  };

  class SetGuard {
   public:
    SetGuard(Store& store, const ShardSet& set) RINGO_NO_THREAD_SAFETY_ANALYSIS : store_(store),
                                                                                  set_(set) {
      set_.for_each([&](std::size_t index) RINGO_NO_THREAD_SAFETY_ANALYSIS {
        store_.slots_[index].lock.lock_unnoted();
      });
    }
    ~SetGuard() RINGO_NO_THREAD_SAFETY_ANALYSIS {
      set_.for_each([&](std::size_t index) RINGO_NO_THREAD_SAFETY_ANALYSIS {
        store_.slots_[index].lock.unlock_unnoted();
      });
    }
    SetGuard(const SetGuard&) = delete;
    SetGuard& operator=(const SetGuard&) = delete;
    SetGuard(SetGuard&&) = delete;
    SetGuard& operator=(SetGuard&&) = delete;

   private:
    Store& store_;
    const ShardSet& set_;
  };

  static constexpr std::size_t kScanBucketsPerKey = 10;  // as Redis: empty buckets are work too

  static constexpr std::size_t kScanStep = 64;  // buckets under one hold of the lock
  static constexpr std::uint64_t kShardEnd = std::uint64_t{1} << 32U;

  HashSeed seed_;
  std::size_t mask_;
  PagePool pool_;
  // Slots neither move nor are copied: an array of raw storage, made in the constructor.
  std::allocator<Slot> allocator_;
  Slot* slots_;
  std::atomic<std::size_t> expire_shard_{0};
};

template <typename Visit>
std::uint64_t Store::scan(std::uint64_t cursor, std::size_t count, UnixMs now, Visit&& visit) {
  // A cursor is the shard in the upper half and the position in its table in the lower.
  std::size_t shard_index = cursor >> 32U;
  std::uint64_t position = cursor & 0xFFFFFFFFU;
  std::size_t visited = 0;
  std::size_t buckets = 0;
  while (shard_index <= mask_) {
    with_shard(shard_index, [&](Shard& shard) {
      for (std::size_t step = 0; step < kScanStep && position < kShardEnd && visited < count &&
                                 buckets < count * kScanBucketsPerKey;
           ++step, ++buckets) {
        position = shard.scan(static_cast<std::uint32_t>(position), now, [&](const Entry& entry) {
          ++visited;
          visit(entry);
        });
      }
    });
    if (position == kShardEnd) {
      ++shard_index;
      position = 0;
    }
    if (visited >= count || buckets >= count * kScanBucketsPerKey) {
      break;
    }
  }
  return shard_index > mask_ ? 0 : (std::uint64_t{shard_index} << 32U) | position;
}

template <typename Visit>
bool Store::random(std::uint64_t random, UnixMs now, Visit&& visit) {
  // Shards are alike in size but when there are few keys: then several may be looked at.
  for (std::size_t offset = 0; offset <= mask_; ++offset) {
    const std::size_t index = (random + offset) & mask_;
    const bool found = with_shard(index, [&](Shard& shard) {
      if (shard.size() == 0) {
        return false;
      }
      const auto start = static_cast<std::uint32_t>(random >> 32U);
      std::uint64_t position = start;
      bool has_wrapped = false;
      while (!has_wrapped || position < start) {
        std::array<const Entry*, 16> candidates{};
        std::size_t candidate_count = 0;
        position = shard.scan(static_cast<std::uint32_t>(position), now, [&](const Entry& entry) {
          if (candidate_count < candidates.size()) {
            candidates[candidate_count++] = &entry;
          }
        });
        if (candidate_count != 0) {
          visit(*candidates[(random >> 16U) % candidate_count]);
          return true;
        }
        if (position == kShardEnd) {
          if (has_wrapped) {
            break;
          }
          has_wrapped = true;
          position = 0;
        }
      }
      return false;
    });
    if (found) {
      return true;
    }
  }
  return false;
}

}  // namespace ringo::server
