// SPDX-License-Identifier: MIT
//
// Size classes and the lists of pages. Invariants of a page:
//  1. used + length of the free list + never used blocks = blocks of its class.
//  2. It is in its class's list `available` if and only if used < blocks; else in `full`.
//  3. A page with used == 0 exists only while it is the only available page of its class.

#include "store/slab.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

#include "store/check.h"
#include "store/page_pool.h"

#if defined(__SANITIZE_ADDRESS__)
#define RINGO_STORE_PAGES 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RINGO_STORE_PAGES 0
#endif
#endif
#ifndef RINGO_STORE_PAGES
#define RINGO_STORE_PAGES 1
#endif

namespace ringo::server {

struct Slab::PageHeader {
  PageHeader* next;
  PageHeader* previous;
  void* free_list;       // linked through the blocks' first words
  std::uint32_t bump;    // offset of the first block that was never used
  std::uint16_t used;    // blocks in use
  std::uint16_t blocks;  // blocks in all
  std::uint32_t block_bytes;
  std::uint32_t class_index;
};

namespace {

constexpr std::size_t kHeaderBytes = 64;
constexpr std::size_t kRoom = PagePool::kPageBytes - kHeaderBytes;
constexpr std::size_t kFineClasses = 32;  // 8, 16, … 256
constexpr std::size_t kCoarseMostBlocks = 30;
constexpr std::size_t kUnits = Slab::kMaxBlock / 8 + 1;

// Above 256 bytes a class is what divides the page without a rest: 30, 29, … 7 blocks.
constexpr std::array<std::uint16_t, 56> make_block_sizes() {
  std::array<std::uint16_t, 56> sizes{};
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    sizes[i] = static_cast<std::uint16_t>(
        i < kFineClasses ? (i + 1) * 8 : kRoom / (kCoarseMostBlocks - (i - kFineClasses)) / 8 * 8);
  }
  return sizes;
}

constexpr std::array<std::uint16_t, 56> kBlockSizes = make_block_sizes();
static_assert(kBlockSizes.back() == Slab::kMaxBlock);
static_assert(kBlockSizes[kFineClasses] > kBlockSizes[kFineClasses - 1]);

constexpr std::array<std::uint8_t, kUnits> make_class_of() {
  std::array<std::uint8_t, kUnits> table{};
  std::uint8_t index = 0;
  for (std::size_t unit = 0; unit < kUnits; ++unit) {
    while (kBlockSizes[index] < unit * 8) {
      ++index;
    }
    table[unit] = index;
  }
  return table;
}

constexpr std::array<std::uint8_t, kUnits> kClassOf = make_class_of();

std::size_t class_for(std::size_t size) {
  return kClassOf[(size + 7) / 8];
}

/// Blocks from malloc are rounded, so that a growing value is not moved at every byte.
std::size_t external_size(std::size_t size) {
  return (size + 255) / 256 * 256;
}

}  // namespace

std::size_t Slab::block_size(std::size_t size) {
  return size <= kMaxBlock ? kBlockSizes[class_for(size)] : external_size(size);
}

void Slab::unlink(PageHeader*& list, PageHeader* page) {
  (page->previous == nullptr ? list : page->previous->next) = page->next;
  if (page->next != nullptr) {
    page->next->previous = page->previous;
  }
}

void Slab::push(PageHeader*& list, PageHeader* page) {
  page->previous = nullptr;
  page->next = list;
  if (list != nullptr) {
    list->previous = page;
  }
  list = page;
}

Slab::PageHeader* Slab::add_page(std::size_t class_index) {
  static_assert(sizeof(PageHeader) <= kHeaderBytes);
  auto* page = ::new (pool_->allocate()) PageHeader{};
  page->bump = kHeaderBytes;
  page->block_bytes = kBlockSizes[class_index];
  page->blocks = static_cast<std::uint16_t>(kRoom / page->block_bytes);
  page->class_index = static_cast<std::uint32_t>(class_index);
  push(classes_[class_index].available, page);
  return page;
}

Slab::~Slab() {
  RINGO_STORE_CHECK(external_blocks_ == 0, "a block from malloc outlives its slab");
  for (Class& each : classes_) {
    for (PageHeader* list : {each.available, each.full}) {
      while (list != nullptr) {
        PageHeader* const next = list->next;
        pool_->free(list);
        list = next;
      }
    }
  }
}

void* Slab::allocate(std::size_t size) {
  if (RINGO_STORE_PAGES == 0 || size > kMaxBlock) {
    const std::size_t bytes = block_size(size);
    void* block = std::malloc(bytes);
    if (block == nullptr) {
      throw std::bad_alloc();
    }
    ++external_blocks_;
    used_bytes_ += bytes;
    return block;
  }
  const std::size_t class_index = class_for(size);
  Class& in = classes_[class_index];
  PageHeader* page = in.available;
  if (page == nullptr) [[unlikely]] {
    page = add_page(class_index);
  }
  void* block = page->free_list;
  if (block != nullptr) {
    page->free_list = *static_cast<void**>(block);
  } else {
    block = reinterpret_cast<char*>(page) + page->bump;
    page->bump += page->block_bytes;
  }
  used_bytes_ += page->block_bytes;
  if (++page->used == page->blocks) [[unlikely]] {
    unlink(in.available, page);
    push(in.full, page);
  }
  return block;
}

void Slab::free(void* block, std::size_t size) {
  if (RINGO_STORE_PAGES == 0 || size > kMaxBlock) {
    --external_blocks_;
    used_bytes_ -= block_size(size);
    std::free(block);
    return;
  }
  const auto address = reinterpret_cast<std::uintptr_t>(block);
  auto* page =
      reinterpret_cast<PageHeader*>(static_cast<char*>(block) - address % PagePool::kPageBytes);
  RINGO_STORE_DCHECK(page->class_index == class_for(size), "freed with another size");
  Class& in = classes_[page->class_index];
  ::new (block) void*(page->free_list);
  page->free_list = block;
  used_bytes_ -= page->block_bytes;
  if (page->used-- == page->blocks) [[unlikely]] {
    unlink(in.full, page);
    push(in.available, page);
  }
  if (page->used == 0 && (page->next != nullptr || page->previous != nullptr)) [[unlikely]] {
    unlink(in.available, page);
    pool_->free(page);
  }
}

}  // namespace ringo::server
