// SPDX-License-Identifier: MIT
//
// Where coroutine frames and task cells come from: per-thread stacks of free blocks by size class,
// because that is the cheapest allocation there is and frames are nearly all of few sizes. A thread
// that frees more than it allocates (it ran stolen tasks) hands whole batches to a shared store,
// from which the threads that run short refill.
//
// A stack is an array of addresses, a page with room for 512. Free blocks that form a list of
// themselves would need no array, but to take one is then to wait for its cache line, which an
// allocation of many tasks cannot afford.
//
// What waits in the store for long goes back to the slab of 64 KiB that it was cut from, which
// gives it out by address again. Slabs are kept for the life of the process.
//
// Thread safety: any thread may free what another allocated. Complexity: O(1), locks only once in
// 256 operations (blocks of more than 256 bytes: once in a slab of them). Memory: 8 bytes a free
// block, 4 KiB for each size that a thread uses, up to 32 KiB for each size in the store, and of
// each slab up to 320 bytes; addresses are taken 4 MiB at a time. With RINGO_FRAME_POOL=0
// (sanitizer builds) it is plain operator new.

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

inline constexpr std::size_t kMaxCachedFrames = 512;
/// A stack's bytes and its alignment, so that its top alone says whether it is empty or full.
inline constexpr std::size_t kFrameStackBytes = kMaxCachedFrames * sizeof(void*);

/// One thread's free blocks. A thread's exit returns them to the shared store.
struct FrameCache {
  static constexpr std::size_t kClasses = kMaxPooledFrame / kFrameStep + 1;
  /// The first free place of each stack; null if there is none yet. A stack never stays full.
  void** top[kClasses] = {};
};

inline constinit thread_local FrameCache frame_cache{};

/// For a stack that is empty, or is not there.
void* refill_frames(std::size_t size_class);
/// For a stack that has just become full.
void spill_frames(std::size_t size_class) noexcept;
/// For a stack that is not there.
void begin_frames(std::size_t size_class);

/// Whether this is the end of a stack: the first place of it, or the one behind its last, or null.
inline bool is_at_frame_stack_end(void** top) noexcept {
  return reinterpret_cast<std::uintptr_t>(top) % kFrameStackBytes == 0;
}

inline void* allocate_frame(std::size_t size) {
  if (size > kMaxPooledFrame) [[unlikely]] {
    return allocate_unpooled(size);
  }
  const std::size_t size_class = (size + kFrameStep - 1) / kFrameStep;
  void**& top = frame_cache.top[size_class];
  if (is_at_frame_stack_end(top)) [[unlikely]] {
    return refill_frames(size_class);
  }
  return *--top;
}

inline void free_frame(void* memory, std::size_t size) noexcept {
  if (size > kMaxPooledFrame) [[unlikely]] {
    free_unpooled(memory, size);
    return;
  }
  const std::size_t size_class = (size + kFrameStep - 1) / kFrameStep;
  void**& top = frame_cache.top[size_class];
  if (top == nullptr) [[unlikely]] {
    begin_frames(size_class);
  }
  *top++ = memory;
  if (is_at_frame_stack_end(top)) [[unlikely]] {
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
