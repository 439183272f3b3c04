// SPDX-License-Identifier: MIT
//
// The shared store behind the per-thread stacks of free blocks: batches wait here for a thread that
// runs short, and a thread that ends leaves its blocks here.
//
// Thread safety: as frame_pool.h says; the lock is taken once per batch.

#include <ringo/config.h>
#include <ringo/detail/assert.h>
#include <ringo/detail/frame_pool.h>
#include <ringo/detail/mutex.h>
#include <ringo/detail/thread_annotations.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "base/prefetch.h"

namespace ringo::detail {

// Cells are aligned to 64 bytes, frames to what operator new gives.
constexpr std::align_val_t kBlockAlignment{64};

void* allocate_unpooled(std::size_t size) {
  return ::operator new(size, kBlockAlignment);
}

void free_unpooled(void* block, std::size_t size) noexcept {
  ::operator delete(block, size, kBlockAlignment);
}

#if RINGO_FRAME_POOL

namespace {

constexpr std::size_t kBatch = kMaxCachedFrames / 2;
constexpr std::size_t kMaxSlabBytes = 64 * 1024;

struct Batch {
  std::size_t count = 0;
  std::array<void*, kBatch> blocks;  // NOLINT(*-member-init): filled up to `count`
};

/// Batches that threads gave up, by size class. Never destroyed: frames may be freed by
/// thread-local destructors that run after static ones.
struct Store {
  Mutex mutex;
  std::array<std::vector<std::unique_ptr<Batch>>, FrameCache::kClasses> batches
      RINGO_GUARDED_BY(mutex);
};

Store& store() {
  static auto* instance = new Store();
  return *instance;
}

/// Takes `count` blocks, at most a batch. Without memory for the note of it the program ends.
void put_into_store(std::size_t size_class, void** blocks, std::size_t count) noexcept {
  auto batch = std::make_unique<Batch>();
  batch->count = count;
  std::copy_n(blocks, count, batch->blocks.begin());
  Store& shared = store();
  const MutexGuard guard(shared.mutex);
  shared.batches[size_class].push_back(std::move(batch));
}

/// Null: there is none.
std::unique_ptr<Batch> take_from_store(std::size_t size_class) noexcept {
  Store& shared = store();
  const MutexGuard guard(shared.mutex);
  std::vector<std::unique_ptr<Batch>>& batches = shared.batches[size_class];
  if (batches.empty()) {
    return nullptr;
  }
  std::unique_ptr<Batch> batch = std::move(batches.back());
  batches.pop_back();
  return batch;
}

/// Of each class, the bytes of the batches taken since this thread last gave one up. The store's
/// youngest batch goes first, so that much was used since these blocks were, or by other threads.
thread_local constinit std::array<std::size_t, FrameCache::kClasses> bytes_since_spill{};

/// Has a batch of blocks on their way from memory, if they have left the nearer caches by now. What
/// has not would only push others out.
void fetch_if_cold(std::size_t size_class, const Batch& batch) noexcept {
  constexpr std::size_t kNearCache = 2 * 1024 * 1024;
  const std::size_t block_size = size_class * kFrameStep;
  std::size_t& bytes = bytes_since_spill[size_class];
  if (bytes < kNearCache) {
    bytes += batch.count * block_size;
    return;
  }
  constexpr std::size_t kMostBytes = 64 * 1024;  // of large blocks only the first
  std::size_t left = kMostBytes / block_size;
  for (std::size_t i = batch.count; i > 0 && left > 0; --i, --left) {
    for (std::size_t line = 0; line < block_size; line += 64) {
      prefetch_to_write(batch.blocks[i - 1], static_cast<std::ptrdiff_t>(line));
    }
  }
}

constexpr std::align_val_t kStackAlignment{kFrameStackBytes};

/// Returns a thread's blocks to the store when it ends. Armed by the thread's first stack.
struct ReturnAtThreadExit {
  ReturnAtThreadExit() = default;
  ReturnAtThreadExit(const ReturnAtThreadExit&) = delete;
  ReturnAtThreadExit& operator=(const ReturnAtThreadExit&) = delete;
  ~ReturnAtThreadExit() {
    for (std::size_t size_class = 0; size_class < FrameCache::kClasses; ++size_class) {
      void** const top = std::exchange(frame_cache.top[size_class], nullptr);
      if (top == nullptr) {
        continue;
      }
      const std::size_t count =
          reinterpret_cast<std::uintptr_t>(top) % kFrameStackBytes / sizeof(void*);
      void** const bottom = top - count;
      for (std::size_t first = 0; first < count; first += kBatch) {
        put_into_store(size_class, bottom + first, std::min(kBatch, count - first));
      }
      ::operator delete(static_cast<void*>(bottom), kFrameStackBytes, kStackAlignment);
    }
  }
  void arm() const noexcept {}
};
thread_local const ReturnAtThreadExit kReturnAtThreadExit;

/// Cuts a new slab into blocks. Those at lower addresses are allocated first.
void cut_slab(std::size_t size_class) {
  const std::size_t block_size = size_class * kFrameStep;
  const std::size_t count = std::min(kMaxSlabBytes / block_size, kBatch);
  // Slabs are kept for the life of the process; the stacks own every block of them.
  auto* slab = static_cast<std::byte*>(::operator new(count * block_size, kBlockAlignment));
  void**& top = frame_cache.top[size_class];
  for (std::size_t i = count; i > 0; --i) {
    *top++ = slab + (i - 1) * block_size;
  }
}

}  // namespace

void begin_frames(std::size_t size_class) {
  kReturnAtThreadExit.arm();
  frame_cache.top[size_class] =
      static_cast<void**>(::operator new(kFrameStackBytes, kStackAlignment));
}

void* refill_frames(std::size_t size_class) {
  void**& top = frame_cache.top[size_class];
  if (top == nullptr) {
    begin_frames(size_class);
  }
  if (const std::unique_ptr<Batch> batch = take_from_store(size_class)) {
    RINGO_CHECK(batch->count != 0, "a batch of no free blocks was stored");
    top = std::copy_n(batch->blocks.begin(), batch->count, top);
    fetch_if_cold(size_class, *batch);
  } else {
    cut_slab(size_class);
  }
  return *--top;
}

void spill_frames(std::size_t size_class) noexcept {
  // The older half goes: what was freed last is in the cache.
  void**& top = frame_cache.top[size_class];
  void** const bottom = top - kMaxCachedFrames;
  put_into_store(size_class, bottom, kBatch);
  bytes_since_spill[size_class] = 0;
  top = std::copy(bottom + kBatch, top, bottom);
}

#endif

}  // namespace ringo::detail
