// SPDX-License-Identifier: MIT
//
// What is left of an operation that was cancelled at its suspension: nothing. No byte and no
// connection is lost, and no descriptor stays open.

#include <ringo/bytes.h>
#include <ringo/config.h>
#include <ringo/net/address.h>
#include <ringo/net/tcp.h>
#include <ringo/result.h>
#include <ringo/spawn.h>
#include <ringo/time.h>
#include <ringo/yield.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cerrno>
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
#include "support/random_seed.h"

namespace {

using namespace std::chrono_literals;
using ringo::Bytes;
using ringo::ErrorKind;
using ringo::JoinResult;
using ringo::Result;
using ringo::Task;
using ringo::net::Accepted;
using ringo::net::SocketAddress;
using ringo::net::TcpListener;
using ringo::net::TcpSocket;
using ringo::net::TcpStream;
using ringo::testing_support::address_of;
using ringo::testing_support::connected_pair;
using ringo::testing_support::expect_value;
using ringo::testing_support::listen_on_loopback;
using ringo::testing_support::open_descriptors;
using ringo::testing_support::StreamPair;
using ringo::testing_support::until_open_descriptors;

Task<std::string> read_some(TcpStream& stream) {
  std::array<char, 97> buffer{};
  const Result<std::size_t> count = co_await stream.read(buffer);
  std::string bytes(buffer.data(), count.value_or(0));
  co_return bytes;
}

Task<void> yield_times(std::size_t times) {
  for (std::size_t i = 0; i < times; ++i) {
    co_await ringo::yield_now();
  }
}

Task<void> send_in_pieces(TcpStream& stream, std::string bytes, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string_view left = bytes;
  while (!left.empty()) {
    const std::size_t size = std::min<std::size_t>(left.size(), 1 + random() % 300);
    const Result<void> sent = co_await stream.write_all(left.substr(0, size));
    CO_ASSERT_TRUE(sent.has_value());
    left.remove_prefix(size);
    co_await yield_times(random() % 4);
  }
}

CO_TEST(CancelledRead, LosesNoByte) {
  std::mt19937_64 random = ringo::testing_support::seeded_random();
  StreamPair pair = co_await connected_pair();
  const std::string sent = ringo::testing_support::pattern(100'000);
  auto sender = ringo::spawn(send_in_pieces(pair.client, sent, random()));
  std::string received;
  std::size_t aborted = 0;
  while (received.size() < sent.size()) {
    auto reader = ringo::spawn(read_some(pair.server));
    co_await yield_times(random() % 4);
    reader.abort();
    JoinResult<std::string> bytes = co_await reader;
    if (bytes) {
      CO_ASSERT_FALSE(bytes->empty());
      received += *bytes;
    } else {
      ++aborted;
    }
  }
  EXPECT_EQ(received, sent);
  EXPECT_GT(aborted, 0u);
  const JoinResult<void> done = co_await sender;
  EXPECT_TRUE(done.has_value());
}

CO_TEST(CancelledRead, ByTimeoutLeavesTheStreamUsable) {
  StreamPair pair = co_await connected_pair();
  std::array<char, 8> buffer{};
  for (int i = 0; i < 5; ++i) {
    const Result<std::size_t> nothing =
        co_await ringo::time::timeout(200us, pair.server.read(buffer));
    CO_ASSERT_FALSE(nothing.has_value());
    CO_ASSERT_EQ(nothing.error().kind(), ErrorKind::kTimedOut);
    const Result<void> sent = co_await pair.client.write_all("abc");
    CO_ASSERT_TRUE(sent.has_value());
    const Result<std::size_t> count = co_await ringo::time::timeout(30s, pair.server.read(buffer));
    CO_ASSERT_EQ(count.value_or(0), 3u);
  }
}

CO_TEST(CancelledReadBuf, KeepsWhatItAppended) {
  StreamPair pair = co_await connected_pair();
  ringo::BytesMut buffer;
  const Result<std::size_t> nothing =
      co_await ringo::time::timeout(200us, pair.server.read_buf(buffer));
  CO_ASSERT_FALSE(nothing.has_value());
  CO_ASSERT_TRUE(buffer.empty());
  const Result<void> sent = co_await pair.client.write_all("abc");
  CO_ASSERT_TRUE(sent.has_value());
  const Result<std::size_t> count = co_await pair.server.read_buf(buffer);
  CO_ASSERT_EQ(count.value_or(0), 3u);
  EXPECT_EQ(buffer.view(), "abc");
}

// write_all_buf() may be given up again and again: what is left in the buffer is what was not sent.
CO_TEST(CancelledWriteAllBuf, KeepsWhatIsLeft) {
  StreamPair pair = co_await connected_pair(8192);
  const std::string sent = ringo::testing_support::pattern(400'000);
  auto receive = [](TcpStream stream, std::size_t size) -> Task<std::string> {
    std::string bytes(size, '\0');
    std::size_t filled = 0;
    while (filled < size) {
      co_await ringo::yield_now();
      const Result<std::size_t> count = co_await stream.read(std::span(bytes).subspan(filled));
      if (!count || *count == 0) {
        break;
      }
      filled += *count;
    }
    bytes.resize(filled);
    co_return bytes;
  };
  auto receiver = ringo::spawn(receive(std::move(pair.server), sent.size()));
  Bytes left = Bytes::copy_from(sent);
  while (!left.empty()) {
    const Result<std::size_t> count =
        co_await ringo::time::timeout(300us, pair.client.write_all_buf(left));
    CO_ASSERT_TRUE(count.has_value() || count.error().kind() == ErrorKind::kTimedOut);
  }
  const JoinResult<std::string> received = co_await receiver;
  CO_ASSERT_TRUE(received.has_value());
  EXPECT_EQ(*received, sent);
}

CO_TEST(CancelledAccept, LosesNoConnection) {
  std::mt19937_64 random = ringo::testing_support::seeded_random();
  constexpr std::size_t kClients = 100;
  TcpListener listener = co_await listen_on_loopback();
  auto connect_all = [](SocketAddress address) -> Task<std::vector<TcpStream>> {
    std::vector<TcpStream> clients;
    for (std::size_t i = 0; i < kClients; ++i) {
      Result<TcpStream> client = co_await TcpStream::connect(address);
      if (client) {
        clients.push_back(std::move(*client));
      }
      co_await ringo::yield_now();
    }
    co_return clients;
  };
  auto accept_one = [](TcpListener& from) -> Task<Result<Accepted>> {
    Result<Accepted> accepted = co_await from.accept();
    co_return accepted;
  };
  auto connecting = ringo::spawn(connect_all(address_of(listener)));
  std::vector<TcpStream> accepted;
  while (accepted.size() < kClients) {
    auto acceptor = ringo::spawn(accept_one(listener));
    co_await yield_times(random() % 4);
    acceptor.abort();
    JoinResult<Result<Accepted>> result = co_await acceptor;
    if (result) {
      CO_ASSERT_TRUE(result->has_value());
      accepted.push_back(std::move((*result)->stream));
    }
  }
  const JoinResult<std::vector<TcpStream>> clients = co_await connecting;
  CO_ASSERT_TRUE(clients.has_value());
  EXPECT_EQ(clients->size(), kClients);
}

CO_TEST(CancelledConnect, ClosesItsDescriptor) {
  // A backlog that is full: the kernel drops further attempts, and they hang.
  TcpSocket listening = expect_value(TcpSocket::open_v4());
  CO_ASSERT_TRUE(listening.bind(SocketAddress::loopback_v4(0)).has_value());
  TcpListener listener = expect_value(std::move(listening).listen(0));
  std::vector<TcpStream> queued;
  for (;;) {
    Result<TcpStream> stream =
        co_await ringo::time::timeout(50ms, TcpStream::connect(address_of(listener)));
    if (!stream) {
      CO_ASSERT_EQ(stream.error().kind(), ErrorKind::kTimedOut);
      break;
    }
    queued.push_back(std::move(*stream));
  }
  const std::size_t descriptors = open_descriptors();
  for (int i = 0; i < 5; ++i) {
    Result<TcpStream> stream =
        co_await ringo::time::timeout(1ms, TcpStream::connect(address_of(listener)));
    CO_ASSERT_FALSE(stream.has_value());
    CO_ASSERT_EQ(stream.error().kind(), ErrorKind::kTimedOut);
  }
  co_await until_open_descriptors(descriptors);
}

CO_TEST(CancelledConnect, ByAbortAtEachStep) {
  TcpListener listener = co_await listen_on_loopback();
  const std::size_t descriptors = open_descriptors();
  auto connect = [](std::string host, std::uint16_t port) -> Task<Result<TcpStream>> {
    Result<TcpStream> stream = co_await TcpStream::connect(std::move(host), port);
    co_return stream;
  };
  for (std::size_t steps = 0; steps < 30; ++steps) {
    auto connecting = ringo::spawn(connect("localhost", address_of(listener).port()));
    co_await yield_times(steps);
    connecting.abort();
    const JoinResult<Result<TcpStream>> stream = co_await connecting;
    if (stream) {
      CO_ASSERT_TRUE(stream->has_value());
    }
  }
  Result<TcpStream> last = co_await TcpStream::connect(address_of(listener));
  CO_ASSERT_TRUE(last.has_value());
  // Whoever was connected before it was aborted waits here.
  std::size_t accepted = 0;
  for (;;) {
    Result<Accepted> connection = co_await listener.accept();
    CO_ASSERT_TRUE(connection.has_value());
    ++accepted;
    if (connection->peer == expect_value(last->local_address())) {
      break;
    }
  }
  EXPECT_LE(accepted, 31u);
  ringo::drop(std::move(*last));
  co_await until_open_descriptors(descriptors + 1);  // `last` is closed soon, too
}

#if RINGO_FRAME_POOL  // UBSan looks at memory through a pipe, and here no descriptor is left

CO_TEST(Accept, ReportsThatDescriptorsAreShortAndRecovers) {
  TcpListener listener = co_await listen_on_loopback();
  Result<TcpStream> client = co_await TcpStream::connect(address_of(listener));
  CO_ASSERT_TRUE(client.has_value());
  rlimit before{};
  CO_ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  // No new descriptor: the limit is on the number, and the lowest free one is taken.
  rlimit none = before;
  none.rlim_cur = 3;
  CO_ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const Result<Accepted> refused = co_await listener.accept();
  const Result<Accepted> refused_again = co_await listener.accept();
  CO_ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  CO_ASSERT_FALSE(refused.has_value());
  EXPECT_TRUE(refused.error().is_os(EMFILE)) << refused.error().message();
  CO_ASSERT_FALSE(refused_again.has_value());
  const Result<Accepted> accepted = co_await listener.accept();
  CO_ASSERT_TRUE(accepted.has_value());
}

#endif

}  // namespace
