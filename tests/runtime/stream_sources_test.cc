// SPDX-License-Identifier: MIT
//
// Streams of ranges, receivers, intervals, listeners and join sets.
//
// Thread safety: tests.

#include <ringo/generator.h>
#include <ringo/interval.h>
#include <ringo/join_error.h>
#include <ringo/join_set.h>
#include <ringo/net/address.h>
#include <ringo/net/tcp.h>
#include <ringo/result.h>
#include <ringo/select.h>
#include <ringo/spawn.h>
#include <ringo/stream.h>
#include <ringo/stream_sources.h>
#include <ringo/sync/broadcast.h>
#include <ringo/sync/broadcast_error.h>
#include <ringo/sync/mpmc.h>
#include <ringo/sync/mpsc.h>
#include <ringo/sync/watch.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/yield.h>

#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/co_test.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;
using Numbers = std::vector<int>;

CO_TEST(StreamSource, HeaderExample) {
  int sum = 0;
  auto [tx, rx] = ringo::mpsc::channel<int>(4);
  auto messages = ringo::stream::as_stream(std::move(rx));
  (void)tx.try_send(2);
  (void)tx.try_send(3);
  drop(std::move(tx));
  while (std::optional<int> message = co_await messages.next()) {
    sum += *message;
  }
  EXPECT_EQ(sum, 5);
}

CO_TEST(StreamSource, IterMovesOutOfWhatItOwnsAndCopiesFromAView) {
  std::vector<std::unique_ptr<int>> owned;
  owned.push_back(std::make_unique<int>(4));
  Generator<std::unique_ptr<int>> moved = stream::iter(std::move(owned));
  std::optional<std::unique_ptr<int>> first = co_await moved.next();
  EXPECT_EQ(**first, 4);
  std::vector<std::string> names{"one", "two"};
  auto copying = stream::iter(std::span(names)) | stream::collect();
  const std::vector<std::string> copied = co_await std::move(copying);
  EXPECT_EQ(copied, names);
}

CO_TEST(StreamSource, UnboundedAndMpmcReceivers) {
  auto [unbounded, messages] = mpsc::unbounded_channel<int>();
  auto [work, jobs] = mpmc::bounded<int>(4);
  (void)unbounded.send(1);
  (void)work.try_send(2);
  drop(std::move(unbounded));
  drop(std::move(work));
  auto collecting = stream::as_stream(std::move(messages)) |
                    stream::chain(stream::as_stream(std::move(jobs))) | stream::collect();
  const auto got_1 = co_await std::move(collecting);
  EXPECT_EQ(got_1, (Numbers{1, 2}));
}

CO_TEST(StreamSource, BroadcastTellsWhatWasMissed) {
  auto [tx, rx] = broadcast::channel<int>(2);
  auto heard = stream::as_stream(std::move(rx));
  for (int i = 1; i <= 3; ++i) {
    tx.send(i).value();
  }
  drop(std::move(tx));
  using Heard = std::expected<int, broadcast::RecvError>;
  std::optional<Heard> lagged = co_await heard.next();
  CO_ASSERT_TRUE(lagged.has_value());
  EXPECT_EQ(lagged->error(), broadcast::RecvError(broadcast::RecvFailure::kLagged, 1));
  std::optional<Heard> second = co_await heard.next();
  EXPECT_EQ(second->value(), 2);
  std::optional<Heard> third = co_await heard.next();
  EXPECT_EQ(third->value(), 3);
  std::optional<Heard> end = co_await heard.next();
  EXPECT_FALSE(end.has_value());
}

CO_TEST(StreamSource, BroadcastEndsAfterItTellsOfItsDisconnection) {
  auto [tx, rx] = broadcast::channel<int>(2, broadcast::Overflow::kDisconnectSlow);
  auto heard = stream::as_stream(std::move(rx));
  for (int i = 1; i <= 3; ++i) {
    (void)tx.send(i);
  }
  std::optional<std::expected<int, broadcast::RecvError>> told = co_await heard.next();
  CO_ASSERT_TRUE(told.has_value());
  EXPECT_EQ(told->error().reason, broadcast::RecvFailure::kDisconnected);
  std::optional<std::expected<int, broadcast::RecvError>> end = co_await heard.next();
  EXPECT_FALSE(end.has_value());
}

CO_TEST(StreamSource, WatchGivesTheValueAndThenItsChanges) {
  auto [tx, rx] = watch::channel<int>(1);
  auto values = stream::as_stream(std::move(rx));
  EXPECT_EQ(co_await values.next(), 1);
  (void)co_await select(biased, values.next(), yield_now());
  tx.send(2).value();
  tx.send(3).value();
  EXPECT_EQ(co_await values.next(), 3);
  drop(std::move(tx));
  EXPECT_EQ(co_await values.next(), std::nullopt);
}

CO_TEST_PAUSED(StreamSource, IntervalTicks) {
  const Instant start = Clock::now();
  auto ticking = stream::as_stream(time::interval(10ms)) |
                 stream::map([start](Instant tick) { return (tick - start) / 10ms; }) |
                 stream::take(3) | stream::collect();
  const auto ticks = co_await std::move(ticking);
  EXPECT_EQ(ticks.size(), 3U);
  EXPECT_EQ(ticks.back(), 2);
  EXPECT_GE(Clock::now() - start, 20ms);
}

CO_TEST(StreamSource, ListenerAccepts) {
  Result<net::TcpListener> listener = co_await net::TcpListener::bind("127.0.0.1:0");
  CO_ASSERT_TRUE(listener.has_value());
  const net::SocketAddress address = listener->local_address().value();
  auto connections = stream::as_stream(*std::move(listener));
  for (int i = 0; i < 2; ++i) {
    Result<net::TcpStream> client = co_await net::TcpStream::connect(address);
    CO_ASSERT_TRUE(client.has_value());
    std::optional<Result<net::Accepted>> accepted = co_await connections.next();
    CO_ASSERT_TRUE(accepted.has_value());
    EXPECT_TRUE(accepted->has_value());
  }
}

CO_TEST(StreamSource, JoinSetGivesItsResults) {
  JoinSet<int> set;
  for (int i = 1; i <= 3; ++i) {
    const auto gives = [](int n) -> Task<int> { co_return n; };
    set.spawn(gives(i));
  }
  auto summing = stream::as_stream(std::move(set)) |
                 stream::map([](JoinResult<int> ended) { return ended.value(); }) |
                 stream::fold(0, [](int sum, int n) { return sum + n; });
  EXPECT_EQ(co_await std::move(summing), 6);
}

}  // namespace
}  // namespace ringo
