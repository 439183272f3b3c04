// SPDX-License-Identifier: MIT
//
// The receiving side of a pipelined connection, fed with byte strings.
//
// Thread safety: tests.

#include "reply_matcher.h"

#include <ringo/client/error.h>
#include <ringo/protocol/frame.h>
#include <ringo/protocol/frame_parser.h>

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace ringo::client {
namespace {

using Matcher = ReplyMatcher<int>;

/// "7:OK" for each reply that is there, "!text" for an error.
std::vector<std::string> replies_of(Matcher& matcher) {
  std::vector<std::string> replies;
  for (;;) {
    ClientResult<std::optional<Matcher::Match>> match = matcher.next();
    if (!match) {
      replies.push_back("!" + match.error().message());
      return replies;
    }
    if (!match->has_value()) {
      return replies;
    }
    replies.push_back(std::to_string((*match)->tag) + ":" + (*match)->reply.to_string());
  }
}

TEST(ReplyMatcher, GivesRepliesToRequestsInOrder) {
  Matcher matcher;
  matcher.expect(7);
  matcher.expect(8);
  matcher.input().append("+OK\r\n$5\r\nhello\r\n");
  EXPECT_EQ(replies_of(matcher), (std::vector<std::string>{"7:OK", "8:\"hello\""}));
  EXPECT_TRUE(matcher.is_idle());
}

TEST(ReplyMatcher, DoesNotCareHowTheBytesAreCut) {
  const std::string_view bytes = "+OK\r\n$-1\r\n*2\r\n:1\r\n$3\r\na\r\n\r\n-ERR no\r\n";
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    Matcher matcher;
    for (int tag = 1; tag <= 4; ++tag) {
      matcher.expect(tag);
    }
    matcher.input().append(bytes.substr(0, cut));
    std::vector<std::string> replies = replies_of(matcher);
    matcher.input().append(bytes.substr(cut));
    for (std::string& reply : replies_of(matcher)) {
      replies.push_back(std::move(reply));
    }
    ASSERT_EQ(replies.size(), 4U) << "cut at " << cut;
    EXPECT_EQ(replies[0], "1:OK");
    EXPECT_EQ(replies[1], "2:(nil)");
    EXPECT_EQ(replies[3], "4:(error) ERR no");
    EXPECT_TRUE(matcher.is_idle());
  }
}

TEST(ReplyMatcher, KeepsTheUnansweredInOrder) {
  Matcher matcher;
  for (int tag = 1; tag <= 3; ++tag) {
    matcher.expect(tag);
  }
  matcher.input().append(":1\r\n:");
  EXPECT_EQ(replies_of(matcher), std::vector<std::string>{"1:(integer) 1"});
  EXPECT_FALSE(matcher.is_idle());
  EXPECT_EQ(matcher.in_flight(), 2U);
  const std::deque<int> unanswered = matcher.take_unanswered();
  EXPECT_EQ(unanswered, (std::deque<int>{2, 3}));
  EXPECT_EQ(matcher.in_flight(), 0U);
}

TEST(ReplyMatcher, RefusesAReplyThatNobodyAskedFor) {
  Matcher matcher;
  matcher.expect(1);
  matcher.input().append(":1\r\n-ERR max number of clients reached\r\n");
  const std::string error =
      "!protocol error: a reply that nobody asked for: (error) ERR max number of clients reached";
  EXPECT_EQ(replies_of(matcher), (std::vector<std::string>{"1:(integer) 1", error}));
  matcher.expect(2);
  matcher.input().append(":2\r\n");
  EXPECT_EQ(replies_of(matcher), std::vector<std::string>{error}) << "it is out of step for good";
}

TEST(ReplyMatcher, RefusesWhatIsNotTheProtocol) {
  Matcher matcher;
  matcher.expect(1);
  matcher.input().append("HTTP/1.1 400 Bad Request\r\n");
  const ClientResult<std::optional<Matcher::Match>> match = matcher.next();
  ASSERT_FALSE(match.has_value());
  EXPECT_EQ(match.error().kind(), ClientErrorKind::kProtocol);
  EXPECT_EQ(matcher.in_flight(), 1U);
}

TEST(ReplyMatcher, PassesPushesOver) {
  Matcher matcher;
  matcher.expect(1);
  matcher.input().append(">2\r\n+invalidate\r\n*1\r\n+key\r\n+OK\r\n>1\r\n+x\r\n");
  EXPECT_EQ(replies_of(matcher), std::vector<std::string>{"1:OK"});
  EXPECT_EQ(matcher.pushes(), 2U);
  EXPECT_TRUE(matcher.is_idle());
}

TEST(ReplyMatcher, HoldsRepliesToTheirLimits) {
  protocol::FrameLimits limits;
  limits.max_bulk = 4;
  Matcher at_limit(limits);
  at_limit.expect(1);
  at_limit.input().append("$4\r\nabcd\r\n");
  EXPECT_EQ(replies_of(at_limit), std::vector<std::string>{"1:\"abcd\""});
  Matcher beyond(limits);
  beyond.expect(1);
  beyond.input().append("$5\r\n");
  const ClientResult<std::optional<Matcher::Match>> match = beyond.next();
  ASSERT_FALSE(match.has_value());
  EXPECT_EQ(match.error().kind(), ClientErrorKind::kProtocol);
}

TEST(ReplyMatcher, MakesRoomForAReplyOfKnownSize) {
  Matcher matcher;
  matcher.expect(1);
  EXPECT_GE(matcher.input().spare().size(), 2048U);
  matcher.input().append("$100000\r\n");
  EXPECT_TRUE(replies_of(matcher).empty());
  EXPECT_GE(matcher.input().spare().size(), 100'002U);
}

}  // namespace
}  // namespace ringo::client
