// SPDX-License-Identifier: MIT
//
// The frame pool: no block is given out twice, whoever frees it; a thread's stack of free blocks at
// its limit and one past it; and what a thread leaves behind when it ends.

#include <ringo/config.h>
#include <ringo/detail/frame_pool.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

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

#endif

}  // namespace
}  // namespace ringo::detail
