// SPDX-License-Identifier: MIT
//
// Heavy traffic for the socket tests: a transfer in both directions at once, and many connections
// with echoing tasks. The quick tests run them small, the slow ones large.
//
// Thread safety: coroutines; run them on any runtime.

#pragma once

#include <ringo/join_error.h>
#include <ringo/net/tcp.h>
#include <ringo/spawn.h>
#include <ringo/task.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "net_support.h"
#include "support/co_test.h"

namespace ringo::testing_support {

inline constexpr std::size_t kLoadBlock = 64 * 1024;

inline Task<void> send_pattern(net::OwnedWriteHalf half, std::size_t size) {
  for (std::size_t sent = 0; sent < size; sent += kLoadBlock) {
    const std::string block = pattern(std::min(kLoadBlock, size - sent), sent);
    const Result<void> written = co_await half.write_all(block);
    CO_ASSERT_TRUE(written.has_value()) << written.error().message();
  }
}

inline Task<void> expect_pattern(net::OwnedReadHalf half, std::size_t size) {
  std::string block(kLoadBlock, '\0');
  for (std::size_t received = 0; received < size; received += kLoadBlock) {
    block.resize(std::min(kLoadBlock, size - received));
    const Result<void> filled = co_await half.read_exact(block);
    CO_ASSERT_TRUE(filled.has_value()) << filled.error().message();
    CO_ASSERT_TRUE(block == pattern(block.size(), received)) << "at " << received;
  }
  std::array<char, 1> more{};
  const Result<std::size_t> end = co_await half.read(more);
  CO_ASSERT_EQ(end.value_or(1), 0u);
}

/// Both ends send and receive so many bytes at the same time, in four tasks.
inline Task<void> transfer_both_ways(std::size_t size, int buffer_size) {
  StreamPair pair = co_await connected_pair(buffer_size);
  auto client = std::move(pair.client).into_split();
  auto server = std::move(pair.server).into_split();
  std::vector<JoinHandle<void>> tasks;
  tasks.push_back(spawn(send_pattern(std::move(client.second), size)));
  tasks.push_back(spawn(send_pattern(std::move(server.second), size)));
  tasks.push_back(spawn(expect_pattern(std::move(client.first), size)));
  tasks.push_back(spawn(expect_pattern(std::move(server.first), size)));
  for (JoinHandle<void>& task : tasks) {
    const JoinResult<void> ended = co_await task;
    CO_ASSERT_TRUE(ended.has_value()) << ended.error().message();
  }
}

inline Task<void> echo_to_the_end(net::TcpStream stream) {
  BytesMut buffer;
  for (;;) {
    const Result<std::size_t> count = co_await stream.read_buf(buffer);
    CO_ASSERT_TRUE(count.has_value()) << count.error().message();
    if (*count == 0) {
      co_return;
    }
    const Result<std::size_t> sent = co_await stream.write_all_buf(buffer);
    CO_ASSERT_TRUE(sent.has_value()) << sent.error().message();
    buffer.clear();
  }
}

inline Task<void> converse(net::SocketAddress address, std::size_t rounds, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Result<net::TcpStream> stream = co_await net::TcpStream::connect(address);
  CO_ASSERT_TRUE(stream.has_value()) << stream.error().message();
  for (std::size_t round = 0; round < rounds; ++round) {
    const std::string sent = pattern(1 + random() % 3000, random() % 1000);
    std::string received(sent.size(), '\0');
    const Result<void> written = co_await stream->write_all(sent);
    CO_ASSERT_TRUE(written.has_value()) << written.error().message();
    const Result<void> filled = co_await stream->read_exact(received);
    CO_ASSERT_TRUE(filled.has_value()) << filled.error().message();
    CO_ASSERT_EQ(received, sent);
  }
}

/// Accepts so many connections and echoes on each in a task of its own.
inline Task<void> serve_echo(net::TcpListener& listener, std::size_t connections) {
  std::vector<JoinHandle<void>> echoing;
  for (std::size_t i = 0; i < connections; ++i) {
    Result<net::Accepted> accepted = co_await listener.accept();
    CO_ASSERT_TRUE(accepted.has_value()) << accepted.error().message();
    echoing.push_back(spawn(echo_to_the_end(std::move(accepted->stream))));
  }
  for (JoinHandle<void>& task : echoing) {
    const JoinResult<void> ended = co_await task;
    CO_ASSERT_TRUE(ended.has_value()) << ended.error().message();
  }
}

/// Many tasks talk with many echoing ones; two tasks accept.
inline Task<void> echo_load(std::size_t connections, std::size_t rounds, std::uint64_t seed) {
  net::TcpListener listener = co_await listen_on_loopback();
  std::vector<JoinHandle<void>> tasks;
  tasks.push_back(spawn(serve_echo(listener, connections / 2)));
  tasks.push_back(spawn(serve_echo(listener, connections - connections / 2)));
  for (std::size_t i = 0; i < connections; ++i) {
    tasks.push_back(spawn(converse(address_of(listener), rounds, seed + i)));
  }
  for (JoinHandle<void>& task : tasks) {
    const JoinResult<void> ended = co_await task;
    CO_ASSERT_TRUE(ended.has_value()) << ended.error().message();
  }
}

}  // namespace ringo::testing_support
