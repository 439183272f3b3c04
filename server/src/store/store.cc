// SPDX-License-Identifier: MIT
//
// What concerns all shards. Thread safety as in the header.

#include "store/store.h"

#include <ringo/thread_annotations.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "store/entry.h"
#include "store/key_hash.h"
#include "store/shard.h"

namespace ringo::server {

Store::Store(const Options& options)
    : seed_(options.seed),
      mask_(std::bit_ceil(std::clamp(options.shards, 1U, kMaxShards)) - 1),
      slots_(allocator_.allocate(mask_ + 1)) {
  for (std::size_t index = 0; index <= mask_; ++index) {
    std::construct_at(slots_ + index, pool_, seed_);
  }
}

Store::~Store() {
  std::destroy_n(slots_, mask_ + 1);
  allocator_.deallocate(slots_, mask_ + 1);
}

std::uint64_t Store::size() {
  std::uint64_t sum = 0;
  for (std::size_t index = 0; index <= mask_; ++index) {
    sum += with_shard(index, [](Shard& shard) { return shard.size(); });
  }
  return sum;
}

void Store::clear() RINGO_NO_THREAD_SAFETY_ANALYSIS {
  std::vector<std::unique_ptr<Shard::Content>> contents;
  contents.reserve(mask_ + 1);
  {
    ShardSet all;
    for (std::size_t index = 0; index <= mask_; ++index) {
      all.add(index);
    }
    const SetGuard guard(*this, all);
    for (std::size_t index = 0; index <= mask_; ++index) {
      contents.push_back(slots_[index].shard.take_content());
    }
  }
}

ExpireProgress Store::expire_cycle(std::size_t buckets, UnixMs now) {
  ExpireProgress sum;
  for (std::size_t visited = 0; visited <= mask_ && sum.buckets < buckets;) {
    const std::size_t index = expire_shard_.load(std::memory_order_relaxed) & mask_;
    const std::size_t step = std::min(buckets - sum.buckets, kExpireStep);
    const ExpireProgress one =
        with_shard(index, [&](Shard& shard) { return shard.expire_some(step, now); });
    sum.buckets += one.buckets;
    sum.expiring += one.expiring;
    sum.expired += one.expired;
    sum.ttl_sum += one.ttl_sum;
    if (one.at_end) {
      expire_shard_.store(index + 1, std::memory_order_relaxed);
      ++visited;
    }
  }
  return sum;
}

StoreCounters Store::counters() {
  StoreCounters sum;
  for (std::size_t index = 0; index <= mask_; ++index) {
    const StoreCounters one = with_shard(index, [](Shard& shard) { return shard.counters(); });
    sum.hits += one.hits;
    sum.misses += one.misses;
    sum.expired += one.expired;
    sum.keys += one.keys;
    sum.expiring_keys += one.expiring_keys;
    sum.entry_bytes += one.entry_bytes;
    sum.table_bytes += one.table_bytes;
  }
  return sum;
}

void Store::reset_counters() {
  for (std::size_t index = 0; index <= mask_; ++index) {
    with_shard(index, [](Shard& shard) { shard.reset_counters(); });
  }
}

std::uint64_t Store::memory_bytes() {
  const StoreCounters all = counters();
  return all.table_bytes + std::max<std::uint64_t>(all.entry_bytes, pool_.reserved_bytes()) +
         (mask_ + 1) * sizeof(Slot);
}

bool Store::is_consistent() {
  for (std::size_t index = 0; index <= mask_; ++index) {
    if (!with_shard(index, [](Shard& shard) { return shard.is_consistent(); })) {
      return false;
    }
  }
  return true;
}

}  // namespace ringo::server
