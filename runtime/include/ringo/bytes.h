// SPDX-License-Identifier: MIT
//
// Bytes and BytesMut: byte arrays for network programming, as the Rust crate `bytes`.
//
// Bytes is an immutable view with shared ownership: copies and slices never copy the data.
// BytesMut is a unique, growable buffer that is filled from a socket, cut up with split_to and
// frozen into Bytes, all without copying.
//
// Thread safety: like std::string, plus: the storage's count is atomic, so Bytes (and the parts of
// a split BytesMut) that share storage may be used and destroyed on different threads at once.
//
//        storage   | count | destroy | capacity | a b c d e f g h i j k l . . . . . . |
//                                                 ^ Bytes ^   ^ Bytes ^ ^ BytesMut    ^
#pragma once

#include <atomic>
#include <compare>
#include <cstddef>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace ringo {

class BytesMut;

namespace detail {

/// Header of a shared block of bytes. The parts of a block that different owners see never overlap
/// while one of them may write: a BytesMut owns its range alone.
struct BytesStorage {
  using Destroy = void (*)(BytesStorage*) noexcept;

  std::atomic<std::size_t> count{1};
  Destroy destroy;
  std::size_t capacity;  // bytes after the header; 0 where the bytes live elsewhere

  BytesStorage(Destroy destroy_storage, std::size_t capacity_bytes)
      : destroy(destroy_storage), capacity(capacity_bytes) {}

  /// A block with room for at least `capacity` bytes after its header.
  static BytesStorage* allocate(std::size_t capacity);

  char* data() { return reinterpret_cast<char*>(this + 1); }

  void acquire() { count.fetch_add(1, std::memory_order_relaxed); }  // the caller holds a reference

  /// The acquire pairs with the release in release(): who sees 1 also sees the last writes and
  /// reads of all former owners done, and may overwrite or free the block.
  bool is_unique() const { return count.load(std::memory_order_acquire) == 1; }

  void release() {
    // A sole owner skips the read-modify-write: nobody else can raise the count.
    if (is_unique() || count.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      destroy(this);
    }
  }
};

/// Reports a position outside of a buffer and aborts: a caller's bug, never the fault of input.
[[noreturn]] void bytes_out_of_range(const char* where, std::size_t position, std::size_t size);

}  // namespace detail

/// Immutable bytes with shared ownership. Copying, slicing and splitting are O(1).
///
/// A slice keeps its whole storage alive; where a small part of a large block is kept for long,
/// keep `Bytes::copy_from(part)` instead.
///
/// Thread safety: distinct objects, even of the same storage, may be used from any thread; one
/// object is used as a std::string would be.
class Bytes {
 public:
  /// No bytes, no storage.
  constexpr Bytes() noexcept = default;

  Bytes(const Bytes& other) noexcept
      : data_(other.data_), size_(other.size_), storage_(other.storage_) {
    if (storage_ != nullptr) {
      storage_->acquire();
    }
  }
  Bytes(Bytes&& other) noexcept
      : data_(std::exchange(other.data_, kNothing)),
        size_(std::exchange(other.size_, 0)),
        storage_(std::exchange(other.storage_, nullptr)) {}
  Bytes& operator=(const Bytes& other) noexcept {
    Bytes copy(other);
    swap(copy);
    return *this;
  }
  Bytes& operator=(Bytes&& other) noexcept {
    Bytes moved(std::move(other));
    swap(moved);
    return *this;
  }
  constexpr ~Bytes() {
    if (storage_ != nullptr) {
      storage_->release();
    }
  }

  /// Refers to bytes that live as long as the program; nothing is counted or freed.
  static constexpr Bytes from_static(std::string_view bytes) noexcept {
    return Bytes(bytes.data() == nullptr ? kNothing : bytes.data(), bytes.size(), nullptr);
  }

  /// One allocation and one copy; none when `bytes` is empty.
  static Bytes copy_from(std::string_view bytes);
  static Bytes copy_from(std::span<const std::byte> bytes) {
    return copy_from(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  }

  /// Takes over any object that views as bytes (std::string, a mapped file, a buffer lease) and
  /// destroys it with the last reference. One small allocation; the bytes are not copied.
  ///
  /// Thread safety: the owner is destroyed on the thread that drops the last reference.
  template <typename Owner>
    requires(!std::is_reference_v<Owner> && std::is_convertible_v<const Owner&, std::string_view>)
  static Bytes from_owner(Owner owner);

  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  const char* data() const noexcept { return data_; }
  const char* begin() const noexcept { return data_; }
  const char* end() const noexcept { return data_ + size_; }
  char operator[](std::size_t index) const {
    if (index >= size_) {
      detail::bytes_out_of_range("Bytes::operator[]", index, size_);
    }
    return data_[index];
  }

  std::string_view view() const noexcept { return {data_, size_}; }
  std::span<const std::byte> span() const noexcept {
    return {reinterpret_cast<const std::byte*>(data_), size_};
  }
  operator std::string_view() const noexcept { return view(); }            // NOLINT
  operator std::span<const std::byte>() const noexcept { return span(); }  // NOLINT
  std::string to_string() const { return std::string(view()); }

  /// The bytes [from, to), sharing the storage. Complexity: O(1).
  ///
  /// Panics: unless from <= to <= size().
  Bytes slice(std::size_t from, std::size_t to) const;
  Bytes slice(std::size_t from) const { return slice(from, size_); }

  /// The Bytes for a view into this one, as a parser finds it. Complexity: O(1).
  ///
  /// Panics: if `part` is not empty and lies outside.
  Bytes slice_ref(std::string_view part) const;

  /// Cuts off and returns the first `at` bytes; this keeps the rest. Complexity: O(1).
  ///
  /// Panics: if at > size().
  Bytes split_to(std::size_t at);

  /// Cuts off and returns what follows the first `at` bytes. Complexity: O(1).
  ///
  /// Panics: if at > size().
  Bytes split_off(std::size_t at);

  /// Drops the first `count` bytes. Panics: if count > size().
  void advance(std::size_t count);

  /// Keeps at most the first `size` bytes.
  void truncate(std::size_t size) noexcept { size_ = size < size_ ? size : size_; }

  void clear() noexcept { *this = Bytes(); }

  /// True if nobody else refers to the storage; false for static bytes.
  bool is_unique() const noexcept { return storage_ != nullptr && storage_->is_unique(); }

  void swap(Bytes& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(storage_, other.storage_);
  }
  friend void swap(Bytes& left, Bytes& right) noexcept { left.swap(right); }

  friend bool operator==(const Bytes& left, const Bytes& right) noexcept {
    return left.view() == right.view();
  }
  friend bool operator==(const Bytes& left, std::string_view right) noexcept {
    return left.view() == right;
  }
  /// By unsigned byte value, then by length.
  friend std::strong_ordering operator<=>(const Bytes& left, const Bytes& right) noexcept {
    return left.view() <=> right.view();
  }
  friend std::strong_ordering operator<=>(const Bytes& left, std::string_view right) noexcept {
    return left.view() <=> right;
  }

 private:
  friend class BytesMut;

  static constexpr const char* kNothing = "";

  /// Takes over one reference to `storage`.
  constexpr Bytes(const char* data, std::size_t size, detail::BytesStorage* storage) noexcept
      : data_(data), size_(size), storage_(storage) {}

  const char* data_ = kNothing;  // never null, so that the C functions accept it
  std::size_t size_ = 0;
  detail::BytesStorage* storage_ = nullptr;  // null: static, or empty
};

static_assert(sizeof(Bytes) <= 32);

/// A unique, growable byte buffer: bytes are appended at the back and consumed at the front.
///
///   | consumed | size() bytes | spare() |        capacity() = size() + spare().size()
///
/// Thread safety: one object is used by one thread at a time; the parts that a split leaves behind
/// are independent objects.
class BytesMut {
 public:
  BytesMut() noexcept = default;
  explicit BytesMut(std::size_t capacity) { reserve(capacity); }
  BytesMut(BytesMut&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)),
        storage_(std::exchange(other.storage_, nullptr)) {}
  BytesMut& operator=(BytesMut&& other) noexcept {
    BytesMut moved(std::move(other));
    swap(moved);
    return *this;
  }
  BytesMut(const BytesMut&) = delete;
  BytesMut& operator=(const BytesMut&) = delete;
  ~BytesMut() {
    if (storage_ != nullptr) {
      storage_->release();
    }
  }

  /// One allocation and one copy.
  static BytesMut copy_from(std::string_view bytes);

  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  /// How many bytes fit, those that are in it included, before it must allocate or move.
  std::size_t capacity() const noexcept { return capacity_; }
  char* data() noexcept { return data_; }
  const char* data() const noexcept { return data_; }
  char& operator[](std::size_t index) {
    if (index >= size_) {
      detail::bytes_out_of_range("BytesMut::operator[]", index, size_);
    }
    return data_[index];
  }

  std::string_view view() const noexcept { return {data_, size_}; }
  std::span<const std::byte> span() const noexcept {
    return {reinterpret_cast<const std::byte*>(data_), size_};
  }
  operator std::string_view() const noexcept { return view(); }            // NOLINT
  operator std::span<const std::byte>() const noexcept { return span(); }  // NOLINT

  /// Makes room for at least `count` more bytes. Views of the content are invalid afterwards.
  ///
  /// Reuses the storage, consumed part included, where nobody else refers to it and moving the
  /// content is paid for by what was consumed; else it allocates at least twice the size.
  ///
  /// Complexity: amortized O(1) per byte appended. Errors: std::length_error, std::bad_alloc.
  void reserve(std::size_t count) {
    if (capacity_ - size_ < count) [[unlikely]] {
      grow(count);
    }
  }

  /// Room behind the content, uninitialized; what is written there joins it with commit().
  std::span<std::byte> spare() noexcept {
    return {reinterpret_cast<std::byte*>(data_ + size_), capacity_ - size_};
  }

  /// Makes room for `count` bytes and returns where they go; follow it with commit().
  char* prepare(std::size_t count) {
    reserve(count);
    return data_ + size_;
  }

  /// Declares the first `count` bytes of spare() as written. Panics: if spare() is smaller.
  void commit(std::size_t count) {
    if (count > capacity_ - size_) [[unlikely]] {
      detail::bytes_out_of_range("BytesMut::commit", count, capacity_ - size_);
    }
    size_ += count;
  }

  /// Requires: `bytes` is not part of this buffer.
  void append(std::string_view bytes) {
    if (!bytes.empty()) {
      std::memcpy(prepare(bytes.size()), bytes.data(), bytes.size());
      size_ += bytes.size();
    }
  }
  void append(std::span<const std::byte> bytes) {
    append(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  }
  void append(std::size_t count, char byte) {
    if (count != 0) {
      std::memset(prepare(count), byte, count);
      size_ += count;
    }
  }
  void put(char byte) {
    *prepare(1) = byte;
    ++size_;
  }

  /// Drops the first `count` bytes. Complexity: O(1). Panics: if count > size().
  void advance(std::size_t count) {
    if (count > size_) [[unlikely]] {
      detail::bytes_out_of_range("BytesMut::advance", count, size_);
    }
    data_ += count;
    size_ -= count;
    capacity_ -= count;
  }

  /// Cuts off and returns the first `at` bytes; this keeps the rest and the spare room.
  /// Both share the storage but no byte of it. Complexity: O(1). Panics: if at > size().
  BytesMut split_to(std::size_t at);

  /// Cuts off and returns the content; this keeps the spare room. Complexity: O(1).
  BytesMut split() { return split_to(size_); }

  /// Makes the content immutable and shareable; the buffer is empty, without storage, afterwards.
  /// Complexity: O(1).
  Bytes freeze() && noexcept {
    detail::BytesStorage* const storage = std::exchange(storage_, nullptr);
    const char* const data = std::exchange(data_, nullptr);
    capacity_ = 0;
    return Bytes(storage == nullptr ? Bytes::kNothing : data, std::exchange(size_, 0), storage);
  }

  /// Removes the content and keeps the room; the whole storage where this is its only owner.
  void clear() noexcept {
    size_ = 0;
    try_reclaim();
  }

  /// Keeps at most the first `size` bytes.
  void truncate(std::size_t size) noexcept { size_ = size < size_ ? size : size_; }

  /// Takes the consumed part back as spare room where that needs no copy: the buffer is empty and
  /// nobody else refers to the storage. Returns whether the whole storage is in use again.
  bool try_reclaim() noexcept;

  void swap(BytesMut& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
    std::swap(storage_, other.storage_);
  }
  friend void swap(BytesMut& left, BytesMut& right) noexcept { left.swap(right); }

  friend bool operator==(const BytesMut& left, const BytesMut& right) noexcept {
    return left.view() == right.view();
  }
  friend bool operator==(const BytesMut& left, std::string_view right) noexcept {
    return left.view() == right;
  }

 private:
  void grow(std::size_t count);

  char* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;  // of this part, from data_
  detail::BytesStorage* storage_ = nullptr;
};

template <typename Owner>
  requires(!std::is_reference_v<Owner> && std::is_convertible_v<const Owner&, std::string_view>)
Bytes Bytes::from_owner(Owner owner) {
  struct Owned : detail::BytesStorage {
    explicit Owned(Owner&& moved)
        : BytesStorage([](BytesStorage* self) noexcept { delete static_cast<Owned*>(self); }, 0),
          value(std::move(moved)) {}
    Owner value;
  };
  auto owned = std::make_unique<Owned>(std::move(owner));
  // Only now: moving a short std::string moves its bytes.
  const std::string_view bytes = static_cast<const Owner&>(owned->value);
  return Bytes(bytes.data() == nullptr ? kNothing : bytes.data(), bytes.size(), owned.release());
}

}  // namespace ringo

template <>
struct std::hash<ringo::Bytes> {
  std::size_t operator()(const ringo::Bytes& bytes) const noexcept {
    return std::hash<std::string_view>()(bytes.view());
  }
};
