// SPDX-License-Identifier: MIT
//
// Sockets and the lives of others: streams that outlive their runtime, tasks that share one, many
// connections that come and go.

#include <ringo/io.h>
#include <ringo/net/address.h>
#include <ringo/net/tcp.h>
#include <ringo/result.h>
#include <ringo/runtime.h>
#include <ringo/spawn.h>
#include <ringo/yield.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "net_support.h"
#include "support/co_test.h"

namespace {

using ringo::Error;
using ringo::ErrorKind;
using ringo::JoinResult;
using ringo::Result;
using ringo::Runtime;
using ringo::Task;
using ringo::net::Accepted;
using ringo::net::SocketAddress;
using ringo::net::TcpListener;
using ringo::net::TcpSocket;
using ringo::net::TcpStream;
using ringo::testing_support::address_of;
using ringo::testing_support::connected_pair;
using ringo::testing_support::current_thread_runtime;
using ringo::testing_support::expect_value;
using ringo::testing_support::listen_on_loopback;
using ringo::testing_support::multi_thread_runtime;
using ringo::testing_support::open_descriptors;
using ringo::testing_support::StreamPair;
using ringo::testing_support::until_open_descriptors;

Task<std::optional<Error>> error_of_read(TcpStream& stream) {
  std::array<char, 8> buffer{};
  const Result<std::size_t> count = co_await stream.read(buffer);
  std::optional<Error> error;
  if (!count) {
    error = count.error();
  }
  co_return error;
}

Task<void> expect_shut_down(TcpStream& stream, TcpListener& listener) {
  std::array<char, 8> buffer{};
  const auto expect = [](const auto& result) {
    EXPECT_FALSE(result.has_value());
    if (!result) {
      EXPECT_EQ(result.error().kind(), ErrorKind::kRuntimeShutDown) << result.error().message();
    }
  };
  const Result<std::size_t> read = co_await stream.read(buffer);
  expect(read);
  const Result<void> exact = co_await stream.read_exact(buffer);
  expect(exact);
  const Result<std::size_t> peeked = co_await stream.peek(buffer);
  expect(peeked);
  const Result<std::size_t> written = co_await stream.write("x");
  expect(written);
  const Result<void> all = co_await stream.write_all("x");
  expect(all);
  const Result<void> ready = co_await stream.readable();
  expect(ready);
  const Result<Accepted> accepted = co_await listener.accept();
  expect(accepted);
  expect(stream.try_read(buffer));
  expect(stream.try_write("x"));
}

class OutlivingTest : public testing::TestWithParam<bool> {
 protected:
  static Runtime make_runtime() {
    return GetParam() ? current_thread_runtime() : multi_thread_runtime(2);
  }
};
INSTANTIATE_TEST_SUITE_P(Net, OutlivingTest, testing::Bool(), [](const auto& flavour) {
  return flavour.param ? "CurrentThread" : "MultiThread";
});

TEST_P(OutlivingTest, EveryOperationSaysSoAndDescriptorsAreClosed) {
  Runtime other = make_runtime();
  const std::size_t descriptors = open_descriptors();
  {
    std::optional<Runtime> runtime(make_runtime());
    std::optional<StreamPair> pair;
    std::optional<TcpListener> listener;
    auto open = [](std::optional<StreamPair>& streams,
                   std::optional<TcpListener>& accepting) -> Task<void> {
      streams.emplace(co_await connected_pair());
      accepting.emplace(co_await listen_on_loopback());
    };
    runtime->block_on(open(pair, listener));
    runtime.reset();
    other.block_on(expect_shut_down(pair->client, *listener));
    // What needs no waiting still works, the end of the connection above all.
    EXPECT_TRUE(pair->client.peer_address().has_value());
  }
  EXPECT_EQ(open_descriptors(), descriptors);
}

TEST_P(OutlivingTest, AWaitInAnotherRuntimeEnds) {
  Runtime other = make_runtime();
  std::optional<Runtime> runtime(make_runtime());
  std::optional<StreamPair> pair;
  auto open = [](std::optional<StreamPair>& streams) -> Task<void> {
    streams.emplace(co_await connected_pair());
  };
  runtime->block_on(open(pair));
  auto waiting = other.spawn(error_of_read(pair->client));
  auto let_it_run = []() -> Task<void> {
    for (int i = 0; i < 10; ++i) {
      co_await ringo::yield_now();
    }
  };
  other.block_on(let_it_run());
  runtime.reset();
  auto join = [](ringo::JoinHandle<std::optional<Error>>& handle) -> Task<std::optional<Error>> {
    const JoinResult<std::optional<Error>> joined = co_await handle;
    EXPECT_TRUE(joined.has_value());
    std::optional<Error> error = joined ? *joined : std::nullopt;
    co_return error;
  };
  const std::optional<Error> error = other.block_on(join(waiting));
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->kind(), ErrorKind::kRuntimeShutDown);
}

TEST_P(OutlivingTest, TasksThatWaitAreDestroyedWithTheirSockets) {
  const std::size_t descriptors = open_descriptors();
  {
    Runtime runtime = make_runtime();
    auto serve = []() -> Task<void> {
      auto echo = [](TcpStream stream) -> Task<void> {
        std::array<char, 8> buffer{};
        (void)co_await stream.read(buffer);
      };
      for (int i = 0; i < 20; ++i) {
        StreamPair pair = co_await connected_pair();
        ringo::spawn(echo(std::move(pair.server))).detach();
        ringo::spawn(echo(std::move(pair.client))).detach();
      }
    };
    runtime.block_on(serve());
  }
  EXPECT_EQ(open_descriptors(), descriptors);
}

TEST_P(OutlivingTest, StreamsMoveBetweenRuntimes) {
  Runtime first = make_runtime();
  Runtime second = make_runtime();
  std::optional<StreamPair> pair;
  auto open = [](std::optional<StreamPair>& streams) -> Task<void> {
    streams.emplace(co_await connected_pair());
  };
  first.block_on(open(pair));
  auto read_byte = [](TcpStream& stream) -> Task<std::size_t> {
    std::array<char, 1> buffer{};
    const Result<std::size_t> count = co_await stream.read(buffer);
    co_return count.value_or(0);
  };
  auto write_byte = [](TcpStream& stream) -> Task<void> {
    const Result<void> sent = co_await stream.write_all("x");
    EXPECT_TRUE(sent.has_value());
  };
  for (int i = 0; i < 20; ++i) {
    second.block_on(write_byte(pair->client));
    EXPECT_EQ(first.block_on(read_byte(pair->server)), 1u);
  }
  if (!GetParam()) {  // a multi_thread runtime watches its sockets while nobody blocks on it
    auto reading = second.spawn(read_byte(pair->server));
    first.block_on(write_byte(pair->client));
    auto join = [](ringo::JoinHandle<std::size_t>& handle) -> Task<std::size_t> {
      const JoinResult<std::size_t> joined = co_await handle;
      co_return joined.value_or(0);
    };
    EXPECT_EQ(second.block_on(join(reading)), 1u);
  }
}

TEST(TcpStream, CanBeMadeOnAThreadThatEnteredARuntime) {
  Runtime runtime = multi_thread_runtime(2);
  const auto guard = runtime.enter();
  TcpSocket socket = expect_value(TcpSocket::open_v4());
  ASSERT_TRUE(socket.bind(SocketAddress::loopback_v4(0)).has_value());
  TcpListener listener = expect_value(std::move(socket).listen(8));
  auto meet = [](TcpListener& accepting) -> Task<bool> {
    Result<TcpStream> client = co_await TcpStream::connect(address_of(accepting));
    Result<Accepted> accepted = co_await accepting.accept();
    co_return client.has_value() && accepted.has_value();
  };
  EXPECT_TRUE(runtime.block_on(meet(listener)));
}

CO_TEST(TcpStream, ThousandConnectionsLeaveNoDescriptor) {
  TcpListener listener = co_await listen_on_loopback();
  const std::size_t descriptors = open_descriptors();
  for (int round = 0; round < 10; ++round) {
    std::vector<TcpStream> clients;
    std::vector<TcpStream> servers;
    for (int i = 0; i < 100; ++i) {
      Result<TcpStream> client = co_await TcpStream::connect(address_of(listener));
      CO_ASSERT_TRUE(client.has_value());
      Result<Accepted> accepted = co_await listener.accept();
      CO_ASSERT_TRUE(accepted.has_value());
      clients.push_back(std::move(*client));
      servers.push_back(std::move(accepted->stream));
    }
    CO_ASSERT_GE(open_descriptors(), descriptors + 200);
    if (round % 2 == 0) {
      clients.clear();
    } else {
      servers.clear();
    }
  }
  co_await until_open_descriptors(descriptors);
}

CO_TEST(TcpStream, TwoReadersShareWhatComes) {
  StreamPair pair = co_await connected_pair();
  auto read_byte = [](TcpStream& stream) -> Task<char> {
    std::array<char, 1> buffer{};
    const Result<std::size_t> count = co_await stream.read(buffer);
    co_return count.value_or(0) == 1 ? buffer[0] : '-';
  };
  for (int round = 0; round < 50; ++round) {
    auto first = ringo::spawn(read_byte(pair.server));
    auto second = ringo::spawn(read_byte(pair.server));
    co_await ringo::yield_now();
    for (const std::string_view text : {"a", "b"}) {
      const Result<void> sent = co_await pair.client.write_all(text);
      CO_ASSERT_TRUE(sent.has_value());
    }
    const JoinResult<char> one = co_await first;
    const JoinResult<char> two = co_await second;
    CO_ASSERT_TRUE(one.has_value() && two.has_value());
    CO_ASSERT_EQ(*one + *two, 'a' + 'b');
  }
}

CO_TEST(TcpStream, HalvesWorkInDifferentTasks) {
  StreamPair pair = co_await connected_pair();
  auto echo = [](TcpStream stream) -> Task<void> {
    auto halves = std::move(stream).into_split();
    const Result<std::uint64_t> count = co_await ringo::io::copy(halves.first, halves.second);
    EXPECT_TRUE(count.has_value());
  };
  auto send = [](ringo::net::OwnedWriteHalf half, std::string bytes) -> Task<void> {
    const Result<void> sent = co_await half.write_all(bytes);
    EXPECT_TRUE(sent.has_value());
  };
  auto echoing = ringo::spawn(echo(std::move(pair.server)));
  auto halves = std::move(pair.client).into_split();
  const std::string bytes = ringo::testing_support::pattern(1'000'000);
  auto sending = ringo::spawn(send(std::move(halves.second), bytes));
  std::string received(bytes.size(), '\0');
  const Result<void> filled = co_await halves.first.read_exact(received);
  CO_ASSERT_TRUE(filled.has_value());
  EXPECT_EQ(received, bytes);
  std::array<char, 1> more{};
  const Result<std::size_t> end = co_await halves.first.read(more);
  CO_ASSERT_EQ(end.value_or(1), 0u);
  const JoinResult<void> sent = co_await sending;
  EXPECT_TRUE(sent.has_value());
  const JoinResult<void> echoed = co_await echoing;
  EXPECT_TRUE(echoed.has_value());
}

}  // namespace
