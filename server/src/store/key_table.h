// SPDX-License-Identifier: MIT
//
// KeyTable: the hash table of one shard. Open addressing over buckets of one cache line; entries
// keep the order of their hashes; grows and shrinks a few buckets per operation.
//
//   bucket (64 bytes)  | tag tag tag tag tag tag tag overflow | slot | slot | ... 7 slots |
//
// Invariants
//  1. A bucket's tag is 0 if and only if its slot is empty; else it is hash_tag() of the entry.
//  2. An entry is in its home bucket or, where that was full, in the next one that was not (the
//     last is followed by the first). `overflow` of a bucket counts the entries that passed it on
//     their way; a search ends at the first bucket where it is 0. At 255 it sticks.
//  3. home = position * buckets >> 32: tables of any size have their entries in the same order.
//     So a resize is one sweep over both, and a scan's cursor is a position, whatever the size.
//  4. While a resize is under way, the entries with a position below sweep_position_ are in
//     current_, all others in old_. Each position is in exactly one of them.
//
// A slot is the entry's address; its bit 0 is set when the entry has an expiry, so that looking
// for expired keys touches only those.
//
// Growth by half keeps buckets 54 to 80 % full: 11.4 to 17.2 bytes an entry. Big tables are mapped,
// so that what a sweep has not reached yet, and what it has left behind, is no memory in use.
//
// Thread safety: none; used under the shard's lock, but for prefetch().

#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "store/entry.h"
#include "store/key_hash.h"

namespace ringo::server {

struct alignas(64) Bucket {
  static constexpr std::uint32_t kSlots = 7;
  static constexpr std::uint8_t kStickyOverflow = 255;

  std::array<std::uint8_t, kSlots> tags;
  std::uint8_t overflow;
  std::array<std::uintptr_t, kSlots> slots;
};
static_assert(sizeof(Bucket) == 64);

/// A zeroed array of buckets; one with no buckets is null.
class BucketArray {
 public:
  BucketArray() = default;
  /// Errors: std::bad_alloc.
  explicit BucketArray(std::uint32_t count);
  ~BucketArray();
  BucketArray(BucketArray&& other) noexcept
      : buckets_(std::exchange(other.buckets_, nullptr)), count_(std::exchange(other.count_, 0)) {}
  BucketArray& operator=(BucketArray&& other) noexcept {
    std::swap(buckets_, other.buckets_);
    std::swap(count_, other.count_);
    return *this;
  }
  BucketArray(const BucketArray&) = delete;
  BucketArray& operator=(const BucketArray&) = delete;

  explicit operator bool() const { return buckets_ != nullptr; }
  Bucket& operator[](std::uint32_t index) const { return buckets_[index]; }
  Bucket* data() const { return buckets_; }
  std::uint32_t count() const { return count_; }
  std::size_t bytes() const { return std::size_t{count_} * sizeof(Bucket); }

  std::uint32_t home(std::uint32_t position) const {
    return static_cast<std::uint32_t>((std::uint64_t{position} * count_) >> 32U);
  }
  /// The first position whose home is `bucket`; 2^32 for count().
  std::uint64_t first_position(std::uint32_t bucket) const {
    return ((std::uint64_t{bucket} << 32U) + count_ - 1) / count_;
  }
  std::uint32_t after(std::uint32_t bucket) const { return bucket + 1 == count_ ? 0 : bucket + 1; }

  /// Gives the memory of the empty buckets in [begin, end) back, where that is possible.
  void discard(std::uint32_t begin, std::uint32_t end);

 private:
  bool is_mapped() const;

  Bucket* buckets_ = nullptr;
  std::uint32_t count_ = 0;
};

class KeyTable {
 public:
  /// Where an entry is. Valid until the next insert() or erase().
  struct Location {
    Bucket* bucket = nullptr;
    std::uint32_t slot = 0;

    explicit operator bool() const { return bucket != nullptr; }
    Entry* entry() const;
  };

  explicit KeyTable(const HashSeed& seed) : seed_(seed) {}
  KeyTable(const KeyTable&) = delete;
  KeyTable& operator=(const KeyTable&) = delete;
  KeyTable(KeyTable&&) = delete;
  KeyTable& operator=(KeyTable&&) = delete;
  /// The entries are the caller's.
  ~KeyTable() = default;

  std::size_t size() const { return size_; }
  std::size_t bytes() const { return current_.bytes() + old_.bytes(); }
  bool is_resizing() const { return static_cast<bool>(old_); }
  std::uint32_t bucket_count() const { return current_.count(); }

  Location find(const HashedKey& key) const {
    // Nearly all are in their home bucket, if anywhere: that much without a call.
    const std::uint32_t position = hash_position(key.hash);
    const BucketArray& array = array_for(position);
    if (!array) [[unlikely]] {
      return {};
    }
    Bucket& home = array[array.home(position)];
    for (std::uint64_t bits = match(home, hash_tag(key.hash)); bits != 0; bits &= bits - 1) {
      const std::uint32_t slot = slot_index(bits);
      if (entry_of(home.slots[slot])->has_key(key.bytes)) [[likely]] {
        return {&home, slot};
      }
    }
    return home.overflow == 0 ? Location() : find_behind_home(key);
  }

  /// Moves a bounded number of buckets if a resize is under way. Requires: the key is not there.
  void insert(const HashedKey& key, Entry* entry);

  /// Takes the entry out of the table; to free it is up to the caller.
  void erase(Location location, std::uint64_t hash);

  /// Puts `entry`, of the same key, in the place of another, or says anew that it has an expiry.
  static void replace(Location location, Entry* entry);

  /// Brings the line of the key's bucket near.
  /// Thread safety: any thread, without the lock.
  void prefetch(std::uint64_t hash) const {
    const Bucket* base = hint_base_.load(std::memory_order_relaxed);
    const std::uint64_t count = hint_count_.load(std::memory_order_relaxed);
    // Base and count may belong to different tables: the address is then useless, but harmless.
    const std::uint64_t index = (std::uint64_t{hash_position(hash)} * count) >> 32U;
    const std::uint64_t address = reinterpret_cast<std::uintptr_t>(base) + index * sizeof(Bucket);
    __builtin_prefetch(reinterpret_cast<const void*>(address), 0, 3);  // NOLINT(*-no-int-to-ptr)
  }

  /// Brings the entry that find() would probably find near; what it points to is not read.
  void prefetch_entry(std::uint64_t hash) const;

  /// Moves up to `buckets` of a resize that is under way.
  void advance(std::uint32_t buckets);

  /// Calls visit(Location, hash) for each entry whose home is the bucket of `position` and whose
  /// position is not lower; returns the position to go on at, 2^32 at the end. An entry that is
  /// there during a whole scan from 0 to the end is visited exactly once, resize or not.
  /// Requires: visit changes nothing.
  template <typename Visit>
  std::uint64_t scan(std::uint32_t position, Visit&& visit) const;

  /// The same for the bucket as it lies in memory, and only for entries with an expiry: cheap,
  /// but an entry that a resize moves meanwhile may be missed or met twice.
  template <typename Visit>
  std::uint64_t scan_expiring(std::uint32_t position, Visit&& visit) const;

  /// Calls visit(Entry*) for each entry, in no particular order.
  template <typename Visit>
  void for_each(Visit&& visit) const;

  /// Checks the invariants. Complexity: O(size). For tests.
  bool is_consistent() const;

 private:
  static constexpr std::uintptr_t kExpiresBit = 1;
  static constexpr std::uint32_t kSweepPerInsert = 2;
  static constexpr std::uint32_t kSweepPerErase = 4;  // of a table that shrinks: mostly empty
  static constexpr std::uint64_t kEnd = std::uint64_t{1} << 32U;

  static std::uintptr_t make_slot(Entry* entry) {
    return reinterpret_cast<std::uintptr_t>(entry) | (entry->has_expiry() ? kExpiresBit : 0U);
  }
  static Entry* entry_of(std::uintptr_t slot) {
    return reinterpret_cast<Entry*>(slot & ~kExpiresBit);  // NOLINT(performance-no-int-to-ptr)
  }
  static std::uint64_t load_tags(const Bucket& bucket) {
    std::uint64_t word = 0;
    __builtin_memcpy(&word, &bucket, sizeof word);
    return word & kTagsMask;
  }
  /// Bit 8i + 7 for each slot i whose tag may be `tag`; a false one names an occupied slot.
  static std::uint64_t match(const Bucket& bucket, std::uint8_t tag) {
    const std::uint64_t differs = load_tags(bucket) ^ (kLowBits * tag);
    return (differs - kLowBits) & ~differs & kHighBits & kTagsMask;
  }
  static std::uint64_t occupied(const Bucket& bucket) { return load_tags(bucket) & kHighBits; }
  static std::uint32_t slot_index(std::uint64_t bits) {
    return static_cast<std::uint32_t>(std::countr_zero(bits)) / 8;
  }
  static constexpr std::uint64_t kLowBits = 0x0101010101010101U;
  static constexpr std::uint64_t kHighBits = 0x8080808080808080U;
  static constexpr std::uint64_t kTagsMask = 0x00FFFFFFFFFFFFFFU;

  const BucketArray& array_for(std::uint32_t position) const {
    return position >= sweep_position_ ? old_ : current_;
  }
  std::uint64_t hash_of(const Entry* entry) const { return hash_key(entry->key(), seed_); }

  Location find_behind_home(const HashedKey& key) const;
  static void place(const BucketArray& array, std::uint64_t hash, std::uintptr_t slot);
  static void remove(const BucketArray& array, Bucket* bucket, std::uint32_t slot,
                     std::uint64_t hash);
  void resize(std::uint32_t buckets);
  void maybe_grow();
  void maybe_shrink();
  void move_home(std::uint32_t bucket);
  void finish_resize();
  std::uint64_t end_of(const BucketArray& array, std::uint32_t bucket) const;
  bool is_array_consistent(const BucketArray& array, std::size_t& entries) const;

  HashSeed seed_;
  std::size_t size_ = 0;
  std::size_t grow_above_ = 0;
  std::size_t shrink_below_ = 0;
  BucketArray current_;
  BucketArray old_;
  std::uint64_t sweep_position_ = kEnd;  // kEnd: no resize is under way
  std::uint32_t sweep_bucket_ = 0;       // of old_: all below are empty of their own
  std::uint32_t discarded_ = 0;          // of old_: all below are given back
  std::atomic<const Bucket*> hint_base_{nullptr};
  std::atomic<std::uint32_t> hint_count_{0};
};

inline Entry* KeyTable::Location::entry() const {
  return entry_of(bucket->slots[slot]);
}

template <typename Visit>
std::uint64_t KeyTable::scan(std::uint32_t position, Visit&& visit) const {
  const BucketArray& array = array_for(position);
  if (!array) {
    return kEnd;
  }
  const std::uint32_t home = array.home(position);
  std::uint32_t index = home;
  for (std::uint32_t step = 0; step < array.count(); ++step) {
    Bucket& bucket = array[index];
    for (std::uint64_t bits = occupied(bucket); bits != 0; bits &= bits - 1) {
      const Location location{&bucket, slot_index(bits)};
      const std::uint64_t hash = hash_of(location.entry());
      if (array.home(hash_position(hash)) == home && hash_position(hash) >= position) {
        visit(location, hash);
      }
    }
    if (bucket.overflow == 0) {
      break;
    }
    index = array.after(index);
  }
  return end_of(array, home);
}

template <typename Visit>
std::uint64_t KeyTable::scan_expiring(std::uint32_t position, Visit&& visit) const {
  const BucketArray& array = array_for(position);
  if (!array) {
    return kEnd;
  }
  const std::uint32_t home = array.home(position);
  Bucket& bucket = array[home];
  for (std::uint64_t bits = occupied(bucket); bits != 0; bits &= bits - 1) {
    const Location location{&bucket, slot_index(bits)};
    if ((bucket.slots[location.slot] & kExpiresBit) != 0) {
      visit(location);
    }
  }
  return end_of(array, home);
}

template <typename Visit>
void KeyTable::for_each(Visit&& visit) const {
  for (const BucketArray* array : {&current_, &old_}) {
    for (std::uint32_t index = 0; index < array->count(); ++index) {
      const Bucket& bucket = (*array)[index];
      for (std::uint64_t bits = occupied(bucket); bits != 0; bits &= bits - 1) {
        visit(entry_of(bucket.slots[slot_index(bits)]));
      }
    }
  }
}

}  // namespace ringo::server
