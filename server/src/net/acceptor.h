// SPDX-License-Identifier: MIT
//
// The accept loop: takes connections from a listener, as many as maxclients allows, and starts a
// task for each.
//
// Thread safety: several loops may run for one server.

#pragma once

#include <ringo/net/tcp.h>
#include <ringo/result.h>
#include <ringo/task.h>
#include <ringo/time.h>

#include <algorithm>
#include <chrono>
#include <memory>

#include "net/server_core.h"

namespace ringo::server {

/// Pauses for as long as the process has no descriptor, or no memory, for another connection.
class AcceptBackoff {
 public:
  static constexpr Duration kFirst = std::chrono::milliseconds(10);
  static constexpr Duration kLast = std::chrono::milliseconds(100);

  /// True at the first failure after a success: the one to be logged.
  bool is_new_burst() const { return next_ == kFirst; }
  Duration next() {
    const Duration pause = next_;
    next_ = std::min(2 * next_, kLast);
    return pause;
  }
  void succeeded() { next_ = kFirst; }

 private:
  Duration next_ = kFirst;
};

/// Accepts until it is aborted. Errors: those that make the listener useless.
Task<Result<void>> accept_connections(std::shared_ptr<ServerCore> core, net::TcpListener listener);

}  // namespace ringo::server
