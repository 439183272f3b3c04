// SPDX-License-Identifier: MIT
//
// The futex calls behind Condition and ThreadParker. Here a thread really sleeps, so these are the
// only waits that cost a system call to end; in a sanitizer build a wait ends now and then to
// run the signal handlers that the sanitizer has put off.
//
// Thread safety: as condition.h says.

#include "base/condition.h"

#include <linux/futex.h>
#include <ringo/detail/mutex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdint>
#include <ctime>
#include <optional>

#include "base/thread_sanitizer.h"

namespace ringo::detail {
namespace {

/// False: timed out.
bool futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected,
                std::optional<std::chrono::nanoseconds> timeout) noexcept {
#if RINGO_THREAD_SANITIZER
  run_deferred_signal_handlers();
  // The kernel restarts the wait after a signal: only a timeout gets us out of it.
  constexpr std::chrono::nanoseconds kSlice = std::chrono::milliseconds(20);
  const bool is_slice = !timeout || *timeout > kSlice;
  timeout = is_slice ? kSlice : *timeout;
#else
  const bool is_slice = false;
#endif
  timespec relative{};
  if (timeout) {
    relative.tv_sec = timeout->count() / 1'000'000'000;
    relative.tv_nsec = timeout->count() % 1'000'000'000;
  }
  const long result = syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, expected,
                              timeout ? &relative : nullptr, nullptr, 0);
  return result == 0 || errno != ETIMEDOUT || is_slice;
}

void futex_wake(std::atomic<std::uint32_t>& word, int count) noexcept {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

}  // namespace

bool Condition::wait(Mutex& mutex, std::optional<std::chrono::nanoseconds> timeout) {
  // relaxed: the mutex orders it; whoever notifies later changes it, and the futex sees that.
  const std::uint32_t seen = notifications_.load(std::memory_order_relaxed);
  mutex.unlock();
  const bool was_notified = futex_wait(notifications_, seen, timeout);
  mutex.lock();
  return was_notified;
}

void Condition::notify_one() noexcept {
  notifications_.fetch_add(1, std::memory_order_relaxed);  // ordered by the caller's mutex
  futex_wake(notifications_, 1);
}

void Condition::notify_all() noexcept {
  notifications_.fetch_add(1, std::memory_order_relaxed);  // ordered by the caller's mutex
  futex_wake(notifications_, INT_MAX);
}

void ThreadParker::park() noexcept {
  // acquire: pairs with raise().
  while (flags_.load(std::memory_order_acquire) == 0) {
    futex_wait(flags_, 0, std::nullopt);
  }
  flags_.fetch_and(~kUnparked, std::memory_order_acquire);
}

void ThreadParker::raise(std::uint32_t flag) noexcept {
  // release: pairs with take_scheduled(). After it the owner may return and take the word with it.
  if (flags_.fetch_or(flag, std::memory_order_release) == 0) {
    futex_wake(flags_, 1);
  }
}

}  // namespace ringo::detail
