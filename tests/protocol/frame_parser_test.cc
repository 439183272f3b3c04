// SPDX-License-Identifier: MIT
//
// The reply parser: every type, every error, limits at and one past, every cut of every input.
//
// Thread safety: single-threaded tests.
#include <ringo/bytes.h>
#include <ringo/protocol/frame.h>
#include <ringo/protocol/frame_parser.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
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

using testing::ElementsAre;

Bytes bytes(std::string_view text) {
  return Bytes::copy_from(text);
}

struct Outcome {
  std::vector<Frame> frames;
  std::optional<FrameErrorCode> error = std::nullopt;
  bool is_idle = true;  // nothing of a further reply has come

  bool operator==(const Outcome&) const = default;
};

void PrintTo(const Outcome& outcome, std::ostream* out) {
  *out << outcome.frames.size() << " frames";
  for (const Frame& frame : outcome.frames) {
    *out << "\n" << frame.to_string();
  }
  *out << "\nerror " << (outcome.error ? static_cast<int>(*outcome.error) : -1);
}

class Feeder {
 public:
  explicit Feeder(const FrameLimits& limits = {}) : parser(limits) {}

  void feed(std::string_view piece) {
    buffer_.append(piece);
    while (!outcome.error) {
      auto frame = parser.parse(buffer_);
      if (!frame) {
        outcome.error = frame.error().code;
        EXPECT_FALSE(frame.error().message.empty());
      } else if (*frame) {
        outcome.frames.push_back(std::move(**frame));
      } else {
        EXPECT_GE(parser.hint(), 1U);
        break;
      }
    }
    outcome.is_idle = !outcome.error && parser.is_idle() && buffer_.empty();
  }

  FrameParser parser;
  Outcome outcome;

 private:
  BytesMut buffer_;
};

Outcome parse_every_way(std::string_view input, const FrameLimits& limits = {}) {
  Feeder whole(limits);
  whole.feed(input);
  Feeder bytewise(limits);
  for (const char byte : input) {
    bytewise.feed({&byte, 1});
  }
  EXPECT_EQ(bytewise.outcome, whole.outcome) << "byte by byte: " << input;
  for (std::size_t cut = 0; cut <= input.size(); ++cut) {
    Feeder halves(limits);
    halves.feed(input.substr(0, cut));
    halves.feed(input.substr(cut));
    EXPECT_EQ(halves.outcome, whole.outcome) << "cut at " << cut << " of: " << input;
  }
  return whole.outcome;
}

std::optional<FrameErrorCode> error_of(std::string_view input, const FrameLimits& limits = {}) {
  return parse_every_way(input, limits).error;
}

std::string nested(std::size_t depth) {
  std::string input;
  for (std::size_t i = 0; i < depth; ++i) {
    input += "*1\r\n";
  }
  return input + ":1\r\n";
}

TEST(FrameParser, ReadsEveryType) {
  const std::pair<std::string_view, Frame> cases[] = {
      {"+OK\r\n", Frame::simple(bytes("OK"))},
      {"+\r\n", Frame::simple({})},
      {"+a\nb\r\n", Frame::simple(bytes("a\nb"))},
      {"-ERR no\r\n", Frame::error(bytes("ERR no"))},
      {":0\r\n", Frame::integer(0)},
      {":+12\r\n", Frame::integer(12)},
      {":-9223372036854775808\r\n", Frame::integer(std::numeric_limits<std::int64_t>::min())},
      {"$0\r\n\r\n", Frame::bulk({})},
      {"$7\r\na\r\nb\r\nc\r\n", Frame::bulk(bytes("a\r\nb\r\nc"))},
      {"$-1\r\n", Frame::null()},
      {"*-1\r\n", Frame::null()},
      {"_\r\n", Frame::null()},
      {"*0\r\n", Frame::array({})},
      {"*2\r\n:1\r\n*1\r\n$1\r\nx\r\n",
       Frame::array({Frame::integer(1), Frame::array({Frame::bulk(bytes("x"))})})},
      {"#t\r\n", Frame::boolean(true)},
      {"#f\r\n", Frame::boolean(false)},
      {",1.5\r\n", Frame::number(1.5)},
      {",-inf\r\n", Frame::number(-std::numeric_limits<double>::infinity())},
      {"(-123456789012345678901234567890\r\n",
       Frame::big_number(bytes("-123456789012345678901234567890"))},
      {"!5\r\nERR x\r\n", Frame::bulk_error(bytes("ERR x"))},
      {"=8\r\ntxt:a\r\nb\r\n", Frame::verbatim(bytes("txt:a\r\nb"))},
      {"%1\r\n+k\r\n*0\r\n", Frame::map({Frame::simple(bytes("k")), Frame::array({})})},
      {"%0\r\n", Frame::map({})},
      {"~1\r\n_\r\n", Frame::set({Frame::null()})},
      {">2\r\n+a\r\n:1\r\n", Frame::push({Frame::simple(bytes("a")), Frame::integer(1)})},
      {"|1\r\n+ttl\r\n:3\r\n$1\r\nx\r\n",
       Frame::attribute({Frame::simple(bytes("ttl")), Frame::integer(3)}, Frame::bulk(bytes("x")))},
      {"*2\r\n|0\r\n:1\r\n:2\r\n",
       Frame::array({Frame::attribute({}, Frame::integer(1)), Frame::integer(2)})},
  };
  std::string all;
  std::vector<Frame> expected;
  for (const auto& [input, frame] : cases) {
    const Outcome outcome = parse_every_way(input);
    EXPECT_THAT(outcome.frames, ElementsAre(frame)) << input;
    EXPECT_TRUE(outcome.is_idle);
    all += input;
    expected.push_back(frame);
  }
  EXPECT_EQ(parse_every_way(all).frames, expected);
}

TEST(FrameParser, RefusesWhatIsNotTheProtocol) {
  using enum FrameErrorCode;
  const std::pair<std::string_view, FrameErrorCode> cases[] = {
      {"HTTP/1.1 400 Bad Request\r\n", kUnknownType},
      {"\r\n", kUnknownType},
      {"*1\r\nx", kUnknownType},
      {"+OK\rx", kMissingLineBreak},
      {"$3\r\nabcde", kMissingLineBreak},
      {"$3\r\nabc\n\n", kMissingLineBreak},
      {"$-2\r\n", kInvalidLength},
      {"$\r\n", kInvalidLength},
      {"$a\r\n", kInvalidLength},
      {"$03\r\n", kInvalidLength},
      {"$?\r\n", kInvalidLength},
      {"!-1\r\n", kInvalidLength},
      {"=-1\r\n", kInvalidLength},
      {"*-2\r\n", kInvalidLength},
      {"*1.0\r\n", kInvalidLength},
      {"*?\r\n", kInvalidLength},
      {"%-1\r\n", kInvalidLength},
      {"~-1\r\n", kInvalidLength},
      {">-1\r\n", kInvalidLength},
      {"|-1\r\n", kInvalidLength},
      {"$99999999999999999999\r\n", kInvalidLength},
      {":\r\n", kInvalidValue},
      {":1a\r\n", kInvalidValue},
      {":+-1\r\n", kInvalidValue},
      {":9223372036854775808\r\n", kInvalidValue},
      {"#x\r\n", kInvalidValue},
      {"#\r\n", kInvalidValue},
      {"#true\r\n", kInvalidValue},
      {"_x\r\n", kInvalidValue},
      {",\r\n", kInvalidValue},
      {",1.5.5\r\n", kInvalidValue},
      {"(\r\n", kInvalidValue},
      {"(-\r\n", kInvalidValue},
      {"(12a\r\n", kInvalidValue},
      {"=3\r\ntxt\r\n", kInvalidValue},
      {"=4\r\ntxt;\r\n", kInvalidValue},
      {"$536870913\r\n", kBulkTooLong},
      {"*2147483648\r\n", kTooManyItems},
      {"%2147483648\r\n", kTooManyItems},
  };
  for (const auto& [input, code] : cases) {
    EXPECT_EQ(error_of(input), code) << input;
  }
}

TEST(FrameParser, LimitsNesting) {
  EXPECT_THAT(parse_every_way(nested(32)).frames, testing::SizeIs(1));
  EXPECT_EQ(error_of(nested(33)), FrameErrorCode::kTooDeep);
  EXPECT_EQ(error_of("*1\r\n|0\r\n*0\r\n", {.max_depth = 2}), FrameErrorCode::kTooDeep);
  EXPECT_EQ(error_of("*1\r\n|0\r\n:1\r\n", {.max_depth = 2}), std::nullopt);
  EXPECT_EQ(error_of("*1\r\n*1\r\n*0\r\n", {.max_depth = 2}), FrameErrorCode::kTooDeep);
}

TEST(FrameParser, LimitsStringsItemsAndLines) {
  const FrameLimits limits{.max_bulk = 4, .max_items = 2, .max_line = 3};
  EXPECT_EQ(error_of("$4\r\nabcd\r\n", limits), std::nullopt);
  EXPECT_EQ(error_of("$5\r\n", limits), FrameErrorCode::kBulkTooLong);
  EXPECT_EQ(error_of("!5\r\n", limits), FrameErrorCode::kBulkTooLong);
  EXPECT_EQ(error_of("=5\r\n", limits), FrameErrorCode::kBulkTooLong);
  EXPECT_EQ(error_of("*2\r\n:1\r\n:2\r\n", limits), std::nullopt);
  EXPECT_EQ(error_of("*3\r\n", limits), FrameErrorCode::kTooManyItems);
  EXPECT_EQ(error_of("%2\r\n:1\r\n:2\r\n:3\r\n:4\r\n", limits), std::nullopt);
  EXPECT_EQ(error_of("%3\r\n", limits), FrameErrorCode::kTooManyItems);
  EXPECT_EQ(error_of("|3\r\n", limits), FrameErrorCode::kTooManyItems);
  EXPECT_EQ(error_of("+abc\r\n", limits), std::nullopt);
  EXPECT_EQ(error_of("+abcd\r\n", limits), FrameErrorCode::kLineTooLong);
  EXPECT_EQ(error_of("$0001\r\n", limits), FrameErrorCode::kLineTooLong);
}

TEST(FrameParser, ClaimsNoMemoryForWhatHasNotCome) {
  BytesMut buffer =
      BytesMut::copy_from("*2147483647\r\n%2147483647\r\n*2147483647\r\n$536870912\r\n");
  FrameParser parser;
  const auto frame = parser.parse(buffer);
  ASSERT_TRUE(frame);
  EXPECT_FALSE(*frame);
  EXPECT_EQ(parser.hint(), 536870912U + 2);
  EXPECT_FALSE(parser.is_idle());
}

TEST(FrameParser, StaysFailedUntilReset) {
  FrameParser parser;
  BytesMut bad = BytesMut::copy_from("*2\r\n:x\r\n");
  ASSERT_FALSE(parser.parse(bad));
  BytesMut good = BytesMut::copy_from("+OK\r\n");
  ASSERT_FALSE(parser.parse(good));
  EXPECT_EQ(parser.parse(good).error().code, FrameErrorCode::kInvalidValue);
  EXPECT_FALSE(parser.is_idle());
  parser.reset();
  EXPECT_TRUE(parser.is_idle());
  EXPECT_EQ(parser.parse(good).value(), Frame::simple(bytes("OK")));
}

TEST(FrameParser, PayloadsAreSlicesOfTheBuffer) {
  BytesMut buffer = BytesMut::copy_from("*2\r\n$5\r\nhello\r\n+simple\r\n:1\r\n");
  const char* const start = buffer.data();
  FrameParser parser;
  const Frame frame = *parser.parse(buffer).value();
  EXPECT_EQ(frame.items()[0].as_text()->data(), start + 8);
  EXPECT_EQ(frame.items()[1].as_text()->data(), start + 16);
  EXPECT_EQ(buffer.view(), ":1\r\n");
}

TEST(FrameParser, OkKeepsNoBuffer) {
  BytesMut buffer = BytesMut::copy_from("+OK\r\n");
  FrameParser parser;
  const Frame frame = *parser.parse(buffer).value();
  buffer.clear();
  EXPECT_TRUE(buffer.try_reclaim());
  EXPECT_EQ(frame.as_text(), "OK");
}

TEST(FrameParser, HintsAtMissingBytes) {
  FrameParser parser;
  BytesMut buffer;
  EXPECT_FALSE(parser.parse(buffer).value());
  EXPECT_EQ(parser.hint(), 1U);
  buffer.append("$1000\r\nabc");
  EXPECT_FALSE(parser.parse(buffer).value());
  EXPECT_EQ(parser.hint(), 999U);
  buffer.append(998, 'x');
  buffer.put('\r');
  EXPECT_FALSE(parser.parse(buffer).has_value());  // the CR is where the payload ends too late
}

TEST(FrameParser, WorkIsLinearInTheBytes) {
  constexpr std::size_t kBulk = std::size_t{1} << 20;
  std::string input = "*2\r\n:1\r\n$" + std::to_string(kBulk) + "\r\n";
  const std::size_t header = input.size();
  input.append(kBulk, 'x');
  input += "\r\n";
  FrameParser parser;
  BytesMut buffer;
  std::size_t frames = 0;
  for (const char byte : input) {
    buffer.put(byte);
    frames += parser.parse(buffer).value() ? 1 : 0;
  }
  EXPECT_EQ(frames, 1U);
  EXPECT_LE(parser.bytes_examined(), 3 * header);

  const std::string line = "+" + std::string(FrameLimits{}.max_line, 'x') + "\r\n";
  FrameParser line_parser;
  for (const char byte : line) {
    buffer.put(byte);
    frames += line_parser.parse(buffer).value() ? 1 : 0;
  }
  EXPECT_EQ(frames, 2U);
  EXPECT_LE(line_parser.bytes_examined(), 3 * line.size());
}

/// A random frame, nested at most `depth` deep, without what its encoding would change.
class FrameMaker {
 public:
  explicit FrameMaker(std::mt19937_64& random) : random_(random) {}

  Frame make(std::size_t depth) {
    switch (up_to(depth == 0 ? 9 : 14)) {
      case 0:
        return Frame::null();
      case 1:
        return Frame::simple(text("abc -$*"));
      case 2:
        return Frame::error(text("ERR x"));
      case 3:
        return Frame::integer(static_cast<std::int64_t>(random_()) >> up_to(63));
      case 4:
        return Frame::boolean(up_to(1) == 0);
      case 5:
        return Frame::number(std::uniform_real_distribution<double>(-1e9, 1e9)(random_));
      case 6:
        return Frame::big_number(Bytes::copy_from("1" + std::string(text("0123456789").view())));
      case 7:
        return Frame::bulk_error(binary());
      case 8:
        return Frame::verbatim(Bytes::copy_from("txt:" + binary().to_string()));
      case 9:
        return Frame::bulk(binary());
      case 10:
        return Frame::array(items(up_to(5), depth));
      case 11:
        return Frame::map(items(2 * up_to(3), depth));
      case 12:
        return Frame::set(items(up_to(5), depth));
      case 13:
        return Frame::push(items(up_to(5), depth));
      default:
        return Frame::attribute(items(2 * up_to(2), depth), make(depth - 1));
    }
  }

  std::size_t up_to(std::size_t most) {
    return std::uniform_int_distribution<std::size_t>(0, most)(random_);
  }

 private:
  Bytes text(std::string_view alphabet) {
    std::string made(up_to(20), ' ');
    for (char& c : made) {
      c = alphabet[up_to(alphabet.size() - 1)];
    }
    return Bytes::copy_from(made);
  }
  Bytes binary() {
    std::string made(up_to(up_to(20) == 0 ? 2000 : 20), ' ');
    for (char& c : made) {
      c = static_cast<char>(up_to(255));
    }
    return Bytes::copy_from(made);
  }
  std::vector<Frame> items(std::size_t count, std::size_t depth) {
    std::vector<Frame> made;
    made.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      made.push_back(make(depth - 1));
    }
    return made;
  }

  std::mt19937_64& random_;
};

TEST(FrameParser, RandomFramesSurviveRandomCuts) {
  auto random = testing_support::seeded_random();
  FrameMaker maker(random);
  for (int round = 0; round < 2000; ++round) {
    std::vector<Frame> expected;
    BytesMut encoded;
    for (std::size_t i = maker.up_to(4); i > 0; --i) {
      expected.push_back(maker.make(4));
      encode(expected.back(), encoded);
    }
    Feeder feeder;
    for (std::string_view rest = encoded; !rest.empty();) {
      const std::size_t size =
          std::min(rest.size(), 1 + maker.up_to(maker.up_to(1) == 0 ? 500 : 9));
      feeder.feed(rest.substr(0, size));
      rest.remove_prefix(size);
    }
    ASSERT_EQ(feeder.outcome, (Outcome{.frames = expected}));
  }
}

TEST(FrameParser, GarbageGivesTheSameResultHoweverItIsCut) {
  auto random = testing_support::seeded_random();
  FrameMaker maker(random);
  constexpr std::string_view kAlphabet = "*$+-:_#,(!=%~>|\r\n\r\n\r\n0123tf.?";
  const FrameLimits limits{.max_bulk = 3, .max_items = 3, .max_depth = 3, .max_line = 6};
  for (int round = 0; round < 20000; ++round) {
    std::string input(maker.up_to(24), ' ');
    for (char& byte : input) {
      byte = kAlphabet[maker.up_to(kAlphabet.size() - 1)];
    }
    parse_every_way(input, limits);
    ASSERT_FALSE(testing::Test::HasFailure());
  }
}

}  // namespace
}  // namespace ringo::protocol
