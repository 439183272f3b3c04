// SPDX-License-Identifier: MIT
//
// PagePool: 8 KiB pages, aligned to their size, cut out of 512 KiB regions of the system's memory.
//
// The slabs of all shards draw from one pool, so that pages that one shard gave back serve
// another. A region whose pages are all free goes back to the system, but for one that is kept.
//
// Thread safety: any thread; one lock, taken once per page, that is once per hundred entries.

#pragma once

#include <ringo/parking_mutex.h>
#include <ringo/thread_annotations.h>

#include <cstddef>
#include <cstdint>
#include <map>

namespace ringo::server {

class PagePool {
 public:
  static constexpr std::size_t kPageBytes = 8192;
  static constexpr std::size_t kPagesPerRegion = 64;
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
  // A region by its first byte; bit i of its value is set when its page i is free.
  using Regions = std::map<std::uintptr_t, std::uint64_t>;
  static constexpr std::uint64_t kAllFree = ~std::uint64_t{0};

  ParkingMutex lock_;
  Regions regions_ RINGO_GUARDED_BY(lock_);
  // Lowest region that may have a free page: allocation fills low regions first, so that high
  // ones run empty.
  std::uintptr_t first_candidate_ RINGO_GUARDED_BY(lock_) = 0;
  std::size_t empty_regions_ RINGO_GUARDED_BY(lock_) = 0;
};

}  // namespace ringo::server
