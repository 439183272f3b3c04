// SPDX-License-Identifier: MIT
//
// The production System: thin wrappers of the system calls that turn errno into a result. The only
// place in the runtime that asks the kernel for the time or for randomness.
//
// Thread safety: all of it; the object has no state.

#include "base/system.h"

#include <fcntl.h>
#include <ringo/detail/direct_call.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <span>

namespace ringo::detail {
namespace {

template <class T>
T result_or_errno(T result) noexcept {
  return result < 0 ? static_cast<T>(-errno) : result;
}

std::int64_t receive_from(int fd, std::span<std::byte> into, int flags) noexcept {
#if RINGO_DIRECT_CALLS
  return direct_recv(fd, into, flags);
#else
  return result_or_errno(std::int64_t{::recv(fd, into.data(), into.size(), flags)});
#endif
}

std::int64_t send_to(int fd, std::span<const std::byte> from, int flags) noexcept {
#if RINGO_DIRECT_CALLS
  return direct_send(fd, from, flags);
#else
  return result_or_errno(std::int64_t{::send(fd, from.data(), from.size(), flags)});
#endif
}

class RealSystem final : public System {
 public:
  std::int64_t now() noexcept override {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
  }
  std::uint64_t random_seed() noexcept override {
    std::uint64_t seed = 0;
    if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed)) {
      // Not a secret: it only spreads victims and hash values. The clock will do.
      seed = static_cast<std::uint64_t>(now());
    }
    return seed;
  }
  int socket(int domain, int type, int protocol) noexcept override {
    return result_or_errno(::socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
  }
  int bind(int fd, const sockaddr* address, socklen_t length) noexcept override {
    return result_or_errno(::bind(fd, address, length));
  }
  int listen(int fd, int backlog) noexcept override {
    return result_or_errno(::listen(fd, backlog));
  }
  int connect(int fd, const sockaddr* address, socklen_t length) noexcept override {
    return result_or_errno(::connect(fd, address, length));
  }
  int accept(int fd, sockaddr* address, socklen_t* length) noexcept override {
    return result_or_errno(::accept4(fd, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC));
  }
  std::int64_t recv(int fd, std::span<std::byte> into, int flags) noexcept override {
    return receive_from(fd, into, flags | MSG_DONTWAIT);
  }
  std::int64_t send(int fd, std::span<const std::byte> from, int flags) noexcept override {
    return send_to(fd, from, flags | MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  std::int64_t sendmsg(int fd, const msghdr* message, int flags) noexcept override {
    return result_or_errno(
        std::int64_t{::sendmsg(fd, message, flags | MSG_DONTWAIT | MSG_NOSIGNAL)});
  }
  int shutdown(int fd, int how) noexcept override { return result_or_errno(::shutdown(fd, how)); }
  int close(int fd) noexcept override { return result_or_errno(::close(fd)); }
  int duplicate(int fd) noexcept override {
    return result_or_errno(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  }
  int set_non_blocking(int fd) noexcept override {
    const int flags = ::fcntl(fd, F_GETFL);
    return result_or_errno(flags < 0 ? flags : ::fcntl(fd, F_SETFL, flags | O_NONBLOCK));
  }
  int get_option(int fd, int level, int name, void* value, socklen_t* length) noexcept override {
    return result_or_errno(::getsockopt(fd, level, name, value, length));
  }
  int set_option(int fd, int level, int name, const void* value,
                 socklen_t length) noexcept override {
    return result_or_errno(::setsockopt(fd, level, name, value, length));
  }
  int local_address(int fd, sockaddr* address, socklen_t* length) noexcept override {
    return result_or_errno(::getsockname(fd, address, length));
  }
  int peer_address(int fd, sockaddr* address, socklen_t* length) noexcept override {
    return result_or_errno(::getpeername(fd, address, length));
  }
};

}  // namespace

System& System::real() noexcept {
  static constinit RealSystem system;
  return system;
}

}  // namespace ringo::detail
