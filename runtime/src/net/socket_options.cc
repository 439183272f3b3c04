// SPDX-License-Identifier: MIT
//
// Socket options, addresses, and descriptors that come and go: see the header.

#include "net/socket_options.h"

#include <netinet/tcp.h>
#include <ringo/detail/source.h>
#include <ringo/net/address.h>
#include <ringo/net/tcp.h>
#include <ringo/result.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <expected>
#include <limits>
#include <optional>

#include "base/system.h"
#include "ring/driver.h"

namespace ringo::detail {
namespace {

Result<net::SocketAddress> to_address(int result, const sockaddr_storage& storage, socklen_t size,
                                      const char* context) noexcept {
  if (result < 0) {
    return std::unexpected(Error::os(-result, context));
  }
  const std::optional<net::SocketAddress> address =
      net::SocketAddress::from_native(reinterpret_cast<const sockaddr*>(&storage), size);
  if (!address) {
    return std::unexpected(
        Error(ErrorKind::kUnsupported, "the socket's address is not an internet address"));
  }
  return *address;
}

int to_seconds(std::chrono::seconds duration) noexcept {
  constexpr std::chrono::seconds kMax(std::numeric_limits<int>::max());
  return static_cast<int>(std::min(duration, kMax).count());
}

}  // namespace

SocketHandle handle_of(const Source& source) noexcept {
  return {source.system(), source.fd()};
}

Result<void> to_result(int result, const char* context) noexcept {
  if (result < 0) {
    return std::unexpected(Error::os(-result, context));
  }
  return {};
}

Result<void> set_int_option(SocketHandle socket, int level, int name, int value,
                            const char* context) noexcept {
  return to_result(socket.system->set_option(socket.fd, level, name, &value, sizeof(value)),
                   context);
}

Result<int> get_int_option(SocketHandle socket, int level, int name, const char* context) noexcept {
  int value = 0;
  socklen_t size = sizeof(value);
  const int result = socket.system->get_option(socket.fd, level, name, &value, &size);
  if (result < 0) {
    return std::unexpected(Error::os(-result, context));
  }
  return value;
}

Result<void> set_keepalive_options(SocketHandle socket,
                                   const std::optional<net::Keepalive>& keepalive) noexcept {
  constexpr const char* kContext = "set_keepalive";
  if (keepalive && keepalive->idle) {
    RINGO_TRY_RETURN_VOID(
        set_int_option(socket, IPPROTO_TCP, TCP_KEEPIDLE, to_seconds(*keepalive->idle), kContext));
  }
  if (keepalive && keepalive->interval) {
    RINGO_TRY_RETURN_VOID(set_int_option(socket, IPPROTO_TCP, TCP_KEEPINTVL,
                                         to_seconds(*keepalive->interval), kContext));
  }
  if (keepalive && keepalive->probes) {
    RINGO_TRY_RETURN_VOID(
        set_int_option(socket, IPPROTO_TCP, TCP_KEEPCNT, *keepalive->probes, kContext));
  }
  return set_int_option(socket, SOL_SOCKET, SO_KEEPALIVE, keepalive ? 1 : 0, kContext);
}

Result<net::SocketAddress> local_address_of(SocketHandle socket) noexcept {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  const int result =
      socket.system->local_address(socket.fd, reinterpret_cast<sockaddr*>(&storage), &size);
  return to_address(result, storage, size, "local_address");
}

Result<net::SocketAddress> peer_address_of(SocketHandle socket) noexcept {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  const int result =
      socket.system->peer_address(socket.fd, reinterpret_cast<sockaddr*>(&storage), &size);
  return to_address(result, storage, size, "peer_address");
}

SourceRef make_source(SocketHandle socket, std::uint64_t readiness) {
  try {
    return SourceRef(Source::create(socket.fd, readiness));
  } catch (...) {
    socket.system->close(socket.fd);
    throw;
  }
}

Result<SourceRef> adopt_descriptor(int fd, std::uint64_t readiness) {
  System& system = current_driver_handle()->system();
  RINGO_TRY_RETURN_VOID(to_result(system.set_non_blocking(fd), "from_fd"));
  return SourceRef(Source::create(fd, readiness));
}

Result<int> give_descriptor_away(SourceRef& source) {
  if (!source->is_only_user()) {
    return std::unexpected(Error(ErrorKind::kInvalidInput, "into_fd"));
  }
  const int duplicate = source->system().duplicate(source->fd());
  if (duplicate < 0) {
    return std::unexpected(Error::os(-duplicate, "into_fd"));
  }
  source->keep_connection();
  source = SourceRef();
  return duplicate;
}

}  // namespace ringo::detail
