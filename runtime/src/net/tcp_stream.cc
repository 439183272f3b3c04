// SPDX-License-Identifier: MIT
//
// Streams and their halves: connecting, options, splitting and reuniting.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <ringo/detail/source.h>
#include <ringo/net/address.h>
#include <ringo/net/tcp.h>
#include <ringo/result.h>
#include <ringo/task.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/system.h"
#include "net/socket_options.h"

namespace ringo::net {
namespace {

using detail::handle_of;

int to_native(Shutdown direction) noexcept {
  switch (direction) {
    case Shutdown::kRead:
      return SHUT_RD;
    case Shutdown::kWrite:
      return SHUT_WR;
    case Shutdown::kBoth:
      break;
  }
  return SHUT_RDWR;
}

Result<void> shut_down(detail::Source& source, Shutdown direction) noexcept {
  return detail::to_result(source.system().shutdown(source.fd(), to_native(direction)), "shutdown");
}

/// Level and name of the option that bounds a packet's hops.
Result<std::pair<int, int>> hops_option(const detail::Source& source) noexcept {
  RINGO_TRY_RETURN(const SocketAddress address, detail::local_address_of(handle_of(source)));
  return address.is_ipv4() ? std::pair(IPPROTO_IP, IP_TTL)
                           : std::pair(IPPROTO_IPV6, IPV6_UNICAST_HOPS);
}

}  // namespace

// --- TcpStream --------------------------------------------------------------------------------

Task<Result<TcpStream>> TcpStream::connect(SocketAddress address) {
  Result<TcpSocket> socket = TcpSocket::open_for(address);
  if (!socket) {
    co_return std::unexpected(socket.error());
  }
  Task<Result<TcpStream>> connecting = std::move(*socket).connect(address);
  Result<TcpStream> stream = co_await std::move(connecting);
  co_return stream;
}

Task<Result<TcpStream>> TcpStream::connect(std::string host, std::uint16_t port) {
  const Result<std::vector<SocketAddress>> addresses = co_await lookup_host(std::move(host), port);
  if (!addresses) {
    co_return std::unexpected(addresses.error());
  }
  std::optional<Error> last_error;
  for (const SocketAddress& address : *addresses) {
    Result<TcpStream> stream = co_await connect(address);
    if (stream) {
      co_return stream;
    }
    last_error = stream.error();
  }
  co_return std::unexpected(*last_error);
}

Task<Result<TcpStream>> TcpStream::connect(std::string host_and_port) {
  Result<HostAndPort> target = HostAndPort::parse(host_and_port);
  if (!target) {
    co_return std::unexpected(target.error());
  }
  Result<TcpStream> stream = co_await connect(std::move(target->host), target->port);
  co_return stream;
}

Result<TcpStream> TcpStream::from_fd(int fd) {
  RINGO_TRY_RETURN(
      detail::SourceRef source,
      detail::adopt_descriptor(fd, detail::Source::kReadable | detail::Source::kWritable));
  return TcpStream(std::move(source));
}

Result<int> TcpStream::into_fd() && {
  return detail::give_descriptor_away(source_);
}

std::pair<ReadHalf, WriteHalf> TcpStream::split() noexcept {
  return {ReadHalf(io_source()), WriteHalf(io_source())};
}

std::pair<OwnedReadHalf, OwnedWriteHalf> TcpStream::into_split() && noexcept {
  OwnedReadHalf read_half{detail::SourceRef(source_)};
  return {std::move(read_half), OwnedWriteHalf(std::move(source_))};
}

Result<void> TcpStream::shutdown(Shutdown direction) {
  return shut_down(io_source(), direction);
}

Result<void> TcpStream::set_nodelay(bool is_enabled) {
  return detail::set_int_option(handle_of(io_source()), IPPROTO_TCP, TCP_NODELAY,
                                is_enabled ? 1 : 0, "set_nodelay");
}

Result<bool> TcpStream::nodelay() const {
  RINGO_TRY_RETURN(const int value, detail::get_int_option(handle_of(io_source()), IPPROTO_TCP,
                                                           TCP_NODELAY, "nodelay"));
  return value != 0;
}

Result<void> TcpStream::set_keepalive(std::optional<Keepalive> keepalive) {
  return detail::set_keepalive_options(handle_of(io_source()), keepalive);
}

Result<bool> TcpStream::keepalive() const {
  RINGO_TRY_RETURN(const int value, detail::get_int_option(handle_of(io_source()), SOL_SOCKET,
                                                           SO_KEEPALIVE, "keepalive"));
  return value != 0;
}

Result<void> TcpStream::set_zero_linger() {
  detail::Source& source = io_source();
  const ::linger value{.l_onoff = 1, .l_linger = 0};
  return detail::to_result(
      source.system().set_option(source.fd(), SOL_SOCKET, SO_LINGER, &value, sizeof(value)),
      "set_zero_linger");
}

Result<std::optional<std::chrono::seconds>> TcpStream::linger() const {
  const detail::Source& source = io_source();
  ::linger value{};
  socklen_t size = sizeof(value);
  RINGO_TRY_RETURN_VOID(detail::to_result(
      source.system().get_option(source.fd(), SOL_SOCKET, SO_LINGER, &value, &size), "linger"));
  std::optional<std::chrono::seconds> result;
  if (value.l_onoff != 0) {
    result = std::chrono::seconds(value.l_linger);
  }
  return result;
}

Result<void> TcpStream::set_recv_buffer_size(int bytes) {
  return detail::set_int_option(handle_of(io_source()), SOL_SOCKET, SO_RCVBUF, bytes,
                                "set_recv_buffer_size");
}

Result<int> TcpStream::recv_buffer_size() const {
  return detail::get_int_option(handle_of(io_source()), SOL_SOCKET, SO_RCVBUF, "recv_buffer_size");
}

Result<void> TcpStream::set_send_buffer_size(int bytes) {
  return detail::set_int_option(handle_of(io_source()), SOL_SOCKET, SO_SNDBUF, bytes,
                                "set_send_buffer_size");
}

Result<int> TcpStream::send_buffer_size() const {
  return detail::get_int_option(handle_of(io_source()), SOL_SOCKET, SO_SNDBUF, "send_buffer_size");
}

Result<void> TcpStream::set_ttl(int hops) {
  RINGO_TRY_RETURN(const auto option, hops_option(io_source()));
  return detail::set_int_option(handle_of(io_source()), option.first, option.second, hops,
                                "set_ttl");
}

Result<int> TcpStream::ttl() const {
  RINGO_TRY_RETURN(const auto option, hops_option(io_source()));
  return detail::get_int_option(handle_of(io_source()), option.first, option.second, "ttl");
}

Result<SocketAddress> TcpStream::local_address() const {
  return detail::local_address_of(handle_of(io_source()));
}

Result<SocketAddress> TcpStream::peer_address() const {
  return detail::peer_address_of(handle_of(io_source()));
}

Result<std::optional<Error>> TcpStream::take_error() {
  RINGO_TRY_RETURN(const int code, detail::get_int_option(handle_of(io_source()), SOL_SOCKET,
                                                          SO_ERROR, "take_error"));
  std::optional<Error> error;
  if (code != 0) {
    error = Error::os(code, "socket");
  }
  return error;
}

// --- halves -----------------------------------------------------------------------------------

Result<void> WriteHalf::shutdown() {
  return shut_down(io_source(), Shutdown::kWrite);
}

Result<SocketAddress> OwnedReadHalf::local_address() const {
  return detail::local_address_of(handle_of(io_source()));
}

Result<SocketAddress> OwnedReadHalf::peer_address() const {
  return detail::peer_address_of(handle_of(io_source()));
}

Result<SocketAddress> OwnedWriteHalf::local_address() const {
  return detail::local_address_of(handle_of(io_source()));
}

Result<SocketAddress> OwnedWriteHalf::peer_address() const {
  return detail::peer_address_of(handle_of(io_source()));
}

Result<void> OwnedWriteHalf::shutdown() {
  return shut_down(io_source(), Shutdown::kWrite);
}

OwnedWriteHalf& OwnedWriteHalf::operator=(OwnedWriteHalf&& other) noexcept {
  if (this != &other) {
    end();
    source_ = std::move(other.source_);
  }
  return *this;
}

void OwnedWriteHalf::end() noexcept {
  if (source_) {
    // A direction that has ended already (ENOTCONN) is what we want.
    (void)shut_down(*source_, Shutdown::kWrite);
    source_ = detail::SourceRef();
  }
}

Result<TcpStream> reunite(OwnedReadHalf&& read_half, OwnedWriteHalf&& write_half) {
  if (&read_half.io_source() != &write_half.io_source()) {
    return std::unexpected(Error(ErrorKind::kInvalidInput, "reunite"));
  }
  std::move(write_half).forget();
  return TcpStream(std::move(read_half.source_));
}

}  // namespace ringo::net
