// SPDX-License-Identifier: MIT
//
// Client; see client.h. At most one request is in flight, so there is never more than one forgotten
// one to clear away first, and its reply is read before anything else is written: reading and
// writing cannot wait for each other.
//
// Thread safety: one owner's.

#include <ringo/bytes.h>
#include <ringo/client/client.h>
#include <ringo/client/commands.h>
#include <ringo/client/error.h>
#include <ringo/client/options.h>
#include <ringo/net/address.h>
#include <ringo/net/tcp.h>
#include <ringo/result.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/usage_error.h>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "connect.h"
#include "errors.h"
#include "reply_matcher.h"

namespace ringo::client {

struct Client::Connection {
  Connection(net::TcpStream connected, const ConnectOptions& options)
      : stream(std::move(connected)),
        matcher(options.reply_limits),
        request_timeout(options.request_timeout) {}

  net::TcpStream stream;
  ReplyMatcher<std::uint64_t> matcher;
  Bytes output;  // what has not been sent of the request in flight
  std::uint64_t last_ticket = 0;
  std::optional<Duration> request_timeout;
  std::optional<ClientError> end;  // why it cannot be used any more
  bool is_busy = false;
};

namespace {

/// Marks the connection as in use for as long as a request runs, however that ends.
class InUse {
 public:
  explicit InUse(bool& flag) : flag_(&flag) {
    if (flag) {
      throw UsageError("a Client was used for two requests at a time: share a Handle instead");
    }
    flag = true;
  }
  InUse(const InUse&) = delete;
  InUse& operator=(const InUse&) = delete;
  ~InUse() { *flag_ = false; }

 private:
  bool* flag_;
};

}  // namespace

Client::Client(std::unique_ptr<Connection> connection) noexcept
    : connection_(std::move(connection)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

Task<ClientResult<Client>> Client::connect(std::string host, std::uint16_t port) {
  return connect(std::move(host), port, ConnectOptions());
}

Task<ClientResult<Client>> Client::connect(net::SocketAddress address, ConnectOptions options) {
  return connect_to(Endpoint(address), std::move(options));
}

Task<ClientResult<Client>> Client::connect(std::string host, std::uint16_t port,
                                           ConnectOptions options) {
  return connect_to(Endpoint(std::move(host), port), std::move(options));
}

Task<ClientResult<Client>> Client::connect_to(Endpoint endpoint, ConnectOptions options) {
  ClientResult<net::TcpStream> stream = co_await open_connection(endpoint, options);
  if (!stream) {
    co_return std::unexpected<ClientError>(std::move(stream).error());
  }
  Client client(std::make_unique<Connection>(*std::move(stream), options));
  co_return client;
}

Task<detail::Reply> Client::send_request(Bytes encoded) {
  if (connection_ == nullptr) {
    throw UsageError("a Client was used after it had been moved from");
  }
  return with_deadline(*connection_, std::move(encoded));
}

Task<detail::Reply> Client::with_deadline(Connection& connection, Bytes encoded) {
  const InUse in_use(connection.is_busy);
  if (!connection.request_timeout) {
    co_return co_await exchange(connection, std::move(encoded));
  }
  const Duration limit = *connection.request_timeout;
  Result<detail::Reply> reply =
      co_await time::timeout(limit, exchange(connection, std::move(encoded)));
  if (!reply) {
    co_return std::unexpected<ClientError>(
        ClientError(ClientErrorKind::kTimedOut, "the request timed out", reply.error()));
  }
  co_return *std::move(reply);
}

Task<detail::Reply> Client::exchange(Connection& connection, Bytes encoded) {
  if (connection.end) {
    co_return std::unexpected<ClientError>(*connection.end);
  }
  if (connection.matcher.in_flight() != 0) {
    // A request that nobody waits for any more.
    const ClientResult<void> rest_sent = co_await write_output(connection);
    if (!rest_sent) {
      co_return std::unexpected<ClientError>(rest_sent.error());
    }
    const detail::Reply forgotten = co_await read_reply(connection, connection.last_ticket);
    if (!forgotten) {
      co_return std::unexpected<ClientError>(forgotten.error());
    }
  }
  // What has come without having been asked for must not become this request's reply.
  ClientResult<std::optional<ReplyMatcher<std::uint64_t>::Match>> surplus =
      connection.matcher.next();
  if (!surplus) {
    connection.end = surplus.error();
    co_return std::unexpected<ClientError>(std::move(surplus).error());
  }
  const std::uint64_t ticket = ++connection.last_ticket;
  connection.matcher.expect(ticket);
  connection.output = std::move(encoded);
  const ClientResult<void> sent = co_await write_output(connection);
  // A server that refuses says why before it closes: the reply is looked for even now.
  detail::Reply reply = co_await read_reply(connection, ticket);
  if (!reply && !sent) {
    co_return std::unexpected<ClientError>(sent.error());
  }
  co_return reply;
}

Task<ClientResult<void>> Client::write_output(Connection& connection) {
  const Result<std::size_t> written = co_await connection.stream.write_all_buf(connection.output);
  if (!written) {
    connection.end = connection_lost(written.error());
    co_return std::unexpected<ClientError>(*connection.end);
  }
  co_return ClientResult<void>();
}

Task<detail::Reply> Client::read_reply(Connection& connection, std::uint64_t ticket) {
  ReplyMatcher<std::uint64_t>& matcher = connection.matcher;
  for (;;) {
    ClientResult<std::optional<ReplyMatcher<std::uint64_t>::Match>> match = matcher.next();
    if (!match) {
      connection.end = match.error();
      (void)connection.stream.shutdown(net::Shutdown::kBoth);  // it may have ended by itself
      co_return std::unexpected<ClientError>(std::move(match).error());
    }
    if (match->has_value()) {
      if ((*match)->tag == ticket) {
        co_return std::move((*match)->reply);
      }
      continue;
    }
    const Result<std::size_t> count = co_await connection.stream.read_buf(matcher.input());
    if (!count || *count == 0) {
      connection.end = count ? closed_by_server() : connection_lost(count.error());
      co_return std::unexpected<ClientError>(*connection.end);
    }
  }
}

}  // namespace ringo::client
