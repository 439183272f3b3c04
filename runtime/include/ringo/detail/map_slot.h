// SPDX-License-Identifier: MIT
//
// One key and its value in a ConcurrentMap: in atomic words, so that a reader needs no lock, or as
// objects.
//
// Thread safety: one writer at a time. Readers meanwhile only of a WordSlot; what they find may be
// the mixture of two values, and their owner knows whether it is (map_shard.h).

#pragma once

#include <ringo/detail/word_cell.h>

#include <cstdint>
#include <memory>
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

}  // namespace detail
}  // namespace ringo
