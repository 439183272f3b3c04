// SPDX-License-Identifier: MIT
//
// ServerCore: what the accept loops, the connections and the housekeeping of one server share. Each
// of their tasks keeps it alive.
//
// Thread safety: that of its members.

#pragma once

#include <ringo/server/config.h>
#include <ringo/server/state.h>
#include <ringo/sync/semaphore.h>

#include "net/connection_limit.h"
#include "net/connection_list.h"

namespace ringo::server {

struct ServerCore {
  explicit ServerCore(const Config& config) : state(config) {}

  ServerState state;
  ConnectionList connections;
  ConnectionLimit limit;
  Semaphore stop{0};  // has no permits, ever; closed when the server is to end
};

}  // namespace ringo::server
