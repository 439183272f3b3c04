// SPDX-License-Identifier: MIT
//
// The reply writer and the numbers that it writes.
//
// Thread safety: single-threaded tests.
#include <ringo/bytes.h>
#include <ringo/protocol/reply_writer.h>
#include <ringo/protocol/resp.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "support/random_seed.h"

namespace ringo::protocol {
namespace {

constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

std::string written(RespVersion version, const std::function<void(ReplyWriter&)>& write) {
  BytesMut out;
  ReplyWriter writer(out, version);
  write(writer);
  return std::string(out.view());
}

/// What both versions give, where they do not differ.
std::string written(const std::function<void(ReplyWriter&)>& write) {
  const std::string resp2 = written(RespVersion::kResp2, write);
  EXPECT_EQ(resp2, written(RespVersion::kResp3, write));
  return resp2;
}

std::string double_text(double value) {
  char text[kMaxDoubleChars];
  return {text, format_double(text, value)};
}

TEST(ReplyWriter, WritesWhatBothVersionsShare) {
  EXPECT_EQ(written([](ReplyWriter& w) { w.ok(); }), "+OK\r\n");
  EXPECT_EQ(written([](ReplyWriter& w) { w.simple("PONG"); }), "+PONG\r\n");
  EXPECT_EQ(written([](ReplyWriter& w) { w.error("ERR syntax error"); }), "-ERR syntax error\r\n");
  EXPECT_EQ(written([](ReplyWriter& w) { w.bulk(""); }), "$0\r\n\r\n");
  EXPECT_EQ(written([](ReplyWriter& w) { w.bulk({}); }), "$0\r\n\r\n");
  EXPECT_EQ(written([](ReplyWriter& w) { w.bulk(std::string(123, 'x')); }),
            "$123\r\n" + std::string(123, 'x') + "\r\n");
  EXPECT_EQ(written([](ReplyWriter& w) { w.bulk_integer(-42); }), "$3\r\n-42\r\n");
  EXPECT_EQ(written([](ReplyWriter& w) { w.array(1000); }), "*1000\r\n");
  EXPECT_EQ(written([](ReplyWriter& w) {
              w.bulk_header(4);
              w.raw("ab");
              w.raw("cd");
              w.bulk_end();
            }),
            "$4\r\nabcd\r\n");
}

TEST(ReplyWriter, WritesIntegersOfEveryLength) {
  for (const std::int64_t value :
       {std::int64_t{0}, std::int64_t{9}, std::int64_t{10}, std::int64_t{99}, std::int64_t{100},
        std::int64_t{-1}, std::int64_t{-10}, std::int64_t{1234567890123}, kMin, kMax}) {
    EXPECT_EQ(written([value](ReplyWriter& w) { w.integer(value); }),
              ":" + std::to_string(value) + "\r\n");
  }
}

TEST(ReplyWriter, KeepsLineBreaksOutOfLines) {
  EXPECT_EQ(written([](ReplyWriter& w) { w.error("ERR a\r\n+OK\r\n"); }), "-ERR a  +OK  \r\n");
  EXPECT_EQ(written([](ReplyWriter& w) { w.simple("a\nb"); }), "+a b\r\n");
  EXPECT_EQ(written(RespVersion::kResp3, [](ReplyWriter& w) { w.big_number("1\r\n2"); }),
            "(1  2\r\n");
}

TEST(ReplyWriter, GivesEachVersionItsOwn) {
  struct Case {
    std::function<void(ReplyWriter&)> write;
    std::string_view resp2;
    std::string_view resp3;
  };
  const Case cases[] = {
      {[](ReplyWriter& w) { w.null(); }, "$-1\r\n", "_\r\n"},
      {[](ReplyWriter& w) { w.null_array(); }, "*-1\r\n", "_\r\n"},
      {[](ReplyWriter& w) { w.map(3); }, "*6\r\n", "%3\r\n"},
      {[](ReplyWriter& w) { w.set(3); }, "*3\r\n", "~3\r\n"},
      {[](ReplyWriter& w) { w.push(3); }, "*3\r\n", ">3\r\n"},
      {[](ReplyWriter& w) { w.boolean(true); }, ":1\r\n", "#t\r\n"},
      {[](ReplyWriter& w) { w.boolean(false); }, ":0\r\n", "#f\r\n"},
      {[](ReplyWriter& w) { w.number(-0.5); }, "$4\r\n-0.5\r\n", ",-0.5\r\n"},
      {[](ReplyWriter& w) { w.number(INFINITY); }, "$3\r\ninf\r\n", ",inf\r\n"},
      {[](ReplyWriter& w) { w.big_number("12"); }, "$2\r\n12\r\n", "(12\r\n"},
      {[](ReplyWriter& w) { w.verbatim("mkd", "# x"); }, "$3\r\n# x\r\n", "=7\r\nmkd:# x\r\n"},
      {[](ReplyWriter& w) { w.bulk_error("E\nx"); }, "-E x\r\n", "!3\r\nE\nx\r\n"},
  };
  for (const Case& one : cases) {
    EXPECT_EQ(written(RespVersion::kResp2, one.write), one.resp2);
    EXPECT_EQ(written(RespVersion::kResp3, one.write), one.resp3);
  }
}

TEST(ReplyWriter, ChangesItsVersion) {
  BytesMut out;
  ReplyWriter writer(out);
  writer.null();
  writer.set_version(RespVersion::kResp3);
  writer.null();
  EXPECT_EQ(out.view(), "$-1\r\n_\r\n");
}

TEST(ParseInteger, AcceptsTheCanonicalSpellingOnly) {
  EXPECT_EQ(parse_integer("0"), 0);
  EXPECT_EQ(parse_integer("-1"), -1);
  EXPECT_EQ(parse_integer("9223372036854775807"), kMax);
  EXPECT_EQ(parse_integer("-9223372036854775808"), kMin);
  for (const std::string_view text :
       {"", "-", "+1", "01", "-0", "-01", "00", " 1", "1 ", "1a", "0x1", "--1",
        "9223372036854775808", "-9223372036854775809", "99999999999999999999999999"}) {
    EXPECT_EQ(parse_integer(text), std::nullopt) << text;
  }
}

TEST(FormatDouble, WritesTheShortestText) {
  EXPECT_EQ(double_text(0), "0");
  EXPECT_EQ(double_text(-0.0), "-0");
  EXPECT_EQ(double_text(3), "3");
  EXPECT_EQ(double_text(-100000), "-100000");
  EXPECT_EQ(double_text(9007199254740992.0), "9007199254740992");
  EXPECT_EQ(double_text(0.1), "0.1");
  EXPECT_EQ(double_text(10.5), "10.5");
  EXPECT_EQ(double_text(1e300), "1e+300");
  EXPECT_EQ(double_text(-INFINITY), "-inf");
  EXPECT_EQ(double_text(NAN), "nan");
}

TEST(FormatDouble, ReadsBackToTheSameBits) {
  auto random = testing_support::seeded_random();
  for (int round = 0; round < 100000; ++round) {
    const std::uint64_t bits = random();
    const auto value = std::bit_cast<double>(bits);
    if (std::isnan(value)) {
      continue;
    }
    const std::string text = double_text(value);
    ASSERT_LE(text.size(), kMaxDoubleChars);
    const auto back = parse_double(text);
    ASSERT_TRUE(back) << text;
    ASSERT_EQ(std::bit_cast<std::uint64_t>(*back), bits) << text;
  }
}

TEST(ParseDouble, RefusesWhatIsNoNumber) {
  EXPECT_EQ(parse_double("1.5"), 1.5);
  EXPECT_EQ(parse_double("+1e3"), 1000);
  EXPECT_EQ(parse_double(".5"), 0.5);
  EXPECT_EQ(parse_double("inf"), INFINITY);
  EXPECT_EQ(parse_double("-inf"), -INFINITY);
  EXPECT_TRUE(std::isnan(*parse_double("nan")));
  for (const std::string_view text : {"", "-", "+", "--1", "+-1", "1x", " 1", "infinity", "nan(1)",
                                      "0x10", "1e", "e5", "1,5", "1e999"}) {
    EXPECT_EQ(parse_double(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace ringo::protocol
