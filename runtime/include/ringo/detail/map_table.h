// SPDX-License-Identifier: MIT
//
// The open-addressing table of a ConcurrentMap's shard. Keys lie in buckets of seven; a bucket
// begins with a word that tells of each slot whether it may be the one, and whether to look
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
#include <ringo/detail/word_cell.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace ringo {

/// Whether a key is compared and hashed by its bytes alone, which then may be read while they are
/// being overwritten. To be specialised for a struct of numbers; wrong for what refers to something
/// (a string_view).
template <class K>
inline constexpr bool kIsValueKey =
    std::is_integral_v<K> || std::is_enum_v<K> || std::is_pointer_v<K>;

namespace detail {

/// Key and value in atomic words: a reader needs no lock.
template <class K, class V>
class WordSlot {
 public:
  static constexpr bool kIsReadWithoutLock = true;

  template <class Q, class Eq>
  [[nodiscard]] bool has_key(const Q& key, const Eq& equal) const {
    return equal(WordCell<K>::to_value(key_.load()), key);
  }
  [[nodiscard]] K key() const { return WordCell<K>::to_value(key_.load()); }
  [[nodiscard]] V value() const { return WordCell<V>::to_value(value_.load()); }
  [[nodiscard]] V take_value() const { return value(); }

  template <class HashOf>
  [[nodiscard]] std::uint64_t hash(HashOf&& hash_of) const {
    return hash_of(key());
  }
  void construct(std::uint64_t /*hash*/, K key, V value) {
    key_.store(key);
    value_.store(value);
  }
  void set_value(V value) { value_.store(value); }
  template <class F>
  decltype(auto) use_value(F&& f) {
    V copy = value();
    struct Back {
      ~Back() { slot.set_value(value); }
      WordSlot& slot;
      V& value;
    } back{*this, copy};
    return std::forward<F>(f)(copy);
  }
  void move_to(WordSlot& other, std::uint64_t hash) { other.construct(hash, key(), value()); }
  void destroy() noexcept {}

 private:
  WordCell<K> key_;
  WordCell<V> value_;
};

/// Key and value as objects, for those who have the lock.
template <class K, class V>
class ObjectSlot {
 public:
  static constexpr bool kIsReadWithoutLock = false;

  // Members are made and destroyed by construct() and destroy().
  ObjectSlot() noexcept {}  // NOLINT(modernize-use-equals-default)
  ObjectSlot(const ObjectSlot&) = delete;
  ObjectSlot& operator=(const ObjectSlot&) = delete;
  ~ObjectSlot() {}  // NOLINT(modernize-use-equals-default)

  template <class Q, class Eq>
  [[nodiscard]] bool has_key(const Q& key, const Eq& equal) const {
    return equal(key_, key);
  }
  [[nodiscard]] const K& key() const { return key_; }
  [[nodiscard]] const V& value() const { return value_; }
  [[nodiscard]] V take_value() { return std::move(value_); }

  template <class HashOf>
  [[nodiscard]] std::uint64_t hash(HashOf&& /*hash_of*/) const {
    return hash_;
  }
  template <class Key, class Value>
  void construct(std::uint64_t hash, Key&& key, Value&& value) {
    hash_ = hash;
    std::construct_at(&key_, std::forward<Key>(key));
    try {
      std::construct_at(&value_, std::forward<Value>(value));
    } catch (...) {
      std::destroy_at(&key_);
      throw;
    }
  }
  template <class Value>
  void set_value(Value&& value) {
    value_ = std::forward<Value>(value);
  }
  template <class F>
  decltype(auto) use_value(F&& f) {
    return std::forward<F>(f)(value_);
  }
  void move_to(ObjectSlot& other, std::uint64_t hash) {
    other.construct(hash, std::move(key_), std::move(value_));
    destroy();
  }
  void destroy() noexcept {
    std::destroy_at(&value_);
    std::destroy_at(&key_);
  }

 private:
  std::uint64_t hash_;  ///< a growing table must not fetch every key
  union {
    K key_;
  };
  union {
    V value_;
  };
};

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
    return static_cast<std::uint8_t>(0x80U | (hash >> 40U));
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

  [[nodiscard]] bool is_stuck() const noexcept { return (bits_ >> kPastShift) == 0xFF; }

  std::uint64_t bits_;
};

template <class Slot>
class MapTable {
 public:
  static constexpr unsigned kSlots = BucketWord::kSlots;

  struct alignas(64) Bucket {
    Atomic<std::uint64_t> head{0};
    Slot slots[kSlots];  // NOLINT(modernize-avoid-c-arrays): not to be touched before it is used
  };

  /// Where a key is.
  struct Place {
    MapTable* table = nullptr;
    std::size_t at = 0;
    unsigned slot = 0;
    explicit operator bool() const noexcept { return table != nullptr; }
    [[nodiscard]] Slot* operator->() const noexcept { return &table->buckets_[at].slots[slot]; }
  };

  /// `buckets` is a power of two.
  explicit MapTable(std::size_t buckets) : mask_(buckets - 1), buckets_(new Bucket[buckets]) {}
  MapTable(const MapTable&) = delete;
  MapTable& operator=(const MapTable&) = delete;
  ~MapTable() {
    if constexpr (!Slot::kIsReadWithoutLock) {
      clear();
    }
  }

  [[nodiscard]] std::size_t bucket_count() const noexcept { return mask_ + 1; }
  /// How many keys it is meant for: one slot of each bucket remains free on the average.
  [[nodiscard]] std::size_t capacity() const noexcept { return bucket_count() * (kSlots - 1); }

  /// Complexity: one bucket in most cases; never more than all, whatever a reader sees.
  template <class Q, class Eq>
  [[nodiscard]] Place find(std::uint64_t hash, const Q& key, const Eq& equal) {
    const std::uint8_t tag = BucketWord::tag_of(hash);
    std::size_t at = hash & mask_;
    for (std::size_t i = 0; i <= mask_; ++i, at = (at + 1) & mask_) {
      Bucket& bucket = buckets_[at];
      // acquire: T1.
      const BucketWord word(bucket.head.load(std::memory_order_acquire));
      for (std::uint64_t set = word.candidates(tag); set != 0; set &= set - 1) {
        const unsigned slot = BucketWord::first_slot(set);
        if (bucket.slots[slot].has_key(key, equal)) {
          return {this, at, slot};
        }
      }
      if (word.ends_search()) {
        break;
      }
    }
    return {};
  }

  /// Requires: the key is not there, and there is a free slot. What fill(slot) throws comes out,
  /// and nothing has changed.
  template <class Fill>
  Place insert(std::uint64_t hash, Fill&& fill) {
    const std::size_t home = hash & mask_;
    std::size_t at = home;
    while (word_at(at).free() == 0) {
      at = (at + 1) & mask_;
    }
    const unsigned slot = BucketWord::first_slot(word_at(at).free());
    std::forward<Fill>(fill)(buckets_[at].slots[slot]);
    set_word(at, word_at(at).with(slot, BucketWord::tag_of(hash)));
    for (std::size_t passed = home; passed != at; passed = (passed + 1) & mask_) {
      set_word(passed, word_at(passed).one_more_past());
    }
    return {this, at, slot};
  }

  /// Destroys what is there, and forgets it.
  void erase(Place place, std::uint64_t hash) noexcept {
    vacate(place);
    place->destroy();
    for (std::size_t passed = hash & mask_; passed != place.at; passed = (passed + 1) & mask_) {
      set_word(passed, word_at(passed).one_less_past());
    }
  }

  /// Calls f(place) for what one bucket has.
  template <class F>
  void for_each_in(std::size_t at, F&& f) {
    for (std::uint64_t set = word_at(at).full(); set != 0; set &= set - 1) {
      f(Place{this, at, BucketWord::first_slot(set)});
    }
  }
  /// What was in the place has moved elsewhere; keys that went past it are still found.
  void vacate(Place place) noexcept { set_word(place.at, word_at(place.at).without(place.slot)); }

  void clear() noexcept {
    for (std::size_t at = 0; at <= mask_; ++at) {
      for_each_in(at, [](Place place) { place->destroy(); });
      set_word(at, BucketWord(0));
    }
  }

  void prefetch(std::uint64_t hash) const noexcept { __builtin_prefetch(&buckets_[hash & mask_]); }

 private:
  [[nodiscard]] BucketWord word_at(std::size_t at) const {
    return BucketWord(buckets_[at].head.load(std::memory_order_relaxed));  // we are the writer
  }
  void set_word(std::size_t at, BucketWord word) {
    // release: T1.
    buckets_[at].head.store(word.bits(), std::memory_order_release);
  }

  std::size_t mask_;
  std::unique_ptr<Bucket[]> buckets_;
};

}  // namespace detail
}  // namespace ringo
