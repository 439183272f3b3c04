// SPDX-License-Identifier: MIT
//
// PagePool: 8 KiB pages, aligned to their size, cut out of 2 MiB regions of the system's memory.
//
// A region is what the system can map by one entry of the TLB, and all but the first ask for that:
// the keys of a large store are read in no order, so most reads would miss the TLB, too.
//
// The slabs of all shards draw from one pool, so that pages that one shard gave back serve
// another. A region whose pages are all free goes back to the system, but for one that is kept.
//
// Thread safety: any thread; one lock, taken once per page, that is once per hundred entries.

#pragma once

#include <ringo/parking_mutex.h>
#include <ringo/thread_annotations.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>

namespace ringo::server {

class PagePool {
 public:
  static constexpr std::size_t kPageBytes = 8192;
  static constexpr std::size_t kPagesPerRegion = 256;
  static constexpr std::size_t kRegionBytes = kPageBytes * kPagesPerRegion;

  PagePool() = default;
  /// Requires: every page has been given back.
  ~PagePool();
  PagePool(const PagePool&) = delete;
  PagePool& operator=(const PagePool&) = delete;
  PagePool(PagePool&&) = delete;
  PagePool& operator=(PagePool&&) = delete;

  /// A page of unspecified content. Errors: std::bad_alloc.
  void* allocate();
  void free(void* page);

  /// What the pool has from the system, free pages included.
  std::size_t reserved_bytes();

 private:
  /// Bit i is set when page i is free.
  class FreePages {
   public:
    bool is_empty() const { return count_ == 0; }
    bool is_full() const { return count_ == kPagesPerRegion; }
    void add(std::size_t index);
    /// Takes the lowest out. Requires: !is_empty().
    std::size_t pop();

   private:
    static constexpr std::uint64_t kAll = ~std::uint64_t{0};
    std::array<std::uint64_t, kPagesPerRegion / 64> words_{kAll, kAll, kAll, kAll};
    std::size_t count_ = kPagesPerRegion;
  };
  using Regions = std::map<std::uintptr_t, FreePages>;  // by their first byte

  ParkingMutex lock_;
  Regions regions_ RINGO_GUARDED_BY(lock_);
  // Lowest region that may have a free page: allocation fills low regions first, so that high
  // ones run empty.
  std::uintptr_t first_candidate_ RINGO_GUARDED_BY(lock_) = 0;
  std::size_t empty_regions_ RINGO_GUARDED_BY(lock_) = 0;
};

}  // namespace ringo::server
