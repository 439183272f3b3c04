// SPDX-License-Identifier: MIT
//
// The choices a broadcast channel offers for slow receivers, and why sending to it or receiving
// from it failed. A value that was not sent comes back in the error.

#pragma once

#include <ringo/sync/mpsc_error.h>

#include <cstdint>

namespace ringo::broadcast {

using mpsc::SendError;
using mpsc::SendFailure;
using mpsc::TrySendError;

/// What happens when a receiver is a whole capacity behind.
enum class Overflow : std::uint8_t {
  kLag,             ///< it loses the oldest values and is told how many: as in Tokio
  kBackPressure,    ///< the sender waits for it
  kDisconnectSlow,  ///< it is disconnected and is told how many it has missed
};

enum class RecvFailure : std::uint8_t {
  kEmpty,         ///< of try_recv() only: nothing has been sent that it has not received
  kLagged,        ///< `missed` values are lost; the next ones can be received
  kClosed,        ///< all senders have gone, and everything has been received
  kDisconnected,  ///< it was too slow and will not receive anything again
};

struct RecvError {
  explicit RecvError(RecvFailure why, std::uint64_t lost = 0) noexcept
      : reason(why), missed(lost) {}
  friend bool operator==(const RecvError& a, const RecvError& b) noexcept = default;

  RecvFailure reason;
  std::uint64_t missed;
};

/// What the slowness of receivers has cost since the channel was made.
struct Metrics {
  Metrics(std::uint64_t lagged, std::uint64_t disconnected) noexcept
      : lagged_values(lagged), disconnected_receivers(disconnected) {}

  std::uint64_t
      lagged_values;  ///< counted once for each receiver that missed them, when it is told
  std::uint64_t disconnected_receivers;
};

}  // namespace ringo::broadcast
