// SPDX-License-Identifier: MIT
//
// Slab: memory for the entries of one shard, in size classes 8 bytes apart (up to 12 % apart above
// 256 bytes), without a header per block: the caller says the size again when it frees.
//
//   page (8 KiB, aligned) | PageHeader | block | block | block | ... |
//
// malloc costs 8 bytes a block and rounds to 16, which is a sixth of the goal for a small entry,
// and about 20 ns. Blocks above kMaxBlock come from malloc. A page whose last block is freed goes
// back to the pool. Builds with AddressSanitizer use malloc for all blocks, so that it sees them.
//
// Thread safety: none; a slab belongs to its shard and is used under the shard's lock.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "store/page_pool.h"

namespace ringo::server {

class Slab {
 public:
  /// The largest block that comes from a page.
  static constexpr std::size_t kMaxBlock = 1160;

  /// Requires: `pool` outlives the slab.
  explicit Slab(PagePool& pool) : pool_(&pool) {}
  /// Gives all pages back, whether their blocks were freed or not. Blocks from malloc must have
  /// been freed: external_blocks() is zero.
  ~Slab();
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;
  Slab(Slab&&) = delete;
  Slab& operator=(Slab&&) = delete;

  /// A block of at least `size` bytes, aligned to 8. Errors: std::bad_alloc.
  void* allocate(std::size_t size);
  /// Requires: `size` rounds to the same block size as that given to allocate().
  void free(void* block, std::size_t size);

  /// The size of the block that `size` bytes get: two sizes with the same result can share one.
  static std::size_t block_size(std::size_t size);

  /// Sum of the sizes of all blocks in use.
  std::size_t used_bytes() const { return used_bytes_; }
  /// Blocks in use that are not in pages and must be freed one by one.
  std::size_t external_blocks() const { return external_blocks_; }

 private:
  struct PageHeader;
  struct Class {
    PageHeader* available = nullptr;  // pages with a free block
    PageHeader* full = nullptr;
  };

  static constexpr std::size_t kClasses = 56;

  PageHeader* add_page(std::size_t class_index);
  static void unlink(PageHeader*& list, PageHeader* page);
  static void push(PageHeader*& list, PageHeader* page);

  PagePool* pool_;
  std::array<Class, kClasses> classes_{};
  std::size_t used_bytes_ = 0;
  std::size_t external_blocks_ = 0;
};

}  // namespace ringo::server
