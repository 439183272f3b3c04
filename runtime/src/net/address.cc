// SPDX-License-Identifier: MIT
//
// Addresses as text, and host names by getaddrinfo() on the blocking pool.

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <ringo/join_error.h>
#include <ringo/net/address.h>
#include <ringo/result.h>
#include <ringo/spawn_blocking.h>
#include <ringo/task.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/core.h>

namespace ringo::net {
namespace {

Error invalid(const char* what) noexcept {
  return {ErrorKind::kInvalidInput, what};
}

template <class Integer>
std::optional<Integer> parse_number(std::string_view digits) noexcept {
  Integer value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) {
    return std::nullopt;
  }
  return value;
}

struct SplitAddress {
  std::string_view host;
  std::uint16_t port;
  bool has_brackets;
};

/// "host:port" or "[host]:port". A bare IPv6 address is refused: its last group could be the port.
Result<SplitAddress> split_host_and_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return std::unexpected(invalid("an address needs a port (host:port)"));
  }
  const std::optional<std::uint16_t> port = parse_number<std::uint16_t>(text.substr(colon + 1));
  if (!port) {
    return std::unexpected(invalid("a port is a number from 0 to 65535"));
  }
  std::string_view host = text.substr(0, colon);
  const bool has_brackets = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (has_brackets) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return std::unexpected(invalid("an IPv6 address with a port needs brackets ([::1]:80)"));
  }
  if (host.empty() || host.find_first_of("[]") != std::string_view::npos) {
    return std::unexpected(invalid("an address needs a host (host:port)"));
  }
  return SplitAddress{host, *port, has_brackets};
}

std::optional<SocketAddress> parse_ipv4(const std::string& ip, std::uint16_t port) noexcept {
  std::array<std::uint8_t, 4> bytes{};
  if (inet_pton(AF_INET, ip.c_str(), bytes.data()) != 1) {
    return std::nullopt;
  }
  return SocketAddress(bytes, port);
}

std::optional<SocketAddress> parse_ipv6(std::string ip, std::uint16_t port) noexcept {
  std::uint32_t scope_id = 0;
  if (const std::size_t percent = ip.find('%'); percent != std::string::npos) {
    const std::optional<std::uint32_t> scope =
        parse_number<std::uint32_t>(std::string_view(ip).substr(percent + 1));
    if (!scope) {
      return std::nullopt;
    }
    scope_id = *scope;
    ip.resize(percent);
  }
  std::array<std::uint8_t, 16> bytes{};
  if (inet_pton(AF_INET6, ip.c_str(), bytes.data()) != 1) {
    return std::nullopt;
  }
  return SocketAddress(bytes, port, scope_id);
}

Result<std::vector<SocketAddress>> resolve(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int code = getaddrinfo(host.c_str(), nullptr, &hints, &found);
  const int system_error = errno;
  if (code == EAI_SYSTEM) {
    return std::unexpected(Error::os(system_error, "host name look-up"));
  }
  if (code != 0) {
    return std::unexpected(Error(ErrorKind::kResolve, "host name look-up", code));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
  std::vector<SocketAddress> addresses;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    const std::optional<SocketAddress> address =
        SocketAddress::from_native(entry->ai_addr, entry->ai_addrlen);
    if (address) {
      addresses.push_back(address->with_port(port));
    }
  }
  if (addresses.empty()) {
    return std::unexpected(Error(ErrorKind::kResolve, "host name look-up", EAI_NONAME));
  }
  return addresses;
}

}  // namespace

SocketAddress::SocketAddress() noexcept : SocketAddress(std::array<std::uint8_t, 4>{}, 0) {}

SocketAddress::SocketAddress(std::array<std::uint8_t, 4> ipv4, std::uint16_t port) noexcept {
  std::memset(&native_, 0, sizeof(native_));
  native_.v4.sin_family = AF_INET;
  native_.v4.sin_port = htons(port);
  std::memcpy(&native_.v4.sin_addr, ipv4.data(), ipv4.size());
}

SocketAddress::SocketAddress(std::array<std::uint8_t, 16> ipv6, std::uint16_t port,
                             std::uint32_t scope_id) noexcept {
  std::memset(&native_, 0, sizeof(native_));
  native_.v6.sin6_family = AF_INET6;
  native_.v6.sin6_port = htons(port);
  native_.v6.sin6_scope_id = scope_id;
  std::memcpy(&native_.v6.sin6_addr, ipv6.data(), ipv6.size());
}

SocketAddress SocketAddress::loopback_v4(std::uint16_t port) noexcept {
  return {std::array<std::uint8_t, 4>{127, 0, 0, 1}, port};
}

SocketAddress SocketAddress::loopback_v6(std::uint16_t port) noexcept {
  std::array<std::uint8_t, 16> bytes{};
  bytes.back() = 1;
  return {bytes, port};
}

SocketAddress SocketAddress::any_v4(std::uint16_t port) noexcept {
  return {std::array<std::uint8_t, 4>{}, port};
}

SocketAddress SocketAddress::any_v6(std::uint16_t port) noexcept {
  return {std::array<std::uint8_t, 16>{}, port};
}

Result<SocketAddress> SocketAddress::parse(std::string_view text) {
  RINGO_TRY_RETURN(const SplitAddress split, split_host_and_port(text));
  const std::string host(split.host);
  const std::optional<SocketAddress> address =
      split.has_brackets ? parse_ipv6(host, split.port) : parse_ipv4(host, split.port);
  if (!address) {
    return std::unexpected(invalid("not an IP address with a port"));
  }
  return *address;
}

Result<SocketAddress> SocketAddress::parse_ip(std::string_view ip, std::uint16_t port) {
  if (const std::optional<SocketAddress> address = parse_ipv4(std::string(ip), port)) {
    return *address;
  }
  if (ip.size() >= 2 && ip.front() == '[' && ip.back() == ']') {
    ip = ip.substr(1, ip.size() - 2);
  }
  if (const std::optional<SocketAddress> address = parse_ipv6(std::string(ip), port)) {
    return *address;
  }
  return std::unexpected(invalid("not an IP address"));
}

std::optional<SocketAddress> SocketAddress::from_native(const sockaddr* address,
                                                        socklen_t size) noexcept {
  SocketAddress result;
  if (address == nullptr || size < sizeof(sa_family_t)) {
    return std::nullopt;
  }
  if (address->sa_family == AF_INET && size >= sizeof(sockaddr_in)) {
    std::memcpy(&result.native_.v4, address, sizeof(sockaddr_in));
    return result;
  }
  if (address->sa_family == AF_INET6 && size >= sizeof(sockaddr_in6)) {
    std::memcpy(&result.native_.v6, address, sizeof(sockaddr_in6));
    return result;
  }
  return std::nullopt;
}

bool SocketAddress::is_loopback() const noexcept {
  if (is_ipv4()) {
    return ntohl(native_.v4.sin_addr.s_addr) >> 24 == 127;
  }
  const in6_addr& bytes = native_.v6.sin6_addr;
  return IN6_IS_ADDR_LOOPBACK(&bytes) || (IN6_IS_ADDR_V4MAPPED(&bytes) && bytes.s6_addr[12] == 127);
}

bool SocketAddress::is_unspecified() const noexcept {
  if (is_ipv4()) {
    return native_.v4.sin_addr.s_addr == INADDR_ANY;
  }
  return IN6_IS_ADDR_UNSPECIFIED(&native_.v6.sin6_addr);
}

std::uint16_t SocketAddress::port() const noexcept {
  return ntohs(is_ipv4() ? native_.v4.sin_port : native_.v6.sin6_port);
}

SocketAddress SocketAddress::with_port(std::uint16_t port) const noexcept {
  SocketAddress result(*this);
  (is_ipv4() ? result.native_.v4.sin_port : result.native_.v6.sin6_port) = htons(port);
  return result;
}

std::string SocketAddress::ip() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (is_ipv4()) {
    return inet_ntop(AF_INET, &native_.v4.sin_addr, text, sizeof(text));
  }
  std::string result = inet_ntop(AF_INET6, &native_.v6.sin6_addr, text, sizeof(text));
  if (native_.v6.sin6_scope_id != 0) {
    result += fmt::format("%{}", native_.v6.sin6_scope_id);
  }
  return result;
}

std::string SocketAddress::to_string() const {
  return is_ipv4() ? fmt::format("{}:{}", ip(), port()) : fmt::format("[{}]:{}", ip(), port());
}

bool operator==(const SocketAddress& a, const SocketAddress& b) noexcept {
  if (a.is_ipv4() != b.is_ipv4() || a.port() != b.port()) {
    return false;
  }
  if (a.is_ipv4()) {
    return a.native_.v4.sin_addr.s_addr == b.native_.v4.sin_addr.s_addr;
  }
  return a.native_.v6.sin6_scope_id == b.native_.v6.sin6_scope_id &&
         std::memcmp(&a.native_.v6.sin6_addr, &b.native_.v6.sin6_addr, sizeof(in6_addr)) == 0;
}

Result<HostAndPort> HostAndPort::parse(std::string_view text) {
  RINGO_TRY_RETURN(const SplitAddress split, split_host_and_port(text));
  return HostAndPort(std::string(split.host), split.port);
}

Task<Result<std::vector<SocketAddress>>> lookup_host(std::string host, std::uint16_t port) {
  if (const Result<SocketAddress> numeric = SocketAddress::parse_ip(host, port)) {
    std::vector<SocketAddress> addresses(1, *numeric);
    co_return addresses;
  }
  // getaddrinfo() would take the part before a NUL for the name.
  if (host.empty() || host.find('\0') != std::string::npos) {
    co_return std::unexpected(invalid("host name look-up"));
  }
  auto look_up = [name = std::move(host), port] { return resolve(name, port); };
  auto handle = spawn_blocking(std::move(look_up));
  auto found = co_await handle;
  if (!found) {
    if (found.error().is_cancelled()) {
      Error error(ErrorKind::kRuntimeShutDown, "host name look-up");
      co_return std::unexpected(error);
    }
    found.error().rethrow();
  }
  Result<std::vector<SocketAddress>> addresses = *std::move(found);
  co_return addresses;
}

}  // namespace ringo::net
