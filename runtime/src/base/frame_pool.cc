// SPDX-License-Identifier: MIT
//
// The shared store behind the per-thread stacks of free blocks: batches wait here for a thread that
// runs short, and a thread that ends leaves its blocks here. What waits for long goes back to its
// slab, which gives it out by address (frame_slab.h). A hundred thousand tasks that end in any
// order would else leave the next ones in that order, all over the memory.
//
// Thread safety: as frame_pool.h says; a lock is taken once per batch.

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

#include "base/frame_slab.h"

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

struct Batch {
  std::size_t count = 0;
  /// Of the thread that has given it. A hint: another thread's may be there one day.
  const FrameCache* from = &frame_cache;
  std::array<void*, kBatch> blocks;  // NOLINT(*-member-init): filled up to `count`
};

/// Memory for slabs, in large pieces: what nothing has written to yet costs nothing. Kept for the
/// life of the process.
class SlabMemory {
 public:
  void* take() {
    const MutexGuard guard(mutex_);
    if (left_ == 0) {
      next_ = static_cast<std::byte*>(
          ::operator new(kSlabs * FrameSlab::kBytes, std::align_val_t{FrameSlab::kBytes}));
      left_ = kSlabs;
    }
    --left_;
    return std::exchange(next_, next_ + FrameSlab::kBytes);
  }

 private:
  static constexpr std::size_t kSlabs = 64;

  Mutex mutex_;
  std::byte* next_ RINGO_GUARDED_BY(mutex_) = nullptr;
  std::size_t left_ RINGO_GUARDED_BY(mutex_) = 0;
};

/// The free blocks of one size that no thread keeps: those that came last as they came, since they
/// are in the caches, the others in their slabs.
class ClassStore {
 public:
  /// Takes over `count` blocks, at most a batch.
  void put(void** blocks, std::size_t count, std::size_t block_size) noexcept {
    std::unique_ptr<Batch> batch(new (std::nothrow) Batch);
    if (batch == nullptr) {
      give_to_slabs(blocks, count, block_size);
      return;
    }
    batch->count = count;
    std::copy_n(blocks, count, batch->blocks.begin());
    if (const std::unique_ptr<Batch> oldest = put_recent(std::move(batch), block_size)) {
      give_to_slabs(oldest->blocks.data(), oldest->count, block_size);
    }
  }

  /// Takes some blocks, at most a batch, and makes new ones if there are none. How many they are;
  /// the last is to be used first.
  std::size_t take(void** blocks, std::size_t block_size, SlabMemory& memory) {
    if (const std::unique_ptr<Batch> batch = take_recent()) {
      std::copy_n(batch->blocks.begin(), batch->count, blocks);
      if (batch->from != &frame_cache) {
        fetch(*batch, block_size);
      }
      return batch->count;
    }
    std::size_t count = take_from_slabs(blocks);
    if (count == 0) {
      FrameSlab& slab = *new (memory.take()) FrameSlab(block_size);
      count = slab.take(blocks, kBatch);
      if (!slab.empty()) {
        const MutexGuard guard(slabs_mutex_);
        push(slab);
      }
    }
    std::reverse(blocks, blocks + count);  // the lowest address first
    return count;
  }

 private:
  /// What is kept as it came: as much as the nearer caches hold, roughly.
  static constexpr std::size_t kRecentBytes = 512 * 1024;
  static constexpr std::size_t kFewestRecent = 2;
  static constexpr std::size_t kMostRecent = 16;

  /// Has blocks that another thread used last brought to this core, all at once. By writing to
  /// them, since they will be written to, and a processor forgets prefetches when it has many.
  static void fetch(const Batch& batch, std::size_t block_size) noexcept {
    constexpr std::size_t kMostBytes = 64 * 1024;  // of large blocks only the first
    std::size_t left = kMostBytes / block_size;
    for (std::size_t i = batch.count; i > 0 && left > 0; --i, --left) {
      auto* const block = static_cast<volatile std::byte*>(batch.blocks[i - 1]);
      for (std::size_t line = 0; line < block_size; line += 64) {
        block[line] = std::byte{0};
      }
    }
  }

  /// Null, or a batch that is recent no more.
  std::unique_ptr<Batch> put_recent(std::unique_ptr<Batch> batch, std::size_t block_size) noexcept {
    const std::size_t most =
        std::clamp(kRecentBytes / (kBatch * block_size), kFewestRecent, kMostRecent);
    std::unique_ptr<Batch> oldest;
    const MutexGuard guard(recent_mutex_);
    if (recent_count_ == most) {
      oldest = std::move(recent_[(recent_end_ - most) % kMostRecent]);
      --recent_count_;
    }
    recent_[recent_end_++ % kMostRecent] = std::move(batch);
    ++recent_count_;
    return oldest;
  }
  /// Null: there is none.
  std::unique_ptr<Batch> take_recent() noexcept {
    const MutexGuard guard(recent_mutex_);
    if (recent_count_ == 0) {
      return nullptr;
    }
    --recent_count_;
    return std::move(recent_[--recent_end_ % kMostRecent]);
  }

  void give_to_slabs(void** blocks, std::size_t count,
                     [[maybe_unused]] std::size_t block_size) noexcept {
    const MutexGuard guard(slabs_mutex_);
    for (std::size_t i = 0; i < count; ++i) {
      FrameSlab& slab = FrameSlab::of(blocks[i]);
      RINGO_DCHECK(slab.block_size() == block_size, "a block was freed that has another size");
      if (slab.empty()) {
        push(slab);
      }
      slab.give(blocks[i]);
    }
  }
  /// How many, at most a batch.
  std::size_t take_from_slabs(void** blocks) noexcept {
    const MutexGuard guard(slabs_mutex_);
    std::size_t count = 0;
    while (slabs_ != nullptr && count < kBatch) {
      count += slabs_->take(blocks + count, kBatch - count);
      if (slabs_->empty()) {
        slabs_ = slabs_->next;
      }
    }
    return count;
  }
  void push(FrameSlab& slab) noexcept RINGO_REQUIRES(slabs_mutex_) {
    slab.next = std::exchange(slabs_, &slab);
  }

  // Two locks, since who takes what is recent need not wait for who looks for slabs.
  Mutex recent_mutex_;
  // A ring; the newest is before the end.
  std::array<std::unique_ptr<Batch>, kMostRecent> recent_ RINGO_GUARDED_BY(recent_mutex_);
  std::size_t recent_end_ RINGO_GUARDED_BY(recent_mutex_) = 0;
  std::size_t recent_count_ RINGO_GUARDED_BY(recent_mutex_) = 0;
  Mutex slabs_mutex_;
  FrameSlab* slabs_ RINGO_GUARDED_BY(slabs_mutex_) = nullptr;  ///< those that are not empty
};

struct Store {
  SlabMemory memory;
  std::array<ClassStore, FrameCache::kClasses> classes;
};

/// Never destroyed: frames may be freed by thread-local destructors that run after static ones.
Store& store() {
  static auto* instance = new Store();
  return *instance;
}

void put_into_store(std::size_t size_class, void** blocks, std::size_t count) noexcept {
  store().classes[size_class].put(blocks, count, size_class * kFrameStep);
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
  Store& shared = store();
  const std::size_t count =
      shared.classes[size_class].take(top, size_class * kFrameStep, shared.memory);
  RINGO_CHECK(count != 0, "the store gave no block");
  top += count;
  return *--top;
}

void spill_frames(std::size_t size_class) noexcept {
  // The older half goes: what was freed last is in the cache.
  void**& top = frame_cache.top[size_class];
  void** const bottom = top - kMaxCachedFrames;
  put_into_store(size_class, bottom, kBatch);
  top = std::copy(bottom + kBatch, top, bottom);
}

#endif

}  // namespace ringo::detail
