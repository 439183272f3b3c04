// SPDX-License-Identifier: MIT
//
// See manager_load.h.
//
// Thread safety: as said there.

#include "client/manager_load.h"

#include <ringo/bytes.h>
#include <ringo/client/error.h>
#include <ringo/client/manager.h>
#include <ringo/client/options.h>
#include <ringo/join_error.h>
#include <ringo/protocol/frame.h>
#include <ringo/spawn.h>
#include <ringo/task.h>
#include <ringo/yield.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "client/fake_server.h"

#include "support/co_test.h"

namespace ringo::client::testing {
namespace {

constexpr const char* kHost = "127.0.0.1";

std::string name_of(std::size_t caller, std::size_t request) {
  return std::to_string(caller) + ":" + std::to_string(request);
}

/// How many replies were the right ones; stops at the first that was not.
Task<std::size_t> call(Handle handle, std::size_t caller, std::size_t requests) {
  for (std::size_t i = 0; i < requests; ++i) {
    const std::string text = name_of(caller, i);
    const ClientResult<protocol::Frame> reply = co_await handle.command("ECHO", text);
    if (!reply || reply->as_text() != text) {
      ADD_FAILURE() << text << " got " << (reply ? reply->to_string() : reply.error().message());
      co_return i;
    }
  }
  co_return requests;
}

ManagerOptions without_timeout() {
  ManagerOptions options;
  options.connect.request_timeout.reset();
  return options;
}

Task<void> set_and_get(Handle handle, std::size_t caller, std::size_t count) {
  constexpr std::size_t kSize = std::size_t{64} * 1024;
  const std::string key = std::to_string(caller);
  for (std::size_t i = 0; i < count; ++i) {
    const std::string value(kSize, static_cast<char>('a' + (caller + i) % 26));
    const ClientResult<bool> stored = co_await handle.set(key, value);
    CO_ASSERT_EQ(stored, true);
    const ClientResult<std::optional<Bytes>> found = co_await handle.get(key);
    CO_ASSERT_TRUE(found.has_value() && found->has_value());
    CO_ASSERT_TRUE(**found == value) << "caller " << caller << ", value " << i;
  }
}

}  // namespace

Task<void> many_callers(std::size_t callers, std::size_t requests) {
  const FakeServer server = FakeServer::with_store(std::make_shared<FakeStore>());
  ClientResult<Managed> managed = co_await connect_managed(kHost, server.port(), without_timeout());
  CO_ASSERT_TRUE(managed.has_value());
  std::vector<JoinHandle<std::size_t>> tasks;
  for (std::size_t caller = 0; caller < callers; ++caller) {
    tasks.push_back(spawn(call(managed->handle, caller, requests)));
  }
  std::size_t right = 0;
  for (JoinHandle<std::size_t>& task : tasks) {
    const JoinResult<std::size_t> done = co_await task;
    CO_ASSERT_TRUE(done.has_value()) << done.error().message();
    right += *done;
  }
  EXPECT_EQ(right, callers * requests);
  const ManagerMetrics metrics = managed->handle.metrics();
  EXPECT_EQ(metrics.requests, callers * requests);
  EXPECT_LT(metrics.batches, metrics.requests);
  EXPECT_EQ(metrics.in_flight, 0U);
  EXPECT_EQ(server.accepted(), 1);
}

Task<void> many_callers_and_aborts(std::size_t callers, std::size_t requests, std::uint64_t seed) {
  const auto store = std::make_shared<FakeStore>();
  const FakeServer server = FakeServer::with_store(store);
  ClientResult<Managed> managed = co_await connect_managed(kHost, server.port(), without_timeout());
  CO_ASSERT_TRUE(managed.has_value());
  std::vector<JoinHandle<std::size_t>> tasks;
  for (std::size_t caller = 0; caller < callers; ++caller) {
    tasks.push_back(spawn(call(managed->handle, caller, requests)));
  }
  std::mt19937_64 random(seed);
  std::vector<bool> is_aborted(callers, false);
  for (std::size_t i = 0; i < callers / 2; ++i) {
    const std::size_t victim = random() % callers;
    tasks[victim].abort();
    is_aborted[victim] = true;
    for (std::uint64_t pause = random() % 20; pause != 0; --pause) {
      co_await yield_now();
    }
  }
  for (std::size_t caller = 0; caller < callers; ++caller) {
    const JoinResult<std::size_t> done = co_await tasks[caller];
    CO_ASSERT_TRUE(done.has_value() || is_aborted[caller]);
    if (done) {
      EXPECT_EQ(*done, requests);
    }
  }
  const std::size_t right = co_await call(managed->handle, callers, 1);
  EXPECT_EQ(right, 1U);
  const ManagerMetrics metrics = managed->handle.metrics();
  EXPECT_EQ(metrics.in_flight, 0U) << "the last reply came after all others";
  EXPECT_EQ(metrics.requests, store->requests());
  EXPECT_EQ(metrics.connections_lost, 0U);
}

Task<void> large_values(std::size_t count, std::size_t callers) {
  constexpr int kSmallBuffer = 4096;
  FakeServer::Options small;
  small.socket_buffer = kSmallBuffer;
  const FakeServer server = FakeServer::with_store(std::make_shared<FakeStore>(), small);
  ManagerOptions options = without_timeout();
  options.connect.send_buffer_size = kSmallBuffer;
  options.connect.recv_buffer_size = kSmallBuffer;
  ClientResult<Managed> managed = co_await connect_managed(kHost, server.port(), options);
  CO_ASSERT_TRUE(managed.has_value());
  std::vector<JoinHandle<void>> tasks;
  for (std::size_t caller = 0; caller < callers; ++caller) {
    tasks.push_back(spawn(set_and_get(managed->handle, caller, count / callers)));
  }
  for (JoinHandle<void>& task : tasks) {
    const JoinResult<void> done = co_await task;
    EXPECT_TRUE(done.has_value());
  }
  EXPECT_EQ(managed->handle.metrics().replies, 2 * count);
}

}  // namespace ringo::client::testing
