// SPDX-License-Identifier: MIT
//
// Sending, receiving, and when. A reply of a wrong kind or size ends the program: figures of a
// server that answers errors are worth nothing.
//
// Thread safety: none; one thread.

#include "engine.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "message.h"

namespace load {
namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;
constexpr int kStallMs = 10'000;  // a server that is silent so long has failed
constexpr std::size_t kInputSize = std::size_t{256} * 1024;

[[noreturn]] void fail(std::string_view what) {
  fmt::print(stderr, "bench_load: {}\n", what);
  // No destructor runs: the peer may be stuck, and so might we be.
  std::_Exit(1);
}

[[noreturn]] void fail_with_errno(std::string_view what) {
  fail(fmt::format("{}: {}", what, std::generic_category().message(errno)));
}

std::int64_t now_in_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

int connect_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    fail_with_errno("cannot connect");
  }
  const int on = 1;
  if (::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
      ::fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
    fail_with_errno("cannot set up a connection");
  }
  return fd;
}

void wait_for(int fd, short events) {
  pollfd wanted{fd, events, 0};
  if (::poll(&wanted, 1, kStallMs) != 1) {
    fail("the server is silent");
  }
}

}  // namespace

Engine::Engine(const Settings& settings)
    : settings_(settings),
      message_(make_message(settings.protocol, settings.operation, settings.value_size)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      input_(kInputSize) {
  if (epoll_ < 0) {
    fail_with_errno("epoll_create1");
  }
  for (std::size_t i = 0; i < settings_.pipeline; ++i) {
    batch_ += message_.request;
  }
  connect_all(settings_.idle, idle_);
  connect_all(settings_.connections, connections_);
  for (std::size_t i = 0; i < connections_.size(); ++i) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, connections_[i].fd, &event) != 0) {
      fail_with_errno("epoll_ctl");
    }
  }
}

Engine::~Engine() {
  for (const std::vector<Connection>* list : {&connections_, &idle_}) {
    for (const Connection& connection : *list) {
      ::close(connection.fd);
    }
  }
  ::close(epoll_);
}

void Engine::connect_all(std::size_t count, std::vector<Connection>& list) {
  list.resize(count);
  for (Connection& connection : list) {
    connection.fd = connect_to(settings_.port);
    if (!settings_.is_sequential) {  // which is to write each key once
      ask_once(connection);
    }
  }
}

/// A server that makes its buffers at the first request has made them then. It also has accepted:
/// connections beyond its backlog would be dropped by the kernel and tried again a second later.
void Engine::ask_once(Connection& connection) {
  send_batch(connection, 0);
  do {
    wait_for(connection.fd, POLLIN);
  } while (!receive(connection));
}

std::uint64_t Engine::next_key() {
  if (settings_.is_sequential) {
    return settings_.first_key + sent_;
  }
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  return settings_.first_key + random_ % settings_.keys;
}

void Engine::send_batch(Connection& connection, std::int64_t begun_ns) {
  std::size_t count = settings_.pipeline;
  if (settings_.is_sequential) {
    count = std::min<std::uint64_t>(count, settings_.keys - sent_);
  } else if (settings_.requests != 0 && begun_ns != 0) {
    count = std::min<std::uint64_t>(count, settings_.requests - sent_);
  }
  const std::size_t size = message_.request.size();
  for (std::size_t i = 0; i < count; ++i) {
    message_.set_key(std::span(batch_).subspan(i * size, size), next_key());
    sent_ += begun_ns != 0 ? 1 : 0;
  }
  connection.received = 0;
  connection.expected = count * message_.reply_size;
  connection.batch = count;
  connection.begun_ns = begun_ns;
  for (std::string_view rest(batch_.data(), count * size); !rest.empty();) {
    const ssize_t written = ::send(connection.fd, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (written >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) {
      wait_for(connection.fd, POLLOUT);
    } else if (errno != EINTR) {
      fail_with_errno("send");
    }
  }
}

bool Engine::receive(Connection& connection) {
  for (;;) {
    const ssize_t got = ::recv(connection.fd, input_.data(), input_.size(), 0);
    if (got < 0) {
      if (errno == EAGAIN || errno == EINTR) {
        return false;
      }
      fail_with_errno("recv");
    }
    const std::string_view bytes(input_.data(), static_cast<std::size_t>(got));
    if (bytes.empty() || connection.received + bytes.size() > connection.expected) {
      fail(bytes.empty() ? "the server closed a connection" : "more came back than was asked for");
    }
    // Each reply that begins in these bytes must begin as it should.
    const std::size_t behind = connection.received % message_.reply_size;
    for (std::size_t at = behind == 0 ? 0 : message_.reply_size - behind; at < bytes.size();
         at += message_.reply_size) {
      const std::string_view begin = bytes.substr(at, message_.reply_begin.size());
      if (!message_.reply_begin.starts_with(begin)) {
        fail(fmt::format("an unexpected reply: {:?}", std::string(bytes.substr(at, 60))));
      }
    }
    connection.received += bytes.size();
    if (connection.received == connection.expected) {
      connection.expected = 0;
      return true;
    }
    if (bytes.size() < input_.size()) {
      return false;
    }
  }
}

bool Engine::may_send(std::int64_t now_ns) const {
  if (settings_.is_sequential) {
    return sent_ < settings_.keys;
  }
  if (settings_.requests != 0) {
    return sent_ < settings_.requests;
  }
  return static_cast<double>(now_ns - start_ns_) < settings_.seconds * kNsPerSecond;
}

void Engine::finish(Connection& connection, std::int64_t now_ns) {
  outcome_.operations += connection.batch;
  outcome_.latencies_ns.push_back(now_ns - connection.begun_ns);
  --in_flight_;
}

/// Open loop. Where no connection is free the request waits, and its time goes on.
void Engine::send_what_is_due(std::int64_t now_ns) {
  const double interval_ns =
      kNsPerSecond * static_cast<double>(settings_.pipeline) / settings_.rate;
  while (!free_.empty()) {
    const std::uint64_t batches = sent_ / settings_.pipeline;
    const std::int64_t due =
        start_ns_ + static_cast<std::int64_t>(static_cast<double>(batches) * interval_ns);
    if (due > now_ns || !may_send(due)) {
      return;
    }
    Connection& connection = connections_[free_.back()];
    free_.pop_back();
    ++in_flight_;
    send_batch(connection, due);
  }
}

Outcome Engine::run() {
  const bool is_open_loop = settings_.rate > 0;
  outcome_ = {};
  outcome_.latencies_ns.reserve(1 << 20);
  sent_ = 0;
  start_ns_ = now_in_ns();
  for (std::size_t i = 0; i < connections_.size(); ++i) {
    if (is_open_loop) {
      free_.push_back(i);
    } else if (may_send(now_in_ns())) {
      ++in_flight_;
      send_batch(connections_[i], now_in_ns());
    }
  }
  std::array<epoll_event, 256> events{};
  std::int64_t now = now_in_ns();
  std::int64_t last_progress = now;
  while (in_flight_ > 0 || (is_open_loop && may_send(now))) {
    if (is_open_loop) {
      send_what_is_due(now);
    }
    // An open loop spins: waking up late would count as the server's latency.
    const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()),
                                   is_open_loop ? 0 : kStallMs);
    now = now_in_ns();
    last_progress = count > 0 || in_flight_ == 0 ? now : last_progress;
    if ((count < 0 && errno != EINTR) || now - last_progress > kStallMs * 1'000'000LL) {
      fail("the server is silent");
    }
    for (const epoll_event& event :
         std::span(events).first(static_cast<std::size_t>(std::max(count, 0)))) {
      Connection& connection = connections_[event.data.u64];
      if (!receive(connection)) {
        continue;
      }
      now = now_in_ns();
      finish(connection, now);
      if (is_open_loop) {
        free_.insert(free_.begin(), event.data.u64);  // all connections take turns
      } else if (may_send(now)) {
        ++in_flight_;
        send_batch(connection, now);
      }
    }
  }
  outcome_.seconds = static_cast<double>(now_in_ns() - start_ns_) / kNsPerSecond;
  std::sort(outcome_.latencies_ns.begin(), outcome_.latencies_ns.end());
  return std::move(outcome_);
}

}  // namespace load
