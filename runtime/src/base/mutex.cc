// SPDX-License-Identifier: MIT
//
// The slow half of detail::Mutex: spin for as long as a critical section lasts, then sleep in the
// kernel. The fast half, one compare-and-swap, is inline in mutex.h.
//
// Thread safety: that is what it is for.

#include <linux/futex.h>
#include <ringo/detail/mutex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

namespace ringo::detail {
namespace {

// A critical section of the runtime is some tens of nanoseconds; a sleep and a wake cost
// microseconds. This many pauses are a few hundred nanoseconds.
constexpr int kSpins = 40;

void pause_cpu() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

long futex(std::atomic<std::uint32_t>& word, int operation, std::uint32_t value) noexcept {
  return syscall(SYS_futex, &word, operation | FUTEX_PRIVATE_FLAG, value, nullptr, nullptr, 0);
}

}  // namespace

void Mutex::lock_slow() {
  for (int i = 0; i < kSpins; ++i) {
    // relaxed: only a hint; the exchange below acquires.
    if (word_.load(std::memory_order_relaxed) == kFree && try_lock()) {
      return;
    }
    pause_cpu();
  }
  // acquire: pairs with the release in unlock(). From here on the word says that somebody sleeps,
  // also when it is us who get the lock: one wake too many is harmless, one too few is not.
  while (word_.exchange(kHeldWithSleepers, std::memory_order_acquire) != kFree) {
    futex(word_, FUTEX_WAIT, kHeldWithSleepers);
  }
}

void Mutex::wake_one() {
  futex(word_, FUTEX_WAKE, 1);
}

}  // namespace ringo::detail
