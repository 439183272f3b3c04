// SPDX-License-Identifier: MIT
//
// A manager and its handles against a server in the same process: everybody gets their own reply,
// whatever happens to the others, the server and the connection.
//
// Thread safety: tests.

#include <ringo/bytes.h>
#include <ringo/client/error.h>
#include <ringo/client/manager.h>
#include <ringo/client/options.h>
#include <ringo/join_error.h>
#include <ringo/protocol/frame.h>
#include <ringo/result.h>
#include <ringo/spawn.h>
#include <ringo/sync/semaphore.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/usage_error.h>
#include <ringo/yield.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "client/fake_server.h"
#include "client/manager_load.h"

#include "support/abort_harness.h"
#include "support/co_test.h"
#include "support/random_seed.h"

namespace ringo::client {
namespace {

using namespace std::chrono_literals;
using testing::FakeServer;
using testing::FakeStore;
using testing::Peer;

constexpr const char* kHost = "127.0.0.1";

CO_TEST(Manager, GivesEveryCallerItsOwnReply) {
  co_await testing::many_callers(1000, 100);
}

TEST(Manager, GivesEveryCallerItsOwnReplyWhileOthersAreAborted) {
  std::mt19937_64 random = testing_support::seeded_random();
  testing_support::multi_thread_runtime().block_on(
      testing::many_callers_and_aborts(300, 50, random()));
  testing_support::current_thread_runtime().block_on(
      testing::many_callers_and_aborts(300, 50, random()));
}

CO_TEST(Manager, GetsLargeValuesThroughSmallBuffers) {
  co_await testing::large_values(100, 10);
}

/// Answers nothing before a permit comes; then everything.
struct Gate {
  Semaphore open{0};
  std::atomic<int> seen{0};
};

Task<void> read_ahead(Peer& peer, std::shared_ptr<Gate> gate, std::shared_ptr<FakeStore> store) {
  const Result<SemaphorePermit> permit = co_await gate->open.acquire();
  gate->open.add_permits(permit ? 1 : 0);
  for (;;) {
    const std::vector<std::string> words = co_await peer.request();
    if (words.empty()) {
      co_return;
    }
    ++gate->seen;
    (void)co_await peer.send(store->reply_to(words));
  }
}

Task<void> serve_behind(Peer peer, std::shared_ptr<Gate> gate, std::shared_ptr<FakeStore> store) {
  co_await read_ahead(peer, gate, store);
}

struct GatedServer {
  GatedServer()
      : gate(std::make_shared<Gate>()),
        store(std::make_shared<FakeStore>()),
        server(FakeServer::start([this_gate = gate, this_store = store](Peer peer, int) {
          return serve_behind(std::move(peer), this_gate, this_store);
        })) {}
  void open() const { gate->open.add_permits(1); }

  std::shared_ptr<Gate> gate;
  std::shared_ptr<FakeStore> store;
  FakeServer server;
};

Task<ClientResult<std::string>> echo(Handle handle, std::string text) {
  const ClientResult<protocol::Frame> reply = co_await handle.command("ECHO", text);
  if (!reply) {
    co_return std::unexpected<ClientError>(reply.error());
  }
  co_return std::string(reply->as_text().value_or("?"));
}

Task<void> until_in_flight(Handle handle, std::uint64_t count) {
  while (handle.metrics().in_flight != count) {
    co_await yield_now();
  }
}
Task<void> until_queued(Handle handle, std::uint64_t count) {
  while (handle.metrics().queued != count) {
    co_await yield_now();
  }
}

Task<void> send_gathered_requests() {
  constexpr std::size_t kCallers = 200;
  const GatedServer gated;
  ManagerOptions options;
  options.max_in_flight = 1000;
  ClientResult<Managed> managed = co_await connect_managed(kHost, gated.server.port(), options);
  CO_ASSERT_TRUE(managed.has_value());
  std::vector<JoinHandle<ClientResult<std::string>>> callers;
  for (std::size_t i = 0; i < kCallers; ++i) {
    callers.push_back(spawn(echo(managed->handle, std::to_string(i))));
  }
  co_await until_in_flight(managed->handle, kCallers);
  gated.open();
  for (std::size_t i = 0; i < kCallers; ++i) {
    const JoinResult<ClientResult<std::string>> reply = co_await callers[i];
    CO_ASSERT_TRUE(reply.has_value());
    EXPECT_EQ(*reply, std::to_string(i));
  }
  const ManagerMetrics metrics = managed->handle.metrics();
  EXPECT_EQ(metrics.requests, kCallers);
  EXPECT_EQ(metrics.replies, kCallers);
  EXPECT_EQ(metrics.in_flight, 0U);
  EXPECT_LT(metrics.batches, kCallers / 4);
}

// One thread: that the callers come before the manager's next look is then the scheduler's order,
// whereas a second worker may take each request as it comes.
TEST(Manager, SendsWhatHasGatheredAsOneBatch) {
  testing_support::current_thread_runtime().block_on(send_gathered_requests());
  testing_support::multi_thread_runtime(1).block_on(send_gathered_requests());
}

CO_TEST(Manager, HoldsUpThe33rdWhenItIsStuck) {
  const GatedServer gated;
  ManagerOptions options;
  options.max_in_flight = 1;
  options.connect.request_timeout.reset();
  ClientResult<Managed> managed = co_await connect_managed(kHost, gated.server.port(), options);
  CO_ASSERT_TRUE(managed.has_value());
  std::vector<JoinHandle<ClientResult<std::string>>> callers;
  callers.push_back(spawn(echo(managed->handle, "first")));
  co_await until_in_flight(managed->handle, 1);
  for (int i = 0; i < 32; ++i) {
    callers.push_back(spawn(echo(managed->handle, std::to_string(i))));
  }
  co_await until_queued(managed->handle, 32);

  // It waits for room, so it has not been sent when its time is up: nothing is withdrawn.
  const ClientResult<std::string> too_many =
      co_await echo(managed->handle.with_timeout(30ms), "33rd");
  CO_ASSERT_FALSE(too_many.has_value());
  EXPECT_EQ(too_many.error().kind(), ClientErrorKind::kTimedOut);
  EXPECT_TRUE(too_many.error().message().ends_with("(queued 32, in flight 1, connections lost 0)"))
      << too_many.error().message();

  gated.open();
  for (JoinHandle<ClientResult<std::string>>& caller : callers) {
    const JoinResult<ClientResult<std::string>> reply = co_await caller;
    CO_ASSERT_TRUE(reply.has_value());
    EXPECT_TRUE(reply->has_value());
  }
  EXPECT_EQ(managed->handle.metrics().requests, 33U);
  EXPECT_EQ(managed->handle.metrics().withdrawn, 0U);
  EXPECT_EQ(gated.gate->seen.load(), 33);
}

CO_TEST(Manager, DoesNotSendWhatNobodyWaitsFor) {
  const GatedServer gated;
  ManagerOptions options;
  options.max_in_flight = 1;
  ClientResult<Managed> managed = co_await connect_managed(kHost, gated.server.port(), options);
  CO_ASSERT_TRUE(managed.has_value());
  JoinHandle<ClientResult<std::string>> first = spawn(echo(managed->handle, "first"));
  co_await until_in_flight(managed->handle, 1);
  JoinHandle<ClientResult<std::string>> second = spawn(echo(managed->handle, "second"));
  co_await until_queued(managed->handle, 1);
  second.abort();
  (void)co_await second;
  gated.open();
  const JoinResult<ClientResult<std::string>> reply = co_await first;
  CO_ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(*reply, "first");
  const ClientResult<std::string> third = co_await echo(managed->handle, "third");
  EXPECT_EQ(third, "third");
  EXPECT_EQ(managed->handle.metrics().withdrawn, 1U);
  EXPECT_EQ(gated.gate->seen.load(), 2);
}

CO_TEST(Manager, StaysInStepAfterATimeout) {
  const GatedServer gated;
  ClientResult<Managed> managed = co_await connect_managed(kHost, gated.server.port());
  CO_ASSERT_TRUE(managed.has_value());
  const ClientResult<std::string> late =
      co_await echo(managed->handle.with_timeout(20ms), "too late");
  CO_ASSERT_FALSE(late.has_value());
  EXPECT_EQ(late.error().kind(), ClientErrorKind::kTimedOut);
  gated.open();
  for (const char* text : {"second", "third"}) {
    const ClientResult<std::string> reply = co_await echo(managed->handle, text);
    EXPECT_EQ(reply, text);
  }
  EXPECT_EQ(managed->handle.metrics().replies, 3U);
}

CO_TEST(Manager, FailsEverybodyWhenTheServerDies) {
  GatedServer gated;
  ManagerOptions options;
  options.max_in_flight = 10;
  options.when_lost = WhenLost::kEnd;
  ClientResult<Managed> managed = co_await connect_managed(kHost, gated.server.port(), options);
  CO_ASSERT_TRUE(managed.has_value());
  std::vector<JoinHandle<ClientResult<std::string>>> callers;
  for (int i = 0; i < 60; ++i) {  // 10 in flight, 32 queued, 18 that wait for room
    callers.push_back(spawn(echo(managed->handle, std::to_string(i))));
  }
  co_await until_in_flight(managed->handle, 10);
  co_await until_queued(managed->handle, 32);
  co_await gated.server.stop();
  for (JoinHandle<ClientResult<std::string>>& caller : callers) {
    const JoinResult<ClientResult<std::string>> reply = co_await caller;
    CO_ASSERT_TRUE(reply.has_value() && !reply->has_value());
    EXPECT_EQ(reply->error().kind(), ClientErrorKind::kConnectionLost) << reply->error().message();
  }
  const JoinResult<void> ended = co_await managed->manager;
  EXPECT_TRUE(ended.has_value());
  const ClientResult<std::string> later = co_await echo(managed->handle, "later");
  CO_ASSERT_FALSE(later.has_value());
  EXPECT_EQ(later.error().kind(), ClientErrorKind::kConnectionLost);
  EXPECT_EQ(managed->handle.metrics().in_flight, 0U);
}

CO_TEST(Manager, NoticesAtOnceThatAnIdleConnectionEnds) {
  FakeServer server = FakeServer::with_store(std::make_shared<FakeStore>());
  ManagerOptions options;
  options.when_lost = WhenLost::kEnd;
  ClientResult<Managed> managed = co_await connect_managed(kHost, server.port(), options);
  CO_ASSERT_TRUE(managed.has_value());
  const ClientResult<Bytes> pong = co_await managed->handle.ping();
  CO_ASSERT_TRUE(pong.has_value());
  co_await server.stop();
  const JoinResult<void> ended = co_await managed->manager;
  EXPECT_TRUE(ended.has_value());
}

CO_TEST(Manager, ConnectsAgain) {
  const auto store = std::make_shared<FakeStore>();
  FakeServer server = FakeServer::with_store(store);
  ManagerOptions options;
  options.initial_backoff = 1ms;
  options.max_backoff = 4ms;
  options.attempts_before_failing = 3;
  ClientResult<Managed> managed = co_await connect_managed(kHost, server.port(), options);
  CO_ASSERT_TRUE(managed.has_value());
  const ClientResult<bool> stored = co_await managed->handle.set("k", "v");
  CO_ASSERT_EQ(stored, true);
  FakeServer::Options same_port;
  same_port.port = server.port();
  co_await server.stop();

  // Depending on whether the loss has been noticed: in flight, or queued until attempts failed.
  ClientResult<std::optional<Bytes>> value = co_await managed->handle.get("k");
  CO_ASSERT_FALSE(value.has_value());
  while (value.error().kind() == ClientErrorKind::kConnectionLost) {
    value = co_await managed->handle.get("k");
    CO_ASSERT_FALSE(value.has_value());
  }
  EXPECT_EQ(value.error().kind(), ClientErrorKind::kConnectFailed);
  EXPECT_GE(managed->handle.metrics().failed_attempts, 3U);

  const FakeServer again = FakeServer::with_store(store, same_port);
  while (!value) {
    EXPECT_EQ(value.error().kind(), ClientErrorKind::kConnectFailed);
    value = co_await managed->handle.get("k");
  }
  CO_ASSERT_TRUE(value->has_value());
  EXPECT_EQ(**value, "v");
  EXPECT_EQ(managed->handle.metrics().connections_lost, 1U);
}

CO_TEST(Manager, EndsWhileItConnectsAgain) {
  FakeServer server = FakeServer::with_store(std::make_shared<FakeStore>());
  ManagerOptions options;
  options.initial_backoff = 1h;
  options.max_backoff = 1h;
  ClientResult<Managed> managed = co_await connect_managed(kHost, server.port(), options);
  CO_ASSERT_TRUE(managed.has_value());
  co_await server.stop();
  while (managed->handle.metrics().connections_lost == 0) {
    co_await yield_now();
  }
  JoinHandle<void> manager = std::move(managed->manager);
  drop(*std::move(managed));
  const JoinResult<void> ended = co_await manager;
  EXPECT_TRUE(ended.has_value());
}

Task<void> answer_third_with(Peer peer, std::string bytes) {
  for (int i = 0; i < 2; ++i) {
    const std::vector<std::string> words = co_await peer.request();
    if (words.empty()) {
      co_return;
    }
    (void)co_await peer.send(FakeStore::bulk(words.at(1)));
  }
  (void)co_await peer.request();
  (void)co_await peer.send(bytes);
  (void)co_await peer.request();  // the end of the stream
}

Task<void> expect_protocol_error(std::string third_reply) {
  const FakeServer server = FakeServer::start(
      [third_reply](Peer peer, int) { return answer_third_with(std::move(peer), third_reply); });
  ManagerOptions options;
  options.when_lost = WhenLost::kEnd;
  ClientResult<Managed> managed = co_await connect_managed(kHost, server.port(), options);
  CO_ASSERT_TRUE(managed.has_value());
  for (const char* text : {"one", "two"}) {
    const ClientResult<std::string> reply = co_await echo(managed->handle, text);
    EXPECT_EQ(reply, text);
  }
  (void)co_await echo(managed->handle, "three");
  const JoinResult<void> ended = co_await managed->manager;
  EXPECT_TRUE(ended.has_value());
  const ClientResult<std::string> later = co_await echo(managed->handle, "later");
  CO_ASSERT_FALSE(later.has_value());
  EXPECT_EQ(later.error().kind(), ClientErrorKind::kProtocol) << later.error().message();
}

CO_TEST(Manager, EndsWithAMalformedReply) {
  co_await expect_protocol_error("what?\r\n");
}
CO_TEST(Manager, EndsWithASurplusReply) {
  co_await expect_protocol_error("+three\r\n+four\r\n");
}

CO_TEST(Manager, PassesPushesOver) {
  const FakeServer server = FakeServer::start([](Peer peer, int) {
    return answer_third_with(std::move(peer), ">1\r\n+news\r\n$5\r\nthree\r\n");
  });
  ClientResult<Managed> managed = co_await connect_managed(kHost, server.port());
  CO_ASSERT_TRUE(managed.has_value());
  for (const char* text : {"one", "two", "three"}) {
    const ClientResult<std::string> reply = co_await echo(managed->handle, text);
    EXPECT_EQ(reply, text);
  }
  EXPECT_EQ(managed->handle.metrics().pushes, 1U);
}

Task<void> note_the_end(Peer peer, std::shared_ptr<FakeStore> store,
                        std::shared_ptr<Semaphore> has_ended) {
  for (;;) {
    const std::vector<std::string> words = co_await peer.request();
    if (words.empty()) {
      has_ended->add_permits(1);
      co_return;
    }
    (void)co_await peer.send(store->reply_to(words));
  }
}

CO_TEST(Manager, ClosesTheConnectionAfterTheLastHandle) {
  const auto store = std::make_shared<FakeStore>();
  const auto has_ended = std::make_shared<Semaphore>(0);
  const FakeServer server = FakeServer::start([store, has_ended](Peer peer, int) {
    return note_the_end(std::move(peer), store, has_ended);
  });
  ClientResult<Managed> managed = co_await connect_managed(kHost, server.port());
  CO_ASSERT_TRUE(managed.has_value());
  Handle second = managed->handle;
  JoinHandle<void> manager = std::move(managed->manager);
  drop(*std::move(managed));
  const ClientResult<std::string> reply = co_await echo(second, "still here");
  EXPECT_EQ(reply, "still here");
  EXPECT_EQ(has_ended->available_permits(), 0U);

  // A request that is under way when the handle goes is still answered.
  JoinHandle<ClientResult<std::string>> last = spawn(echo(std::move(second), "the last"));
  const JoinResult<ClientResult<std::string>> last_reply = co_await last;
  CO_ASSERT_TRUE(last_reply.has_value());
  EXPECT_EQ(*last_reply, "the last");
  const JoinResult<void> ended = co_await manager;
  EXPECT_TRUE(ended.has_value());
  const Result<SemaphorePermit> seen = co_await has_ended->acquire();
  EXPECT_TRUE(seen.has_value());
}

CO_TEST(Manager, FailsItsCallersWhenItIsAborted) {
  const GatedServer gated;
  ManagerOptions options;
  options.max_in_flight = 1;
  ClientResult<Managed> managed = co_await connect_managed(kHost, gated.server.port(), options);
  CO_ASSERT_TRUE(managed.has_value());
  JoinHandle<ClientResult<std::string>> in_flight = spawn(echo(managed->handle, "1"));
  co_await until_in_flight(managed->handle, 1);
  JoinHandle<ClientResult<std::string>> queued = spawn(echo(managed->handle, "2"));
  co_await until_queued(managed->handle, 1);
  managed->manager.abort();
  for (JoinHandle<ClientResult<std::string>>* caller : {&in_flight, &queued}) {
    const JoinResult<ClientResult<std::string>> reply = co_await *caller;
    CO_ASSERT_TRUE(reply.has_value() && !reply->has_value());
    EXPECT_EQ(reply->error().kind(), ClientErrorKind::kClosed);
  }
}

CO_TEST(Manager, RefusesWhatMustNotBeShared) {
  const FakeServer server = FakeServer::with_store(std::make_shared<FakeStore>());
  ClientResult<Managed> managed = co_await connect_managed(kHost, server.port());
  CO_ASSERT_TRUE(managed.has_value());
  const ClientResult<protocol::Frame> refused = co_await managed->handle.command("BLPOP", "k", "0");
  CO_ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().kind(), ClientErrorKind::kNotAllowed);
  EXPECT_EQ(managed->handle.metrics().requests, 0U);
}

TEST(Manager, NeedsRoomForAtLeastOne) {
  ManagerOptions no_queue;
  no_queue.queue_capacity = 0;
  EXPECT_THROW((void)connect_managed(kHost, 1, no_queue), UsageError);
  ManagerOptions none_in_flight;
  none_in_flight.max_in_flight = 0;
  EXPECT_THROW((void)connect_managed(kHost, 1, none_in_flight), UsageError);
}

Task<int> set_and_get_through_a_manager() {
  const FakeServer server = FakeServer::with_store(std::make_shared<FakeStore>());
  ClientResult<Managed> managed = co_await connect_managed(kHost, server.port());
  if (!managed) {
    co_return -1;
  }
  (void)co_await managed->handle.set("k", "v");
  const ClientResult<std::optional<Bytes>> value = co_await managed->handle.get("k");
  co_return value && *value && **value == "v" ? 1 : 0;
}

TEST(Manager, MayBeAbortedAnywhere) {
  testing_support::abort_at_every_step([] { return set_and_get_through_a_manager(); });
}

}  // namespace
}  // namespace ringo::client
