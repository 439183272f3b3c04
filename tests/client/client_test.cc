// SPDX-License-Identifier: MIT
//
// Client and BlockingClient against a server in the same process.
//
// Thread safety: tests.

#include <ringo/bytes.h>
#include <ringo/client/blocking_client.h>
#include <ringo/client/client.h>
#include <ringo/client/error.h>
#include <ringo/client/options.h>
#include <ringo/protocol/frame.h>
#include <ringo/protocol/resp.h>
#include <ringo/runtime.h>
#include <ringo/sync/oneshot.h>
#include <ringo/task.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "client/fake_server.h"

#include "support/abort_harness.h"
#include "support/co_test.h"

namespace ringo::client {
namespace {

using namespace std::chrono_literals;
using testing::FakeServer;
using testing::FakeStore;
using testing::Peer;

constexpr const char* kHost = "127.0.0.1";

CO_TEST(Client, GetsWhatItSet) {
  const FakeServer server = FakeServer::with_store(std::make_shared<FakeStore>());
  ClientResult<Client> client = co_await Client::connect(kHost, server.port());
  CO_ASSERT_TRUE(client.has_value()) << client.error().message();

  const ClientResult<std::optional<Bytes>> missing = co_await client->get("hello");
  CO_ASSERT_TRUE(missing.has_value());
  EXPECT_FALSE(missing->has_value());
  const ClientResult<bool> stored = co_await client->set("hello", "world");
  EXPECT_EQ(stored, true);
  const ClientResult<std::optional<Bytes>> found = co_await client->get("hello");
  CO_ASSERT_TRUE(found.has_value() && found->has_value());
  EXPECT_EQ(**found, "world");
  const ClientResult<std::int64_t> one = co_await client->incr("n");
  EXPECT_EQ(one, 1);
  const ClientResult<std::int64_t> deleted = co_await client->del("hello");
  EXPECT_EQ(deleted, 1);
  const ClientResult<Bytes> pong = co_await client->ping();
  CO_ASSERT_TRUE(pong.has_value());
  EXPECT_EQ(*pong, "PONG");
  const ClientResult<protocol::Frame> echoed = co_await client->command("ECHO", "hi");
  CO_ASSERT_TRUE(echoed.has_value());
  EXPECT_EQ(echoed->as_text(), "hi");
}

CO_TEST(Client, GivesTheServersErrorAndGoesOn) {
  const FakeServer server = FakeServer::with_store(std::make_shared<FakeStore>());
  ClientResult<Client> client = co_await Client::connect(kHost, server.port());
  CO_ASSERT_TRUE(client.has_value());
  const ClientResult<protocol::Frame> refused = co_await client->command("NONSENSE");
  CO_ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().kind(), ClientErrorKind::kServer);
  EXPECT_EQ(refused.error().message(), "ERR unknown command 'NONSENSE'");
  EXPECT_EQ(refused.error().code(), "ERR");
  const ClientResult<Bytes> pong = co_await client->ping();
  EXPECT_TRUE(pong.has_value());
}

CO_TEST(Client, SaysWhyItCouldNotConnect) {
  FakeServer server = FakeServer::with_store(std::make_shared<FakeStore>());
  co_await server.stop();
  const ClientResult<Client> client = co_await Client::connect(kHost, server.port());
  CO_ASSERT_FALSE(client.has_value());
  EXPECT_EQ(client.error().kind(), ClientErrorKind::kConnectFailed);
  EXPECT_EQ(client.error().message(), "could not connect to 127.0.0.1:" +
                                          std::to_string(server.port()) + ": connection refused");
  CO_ASSERT_TRUE(client.error().cause().has_value());
  EXPECT_TRUE(client.error().cause()->is_os(ECONNREFUSED));
}

Task<void> record_set_up(Peer peer, std::shared_ptr<std::vector<std::string>> seen) {
  for (;;) {
    const std::vector<std::string> words = co_await peer.request();
    if (words.empty()) {
      co_return;
    }
    std::string line;
    for (const std::string& word : words) {
      line += word + " ";
    }
    seen->push_back(line);
    const std::string reply = words[0] == "SELECT"  ? "-ERR DB index is out of range\r\n"
                              : words[0] == "HELLO" ? "%1\r\n+proto\r\n:3\r\n"
                                                    : "+OK\r\n";
    (void)co_await peer.send(reply);
  }
}

CO_TEST(Client, SetsTheConnectionUp) {
  const auto seen = std::make_shared<std::vector<std::string>>();
  const FakeServer server =
      FakeServer::start([seen](Peer peer, int) { return record_set_up(std::move(peer), seen); });
  ConnectOptions options;
  options.username = "me";
  options.password = "secret";
  options.client_name = "tester";
  options.version = protocol::RespVersion::kResp3;
  ClientResult<Client> client = co_await Client::connect(kHost, server.port(), options);
  CO_ASSERT_TRUE(client.has_value()) << client.error().message();
  EXPECT_EQ(*seen,
            (std::vector<std::string>{"AUTH me secret ", "HELLO 3 ", "CLIENT SETNAME tester "}));
  options.database = 99;
  const ClientResult<Client> refused = co_await Client::connect(kHost, server.port(), options);
  CO_ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().kind(), ClientErrorKind::kServer);
  EXPECT_EQ(refused.error().message(), "ERR DB index is out of range");
}

/// Answers the first request only after the second has come, or half a reply at once.
Task<void> answer_late(Peer peer, std::shared_ptr<std::optional<oneshot::Receiver<int>>> go) {
  (void)co_await peer.request();
  (void)co_await peer.send("$5\r\nfir");
  (void)co_await **go;
  (void)co_await peer.send("st\r\n");
  for (;;) {
    const std::vector<std::string> words = co_await peer.request();
    if (words.empty()) {
      co_return;
    }
    (void)co_await peer.send(FakeStore::bulk(words.at(1)));
  }
}

CO_TEST(Client, StaysInStepAfterATimeout) {
  auto [go, wait] = oneshot::channel<int>();
  const auto gate = std::make_shared<std::optional<oneshot::Receiver<int>>>(std::move(wait));
  const FakeServer server =
      FakeServer::start([gate](Peer peer, int) { return answer_late(std::move(peer), gate); });
  ConnectOptions options;
  options.request_timeout = 30ms;
  ClientResult<Client> client = co_await Client::connect(kHost, server.port(), options);
  CO_ASSERT_TRUE(client.has_value());
  const ClientResult<std::optional<Bytes>> first = co_await client->get("first");
  CO_ASSERT_FALSE(first.has_value());
  EXPECT_EQ(first.error().kind(), ClientErrorKind::kTimedOut);
  (void)go.send(1);
  for (const std::string_view key : {"second", "third"}) {
    ClientResult<std::optional<Bytes>> value = co_await client->get(key);
    while (!value && value.error().kind() == ClientErrorKind::kTimedOut) {
      value = co_await client->get(key);
    }
    CO_ASSERT_TRUE(value.has_value() && value->has_value());
    EXPECT_EQ(**value, key);
  }
}

Task<void> answer_with(Peer peer, std::string bytes) {
  (void)co_await peer.request();
  (void)co_await peer.send(bytes);
  (void)co_await peer.request();  // the end of the stream
}

CO_TEST(Client, EndsWithAMalformedReply) {
  const FakeServer server =
      FakeServer::start([](Peer peer, int) { return answer_with(std::move(peer), "what?\r\n"); });
  ClientResult<Client> client = co_await Client::connect(kHost, server.port());
  CO_ASSERT_TRUE(client.has_value());
  for (int i = 0; i < 2; ++i) {
    const ClientResult<Bytes> pong = co_await client->ping();
    CO_ASSERT_FALSE(pong.has_value());
    EXPECT_EQ(pong.error().kind(), ClientErrorKind::kProtocol);
  }
}

CO_TEST(Client, EndsWithASurplusReply) {
  const FakeServer server = FakeServer::start(
      [](Peer peer, int) { return answer_with(std::move(peer), "+PONG\r\n+PONG\r\n"); });
  ClientResult<Client> client = co_await Client::connect(kHost, server.port());
  CO_ASSERT_TRUE(client.has_value());
  const ClientResult<Bytes> first = co_await client->ping();
  EXPECT_TRUE(first.has_value());
  const ClientResult<Bytes> second = co_await client->ping();
  CO_ASSERT_FALSE(second.has_value()) << "that reply was no answer to it";
  EXPECT_EQ(second.error().kind(), ClientErrorKind::kProtocol);
}

CO_TEST(Client, SaysThatTheServerHasGone) {
  FakeServer server = FakeServer::with_store(std::make_shared<FakeStore>());
  ClientResult<Client> client = co_await Client::connect(kHost, server.port());
  CO_ASSERT_TRUE(client.has_value());
  const ClientResult<Bytes> before = co_await client->ping();
  CO_ASSERT_TRUE(before.has_value());
  co_await server.stop();
  for (int i = 0; i < 2; ++i) {
    const ClientResult<Bytes> pong = co_await client->ping();
    CO_ASSERT_FALSE(pong.has_value());
    EXPECT_EQ(pong.error().kind(), ClientErrorKind::kConnectionLost);
  }
}

CO_TEST(Client, GivesAReplyOfAnotherTypeAsAnError) {
  const FakeServer server =
      FakeServer::start([](Peer peer, int) { return answer_with(std::move(peer), ":5\r\n"); });
  ClientResult<Client> client = co_await Client::connect(kHost, server.port());
  CO_ASSERT_TRUE(client.has_value());
  const ClientResult<std::optional<Bytes>> value = co_await client->get("k");
  CO_ASSERT_FALSE(value.has_value());
  EXPECT_EQ(value.error().kind(), ClientErrorKind::kUnexpectedReply);
  EXPECT_EQ(value.error().message(), "unexpected reply: (integer) 5");
}

Task<int> set_and_get_once() {
  const FakeServer server = FakeServer::with_store(std::make_shared<FakeStore>());
  ClientResult<Client> client = co_await Client::connect(kHost, server.port());
  if (!client) {
    co_return -1;
  }
  (void)co_await client->set("k", "v");
  const ClientResult<std::optional<Bytes>> value = co_await client->get("k");
  co_return value && *value && **value == "v" ? 1 : 0;
}

TEST(Client, MayBeAbortedAnywhere) {
  testing_support::abort_at_every_step([] { return set_and_get_once(); });
}

TEST(BlockingClient, WorksWithoutATask) {
  Runtime runtime = testing_support::multi_thread_runtime();
  std::optional<FakeServer> server;
  {
    const ringo::Handle::EnterGuard guard = runtime.enter();
    server.emplace(FakeServer::with_store(std::make_shared<FakeStore>()));
  }
  ClientResult<BlockingClient> client = BlockingClient::connect(kHost, server->port());
  ASSERT_TRUE(client.has_value()) << client.error().message();
  EXPECT_EQ(client->set("k", "v"), true);
  const ClientResult<std::optional<Bytes>> value = client->get("k");
  ASSERT_TRUE(value.has_value() && value->has_value());
  EXPECT_EQ(**value, "v");
  EXPECT_EQ(client->incr("n"), 1);
  BlockingClient moved = *std::move(client);
  EXPECT_EQ(moved.incr("n"), 2);
  EXPECT_EQ(moved.del("k"), 1);
  const std::array<std::string_view, 1> words{"NONSENSE"};
  EXPECT_EQ(moved.command(words).error().kind(), ClientErrorKind::kServer);
}

}  // namespace
}  // namespace ringo::client
