// SPDX-License-Identifier: MIT
//
// The slow paths of Bytes and BytesMut: allocation, growth, splitting.
//
// Thread safety: see ringo/bytes.h. Whoever sees the count at one owns the whole block: another
// owner could only come from a copy of its own reference.
#include <ringo/bytes.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace ringo {
namespace detail {
namespace {

constexpr std::size_t kMinCapacity = 64 - sizeof(BytesStorage);
constexpr std::size_t kMaxCapacity =
    static_cast<std::size_t>(std::numeric_limits<std::ptrdiff_t>::max()) - 2 * sizeof(BytesStorage);

void free_block(BytesStorage* storage) noexcept {
  storage->~BytesStorage();
  ::operator delete(storage);
}

}  // namespace

BytesStorage* BytesStorage::allocate(std::size_t capacity) {
  if (capacity > kMaxCapacity) {
    throw std::length_error("ringo::BytesMut: the buffer would exceed the address space");
  }
  void* memory = ::operator new(sizeof(BytesStorage) + capacity);
  return new (memory) BytesStorage(&free_block, capacity);
}

void bytes_out_of_range(const char* where, std::size_t position, std::size_t size) {
  std::fprintf(stderr, "ringo: %s: position %zu is outside of %zu bytes\n", where, position, size);
  std::abort();
}

}  // namespace detail

Bytes Bytes::copy_from(std::string_view bytes) {
  if (bytes.empty()) {
    return {};
  }
  detail::BytesStorage* storage = detail::BytesStorage::allocate(bytes.size());
  std::memcpy(storage->data(), bytes.data(), bytes.size());
  return {storage->data(), bytes.size(), storage};
}

Bytes Bytes::slice(std::size_t from, std::size_t to) const {
  if (to > size_) {
    detail::bytes_out_of_range("Bytes::slice", to, size_);
  }
  if (from > to) {
    detail::bytes_out_of_range("Bytes::slice", from, to);
  }
  if (from == to) {
    return {};  // an empty slice need not keep the storage alive
  }
  Bytes part(*this);
  part.data_ += from;
  part.size_ = to - from;
  return part;
}

Bytes Bytes::slice_ref(std::string_view part) const {
  if (part.empty()) {
    return {};
  }
  // As integers: pointers of different arrays must not be compared.
  const auto base = reinterpret_cast<std::uintptr_t>(data_);
  const auto at = reinterpret_cast<std::uintptr_t>(part.data());
  if (at < base || at - base > size_ || part.size() > size_ - (at - base)) {
    detail::bytes_out_of_range("Bytes::slice_ref", at - base, size_);
  }
  return slice(at - base, at - base + part.size());
}

Bytes Bytes::split_to(std::size_t at) {
  if (at > size_) {
    detail::bytes_out_of_range("Bytes::split_to", at, size_);
  }
  if (at == size_) {
    return std::exchange(*this, Bytes());
  }
  Bytes front = slice(0, at);
  advance(at);
  return front;
}

Bytes Bytes::split_off(std::size_t at) {
  if (at > size_) {
    detail::bytes_out_of_range("Bytes::split_off", at, size_);
  }
  if (at == 0) {
    return std::exchange(*this, Bytes());
  }
  Bytes back = slice(at, size_);
  truncate(at);
  return back;
}

void Bytes::advance(std::size_t count) {
  if (count > size_) {
    detail::bytes_out_of_range("Bytes::advance", count, size_);
  }
  data_ += count;
  size_ -= count;
}

BytesMut BytesMut::copy_from(std::string_view bytes) {
  BytesMut copy;
  copy.append(bytes);
  return copy;
}

BytesMut BytesMut::split_to(std::size_t at) {
  if (at > size_) {
    detail::bytes_out_of_range("BytesMut::split_to", at, size_);
  }
  BytesMut front;
  if (at == 0) {
    return front;
  }
  storage_->acquire();
  front.data_ = data_;
  front.size_ = at;
  front.capacity_ = at;  // what follows belongs to the rest
  front.storage_ = storage_;
  advance(at);
  return front;
}

bool BytesMut::try_reclaim() noexcept {
  if (storage_ == nullptr) {
    return true;
  }
  if (capacity_ == storage_->capacity) {
    return true;
  }
  if (size_ != 0 || !storage_->is_unique()) {
    return false;
  }
  data_ = storage_->data();
  capacity_ = storage_->capacity;
  return true;
}

void BytesMut::grow(std::size_t count) {
  if (count > detail::kMaxCapacity - size_) {
    throw std::length_error("ringo::BytesMut: the buffer would exceed the address space");
  }
  const std::size_t needed = size_ + count;
  if (storage_ != nullptr && storage_->is_unique() && needed <= storage_->capacity) {
    char* start = storage_->data();
    const auto consumed = static_cast<std::size_t>(data_ - start);
    // Moving no more bytes than were consumed keeps the cost of a byte constant. A part that was
    // the front of a split has its room behind it: no move at all.
    if (consumed + needed <= storage_->capacity) {
      capacity_ = storage_->capacity - consumed;
      return;
    }
    if (size_ <= consumed) {
      std::memcpy(start, data_, size_);  // size_ <= consumed: the ranges do not overlap
      data_ = start;
      capacity_ = storage_->capacity;
      return;
    }
  }
  const std::size_t doubled = std::min(detail::kMaxCapacity, 2 * std::max(size_, capacity_));
  detail::BytesStorage* bigger =
      detail::BytesStorage::allocate(std::max({needed, doubled, detail::kMinCapacity}));
  if (size_ != 0) {
    std::memcpy(bigger->data(), data_, size_);
  }
  if (storage_ != nullptr) {
    storage_->release();
  }
  data_ = bigger->data();
  capacity_ = bigger->capacity;
  storage_ = bigger;
}

}  // namespace ringo
