// SPDX-License-Identifier: MIT
//
// What the socket tests share: connected pairs over the loopback, patterns to send and to check,
// and the number of open descriptors.
//
// Thread safety: values and free functions.

#pragma once

#include <dirent.h>
#include <ringo/net/tcp.h>
#include <ringo/task.h>
#include <ringo/yield.h>

#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace ringo::testing_support {

/// The value, or a failed test that says what the error was.
template <class T>
T expect_value(Result<T> result) {
  if (!result) {
    throw std::runtime_error(result.error().message());
  }
  if constexpr (!std::is_void_v<T>) {
    return *std::move(result);
  }
}

struct StreamPair {
  StreamPair(net::TcpStream client_side, net::TcpStream server_side)
      : client(std::move(client_side)), server(std::move(server_side)) {}
  net::TcpStream client;
  net::TcpStream server;
};

inline Task<net::TcpListener> listen_on_loopback() {
  Result<net::TcpListener> listener = co_await net::TcpListener::bind("127.0.0.1:0");
  net::TcpListener value = expect_value(std::move(listener));
  co_return value;
}

inline net::SocketAddress address_of(const net::TcpListener& listener) {
  return expect_value(listener.local_address());
}

/// Two ends of a connection. `buffer_size`: of all four socket buffers.
inline Task<StreamPair> connected_pair(std::optional<int> buffer_size = std::nullopt) {
  net::TcpSocket listening = expect_value(net::TcpSocket::open_v4());
  net::TcpSocket connecting = expect_value(net::TcpSocket::open_v4());
  if (buffer_size) {
    expect_value(listening.set_recv_buffer_size(*buffer_size));
    expect_value(listening.set_send_buffer_size(*buffer_size));
    expect_value(connecting.set_recv_buffer_size(*buffer_size));
    expect_value(connecting.set_send_buffer_size(*buffer_size));
  }
  expect_value(listening.bind(net::SocketAddress::loopback_v4(0)));
  net::TcpListener listener = expect_value(std::move(listening).listen(1));
  Result<net::TcpStream> client = co_await std::move(connecting).connect(address_of(listener));
  Result<net::Accepted> accepted = co_await listener.accept();
  StreamPair pair(expect_value(std::move(client)),
                  std::move(expect_value(std::move(accepted)).stream));
  co_return pair;
}

/// Bytes that tell their position: a lost, doubled or swapped block shows.
inline std::string pattern(std::size_t size, std::size_t start = 0) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) {
    const std::size_t position = start + i;
    bytes[i] = static_cast<char>((position * 31 + position / 251 + position / 65521) & 0xff);
  }
  return bytes;
}

inline std::size_t open_descriptors() {
  DIR* directory = opendir("/proc/self/fd");
  if (directory == nullptr) {
    throw std::runtime_error("/proc/self/fd cannot be read");
  }
  std::size_t count = 0;
  while (const dirent* entry = readdir(directory)) {
    count += entry->d_name[0] == '.' ? 0 : 1;
  }
  closedir(directory);
  return count - 1;  // the directory itself
}

/// Lets the drivers work until no more than so many descriptors are open. (A test that waits for
/// ever fails by its time limit.)
inline Task<void> until_open_descriptors(std::size_t count) {
  while (open_descriptors() > count) {
    co_await yield_now();
  }
}

}  // namespace ringo::testing_support
