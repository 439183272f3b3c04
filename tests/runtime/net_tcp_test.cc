// SPDX-License-Identifier: MIT
//
// TCP streams and listeners: what each method does on a healthy connection and at its ends.

#include <fcntl.h>
#include <netinet/tcp.h>
#include <ringo/bytes.h>
#include <ringo/io.h>
#include <ringo/net/address.h>
#include <ringo/net/tcp.h>
#include <ringo/result.h>
#include <ringo/spawn.h>
#include <ringo/yield.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "net_support.h"
#include "support/co_test.h"

namespace {

using ringo::Bytes;
using ringo::BytesMut;
using ringo::Error;
using ringo::ErrorKind;
using ringo::JoinResult;
using ringo::Result;
using ringo::Task;
using ringo::io::ConstBuffer;
using ringo::net::Accepted;
using ringo::net::Keepalive;
using ringo::net::Shutdown;
using ringo::net::SocketAddress;
using ringo::net::TcpListener;
using ringo::net::TcpSocket;
using ringo::net::TcpStream;
using ringo::testing_support::address_of;
using ringo::testing_support::connected_pair;
using ringo::testing_support::expect_value;
using ringo::testing_support::listen_on_loopback;
using ringo::testing_support::StreamPair;

CO_TEST(TcpStream, CarriesBytesBothWays) {
  StreamPair pair = co_await connected_pair();
  std::array<char, 16> buffer{};
  const Result<void> sent = co_await pair.client.write_all("hello");
  CO_ASSERT_TRUE(sent.has_value());
  const Result<std::size_t> received = co_await pair.server.read(buffer);
  CO_ASSERT_EQ(received.value_or(0), 5u);
  EXPECT_EQ(std::string_view(buffer.data(), 5), "hello");
  const Result<std::size_t> replied = co_await pair.server.write("bye");
  CO_ASSERT_EQ(replied.value_or(0), 3u);
  const Result<void> answered = co_await pair.client.read_exact(std::span(buffer).first(3));
  CO_ASSERT_TRUE(answered.has_value());
  EXPECT_EQ(std::string_view(buffer.data(), 3), "bye");
}

CO_TEST(TcpStream, KnowsItsAddresses) {
  TcpListener listener = co_await listen_on_loopback();
  Result<TcpStream> client = co_await TcpStream::connect("127.0.0.1", address_of(listener).port());
  CO_ASSERT_TRUE(client.has_value());
  Result<Accepted> accepted = co_await listener.accept();
  CO_ASSERT_TRUE(accepted.has_value());
  EXPECT_EQ(client->peer_address(), address_of(listener));
  EXPECT_EQ(accepted->peer, expect_value(client->local_address()));
  EXPECT_EQ(accepted->stream.local_address(), address_of(listener));
  EXPECT_EQ(accepted->stream.peer_address(), accepted->peer);
}

CO_TEST(TcpStream, ConnectsByName) {
  TcpListener listener = co_await listen_on_loopback();
  const std::string target = "localhost:" + std::to_string(address_of(listener).port());
  Result<TcpStream> client = co_await TcpStream::connect(target);
  CO_ASSERT_TRUE(client.has_value());
}

CO_TEST(TcpStream, ConnectsOverIpv6) {
  Result<TcpListener> listener = co_await TcpListener::bind("[::1]:0");
  if (!listener &&
      (listener.error().is_os(EADDRNOTAVAIL) || listener.error().is_os(EAFNOSUPPORT))) {
    co_return;  // a host without IPv6
  }
  CO_ASSERT_TRUE(listener.has_value());
  Result<TcpStream> client = co_await TcpStream::connect(address_of(*listener));
  CO_ASSERT_TRUE(client.has_value());
  Result<Accepted> accepted = co_await listener->accept();
  CO_ASSERT_TRUE(accepted.has_value());
  EXPECT_TRUE(accepted->peer.is_ipv6());
}

CO_TEST(TcpStream, ConnectIsRefusedWhereNobodyListens) {
  SocketAddress address;
  {
    TcpListener listener = co_await listen_on_loopback();
    address = address_of(listener);
  }
  Result<TcpStream> client = co_await TcpStream::connect(address);
  CO_ASSERT_FALSE(client.has_value());
  EXPECT_TRUE(client.error().is_os(ECONNREFUSED)) << client.error().message();
  EXPECT_EQ(client.error().message(), "connect: connection refused");
}

CO_TEST(TcpStream, ConnectRefusesWhatIsNoTarget) {
  Result<TcpStream> client = co_await TcpStream::connect("nonsense");
  CO_ASSERT_FALSE(client.has_value());
  EXPECT_EQ(client.error().kind(), ErrorKind::kInvalidInput);
}

CO_TEST(TcpStream, DoesNotConnectToItself) {
  // A socket bound to the port that it connects to meets itself.
  TcpSocket socket = expect_value(TcpSocket::open_v4());
  CO_ASSERT_TRUE(socket.bind(SocketAddress::loopback_v4(0)).has_value());
  const SocketAddress own = expect_value(socket.local_address());
  Result<TcpStream> stream = co_await std::move(socket).connect(own);
  CO_ASSERT_FALSE(stream.has_value());
  EXPECT_TRUE(stream.error().is_os(ECONNREFUSED)) << stream.error().message();
}

// Data and FIN may come as one event; there is no second one.
CO_TEST(TcpStream, DataAndEndInOneEventBothArrive) {
  for (int round = 0; round < 200; ++round) {
    StreamPair pair = co_await connected_pair();
    const Result<void> sent = co_await pair.client.write_all("last words");
    CO_ASSERT_TRUE(sent.has_value());
    CO_ASSERT_TRUE(pair.client.shutdown(Shutdown::kWrite).has_value());
    std::array<char, 4096> buffer{};
    const Result<std::size_t> data = co_await pair.server.read(buffer);
    CO_ASSERT_EQ(data.value_or(0), 10u);
    const Result<std::size_t> end = co_await pair.server.read(buffer);
    CO_ASSERT_TRUE(end.has_value());
    CO_ASSERT_EQ(*end, 0u);
    const Result<std::size_t> again = co_await pair.server.read(buffer);
    CO_ASSERT_EQ(again.value_or(1), 0u);
  }
}

// The same when the reader is woken from its wait.
CO_TEST(TcpStream, DataAndEndReachAReaderThatWaits) {
  auto read_all = [](TcpStream stream) -> Task<std::string> {
    std::string all;
    std::array<char, 4096> buffer{};
    for (;;) {
      const Result<std::size_t> count = co_await stream.read(buffer);
      if (!count || *count == 0) {
        co_return all;
      }
      all.append(buffer.data(), *count);
    }
  };
  for (int round = 0; round < 200; ++round) {
    StreamPair pair = co_await connected_pair();
    auto reader = ringo::spawn(read_all(std::move(pair.server)));
    co_await ringo::yield_now();
    const Result<void> sent = co_await pair.client.write_all("last words");
    CO_ASSERT_TRUE(sent.has_value());
    CO_ASSERT_TRUE(pair.client.shutdown(Shutdown::kWrite).has_value());
    const JoinResult<std::string> received = co_await reader;
    CO_ASSERT_TRUE(received.has_value());
    CO_ASSERT_EQ(*received, "last words");
  }
}

CO_TEST(TcpStream, HalfClosedStreamStillReads) {
  StreamPair pair = co_await connected_pair();
  CO_ASSERT_TRUE(pair.client.shutdown(Shutdown::kWrite).has_value());
  std::array<char, 8> buffer{};
  const Result<std::size_t> end = co_await pair.server.read(buffer);
  CO_ASSERT_EQ(end.value_or(1), 0u);
  const Result<void> sent = co_await pair.server.write_all("reply");
  CO_ASSERT_TRUE(sent.has_value());
  const Result<void> received = co_await pair.client.read_exact(std::span(buffer).first(5));
  CO_ASSERT_TRUE(received.has_value());
  const Result<std::size_t> refused = co_await pair.client.write("x");
  CO_ASSERT_FALSE(refused.has_value());
  EXPECT_TRUE(refused.error().is_os(EPIPE));
}

CO_TEST(TcpStream, DropGivesTheWaitingPeerTheEndAtOnce) {
  StreamPair pair = co_await connected_pair();
  auto read_end = [](TcpStream stream) -> Task<std::size_t> {
    std::array<char, 8> buffer{};
    const Result<std::size_t> count = co_await stream.read(buffer);
    co_return count.value_or(99);
  };
  auto reader = ringo::spawn(read_end(std::move(pair.server)));
  co_await ringo::yield_now();
  ringo::drop(std::move(pair.client));
  const JoinResult<std::size_t> count = co_await reader;
  CO_ASSERT_TRUE(count.has_value());
  EXPECT_EQ(*count, 0u);
}

CO_TEST(TcpStream, DropSendsWhatWasWritten) {
  StreamPair pair = co_await connected_pair();
  const std::string sent = ringo::testing_support::pattern(100'000);
  std::size_t written = 0;
  while (written < sent.size()) {
    const Result<std::size_t> count = pair.client.try_write(std::string_view(sent).substr(written));
    if (!count) {
      CO_ASSERT_TRUE(count.error().is_os(EAGAIN));
      break;
    }
    written += *count;
  }
  CO_ASSERT_GT(written, 0u);
  ringo::drop(std::move(pair.client));
  std::string received(written, '\0');
  const Result<void> filled = co_await pair.server.read_exact(received);
  CO_ASSERT_TRUE(filled.has_value());
  EXPECT_EQ(received, sent.substr(0, written));
}

CO_TEST(TcpStream, WriteToAPeerThatIsGoneFailsWithoutASignal) {
  StreamPair pair = co_await connected_pair();
  CO_ASSERT_TRUE(pair.server.set_zero_linger().has_value());
  ringo::drop(std::move(pair.server));
  // The first write may still be taken; the reset comes back.
  std::optional<Error> error;
  while (!error) {
    const Result<std::size_t> count = co_await pair.client.write("x");
    if (!count) {
      error = count.error();
    }
    co_await ringo::yield_now();
  }
  EXPECT_TRUE(error->is_os(EPIPE) || error->is_os(ECONNRESET)) << error->message();
  const Result<std::size_t> again = co_await pair.client.write("x");
  CO_ASSERT_FALSE(again.has_value());
  EXPECT_TRUE(again.error().is_os(EPIPE));
}

CO_TEST(TcpStream, ReadExactSaysThatTheStreamEnded) {
  StreamPair pair = co_await connected_pair();
  const Result<void> sent = co_await pair.client.write_all("abc");
  CO_ASSERT_TRUE(sent.has_value());
  ringo::drop(std::move(pair.client));
  std::array<char, 4> buffer{};
  const Result<void> received = co_await pair.server.read_exact(buffer);
  CO_ASSERT_FALSE(received.has_value());
  EXPECT_EQ(received.error().kind(), ErrorKind::kUnexpectedEof);
}

CO_TEST(TcpStream, EmptyBuffersNeedNoWait) {
  StreamPair pair = co_await connected_pair();
  const Result<std::size_t> read = co_await pair.client.read(std::span<std::byte>());
  CO_ASSERT_EQ(read.value_or(1), 0u);
  const Result<void> exact = co_await pair.client.read_exact(std::span<std::byte>());
  CO_ASSERT_TRUE(exact.has_value());
  const Result<std::size_t> written = co_await pair.client.write("");
  CO_ASSERT_EQ(written.value_or(1), 0u);
  const Result<void> all = co_await pair.client.write_all("");
  CO_ASSERT_TRUE(all.has_value());
  Bytes nothing;
  const Result<std::size_t> buffer = co_await pair.client.write_all_buf(nothing);
  CO_ASSERT_EQ(buffer.value_or(1), 0u);
  const Result<std::size_t> vector = co_await pair.client.write_vectored({});
  CO_ASSERT_EQ(vector.value_or(1), 0u);
}

CO_TEST(TcpStream, PeekLeavesTheBytes) {
  StreamPair pair = co_await connected_pair();
  const Result<void> sent = co_await pair.client.write_all("peekaboo");
  CO_ASSERT_TRUE(sent.has_value());
  std::array<char, 4> buffer{};
  for (int i = 0; i < 3; ++i) {
    const Result<std::size_t> seen = co_await pair.server.peek(buffer);
    CO_ASSERT_EQ(seen.value_or(0), 4u);
    EXPECT_EQ(std::string_view(buffer.data(), 4), "peek");
  }
  std::array<char, 8> all{};
  const Result<void> received = co_await pair.server.read_exact(all);
  CO_ASSERT_TRUE(received.has_value());
  EXPECT_EQ(std::string_view(all.data(), 8), "peekaboo");
}

CO_TEST(TcpStream, ReadBufAppendsAndMakesRoom) {
  StreamPair pair = co_await connected_pair();
  BytesMut buffer;
  buffer.append("head:");
  const std::string sent = ringo::testing_support::pattern(10'000);
  const Result<void> written = co_await pair.client.write_all(sent);
  CO_ASSERT_TRUE(written.has_value());
  while (buffer.size() < sent.size() + 5) {
    const Result<std::size_t> count = co_await pair.server.read_buf(buffer);
    CO_ASSERT_TRUE(count.has_value());
    CO_ASSERT_GT(*count, 0u);
  }
  EXPECT_EQ(buffer.view(), "head:" + sent);
}

CO_TEST(TcpStream, WriteBufTakesOffWhatItSent) {
  StreamPair pair = co_await connected_pair(4096);
  Bytes bytes = Bytes::copy_from(ringo::testing_support::pattern(1'000'000));
  const Result<std::size_t> count = co_await pair.client.write_buf(bytes);
  CO_ASSERT_TRUE(count.has_value());
  CO_ASSERT_GT(*count, 0u);
  EXPECT_EQ(bytes.size(), 1'000'000 - *count);
  EXPECT_EQ(bytes, ringo::testing_support::pattern(bytes.size(), *count));
}

CO_TEST(TcpStream, WritesSeveralBuffersAtOnce) {
  StreamPair pair = co_await connected_pair();
  const std::string text = "two";
  const Bytes bytes = Bytes::from_static("three");
  const std::array<ConstBuffer, 4> buffers{ConstBuffer("one"), ConstBuffer(text), ConstBuffer(""),
                                           ConstBuffer(bytes)};
  const Result<std::size_t> sent = co_await pair.client.write_vectored(buffers);
  CO_ASSERT_EQ(sent.value_or(0), 11u);
  std::array<char, 11> received{};
  const Result<void> filled = co_await pair.server.read_exact(received);
  CO_ASSERT_TRUE(filled.has_value());
  EXPECT_EQ(std::string_view(received.data(), received.size()), "onetwothree");
}

CO_TEST(TcpStream, VectoredWriteConsidersSixtyFourBuffers) {
  StreamPair pair = co_await connected_pair();
  for (const std::size_t count : {64u, 65u}) {
    const std::vector<ConstBuffer> buffers(count, ConstBuffer("x"));
    const Result<std::size_t> sent = co_await pair.client.write_vectored(buffers);
    CO_ASSERT_EQ(sent.value_or(0), 64u);
  }
}

CO_TEST(TcpStream, TryMethodsDoNotWait) {
  StreamPair pair = co_await connected_pair();
  std::array<char, 8> buffer{};
  const Result<std::size_t> nothing = pair.server.try_read(buffer);
  CO_ASSERT_FALSE(nothing.has_value());
  EXPECT_TRUE(nothing.error().is_os(EAGAIN));
  CO_ASSERT_EQ(pair.client.try_write("abc").value_or(0), 3u);
  for (;;) {
    const Result<void> ready = co_await pair.server.readable();
    CO_ASSERT_TRUE(ready.has_value());
    const Result<std::size_t> count = pair.server.try_read(buffer);
    if (count) {
      CO_ASSERT_EQ(*count, 3u);
      break;
    }
    CO_ASSERT_TRUE(count.error().is_os(EAGAIN));
  }
  const Result<void> writable = co_await pair.client.writable();
  CO_ASSERT_TRUE(writable.has_value());
}

CO_TEST(TcpStream, OptionsReadBackAsSet) {
  StreamPair pair = co_await connected_pair();
  TcpStream& stream = pair.client;
  EXPECT_EQ(stream.nodelay(), false);
  CO_ASSERT_TRUE(stream.set_nodelay(true).has_value());
  EXPECT_EQ(stream.nodelay(), true);
  EXPECT_EQ(stream.keepalive(), false);
  Keepalive keepalive(std::chrono::seconds(77));
  keepalive.interval = std::chrono::seconds(7);
  keepalive.probes = 3;
  CO_ASSERT_TRUE(stream.set_keepalive(keepalive).has_value());
  EXPECT_EQ(stream.keepalive(), true);
  int idle = 0;
  socklen_t size = sizeof(idle);
  CO_ASSERT_EQ(getsockopt(stream.fd(), IPPROTO_TCP, TCP_KEEPIDLE, &idle, &size), 0);
  EXPECT_EQ(idle, 77);
  CO_ASSERT_TRUE(stream.set_keepalive(std::nullopt).has_value());
  EXPECT_EQ(stream.keepalive(), false);
  EXPECT_EQ(expect_value(stream.linger()), std::nullopt);
  CO_ASSERT_TRUE(stream.set_zero_linger().has_value());
  EXPECT_EQ(expect_value(stream.linger()), std::chrono::seconds(0));
  CO_ASSERT_TRUE(stream.set_recv_buffer_size(8192).has_value());
  EXPECT_EQ(stream.recv_buffer_size(), 16384);  // the kernel doubles it
  CO_ASSERT_TRUE(stream.set_send_buffer_size(8192).has_value());
  EXPECT_EQ(stream.send_buffer_size(), 16384);
  CO_ASSERT_TRUE(stream.set_ttl(33).has_value());
  EXPECT_EQ(stream.ttl(), 33);
  const Result<std::optional<Error>> error = stream.take_error();
  CO_ASSERT_TRUE(error.has_value());
  EXPECT_FALSE(error->has_value());
}

CO_TEST(TcpStream, AdoptsAndGivesAwayDescriptors) {
  int ends[2] = {-1, -1};
  CO_ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  TcpStream first = expect_value(TcpStream::from_fd(ends[0]));
  TcpStream second = expect_value(TcpStream::from_fd(ends[1]));
  EXPECT_NE(fcntl(ends[0], F_GETFL) & O_NONBLOCK, 0);
  const Result<void> sent = co_await first.write_all("ping");
  CO_ASSERT_TRUE(sent.has_value());
  std::array<char, 4> buffer{};
  const Result<void> received = co_await second.read_exact(buffer);
  CO_ASSERT_TRUE(received.has_value());
  const Result<SocketAddress> address = first.local_address();
  CO_ASSERT_FALSE(address.has_value());
  EXPECT_EQ(address.error().kind(), ErrorKind::kUnsupported);
  // The connection goes on with whoever has the descriptor.
  const Result<int> fd = std::move(first).into_fd();
  CO_ASSERT_TRUE(fd.has_value());
  CO_ASSERT_EQ(::write(*fd, "pong", 4), 4);
  const Result<void> more = co_await second.read_exact(buffer);
  CO_ASSERT_TRUE(more.has_value());
  EXPECT_EQ(std::string_view(buffer.data(), 4), "pong");
  CO_ASSERT_EQ(::close(*fd), 0);
  const Result<std::size_t> end = co_await second.read(buffer);
  CO_ASSERT_EQ(end.value_or(1), 0u);
}

CO_TEST(TcpStream, FromFdLeavesABadDescriptorAlone) {
  const Result<TcpStream> stream = TcpStream::from_fd(-1);
  CO_ASSERT_FALSE(stream.has_value());
  EXPECT_TRUE(stream.error().is_os(EBADF));
  co_return;
}

CO_TEST(TcpStream, BorrowedHalvesServeOneTask) {
  StreamPair pair = co_await connected_pair();
  auto [read_half, write_half] = pair.client.split();
  const Result<void> sent = co_await write_half.write_all("abc");
  CO_ASSERT_TRUE(sent.has_value());
  std::array<char, 3> buffer{};
  const Result<void> passed = co_await pair.server.read_exact(buffer);
  CO_ASSERT_TRUE(passed.has_value());
  const Result<void> echoed = co_await pair.server.write_all(buffer);
  CO_ASSERT_TRUE(echoed.has_value());
  const Result<void> received = co_await read_half.read_exact(buffer);
  CO_ASSERT_TRUE(received.has_value());
  CO_ASSERT_TRUE(write_half.shutdown().has_value());
  const Result<std::size_t> end = co_await pair.server.read(buffer);
  CO_ASSERT_EQ(end.value_or(1), 0u);
}

CO_TEST(TcpStream, DroppingTheOwnedWriteHalfEndsTheDirection) {
  StreamPair pair = co_await connected_pair();
  auto halves = std::move(pair.client).into_split();
  ringo::drop(std::move(halves.second));
  std::array<char, 8> buffer{};
  const Result<std::size_t> end = co_await pair.server.read(buffer);
  CO_ASSERT_EQ(end.value_or(1), 0u);
  const Result<void> sent = co_await pair.server.write_all("still");
  CO_ASSERT_TRUE(sent.has_value());
  const Result<void> received = co_await halves.first.read_exact(std::span(buffer).first(5));
  CO_ASSERT_TRUE(received.has_value());
}

CO_TEST(TcpStream, ForgettingTheWriteHalfKeepsTheDirection) {
  StreamPair pair = co_await connected_pair();
  std::array<char, 8> buffer{};
  {
    auto halves = std::move(pair.client).into_split();
    std::move(halves.second).forget();
    const Result<std::size_t> count = pair.server.try_read(buffer);
    CO_ASSERT_FALSE(count.has_value());
    EXPECT_TRUE(count.error().is_os(EAGAIN));
  }
  const Result<std::size_t> end = co_await pair.server.read(buffer);
  CO_ASSERT_EQ(end.value_or(1), 0u);
}

CO_TEST(TcpStream, HalvesReuniteOnlyWithTheirOwn) {
  StreamPair pair = co_await connected_pair();
  auto client = std::move(pair.client).into_split();
  auto server = std::move(pair.server).into_split();
  const Result<TcpStream> mixed = reunite(std::move(client.first), std::move(server.second));
  CO_ASSERT_FALSE(mixed.has_value());
  EXPECT_EQ(mixed.error().kind(), ErrorKind::kInvalidInput);
  Result<TcpStream> stream = reunite(std::move(client.first), std::move(client.second));
  CO_ASSERT_TRUE(stream.has_value());
  const Result<void> sent = co_await stream->write_all("one");
  CO_ASSERT_TRUE(sent.has_value());
  std::array<char, 3> buffer{};
  const Result<void> received = co_await server.first.read_exact(buffer);
  CO_ASSERT_TRUE(received.has_value());
  const Result<int> fd = std::move(*stream).into_fd();
  CO_ASSERT_TRUE(fd.has_value()) << "a reunited stream has one owner again";
  ::close(*fd);
}

CO_TEST(TcpStream, CopyMovesEverythingToTheEnd) {
  StreamPair source = co_await connected_pair();
  StreamPair sink = co_await connected_pair();
  const std::string sent = ringo::testing_support::pattern(300'000);
  auto feed = [](TcpStream stream, std::string bytes) -> Task<void> {
    const Result<void> written = co_await stream.write_all(bytes);
    EXPECT_TRUE(written.has_value());
  };
  auto pump = [](TcpStream from, TcpStream to) -> Task<Result<std::uint64_t>> {
    const Result<std::uint64_t> count = co_await ringo::io::copy(from, to);
    co_return count;
  };
  auto feeding = ringo::spawn(feed(std::move(source.client), sent));
  auto pumping = ringo::spawn(pump(std::move(source.server), std::move(sink.client)));
  std::string received(sent.size(), '\0');
  const Result<void> filled = co_await sink.server.read_exact(received);
  CO_ASSERT_TRUE(filled.has_value());
  EXPECT_EQ(received, sent);
  const JoinResult<Result<std::uint64_t>> pumped = co_await pumping;
  CO_ASSERT_TRUE(pumped.has_value());
  CO_ASSERT_TRUE(pumped->has_value());
  EXPECT_EQ(**pumped, sent.size());
  const JoinResult<void> fed = co_await feeding;
  EXPECT_TRUE(fed.has_value());
}

CO_TEST(TcpListener, SaysThatTheAddressIsInUse) {
  TcpListener listener = co_await listen_on_loopback();
  Result<TcpListener> second = co_await TcpListener::bind(address_of(listener));
  CO_ASSERT_FALSE(second.has_value());
  EXPECT_TRUE(second.error().is_os(EADDRINUSE)) << second.error().message();
}

CO_TEST(TcpListener, SharesAPortOnRequest) {
  std::optional<TcpListener> first;
  SocketAddress address = SocketAddress::loopback_v4(0);
  for (int i = 0; i < 2; ++i) {
    TcpSocket socket = expect_value(TcpSocket::open_v4());
    CO_ASSERT_TRUE(socket.set_reuse_port(true).has_value());
    CO_ASSERT_TRUE(socket.bind(address).has_value());
    TcpListener listener = expect_value(std::move(socket).listen(16));
    address = address_of(listener);
    if (!first) {
      first.emplace(std::move(listener));
    }
  }
}

CO_TEST(TcpListener, AcceptsWhatWaitedInTheBacklog) {
  TcpListener listener = co_await listen_on_loopback();
  std::vector<TcpStream> clients;
  for (int i = 0; i < 50; ++i) {
    Result<TcpStream> client = co_await TcpStream::connect(address_of(listener));
    CO_ASSERT_TRUE(client.has_value());
    clients.push_back(std::move(*client));
  }
  for (int i = 0; i < 50; ++i) {
    Result<Accepted> accepted = co_await listener.accept();
    CO_ASSERT_TRUE(accepted.has_value());
  }
}

CO_TEST(TcpListener, AdoptsAListeningDescriptor) {
  TcpListener listener = co_await listen_on_loopback();
  const SocketAddress address = address_of(listener);
  const int fd = expect_value(std::move(listener).into_fd());
  TcpListener adopted = expect_value(TcpListener::from_fd(fd));
  Result<TcpStream> client = co_await TcpStream::connect(address);
  CO_ASSERT_TRUE(client.has_value());
  Result<Accepted> accepted = co_await adopted.accept();
  CO_ASSERT_TRUE(accepted.has_value());
}

}  // namespace
