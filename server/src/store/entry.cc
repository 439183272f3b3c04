// SPDX-License-Identifier: MIT
//
// The rare paths of Entry: creation, long keys, large values. Thread safety as in the header.

#include "store/entry.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>

#include "store/check.h"

namespace ringo::server {

LargeValue* LargeValue::create(std::string_view head, std::string_view tail, std::size_t capacity) {
  const std::size_t size = head.size() + tail.size();
  RINGO_STORE_CHECK(size <= capacity, "a large value without room");
  void* block = std::malloc(sizeof(LargeValue) + capacity);
  if (block == nullptr) {
    throw std::bad_alloc();
  }
  auto* value = ::new (block) LargeValue(capacity);
  std::copy_n(head.data(), head.size(), value->data());
  std::copy_n(tail.data(), tail.size(), value->data() + head.size());
  value->size_ = size;
  return value;
}

LargeValue* LargeValue::append(LargeValue* value, std::string_view tail) {
  const std::size_t size = value->size_ + tail.size();
  if (size <= value->capacity_) {
    std::copy_n(tail.data(), tail.size(), value->data() + value->size_);
    value->size_ = size;
    return value;
  }
  LargeValue* grown = create(value->view(), tail, size + size / 2);
  value->release();
  return grown;
}

void LargeValue::release() {
  // acq_rel: the last one out sees all other holders' reads done before it frees.
  if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    this->~LargeValue();
    std::free(this);
  }
}

std::size_t Entry::size_for(std::size_t key_size, std::size_t value_size, bool has_expiry) {
  return kHeaderBytes + (has_expiry ? 8U : 0U) + (key_size > kLengthMask ? 8U : 0U) + key_size +
         (value_size >= LargeValue::kThreshold ? sizeof(LargeValue*) : value_size);
}

Entry* Entry::create(void* block, std::string_view key, std::size_t value_size, UnixMs expire_at) {
  auto* entry = ::new (block) Entry();
  const bool is_long = key.size() > kLengthMask;
  const bool is_large = value_size >= LargeValue::kThreshold;
  entry->header_ = (expire_at != kNoExpiry ? kExpiryBit : 0U) | (is_large ? kLargeBit : 0U) |
                   (is_long ? kLongKeyBit : 0U) |
                   (is_long ? 0U : static_cast<std::uint32_t>(key.size() << 4U)) |
                   (is_large ? 0U : static_cast<std::uint32_t>(value_size << kValueShift));
  if (expire_at != kNoExpiry) {
    entry->set_expire_at(expire_at);
  }
  if (is_long) {
    const std::uint64_t size = key.size();
    std::memcpy(entry->at(entry->key_offset() - 8), &size, sizeof size);
  }
  std::copy_n(key.data(), key.size(), entry->at(entry->key_offset()));
  return entry;
}

std::size_t Entry::long_key_size() const {
  std::uint64_t size = 0;
  std::memcpy(&size, at(key_offset() - 8), sizeof size);
  return size;
}

LargeValue* Entry::large() const {
  const std::string_view name = key();
  LargeValue* value = nullptr;
  std::memcpy(static_cast<void*>(&value), name.data() + name.size(), sizeof(LargeValue*));
  return value;
}

void Entry::set_large(LargeValue* value) {
  const std::string_view name = key();
  std::memcpy(at(key_offset()) + name.size(), static_cast<const void*>(&value),
              sizeof(LargeValue*));
}

}  // namespace ringo::server
