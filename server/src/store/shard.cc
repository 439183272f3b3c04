// SPDX-License-Identifier: MIT
//
// What the commands do to a key. Every function leaves the shard as it was if memory runs out.

#include "store/shard.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "store/entry.h"
#include "store/key_hash.h"
#include "store/key_table.h"
#include "store/page_pool.h"
#include "store/slab.h"

namespace ringo::server {

Shard::Shard(PagePool& pool, const HashSeed& seed)
    : pool_(pool),
      seed_(seed),
      table_(std::make_unique<KeyTable>(seed)),
      slab_(std::make_unique<Slab>(pool)) {}

Shard::~Shard() {
  const Content content(std::move(table_), std::move(slab_), large_values_ != 0);
}

Shard::Content::Content(std::unique_ptr<KeyTable> table, std::unique_ptr<Slab> slab,
                        bool has_large_values)
    : table_(std::move(table)), slab_(std::move(slab)), has_large_values_(has_large_values) {}

Shard::Content::~Content() {
  if (!has_large_values_ && slab_->external_blocks() == 0) {
    return;  // all blocks are in pages, and go with them
  }
  table_->for_each([this](Entry* entry) {
    const std::size_t size = entry->size();
    if (entry->is_large()) {
      entry->large()->release();
    }
    slab_->free(entry, size);
  });
}

std::unique_ptr<Shard::Content> Shard::take_content() {
  auto table = std::make_unique<KeyTable>(seed_);
  auto slab = std::make_unique<Slab>(pool_);
  auto content = std::make_unique<Content>(std::exchange(table_, nullptr),
                                           std::exchange(slab_, nullptr), large_values_ != 0);
  table_ = std::move(table);
  slab_ = std::move(slab);
  large_values_ = large_bytes_ = expiring_keys_ = 0;
  expire_position_ = 0;
  return content;
}

Entry* Shard::make_entry(const HashedKey& key, std::string_view value, UnixMs expire_at) {
  const bool has_expiry = expire_at != kNoExpiry;
  const bool is_large = value.size() >= LargeValue::kThreshold;
  LargeValue* large = is_large ? LargeValue::create(value, {}, value.size()) : nullptr;
  const std::size_t size = Entry::size_for(key.bytes.size(), value.size(), has_expiry);
  void* block = nullptr;
  try {
    block = slab_->allocate(size);
  } catch (...) {
    if (large != nullptr) {
      large->release();
    }
    throw;
  }
  Entry* entry = Entry::create(block, key.bytes, value.size(), expire_at);
  if (is_large) {
    entry->set_large(large);
    ++large_values_;
    large_bytes_ += large->capacity();
  } else {
    std::copy_n(value.data(), value.size(), entry->value_bytes());
  }
  expiring_keys_ += has_expiry ? 1U : 0U;
  return entry;
}

Entry* Shard::make_copy(const Entry& entry, UnixMs expire_at) {
  const std::string_view value = entry.value();
  const std::size_t size =
      Entry::size_for(entry.key().size(), value.size(), expire_at != kNoExpiry);
  Entry* copy = Entry::create(slab_->allocate(size), entry.key(), value.size(), expire_at);
  if (entry.is_large()) {
    entry.large()->acquire();
    copy->set_large(entry.large());
    ++large_values_;
    large_bytes_ += entry.large()->capacity();
  } else {
    std::copy_n(value.data(), value.size(), copy->value_bytes());
  }
  expiring_keys_ += expire_at != kNoExpiry ? 1U : 0U;
  return copy;
}

void Shard::free_entry(Entry* entry) {
  const std::size_t size = entry->size();
  expiring_keys_ -= entry->has_expiry() ? 1U : 0U;
  if (entry->is_large()) {
    --large_values_;
    large_bytes_ -= entry->large()->capacity();
    entry->large()->release();
  }
  slab_->free(entry, size);
}

void Shard::put(const HashedKey& key, std::string_view value, UnixMs expire_at, UnixMs now) {
  KeyTable::Location at = table_->find(key);
  if (at && at.entry()->is_expired(now)) [[unlikely]] {
    expire(at, key);
    at = {};
  }
  if (at) {
    put_over(at, key, value, expire_at == kKeepExpiry ? at.entry()->expire_at() : expire_at);
    return;
  }
  Entry* entry = make_entry(key, value, expire_at == kKeepExpiry ? kNoExpiry : expire_at);
  try {
    table_->insert(key, entry);
  } catch (...) {
    free_entry(entry);
    throw;
  }
}

void Shard::put_over(KeyTable::Location at, const HashedKey& key, std::string_view value,
                     UnixMs expire_at) {
  Entry* old = at.entry();
  const bool has_expiry = expire_at != kNoExpiry;
  if (!old->is_large() && value.size() < LargeValue::kThreshold &&
      old->has_expiry() == has_expiry &&
      (old->value().size() == value.size() ||
       Slab::block_size(old->size()) ==
           Slab::block_size(Entry::size_for(key.bytes.size(), value.size(), has_expiry)))) {
    std::copy_n(value.data(), value.size(), old->value_bytes());
    old->set_value_size(value.size());
    if (has_expiry) {
      old->set_expire_at(expire_at);
    }
    return;
  }
  Entry* fresh = make_entry(key, value, expire_at);
  KeyTable::replace(at, fresh);
  free_entry(old);
}

std::size_t Shard::append(const HashedKey& key, std::string_view tail, UnixMs now) {
  Entry* old = find(key, now);
  if (old == nullptr) {
    put(key, tail, kNoExpiry, now);
    return tail.size();
  }
  const std::string_view head = old->value();
  const std::size_t size = head.size() + tail.size();
  if (old->is_large()) {
    const std::size_t capacity = old->large()->capacity();
    old->set_large(LargeValue::append(old->large(), tail));
    large_bytes_ += old->large()->capacity() - capacity;
    return size;
  }
  const bool is_large = size >= LargeValue::kThreshold;
  const std::size_t bytes = Entry::size_for(key.bytes.size(), size, old->has_expiry());
  if (!is_large && Slab::block_size(old->size()) == Slab::block_size(bytes)) {
    std::copy_n(tail.data(), tail.size(), old->value_bytes() + head.size());
    old->set_value_size(size);
    return size;
  }
  // A value that is appended to again and again gets a block of its own early enough.
  LargeValue* large = is_large ? LargeValue::create(head, tail, size + size / 2) : nullptr;
  void* block = nullptr;
  try {
    block = slab_->allocate(bytes);
  } catch (...) {
    if (large != nullptr) {
      large->release();
    }
    throw;
  }
  Entry* fresh = Entry::create(block, key.bytes, size, old->expire_at());
  if (is_large) {
    fresh->set_large(large);
    ++large_values_;
    large_bytes_ += large->capacity();
  } else {
    std::copy_n(head.data(), head.size(), fresh->value_bytes());
    std::copy_n(tail.data(), tail.size(), fresh->value_bytes() + head.size());
  }
  expiring_keys_ += fresh->has_expiry() ? 1U : 0U;
  KeyTable::replace(table_->find(key), fresh);
  free_entry(old);
  return size;
}

void Shard::remove(KeyTable::Location at, std::uint64_t hash) {
  Entry* entry = at.entry();
  table_->erase(at, hash);
  free_entry(entry);
}

void Shard::expire(KeyTable::Location at, const HashedKey& key) {
  remove(at, key.hash);
  ++expired_;
}

bool Shard::erase(const HashedKey& key, UnixMs now) {
  const KeyTable::Location at = table_->find(key);
  if (!at) {
    return false;
  }
  if (at.entry()->is_expired(now)) {
    expire(at, key);
    return false;
  }
  remove(at, key.hash);
  return true;
}

bool Shard::set_expiry(const HashedKey& key, UnixMs expire_at, UnixMs now) {
  Entry* old = find(key, now);
  if (old == nullptr) {
    return false;
  }
  const bool has_expiry = expire_at != kNoExpiry;
  if (old->has_expiry() && has_expiry) {
    old->set_expire_at(expire_at);
    return true;
  }
  if (old->has_expiry() == has_expiry) {
    return true;
  }
  // The expiry has a place in the entry only if there is one.
  Entry* fresh = make_copy(*old, expire_at);
  KeyTable::replace(table_->find(key), fresh);
  free_entry(old);
  return true;
}

StoreCounters Shard::counters() const {
  StoreCounters all;
  all.hits = hits_;
  all.misses = misses_;
  all.expired = expired_;
  all.keys = table_->size();
  all.expiring_keys = expiring_keys_;
  all.entry_bytes = slab_->used_bytes() + large_bytes_;
  all.table_bytes = table_->bytes();
  return all;
}

ExpireProgress Shard::expire_some(std::size_t buckets, UnixMs now) {
  ExpireProgress progress;
  table_->advance(static_cast<std::uint32_t>(std::min<std::size_t>(buckets, 64)));
  if (expiring_keys_ == 0) {
    expire_position_ = 0;
    progress.at_end = true;
    return progress;
  }
  while (progress.buckets < buckets) {
    std::array<Entry*, Bucket::kSlots> dead{};
    std::size_t dead_count = 0;
    const std::uint64_t next = table_->scan_expiring(expire_position_, [&](KeyTable::Location at) {
      Entry* entry = at.entry();
      ++progress.expiring;
      if (entry->is_expired(now)) {
        dead[dead_count++] = entry;
      } else {
        progress.ttl_sum += static_cast<std::uint64_t>(entry->expire_at() - now);
      }
    });
    for (std::size_t i = 0; i < dead_count; ++i) {
      const HashedKey key{dead[i]->key(), hash_key(dead[i]->key(), seed_)};
      expire(table_->find(key), key);
    }
    progress.expired += dead_count;
    ++progress.buckets;
    expire_position_ = static_cast<std::uint32_t>(next);  // 2^32, the end, becomes the beginning
    if (expire_position_ == 0) {
      progress.at_end = true;
      break;
    }
  }
  return progress;
}

bool Shard::is_consistent() const {
  std::size_t expiring = 0;
  std::size_t large = 0;
  std::size_t blocks = 0;
  table_->for_each([&](Entry* entry) {
    expiring += entry->has_expiry() ? 1U : 0U;
    large += entry->is_large() ? 1U : 0U;
    blocks += Slab::block_size(entry->size());
  });
  return table_->is_consistent() && expiring == expiring_keys_ && large == large_values_ &&
         blocks == slab_->used_bytes();
}

}  // namespace ringo::server
