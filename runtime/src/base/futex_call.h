// SPDX-License-Identifier: MIT
//
// The system call futex(2), for words that only this process waits on. ParkingLock's is
// ringo/detail/futex.h, which models know, too.
//
// Thread safety: all of it.

#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace ringo::detail {

/// Sleeps if the word (of four bytes) is as expected. False: the time was up. True: woken, not as
/// expected, or a signal came; the caller looks at the word again.
bool call_futex_wait(const void* word, std::uint32_t expected,
                     std::optional<std::chrono::nanoseconds> timeout) noexcept;
void call_futex_wake(const void* word, int count) noexcept;

}  // namespace ringo::detail
