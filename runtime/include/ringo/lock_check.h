// SPDX-License-Identifier: MIT
//
// What a build with RINGO_CHECK_SUSPEND (debug builds; `cmake -DRINGO_CHECK_SUSPEND=ON`) does about
// locks that are used wrongly. It reports, with the lines where each lock was taken,
//
//   - a guard that is held over a co_await: of ParkingMutex, Guarded, Sharded, and of std::mutex
//     (which is not seen in sanitizer builds: they watch the same functions);
//   - a lock that its thread would wait for for ever: it holds the lock itself, or the holder is a
//     task that was suspended with it;
//   - two locks that are taken now in this order, now in the other (our locks only).
//
// In other builds none of this exists, and set_lock_check() does nothing. What catches what, and
// what nothing catches: docs/guide/locks.md.
//
// Limits: the first 32 locks that a thread holds at once are known, further ones are not checked;
// of orders in which locks were taken the first 4,096 pairs are remembered, and a line says so
// when there are more.
//
// Thread safety: all of it.

#pragma once

#include <cstdint>

namespace ringo {

enum class LockCheck : std::uint8_t {
  kAbort,   ///< print what was found, then abort: the default
  kReport,  ///< print it and go on; what would be a silent hang still aborts
  kOff,     ///< find nothing
};

/// Says what to do from now on, in the whole process. RINGO_LOCK_CHECK=abort|report|off in the
/// environment says it for the time until then.
void set_lock_check(LockCheck check) noexcept;

}  // namespace ringo
