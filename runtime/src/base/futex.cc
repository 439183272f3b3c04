// SPDX-License-Identifier: MIT
//
// The system calls behind ParkingLock.
//
// Thread safety: all of it.

#include <linux/futex.h>
#include <ringo/detail/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace ringo::detail {

void futex_wait(FutexWord& word, int expected) noexcept {
  // Every outcome (woken, value changed, interrupted) is answered by looking at the word again.
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
}

void futex_wake_one(FutexWord& word) noexcept {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

}  // namespace ringo::detail
