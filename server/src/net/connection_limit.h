// SPDX-License-Identifier: MIT
//
// ConnectionLimit: at most maxclients connections at a time, where maxclients may change while the
// server runs (CONFIG SET). A semaphore whose number of permits follows the setting.
//
// Thread safety: all functions, from any thread.

#pragma once

#include <ringo/parking_mutex.h>
#include <ringo/result.h>
#include <ringo/sync/semaphore.h>
#include <ringo/task.h>
#include <ringo/thread_annotations.h>
#include <ringo/time.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace ringo::server {

class ConnectionLimit {
 public:
  /// A place for one more connection, given back when the permit is destroyed; nothing if there are
  /// `maxclients` already. A lower limit than before ends no connection.
  std::optional<SemaphorePermit> try_admit(std::uint64_t maxclients) {
    const ParkingGuard guard(lock_);
    const auto limit =
        static_cast<std::size_t>(std::min<std::uint64_t>(maxclients, Semaphore::kMaxPermits));
    if (limit > permits_) {
      slots_.add_permits(limit - permits_);
      permits_ = limit;
    } else if (limit < permits_) {
      permits_ -= slots_.forget_permits(permits_ - limit);
    }
    // With more connections than the limit allows by now, a permit may have come back meanwhile.
    if (permits_ > limit) {
      return std::nullopt;
    }
    auto permit = slots_.try_acquire();
    return permit ? std::optional(*std::move(permit)) : std::nullopt;
  }

  /// Ends when no connection is left, or with kTimedOut. Requires: none is admitted any more.
  Task<Result<void>> wait_until_empty(Duration timeout) {
    const std::size_t all = permits();
    const Result<SemaphorePermit> taken = co_await time::timeout(timeout, slots_.acquire_many(all));
    if (!taken) {
      co_return std::unexpected(taken.error());
    }
    co_return Result<void>();
  }

 private:
  std::size_t permits() {
    const ParkingGuard guard(lock_);
    return permits_;
  }

  ParkingMutex lock_;
  Semaphore slots_{0};
  std::size_t permits_ RINGO_GUARDED_BY(lock_) = 0;  // free and taken
};

}  // namespace ringo::server
