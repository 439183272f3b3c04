// SPDX-License-Identifier: MIT
//
// Where coroutine frames and task cells come from: per-thread free lists by size class, because a
// free list is the cheapest allocation there is and frames are nearly all of few sizes. A thread
// that frees more than it allocates (it ran stolen tasks) hands whole batches to a shared store,
// from which the threads that run short refill.
//
// Thread safety: any thread may free what another allocated. Complexity: O(1), a lock only once in
// kBatch operations. With RINGO_FRAME_POOL=0 (sanitizer builds) it is plain operator new.

#pragma once

#include <ringo/config.h>

#include <cstddef>
#include <cstdint>

namespace ringo::detail {

/// Blocks are multiples of this; blocks whose size is a multiple of 64 are aligned to 64.
inline constexpr std::size_t kFrameStep = 32;
/// Larger blocks go to operator new.
inline constexpr std::size_t kMaxPooledFrame = 2048;

void* allocate_unpooled(std::size_t size);
void free_unpooled(void* block, std::size_t size) noexcept;

#if RINGO_FRAME_POOL

struct FreeBlock {
  FreeBlock* next;
};

/// One thread's free lists. A thread's exit returns them to the shared store.
struct FrameCache {
  static constexpr std::size_t kClasses = kMaxPooledFrame / kFrameStep + 1;
  FreeBlock* head[kClasses] = {};
  std::uint16_t count[kClasses] = {};
};

inline constinit thread_local FrameCache frame_cache{};
inline constexpr std::uint16_t kMaxCachedFrames = 512;

void* refill_frames(std::size_t size_class);
void spill_frames(std::size_t size_class) noexcept;
/// Sees to it that the thread's lists are returned when it ends.
void note_frame_cache_in_use() noexcept;

inline void* allocate_frame(std::size_t size) {
  if (size > kMaxPooledFrame) [[unlikely]] {
    return allocate_unpooled(size);
  }
  const std::size_t size_class = (size + kFrameStep - 1) / kFrameStep;
  FrameCache& cache = frame_cache;
  FreeBlock* block = cache.head[size_class];
  if (block == nullptr) [[unlikely]] {
    return refill_frames(size_class);
  }
  cache.head[size_class] = block->next;
  --cache.count[size_class];
  return block;
}

inline void free_frame(void* memory, std::size_t size) noexcept {
  if (size > kMaxPooledFrame) [[unlikely]] {
    free_unpooled(memory, size);
    return;
  }
  const std::size_t size_class = (size + kFrameStep - 1) / kFrameStep;
  FrameCache& cache = frame_cache;
  auto* block = static_cast<FreeBlock*>(memory);
  block->next = cache.head[size_class];
  if (block->next == nullptr) [[unlikely]] {
    note_frame_cache_in_use();  // this thread may never allocate
  }
  cache.head[size_class] = block;
  if (++cache.count[size_class] >= kMaxCachedFrames) [[unlikely]] {
    spill_frames(size_class);
  }
}

#else

inline void* allocate_frame(std::size_t size) {
  return allocate_unpooled(size);
}
inline void free_frame(void* memory, std::size_t size) noexcept {
  free_unpooled(memory, size);
}

#endif

}  // namespace ringo::detail
