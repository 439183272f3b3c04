// SPDX-License-Identifier: MIT
//
// Connections, driven by hand over a socketpair; the limit on their number; and a whole Server with
// real clients in the same runtime. Whole programs are tested in tests/integration.

#include <ringo/bytes.h>
#include <ringo/join_error.h>
#include <ringo/net/address.h>
#include <ringo/net/tcp.h>
#include <ringo/result.h>
#include <ringo/server/config.h>
#include <ringo/server/server.h>
#include <ringo/server/session.h>
#include <ringo/server/state.h>
#include <ringo/server/stats.h>
#include <ringo/spawn.h>
#include <ringo/sync/semaphore.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/harness.h"

#include "commands/client_registry.h"
#include "net/acceptor.h"
#include "net/connection.h"
#include "net/connection_limit.h"
#include "net/server_core.h"
#include "support/co_test.h"

namespace ringo::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Next = Connection::Next;

Config test_config() {
  Config config = Harness::config();
  config.port = 0;
  return config;
}

/// A connection that no task serves, and the client's end of it.
class ByHand {
 public:
  explicit ByHand(std::shared_ptr<ServerCore> core = std::make_shared<ServerCore>(test_config()))
      : core_(std::move(core)) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
      throw std::runtime_error("socketpair");
    }
    client_ = ends[0];
    Result<net::TcpStream> stream = net::TcpStream::from_fd(ends[1]);
    std::optional<SemaphorePermit> permit = core_->limit.try_admit(100);
    if (!stream || !permit) {
      throw std::runtime_error("no connection");
    }
    connection_ =
        std::make_unique<Connection>(core_, *std::move(permit), *std::move(stream), SessionPeer{});
  }
  ~ByHand() { hang_up(); }
  ByHand(const ByHand&) = delete;
  ByHand& operator=(const ByHand&) = delete;
  ByHand(ByHand&&) = delete;
  ByHand& operator=(ByHand&&) = delete;

  Connection& operator*() { return *connection_; }
  Connection* operator->() { return connection_.get(); }
  ServerCore& core() { return *core_; }

  void send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(client_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0) {
        throw std::runtime_error("send");
      }
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  /// What one read finds; nothing if nothing is there.
  std::string receive() const {
    std::string bytes(std::size_t{4} * 1024 * 1024, '\0');
    const ssize_t size = ::recv(client_, bytes.data(), bytes.size(), MSG_DONTWAIT);
    bytes.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
    return bytes;
  }
  void hang_up() {
    if (client_ >= 0) {
      close(std::exchange(client_, -1));
    }
  }

  /// A step, as soon as something is there to be read.
  Task<Next> step() {
    const Result<void> ready = co_await connection_->stream().readable();
    EXPECT_TRUE(ready.has_value());
    co_return connection_->step();
  }

 private:
  std::shared_ptr<ServerCore> core_;
  std::unique_ptr<Connection> connection_;
  int client_ = -1;
};

std::string repeated(std::string_view text, std::size_t count) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) {
    all += text;
  }
  return all;
}

CO_TEST(Connection, WaitsWhereNothingHasArrived) {
  ByHand connection;
  EXPECT_EQ(connection->step(), Next::kRead);
  EXPECT_FALSE(connection->has_spare_memory());
  co_return;
}

CO_TEST(Connection, AnswersAPipelineWithOneSend) {
  ByHand connection;
  connection.send(repeated("PING\r\n", 100));
  const Next next = co_await connection.step();
  EXPECT_EQ(next, Next::kRead);
  // A socketpair keeps no boundaries, but what one step sends is there after it.
  EXPECT_EQ(connection.receive(), repeated("+PONG\r\n", 100));
  EXPECT_EQ(connection.core().state.stats().input_bytes.load(), 600);
  EXPECT_EQ(connection.core().state.stats().output_bytes.load(), 700);
}

CO_TEST(Connection, GoesOnWithARequestWhereverItWasCut) {
  const std::string request = encode({"SET", "key", "value"});
  for (std::size_t cut = 1; cut < request.size(); ++cut) {
    ByHand connection;
    connection.send(std::string_view(request).substr(0, cut));
    const Next first = co_await connection.step();
    CO_ASSERT_EQ(first, Next::kRead);
    CO_ASSERT_EQ(connection.receive(), "");
    connection.send(request.substr(cut) + "PING\r\n");
    const Next second = co_await connection.step();
    CO_ASSERT_EQ(second, Next::kRead);
    CO_ASSERT_EQ(connection.receive(), "+OK\r\n+PONG\r\n");
  }
}

CO_TEST(Connection, KeepsNoBufferAfterALargeValue) {
  ByHand connection;
  const std::string value(100'000, 'v');
  const std::string request = encode({"SET", "key", value});
  std::string answer;
  for (std::size_t at = 0; at < request.size(); at += 20'000) {
    connection.send(std::string_view(request).substr(at, 20'000));
    const Next next = co_await connection.step();
    CO_ASSERT_TRUE(next == Next::kRead || next == Next::kYield);
    answer += connection.receive();
  }
  EXPECT_EQ(answer, "+OK\r\n");
  EXPECT_TRUE(connection->has_spare_memory());
  connection->release_spare_memory();
  EXPECT_FALSE(connection->has_spare_memory());
  connection.send("STRLEN key\r\n");
  const Next next = co_await connection.step();
  EXPECT_EQ(next, Next::kRead);
  EXPECT_EQ(connection.receive(), ":100000\r\n");
}

CO_TEST(Connection, NeverReleasesAPartOfARequest) {
  ByHand connection;
  connection.send("*2\r\n$4\r\nECHO\r\n$20000\r\n" + std::string(9'999, 'x'));
  const Next first = co_await connection.step();
  EXPECT_EQ(first, Next::kRead);
  EXPECT_FALSE(connection->has_spare_memory());
  connection->release_spare_memory();
  connection.send(std::string(10'001, 'x') + "\r\n");
  const Next second = co_await connection.step();
  EXPECT_EQ(second, Next::kRead);
  EXPECT_EQ(connection.receive(), "$20000\r\n" + std::string(20'000, 'x') + "\r\n");
}

CO_TEST(Connection, LetsOthersRunBetweenLargeOutputs) {
  ByHand connection;
  connection.send(encode({"SET", "key", std::string(10'000, 'v')}));
  const Next set = co_await connection.step();
  EXPECT_EQ(set, Next::kRead);
  EXPECT_EQ(connection.receive(), "+OK\r\n");
  const std::string reply = "$10000\r\n" + std::string(10'000, 'v') + "\r\n";
  connection.send(repeated("GET key\r\n", 20));  // 200 KB: four times the output limit
  std::string answers;
  int yields = 0;
  Next next = co_await connection.step();
  while (next == Next::kYield) {
    ++yields;
    answers += connection.receive();
    next = connection->step();
  }
  answers += connection.receive();
  EXPECT_EQ(next, Next::kRead);
  EXPECT_EQ(yields, 2);  // 70 KB, 70 KB, and 60 KB
  EXPECT_EQ(answers, repeated(reply, 20));
}

CO_TEST(Connection, WaitsForASlowReaderBeforeItGoesOn) {
  ByHand connection;
  const std::string value(std::size_t{2} * 1024 * 1024, 'v');  // more than a socket takes
  std::string request = encode({"SET", "key", value});
  for (std::string_view rest = request; !rest.empty();) {
    const std::size_t size = std::min<std::size_t>(rest.size(), 50'000);
    connection.send(rest.substr(0, size));
    rest.remove_prefix(size);
    const Next next = co_await connection.step();
    CO_ASSERT_TRUE(next == Next::kRead || next == Next::kYield);
  }
  EXPECT_EQ(connection.receive(), "+OK\r\n");
  connection.send("GET key\r\nPING\r\n");
  const Next next = co_await connection.step();
  CO_ASSERT_EQ(next, Next::kWrite);
  EXPECT_FALSE(connection->output().empty());
  std::string answers;
  while (!connection->output().empty()) {
    answers += connection.receive();
    const Result<std::size_t> written =
        co_await connection->stream().write_buf(connection->output());
    CO_ASSERT_TRUE(written.has_value());
  }
  connection->output_written(0);
  answers += connection.receive();
  EXPECT_EQ(connection->step(), Next::kRead);  // the PING
  answers += connection.receive();
  EXPECT_TRUE(answers.ends_with("v\r\n+PONG\r\n"));
  EXPECT_EQ(answers.size(), value.size() + std::string_view("$2097152\r\n\r\n+PONG\r\n").size());
}

CO_TEST(Connection, EndsWithTheClient) {
  ByHand connection;
  connection.send("PING\r\n*1\r\n$4\r\nPI");
  const Next first = co_await connection.step();
  EXPECT_EQ(first, Next::kRead);
  EXPECT_EQ(connection.receive(), "+PONG\r\n");
  connection.hang_up();
  const Next second = co_await connection.step();
  EXPECT_EQ(second, Next::kClose);
  EXPECT_FALSE(connection->is_to_linger());
}

CO_TEST(Connection, HearsTheClientOutAfterItsLastReply) {
  for (const std::string_view last : {"QUIT\r\n", "*x\r\n"}) {
    ByHand connection;
    connection.send(std::string(last) + "PING\r\n");
    const Next next = co_await connection.step();
    EXPECT_EQ(next, Next::kClose);
    EXPECT_TRUE(connection->is_to_linger());
    EXPECT_THAT(connection.receive(), testing::Not(testing::HasSubstr("PONG")));
  }
}

CO_TEST(Connection, WakesUpWhenItIsKilled) {
  ByHand connection;
  EXPECT_EQ(connection->step(), Next::kRead);
  for (const std::shared_ptr<ClientRecord>& client : connection.core().state.clients().all()) {
    client->kill();
  }
  const Next next = co_await connection.step();
  EXPECT_EQ(next, Next::kClose);
  EXPECT_FALSE(connection->is_to_linger());
}

/// Whether a connection survives an unfinished request of so many bytes in all.
Task<bool> survives(std::size_t bytes, std::size_t limit) {
  ByHand connection;
  connection.core().state.config().max_query_bytes.store(limit);
  const std::string head = "*2\r\n$4\r\nECHO\r\n$10000000\r\n";
  const std::string data = head + std::string(bytes - head.size(), 'x');
  Next next = Next::kRead;
  for (std::string_view rest = data; !rest.empty() && next != Next::kClose;) {
    const std::size_t size = std::min<std::size_t>(rest.size(), 10'000);
    connection.send(rest.substr(0, size));
    rest.remove_prefix(size);
    next = co_await connection.step();
  }
  co_return next != Next::kClose;
}

CO_TEST(Connection, LimitsAnUnfinishedRequest) {
  const bool at_limit = co_await survives(100'000, 100'000);
  EXPECT_TRUE(at_limit);
  const bool beyond = co_await survives(100'001, 100'000);
  EXPECT_FALSE(beyond);
}

TEST(ConnectionLimit, AdmitsSoManyAndNotOneMore) {
  ConnectionLimit limit;
  std::vector<SemaphorePermit> permits;
  for (int i = 0; i < 3; ++i) {
    std::optional<SemaphorePermit> permit = limit.try_admit(3);
    ASSERT_TRUE(permit);
    permits.push_back(*std::move(permit));
  }
  EXPECT_FALSE(limit.try_admit(3));
  permits.pop_back();
  EXPECT_TRUE(limit.try_admit(3));
}

TEST(ConnectionLimit, FollowsTheSetting) {
  ConnectionLimit limit;
  std::optional<SemaphorePermit> first = limit.try_admit(1);
  std::optional<SemaphorePermit> second = limit.try_admit(2);
  ASSERT_TRUE(first && second);
  EXPECT_FALSE(limit.try_admit(1));
  first.reset();
  EXPECT_FALSE(limit.try_admit(1));  // the second takes the only place
  second.reset();
  EXPECT_TRUE(limit.try_admit(1));
}

CO_TEST(ConnectionLimit, TellsWhenNobodyIsLeft) {
  ConnectionLimit limit;
  const Result<void> none_yet = co_await limit.wait_until_empty(seconds(0));
  EXPECT_TRUE(none_yet.has_value());
  std::optional<SemaphorePermit> permit = limit.try_admit(5);
  CO_ASSERT_TRUE(permit.has_value());
  const Result<void> one_left = co_await limit.wait_until_empty(milliseconds(1));
  CO_ASSERT_FALSE(one_left.has_value());
  EXPECT_EQ(one_left.error().kind(), ErrorKind::kTimedOut);
  permit.reset();
  const Result<void> none_left = co_await limit.wait_until_empty(seconds(0));
  EXPECT_TRUE(none_left.has_value());
}

TEST(AcceptBackoff, GrowsToATenthOfASecond) {
  AcceptBackoff backoff;
  EXPECT_TRUE(backoff.is_new_burst());
  std::vector<Duration> pauses;
  for (int i = 0; i < 6; ++i) {
    pauses.push_back(backoff.next());
    EXPECT_FALSE(backoff.is_new_burst());
  }
  EXPECT_THAT(pauses, testing::ElementsAre(milliseconds(10), milliseconds(20), milliseconds(40),
                                           milliseconds(80), milliseconds(100), milliseconds(100)));
  backoff.succeeded();
  EXPECT_TRUE(backoff.is_new_burst());
  EXPECT_EQ(backoff.next(), milliseconds(10));
}

/// A client of a whole server.
Task<std::string> ask(net::TcpStream& stream, std::string request, std::size_t reply_size) {
  const Result<void> sent = co_await stream.write_all(request);
  EXPECT_TRUE(sent.has_value());
  std::string reply(reply_size, '\0');
  const Result<void> received = co_await stream.read_exact(reply);
  if (!received) {
    reply = received.error().message();
  }
  co_return reply;
}

CO_TEST(Server, ServesManyClientsAndEnds) {
  std::expected<Server, BindError> server = co_await Server::bind(test_config());
  CO_ASSERT_TRUE(server.has_value());
  CO_ASSERT_NE(server->addresses().front().port(), 0);
  JoinHandle<Result<void>> running = spawn(server->run());
  std::vector<net::TcpStream> clients;
  for (int i = 0; i < 50; ++i) {
    Result<net::TcpStream> client = co_await net::TcpStream::connect(server->addresses().front());
    CO_ASSERT_TRUE(client.has_value());
    clients.push_back(*std::move(client));
  }
  for (net::TcpStream& client : clients) {
    const std::string reply = co_await ask(client, "PING\r\n", 7);
    CO_ASSERT_EQ(reply, "+PONG\r\n");
  }
  EXPECT_EQ(server->state().connected_clients(), 50);
  EXPECT_EQ(server->state().stats().connections_received.load(), 50);
  server->shutdown_handle().shutdown();
  const JoinResult<Result<void>> ended = co_await running;
  CO_ASSERT_TRUE(ended.has_value());
  EXPECT_TRUE(ended->has_value());
  EXPECT_EQ(server->state().connected_clients(), 0);
  for (net::TcpStream& client : clients) {
    char byte = 0;
    const Result<std::size_t> end = co_await client.read(std::span<char>(&byte, 1));
    CO_ASSERT_TRUE(end.has_value());
    EXPECT_EQ(*end, 0);
  }
}

CO_TEST(Server, EndsAtOnceIfItWasToldBeforeItBegan) {
  std::expected<Server, BindError> server = co_await Server::bind(test_config());
  CO_ASSERT_TRUE(server.has_value());
  server->shutdown_handle().shutdown();
  server->shutdown_handle().shutdown();
  const Result<void> ended = co_await server->run();
  EXPECT_TRUE(ended.has_value());
}

CO_TEST(Server, SaysWhereItCannotListen) {
  std::expected<Server, BindError> first = co_await Server::bind(test_config());
  CO_ASSERT_TRUE(first.has_value());
  Config config = test_config();
  config.port = first->addresses().front().port();
  std::expected<Server, BindError> second = co_await Server::bind(config);
  CO_ASSERT_FALSE(second.has_value());
  EXPECT_TRUE(second.error().error.is_os(EADDRINUSE));
  EXPECT_EQ(second.error().address, "127.0.0.1:" + std::to_string(config.port));
  config.bind = " , ";
  std::expected<Server, BindError> nowhere = co_await Server::bind(config);
  CO_ASSERT_FALSE(nowhere.has_value());
  EXPECT_EQ(nowhere.error().error.kind(), ErrorKind::kInvalidInput);
}

CO_TEST(Server, ListensOnSeveralAddressesWithOnePort) {
  Config config = test_config();
  config.bind = "127.0.0.1, 127.0.0.2";
  std::expected<Server, BindError> server = co_await Server::bind(config);
  CO_ASSERT_TRUE(server.has_value());
  CO_ASSERT_EQ(server->addresses().size(), 2);
  EXPECT_EQ(server->addresses()[0].port(), server->addresses()[1].port());
  EXPECT_EQ(server->state().start_config().port, server->addresses()[0].port());
}

CO_TEST(Server, RemovesExpiredKeysByItself) {
  std::expected<Server, BindError> server = co_await Server::bind(test_config());
  CO_ASSERT_TRUE(server.has_value());
  JoinHandle<Result<void>> running = spawn(server->run());
  Result<net::TcpStream> client = co_await net::TcpStream::connect(server->addresses().front());
  CO_ASSERT_TRUE(client.has_value());
  const std::string set = co_await ask(*client, "SET key value PX 1\r\n", 5);
  CO_ASSERT_EQ(set, "+OK\r\n");
  std::string size;
  // DBSIZE does not look at the keys: only the housekeeping lets it fall.
  while (size != ":0\r\n") {
    size = co_await ask(*client, "DBSIZE\r\n", 4);
    co_await time::sleep(milliseconds(5));
  }
  server->shutdown_handle().shutdown();
  const JoinResult<Result<void>> ended = co_await running;
  EXPECT_TRUE(ended.has_value() && ended->has_value());
}

CO_TEST(Server, CutsOffThoseThatDoNotEndInTime) {
  std::expected<Server, BindError> server = co_await Server::bind(test_config());
  CO_ASSERT_TRUE(server.has_value());
  JoinHandle<Result<void>> running = spawn(server->run(milliseconds(10)));
  Result<net::TcpStream> client = co_await net::TcpStream::connect(server->addresses().front());
  CO_ASSERT_TRUE(client.has_value());
  const std::string value(std::size_t{16} * 1024 * 1024, 'v');
  const std::string request = encode({"SET", "key", value});
  const std::string set = co_await ask(*client, request, 5);
  CO_ASSERT_EQ(set, "+OK\r\n");
  // 160 MB of replies that nobody reads.
  const std::string first = co_await ask(*client, repeated("GET key\r\n", 10), 11);
  CO_ASSERT_EQ(first, "$16777216\r\n");
  server->shutdown_handle().shutdown();
  const JoinResult<Result<void>> ended = co_await running;
  CO_ASSERT_TRUE(ended.has_value());
  EXPECT_TRUE(ended->has_value());
  EXPECT_EQ(server->state().connected_clients(), 0);
}

}  // namespace
}  // namespace ringo::server
