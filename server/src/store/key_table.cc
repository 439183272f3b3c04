// SPDX-License-Identifier: MIT
//
// Searching, placing and the incremental resize. The invariants are in the header.

#include "store/key_table.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

#include "store/check.h"
#include "store/entry.h"
#include "store/key_hash.h"

namespace ringo::server {
namespace {

constexpr std::size_t kMapFrom = std::size_t{64} * 1024;  // bytes; smaller arrays are from the heap
// 64 KiB at a time: whole pages of any size that Linux has, so that no neighbour is lost with them.
constexpr std::uint32_t kDiscardBuckets = 1024;
constexpr std::size_t kFullPercent = 80;
constexpr std::size_t kSparsePercent = 20;

std::size_t share_of(std::uint32_t buckets, std::size_t percent) {
  return std::size_t{buckets} * Bucket::kSlots * percent / 100;
}

/// Holds an entry, or leads to one.
bool is_needed(const Bucket& bucket) {
  return bucket.overflow != 0 ||
         std::ranges::any_of(bucket.tags, [](std::uint8_t tag) { return tag != 0; });
}

}  // namespace

BucketArray::BucketArray(std::uint32_t count) : count_(count) {
  if (is_mapped()) {
    // Fresh mapped memory is zero, and takes a page only once it is written to.
    void* memory =
        ::mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {  // NOLINT(performance-no-int-to-ptr): the system's macro
      throw std::bad_alloc();
    }
    buckets_ = static_cast<Bucket*>(memory);
  } else {
    buckets_ = static_cast<Bucket*>(::operator new(bytes(), std::align_val_t{alignof(Bucket)}));
    std::memset(static_cast<void*>(buckets_), 0, bytes());
  }
}

BucketArray::~BucketArray() {
  if (buckets_ == nullptr) {
    return;
  }
  if (is_mapped()) {
    ::munmap(buckets_, bytes());
  } else {
    ::operator delete(buckets_, std::align_val_t{alignof(Bucket)});
  }
}

bool BucketArray::is_mapped() const {
  return bytes() >= kMapFrom;
}

void BucketArray::discard(std::uint32_t begin, std::uint32_t end) {
  if (!is_mapped()) {
    return;
  }
  // Entries of the last buckets may have wrapped around into the first ones.
  if (std::any_of(buckets_ + begin, buckets_ + end, is_needed)) {
    return;
  }
  // A refusal costs memory until the array goes, nothing else.
  static_cast<void>(
      ::madvise(buckets_ + begin, std::size_t{end - begin} * sizeof(Bucket), MADV_DONTNEED));
}

KeyTable::Location KeyTable::find_behind_home(const HashedKey& key) const {
  const std::uint32_t position = hash_position(key.hash);
  const BucketArray& array = array_for(position);
  const std::uint8_t tag = hash_tag(key.hash);
  std::uint32_t index = array.home(position);
  for (std::uint32_t step = 1; step < array.count() && array[index].overflow != 0; ++step) {
    index = array.after(index);
    Bucket& bucket = array[index];
    for (std::uint64_t bits = match(bucket, tag); bits != 0; bits &= bits - 1) {
      const std::uint32_t slot = slot_index(bits);
      if (entry_of(bucket.slots[slot])->has_key(key.bytes)) {
        return {&bucket, slot};
      }
    }
  }
  return {};
}

void KeyTable::prefetch_entry(std::uint64_t hash) const {
  const std::uint32_t position = hash_position(hash);
  const BucketArray& array = array_for(position);
  if (!array) {
    return;
  }
  const Bucket& bucket = array[array.home(position)];
  const std::uint64_t bits = match(bucket, hash_tag(hash));
  if (bits != 0) {
    const auto* entry = reinterpret_cast<const char*>(entry_of(bucket.slots[slot_index(bits)]));
    __builtin_prefetch(entry, 0, 3);
    __builtin_prefetch(entry + 64, 0, 3);
  }
}

void KeyTable::place(const BucketArray& array, std::uint64_t hash, std::uintptr_t slot) {
  std::uint32_t index = array.home(hash_position(hash));
  for (std::uint32_t step = 0; step < array.count(); ++step) {
    Bucket& bucket = array[index];
    const std::uint64_t free = ~load_tags(bucket) & kHighBits & kTagsMask;
    if (free != 0) [[likely]] {
      const std::uint32_t at = slot_index(free);
      bucket.tags[at] = hash_tag(hash);
      bucket.slots[at] = slot;
      return;
    }
    if (bucket.overflow != Bucket::kStickyOverflow) {
      ++bucket.overflow;
    }
    index = array.after(index);
  }
  RINGO_STORE_CHECK(false, "a table without a free slot");
}

void KeyTable::remove(const BucketArray& array, Bucket* bucket, std::uint32_t slot,
                      std::uint64_t hash) {
  bucket->tags[slot] = 0;
  for (std::uint32_t index = array.home(hash_position(hash)); &array[index] != bucket;
       index = array.after(index)) {
    if (array[index].overflow != Bucket::kStickyOverflow) {
      --array[index].overflow;
    }
  }
}

void KeyTable::insert(const HashedKey& key, Entry* entry) {
  advance(kSweepPerInsert);
  if (size_ >= grow_above_) [[unlikely]] {
    maybe_grow();
  }
  place(array_for(hash_position(key.hash)), key.hash, make_slot(entry));
  ++size_;
}

void KeyTable::erase(Location location, std::uint64_t hash) {
  remove(array_for(hash_position(hash)), location.bucket, location.slot, hash);
  --size_;
  advance(kSweepPerErase);
  if (size_ < shrink_below_) [[unlikely]] {
    maybe_shrink();
  }
}

void KeyTable::replace(Location location, Entry* entry) {
  location.bucket->slots[location.slot] = make_slot(entry);
}

void KeyTable::maybe_grow() {
  if (is_resizing()) {
    // Two buckets per insert end a resize long before the next one is due, even if every insert
    // lands in the part that is still to be swept. Should it happen all the same, finish at once.
    advance(std::numeric_limits<std::uint32_t>::max());
    if (size_ < grow_above_) {
      return;
    }
  }
  const std::uint32_t count = current_.count();
  RINGO_STORE_CHECK(count < std::numeric_limits<std::uint32_t>::max() / 2, "a table too large");
  resize(count < 8 ? std::max(1U, count * 2) : count + count / 2);
}

void KeyTable::maybe_shrink() {
  if (is_resizing()) {
    return;
  }
  // Half full afterwards: far from both limits.
  resize(static_cast<std::uint32_t>(size_ * 2 / Bucket::kSlots) + 1);
}

void KeyTable::resize(std::uint32_t buckets) {
  BucketArray fresh(buckets);  // may throw; nothing has changed yet
  old_ = std::exchange(current_, std::move(fresh));
  grow_above_ = share_of(buckets, kFullPercent);
  shrink_below_ = buckets <= 2 ? 0 : share_of(buckets, kSparsePercent);
  sweep_position_ = 0;
  sweep_bucket_ = 0;
  discarded_ = 0;
  if (!old_) {
    finish_resize();
  }
  hint_base_.store(current_.data(), std::memory_order_relaxed);
  hint_count_.store(current_.count(), std::memory_order_relaxed);
}

void KeyTable::advance(std::uint32_t buckets) {
  if (!is_resizing()) [[likely]] {
    return;
  }
  const std::uint32_t end = sweep_bucket_ + std::min(buckets, old_.count() - sweep_bucket_);
  while (sweep_bucket_ < end) {
    move_home(sweep_bucket_);
    ++sweep_bucket_;
  }
  if (sweep_bucket_ == old_.count()) {
    finish_resize();
    return;
  }
  sweep_position_ = old_.first_position(sweep_bucket_);
  // The next call finds its entries near.
  for (std::uint32_t ahead = 0; ahead < 2 && sweep_bucket_ + ahead < old_.count(); ++ahead) {
    const Bucket& next = old_[sweep_bucket_ + ahead];
    for (std::uint64_t bits = occupied(next); bits != 0; bits &= bits - 1) {
      __builtin_prefetch(entry_of(next.slots[slot_index(bits)]), 0, 3);
    }
  }
  while (sweep_bucket_ - discarded_ >= kDiscardBuckets) {
    old_.discard(discarded_, discarded_ + kDiscardBuckets);
    discarded_ += kDiscardBuckets;
  }
}

void KeyTable::move_home(std::uint32_t home) {
  std::uint32_t index = home;
  for (std::uint32_t step = 0; step < old_.count(); ++step) {
    Bucket& bucket = old_[index];
    const bool goes_on = bucket.overflow != 0;  // before remove() lowers it
    for (std::uint64_t bits = occupied(bucket); bits != 0; bits &= bits - 1) {
      const std::uint32_t slot = slot_index(bits);
      const std::uintptr_t word = bucket.slots[slot];
      const std::uint64_t hash = hash_of(entry_of(word));
      if (old_.home(hash_position(hash)) == home) {
        remove(old_, &bucket, slot, hash);
        place(current_, hash, word);
      }
    }
    if (!goes_on) {
      return;
    }
    index = old_.after(index);
  }
}

void KeyTable::finish_resize() {
  old_ = BucketArray();
  sweep_position_ = kEnd;
}

std::uint64_t KeyTable::end_of(const BucketArray& array, std::uint32_t bucket) const {
  const std::uint64_t end = array.first_position(bucket + 1);
  // A bucket of current_ over the sweep's edge ends there: the rest of its range is in old_.
  return &array == &current_ ? std::min(end, sweep_position_) : end;
}

bool KeyTable::is_array_consistent(const BucketArray& array, std::size_t& entries) const {
  std::size_t passed = 0;
  std::size_t overflow = 0;
  bool is_sticky = false;
  for (std::uint32_t index = 0; index < array.count(); ++index) {
    Bucket& bucket = array[index];
    overflow += bucket.overflow;
    is_sticky = is_sticky || bucket.overflow == Bucket::kStickyOverflow;
    for (std::uint64_t bits = occupied(bucket); bits != 0; bits &= bits - 1) {
      const Location location{&bucket, slot_index(bits)};
      Entry* entry = location.entry();
      const std::uint64_t hash = hash_of(entry);
      const std::uint32_t home = array.home(hash_position(hash));
      const Location found = find({entry->key(), hash});
      if (&array_for(hash_position(hash)) != &array ||
          bucket.tags[location.slot] != hash_tag(hash) ||
          bucket.slots[location.slot] != make_slot(entry) || found.bucket != &bucket ||
          found.slot != location.slot) {
        return false;
      }
      passed += index >= home ? index - home : array.count() - home + index;
      ++entries;
    }
  }
  return is_sticky || passed == overflow;
}

bool KeyTable::is_consistent() const {
  std::size_t entries = 0;
  return is_array_consistent(current_, entries) && is_array_consistent(old_, entries) &&
         entries == size_;
}

}  // namespace ringo::server
