// SPDX-License-Identifier: MIT
//
// Server: the listening sockets, the connections behind them and their orderly end. What the
// program ringo-server runs, and what a test or another program embeds.
//
//   ringo::server::Config config;
//   config.port = 0;                                        // picks a free one
//   auto server = co_await ringo::server::Server::bind(config);
//   if (!server) { … server.error().message() … }
//   auto running = ringo::spawn(server->run());
//   …                                                       // clients: server->addresses()
//   server->shutdown_handle().shutdown();
//   co_await running;
//
// Thread safety: a Server is one owner's; a ShutdownHandle may be copied to any thread.

#pragma once

#include <ringo/net/address.h>
#include <ringo/result.h>
#include <ringo/server/config.h>
#include <ringo/server/state.h>
#include <ringo/task.h>
#include <ringo/time.h>

#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace ringo::server {

struct ServerCore;

/// Why a server could not listen, and where.
struct BindError {
  BindError(std::string where, Error why) : address(std::move(where)), error(why) {}

  /// "127.0.0.1:6379: bind: address already in use".
  [[nodiscard]] std::string message() const;

  std::string address;
  Error error;
};

/// Ends a running server from anywhere.
class ShutdownHandle {
 public:
  explicit ShutdownHandle(std::shared_ptr<ServerCore> core) noexcept : core_(std::move(core)) {}

  /// Lets Server::run() begin to end. Returns at once. Idempotent; if run() has not begun, it ends
  /// as soon as it does. Thread safety: any thread.
  void shutdown() const;

 private:
  std::shared_ptr<ServerCore> core_;
};

class Server {
 public:
  /// How long run() lets connections finish, when it was not told.
  static constexpr Duration kDefaultGrace = std::chrono::seconds(5);

  /// Opens the listening sockets. `config.bind` names one or more hosts or addresses, separated by
  /// blanks or commas; "*" means every IPv4 address of this host. With port 0 the first picks a
  /// free one, and the others take the same.
  ///
  /// Errors: those of net::TcpListener::bind(). Panics: UsageError outside a runtime.
  [[nodiscard]] static Task<std::expected<Server, BindError>> bind(Config config);

  /// Where it listens; never empty.
  [[nodiscard]] const std::vector<net::SocketAddress>& addresses() const noexcept {
    return addresses_;
  }
  [[nodiscard]] ServerState& state() const noexcept;
  [[nodiscard]] ShutdownHandle shutdown_handle() const { return ShutdownHandle(core_); }

  /// Serves connections until it is told to shut down. Then it stops to accept, and each connection
  /// still gets its answers to what had arrived. Those that need longer than `grace` are cut off.
  ///
  /// Errors: that of the listening socket that can no longer be used. Cancel safety: listening
  /// ends; connections go on until they or the runtime end. To be called once.
  [[nodiscard]] Task<Result<void>> run(Duration grace = kDefaultGrace);

  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  Server(Server&& other) noexcept;
  Server& operator=(Server&& other) noexcept;
  ~Server();

 private:
  struct Listeners;

  Server(std::shared_ptr<ServerCore> core, std::unique_ptr<Listeners> listeners,
         std::vector<net::SocketAddress> addresses) noexcept;

  std::shared_ptr<ServerCore> core_;
  std::unique_ptr<Listeners> listeners_;
  std::vector<net::SocketAddress> addresses_;
};

}  // namespace ringo::server
