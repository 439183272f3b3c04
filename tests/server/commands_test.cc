// SPDX-License-Identifier: MIT
//
// Replies and error texts of the commands on keys, byte for byte. That they are those of Redis is
// what tests/integration/differential.py shows; here they are kept, with a clock that stands still.

#include <ringo/server/stats.h>

#include <cstddef>
#include <ostream>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "server/harness.h"

#include "commands/command.h"
#include "commands/glob.h"

namespace ringo::server {
namespace {

struct Exchange {
  std::string_view command;
  std::string_view reply;
};

struct Conversation {
  std::string_view name;
  std::vector<Exchange> exchanges;
};

void PrintTo(const Conversation& conversation, std::ostream* out) {
  *out << conversation.name;
}

class Commands : public testing::TestWithParam<Conversation> {};

TEST_P(Commands, ReplyAsRedisDoes) {
  Harness harness;
  for (const auto& [command, reply] : GetParam().exchanges) {
    ASSERT_EQ(harness.ask(command), std::string(reply) + "\r\n") << command;
  }
}

constexpr std::string_view kSyntax = "-ERR syntax error";
constexpr std::string_view kNotInteger = "-ERR value is not an integer or out of range";

const std::vector<Conversation> kConversations = {
    {"Set",
     {{"SET k v", "+OK"},
      {"GET k", "$1\r\nv"},
      {"SET k w NX", "$-1"},
      {"SET n w XX", "$-1"},
      {"SET k w XX GET", "$1\r\nv"},
      {"SET k x NX GET", "$1\r\nw"},
      {"SET n x NX GET", "$-1"},
      {"GET n", "$1\r\nx"},
      {"SET k v NX XX", kSyntax},
      {"SET k v EX", kSyntax},
      {"SET k v EX 1 PX 1", kSyntax},
      {"SET k v EX 1 KEEPTTL", kSyntax},
      {"SET k v PERSIST", kSyntax},
      {"SET k v EX abc", kNotInteger},
      {"SET k v EX 0", "-ERR invalid expire time in 'set' command"},
      {"SET k v EX 9223372036854775807", "-ERR invalid expire time in 'set' command"},
      {"SET k v EX 100", "+OK"},
      {"TTL k", ":100"},
      {"SET k v KEEPTTL", "+OK"},
      {"TTL k", ":100"},
      {"SET k v", "+OK"},
      {"TTL k", ":-1"},
      {"SET k v PXAT 1700000000500", "+OK"},
      {"PTTL k", ":500"},
      {"SET k v PXAT 1", "+OK"},
      {"GET k", "$-1"},
      {"SET k", "-ERR wrong number of arguments for 'set' command"}}},
    {"SetVariants",
     {{"SETNX k v", ":1"},
      {"SETNX k w", ":0"},
      {"SETEX k 10 w", "+OK"},
      {"TTL k", ":10"},
      {"SETEX k 0 w", "-ERR invalid expire time in 'setex' command"},
      {"PSETEX k 10 w", "+OK"},
      {"PTTL k", ":10"},
      {"PSETEX k -1 w", "-ERR invalid expire time in 'psetex' command"},
      {"GETSET k x", "$1\r\nw"},
      {"TTL k", ":-1"},
      {"GETDEL k", "$1\r\nx"},
      {"GETDEL k", "$-1"},
      {"GETSET k x", "$-1"}}},
    {"GetEx",
     {{"GETEX k", "$-1"},
      {"SET k v", "+OK"},
      {"GETEX k EX 10", "$1\r\nv"},
      {"TTL k", ":10"},
      {"GETEX k", "$1\r\nv"},
      {"TTL k", ":10"},
      {"GETEX k PERSIST", "$1\r\nv"},
      {"TTL k", ":-1"},
      {"GETEX k EX 0", "-ERR invalid expire time in 'getex' command"},
      {"GETEX k KEEPTTL", kSyntax},
      {"GETEX k PXAT 1", "$1\r\nv"},
      {"EXISTS k", ":0"}}},
    {"Strings",
     {{"APPEND k ab", ":2"},
      {"APPEND k cd", ":4"},
      {"GET k", "$4\r\nabcd"},
      {"STRLEN k", ":4"},
      {"STRLEN none", ":0"},
      {"MSET a 1 b 2", "+OK"},
      {"MGET a none b", "*3\r\n$1\r\n1\r\n$-1\r\n$1\r\n2"},
      {"MSET a 1 b", "-ERR wrong number of arguments for 'mset' command"},
      {"MSETNX b 3 c 4", ":0"},
      {"EXISTS c", ":0"},
      {"MSETNX c 3 d 4", ":1"},
      {"MSETNX c", "-ERR wrong number of arguments for 'msetnx' command"}}},
    {"Counters",
     {{"INCR n", ":1"},
      {"INCRBY n 41", ":42"},
      {"DECR n", ":41"},
      {"DECRBY n 42", ":-1"},
      {"GET n", "$2\r\n-1"},
      {"SET n 9223372036854775807 EX 10", "+OK"},
      {"INCR n", "-ERR increment or decrement would overflow"},
      {"DECR n", ":9223372036854775806"},
      {"TTL n", ":10"},
      {"DECRBY n -9223372036854775808", "-ERR decrement would overflow"},
      {"INCRBY n x", kNotInteger},
      {"SET s 01", "+OK"},
      {"INCR s", kNotInteger},
      {"INCRBYFLOAT f 10.5", "$4\r\n10.5"},
      {"INCRBYFLOAT f 0.1", "$4\r\n10.6"},
      {"INCRBYFLOAT f -10.6", "$1\r\n0"},
      {"INCRBYFLOAT f x", "-ERR value is not a valid float"},
      {"INCRBYFLOAT f inf", "-ERR increment would produce NaN or Infinity"}}},
    {"Keys",
     {{"MSET a 1 b 2 c 3", "+OK"},
      {"DBSIZE", ":3"},
      {"EXISTS a a none", ":2"},
      {"TOUCH a none", ":1"},
      {"TYPE a", "+string"},
      {"TYPE none", "+none"},
      {"DEL a none b", ":2"},
      {"UNLINK c", ":1"},
      {"RANDOMKEY", "$-1"},
      {"SET k v", "+OK"},
      {"RANDOMKEY", "$1\r\nk"},
      {"KEYS *", "*1\r\n$1\r\nk"},
      {"KEYS x*", "*0"},
      {"SCAN 0 COUNT 1000", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nk"},
      {"SCAN 0 COUNT 1000 MATCH x*", "*2\r\n$1\r\n0\r\n*0"},
      {"SCAN 0 COUNT 1000 TYPE hash", "*2\r\n$1\r\n0\r\n*0"},
      {"SCAN x", "-ERR invalid cursor"},
      {"SCAN 0 COUNT 0", kSyntax},
      {"FLUSHALL x", kSyntax},
      {"FLUSHALL ASYNC", "+OK"},
      {"DBSIZE", ":0"},
      {"FLUSHDB", "+OK"}}},
    {"Expiry",
     {{"EXPIRE k 10", ":0"},
      {"TTL k", ":-2"},
      {"PTTL k", ":-2"},
      {"SET k v", "+OK"},
      {"TTL k", ":-1"},
      {"EXPIRETIME k", ":-1"},
      {"EXPIRE k 10", ":1"},
      {"EXPIRETIME k", ":1700000010"},
      {"PEXPIRETIME k", ":1700000010000"},
      {"PEXPIRE k 1500", ":1"},
      {"TTL k", ":2"},
      {"PEXPIRE k 1499", ":1"},
      {"TTL k", ":1"},
      {"EXPIRE k 5 NX", ":0"},
      {"EXPIRE k 5 GT", ":1"},
      {"EXPIRE k 9 LT", ":0"},
      {"EXPIRE k 5 NX GT", "-ERR NX and XX, GT or LT options at the same time are not compatible"},
      {"EXPIRE k 5 GT LT", "-ERR GT and LT options at the same time are not compatible"},
      {"EXPIRE k 5 FOO", "-ERR Unsupported option FOO"},
      {"PERSIST k", ":1"},
      {"PERSIST k", ":0"},
      {"EXPIRE k 5 GT", ":0"},
      {"EXPIRE k 5 LT", ":1"},
      {"EXPIREAT k 1700000000", ":1"},
      {"EXISTS k", ":0"},
      {"SET k v", "+OK"},
      {"EXPIRE k 9223372036854775807", "-ERR invalid expire time in 'expire' command"},
      {"PEXPIREAT k 1700000000001", ":1"},
      {"PTTL k", ":1"},
      {"EXPIRE k -1", ":1"},
      {"EXISTS k", ":0"}}},
    {"Connection",
     {{"PING", "+PONG"},
      {"ping x", "$1\r\nx"},
      {"PING x y", "-ERR wrong number of arguments for 'ping' command"},
      {"ECHO x", "$1\r\nx"},
      {"SELECT 0", "+OK"},
      {"SELECT 1", "-ERR DB index is out of range"},
      {"SELECT x", kNotInteger},
      {"TIME", "*2\r\n$10\r\n1700000000\r\n$1\r\n0"},
      {"HELLO 4", "-NOPROTO unsupported protocol version"},
      {"HELLO x", "-ERR Protocol version is not an integer or out of range"},
      {"HELLO 2 FOO", "-ERR Syntax error in HELLO option 'FOO'"},
      {"HELLO 2 AUTH me secret", "-WRONGPASS invalid username-password pair or user is disabled."},
      {"HELLO 2 SETNAME me",
       "*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$5\r\nproto\r\n:"
       "2\r\n"
       "$2\r\nid\r\n:1\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n"
       "$7\r\nmodules\r\n*0"},
      {"CLIENT GETNAME", "$2\r\nme"},
      {"HELLO 3",
       "%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$5\r\nproto\r\n:3\r\n"
       "$2\r\nid\r\n:1\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n"
       "$7\r\nmodules\r\n*0"},
      {"GET none", "_"},
      {"CONFIG GET save", "%1\r\n$4\r\nsave\r\n$0\r\n"},
      {"RESET", "+RESET"},
      {"GET none", "$-1"},
      {"CLIENT GETNAME", "$-1"},
      {"QUIT", "+OK"}}},
    {"Errors",
     {{"FOO", "-ERR unknown command 'FOO', with args beginning with: "},
      {"FOO 'a b' c", "-ERR unknown command 'FOO', with args beginning with: 'a b' 'c' "},
      {R"("F\r\nO")", "-ERR unknown command 'F  O', with args beginning with: "},
      {"GET", "-ERR wrong number of arguments for 'get' command"},
      {"GET a b", "-ERR wrong number of arguments for 'get' command"},
      {"CLIENT", "-ERR wrong number of arguments for 'client' command"},
      {"CLIENT foo", "-ERR unknown subcommand 'foo'. Try CLIENT HELP."},
      {"CLIENT ID x", "-ERR wrong number of arguments for 'client|id' command"},
      {"CONFIG SET nonsense 1",
       "-ERR Unknown option or number of arguments for CONFIG SET - 'nonsense'"},
      {"CONFIG SET port 1",
       "-ERR CONFIG SET failed (possibly related to argument 'port') - can't set immutable "
       "config"}}},
    {"Introspection",
     {{"COMMAND GETKEYS MSET a 1 b 2", "*2\r\n$1\r\na\r\n$1\r\nb"},
      {"COMMAND GETKEYS PING x", "-ERR The command has no key arguments"},
      {"COMMAND GETKEYS NONE x", "-ERR Invalid command specified"},
      {"COMMAND LIST FILTERBY PATTERN get", "*1\r\n$3\r\nget"},
      {"COMMAND INFO none", "*1\r\n$-1"},
      {"COMMAND DOCS none", "*0"},
      {"COMMAND DOCS get",
       "*2\r\n$3\r\nget\r\n*8\r\n$7\r\nsummary\r\n$25\r\nReturn the value of a "
       "key\r\n$5\r\nsince\r\n"
       "$5\r\n1.0.0\r\n$5\r\ngroup\r\n$6\r\nstring\r\n$10\r\ncomplexity\r\n$4\r\nO(1)"}}},
};

INSTANTIATE_TEST_SUITE_P(All, Commands, testing::ValuesIn(kConversations),
                         [](const auto& each) { return std::string(each.param.name); });

TEST(CommandTable, FindsEveryNameInAnyCaseAndNothingElse) {
  for (const Command& command : all_commands()) {
    std::string upper(command.name);
    for (char& letter : upper) {
      letter = static_cast<char>(letter - 32);
    }
    EXPECT_EQ(find_command(command.name), &command);
    EXPECT_EQ(find_command(upper), &command);
    for (std::size_t at = 0; at < upper.size(); ++at) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string other(command.name);
        other[at] = static_cast<char>(byte);
        const Command* found = find_command(other);
        const bool is_same = byte == command.name[at] || byte == upper[at];
        EXPECT_EQ(found == &command, is_same) << other;
      }
    }
    EXPECT_EQ(find_command(command.name.substr(1)) == &command, false);
  }
  EXPECT_EQ(find_command(""), nullptr);
  EXPECT_EQ(find_command(std::string(17, 'a')), nullptr);
}

TEST(CommandTable, StatisticsHaveAPlaceForEachCommand) {
  std::set<std::size_t> places;
  std::size_t count = 0;
  for_each_command([&](const Command& command) {
    places.insert(stats_index(command));
    ++count;
    EXPECT_TRUE(command.handler != nullptr || !command.subcommands.empty()) << command.name;
  });
  EXPECT_EQ(places.size(), count);
  EXPECT_LT(*places.rbegin(), ServerStats::kMaxCommands);
}

TEST(Glob, MatchesAsRedisDoes) {
  struct Case {
    std::string_view pattern;
    std::string_view text;
    bool matches;
  };
  static constexpr Case kCases[] = {
      {"", "", true},           {"", "a", false},         {"*", "", true},
      {"*", "abc", true},       {"a*c", "abbc", true},    {"a*c", "abbd", false},
      {"**a**", "xay", true},   {"?", "", false},         {"?", "x", true},
      {"h?llo", "hello", true}, {"[a-c]", "b", true},     {"[c-a]", "b", true},
      {"[a-c]", "d", false},    {"[^a-c]", "d", true},    {"[^a]", "a", false},
      {"[abc", "c", true},      {"[abc", "d", false},     {"[]", "]", false},
      {"[\\]]", "]", true},     {"\\*", "*", true},       {"\\*", "a", false},
      {"a\\", "a\\", true},     {"*[*", "foo[1]", false}, {"[^]", "x", true},
      {"a[-b]c", "a-c", true},  {"[a-]", "]", true},      {"*a*b", "aXbXb", true},
  };
  for (const auto& [pattern, text, matches] : kCases) {
    EXPECT_EQ(matches_glob(pattern, text), matches) << pattern << " on " << text;
  }
}

TEST(Glob, ManyStarsDoNotTakeExponentialTime) {
  std::string pattern;
  for (int i = 0; i < 500; ++i) {
    pattern += "*a";
  }
  EXPECT_FALSE(matches_glob(pattern + "b", std::string(5000, 'a')));
}

TEST(Expiry, AKeyGoesWithTheClock) {
  Harness harness;
  harness.ask("SET k v PX 100");
  harness.clock.advance_ms(100);
  EXPECT_EQ(harness.ask("GET k"), "$1\r\nv\r\n");
  EXPECT_EQ(harness.ask("PTTL k"), ":0\r\n");
  harness.clock.advance_ms(1);
  EXPECT_EQ(harness.ask("GET k"), "$-1\r\n");
  EXPECT_EQ(harness.ask("DBSIZE"), ":0\r\n");
}

TEST(Expiry, TheCronRemovesWhatNobodyLooksAt) {
  Harness harness;
  for (int i = 0; i < 1000; ++i) {
    harness.ask("SET k" + std::to_string(i) + " v PX 100");
  }
  harness.clock.advance_ms(101);
  while (harness.state.run_cron()) {
  }
  harness.state.run_cron();
  EXPECT_EQ(harness.ask("DBSIZE"), ":0\r\n");
  EXPECT_NE(harness.ask("INFO stats").find("expired_keys:1000\r\n"), std::string::npos);
}

TEST(Append, StopsAtTheLargestValueAllowed) {
  Harness harness;
  harness.ask("CONFIG SET proto-max-bulk-len 1mb");
  const std::string half(512 * 1024, 'x');
  EXPECT_EQ(harness.connection.send(encode({"APPEND", "k", half})), ":524288\r\n");
  EXPECT_EQ(harness.connection.send(encode({"APPEND", "k", half})), ":1048576\r\n");
  EXPECT_EQ(harness.ask("APPEND k x"),
            "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n");
  EXPECT_EQ(harness.ask("STRLEN k"), ":1048576\r\n");
}

TEST(MaxMemory, RefusesWhatAddsDataAndNothingElse) {
  Harness harness;
  harness.ask("SET k v");
  harness.ask("CONFIG SET maxmemory 1");
  harness.state.run_cron();
  EXPECT_EQ(harness.ask("SET k w"), "-OOM command not allowed when used memory > 'maxmemory'.\r\n");
  EXPECT_EQ(harness.ask("GET k"), "$1\r\nv\r\n");
  EXPECT_EQ(harness.ask("DEL k"), ":1\r\n");
  harness.ask("CONFIG SET maxmemory 0");
  EXPECT_EQ(harness.ask("SET k w"), "+OK\r\n");
}

TEST(Mget, LargeValuesKeepTheirPlaces) {
  Harness harness;
  const std::string large(20'000, 'L');
  const std::string larger(30'000, 'M');
  harness.connection.send(encode({"MSET", "a", "1", "b", large, "c", "2", "d", larger}));
  const auto bulk = [](const std::string& value) {
    return "$" + std::to_string(value.size()) + "\r\n" + value + "\r\n";
  };
  EXPECT_EQ(harness.ask("MGET b a none d b c"), "*6\r\n" + bulk(large) + "$1\r\n1\r\n$-1\r\n" +
                                                    bulk(larger) + bulk(large) + "$1\r\n2\r\n");
}

TEST(Mset, HandlesMoreKeysThanFitOnTheStack) {
  Harness harness;
  std::string request = "*2001\r\n$4\r\nMSET\r\n";
  for (int i = 0; i < 1000; ++i) {
    const std::string key = "key" + std::to_string(i);
    request += "$" + std::to_string(key.size()) + "\r\n" + key + "\r\n$1\r\nv\r\n";
  }
  EXPECT_EQ(harness.connection.send(request), "+OK\r\n");
  EXPECT_EQ(harness.ask("DBSIZE"), ":1000\r\n");
}

TEST(Scan, ReachesEveryKeyInSmallSteps) {
  Harness harness;
  std::set<std::string> expected;
  for (int i = 0; i < 500; ++i) {
    harness.ask("SET key" + std::to_string(i) + " v");
    expected.insert("key" + std::to_string(i));
  }
  std::set<std::string> seen;
  std::string cursor = "0";
  int calls = 0;
  do {
    // "*2 $n cursor *m $n key $n key …": every second line is content.
    const std::string reply = harness.ask("SCAN " + cursor + " COUNT 7");
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < reply.size();) {
      const std::size_t end = reply.find("\r\n", at);
      lines.push_back(reply.substr(at, end - at));
      at = end + 2;
    }
    cursor = lines.at(2);
    for (std::size_t i = 5; i < lines.size(); i += 2) {
      EXPECT_TRUE(seen.insert(lines[i]).second) << "nothing changes: each key comes once";
    }
    ASSERT_LT(++calls, 1000);
  } while (cursor != "0");
  EXPECT_EQ(seen, expected);
}

}  // namespace
}  // namespace ringo::server
