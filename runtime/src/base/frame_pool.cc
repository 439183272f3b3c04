// SPDX-License-Identifier: MIT
//
// The shared store behind the per-thread free lists: batches wait here for a thread that runs
// short, and a thread that ends leaves its lists here.
//
// Thread safety: as frame_pool.h says; the lock is taken once per batch.

#include <ringo/config.h>
#include <ringo/detail/frame_pool.h>
#include <ringo/detail/mutex.h>
#include <ringo/detail/thread_annotations.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

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

constexpr std::uint16_t kBatch = 256;
constexpr std::size_t kMaxSlabBytes = 64 * 1024;

struct Batch {
  FreeBlock* head;
  std::uint16_t count;
};

/// Batches that threads gave up, by size class. Never destroyed: frames may be freed by
/// thread-local destructors that run after static ones.
struct Store {
  Mutex mutex;
  std::vector<Batch> batches[FrameCache::kClasses] RINGO_GUARDED_BY(mutex);
};

Store& store() {
  static auto* instance = new Store();
  return *instance;
}

void put_into_store(std::size_t size_class, Batch batch) noexcept {
  Store& shared = store();
  const MutexGuard guard(shared.mutex);
  shared.batches[size_class].push_back(batch);
}

/// Returns a thread's lists to the store when it ends. Armed by the thread's first refill.
struct ReturnAtThreadExit {
  ReturnAtThreadExit() = default;
  ReturnAtThreadExit(const ReturnAtThreadExit&) = delete;
  ReturnAtThreadExit& operator=(const ReturnAtThreadExit&) = delete;
  ~ReturnAtThreadExit() {
    for (std::size_t size_class = 0; size_class < FrameCache::kClasses; ++size_class) {
      if (frame_cache.head[size_class] != nullptr) {
        put_into_store(size_class, {frame_cache.head[size_class], frame_cache.count[size_class]});
        frame_cache.head[size_class] = nullptr;
        frame_cache.count[size_class] = 0;
      }
    }
  }
  void arm() const noexcept {}
};
thread_local const ReturnAtThreadExit kReturnAtThreadExit;

/// Cuts a new slab into blocks and keeps all but one.
void* cut_slab(std::size_t size_class) {
  const std::size_t block_size = size_class * kFrameStep;
  const std::size_t count = std::min<std::size_t>(kMaxSlabBytes / block_size, kBatch);
  // Slabs are kept for the life of the process; the free lists own every block of them.
  auto* slab = static_cast<std::byte*>(::operator new(count * block_size, kBlockAlignment));
  FreeBlock* head = nullptr;
  for (std::size_t i = count - 1; i > 0; --i) {
    head = new (slab + i * block_size) FreeBlock{head};
  }
  frame_cache.head[size_class] = head;
  frame_cache.count[size_class] = static_cast<std::uint16_t>(count - 1);
  return slab;
}

}  // namespace

void* refill_frames(std::size_t size_class) {
  kReturnAtThreadExit.arm();
  Store& shared = store();
  {
    const MutexGuard guard(shared.mutex);
    std::vector<Batch>& batches = shared.batches[size_class];
    if (!batches.empty()) {
      const Batch batch = batches.back();
      batches.pop_back();
      frame_cache.head[size_class] = batch.head->next;
      frame_cache.count[size_class] = static_cast<std::uint16_t>(batch.count - 1);
      return batch.head;
    }
  }
  return cut_slab(size_class);
}

void note_frame_cache_in_use() noexcept {
  kReturnAtThreadExit.arm();
}

void spill_frames(std::size_t size_class) noexcept {
  FreeBlock* const head = frame_cache.head[size_class];
  FreeBlock* last = head;
  for (std::uint16_t i = 1; i < kBatch; ++i) {
    last = last->next;
  }
  frame_cache.head[size_class] = last->next;
  frame_cache.count[size_class] =
      static_cast<std::uint16_t>(frame_cache.count[size_class] - kBatch);
  last->next = nullptr;
  put_into_store(size_class, {head, kBatch});
}

#endif

}  // namespace ringo::detail
