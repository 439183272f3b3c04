// SPDX-License-Identifier: MIT
//
// Sockets before they listen or connect, and the wait for a connection.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <ringo/detail/source.h>
#include <ringo/net/address.h>
#include <ringo/net/tcp.h>
#include <ringo/result.h>
#include <ringo/task.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>
#include <utility>

#include "base/system.h"
#include "net/socket_options.h"
#include "ring/driver.h"

namespace ringo::detail {
namespace {

/// Waits until the kernel has connected the socket, or has given up.
class [[nodiscard]] ConnectAwaiter final : public IoAwaiter<ConnectAwaiter, Direction::kWrite> {
 public:
  static constexpr std::string_view kOperation = "connect";

  explicit ConnectAwaiter(Source& source) noexcept : IoAwaiter(source) {}

  static std::int64_t attempt(Source& source) noexcept {
    const Result<int> error = get_int_option(handle_of(source), SOL_SOCKET, SO_ERROR, "connect");
    if (!error) {
      return -error.error().os_error();
    }
    if (*error != 0) {
      return -*error;
    }
    // Readiness may be a false alarm: only a peer proves the connection.
    sockaddr_storage peer{};
    socklen_t size = sizeof(peer);
    const int result =
        source.system().peer_address(source.fd(), reinterpret_cast<sockaddr*>(&peer), &size);
    return result == -ENOTCONN ? kWouldBlock : result;
  }
  [[nodiscard]] static bool exhausted(std::int64_t /*result*/) noexcept { return false; }
  Result<void> await_resume() const noexcept {
    if (result() < 0) {
      return std::unexpected(to_error("connect"));
    }
    return {};
  }
};

/// A socket that connects to a free port of its own host may pick that very port for itself, and
/// then talks to itself: nobody listens there.
bool is_connected_to_itself(const Source& source) noexcept {
  const Result<net::SocketAddress> local = local_address_of(handle_of(source));
  const Result<net::SocketAddress> peer = peer_address_of(handle_of(source));
  return local && peer && *local == *peer;
}

}  // namespace
}  // namespace ringo::detail

namespace ringo::net {

using detail::SocketHandle;

Result<TcpSocket> TcpSocket::open(int family) {
  detail::System& system = detail::current_driver_handle()->system();
  const int fd = system.socket(family, SOCK_STREAM, IPPROTO_TCP);
  if (fd < 0) {
    return std::unexpected(Error::os(-fd, "socket"));
  }
  return TcpSocket(system, fd);
}

Result<TcpSocket> TcpSocket::open_v4() {
  return open(AF_INET);
}

Result<TcpSocket> TcpSocket::open_v6() {
  return open(AF_INET6);
}

Result<TcpSocket> TcpSocket::open_for(const SocketAddress& address) {
  return open(address.is_ipv4() ? AF_INET : AF_INET6);
}

TcpSocket::~TcpSocket() {
  if (fd_ >= 0) {
    system_->close(fd_);
  }
}

Result<void> TcpSocket::set_reuse_address(bool is_enabled) {
  return detail::set_int_option(SocketHandle(*system_, fd_), SOL_SOCKET, SO_REUSEADDR,
                                is_enabled ? 1 : 0, "set_reuse_address");
}

Result<void> TcpSocket::set_reuse_port(bool is_enabled) {
  return detail::set_int_option(SocketHandle(*system_, fd_), SOL_SOCKET, SO_REUSEPORT,
                                is_enabled ? 1 : 0, "set_reuse_port");
}

Result<void> TcpSocket::set_only_v6(bool is_enabled) {
  return detail::set_int_option(SocketHandle(*system_, fd_), IPPROTO_IPV6, IPV6_V6ONLY,
                                is_enabled ? 1 : 0, "set_only_v6");
}

Result<void> TcpSocket::set_nodelay(bool is_enabled) {
  return detail::set_int_option(SocketHandle(*system_, fd_), IPPROTO_TCP, TCP_NODELAY,
                                is_enabled ? 1 : 0, "set_nodelay");
}

Result<void> TcpSocket::set_keepalive(std::optional<Keepalive> keepalive) {
  return detail::set_keepalive_options(SocketHandle(*system_, fd_), keepalive);
}

Result<void> TcpSocket::set_recv_buffer_size(int bytes) {
  return detail::set_int_option(SocketHandle(*system_, fd_), SOL_SOCKET, SO_RCVBUF, bytes,
                                "set_recv_buffer_size");
}

Result<int> TcpSocket::recv_buffer_size() const {
  return detail::get_int_option(SocketHandle(*system_, fd_), SOL_SOCKET, SO_RCVBUF,
                                "recv_buffer_size");
}

Result<void> TcpSocket::set_send_buffer_size(int bytes) {
  return detail::set_int_option(SocketHandle(*system_, fd_), SOL_SOCKET, SO_SNDBUF, bytes,
                                "set_send_buffer_size");
}

Result<int> TcpSocket::send_buffer_size() const {
  return detail::get_int_option(SocketHandle(*system_, fd_), SOL_SOCKET, SO_SNDBUF,
                                "send_buffer_size");
}

Result<void> TcpSocket::bind(const SocketAddress& address) {
  return detail::to_result(system_->bind(fd_, address.native(), address.native_size()), "bind");
}

Result<SocketAddress> TcpSocket::local_address() const {
  return detail::local_address_of(SocketHandle(*system_, fd_));
}

Result<TcpListener> TcpSocket::listen(int backlog) && {
  RINGO_TRY_RETURN_VOID(detail::to_result(system_->listen(fd_, backlog), "listen"));
  return TcpListener(into_source(detail::Source::kReadable));
}

Task<Result<TcpStream>> TcpSocket::connect(SocketAddress address) && {
  return connect_owned(std::move(*this), address);
}

Task<Result<TcpStream>> TcpSocket::connect_owned(TcpSocket socket, SocketAddress address) {
  const int started = socket.system_->connect(socket.fd_, address.native(), address.native_size());
  // EINTR: the attempt goes on in the background, as with EINPROGRESS.
  const bool is_pending = started == -EINPROGRESS || started == -EINTR;
  if (started < 0 && !is_pending) {
    co_return std::unexpected(Error::os(-started, "connect"));
  }
  // Watched only now: the kernel reports a socket that does not connect as hung up.
  TcpStream stream(
      socket.into_source(is_pending ? 0 : detail::Source::kReadable | detail::Source::kWritable));
  if (is_pending) {
    RINGO_TRY_VOID(co_await detail::ConnectAwaiter(stream.io_source()));
  }
  if (detail::is_connected_to_itself(stream.io_source())) {
    co_return std::unexpected(Error::os(ECONNREFUSED, "connect"));
  }
  co_return stream;
}

detail::SourceRef TcpSocket::into_source(std::uint64_t readiness) {
  const SocketHandle handle(*system_, std::exchange(fd_, -1));
  return detail::make_source(handle, readiness);
}

}  // namespace ringo::net
