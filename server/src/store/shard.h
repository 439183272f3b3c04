// SPDX-License-Identifier: MIT
//
// Shard: one part of the key space: table, memory and counters, and what the commands do to a key.
//
// Deadlines are compared with the time that the caller passes; a shard reads no clock. A key whose
// deadline has passed is never visible: who comes across it removes it.
//
// Thread safety: none; a shard is reached through Store::with and its relatives only, which hold
// its lock. Entries and the views into them are valid until the next change of the shard, and
// never outside of the lock.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "store/entry.h"
#include "store/key_hash.h"
#include "store/key_table.h"
#include "store/page_pool.h"
#include "store/slab.h"

namespace ringo::server {

/// What has happened to a shard, or to all shards.
struct StoreCounters {
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t expired = 0;
  std::uint64_t keys = 0;           // expired ones that nobody has come across included
  std::uint64_t expiring_keys = 0;  // keys with a deadline
  std::uint64_t entry_bytes = 0;    // blocks of entries, and large values
  std::uint64_t table_bytes = 0;
};

/// What one step of the search for expired keys has found.
struct ExpireProgress {
  std::size_t buckets = 0;    // looked at
  std::size_t expiring = 0;   // keys with a deadline among them
  std::size_t expired = 0;    // of those, removed
  std::uint64_t ttl_sum = 0;  // of those that stay, in ms
  bool at_end = false;        // of the shard: the next step begins anew
};

class Shard {
 public:
  /// Requires: `pool` outlives the shard.
  Shard(PagePool& pool, const HashSeed& seed);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;
  Shard(Shard&&) = delete;
  Shard& operator=(Shard&&) = delete;

  /// The entry of a key that is there at `now`, else null.
  Entry* find(const HashedKey& key, UnixMs now) {
    const KeyTable::Location at = table_->find(key);
    if (!at) {
      return nullptr;
    }
    Entry* entry = at.entry();
    if (entry->is_expired(now)) [[unlikely]] {
      expire(at, key);
      return nullptr;
    }
    return entry;
  }

  /// find() that counts a hit or a miss, for commands that read.
  Entry* read(const HashedKey& key, UnixMs now) {
    Entry* entry = find(key, now);
    ++(entry != nullptr ? hits_ : misses_);
    return entry;
  }

  /// Stores a value whether the key is there or not. `expire_at`: a time, kNoExpiry, or
  /// kKeepExpiry. Requires: `value` is not part of the store. Errors: std::bad_alloc.
  void put(const HashedKey& key, std::string_view value, UnixMs expire_at, UnixMs now);

  /// Appends to the value, creating it if need be; returns the new size. Errors: std::bad_alloc.
  std::size_t append(const HashedKey& key, std::string_view tail, UnixMs now);

  /// Removes a key; false if it was not there at `now`.
  bool erase(const HashedKey& key, UnixMs now);

  /// Sets the deadline of a key, or takes it away with kNoExpiry; false if the key was not there.
  bool set_expiry(const HashedKey& key, UnixMs expire_at, UnixMs now);

  std::size_t size() const { return table_->size(); }
  StoreCounters counters() const;
  void reset_counters() { hits_ = misses_ = expired_ = 0; }

  /// Looks at up to `buckets` buckets from where the last call ended, removes expired keys, and
  /// lends a hand to a resize.
  ExpireProgress expire_some(std::size_t buckets, UnixMs now);

  /// As KeyTable::scan, with visit(Entry&), over keys that are there at `now`.
  template <typename Visit>
  std::uint64_t scan(std::uint32_t position, UnixMs now, Visit&& visit) const {
    return table_->scan(position, [&](KeyTable::Location at, std::uint64_t) {
      if (!at.entry()->is_expired(now)) {
        visit(*at.entry());
      }
    });
  }

  /// The content of a shard, cut loose to be destroyed outside of the lock.
  class Content;
  /// Empties the shard. Complexity: O(1). Errors: std::bad_alloc, and nothing is changed.
  std::unique_ptr<Content> take_content();

  void prefetch(std::uint64_t hash) const { table_->prefetch(hash); }
  void prefetch_entry(std::uint64_t hash) const { table_->prefetch_entry(hash); }

  bool is_consistent() const;

 private:
  Entry* make_entry(const HashedKey& key, std::string_view value, UnixMs expire_at);
  Entry* make_copy(const Entry& entry, UnixMs expire_at);
  void free_entry(Entry* entry);
  void put_over(KeyTable::Location at, const HashedKey& key, std::string_view value,
                UnixMs expire_at);
  void remove(KeyTable::Location at, std::uint64_t hash);
  void expire(KeyTable::Location at, const HashedKey& key);

  PagePool& pool_;
  HashSeed seed_;
  std::unique_ptr<KeyTable> table_;
  std::unique_ptr<Slab> slab_;
  std::size_t large_values_ = 0;
  std::size_t large_bytes_ = 0;
  std::size_t expiring_keys_ = 0;
  std::uint32_t expire_position_ = 0;
  std::uint64_t hits_ = 0;
  std::uint64_t misses_ = 0;
  std::uint64_t expired_ = 0;
};

class Shard::Content {
 public:
  Content(std::unique_ptr<KeyTable> table, std::unique_ptr<Slab> slab, bool has_large_values);
  /// Complexity: O(pages), with O(keys) on top if some of them need a look.
  ~Content();
  Content(const Content&) = delete;
  Content& operator=(const Content&) = delete;
  Content(Content&&) = delete;
  Content& operator=(Content&&) = delete;

 private:
  std::unique_ptr<KeyTable> table_;
  std::unique_ptr<Slab> slab_;
  bool has_large_values_;
};

}  // namespace ringo::server
