// SPDX-License-Identifier: MIT
//
// What the raw servers among the peers share: a listening socket on the loopback. They are as small
// as a server can be, and show the floor: what the kernel alone costs.
//
// Thread safety: none needed.

#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace peer {

/// For programs that have nothing to clean up.
[[noreturn]] inline void fail(const char* what) {
  std::perror(what);
  std::_Exit(1);
}

/// Ends the program where the port cannot be had. `type_flags`: SOCK_NONBLOCK or 0.
inline int listen_on(std::uint16_t port, int type_flags) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | type_flags, 0);
  const int on = 1;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
      ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 ||
      ::listen(fd, 4096) != 0) {
    fail("cannot listen");
  }
  return fd;
}

inline void disable_nagle(int fd) {
  const int on = 1;
  if (::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0) {
    fail("TCP_NODELAY");
  }
}

/// The only argument of these programs.
inline std::uint16_t port_of(int argc, char** argv) {
  const int port = argc == 2 ? std::atoi(argv[1]) : 0;  // NOLINT: 0 is an error as well
  if (port <= 0 || port > UINT16_MAX) {
    std::fprintf(stderr, "usage: %s PORT\n", argv[0]);
    std::_Exit(2);
  }
  return static_cast<std::uint16_t>(port);
}

}  // namespace peer
