// SPDX-License-Identifier: MIT
//
// The system calls behind ParkingLock.
//
// Thread safety: all of it.

#include <linux/futex.h>
#include <ringo/detail/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <ctime>

namespace ringo::detail {

void futex_wait(FutexWord& word, int expected, std::int64_t timeout_ns) noexcept {
  constexpr std::int64_t kSecond = 1'000'000'000;
  const timespec timeout{.tv_sec = timeout_ns / kSecond, .tv_nsec = timeout_ns % kSecond};
  // Every outcome (woken, value changed, time is up, interrupted) is answered by looking at the
  // word again.
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, expected, &timeout, nullptr, 0);
}

void futex_wake_one(FutexWord& word) noexcept {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

}  // namespace ringo::detail
