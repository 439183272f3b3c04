// SPDX-License-Identifier: MIT
//
// The contended path of ShardLock, after Ulrich Drepper's "Futexes are tricky" (mutex 2), with a
// bounded spin in front.

#include "store/shard_lock.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

namespace ringo::server {
namespace {

// About 2 µs: longer than a holder needs, shorter than a sleep and a wake.
constexpr int kSpins = 100;

void cpu_relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

void futex(std::atomic<std::uint32_t>& word, int operation, std::uint32_t value) {
  // Every outcome (woken, value changed, interrupted) is answered by looking at the word again.
  static_cast<void>(::syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), operation, value,
                              nullptr, nullptr, 0));
}

}  // namespace

void ShardLock::lock_slow() {
  for (int spin = 0; spin < kSpins; ++spin) {
    if (state_.load(std::memory_order_relaxed) == kFree) {
      std::uint32_t expected = kFree;
      if (state_.compare_exchange_weak(expected, kHeld, std::memory_order_acquire,
                                       std::memory_order_relaxed)) {
        return;
      }
    }
    cpu_relax();
  }
  while (state_.exchange(kContended, std::memory_order_acquire) != kFree) {
    futex(state_, FUTEX_WAIT_PRIVATE, kContended);
  }
}

void ShardLock::wake_one() {
  futex(state_, FUTEX_WAKE_PRIVATE, 1);
}

}  // namespace ringo::server
