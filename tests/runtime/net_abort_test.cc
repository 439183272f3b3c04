// SPDX-License-Identifier: MIT
//
// Everything of a socket that suspends may be destroyed where it waits: a task that listens,
// connects, accepts, reads and writes is aborted after each of its steps.

#include <ringo/net/tcp.h>
#include <ringo/result.h>
#include <ringo/spawn.h>
#include <ringo/task.h>
#include <ringo/yield.h>

#include <array>
#include <cstddef>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "net_support.h"
#include "support/abort_harness.h"
#include "support/tracked.h"

namespace ringo {
namespace {

using namespace std::chrono_literals;
using testing_support::Holds;
using testing_support::Tracked;

Task<void> answers(net::TcpStream stream, Tracked /*tracked*/) {
  std::array<std::byte, 16> request;
  const Result<void> received = co_await stream.read_exact(request);
  co_await yield_now();
  if (received) {
    (void)co_await stream.write_all(request);
  }
}

Task<std::string> asks_over_tcp() {
  const Tracked tracked;
  net::TcpListener listener = co_await testing_support::listen_on_loopback();
  Task<Result<net::TcpStream>> connecting =
      net::TcpStream::connect(testing_support::address_of(listener));
  Result<net::TcpStream> stream = co_await std::move(connecting);
  Result<net::Accepted> accepted = co_await listener.accept();
  if (!stream || !accepted) {
    co_return "not connected";
  }
  JoinHandle<void> other = spawn(answers(std::move(accepted->stream), Tracked()));
  const std::string question = "sixteen bytes...";
  (void)co_await stream->write_all(question);
  std::array<std::byte, 32> reply;
  std::string text;
  for (;;) {
    const Result<std::size_t> count = co_await stream->read(reply);
    if (!count || *count == 0) {
      break;
    }
    text.append(reinterpret_cast<const char*>(reply.data()), *count);
  }
  (void)co_await other;
  EXPECT_EQ(text, question);
  co_return text;
}

TEST(NetAbort, MayBeAbortedAnywhere) {
  testing_support::abort_at_every_step([] { return asks_over_tcp(); });
}

TEST(NetAbort, MayLoseATimeoutAnywhere) {
  testing_support::time_out_at_every_step([] { return asks_over_tcp(); }, Holds::kElsewhereToo);
}

}  // namespace
}  // namespace ringo
