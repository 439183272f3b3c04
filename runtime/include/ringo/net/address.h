// SPDX-License-Identifier: MIT
//
// Internet addresses and host names: SocketAddress is an IP address with a port, lookup_host()
// turns a name into such addresses without blocking a worker.
//
//   const auto address = ringo::net::SocketAddress::parse("[::1]:6379");
//
// Thread safety: values.

#pragma once

#include <netinet/in.h>
#include <ringo/result.h>
#include <ringo/task.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringo::net {

/// An IPv4 or IPv6 address and a port. As std::net::SocketAddr.
class SocketAddress {
 public:
  /// 0.0.0.0:0.
  SocketAddress() noexcept;
  SocketAddress(std::array<std::uint8_t, 4> ipv4, std::uint16_t port) noexcept;
  SocketAddress(std::array<std::uint8_t, 16> ipv6, std::uint16_t port,
                std::uint32_t scope_id = 0) noexcept;

  /// 127.0.0.1 and [::1].
  [[nodiscard]] static SocketAddress loopback_v4(std::uint16_t port) noexcept;
  [[nodiscard]] static SocketAddress loopback_v6(std::uint16_t port) noexcept;
  /// Every address of this host: 0.0.0.0 and [::].
  [[nodiscard]] static SocketAddress any_v4(std::uint16_t port) noexcept;
  [[nodiscard]] static SocketAddress any_v6(std::uint16_t port) noexcept;

  /// Reads "127.0.0.1:6379", "[::1]:6379" or "[fe80::1%3]:6379" (a scope is a number here). Names
  /// are not resolved. Errors: kInvalidInput.
  [[nodiscard]] static Result<SocketAddress> parse(std::string_view text);
  /// Reads an address without a port: "127.0.0.1", "::1", "[::1]". Errors: kInvalidInput.
  [[nodiscard]] static Result<SocketAddress> parse_ip(std::string_view ip, std::uint16_t port);
  /// From what the kernel returned; nothing if the family is not an internet one.
  [[nodiscard]] static std::optional<SocketAddress> from_native(const sockaddr* address,
                                                                socklen_t size) noexcept;

  [[nodiscard]] bool is_ipv4() const noexcept { return native_.any.sa_family == AF_INET; }
  [[nodiscard]] bool is_ipv6() const noexcept { return native_.any.sa_family == AF_INET6; }
  /// 127.0.0.0/8, ::1, and 127.0.0.0/8 mapped into IPv6.
  [[nodiscard]] bool is_loopback() const noexcept;
  /// 0.0.0.0 or ::.
  [[nodiscard]] bool is_unspecified() const noexcept;
  [[nodiscard]] std::uint16_t port() const noexcept;
  [[nodiscard]] SocketAddress with_port(std::uint16_t port) const noexcept;

  /// "127.0.0.1" or "::1".
  [[nodiscard]] std::string ip() const;
  /// "127.0.0.1:6379" or "[::1]:6379": what parse() reads.
  [[nodiscard]] std::string to_string() const;

  [[nodiscard]] const sockaddr* native() const noexcept { return &native_.any; }
  [[nodiscard]] socklen_t native_size() const noexcept {
    return is_ipv4() ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  }

  friend bool operator==(const SocketAddress& a, const SocketAddress& b) noexcept;

 private:
  union Native {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
  };

  Native native_;
};

/// A host, by name or by number, and a port, as users write them.
struct HostAndPort {
  HostAndPort(std::string host_name, std::uint16_t port_number)
      : host(std::move(host_name)), port(port_number) {}

  /// Reads "example.com:6379", "127.0.0.1:6379" or "[::1]:6379"; the host is returned without its
  /// brackets. Errors: kInvalidInput.
  [[nodiscard]] static Result<HostAndPort> parse(std::string_view text);

  std::string host;
  std::uint16_t port;
};

/// The addresses of a host, in the order in which they should be tried. A numeric address is
/// answered at once; a name is looked up by getaddrinfo() on the blocking pool. Never empty.
///
/// Errors: kResolve with getaddrinfo()'s code, kOs; kRuntimeShutDown if the runtime ends meanwhile.
/// Cancel safety: the answer is lost; the look-up itself goes on in its thread until it ends.
/// Panics: UsageError where no runtime is current.
[[nodiscard]] Task<Result<std::vector<SocketAddress>>> lookup_host(std::string host,
                                                                   std::uint16_t port);

}  // namespace ringo::net
