// SPDX-License-Identifier: MIT
//
// Regions come from mmap with twice the size, of which the aligned half is kept: aligned_alloc
// would lose up to a page to each page's header.

#include "store/page_pool.h"

#include <ringo/parking_mutex.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <new>

#include "store/check.h"

namespace ringo::server {
namespace {

void* map_region() {
  constexpr std::size_t kWanted = PagePool::kRegionBytes;
  void* raw =
      ::mmap(nullptr, 2 * kWanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) {  // NOLINT(performance-no-int-to-ptr): the system's macro
    throw std::bad_alloc();
  }
  const auto begin = reinterpret_cast<std::uintptr_t>(raw);
  const std::size_t before = (kWanted - begin % kWanted) % kWanted;
  char* const aligned = static_cast<char*>(raw) + before;
  if (before != 0) {
    ::munmap(raw, before);
  }
  ::munmap(aligned + kWanted, kWanted - before);
  return aligned;
}

}  // namespace

void PagePool::FreePages::add(std::size_t index) {
  words_[index / 64] |= std::uint64_t{1} << (index % 64);
  ++count_;
}

std::size_t PagePool::FreePages::pop() {
  auto* word = std::ranges::find_if(words_, [](std::uint64_t bits) { return bits != 0; });
  const auto bit = static_cast<std::size_t>(std::countr_zero(*word));
  *word &= *word - 1;
  --count_;
  return static_cast<std::size_t>(word - words_.begin()) * 64 + bit;
}

PagePool::~PagePool() {
  const ParkingGuard guard(lock_);
  for (const auto& [begin, pages] : regions_) {
    RINGO_STORE_CHECK(pages.is_full(), "a page outlives its pool");
    ::munmap(reinterpret_cast<void*>(begin), kRegionBytes);  // NOLINT(performance-no-int-to-ptr)
  }
}

void* PagePool::allocate() {
  const ParkingGuard guard(lock_);
  auto region = regions_.lower_bound(first_candidate_);
  while (region != regions_.end() && region->second.is_empty()) {
    ++region;
  }
  if (region == regions_.end()) {
    void* fresh = map_region();
    if (!regions_.empty()) {
      // A refusal costs speed, nothing else. The first stays as it is: a small store, small memory.
      static_cast<void>(::madvise(fresh, kRegionBytes, MADV_HUGEPAGE));
    }
    region = regions_.emplace(reinterpret_cast<std::uintptr_t>(fresh), FreePages()).first;
    ++empty_regions_;
  }
  first_candidate_ = region->first;
  if (region->second.is_full()) {
    --empty_regions_;
  }
  const std::size_t index = region->second.pop();
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the key of the map is the address
  return reinterpret_cast<void*>(region->first + index * kPageBytes);
}

void PagePool::free(void* page) {
  const auto address = reinterpret_cast<std::uintptr_t>(page);
  const std::uintptr_t begin = address - address % kRegionBytes;
  const ParkingGuard guard(lock_);
  const auto region = regions_.find(begin);
  RINGO_STORE_CHECK(region != regions_.end(), "a page that is not the pool's");
  region->second.add((address - begin) / kPageBytes);
  if (begin < first_candidate_) {
    first_candidate_ = begin;
  }
  if (!region->second.is_full()) {
    return;
  }
  if (empty_regions_ == 0) {
    ++empty_regions_;  // kept, so that a store at the edge does not map and unmap all the time
    return;
  }
  regions_.erase(region);
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the key of the map is the address
  ::munmap(reinterpret_cast<void*>(begin), kRegionBytes);
}

std::size_t PagePool::reserved_bytes() {
  const ParkingGuard guard(lock_);
  return regions_.size() * kRegionBytes;
}

}  // namespace ringo::server
