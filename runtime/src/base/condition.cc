// SPDX-License-Identifier: MIT
//
// Condition and ThreadParker. Here a thread really sleeps, so these are the only waits that cost a
// system call to end; in a sanitizer build a wait ends now and then to run the signal handlers that
// the sanitizer has put off.
//
// Thread safety: as condition.h says.

#include "base/condition.h"

#include <ringo/detail/mutex.h>

#include <atomic>
#include <chrono>
#include <climits>
#include <cstdint>
#include <optional>

#include "base/futex_call.h"
#include "base/thread_sanitizer.h"

namespace ringo::detail {
namespace {

/// False: timed out.
bool sleep_on(std::atomic<std::uint32_t>& word, std::uint32_t expected,
              std::optional<std::chrono::nanoseconds> timeout) noexcept {
#if RINGO_THREAD_SANITIZER
  run_deferred_signal_handlers();
  // The kernel restarts the wait after a signal: only a timeout gets us out of it.
  constexpr std::chrono::nanoseconds kSlice = std::chrono::milliseconds(20);
  if (!timeout || *timeout > kSlice) {
    (void)call_futex_wait(&word, expected, kSlice);
    return true;
  }
#endif
  return call_futex_wait(&word, expected, timeout);
}

}  // namespace

bool Condition::wait(Mutex& mutex, std::optional<std::chrono::nanoseconds> timeout) {
  // relaxed: the mutex orders it; whoever notifies later changes it, and the futex sees that.
  const std::uint32_t seen = notifications_.load(std::memory_order_relaxed);
  mutex.unlock();
  const bool was_notified = sleep_on(notifications_, seen, timeout);
  mutex.lock();
  return was_notified;
}

void Condition::notify_one() noexcept {
  notifications_.fetch_add(1, std::memory_order_relaxed);  // ordered by the caller's mutex
  call_futex_wake(&notifications_, 1);
}

void Condition::notify_all() noexcept {
  notifications_.fetch_add(1, std::memory_order_relaxed);  // ordered by the caller's mutex
  call_futex_wake(&notifications_, INT_MAX);
}

void ThreadParker::park() noexcept {
  // acquire: pairs with raise().
  while (flags_.load(std::memory_order_acquire) == 0) {
    sleep_on(flags_, 0, std::nullopt);
  }
  flags_.fetch_and(~kUnparked, std::memory_order_acquire);
}

void ThreadParker::raise(std::uint32_t flag) noexcept {
  // release: pairs with take_scheduled(). After it the owner may return and take the word with it.
  if (flags_.fetch_or(flag, std::memory_order_release) == 0) {
    call_futex_wake(&flags_, 1);
  }
}

}  // namespace ringo::detail
