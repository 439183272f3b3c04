// SPDX-License-Identifier: MIT
//
// One thread, epoll, level-triggered; one read and one write per readable socket and wake-up. What
// is answered is the template's argument. Shared by the raw echo server and the null server.
//
// Thread safety: none; one thread.

#pragma once

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "listen.h"

namespace peer {

inline bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (written >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) {
      pollfd wanted{fd, POLLOUT, 0};
      (void)::poll(&wanted, 1, 1000);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

/// `Connection` is made for each connection; its answer(std::string_view) returns what is to be
/// sent back, valid until it is called again. Does not return.
template <typename Connection>
[[noreturn]] void serve_by_epoll(std::uint16_t port) {
  struct Client {
    int fd = -1;
    Connection connection;
  };
  static std::array<char, std::size_t{64} * 1024> input;
  const int listener = listen_on(port, SOCK_NONBLOCK);
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = nullptr;
  if (epoll < 0 || ::epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) != 0) {
    fail("epoll");
  }
  for (std::array<epoll_event, 1024> events{};;) {
    const int count = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      auto* client = static_cast<Client*>(events[static_cast<std::size_t>(i)].data.ptr);
      if (client == nullptr) {
        for (int fd = 0; (fd = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK)) >= 0;) {
          disable_nagle(fd);
          event.data.ptr = new Client{fd, {}};
          if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
            fail("epoll_ctl");
          }
        }
        continue;
      }
      const ssize_t got = ::recv(client->fd, input.data(), input.size(), 0);
      if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        continue;
      }
      if (got <= 0 || !write_all(client->fd, client->connection.answer(
                                                 {input.data(), static_cast<std::size_t>(got)}))) {
        ::close(client->fd);
        delete client;
      }
    }
  }
}

}  // namespace peer
