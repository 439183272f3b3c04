// SPDX-License-Identifier: MIT
//
// Sockets under load, in small; net_load_slow_test.cc is the same in large.

#include "net_load.h"

#include <poll.h>
#include <ringo/net/tcp.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/spawn_blocking.h>
#include <ringo/task.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "net_support.h"
#include "support/co_test.h"
#include "support/random_seed.h"

namespace {

using ringo::JoinHandle;
using ringo::JoinResult;
using ringo::Result;
using ringo::Task;
using ringo::testing_support::address_of;
using ringo::testing_support::echo_load;
using ringo::testing_support::expect_value;
using ringo::testing_support::listen_on_loopback;
using ringo::testing_support::multi_thread_runtime;
using ringo::testing_support::seeded_random;
using ringo::testing_support::serve_echo;
using ringo::testing_support::transfer_both_ways;

CO_TEST(NetLoad, TransfersBothWaysThroughSmallBuffers) {
  co_await transfer_both_ways(std::size_t{4} << 20, 16 * 1024);
}

CO_TEST(NetLoad, ManyTasksConverse) {
  auto random = seeded_random();
  const std::uint64_t seed = random();
  co_await echo_load(50, 40, seed);
}

TEST(NetLoad, ManyTasksConverseOnFourWorkers) {
  auto random = seeded_random();
  multi_thread_runtime(4).block_on(echo_load(50, 40, random()));
}

/// A byte on so many connections, then all the echoes, so many times; from a thread of its own.
bool is_echoed(const std::vector<ringo::net::TcpStream>& streams, std::size_t count,
               std::size_t rounds) {
  std::array<char, 1> byte{};
  for (std::size_t round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < count; ++i) {
      if (send(streams[i].fd(), byte.data(), 1, MSG_NOSIGNAL) != 1) {
        return false;
      }
    }
    for (std::size_t i = 0; i < count; ++i) {
      // The descriptors are non-blocking.
      pollfd wanted{streams[i].fd(), POLLIN, 0};
      if (poll(&wanted, 1, -1) != 1 || recv(streams[i].fd(), byte.data(), 1, 0) != 1) {
        return false;
      }
    }
  }
  return true;
}

/// Under load a worker sleeps for several events at once (ring/gathering.h); how often it comes to
/// that here is up to the machine, but a single event must always end the sleep, and so must the
/// end of a blocking closure.
Task<void> many_then_few() {
  constexpr std::size_t kMany = 60;
  ringo::net::TcpListener listener = co_await listen_on_loopback();
  JoinHandle<void> serving = ringo::spawn(serve_echo(listener, kMany));
  std::vector<ringo::net::TcpStream> streams;
  for (std::size_t i = 0; i < kMany; ++i) {
    Result<ringo::net::TcpStream> stream =
        co_await ringo::net::TcpStream::connect(address_of(listener));
    streams.push_back(expect_value(std::move(stream)));
  }
  for (const std::size_t count : {kMany, std::size_t{1}, kMany, std::size_t{7}, std::size_t{1}}) {
    auto talk = [&streams, count] { return is_echoed(streams, count, 200); };
    JoinHandle<bool> talking = ringo::spawn_blocking(std::move(talk));
    const JoinResult<bool> is_right = co_await talking;
    CO_ASSERT_TRUE(is_right.has_value() && *is_right) << "with " << count;
  }
  streams.clear();
  const JoinResult<void> ended = co_await serving;
  CO_ASSERT_TRUE(ended.has_value());
}

TEST(NetLoad, OneConnectionIsServedAfterManyWere) {
  multi_thread_runtime(1).block_on(many_then_few());
}

}  // namespace
