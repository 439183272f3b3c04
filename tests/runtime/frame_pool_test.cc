// SPDX-License-Identifier: MIT
//
// The frame pool: no block is given out twice, whoever frees it; a thread's stack of free blocks at
// its limit and one past it; what a thread leaves behind when it ends; and that blocks that nobody
// has used for long come back in the order of their addresses.

#include <ringo/config.h>
#include <ringo/detail/frame_pool.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/frame_slab.h"
#include "support/random_seed.h"

namespace ringo::detail {
namespace {

// Sizes that no frame of the runtime has, so that each test has its own stacks.
constexpr std::size_t kSize = kMaxPooledFrame - 3 * kFrameStep;

std::vector<void*> allocate_many(std::size_t count, std::size_t size) {
  std::vector<void*> blocks;
  for (std::size_t i = 0; i < count; ++i) {
    blocks.push_back(allocate_frame(size));
    std::memset(blocks.back(), static_cast<int>(i), size);
  }
  return blocks;
}
void free_all(const std::vector<void*>& blocks, std::size_t size) {
  for (void* block : blocks) {
    free_frame(block, size);
  }
}
bool are_distinct(std::vector<void*> blocks) {
  std::sort(blocks.begin(), blocks.end());
  return std::adjacent_find(blocks.begin(), blocks.end()) == blocks.end();
}

TEST(FramePool, GivesNoBlockTwice) {
  const std::vector<void*> first = allocate_many(2'000, kSize);
  EXPECT_TRUE(are_distinct(first));
  free_all(first, kSize);
  const std::vector<void*> second = allocate_many(3'000, kSize);
  EXPECT_TRUE(are_distinct(second));
  free_all(second, kSize);
}

TEST(FramePool, AlignsMultiplesOfALine) {
  for (std::size_t size = 64; size <= kMaxPooledFrame + 64; size += 64) {
    void* const block = allocate_frame(size);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % 64, 0U) << size;
    free_frame(block, size);
  }
}

TEST(FramePool, LargestPooledSizeAndOnePast) {
  for (const std::size_t size : {kMaxPooledFrame, kMaxPooledFrame + 1}) {
    const std::vector<void*> blocks = allocate_many(10, size);
    EXPECT_TRUE(are_distinct(blocks)) << size;
    free_all(blocks, size);
  }
}

/// Memory of a slab of its own.
class OwnSlab {
 public:
  explicit OwnSlab(std::size_t block_size)
      : slab(*new(::operator new(FrameSlab::kBytes, kAlignment)) FrameSlab(block_size)) {}
  OwnSlab(const OwnSlab&) = delete;
  OwnSlab& operator=(const OwnSlab&) = delete;
  ~OwnSlab() { ::operator delete(&slab, FrameSlab::kBytes, kAlignment); }

  std::vector<void*> take(std::size_t most) {
    std::vector<void*> blocks(most);
    blocks.resize(slab.take(blocks.data(), most));
    return blocks;
  }

  static constexpr std::align_val_t kAlignment{FrameSlab::kBytes};
  FrameSlab& slab;
};

TEST(FrameSlab, CutsAllOfItselfIntoBlocksOfEachSize) {
  for (std::size_t size = kFrameStep; size <= kMaxPooledFrame; size += kFrameStep) {
    OwnSlab own(size);
    const auto begin = reinterpret_cast<std::uintptr_t>(&own.slab);
    const std::vector<void*> blocks = own.take(FrameSlab::kBytes);
    EXPECT_TRUE(own.slab.empty());
    EXPECT_TRUE(own.take(1).empty());
    ASSERT_FALSE(blocks.empty());
    // The head is at most a bit for each block and a line.
    EXPECT_GE((blocks.size() + 1) * size + blocks.size() / 8 + 128, FrameSlab::kBytes) << size;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      const auto at = reinterpret_cast<std::uintptr_t>(blocks[i]);
      ASSERT_EQ(at, reinterpret_cast<std::uintptr_t>(blocks.front()) + i * size) << size;
      ASSERT_LE(at + size, begin + FrameSlab::kBytes) << size;
      ASSERT_EQ(&FrameSlab::of(blocks[i]), &own.slab);
      std::memset(blocks[i], 0xff, size);  // none of it is the head's
    }
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(blocks.front()) % 64, 0U);
    for (void* const block : blocks) {
      own.slab.give(block);
    }
    EXPECT_EQ(own.take(FrameSlab::kBytes), blocks) << size;
  }
}

TEST(FrameSlab, GivesByAddressWhateverTheOrderOfWhatCame) {
  std::mt19937_64 random = testing_support::seeded_random();
  OwnSlab own(96);
  std::vector<void*> taken = own.take(FrameSlab::kBytes);
  const std::size_t all = taken.size();
  std::size_t free = 0;
  for (int step = 0; step < 2'000; ++step) {
    std::shuffle(taken.begin(), taken.end(), random);
    for (std::size_t gives = random() % 50; gives != 0 && !taken.empty(); --gives) {
      own.slab.give(taken.back());
      taken.pop_back();
      ++free;
    }
    const std::size_t most = random() % 50;
    const std::vector<void*> some = own.take(most);
    ASSERT_EQ(some.size(), std::min(most, free));
    ASSERT_TRUE(std::is_sorted(some.begin(), some.end()));
    free -= some.size();
    ASSERT_EQ(own.slab.empty(), free == 0);
    taken.insert(taken.end(), some.begin(), some.end());
    ASSERT_TRUE(are_distinct(taken));
    ASSERT_EQ(taken.size() + free, all);
  }
}

#if RINGO_FRAME_POOL

std::size_t kept(std::size_t size) {
  void** const top = frame_cache.top[(size + kFrameStep - 1) / kFrameStep];
  return reinterpret_cast<std::uintptr_t>(top) % kFrameStackBytes / sizeof(void*);
}

TEST(FramePool, ThreadKeepsFewerThanItsLimit) {
  // On a thread of its own, whose stacks are empty at first.
  std::thread([] {
    const std::vector<void*> blocks = allocate_many(2 * kMaxCachedFrames, kSize);
    while (kept(kSize) != 0) {
      (void)allocate_frame(kSize);  // what is left of the last slab; given up
    }
    for (std::size_t i = 0; i < kMaxCachedFrames - 1; ++i) {
      free_frame(blocks[i], kSize);
    }
    EXPECT_EQ(kept(kSize), kMaxCachedFrames - 1);
    free_frame(blocks[kMaxCachedFrames - 1], kSize);
    EXPECT_EQ(kept(kSize), kMaxCachedFrames / 2) << "half of them are others' now";
    EXPECT_EQ(allocate_frame(kSize), blocks[kMaxCachedFrames - 1]) << "the newest stays";
    for (std::size_t i = kMaxCachedFrames; i < blocks.size(); ++i) {
      free_frame(blocks[i], kSize);
      EXPECT_LT(kept(kSize), kMaxCachedFrames);
    }
  }).join();
}

TEST(FramePool, BlocksOfAThreadThatEndedAreUsedAgain) {
  constexpr std::size_t kOwnSize = kSize + kFrameStep;
  constexpr std::size_t kBlocks = 300;  // more than a batch
  std::vector<void*> left;
  std::thread([&left] {
    left = allocate_many(kBlocks, kOwnSize);
    free_all(left, kOwnSize);
  }).join();
  std::thread([&left] {
    std::vector<void*> again = allocate_many(2 * kBlocks, kOwnSize);
    EXPECT_TRUE(are_distinct(again));
    std::sort(again.begin(), again.end());
    for (void* block : left) {
      EXPECT_TRUE(std::binary_search(again.begin(), again.end(), block));
    }
    free_all(again, kOwnSize);
  }).join();
}

TEST(FramePool, ThreadThatOnlyFreesHandsThemOn) {
  constexpr std::size_t kOwnSize = kSize + 2 * kFrameStep;
  const std::vector<void*> blocks = allocate_many(1'000, kOwnSize);
  std::thread([&blocks] { free_all(blocks, kOwnSize); }).join();
  std::vector<void*> again = allocate_many(2'000, kOwnSize);
  EXPECT_TRUE(are_distinct(again));
  std::sort(again.begin(), again.end());
  for (void* block : blocks) {
    EXPECT_TRUE(std::binary_search(again.begin(), again.end(), block));
  }
  free_all(again, kOwnSize);
}

TEST(FramePool, BlocksThatNobodyUsedForLongComeByAddress) {
  constexpr std::size_t kOwnSize = kSize - kFrameStep;
  constexpr std::size_t kBlocks = 10'000;
  std::mt19937_64 random = testing_support::seeded_random();
  std::thread([&random] {
    std::vector<void*> blocks = allocate_many(kBlocks, kOwnSize);
    std::shuffle(blocks.begin(), blocks.end(), random);
    free_all(blocks, kOwnSize);
    std::vector<void*> again = allocate_many(kBlocks, kOwnSize);
    EXPECT_TRUE(are_distinct(again));
    // What this thread keeps, and two batches, are as they came; then one slab after the other.
    const auto cold = again.begin() + static_cast<std::ptrdiff_t>(2 * kMaxCachedFrames);
    std::size_t descents = 0;
    std::size_t slabs = 1;
    for (auto at = cold + 1; at != again.end(); ++at) {
      descents += *at < *(at - 1) ? 1 : 0;
      slabs += &FrameSlab::of(*at) != &FrameSlab::of(*(at - 1)) ? 1 : 0;
    }
    const std::size_t in_a_slab = FrameSlab::kBytes / kOwnSize;
    EXPECT_LE(slabs, 2 * kBlocks / in_a_slab);
    EXPECT_LT(descents, slabs);
    free_all(again, kOwnSize);
  }).join();
}

TEST(FramePool, ThreadsThatAllocateAndFreeForEachOther) {
  constexpr std::size_t kOwnSize = kSize - 2 * kFrameStep;
  std::vector<void*> shared = allocate_many(20'000, kOwnSize);
  const auto swap_all = [](std::vector<void*> blocks, unsigned seed) {
    std::mt19937_64 random(seed);
    for (int round = 0; round < 5; ++round) {
      std::shuffle(blocks.begin(), blocks.end(), random);
      free_all(blocks, kOwnSize);
      blocks = allocate_many(blocks.size(), kOwnSize);
    }
    return blocks;
  };
  std::vector<void*> halves[2] = {{shared.begin(), shared.begin() + 10'000},
                                  {shared.begin() + 10'000, shared.end()}};
  std::thread other([&] { halves[1] = swap_all(std::move(halves[1]), 1); });
  halves[0] = swap_all(std::move(halves[0]), 2);
  other.join();
  halves[0].insert(halves[0].end(), halves[1].begin(), halves[1].end());
  EXPECT_TRUE(are_distinct(halves[0]));
  free_all(halves[0], kOwnSize);
}

#endif

}  // namespace
}  // namespace ringo::detail
