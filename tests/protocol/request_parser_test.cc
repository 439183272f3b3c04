// SPDX-License-Identifier: MIT
//
// The request parser against the rules of Redis 7: requests, limits, every protocol error, and each
// input cut at every position. Texts were compared with Redis 7.0.15.
//
// Thread safety: single-threaded tests.
#include <ringo/protocol/request_parser.h>

#include <algorithm>
#include <cstring>
#include <ostream>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/random_seed.h"

namespace ringo::protocol {
namespace {

using std::string_literals::operator""s;
using testing::ElementsAre;

using Request = std::vector<std::string>;

/// What a whole conversation comes to.
struct Outcome {
  std::vector<Request> requests;
  std::string error;
  std::string rest;  // neither consumed nor refused

  bool operator==(const Outcome&) const = default;
};

void PrintTo(const Outcome& outcome, std::ostream* out) {
  *out << testing::PrintToString(outcome.requests) << " error=" << outcome.error
       << " rest=" << outcome.rest.size() << " bytes";
}

/// Feeds pieces as a server would, moving the buffer to a new place before every call.
class Feeder {
 public:
  explicit Feeder(const RequestLimits& limits = {}) : parser(limits) {}

  /// False once the parser has failed.
  bool feed(std::string_view piece) {
    buffer_ += piece;
    while (outcome.error.empty()) {
      const std::string moved = buffer_;
      const ParseStatus status = parser.parse(moved);
      if (status == ParseStatus::kRequest) {
        outcome.requests.emplace_back(parser.args().begin(), parser.args().end());
      } else if (status == ParseStatus::kError) {
        outcome.error = parser.error();
      }
      buffer_.erase(0, parser.consumed());
      if (status == ParseStatus::kNeedMore) {
        EXPECT_GE(parser.hint(), 1U);
        break;
      }
    }
    outcome.rest = outcome.error.empty() ? buffer_ : "";
    return outcome.error.empty();
  }

  RequestParser parser;
  Outcome outcome;

 private:
  std::string buffer_;
};

Outcome parse_all(std::string_view input, const RequestLimits& limits = {}) {
  Feeder feeder(limits);
  feeder.feed(input);
  return feeder.outcome;
}

/// Parses whole, byte by byte, and cut in two at every position: the result must be the same.
Outcome parse_every_way(std::string_view input, const RequestLimits& limits = {}) {
  const Outcome whole = parse_all(input, limits);
  Feeder bytewise(limits);
  for (const char byte : input) {
    bytewise.feed({&byte, 1});
  }
  EXPECT_EQ(bytewise.outcome, whole) << "byte by byte: " << input;
  for (std::size_t cut = 0; cut <= input.size(); ++cut) {
    Feeder halves(limits);
    halves.feed(input.substr(0, cut));
    halves.feed(input.substr(cut));
    EXPECT_EQ(halves.outcome, whole) << "cut at " << cut << " of: " << input;
  }
  return whole;
}

std::string error_of(std::string_view input, const RequestLimits& limits = {}) {
  return parse_every_way(input, limits).error;
}

std::string encode(const Request& request) {
  std::string out = "*" + std::to_string(request.size()) + "\r\n";
  for (const std::string& arg : request) {
    out += "$" + std::to_string(arg.size()) + "\r\n" + arg + "\r\n";
  }
  return out;
}

TEST(RequestParser, FindsArrays) {
  EXPECT_THAT(parse_every_way("*1\r\n$4\r\nPING\r\n").requests, ElementsAre(Request{"PING"}));
  EXPECT_THAT(parse_every_way("*2\r\n$3\r\nGET\r\n$0\r\n\r\n").requests,
              ElementsAre(Request{"GET", ""}));
  const Request set{"SET",
                    "a\r\nb",
                    "\0\xff*3\r\n"s,
                    std::string(99, 'x'),
                    std::string(100, 'y'),
                    std::string(12345, 'z')};
  const Outcome outcome = parse_all(encode(set));
  EXPECT_THAT(outcome.requests, ElementsAre(set));
  EXPECT_EQ(outcome.rest, "");
}

TEST(RequestParser, FindsPipelines) {
  EXPECT_THAT(
      parse_every_way("*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$11\r\nhello world\r\nPING\r\n"
                      "*1\r\n$4\r\nQUIT\r\n*2\r\n$3\r\nG")
          .requests,
      ElementsAre(Request{"PING"}, Request{"GET", "hello world"}, Request{"PING"},
                  Request{"QUIT"}));
}

TEST(RequestParser, FindsArraysOfAnyNumberOfArguments) {
  for (const std::size_t count : {1, 8, 9, 10, 11, 99, 100, 1023, 1024, 1025, 5000}) {
    Request request;
    for (std::size_t i = 0; i < count; ++i) {
      request.push_back(std::to_string(i));
    }
    const std::string input = encode(request);
    EXPECT_THAT(parse_all(input).requests, ElementsAre(request)) << count;
    Feeder halves;
    halves.feed(std::string_view(input).substr(0, input.size() / 2));
    halves.feed(std::string_view(input).substr(input.size() / 2));
    halves.feed("PING\r\n");
    halves.feed("*1\r\n$4\r\nQUIT\r\n");
    EXPECT_THAT(halves.outcome.requests, ElementsAre(request, Request{"PING"}, Request{"QUIT"}));
  }
}

TEST(RequestParser, ArgumentsPointIntoTheInput) {
  const std::string input = "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n";
  RequestParser parser;
  ASSERT_EQ(parser.parse(input), ParseStatus::kRequest);
  EXPECT_EQ(parser.args()[0].data(), input.data() + 8);
  EXPECT_EQ(parser.args()[1].data(), input.data() + 17);
  EXPECT_EQ(parser.consumed(), input.size());

  const std::string plain = "get key\r\n";
  ASSERT_EQ(parser.parse(plain), ParseStatus::kRequest);
  EXPECT_EQ(parser.args()[1].data(), plain.data() + 4);
}

TEST(RequestParser, SkipsEmptyRequests) {
  const Outcome outcome = parse_every_way("*0\r\n*-1\r\n\r\n\n  \t \r\n*-7\r\nPING\r\n*0\r\n");
  EXPECT_THAT(outcome.requests, ElementsAre(Request{"PING"}));
  EXPECT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.rest, "");
}

TEST(RequestParser, ConsumesSkippedRequestsInFrontOfAPartialOne) {
  RequestParser parser;
  const std::string_view input = "\r\n*0\r\n*2\r\n$3\r\nGET\r\n$2\r\nk";
  ASSERT_EQ(parser.parse(input), ParseStatus::kNeedMore);
  EXPECT_EQ(parser.consumed(), 6U);
  ASSERT_EQ(parser.parse("*2\r\n$3\r\nGET\r\n$2\r\nkk\r\n"), ParseStatus::kRequest);
  EXPECT_THAT(parser.args(), ElementsAre("GET", "kk"));
}

TEST(RequestParser, SplitsInlineRequests) {
  const std::pair<std::string_view, Request> cases[] = {
      {"PING\r\n", {"PING"}},
      {"PING\n", {"PING"}},
      {"  set\t a   b \r\n", {"set", "a", "b"}},
      {"set a\rb c\n", {"set", "a", "b", "c"}},
      {"\v\fset a\vb\n", {"set", "a\vb"}},
      {"get a\\nb\n", {"get", "a\\nb"}},
      {"set \"a b\" 'c d'\r\n", {"set", "a b", "c d"}},
      {"set \"\" ''\r\n", {"set", "", ""}},
      {R"(set "\n\r\t\b\a\\\"\q" x)"
       "\n",
       {"set", "\n\r\t\b\a\\\"q", "x"}},
      {R"(set "\x41\x0a\xfF\x4" "\xzz")"
       "\n",
       {"set",
        "A\n\xff"
        "x4",
        "xzz"}},
      {R"(set 'a\'b\n"c')"
       "\n",
       {"set", R"(a'b\n"c)"}},
      {"set a\"b c\" d'e'\n", {"set", "ab c", "de"}},
      {"set \"a\"\vb\n", {"set", "a", "b"}},
      {"$3\r\n", {"$3"}},
  };
  for (const auto& [input, request] : cases) {
    EXPECT_THAT(parse_every_way(input).requests, ElementsAre(request)) << input;
  }
}

TEST(RequestParser, TakesAZeroByteOfAnInlineRequestAsACharacter) {
  EXPECT_THAT(parse_every_way("set a\0b \"c\0\"\n"s).requests,
              ElementsAre(Request{"set", "a\0b"s, "c\0"s}));
}

TEST(RequestParser, RefusesUnbalancedQuotes) {
  for (const std::string_view input :
       {"set \"a\r\n", "set 'a\n", "set \"a\"b\n", "set 'a'b\n", "set \"a\\\"\n", "\"\n",
        "set \"a\\\n", "set 'a\\'\n", "set \"a\"\"b\"\n"}) {
    EXPECT_EQ(error_of(input), "ERR Protocol error: unbalanced quotes in request") << input;
  }
}

TEST(RequestParser, RefusesBadArrayLengths) {
  for (const std::string_view input :
       {"*\r\n", "*a\r\n", "*1a\r\n", "* 1\r\n", "*+1\r\n", "*01\r\n", "*-0\r\n", "*--1\r\n",
        "*2147483648\r\n", "*9223372036854775808\r\n", "*99999999999999999999999\r\n",
        "*1\n$4\nPING\r\n"}) {
    EXPECT_EQ(error_of(input), "ERR Protocol error: invalid multibulk length") << input;
  }
}

TEST(RequestParser, RefusesWhatIsNotABulk) {
  EXPECT_EQ(error_of("*1\r\n:1\r\n"), "ERR Protocol error: expected '$', got ':'");
  EXPECT_EQ(error_of("*1\r\n*1\r\n"), "ERR Protocol error: expected '$', got '*'");
  EXPECT_EQ(error_of("*2\r\n$3\r\nGETxxfoo\r\n"), "ERR Protocol error: expected '$', got 'f'");
  EXPECT_EQ(error_of("*1\r\n\r\n"), "ERR Protocol error: expected '$', got ' '");
  EXPECT_EQ(error_of("*1\r\n\nx\r\n"), "ERR Protocol error: expected '$', got ' '");
  EXPECT_EQ(error_of("*3\r\n$3\r\nSET\r\n$1\r\nx\r\nPING\r\n"),
            "ERR Protocol error: expected '$', got 'P'");
}

TEST(RequestParser, RefusesBadBulkLengths) {
  for (const std::string_view input :
       {"*1\r\n$\r\n", "*1\r\n$-1\r\n", "*1\r\n$a\r\n", "*1\r\n$03\r\nfoo\r\n", "*1\r\n$+3\r\n",
        "*1\r\n$3 \r\n", "*1\r\n$536870913\r\n", "*1\r\n$9223372036854775807\r\n",
        "*1\r\n$9223372036854775808\r\n", "*2\r\n$3\r\nGET\r\n$00\r\n\r\n"}) {
    EXPECT_EQ(error_of(input), "ERR Protocol error: invalid bulk length") << input;
  }
}

TEST(RequestParser, TakesAnyTwoBytesAfterAPayloadAsRedisDoes) {
  EXPECT_THAT(parse_every_way("*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n").requests,
              ElementsAre(Request{"PING"}, Request{"PING"}));
}

TEST(RequestParser, LimitsBulks) {
  const RequestLimits limits{.max_bulk = 5};
  EXPECT_THAT(parse_every_way("*1\r\n$5\r\nabcde\r\n", limits).requests,
              ElementsAre(Request{"abcde"}));
  EXPECT_EQ(error_of("*1\r\n$6\r\nabcdef\r\n", limits), "ERR Protocol error: invalid bulk length");

  const RequestLimits three_digits{.max_bulk = 120};
  EXPECT_THAT(parse_all(encode({std::string(120, 'x')}), three_digits).requests,
              ElementsAre(Request{std::string(120, 'x')}));
  EXPECT_EQ(error_of(encode({std::string(121, 'x')}), three_digits),
            "ERR Protocol error: invalid bulk length");

  RequestParser parser;  // 512 MB by default
  EXPECT_EQ(parser.parse("*1\r\n$536870912\r\n"), ParseStatus::kNeedMore);
  EXPECT_EQ(parser.hint(), 536870912U + 2);
}

TEST(RequestParser, LimitsArguments) {
  const RequestLimits limits{.max_args = 2};
  EXPECT_THAT(parse_every_way("*2\r\n$1\r\na\r\n$1\r\nb\r\n", limits).requests,
              ElementsAre(Request{"a", "b"}));
  EXPECT_EQ(error_of("*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n", limits),
            "ERR Protocol error: invalid multibulk length");

  RequestParser parser;  // INT_MAX by default, and no memory for it
  EXPECT_EQ(parser.parse("*2147483647\r\n"), ParseStatus::kNeedMore);
}

TEST(RequestParser, LimitsInlineRequests) {
  const std::size_t limit = RequestLimits{}.max_line;
  const std::string longest(limit, 'x');
  EXPECT_THAT(parse_all(longest + "\n").requests, ElementsAre(Request{longest}));
  EXPECT_EQ(parse_all(longest).error, "");
  EXPECT_EQ(parse_all(longest + "x").error, "ERR Protocol error: too big inline request");
  EXPECT_EQ(parse_all(longest + "x\n").error, "ERR Protocol error: too big inline request");
  Feeder halves;
  halves.feed(longest);
  halves.feed("\n" + longest + "x");
  EXPECT_THAT(halves.outcome.requests, ElementsAre(Request{longest}));
  EXPECT_EQ(halves.outcome.error, "ERR Protocol error: too big inline request");

  const RequestLimits tiny{.max_line = 4};
  EXPECT_THAT(parse_every_way("PING\n", tiny).requests, ElementsAre(Request{"PING"}));
  EXPECT_EQ(error_of("PINGS\n", tiny), "ERR Protocol error: too big inline request");
}

TEST(RequestParser, LimitsTheDigitsOfLengths) {
  const std::string longest = "*" + std::string(RequestLimits{}.max_line - 1, '1');
  EXPECT_EQ(parse_all(longest).error, "");
  EXPECT_EQ(parse_all(longest + "\r\n").error, "ERR Protocol error: invalid multibulk length");
  EXPECT_EQ(parse_all(longest + "1").error, "ERR Protocol error: too big mbulk count string");
  const std::string bulk = "*1\r\n$" + std::string(RequestLimits{}.max_line - 1, '1');
  EXPECT_EQ(parse_all(bulk).error, "");
  EXPECT_EQ(parse_all(bulk + "\r\n").error, "ERR Protocol error: invalid bulk length");
  EXPECT_EQ(parse_all(bulk + "1").error, "ERR Protocol error: too big bulk count string");

  const RequestLimits tiny{.max_line = 4};
  EXPECT_EQ(error_of("*1\r\n$1\r\nx\r\n*1111\r\n", tiny),
            "ERR Protocol error: too big mbulk count string");
  EXPECT_EQ(error_of("*1\r\n$1111\r\n", tiny), "ERR Protocol error: too big bulk count string");
}

TEST(RequestParser, RestrictsUnauthenticatedClients) {
  const Request ten(10, "a");
  const Request eleven(11, "a");
  const Request biggest{"AUTH", std::string(16384, 'x')};
  const Request too_big{"AUTH", std::string(16385, 'x')};
  for (const bool is_split : {false, true}) {
    const auto run = [is_split](Feeder& feeder, const Request& request) {
      const std::string input = encode(request);
      const std::size_t cut = is_split ? 2 : input.size();
      feeder.feed(std::string_view(input).substr(0, cut));
      feeder.feed(std::string_view(input).substr(cut));
    };
    Feeder at_limit;
    at_limit.parser.restrict_unauthenticated();
    run(at_limit, ten);
    run(at_limit, biggest);
    EXPECT_THAT(at_limit.outcome.requests, ElementsAre(ten, biggest));
    at_limit.parser.lift_restrictions();
    run(at_limit, eleven);
    run(at_limit, too_big);
    EXPECT_THAT(at_limit.outcome.requests, ElementsAre(ten, biggest, eleven, too_big));
    at_limit.parser.restrict_unauthenticated();
    run(at_limit, eleven);
    EXPECT_EQ(at_limit.outcome.error, "ERR Protocol error: unauthenticated multibulk length");

    Feeder beyond;
    beyond.parser.restrict_unauthenticated();
    run(beyond, too_big);
    EXPECT_EQ(beyond.outcome.error, "ERR Protocol error: unauthenticated bulk length");
  }
}

TEST(RequestParser, StaysFailedUntilReset) {
  RequestParser parser;
  ASSERT_EQ(parser.parse("*1\r\n:"), ParseStatus::kNeedMore);
  ASSERT_EQ(parser.parse("*1\r\n:1\r\n"), ParseStatus::kError);
  EXPECT_EQ(parser.parse("PING\r\n"), ParseStatus::kError);
  EXPECT_EQ(parser.error(), "ERR Protocol error: expected '$', got ':'");
  EXPECT_EQ(parser.consumed(), 0U);
  EXPECT_TRUE(parser.args().empty());
  parser.reset();
  EXPECT_EQ(parser.error(), "");
  EXPECT_EQ(parser.parse("*1\r\n$4\r\nPING\r\n"), ParseStatus::kRequest);
}

TEST(RequestParser, HintsAtMissingBytes) {
  RequestParser parser;
  EXPECT_EQ(parser.parse(""), ParseStatus::kNeedMore);
  EXPECT_EQ(parser.hint(), 1U);
  std::string input = "*2\r\n$3\r\nSET\r\n$1000\r\n";
  EXPECT_EQ(parser.parse(input), ParseStatus::kNeedMore);
  EXPECT_EQ(parser.hint(), 1002U);
  input.append(1001, 'x');
  EXPECT_EQ(parser.parse(input), ParseStatus::kNeedMore);
  EXPECT_EQ(parser.hint(), 1U);
  input += 'x';
  EXPECT_EQ(parser.parse(input), ParseStatus::kRequest);
}

TEST(RequestParser, WorkIsLinearInTheBytes) {
  // Each byte of a header is looked at while searching for its end, and once more when it is read.
  constexpr std::size_t kBulk = std::size_t{1} << 20;
  std::string input = "*2\r\n$3\r\nSET\r\n$" + std::to_string(kBulk) + "\r\n";
  const std::size_t header = input.size();
  input.append(kBulk, 'x');
  input += "\r\n";
  RequestParser parser;
  for (std::size_t size = 0; size < input.size(); ++size) {
    ASSERT_EQ(parser.parse(std::string_view(input).substr(0, size)), ParseStatus::kNeedMore);
  }
  ASSERT_EQ(parser.parse(input), ParseStatus::kRequest);
  EXPECT_EQ(parser.args()[1].size(), kBulk);
  EXPECT_LE(parser.bytes_examined(), 3 * header);

  const std::string line = std::string(RequestLimits{}.max_line, 'x') + "\n";
  RequestParser line_parser;
  for (std::size_t size = 0; size < line.size(); ++size) {
    ASSERT_EQ(line_parser.parse(std::string_view(line).substr(0, size)), ParseStatus::kNeedMore);
  }
  ASSERT_EQ(line_parser.parse(line), ParseStatus::kRequest);
  EXPECT_LE(line_parser.bytes_examined(), 2 * line.size());
}

TEST(RequestParser, DoesNotLookAtProgressAgain) {
  // What was parsed is overwritten before the next byte comes: only lengths and places survive.
  const std::string original =
      "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$300\r\n" + std::string(300, 'v') + "\r\n";
  std::string input;
  RequestParser parser;
  ParseStatus status = ParseStatus::kNeedMore;
  std::size_t line = 0;  // start of the line that is not whole
  for (const char byte : original) {
    ASSERT_EQ(status, ParseStatus::kNeedMore);
    input += byte;
    status = parser.parse(input);
    if (byte == '\n') {
      std::memset(input.data(), '!', input.size());
      line = input.size();
    }
  }
  ASSERT_EQ(status, ParseStatus::kRequest);
  EXPECT_EQ(line, original.size());
  ASSERT_EQ(parser.args().size(), 3U);
  EXPECT_EQ(parser.args()[1].data(), input.data() + 17);
  EXPECT_EQ(parser.args()[2].size(), 300U);
}

TEST(RequestParser, ManyArgumentsByteByByte) {
  // A buffer that moves before every call must not cost a pass over the arguments: with one it
  // would take minutes.
  Request request(20000, "x");
  const std::string input = encode(request);
  const std::string elsewhere = input;
  RequestParser parser;
  for (std::size_t size = 0; size < input.size(); ++size) {
    const std::string& place = size % 2 == 0 ? input : elsewhere;
    ASSERT_EQ(parser.parse(std::string_view(place).substr(0, size)), ParseStatus::kNeedMore);
  }
  ASSERT_EQ(parser.parse(input), ParseStatus::kRequest);
  EXPECT_EQ(parser.args().size(), request.size());
  EXPECT_LE(parser.bytes_examined(), 3 * input.size());
}

TEST(RequestParser, RandomPipelinesSurviveRandomCuts) {
  auto random = testing_support::seeded_random();
  const auto up_to = [&random](std::size_t most) {
    return std::uniform_int_distribution<std::size_t>(0, most)(random);
  };
  for (int round = 0; round < 2000; ++round) {
    std::vector<Request> expected;
    std::string input;
    for (std::size_t i = up_to(6); i > 0; --i) {
      Request request(1 + up_to(up_to(20) == 0 ? 2000 : 12));
      for (std::string& arg : request) {
        arg.resize(up_to(up_to(30) == 0 ? 3000 : 20));
        for (char& byte : arg) {
          byte = static_cast<char>(up_to(255));
        }
      }
      input += encode(request);
      expected.push_back(std::move(request));
      if (up_to(3) == 0) {
        input += up_to(1) == 0 ? "*0\r\n" : "\r\n";
      }
    }
    Feeder feeder;
    for (std::string_view rest = input; !rest.empty();) {
      const std::size_t size = std::min(rest.size(), 1 + up_to(up_to(3) == 0 ? 5000 : 50));
      ASSERT_TRUE(feeder.feed(rest.substr(0, size))) << feeder.outcome.error;
      rest.remove_prefix(size);
    }
    ASSERT_EQ(feeder.outcome.requests, expected);
    ASSERT_EQ(feeder.outcome.rest, "");
  }
}

TEST(RequestParser, GarbageGivesTheSameResultHoweverItIsCut) {
  auto random = testing_support::seeded_random();
  const auto up_to = [&random](std::size_t most) {
    return std::uniform_int_distribution<std::size_t>(0, most)(random);
  };
  constexpr std::string_view kAlphabet = "**$$::\r\n\r\n\r\n0123-+ \"'\\xaPIN";
  const RequestLimits limits{.max_bulk = 12, .max_args = 3, .max_line = 8};
  for (int round = 0; round < 20000; ++round) {
    std::string input(up_to(24), ' ');
    for (char& byte : input) {
      byte = kAlphabet[up_to(kAlphabet.size() - 1)];
    }
    parse_every_way(input, limits);
    ASSERT_FALSE(testing::Test::HasFailure());
  }
}

TEST(RequestParserDeathTest, AbortsWhenTheInputHasShrunk) {
  RequestParser parser;
  ASSERT_EQ(parser.parse("*2\r\n$3\r\nGET\r\n"), ParseStatus::kNeedMore);
  EXPECT_DEATH(parser.parse("*2\r\n"), "lost bytes");
}

}  // namespace
}  // namespace ringo::protocol
