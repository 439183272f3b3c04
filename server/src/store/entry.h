// SPDX-License-Identifier: MIT
//
// Entry: a key and its value in one block of a slab, with no pointer between them.
//
//   | header 4 | expiry 8, if any | key length 8, if long | key | value, or LargeValue* |
//
//   header   bit 0 has an expiry   bit 1 value is large   bit 2 key is long   bit 3 unused
//            bits 4-17 key length, 0 where long           bits 18-31 value length, 0 where large
//
// A 16-byte key with a 64-byte value takes 84 bytes. Values of 16 KiB and more are LargeValues:
// counted, so that a reply can be copied after the shard's lock has been released.
//
// Thread safety: none; entries are read and written under their shard's lock. A LargeRef is
// independent of the shard.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

#include "store/short_equal.h"

namespace ringo::server {

/// Milliseconds since the Unix epoch, from a clock that the caller has read.
using UnixMs = std::int64_t;

/// What put() does to the expiry of a key: a time after 0 sets it.
inline constexpr UnixMs kNoExpiry = 0;
inline constexpr UnixMs kKeepExpiry = -1;

/// A block of bytes that entries and readers share. Bytes that a reader may see never change;
/// only the entry appends behind them.
class LargeValue {
 public:
  /// Values of this size and more are large.
  static constexpr std::size_t kThreshold = 16384;

  /// A value of `head` and `tail` in sequence, with one reference. Errors: std::bad_alloc.
  static LargeValue* create(std::string_view head, std::string_view tail, std::size_t capacity);

  /// Appends in place where there is room, else in a new block for which it trades the caller's
  /// reference; grows by half, so that n appends cost O(n). Errors: std::bad_alloc.
  static LargeValue* append(LargeValue* value, std::string_view tail);

  std::string_view view() const { return {data(), size_}; }
  std::size_t capacity() const { return capacity_; }

  void acquire() { references_.fetch_add(1, std::memory_order_relaxed); }
  void release();

 private:
  explicit LargeValue(std::size_t capacity) : capacity_(capacity) {}

  const char* data() const { return reinterpret_cast<const char*>(this + 1); }
  char* data() { return reinterpret_cast<char*>(this + 1); }

  std::atomic<std::size_t> references_{1};
  std::size_t size_ = 0;  // written under the shard's lock; readers keep the size they have seen
  std::size_t capacity_;
};

/// A reader's share of a large value as it was at one moment. Suits Bytes::from_owner.
class LargeRef {
 public:
  LargeRef() = default;
  explicit LargeRef(LargeValue& value) : value_(&value), bytes_(value.view()) { value.acquire(); }
  ~LargeRef() {
    if (value_ != nullptr) {
      value_->release();
    }
  }
  LargeRef(LargeRef&& other) noexcept
      : value_(std::exchange(other.value_, nullptr)), bytes_(std::exchange(other.bytes_, {})) {}
  LargeRef& operator=(LargeRef&& other) noexcept {
    std::swap(value_, other.value_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  LargeRef(const LargeRef&) = delete;
  LargeRef& operator=(const LargeRef&) = delete;

  explicit operator bool() const { return value_ != nullptr; }
  operator std::string_view() const { return bytes_; }  // NOLINT(google-explicit-constructor)

 private:
  LargeValue* value_ = nullptr;
  std::string_view bytes_;
};

class Entry {
 public:
  /// Bytes of an entry of these parts.
  static std::size_t size_for(std::size_t key_size, std::size_t value_size, bool has_expiry);

  /// Writes a header and key into `block`, of size_for() bytes. The value's bytes, or the pointer
  /// of a large value, follow by value_bytes() or set_large().
  static Entry* create(void* block, std::string_view key, std::size_t value_size, UnixMs expire_at);

  std::size_t size() const { return size_for(key().size(), value_size(), has_expiry()); }

  std::string_view key() const {
    const std::size_t inline_size = (header_ >> 4U) & kLengthMask;
    return {at(key_offset()), is_key_long() ? long_key_size() : inline_size};
  }

  /// key() == other, for who expects it to be so.
  [[gnu::always_inline]] bool has_key(std::string_view other) const {
    if ((header_ & (kExpiryBit | kLongKeyBit)) != 0) [[unlikely]] {
      return key() == other;
    }
    const std::size_t inline_size = (header_ >> 4U) & kLengthMask;
    return short_equal({at(kHeaderBytes), inline_size}, other);
  }

  bool is_large() const { return (header_ & kLargeBit) != 0; }
  bool has_expiry() const { return (header_ & kExpiryBit) != 0; }

  /// kNoExpiry without one.
  UnixMs expire_at() const {
    UnixMs when = kNoExpiry;
    if (has_expiry()) {
      std::memcpy(&when, at(kHeaderBytes), sizeof when);
    }
    return when;
  }
  /// Requires: has_expiry().
  void set_expire_at(UnixMs when) { std::memcpy(at(kHeaderBytes), &when, sizeof when); }

  /// A key is still there in the millisecond of its deadline, as in Redis.
  bool is_expired(UnixMs now) const { return has_expiry() && now > expire_at(); }

  std::string_view value() const {
    if (is_large()) [[unlikely]] {
      return large()->view();
    }
    const std::string_view name = key();
    return {name.data() + name.size(), header_ >> kValueShift};
  }

  /// The inline value for writing. Requires: !is_large().
  char* value_bytes() {
    const std::string_view name = key();
    return at(key_offset()) + name.size();
  }
  /// Requires: neither the old nor the new size is large, and the block has room.
  void set_value_size(std::size_t size) {
    header_ = (header_ & kBelowValue) | static_cast<std::uint32_t>(size << kValueShift);
  }

  /// Requires: is_large().
  LargeValue* large() const;
  void set_large(LargeValue* value);

 private:
  static constexpr std::uint32_t kExpiryBit = 1U << 0U;
  static constexpr std::uint32_t kLargeBit = 1U << 1U;
  static constexpr std::uint32_t kLongKeyBit = 1U << 2U;
  static constexpr std::uint32_t kLengthMask = (1U << 14U) - 1;
  static constexpr unsigned kValueShift = 18;
  static constexpr std::uint32_t kBelowValue = (1U << kValueShift) - 1;
  static constexpr std::size_t kHeaderBytes = 4;
  static_assert(LargeValue::kThreshold == kLengthMask + 1, "inline lengths have 14 bits");

  bool is_key_long() const { return (header_ & kLongKeyBit) != 0; }
  std::size_t value_size() const {
    return is_large() ? LargeValue::kThreshold : header_ >> kValueShift;
  }
  std::size_t key_offset() const {
    return kHeaderBytes + (has_expiry() ? 8U : 0U) + (is_key_long() ? 8U : 0U);
  }
  std::size_t long_key_size() const;

  char* at(std::size_t offset) { return reinterpret_cast<char*>(this) + offset; }
  const char* at(std::size_t offset) const { return reinterpret_cast<const char*>(this) + offset; }

  std::uint32_t header_ = 0;
};

}  // namespace ringo::server
