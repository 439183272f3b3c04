// SPDX-License-Identifier: MIT
//
// Looks a host up, tries its addresses in order, and runs the set-up commands. All of it under one
// deadline, so that a server which accepts and says nothing does not hold a caller up.
//
// Thread safety: free functions.

#include "connect.h"

#include <ringo/bytes.h>
#include <ringo/client/error.h>
#include <ringo/client/options.h>
#include <ringo/net/address.h>
#include <ringo/net/tcp.h>
#include <ringo/protocol/frame.h>
#include <ringo/protocol/resp.h>
#include <ringo/result.h>
#include <ringo/task.h>
#include <ringo/time.h>

#include <cstddef>
#include <expected>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "errors.h"
#include "reply_matcher.h"

namespace ringo::client {
namespace {

Task<Result<net::TcpStream>> connect_to(net::SocketAddress address, const ConnectOptions& options) {
  RINGO_TRY(net::TcpSocket socket, net::TcpSocket::open_for(address));
  RINGO_TRY_VOID(socket.set_nodelay(true));
  if (options.send_buffer_size) {
    RINGO_TRY_VOID(socket.set_send_buffer_size(*options.send_buffer_size));
  }
  if (options.recv_buffer_size) {
    RINGO_TRY_VOID(socket.set_recv_buffer_size(*options.recv_buffer_size));
  }
  co_return co_await std::move(socket).connect(address);
}

Task<Result<net::TcpStream>> connect_to_any(const Endpoint& endpoint,
                                            const ConnectOptions& options) {
  if (endpoint.address) {
    co_return co_await connect_to(*endpoint.address, options);
  }
  RINGO_TRY(const std::vector<net::SocketAddress> addresses,
            co_await net::lookup_host(endpoint.host, endpoint.port));
  std::optional<Error> last_error;
  for (const net::SocketAddress& address : addresses) {
    Result<net::TcpStream> stream = co_await connect_to(address, options);
    if (stream) {
      co_return *std::move(stream);
    }
    last_error = stream.error();
  }
  co_return std::unexpected<Error>(last_error.value());  // there is at least one address
}

/// The set-up commands, encoded, and how many they are.
struct SetUp {
  SetUp() = default;

  void add(std::initializer_list<std::string_view> words) {
    protocol::encode_command(bytes, std::span(words.begin(), words.size()));
    ++count;
  }

  BytesMut bytes;
  std::size_t count = 0;
};

SetUp set_up_commands(const ConnectOptions& options) {
  SetUp set_up;
  if (!options.password.empty()) {
    if (options.username.empty()) {
      set_up.add({"AUTH", options.password});
    } else {
      set_up.add({"AUTH", options.username, options.password});
    }
  }
  if (options.version == protocol::RespVersion::kResp3) {
    set_up.add({"HELLO", "3"});
  }
  if (!options.client_name.empty()) {
    set_up.add({"CLIENT", "SETNAME", options.client_name});
  }
  if (options.database != 0) {
    set_up.add({"SELECT", std::to_string(options.database)});
  }
  return set_up;
}

Task<ClientResult<void>> run_set_up(net::TcpStream& stream, const ConnectOptions& options) {
  SetUp set_up = set_up_commands(options);
  ReplyMatcher<std::size_t> matcher(options.reply_limits);
  for (std::size_t i = 0; i < set_up.count; ++i) {
    matcher.expect(i);
  }
  const Result<std::size_t> written = co_await stream.write_all_buf(set_up.bytes);
  if (!written) {
    co_return std::unexpected<ClientError>(connection_lost(written.error()));
  }
  while (!matcher.is_idle()) {
    ClientResult<std::optional<ReplyMatcher<std::size_t>::Match>> match = matcher.next();
    if (!match) {
      co_return std::unexpected<ClientError>(std::move(match).error());
    }
    if (match->has_value()) {
      const protocol::Frame& reply = (*match)->reply.without_attributes();
      if (reply.is_error()) {
        const std::string text(reply.as_text().value_or(""));
        co_return std::unexpected<ClientError>(ClientError(ClientErrorKind::kServer, text));
      }
      continue;
    }
    const Result<std::size_t> count = co_await stream.read_buf(matcher.input());
    if (!count) {
      co_return std::unexpected<ClientError>(connection_lost(count.error()));
    }
    if (*count == 0) {
      co_return std::unexpected<ClientError>(closed_by_server());
    }
  }
  co_return ClientResult<void>();
}

ClientError connect_failed(const Endpoint& endpoint, const Error& error) {
  return {ClientErrorKind::kConnectFailed,
          fmt::format("could not connect to {}: {}", endpoint.to_string(), reason_of(error)),
          error};
}

}  // namespace

std::string Endpoint::to_string() const {
  const bool is_v6 = host.find(':') != std::string::npos && !host.starts_with('[');
  return is_v6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

Task<ClientResult<net::TcpStream>> open_connection(const Endpoint& endpoint,
                                                   const ConnectOptions& options) {
  const Instant deadline = Clock::now() + options.connect_timeout;
  Result<net::TcpStream> stream =
      co_await time::timeout_at(deadline, connect_to_any(endpoint, options));
  if (!stream) {
    co_return std::unexpected<ClientError>(connect_failed(endpoint, stream.error()));
  }
  const Result<ClientResult<void>> set_up =
      co_await time::timeout_at(deadline, run_set_up(*stream, options));
  if (!set_up) {
    co_return std::unexpected<ClientError>(connect_failed(endpoint, set_up.error()));
  }
  if (!*set_up) {
    const ClientError& error = set_up->error();
    const std::string text =
        fmt::format("could not connect to {}: {}", endpoint.to_string(), error.message());
    const ClientErrorKind kind = error.kind() == ClientErrorKind::kServer
                                     ? ClientErrorKind::kServer
                                     : ClientErrorKind::kConnectFailed;
    co_return std::unexpected<ClientError>(ClientError(
        kind, kind == ClientErrorKind::kServer ? error.message() : text, error.cause()));
  }
  co_return *std::move(stream);
}

}  // namespace ringo::client
