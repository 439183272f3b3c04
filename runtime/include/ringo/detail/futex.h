// SPDX-License-Identifier: MIT
//
// Sleeping on a word, and waking one who sleeps there: the kernel's futex, or relacy's in a model.
//
// Thread safety: all of it.

#pragma once

#include <ringo/detail/atomic.h>

#include <cstdint>

namespace ringo::detail {

/// The word of a futex; relacy knows futexes of int only.
using FutexWord = Atomic<int>;

#ifdef RINGO_MODEL

inline constexpr std::int64_t kFutexForEver = -1;

inline void futex_wait(FutexWord& word, int expected, std::int64_t timeout_ns) {
  if (timeout_ns != kFutexForEver) {
    rl::yield(1, $);  // a sleep that has an end may end at any moment
    return;
  }
  rl::rl_futex(&word.model_atomic(), rl::RL_FUTEX_WAIT, expected, nullptr, nullptr, 0, $);
}
inline void futex_wake_one(FutexWord& word) {
  rl::rl_futex(&word.model_atomic(), rl::RL_FUTEX_WAKE, 1, nullptr, nullptr, 0, $);
}

#else

static_assert(sizeof(FutexWord) == 4);

/// Sleeps if the word is as expected, for `timeout_ns` at most. Returns when it is woken, and
/// sometimes for nothing: the caller looks at the word again.
void futex_wait(FutexWord& word, int expected, std::int64_t timeout_ns) noexcept;
void futex_wake_one(FutexWord& word) noexcept;

#endif

}  // namespace ringo::detail
