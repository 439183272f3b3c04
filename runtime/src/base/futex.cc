// SPDX-License-Identifier: MIT
//
// The system calls behind ParkingLock, Condition and ThreadParker.
//
// Thread safety: all of it.

#include <linux/futex.h>
#include <ringo/detail/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <optional>

#include "base/futex_call.h"

namespace ringo::detail {

bool call_futex_wait(const void* word, std::uint32_t expected,
                     std::optional<std::chrono::nanoseconds> timeout) noexcept {
  timespec relative{};
  if (timeout) {
    relative.tv_sec = timeout->count() / 1'000'000'000;
    relative.tv_nsec = timeout->count() % 1'000'000'000;
  }
  const long result = syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected,
                              timeout ? &relative : nullptr, nullptr, 0);
  return result == 0 || errno != ETIMEDOUT;
}

void call_futex_wake(const void* word, int count) noexcept {
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

void futex_wait(FutexWord& word, int expected, std::int64_t timeout_ns) noexcept {
  // Every outcome is answered by looking at the word again.
  (void)call_futex_wait(&word, static_cast<std::uint32_t>(expected),
                        std::chrono::nanoseconds(timeout_ns));
}

void futex_wake_one(FutexWord& word) noexcept {
  call_futex_wake(&word, 1);
}

}  // namespace ringo::detail
