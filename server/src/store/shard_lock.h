// SPDX-License-Identifier: MIT
//
// ShardLock: the lock of one shard of the store. One word; a short spin, then a futex.
//
// A shard is held for some hundred nanoseconds and never over a suspension, so a contender most
// likely gets it while spinning; the futex is for the case that the holder's thread was preempted.
// std::mutex is 40 bytes and invisible to clang's thread-safety analysis, which is why it is not
// used in the server.
//
// Thread safety: any thread; the thread that locks unlocks. Not recursive.

#pragma once

#include <atomic>
#include <cstdint>

#include "store/thread_annotations.h"

namespace ringo::server {

class RINGO_STORE_CAPABILITY("mutex") ShardLock {
 public:
  ShardLock() = default;
  ~ShardLock() = default;
  ShardLock(const ShardLock&) = delete;
  ShardLock& operator=(const ShardLock&) = delete;
  ShardLock(ShardLock&&) = delete;
  ShardLock& operator=(ShardLock&&) = delete;

  void lock() RINGO_STORE_ACQUIRE() {
    std::uint32_t expected = kFree;
    // acquire pairs with the release in unlock(): what the last holder wrote is seen.
    if (!state_.compare_exchange_strong(expected, kHeld, std::memory_order_acquire,
                                        std::memory_order_relaxed)) [[unlikely]] {
      lock_slow();
    }
  }

  [[nodiscard]] bool try_lock() RINGO_STORE_TRY_ACQUIRE(true) {
    std::uint32_t expected = kFree;
    return state_.compare_exchange_strong(expected, kHeld, std::memory_order_acquire,
                                          std::memory_order_relaxed);
  }

  void unlock() RINGO_STORE_RELEASE() {
    if (state_.exchange(kFree, std::memory_order_release) == kContended) [[unlikely]] {
      wake_one();
    }
  }

 private:
  // kFree -> kHeld -> kFree without contention. Who has to sleep sets kContended first, and who
  // takes the lock after a sleep takes it as kContended: others may be asleep too.
  static constexpr std::uint32_t kFree = 0;
  static constexpr std::uint32_t kHeld = 1;
  static constexpr std::uint32_t kContended = 2;

  void lock_slow();
  void wake_one();

  std::atomic<std::uint32_t> state_{kFree};
};

/// Holds one lock for a scope.
class RINGO_STORE_SCOPED ShardGuard {
 public:
  explicit ShardGuard(ShardLock& lock) RINGO_STORE_ACQUIRE(lock) : lock_(lock) { lock_.lock(); }
  ~ShardGuard() RINGO_STORE_RELEASE() { lock_.unlock(); }
  ShardGuard(const ShardGuard&) = delete;
  ShardGuard& operator=(const ShardGuard&) = delete;
  ShardGuard(ShardGuard&&) = delete;
  ShardGuard& operator=(ShardGuard&&) = delete;

 private:
  ShardLock& lock_;
};

}  // namespace ringo::server
