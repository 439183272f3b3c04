// SPDX-License-Identifier: MIT
//
// The one door through which the runtime reaches the kernel: clocks, randomness and the system
// calls of the general socket path. Production uses the real one; a simulation supplies its own,
// and with it decides everything that is not determined by the program. Where it is the real one
// streams receive and send without it, see direct_call.h.
//
// Calls return a non-negative result or -errno, never block, and are safe from any thread.

#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace ringo::detail {

class System {
 public:
  /// The production one.
  static System& real() noexcept;

  /// Monotonic nanoseconds.
  virtual std::int64_t now() noexcept = 0;
  virtual std::uint64_t random_seed() noexcept = 0;

  virtual int socket(int domain, int type, int protocol) noexcept = 0;
  virtual int bind(int fd, const sockaddr* address, socklen_t length) noexcept = 0;
  virtual int listen(int fd, int backlog) noexcept = 0;
  virtual int connect(int fd, const sockaddr* address, socklen_t length) noexcept = 0;
  virtual int accept(int fd, sockaddr* address, socklen_t* length) noexcept = 0;
  virtual std::int64_t recv(int fd, std::span<std::byte> into, int flags) noexcept = 0;
  virtual std::int64_t send(int fd, std::span<const std::byte> from, int flags) noexcept = 0;
  virtual std::int64_t sendmsg(int fd, const msghdr* message, int flags) noexcept = 0;
  virtual int shutdown(int fd, int how) noexcept = 0;
  virtual int close(int fd) noexcept = 0;
  virtual int duplicate(int fd) noexcept = 0;
  /// For a descriptor that socket() or accept() did not make.
  virtual int set_non_blocking(int fd) noexcept = 0;
  virtual int get_option(int fd, int level, int name, void* value, socklen_t* length) noexcept = 0;
  virtual int set_option(int fd, int level, int name, const void* value,
                         socklen_t length) noexcept = 0;
  virtual int local_address(int fd, sockaddr* address, socklen_t* length) noexcept = 0;
  virtual int peer_address(int fd, sockaddr* address, socklen_t* length) noexcept = 0;

 protected:
  ~System() = default;
};

}  // namespace ringo::detail
