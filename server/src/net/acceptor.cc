// SPDX-License-Identifier: MIT
//
// Admission of connections. Thread safety as in the header.

#include "net/acceptor.h"

#include <ringo/net/address.h>
#include <ringo/net/tcp.h>
#include <ringo/result.h>
#include <ringo/server/config.h>
#include <ringo/server/session.h>
#include <ringo/server/stats.h>
#include <ringo/spawn.h>
#include <ringo/sync/semaphore.h>
#include <ringo/task.h>
#include <ringo/time.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/core.h>

#include "net/connection.h"
#include "net/log.h"
#include "net/server_core.h"

namespace ringo::server {
namespace {

constexpr std::string_view kTooMany = "-ERR max number of clients reached\r\n";

bool is_exhaustion(const Error& error) {
  return error.is_os(EMFILE) || error.is_os(ENFILE) || error.is_os(ENOBUFS) || error.is_os(ENOMEM);
}

/// As Redis: a third of the idle time between probes, three of them.
net::Keepalive keepalive_of(std::uint64_t idle_s) {
  constexpr std::uint64_t kLongest = 32767;  // seconds; the kernel takes no more
  const auto idle = std::chrono::seconds(std::min(idle_s, kLongest));
  net::Keepalive keepalive(idle);
  keepalive.interval = std::max(idle / 3, std::chrono::seconds(1));
  keepalive.probes = 3;
  return keepalive;
}

void admit(const std::shared_ptr<ServerCore>& core, net::Accepted accepted) {
  ServerState& state = core->state;
  std::optional<SemaphorePermit> permit =
      core->limit.try_admit(state.config().maxclients.load(std::memory_order_relaxed));
  if (!permit) {
    count(state.stats().connections_rejected);
    // As Redis, a try: an empty socket takes it at once, and a client that has gone needs it not.
    (void)accepted.stream.try_write(kTooMany);
    return;
  }
  // Options fail where the client has gone already; its task finds that out.
  (void)accepted.stream.set_nodelay(true);
  const std::uint64_t idle_s = state.config().tcp_keepalive_s.load(std::memory_order_relaxed);
  if (idle_s != 0) {
    (void)accepted.stream.set_keepalive(keepalive_of(idle_s));
  }
  SessionPeer peer;
  peer.address = accepted.peer.to_string();
  if (const Result<net::SocketAddress> local = accepted.stream.local_address()) {
    peer.local_address = local->to_string();
  }
  peer.fd = accepted.stream.fd();
  spawn(serve(std::make_unique<Connection>(core, *std::move(permit), std::move(accepted.stream),
                                           std::move(peer))))
      .detach();
}

}  // namespace

Task<Result<void>> accept_connections(std::shared_ptr<ServerCore> core, net::TcpListener listener) {
  AcceptBackoff backoff;
  for (;;) {
    Result<net::Accepted> accepted = co_await listener.accept();
    if (accepted) {
      backoff.succeeded();
      admit(core, *std::move(accepted));
      continue;
    }
    const Error error = accepted.error();
    if (!is_exhaustion(error)) {
      co_return std::unexpected(error);
    }
    if (backoff.is_new_burst()) {
      log_line(fmt::format("{}; new connections wait", error.message()));
    }
    co_await time::sleep(backoff.next());
  }
}

}  // namespace ringo::server
