// SPDX-License-Identifier: MIT
//
// A pointer to 2^n objects, and n, in one word: who reads it without a lock gets both or neither,
// and never an index beyond the end. The objects begin at a multiple of 64, which leaves the low
// bits of the pointer to n.
//
// It owns nothing: make() and destroy() are called by who knows when.
//
// Thread safety: a value.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace ringo::detail {

template <class T>
class SizedArray {
 public:
  SizedArray() = default;
  explicit SizedArray(std::uint64_t word) noexcept : word_(word) {}
  /// 2^log2_size objects, made by their default constructor. Throws std::bad_alloc.
  [[nodiscard]] static SizedArray make(unsigned log2_size) {
    const std::size_t size = std::size_t{1} << log2_size;
    auto* const objects =
        static_cast<T*>(::operator new(size * sizeof(T), std::align_val_t(kAlignment)));
    std::uninitialized_default_construct_n(objects, size);
    return SizedArray(reinterpret_cast<std::uintptr_t>(objects) | log2_size);
  }
  void destroy() const noexcept {
    std::destroy_n(begin(), size());
    ::operator delete(begin(), std::align_val_t(kAlignment));
  }

  [[nodiscard]] std::uint64_t word() const noexcept { return word_; }
  [[nodiscard]] unsigned log2_size() const noexcept { return word_ & kSizeMask; }
  [[nodiscard]] std::size_t size() const noexcept { return std::size_t{1} << log2_size(); }
  [[nodiscard]] std::size_t mask() const noexcept { return size() - 1; }
  [[nodiscard]] T& operator[](std::size_t index) const noexcept { return begin()[index]; }
  friend bool operator==(SizedArray, SizedArray) noexcept = default;

 private:
  static constexpr std::uint64_t kSizeMask = 63;
  static constexpr std::size_t kAlignment = std::max<std::size_t>(kSizeMask + 1, alignof(T));

  [[nodiscard]] T* begin() const noexcept {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): word_ was made of one
    return reinterpret_cast<T*>(static_cast<std::uintptr_t>(word_ & ~kSizeMask));
  }

  std::uint64_t word_ = 0;
};

}  // namespace ringo::detail
