// SPDX-License-Identifier: MIT
//
// recv(2) and send(2) as an instruction in the caller's own code, for the two calls that a server
// makes for each message. The kernel's own calls go deeper than the processor's stack of return
// addresses, so after a system call each return is mispredicted, into code that has left the
// instruction cache. Behind the library's function, System and a helper that is three times each
// way: see docs/performance.md.
//
// The library's are also points of pthread_cancel(3), two locked instructions each way in a process
// of several threads. The sanitizers know only those, and check the buffers there, so their builds
// keep them.
//
// Thread safety: all of it.

#pragma once

#include <sys/syscall.h>

#include <cstddef>
#include <cstdint>
#include <span>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RINGO_DIRECT_CALLS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define RINGO_DIRECT_CALLS 0
#endif
#endif
#ifndef RINGO_DIRECT_CALLS
#if (defined(__x86_64__) && defined(__LP64__)) || defined(__aarch64__)
#define RINGO_DIRECT_CALLS 1
#else
#define RINGO_DIRECT_CALLS 0
#endif
#endif

namespace ringo::detail {

#if RINGO_DIRECT_CALLS

/// Six arguments, of which the last two are 0. What the kernel says: a result, or -errno.
inline std::int64_t direct_call(long number, long first, const void* second, std::size_t third,
                                long fourth) noexcept {
#if defined(__x86_64__)
  long result = number;
  register long r10 asm("r10") = fourth;
  register long r8 asm("r8") = 0;
  register long r9 asm("r9") = 0;
  asm volatile("syscall"
               : "+a"(result)
               : "D"(first), "S"(second), "d"(third), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
#else
  register long x8 asm("x8") = number;
  register long x0 asm("x0") = first;
  register const void* x1 asm("x1") = second;
  register std::size_t x2 asm("x2") = third;
  register long x3 asm("x3") = fourth;
  register long x4 asm("x4") = 0;
  register long x5 asm("x5") = 0;
  asm volatile("svc #0"
               : "+r"(x0)
               : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
               : "memory");
  return x0;
#endif
}

inline std::int64_t direct_recv(int fd, std::span<std::byte> into, int flags) noexcept {
  return direct_call(SYS_recvfrom, fd, into.data(), into.size(), flags);
}
inline std::int64_t direct_send(int fd, std::span<const std::byte> from, int flags) noexcept {
  return direct_call(SYS_sendto, fd, from.data(), from.size(), flags);
}

#endif

}  // namespace ringo::detail
