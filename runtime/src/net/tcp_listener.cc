// SPDX-License-Identifier: MIT
//
// Accepting connections, and making listeners from addresses and names.

#include <ringo/detail/source.h>
#include <ringo/net/address.h>
#include <ringo/net/tcp.h>
#include <ringo/result.h>
#include <ringo/task.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/system.h"
#include "net/socket_options.h"

namespace ringo::detail {
namespace {

/// Whether accept() reports the fate of one connection rather than of the listener (accept(2): such
/// errors should be treated like EAGAIN by retrying).
bool is_about_the_connection(int error) noexcept {
  switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH:
      return true;
    default:
      return false;
  }
}

}  // namespace

AcceptAwaiter::~AcceptAwaiter() {
  if (fd_ >= 0) {
    source().system().close(fd_);
  }
}

std::int64_t AcceptAwaiter::attempt(Source& source) noexcept {
  sockaddr_storage storage{};
  socklen_t size = 0;
  int result = 0;
  do {
    size = sizeof(storage);
    result = source.system().accept(source.fd(), reinterpret_cast<sockaddr*>(&storage), &size);
  } while (result < 0 && is_about_the_connection(-result));
  if (result >= 0) {
    fd_ = result;
    peer_ = net::SocketAddress::from_native(reinterpret_cast<const sockaddr*>(&storage), size)
                .value_or(net::SocketAddress());
  }
  return result;
}

Result<net::Accepted> AcceptAwaiter::await_resume() {
  if (result() < 0) {
    return std::unexpected(to_error("accept"));
  }
  const SocketHandle accepted(source().system(), std::exchange(fd_, -1));
  net::TcpStream stream(make_source(accepted, Source::kReadable | Source::kWritable));
  return net::Accepted(std::move(stream), peer_);
}

}  // namespace ringo::detail

namespace ringo::net {

Task<Result<TcpListener>> TcpListener::bind(SocketAddress address) {
  Result<TcpSocket> socket = TcpSocket::open_for(address);
  if (!socket) {
    co_return std::unexpected(socket.error());
  }
  RINGO_TRY_VOID(socket->set_reuse_address(true));
  RINGO_TRY_VOID(socket->bind(address));
  Result<TcpListener> listener = std::move(*socket).listen(kDefaultBacklog);
  co_return listener;
}

Task<Result<TcpListener>> TcpListener::bind(std::string host, std::uint16_t port) {
  const Result<std::vector<SocketAddress>> addresses = co_await lookup_host(std::move(host), port);
  if (!addresses) {
    co_return std::unexpected(addresses.error());
  }
  std::optional<Error> last_error;
  for (const SocketAddress& address : *addresses) {
    Result<TcpListener> listener = co_await bind(address);
    if (listener) {
      co_return listener;
    }
    last_error = listener.error();
  }
  co_return std::unexpected(*last_error);
}

Task<Result<TcpListener>> TcpListener::bind(std::string host_and_port) {
  Result<HostAndPort> target = HostAndPort::parse(host_and_port);
  if (!target) {
    co_return std::unexpected(target.error());
  }
  Result<TcpListener> listener = co_await bind(std::move(target->host), target->port);
  co_return listener;
}

Result<TcpListener> TcpListener::from_fd(int fd) {
  RINGO_TRY_RETURN(detail::SourceRef source,
                   detail::adopt_descriptor(fd, detail::Source::kReadable));
  return TcpListener(std::move(source));
}

Result<int> TcpListener::into_fd() && {
  return detail::give_descriptor_away(source_);
}

Result<SocketAddress> TcpListener::local_address() const {
  return detail::local_address_of(detail::handle_of(io_source()));
}

}  // namespace ringo::net
