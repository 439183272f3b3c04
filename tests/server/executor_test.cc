// SPDX-License-Identifier: MIT
//
// The pipeline: any split of the input gives the same output; limits, ends of connections,
// CLIENT REPLY, statistics, and clients that see each other.

#include <ringo/bytes.h>
#include <ringo/protocol/reply_writer.h>
#include <ringo/protocol/request_parser.h>
#include <ringo/server/executor.h>

#include <cstddef>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "server/harness.h"

#include "support/random_seed.h"

namespace ringo::server {
namespace {

std::string pipeline() {
  std::string input;
  for (int i = 0; i < 40; ++i) {  // more than one batch
    const std::string key = "key" + std::to_string(i);
    input += encode({"SET", key, "value"}) + encode({"GET", key}) + encode({"INCR", "n"});
  }
  input += "PING\r\n\r\n*0\r\nECHO \"quoted text\"\r\n";
  input += encode({"NOSUCH", "x"}) + encode({"GET"});
  input += encode({"MGET", "key1", "key2", "none"});
  return input;
}

TEST(Process, AnySplitOfTheInputGivesTheSameOutput) {
  Harness whole;
  const std::string input = pipeline();
  const std::string expected = whole.connection.send(input);
  for (std::size_t at = 0; at <= input.size(); at += 7) {
    Harness split;
    std::string output = split.connection.send(input.substr(0, at));
    output += split.connection.send(input.substr(at));
    ASSERT_EQ(output, expected) << at;
  }
  Harness bytewise;
  std::string output;
  for (const char byte : input) {
    output += bytewise.connection.send({&byte, 1});
  }
  EXPECT_EQ(output, expected);
}

TEST(Process, StopsBetweenTwoRequestsWhenTheOutputIsFull) {
  std::mt19937_64 random = testing_support::seeded_random();
  Harness whole;
  const std::string input = pipeline();
  const std::string expected = whole.connection.send(input);
  for (int round = 0; round < 50; ++round) {
    Harness harness;
    protocol::RequestParser parser;
    const std::size_t limit = 1 + random() % 200;
    // The input ends within a request: its progress must survive, or be begun anew.
    const std::size_t cut = random() % input.size();
    std::string pending = input.substr(0, cut);
    bool has_all = false;
    std::string output;
    for (;;) {
      BytesMut out;
      const ProcessResult result =
          process(harness.connection.session(), parser, pending, out, limit);
      ASSERT_LE(out.size(), limit + 100) << "one reply more at most";
      output += out.view();
      pending.erase(0, result.consumed);
      if (result.status == ProcessStatus::kNeedMore) {
        if (has_all) {
          break;
        }
        pending += input.substr(cut);
        has_all = true;
      }
    }
    ASSERT_EQ(output, expected);
  }
}

TEST(Process, TakesRequestsOfAnyNumberOfArguments) {
  for (const std::size_t count : {1, 2, 190, 191, 192, 193, 500, 5000}) {
    Harness harness;
    std::string request = "*" + std::to_string(count + 1);
    request += "\r\n$6\r\nEXISTS\r\n";
    for (std::size_t i = 0; i < count; ++i) {
      request += "$1\r\nk\r\n";
    }
    std::string input = encode({"SET", "k", "v"});
    input += request;
    input += encode({"PING"});
    input += request;
    EXPECT_EQ(harness.connection.send(input),
              fmt::format("+OK\r\n:{0}\r\n+PONG\r\n:{0}\r\n", count));
  }
}

TEST(Process, AProtocolErrorIsAnsweredAndEndsTheConnection) {
  Harness harness;
  EXPECT_EQ(harness.connection.send("PING\r\n*1\r\nPING\r\n"),
            "+PONG\r\n-ERR Protocol error: expected '$', got 'P'\r\n");
  EXPECT_EQ(harness.connection.status(), ProcessStatus::kClose);
  EXPECT_TRUE(harness.connection.session().closes_after_reply());
}

TEST(Process, NothingIsExecutedAfterQuit) {
  Harness harness;
  EXPECT_EQ(harness.connection.send("SET a 1\r\nQUIT\r\nSET b 1\r\n"), "+OK\r\n+OK\r\n");
  EXPECT_EQ(harness.connection.status(), ProcessStatus::kClose);
  TestClient other(harness.state);
  EXPECT_EQ(other.ask("EXISTS a b"), ":1\r\n");
}

TEST(Process, ClientReplyTurnsAnswersOffAndOn) {
  Harness harness;
  EXPECT_EQ(
      harness.connection.send("CLIENT REPLY OFF\r\nPING\r\nGET\r\nCLIENT REPLY ON\r\nPING\r\n"),
      "+OK\r\n+PONG\r\n");
  EXPECT_EQ(harness.connection.send("CLIENT REPLY SKIP\r\nECHO a\r\nECHO b\r\n"), "$1\r\nb\r\n");
  EXPECT_EQ(harness.connection.send(
                "CLIENT REPLY OFF\r\nCLIENT REPLY SKIP\r\nPING\r\nPING\r\nCLIENT REPLY ON\r\n"),
            "+OK\r\n");
  EXPECT_EQ(harness.ask("CLIENT REPLY MAYBE"), "-ERR syntax error\r\n");
  EXPECT_EQ(harness.connection.send("CLIENT REPLY SKIP\r\nCLIENT REPLY ON\r\n"), "+OK\r\n");
}

/// Sends a request in the two halves that a connection uses; nothing if it is none for them.
std::optional<std::string> send_foreseen(Session& session, std::string_view input,
                                         protocol::RequestParser& parser) {
  const std::optional<ForeseenRequest> request = foresee(session, parser, input);
  if (!request) {
    return std::nullopt;
  }
  fetch_entry(session, *request);
  BytesMut out;
  (void)process_foreseen(session, parser, *request, out);
  return std::string(out.view());
}

TEST(Foresee, GivesTheRepliesOfProcess) {
  Harness one;
  Harness other;
  protocol::RequestParser parser;
  const std::string long_value(1000, 'x');
  for (const std::string& input :
       {encode({"SET", "k", "v"}), encode({"GET", "k"}), encode({"get", "none"}), encode({"PING"}),
        encode({"NOSUCH", "k"}), encode({"GET"}), encode({"MGET", "k", "none"}),
        encode({"SET", "k", long_value}), encode({"STRLEN", "k"}), encode({"SET", "k", "v", "NX"}),
        encode({"CONFIG", "GET", "port"}), encode({"CLIENT", "ID"}), encode({"INCR", "k"}),
        encode({"CLIENT", "REPLY", "SKIP"}), encode({"GET", "k"}), encode({"DEL", "k"})}) {
    const auto reply = send_foreseen(one.connection.session(), input, parser);
    ASSERT_TRUE(reply.has_value()) << input;
    EXPECT_EQ(*reply, other.connection.send(input)) << input;
  }
  EXPECT_EQ(one.ask("INFO commandstats"), other.ask("INFO commandstats"));
}

TEST(Foresee, TakesOneWholeRequestOnlyAndLosesNothingElse) {
  const std::string request = encode({"SET", "k", "v"});
  // What it refuses, and what comes after it.
  std::vector<std::pair<std::string, std::string>> others = {
      {"PING\r\n", ""},           {"*", request.substr(1)}, {"*0\r\n", request},
      {"*0\r\n" + request, ""},   {"\r\n" + request, ""},   {"*-1\r\n", request},
      {request + request, ""},    {request + "*", "0\r\n"}, {"*x\r\n", ""},
      {"*1\r\nPING\r\n", request}};
  for (std::size_t size = 1; size < request.size(); ++size) {
    others.emplace_back(request.substr(0, size), request.substr(size));
  }
  for (const auto& [input, rest] : others) {
    Harness one;
    Harness other;
    protocol::RequestParser parser;
    ASSERT_FALSE(send_foreseen(one.connection.session(), input, parser).has_value()) << input;
    BytesMut out;
    ProcessResult result = process(one.connection.session(), parser, input, out);
    if (result.status == ProcessStatus::kNeedMore) {
      result = process(one.connection.session(), parser, input.substr(result.consumed) + rest, out);
    }
    EXPECT_EQ(out.view(), other.connection.send(input + rest)) << input;
    EXPECT_EQ(result.status, other.connection.status()) << input;
  }
}

TEST(Foresee, ExecutesWhenTheTimeHasComeNotBefore) {
  Harness harness;
  TestClient other(harness.state);
  protocol::RequestParser parser;
  Session& session = harness.connection.session();
  const std::string request = encode({"GET", "k"});
  const auto foreseen = foresee(session, parser, request);
  ASSERT_TRUE(foreseen.has_value());
  other.ask("SET k new");  // somebody was faster
  fetch_entry(session, *foreseen);
  other.ask("FLUSHALL\r\nSET k newer");
  BytesMut out;
  EXPECT_EQ(process_foreseen(session, parser, *foreseen, out), ProcessStatus::kNeedMore);
  EXPECT_EQ(out.view(), "$5\r\nnewer\r\n");
}

TEST(Foresee, AKilledOrLeavingClientIsClosed) {
  Harness harness;
  TestClient other(harness.state);
  protocol::RequestParser parser;
  const std::string request = encode({"SET", "k", "v"});
  auto foreseen = foresee(other.session(), parser, request);
  ASSERT_TRUE(foreseen.has_value());
  EXPECT_EQ(harness.ask("CLIENT KILL ID 2"), ":1\r\n");
  BytesMut out;
  EXPECT_EQ(process_foreseen(other.session(), parser, *foreseen, out), ProcessStatus::kClose);
  EXPECT_TRUE(out.empty());
  EXPECT_EQ(harness.ask("EXISTS k"), ":0\r\n");
  const std::string quit = encode({"QUIT"});
  foreseen = foresee(harness.connection.session(), parser, quit);
  ASSERT_TRUE(foreseen.has_value());
  EXPECT_EQ(process_foreseen(harness.connection.session(), parser, *foreseen, out),
            ProcessStatus::kClose);
  EXPECT_EQ(out.view(), "+OK\r\n");
}

TEST(Execute, WritesOneReply) {
  Harness harness;
  BytesMut out;
  protocol::ReplyWriter reply(out);
  const std::vector<std::string_view> set = {"SET", "k", "v"};
  execute(harness.connection.session(), set, reply);
  const std::vector<std::string_view> get = {"get", "k"};
  execute(harness.connection.session(), get, reply);
  EXPECT_EQ(out.view(), "+OK\r\n$1\r\nv\r\n");
}

TEST(Info, CountsWhatHappened) {
  Harness harness;
  harness.ask("SET k v\r\nGET k\r\nGET none\r\nGET\r\nNOSUCH\r\nINCR k");
  harness.ask("SET e v EX 100");
  const std::string info = harness.ask("INFO everything");
  for (const std::string_view line : {
           "redis_version:7.0.15",
           "connected_clients:1",
           "total_connections_received:1",
           "keyspace_hits:1",
           "keyspace_misses:1",
           "total_error_replies:3",
           "errorstat_ERR:count=3",
           "cmdstat_set:calls=2,usec=0,usec_per_call=0.00,rejected_calls=0,failed_calls=0",
           "cmdstat_get:calls=2,usec=0,usec_per_call=0.00,rejected_calls=1,failed_calls=0",
           "cmdstat_incr:calls=1,usec=0,usec_per_call=0.00,rejected_calls=0,failed_calls=1",
           "total_commands_processed:5",
           "db0:keys=2,expires=1,avg_ttl=0",
       }) {
    EXPECT_NE(info.find(std::string(line) + "\r\n"), std::string::npos) << line << '\n' << info;
  }
  EXPECT_EQ(harness.ask("CONFIG RESETSTAT"), "+OK\r\n");
  EXPECT_NE(harness.ask("INFO stats").find("keyspace_hits:0\r\n"), std::string::npos);
  EXPECT_EQ(harness.ask("INFO nosuchsection"), "$0\r\n\r\n");
}

TEST(Info, SamplesOperationsPerSecond) {
  Harness harness;
  for (int i = 0; i < 100; ++i) {
    harness.ask("PING");
  }
  harness.clock.advance_ms(2000);
  harness.state.run_cron();
  EXPECT_NE(harness.ask("INFO stats").find("instantaneous_ops_per_sec:50\r\n"), std::string::npos);
}

TEST(Clients, SeeAndKillEachOther) {
  Harness harness;
  TestClient other(harness.state, "10.0.0.9:9");
  other.ask("CLIENT SETNAME second");
  other.ask("CLIENT SETINFO LIB-NAME ringo");
  EXPECT_EQ(other.ask("CLIENT ID"), ":2\r\n");
  EXPECT_EQ(harness.state.connected_clients(), 2U);
  harness.clock.advance_ms(5000);
  const std::string list = harness.ask("CLIENT LIST");
  EXPECT_NE(list.find("id=2 addr=10.0.0.9:9 laddr=10.0.0.2:6379 fd=7 name=second age=5 idle=5"),
            std::string::npos)
      << list;
  EXPECT_NE(list.find("cmd=client|id user=default lib-name=ringo"), std::string::npos) << list;

  int wakes = 0;
  other.session().set_kill_hook([&] { ++wakes; });
  EXPECT_EQ(harness.ask("CLIENT KILL ID 2"), ":1\r\n");
  EXPECT_EQ(wakes, 1);
  EXPECT_TRUE(other.session().is_killed());
  other.ask("SET k v\r\nSET l v");
  EXPECT_EQ(other.status(), ProcessStatus::kClose);
}

TEST(Clients, AKillBeforeTheHookIsToldAtOnce) {
  Harness harness;
  TestClient other(harness.state);
  harness.ask("CLIENT KILL ID 2");
  int wakes = 0;
  other.session().set_kill_hook([&] { ++wakes; });
  EXPECT_EQ(wakes, 1);
}

TEST(Clients, KillSparesTheCallerUnlessAskedTo) {
  Harness harness;
  EXPECT_EQ(harness.ask("CLIENT KILL TYPE normal"), ":0\r\n");
  EXPECT_EQ(harness.ask("CLIENT KILL TYPE normal SKIPME no"), ":1\r\n");
  EXPECT_EQ(harness.connection.status(), ProcessStatus::kClose);
}

TEST(Clients, AreForgottenWhenTheyGo) {
  Harness harness;
  {
    const TestClient other(harness.state);
    EXPECT_EQ(harness.state.connected_clients(), 2U);
  }
  EXPECT_EQ(harness.state.connected_clients(), 1U);
  EXPECT_EQ(harness.ask("CLIENT LIST").find("id=2 "), std::string::npos);
}

TEST(Server, ManyConnectionsOnManyThreadsCountTogether) {
  Harness harness;
  constexpr int kThreads = 4;
  constexpr int kRounds = 500;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      TestClient connection(harness.state);
      for (int i = 0; i < kRounds; ++i) {
        const std::string replies = connection.ask(
            "INCR n\r\nMSET a 1 b 1\r\nMGET a b\r\nCLIENT LIST\r\nINFO\r\nSCAN 0\r\nDEL a b");
        EXPECT_EQ(replies.find("\r\n-"), std::string::npos);
      }
    });
  }
  for (int i = 0; i < 50; ++i) {
    harness.state.run_cron();
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(harness.ask("GET n"), "$4\r\n2000\r\n");
  EXPECT_EQ(harness.state.connected_clients(), 1U);
}

}  // namespace
}  // namespace ringo::server
