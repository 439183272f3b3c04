// SPDX-License-Identifier: MIT
//
// Why sending to, or receiving from, an mpsc channel failed. A value that was not sent comes back
// in the error.

#pragma once

#include <cstdint>

namespace ringo::mpsc {

/// The receiver has gone or closed the channel.
template <class T>
struct SendError {
  T value;
};

enum class SendFailure : std::uint8_t { kFull, kClosed, kTimedOut };

/// Why try_send() or send_timeout() failed.
template <class T>
struct TrySendError {
  SendFailure reason;
  T value;
};

enum class TryRecvError : std::uint8_t {
  kEmpty,         ///< nothing now, but there are senders or permits
  kDisconnected,  ///< nothing ever again
};

}  // namespace ringo::mpsc
