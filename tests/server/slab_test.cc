// SPDX-License-Identifier: MIT
//
// Pages and slabs: blocks do not overlap, and what is freed is used again or given back.

#include "store/slab.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "store/page_pool.h"
#include "support/random_seed.h"

namespace ringo::server {
namespace {

TEST(PagePool, PagesAreAlignedAndApart) {
  PagePool pool;
  std::vector<void*> pages;
  for (std::size_t i = 0; i < 2 * PagePool::kPagesPerRegion + 1; ++i) {
    pages.push_back(pool.allocate());
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(pages.back()) % PagePool::kPageBytes, 0U);
    std::memset(pages.back(), static_cast<int>(i), PagePool::kPageBytes);
  }
  EXPECT_EQ(pool.reserved_bytes(), 3 * PagePool::kRegionBytes);
  for (std::size_t i = 0; i < pages.size(); ++i) {
    EXPECT_EQ(static_cast<unsigned char*>(pages[i])[PagePool::kPageBytes - 1], i % 256);
    pool.free(pages[i]);
  }
  EXPECT_EQ(pool.reserved_bytes(), PagePool::kRegionBytes) << "one region is kept";
}

TEST(PagePool, FreedPagesAreUsedAgain) {
  PagePool pool;
  void* first = pool.allocate();
  void* second = pool.allocate();
  pool.free(first);
  EXPECT_EQ(pool.allocate(), first);
  pool.free(first);
  pool.free(second);
}

TEST(Slab, BlockSizesCoverTheRequestClosely) {
  for (std::size_t size = 1; size <= 2 * Slab::kMaxBlock; ++size) {
    const std::size_t block = Slab::block_size(size);
    EXPECT_GE(block, size);
    EXPECT_EQ(block % 8, 0U);
    if (size <= 256) {
      EXPECT_LT(block - size, 8U);
    } else if (size <= Slab::kMaxBlock) {
      EXPECT_LE(block, size + size / 7);
    } else {
      EXPECT_LT(block - size, 256U);
    }
  }
}

TEST(Slab, RandomBlocksDoNotOverlap) {
  std::mt19937_64 random = testing_support::seeded_random();
  PagePool pool;
  Slab slab(pool);
  struct Block {
    unsigned char* at;
    std::size_t size;
    unsigned char fill;
  };
  std::vector<Block> blocks;
  std::size_t used = 0;
  const auto free_one = [&](std::size_t index) {
    const Block block = blocks[index];
    for (std::size_t i = 0; i < block.size; ++i) {
      ASSERT_EQ(block.at[i], block.fill);
    }
    slab.free(block.at, block.size);
    used -= Slab::block_size(block.size);
    blocks[index] = blocks.back();
    blocks.pop_back();
  };
  for (int step = 0; step < 60'000; ++step) {
    const bool is_growing = step / 10'000 % 2 == 0;
    if (blocks.empty() || random() % 10 < (is_growing ? 7 : 3)) {
      const std::size_t size = 1 + random() % (random() % 20 == 0 ? 3000 : 300);
      auto* at = static_cast<unsigned char*>(slab.allocate(size));
      ASSERT_EQ(reinterpret_cast<std::uintptr_t>(at) % 8, 0U);
      const auto fill = static_cast<unsigned char>(random());
      std::memset(at, fill, size);
      blocks.push_back({at, size, fill});
      used += Slab::block_size(size);
    } else {
      free_one(random() % blocks.size());
    }
    ASSERT_EQ(slab.used_bytes(), used);
  }
  while (!blocks.empty()) {
    free_one(blocks.size() - 1);
  }
  EXPECT_EQ(slab.used_bytes(), 0U);
  EXPECT_EQ(slab.external_blocks(), 0U);
}

}  // namespace
}  // namespace ringo::server
