// SPDX-License-Identifier: MIT
//
// Client: one connection that belongs to one task. Requests take turns; for many tasks on one
// connection see manager.h.
//
//   ClientResult<Client> client = co_await Client::connect("127.0.0.1", 6379);
//   ClientResult<std::optional<Bytes>> value = co_await client->get("hello");
//
// It does not reconnect: after kConnectionLost or kProtocol every request fails with that.
//
// Thread safety: one owner's, one request at a time.

#pragma once

#include <ringo/bytes.h>
#include <ringo/client/commands.h>
#include <ringo/client/error.h>
#include <ringo/client/options.h>
#include <ringo/net/address.h>
#include <ringo/task.h>

#include <cstdint>
#include <memory>
#include <string>

namespace ringo::client {

struct Endpoint;

/// Move-only. Dropping it closes the connection.
///
/// Cancel safety of all requests: a request that is cancelled, or times out, may still be executed;
/// the next one first sends what is left of it and passes its reply over, so that nobody gets a
/// reply that was meant for another. Requires: the client outlives the task of a request.
/// Panics: UsageError for a request while another one runs.
class Client : public Commands<Client> {
 public:
  static constexpr detail::Sharing kSharing = detail::Sharing::kExclusive;

  /// Looks the host up and tries its addresses in turn. Errors: kConnectFailed; kServer where the
  /// server refused a set-up command. Cancel safe. Panics: UsageError where no runtime is current.
  [[nodiscard]] static Task<ClientResult<Client>> connect(std::string host, std::uint16_t port);
  [[nodiscard]] static Task<ClientResult<Client>> connect(std::string host, std::uint16_t port,
                                                          ConnectOptions options);
  [[nodiscard]] static Task<ClientResult<Client>> connect(net::SocketAddress address,
                                                          ConnectOptions options);

  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  ~Client();

  /// Sends one encoded command and gives its reply, an error of the server as a frame. For the
  /// methods of Commands.
  [[nodiscard]] Task<detail::Reply> send_request(Bytes encoded);

 private:
  struct Connection;

  static Task<ClientResult<Client>> connect_to(Endpoint endpoint, ConnectOptions options);
  explicit Client(std::unique_ptr<Connection> connection) noexcept;
  static Task<detail::Reply> with_deadline(Connection& connection, Bytes encoded);
  static Task<detail::Reply> exchange(Connection& connection, Bytes encoded);
  static Task<ClientResult<void>> write_output(Connection& connection);
  static Task<detail::Reply> read_reply(Connection& connection, std::uint64_t ticket);

  std::unique_ptr<Connection> connection_;
};

}  // namespace ringo::client
