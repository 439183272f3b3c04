// SPDX-License-Identifier: MIT
//
// A server's beginning, housekeeping and end. Thread safety as in the header.

#include <ringo/join_error.h>
#include <ringo/net/address.h>
#include <ringo/net/tcp.h>
#include <ringo/result.h>
#include <ringo/server/clock.h>
#include <ringo/server/config.h>
#include <ringo/server/server.h>
#include <ringo/server/state.h>
#include <ringo/spawn.h>
#include <ringo/sync/semaphore.h>
#include <ringo/task.h>
#include <ringo/time.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "commands/client_registry.h"
#include "net/acceptor.h"
#include "net/connection_limit.h"
#include "net/connection_list.h"
#include "net/log.h"
#include "net/server_core.h"

namespace ringo::server {
namespace {

constexpr Duration kCronEvery = std::chrono::milliseconds(100);
// Between two runs when expired keys are left: with the 2 ms of a run, a fifth of one core.
constexpr Duration kCronAgain = std::chrono::milliseconds(8);
// What connections that were cut off get to notice it.
constexpr Duration kCutGrace = std::chrono::seconds(1);

/// A task of the server that ends with the scope.
template <class T>
class Background {
 public:
  explicit Background(Task<T> task) : handle_(spawn(std::move(task))) {}
  Background(Background&&) noexcept = default;
  Background& operator=(Background&&) = delete;
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;
  ~Background() {
    if (handle_) {
      handle_->abort();
    }
  }

  /// Aborts the task, unless it has ended already, and returns its output when it has gone.
  Task<JoinResult<T>> end() {
    JoinHandle<T> handle = *std::exchange(handle_, std::nullopt);
    handle.abort();
    JoinResult<T> result = co_await handle;
    co_return result;
  }

 private:
  std::optional<JoinHandle<T>> handle_;
};

std::vector<std::string> split_hosts(std::string_view text) {
  constexpr std::string_view kSeparators = " ,\t";
  std::vector<std::string> hosts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(kSeparators), text.size());
    if (end != 0) {
      hosts.emplace_back(text.substr(0, end));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return hosts;
}

Result<net::TcpListener> listen_on(const net::SocketAddress& address, int backlog) {
  RINGO_TRY_RETURN(net::TcpSocket socket, net::TcpSocket::open_for(address));
  RINGO_TRY_RETURN_VOID(socket.set_reuse_address(true));
  if (address.is_ipv6()) {
    // So that "0.0.0.0 ::" are two listeners of the same port.
    RINGO_TRY_RETURN_VOID(socket.set_only_v6(true));
  }
  RINGO_TRY_RETURN_VOID(socket.bind(address));
  return std::move(socket).listen(backlog);
}

/// Closes connections that were silent for longer than `timeout`.
void close_idle(ServerState& state) {
  const std::uint64_t timeout_s = state.config().timeout_s.load(std::memory_order_relaxed);
  if (timeout_s == 0) {
    return;
  }
  const std::int64_t now_us = state.clock().unix_us();
  for (const std::shared_ptr<ClientRecord>& client : state.clients().all()) {
    const std::int64_t idle_us = now_us - client->active_us.load(std::memory_order_relaxed);
    if (idle_us / 1'000'000 > static_cast<std::int64_t>(timeout_s)) {
      client->kill();
    }
  }
}

Task<void> keep_house(std::shared_ptr<ServerCore> core) {
  constexpr int kIdleCheckEvery = 10;  // runs
  int runs = 0;
  for (;;) {
    const bool is_behind = core->state.run_cron();
    if (++runs >= kIdleCheckEvery) {
      runs = 0;
      close_idle(core->state);
    }
    const Duration pause = is_behind ? kCronAgain : kCronEvery;
    co_await time::sleep(pause);
  }
}

/// Accepts; an error that ends it ends the server, too.
Task<Result<void>> accept_or_stop(std::shared_ptr<ServerCore> core, net::TcpListener listener) {
  Result<void> ended = co_await accept_connections(core, std::move(listener));
  core->stop.close();
  co_return ended;
}

}  // namespace

struct Server::Listeners {
  std::vector<net::TcpListener> all;
};

std::string BindError::message() const {
  return fmt::format("{}: {}", address, error.message());
}

void ShutdownHandle::shutdown() const {
  core_->stop.close();
}

Server::Server(std::shared_ptr<ServerCore> core, std::unique_ptr<Listeners> listeners,
               std::vector<net::SocketAddress> addresses) noexcept
    : core_(std::move(core)), listeners_(std::move(listeners)), addresses_(std::move(addresses)) {}
Server::Server(Server&& other) noexcept = default;
Server& Server::operator=(Server&& other) noexcept = default;
Server::~Server() = default;

ServerState& Server::state() const noexcept {
  return core_->state;
}

Task<std::expected<Server, BindError>> Server::bind(Config config) {
  auto listeners = std::make_unique<Listeners>();
  std::vector<net::SocketAddress> addresses;
  const std::vector<std::string> hosts = split_hosts(config.bind);
  if (hosts.empty()) {
    BindError error("--bind", Error(ErrorKind::kInvalidInput, "no address"));
    co_return std::unexpected(std::move(error));
  }
  for (const std::string& host : hosts) {
    const std::string where = fmt::format("{}:{}", host, config.port);
    std::string name = host == "*" ? std::string("0.0.0.0") : host;
    const Result<std::vector<net::SocketAddress>> found =
        co_await net::lookup_host(std::move(name), config.port);
    if (!found) {
      BindError error(where, found.error());
      co_return std::unexpected(std::move(error));
    }
    Result<net::TcpListener> listener =
        listen_on(found->front(), static_cast<int>(config.tcp_backlog));
    const Result<net::SocketAddress> address =
        listener ? listener->local_address() : std::unexpected(listener.error());
    if (!address) {
      BindError error(where, address.error());
      co_return std::unexpected(std::move(error));
    }
    config.port = address->port();
    addresses.push_back(*address);
    listeners->all.push_back(*std::move(listener));
  }
  std::expected<Server, BindError> server(
      Server(std::make_shared<ServerCore>(config), std::move(listeners), std::move(addresses)));
  co_return server;
}

Task<Result<void>> Server::run(Duration grace) {
  const std::shared_ptr<ServerCore> core = core_;
  Background<void> housekeeping(keep_house(core));
  std::vector<Background<Result<void>>> accepting;
  accepting.reserve(listeners_->all.size());
  for (net::TcpListener& listener : listeners_->all) {
    accepting.emplace_back(accept_or_stop(core, std::move(listener)));
  }
  listeners_->all.clear();

  // There is never a permit: this ends when the semaphore is closed.
  (void)co_await core->stop.acquire();

  Result<void> result;
  for (Background<Result<void>>& each : accepting) {
    const JoinResult<Result<void>> ended = co_await each.end();
    if (ended.has_value() && !ended->has_value()) {
      result = *ended;
    }
  }
  core->connections.shutdown_all(net::Shutdown::kRead);
  const Result<void> finished = co_await core->limit.wait_until_empty(grace);
  if (!finished) {
    log_line(fmt::format("{} connections did not end in time and are cut off",
                         core->state.connected_clients()));
    core->connections.shutdown_all(net::Shutdown::kBoth);
    (void)co_await core->limit.wait_until_empty(kCutGrace);
  }
  (void)co_await housekeeping.end();
  co_return result;
}

}  // namespace ringo::server
