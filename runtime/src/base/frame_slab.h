// SPDX-License-Identifier: MIT
//
// Where the frame pool's blocks of one size are cut from, and come back to when nobody has had a
// use for them for long. A slab gives them out in the order of their addresses, whatever the order
// was in which they came: then the processor sees coming what a program touches next. It lies at a
// multiple of its size, so that each block leads to it, and begins with a bit for each block.
//
// Thread safety: none; the pool's lock is what protects it, once others know of it. Complexity:
// give O(1), take O(number).

#pragma once

#include <ringo/detail/assert.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace ringo::detail {

class FrameSlab {
 public:
  /// Its size and its alignment.
  static constexpr std::size_t kBytes = 64 * 1024;

  /// At the start of memory that is its own. All blocks are free.
  explicit FrameSlab(std::size_t block_size) noexcept
      : block_size_(static_cast<std::uint32_t>(block_size)) {
    const std::size_t words = (kBytes / block_size + 63) / 64;
    const std::size_t head = sizeof(FrameSlab) + words * sizeof(std::uint64_t);
    first_ = static_cast<std::uint32_t>((head + 63) / 64 * 64);
    free_ = static_cast<std::uint32_t>((kBytes - first_) / block_size);
    for (std::size_t word = 0; word < words; ++word) {
      const std::size_t left = free_ - std::min<std::size_t>(free_, word * 64);
      bits()[word] = left >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << left) - 1;
    }
  }
  FrameSlab(const FrameSlab&) = delete;
  FrameSlab& operator=(const FrameSlab&) = delete;
  ~FrameSlab() = default;

  static FrameSlab& of(void* block) noexcept {
    const std::size_t offset = reinterpret_cast<std::uintptr_t>(block) % kBytes;
    return *reinterpret_cast<FrameSlab*>(static_cast<std::byte*>(block) - offset);
  }

  [[nodiscard]] std::size_t block_size() const noexcept { return block_size_; }
  /// Whether no block is free.
  [[nodiscard]] bool empty() const noexcept { return free_ == 0; }

  void give(void* block) noexcept {
    const std::size_t offset = reinterpret_cast<std::uintptr_t>(block) % kBytes;
    RINGO_DCHECK(offset >= first_ && (offset - first_) % block_size_ == 0,
                 "a block was freed that has another size");
    const std::size_t index = (offset - first_) / block_size_;
    const std::uint64_t bit = std::uint64_t{1} << index % 64;
    RINGO_DCHECK((bits()[index / 64] & bit) == 0, "a block was freed twice");
    bits()[index / 64] |= bit;
    ++free_;
  }

  /// Takes up to `most` blocks, those at the lowest addresses, in their order. How many they are.
  std::size_t take(void** blocks, std::size_t most) noexcept {
    std::byte* const begin = reinterpret_cast<std::byte*>(this) + first_;
    const std::size_t count = std::min<std::size_t>(free_, most);
    std::uint64_t* word = bits();
    for (std::size_t taken = 0; taken < count; ++taken) {
      while (*word == 0) {
        ++word;
      }
      const auto index = static_cast<std::size_t>((word - bits()) * 64 + std::countr_zero(*word));
      blocks[taken] = begin + index * block_size_;
      *word &= *word - 1;
    }
    free_ -= static_cast<std::uint32_t>(count);
    return count;
  }

  FrameSlab* next = nullptr;  ///< in the pool's list of those that are not empty

 private:
  /// A bit for each block, set while it is free. They follow the header.
  [[nodiscard]] std::uint64_t* bits() noexcept {
    return reinterpret_cast<std::uint64_t*>(this + 1);
  }

  std::uint32_t block_size_;
  std::uint32_t first_;  ///< how far from the slab's start the blocks begin
  std::uint32_t free_;
};

}  // namespace ringo::detail
