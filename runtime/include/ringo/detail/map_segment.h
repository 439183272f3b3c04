// SPDX-License-Identifier: MIT
//
// A piece of the table of a ConcurrentMap's shard: open addressing in 2^n buckets of seven keys. A
// bucket begins with a word that tells of each slot whether it may be the one, and whether to look
// further:
//
//   byte     0     1     2     3     4     5     6     7
//          +-----+-----+-----+-----+-----+-----+-----+-----------+
//          | tag | tag | tag | tag | tag | tag | tag | went past |
//          +-----+-----+-----+-----+-----+-----+-----+-----------+
//   tag        0: the slot is free; else 0x80 and seven bits of the hash
//   went past  how many keys belong here, or before, and lie behind; 255 stays 255
//
// A look-up ends at the first bucket that nobody went past. A removal takes its key's count back,
// so that nothing has to mark the place (as F14 of folly does).
//
//   T1  What is in a slot was there before its tag, for one who loads the word with acquire.
//   T2  A bucket's count is never too small: too large costs time only.
//
// Thread safety: one writer at a time. Readers meanwhile only if the slots are WordSlots; they find
// nonsense, but nothing that harms, and their owner knows whether to believe it (map_shard.h).

#pragma once

#include <ringo/detail/atomic.h>
#include <ringo/detail/map_slot.h>
#include <ringo/detail/sized_array.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace ringo::detail {

/// The word at the head of a bucket, as a value.
class BucketWord {
 public:
#ifdef RINGO_MODEL
  static constexpr unsigned kSlots = 2;
#else
  static constexpr unsigned kSlots = 7;
#endif

  explicit BucketWord(std::uint64_t bits) noexcept : bits_(bits) {}
  [[nodiscard]] std::uint64_t bits() const noexcept { return bits_; }

  [[nodiscard]] static std::uint8_t tag_of(std::uint64_t hash) noexcept {
    return static_cast<std::uint8_t>(0x80U | (hash >> 16U));
  }
  /// One bit, the highest of its byte, for each slot that may have the tag. (One that has not is
  /// named at times, but never a free one.)
  [[nodiscard]] std::uint64_t candidates(std::uint8_t tag) const noexcept {
    const std::uint64_t zero_where_equal = bits_ ^ (kLowBits * tag);
    return (zero_where_equal - kLowBits) & ~zero_where_equal & kHighBits;
  }
  [[nodiscard]] std::uint64_t full() const noexcept { return bits_ & kHighBits; }
  [[nodiscard]] std::uint64_t free() const noexcept { return ~bits_ & kHighBits; }
  [[nodiscard]] static unsigned first_slot(std::uint64_t set) noexcept {
    return static_cast<unsigned>(std::countr_zero(set)) / 8;
  }
  [[nodiscard]] bool ends_search() const noexcept { return (bits_ >> kPastShift) == 0; }

  [[nodiscard]] BucketWord with(unsigned slot, std::uint8_t tag) const noexcept {
    return BucketWord(bits_ | std::uint64_t{tag} << (8 * slot));
  }
  [[nodiscard]] BucketWord without(unsigned slot) const noexcept {
    return BucketWord(bits_ & ~(std::uint64_t{0xFF} << (8 * slot)));
  }
  /// The tags of some slots, named by their highest bits.
  [[nodiscard]] BucketWord only(std::uint64_t set) const noexcept {
    return BucketWord(bits_ & bytes_of(set));
  }
  [[nodiscard]] BucketWord without_all(std::uint64_t set) const noexcept {
    return BucketWord(bits_ & ~bytes_of(set));
  }
  [[nodiscard]] BucketWord one_more_past() const noexcept {
    return is_stuck() ? *this : BucketWord(bits_ + (std::uint64_t{1} << kPastShift));
  }
  [[nodiscard]] BucketWord one_less_past() const noexcept {
    return is_stuck() ? *this : BucketWord(bits_ - (std::uint64_t{1} << kPastShift));
  }

 private:
  static constexpr unsigned kPastShift = 56;
  static constexpr std::uint64_t kSlotBytes = (std::uint64_t{1} << (8 * kSlots)) - 1;
  static constexpr std::uint64_t kLowBits = 0x0101'0101'0101'0101U & kSlotBytes;
  static constexpr std::uint64_t kHighBits = 0x8080'8080'8080'8080U & kSlotBytes;

  [[nodiscard]] static std::uint64_t bytes_of(std::uint64_t set) noexcept {
    return (set >> 7U) * 0xFF;
  }
  [[nodiscard]] bool is_stuck() const noexcept { return (bits_ >> kPastShift) == 0xFF; }

  std::uint64_t bits_;
};

/// A value that refers to the buckets: see SizedArray.
template <class Slot>
class MapSegment {
 public:
  static constexpr unsigned kSlots = BucketWord::kSlots;
#ifdef RINGO_MODEL
  static constexpr unsigned kFullLog2Size = 1;
#else
  /// 64 buckets, 8 KiB of numbers: dividing one costs some microseconds.
  static constexpr unsigned kFullLog2Size = 6;
#endif

  struct alignas(64) Bucket {
    Atomic<std::uint64_t> head{0};
    Slot slots[kSlots];  // NOLINT(modernize-avoid-c-arrays): not to be touched before it is used
  };

  /// Where a key is.
  struct Place {
    Bucket* bucket = nullptr;
    MapSegment segment;
    unsigned slot = 0;
    explicit operator bool() const noexcept { return bucket != nullptr; }
    [[nodiscard]] Slot* operator->() const noexcept { return &bucket->slots[slot]; }
  };

  MapSegment() = default;
  explicit MapSegment(std::uint64_t word) noexcept : buckets_(word) {}
  [[nodiscard]] static MapSegment make(unsigned log2_size) {
    return MapSegment(SizedArray<Bucket>::make(log2_size).word());
  }
  /// The keys with it.
  void destroy() const noexcept {
    if constexpr (!Slot::kIsReadWithoutLock) {
      clear();
    }
    buckets_.destroy();
  }

  [[nodiscard]] std::uint64_t word() const noexcept { return buckets_.word(); }
  [[nodiscard]] unsigned log2_size() const noexcept { return buckets_.log2_size(); }
  friend bool operator==(MapSegment, MapSegment) noexcept = default;

  /// Complexity: one bucket in most cases; never more than all, whatever a reader sees.
  template <class Q, class Eq>
  [[nodiscard]] Place find(std::uint64_t hash, const Q& key, const Eq& equal) const {
    const std::uint8_t tag = BucketWord::tag_of(hash);
    const std::size_t mask = buckets_.mask();
    std::size_t at = hash & mask;
    for (std::size_t i = 0; i <= mask; ++i, at = (at + 1) & mask) {
      Bucket& bucket = buckets_[at];
      // acquire: T1.
      const BucketWord word(bucket.head.load(std::memory_order_acquire));
      for (std::uint64_t set = word.candidates(tag); set != 0; set &= set - 1) {
        const unsigned slot = BucketWord::first_slot(set);
        if constexpr (sizeof(Slot) > 32) {  // the value's line comes while keys are compared
          __builtin_prefetch(reinterpret_cast<const char*>(&bucket.slots[slot + 1]) - 1);
        }
        if (bucket.slots[slot].has_key(key, equal)) {
          return {&bucket, *this, slot};
        }
      }
      if (word.ends_search()) [[likely]] {
        break;
      }
    }
    return {};
  }

  /// Begins to fetch what an insertion touches. (Inlined early: g++ 12 thinks that a function of
  /// nothing but prefetches has no effect, and leaves the call out.)
  [[gnu::always_inline]] void prefetch(std::uint64_t hash) const noexcept {
    const auto* const at = reinterpret_cast<const char*>(&home(hash));
    __builtin_prefetch(at, 1);
    if constexpr (sizeof(Bucket) > 64) {
      __builtin_prefetch(at + 64, 1);
    }
  }

  // --- for the writer ---

  /// A free slot not too far from where the key belongs, or nothing: then the segment is full.
  [[nodiscard]] Place free_place(std::uint64_t hash) const noexcept {
    const std::size_t most = most_buckets();
    for (std::size_t i = 0; i < most; ++i) {
      const Place place = free_place_in(home(hash + i));
      if (place) [[likely]] {
        return place;
      }
    }
    return {};
  }
  /// Puts a key into what free_place(hash) gave. What fill(slot) throws comes out, and nothing has
  /// changed. Requires: the key is not there.
  template <class Fill>
  static void occupy(Place place, std::uint64_t hash, Fill&& fill) {
    std::forward<Fill>(fill)(place.bucket->slots[place.slot]);
    const BucketWord word = word_of(*place.bucket);
    set_word(*place.bucket, word.with(place.slot, BucketWord::tag_of(hash)));
    place.segment.for_each_passed(
        place, hash, [](Bucket& bucket) { set_word(bucket, word_of(bucket).one_more_past()); });
  }
  /// Destroys what is there, and forgets it.
  static void erase(Place place, std::uint64_t hash) noexcept {
    vacate(place, hash);
    place->destroy();
  }
  /// Moves a key to a segment that has room: to a larger one, or a better place of the same.
  static void move(Place place, std::uint64_t hash, MapSegment to) noexcept {
    std::size_t at = hash;
    while (word_of(to.home(at)).free() == 0) {
      ++at;
    }
    const Place better = to.free_place_in(to.home(at));
    occupy(better, hash, [&](Slot& slot) { place->move_to(slot, hash); });
    vacate(place, hash);
  }
  /// Moves the keys for which goes(hash) says so to another segment, which is empty and of the same
  /// size. Those of the others that lie too far from home move there if there is room now.
  template <class HashOf, class Goes>
  void divide(MapSegment to, HashOf&& hash_of, Goes&& goes) const noexcept {
    for (std::size_t at = 0; at < buckets_.size(); ++at) {
      divide_bucket(at, to, hash_of, goes);
    }
    for (std::size_t at = 0; at < buckets_.size(); ++at) {
      if (!word_of(buckets_[at == 0 ? buckets_.mask() : at - 1]).ends_search()) {
        bring_home(at, to, hash_of, goes);
      }
    }
  }

  /// Calls f(place) for every key; f may erase or move that one.
  template <class F>
  void for_each(F&& f) const {
    for (std::size_t at = 0; at < buckets_.size(); ++at) {
      Bucket& bucket = buckets_[at];
      for (std::uint64_t set = word_of(bucket).full(); set != 0; set &= set - 1) {
        f(Place{&bucket, *this, BucketWord::first_slot(set)});
      }
    }
  }
  void clear() const noexcept {
    for (std::size_t at = 0; at < buckets_.size(); ++at) {
      Bucket& bucket = buckets_[at];
      for (std::uint64_t set = word_of(bucket).full(); set != 0; set &= set - 1) {
        bucket.slots[BucketWord::first_slot(set)].destroy();
      }
      set_word(bucket, BucketWord(0));
    }
  }

 private:
  [[nodiscard]] static BucketWord word_of(const Bucket& bucket) {
    return BucketWord(bucket.head.load(std::memory_order_relaxed));  // we are the writer
  }
  static void set_word(Bucket& bucket, BucketWord word) {
    // release: T1.
    bucket.head.store(word.bits(), std::memory_order_release);
  }
  [[nodiscard]] Bucket& home(std::uint64_t hash) const noexcept {
    return buckets_[hash & buckets_.mask()];
  }

  /// How far from home a new key may lie: with three buckets a segment is full at about three
  /// quarters. With more, look-ups and dividing get slower than the memory is worth. A segment that
  /// is larger than a full one has a hash that does not tell its keys apart; then it must be far.
  [[nodiscard]] std::size_t most_buckets() const noexcept {
    constexpr std::size_t kMostBuckets = 3;
    return log2_size() <= kFullLog2Size ? std::min(kMostBuckets, buckets_.size())
                                        : buckets_.size() / 4;
  }
  [[nodiscard]] Place free_place_in(Bucket& bucket) const noexcept {
    const std::uint64_t free = word_of(bucket).free();
    return free == 0 ? Place{} : Place{&bucket, *this, BucketWord::first_slot(free)};
  }
  /// A key that is home has its home in `to` at the same place. Without a branch for each key:
  /// which of them go is nothing that a processor could guess.
  template <class HashOf, class Goes>
  void divide_bucket(std::size_t at, MapSegment to, HashOf&& hash_of, Goes&& goes) const noexcept {
    Bucket& from = buckets_[at];
    const BucketWord word = word_of(from);
    std::uint64_t going = 0;
    for (std::uint64_t set = word.full(); set != 0; set &= set - 1) {
      const std::uint64_t hash = from.slots[BucketWord::first_slot(set)].hash(hash_of);
      const bool is_home = (hash & buckets_.mask()) == at;
      going |= (set & -set) & -static_cast<std::uint64_t>(is_home && goes(hash));
    }
    Bucket& target = to.buckets_[at];
    for (std::uint64_t set = going; set != 0; set &= set - 1) {
      const unsigned slot = BucketWord::first_slot(set);
      from.slots[slot].move_to(target.slots[slot], from.slots[slot].hash(hash_of));
    }
    set_word(target, word.only(going));
    set_word(from, word.without_all(going));
  }
  /// The keys of a bucket that belong to one before.
  template <class HashOf, class Goes>
  void bring_home(std::size_t at, MapSegment to, HashOf&& hash_of, Goes&& goes) const noexcept {
    Bucket& bucket = buckets_[at];
    for (std::uint64_t set = word_of(bucket).full(); set != 0; set &= set - 1) {
      const Place place{&bucket, *this, BucketWord::first_slot(set)};
      const std::uint64_t hash = place->hash(hash_of);
      if ((hash & buckets_.mask()) != at) {
        if (goes(hash)) {
          move(place, hash, to);
        } else if (word_of(home(hash)).free() != 0) {
          move(place, hash, *this);
        }
      }
    }
  }
  template <class F>
  void for_each_passed(Place place, std::uint64_t hash, F&& f) const noexcept {
    for (std::size_t at = hash; &home(at) != place.bucket; ++at) {
      f(home(at));
    }
  }
  static void vacate(Place place, std::uint64_t hash) noexcept {
    set_word(*place.bucket, word_of(*place.bucket).without(place.slot));
    place.segment.for_each_passed(
        place, hash, [](Bucket& bucket) { set_word(bucket, word_of(bucket).one_less_past()); });
  }

  SizedArray<Bucket> buckets_;
};

}  // namespace ringo::detail
