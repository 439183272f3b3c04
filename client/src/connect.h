// SPDX-License-Identifier: MIT
//
// From a host and a port to a stream on which commands may be sent: look-up, connection, socket
// options and the set-up commands. Shared by Client and the manager, which does it again whenever
// it has lost its connection.
//
// Thread safety: values and free functions.

#pragma once

#include <ringo/client/error.h>
#include <ringo/client/options.h>
#include <ringo/net/address.h>
#include <ringo/net/tcp.h>
#include <ringo/task.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace ringo::client {

/// Where a server is, as the user wrote it.
struct Endpoint {
  Endpoint(std::string host_name, std::uint16_t port_number)
      : host(std::move(host_name)), port(port_number) {}
  explicit Endpoint(net::SocketAddress numeric)
      : host(numeric.ip()), port(numeric.port()), address(numeric) {}

  /// "localhost:6379", "[::1]:6379".
  [[nodiscard]] std::string to_string() const;

  std::string host;
  std::uint16_t port;
  std::optional<net::SocketAddress> address;  ///< where nothing is to be looked up
};

/// Errors: kConnectFailed, "could not connect to 127.0.0.1:6379: connection refused"; kServer where
/// a set-up command was refused. Cancel safe. Requires: the parameters outlive the task.
Task<ClientResult<net::TcpStream>> open_connection(const Endpoint& endpoint,
                                                   const ConnectOptions& options);

}  // namespace ringo::client
