// SPDX-License-Identifier: MIT
//
// Ways to have a cache line near before it is needed.
//
// Thread safety: any thread.

#pragma once

namespace ringo::detail {

/// Has a line on its way here, with this core as its only owner. Nothing is touched, so the address
/// need not be anybody's. __builtin_prefetch(address, 1) asks for a copy to read, unless the
/// compiler may take it that the processor knows prefetchw (all of the last twenty years do; older
/// ones ignore it).
inline void prefetch_to_write(const void* address) noexcept {
#if defined(__x86_64__)
  __asm__ volatile("prefetchw (%0)" : : "r"(address));
#else
  __builtin_prefetch(address, 1);
#endif
}

/// Fetches a line that is there for certain, by loading a byte of it. A processor forgets a
/// prefetch for which it has no place to wait (Zen 4 beyond the first dozens); a load it keeps, and
/// a loop of loads waits for no one of them. No sanitizer sees it: what others write meanwhile is
/// no matter.
inline void load_line(const void* address) noexcept {
#if defined(__x86_64__)
  unsigned value;
  __asm__ volatile("movzbl (%1),%0" : "=r"(value) : "r"(address));
#elif defined(__aarch64__)
  unsigned value;
  __asm__ volatile("ldrb %w0,[%1]" : "=r"(value) : "r"(address));
#else
  __builtin_prefetch(address, 1);
#endif
}

}  // namespace ringo::detail
