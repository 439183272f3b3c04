// SPDX-License-Identifier: MIT
//
// Frames and how they are written: accessors, the text form, RESP2 and RESP3 encodings.
//
// Thread safety: single-threaded tests.
#include <ringo/bytes.h>
#include <ringo/protocol/frame.h>
#include <ringo/protocol/resp.h>

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace ringo::protocol {
namespace {

Bytes bytes(std::string_view text) {
  return Bytes::copy_from(text);
}

std::string encoded(const Frame& frame, RespVersion version = RespVersion::kResp3) {
  BytesMut out;
  encode(frame, out, version);
  return std::string(out.view());
}

TEST(Frame, IsNullByDefault) {
  const Frame frame;
  EXPECT_TRUE(frame.is_null());
  EXPECT_EQ(frame, Frame::null());
  EXPECT_FALSE(frame.as_text());
  EXPECT_FALSE(frame.as_integer());
  EXPECT_TRUE(frame.items().empty());
}

TEST(Frame, GivesItsValueAndNoOther) {
  EXPECT_EQ(Frame::integer(-7).as_integer(), -7);
  EXPECT_FALSE(Frame::integer(1).as_boolean());
  EXPECT_FALSE(Frame::integer(1).as_double());
  EXPECT_EQ(Frame::boolean(true).as_boolean(), true);
  EXPECT_EQ(Frame::number(1.5).as_double(), 1.5);
  EXPECT_EQ(Frame::bulk(bytes("a\0b")).as_text(), "a\0b");
  EXPECT_EQ(Frame::simple(bytes("OK")).as_text(), "OK");
  EXPECT_TRUE(Frame::error(bytes("ERR x")).is_error());
  EXPECT_TRUE(Frame::bulk_error(bytes("ERR x")).is_error());
  EXPECT_FALSE(Frame::bulk(bytes("ERR x")).is_error());
  const Frame verbatim = Frame::verbatim(bytes("txt:hello"));
  EXPECT_EQ(verbatim.as_text(), "hello");
  EXPECT_EQ(verbatim.as_bytes(), Bytes::from_static("hello"));
  EXPECT_EQ(verbatim.verbatim_format(), "txt");
  EXPECT_EQ(Frame::bulk(bytes("txt:x")).verbatim_format(), "");
}

TEST(Frame, SharesItsBytes) {
  const Bytes value = bytes("value");
  EXPECT_EQ(Frame::bulk(value).as_bytes()->data(), value.data());
}

TEST(Frame, ComparesTypeAndValue) {
  EXPECT_EQ(Frame::bulk(bytes("a")), Frame::bulk(Bytes::from_static("a")));
  EXPECT_NE(Frame::bulk(bytes("a")), Frame::simple(bytes("a")));
  EXPECT_NE(Frame::array({}), Frame::set({}));
  EXPECT_NE(Frame::integer(1), Frame::boolean(true));
  EXPECT_EQ(Frame::array({Frame::integer(1)}), Frame::array({Frame::integer(1)}));
  EXPECT_NE(Frame::array({Frame::integer(1)}), Frame::array({Frame::integer(2)}));
}

TEST(Frame, LooksThroughAttributes) {
  Frame frame = Frame::attribute({Frame::simple(bytes("ttl")), Frame::integer(1)},
                                 Frame::attribute({}, Frame::integer(42)));
  EXPECT_EQ(frame.items().size(), 2U);
  EXPECT_EQ(frame.described(), Frame::attribute({}, Frame::integer(42)));
  EXPECT_EQ(frame.without_attributes(), Frame::integer(42));
  EXPECT_EQ(encoded(frame), "|1\r\n+ttl\r\n:1\r\n|0\r\n:42\r\n");
  EXPECT_EQ(Frame::integer(1).without_attributes(), Frame::integer(1));
  EXPECT_EQ(std::move(frame).take_items().size(), 2U);
}

TEST(Frame, IsShownAsRedisCliShowsIt) {
  EXPECT_EQ(Frame().to_string(), "(nil)");
  EXPECT_EQ(Frame::simple(bytes("OK")).to_string(), "OK");
  EXPECT_EQ(Frame::error(bytes("ERR no")).to_string(), "(error) ERR no");
  EXPECT_EQ(Frame::integer(-1).to_string(), "(integer) -1");
  EXPECT_EQ(Frame::bulk(bytes("a\"\\\n\r\t\a\b\x01\xff")).to_string(),
            R"("a\"\\\n\r\t\a\b\x01\xff")");
  EXPECT_EQ(Frame::number(0.5).to_string(), "(double) 0.5");
  EXPECT_EQ(Frame::boolean(false).to_string(), "(false)");
  EXPECT_EQ(Frame::array({}).to_string(), "(empty array)");
  EXPECT_EQ(Frame::map({}).to_string(), "(empty hash)");
  const Frame nested =
      Frame::array({Frame::integer(1), Frame::array({Frame::bulk(bytes("a")), Frame::null()}),
                    Frame::map({Frame::simple(bytes("k")), Frame::set({Frame::integer(2)})})});
  EXPECT_EQ(nested.to_string(),
            "1) (integer) 1\n"
            "2) 1) \"a\"\n"
            "   2) (nil)\n"
            "3) 1# k => 1~ (integer) 2");
}

TEST(Encode, WritesEveryTypeInBothVersions) {
  const std::vector<Frame> two{Frame::integer(1), Frame::bulk(bytes("b"))};
  struct Case {
    Frame frame;
    std::string_view resp3;
    std::string_view resp2;
  };
  const Case cases[] = {
      {Frame::null(), "_\r\n", "$-1\r\n"},
      {Frame::simple(bytes("O\r\nK")), "+O  K\r\n", "+O  K\r\n"},
      {Frame::error(bytes("ERR a\nb")), "-ERR a b\r\n", "-ERR a b\r\n"},
      {Frame::integer(-12), ":-12\r\n", ":-12\r\n"},
      {Frame::bulk(bytes("a\r\n")), "$3\r\na\r\n\r\n", "$3\r\na\r\n\r\n"},
      {Frame::bulk(Bytes()), "$0\r\n\r\n", "$0\r\n\r\n"},
      {Frame::array(two), "*2\r\n:1\r\n$1\r\nb\r\n", "*2\r\n:1\r\n$1\r\nb\r\n"},
      {Frame::boolean(true), "#t\r\n", ":1\r\n"},
      {Frame::number(1.25), ",1.25\r\n", "$4\r\n1.25\r\n"},
      {Frame::big_number(bytes("123")), "(123\r\n", "$3\r\n123\r\n"},
      {Frame::bulk_error(bytes("ERR\nx")), "!5\r\nERR\nx\r\n", "-ERR x\r\n"},
      {Frame::verbatim(bytes("txt:hi")), "=6\r\ntxt:hi\r\n", "$2\r\nhi\r\n"},
      {Frame::map(two), "%1\r\n:1\r\n$1\r\nb\r\n", "*2\r\n:1\r\n$1\r\nb\r\n"},
      {Frame::set(two), "~2\r\n:1\r\n$1\r\nb\r\n", "*2\r\n:1\r\n$1\r\nb\r\n"},
      {Frame::push(two), ">2\r\n:1\r\n$1\r\nb\r\n", "*2\r\n:1\r\n$1\r\nb\r\n"},
      {Frame::attribute(two, Frame::integer(9)), "|1\r\n:1\r\n$1\r\nb\r\n:9\r\n", ":9\r\n"},
  };
  for (const Case& one : cases) {
    EXPECT_EQ(encoded(one.frame), one.resp3);
    EXPECT_EQ(encoded(one.frame, RespVersion::kResp2), one.resp2);
  }
}

TEST(Encode, WritesCommands) {
  BytesMut out;
  encode_command(out, std::array<std::string_view, 3>{"SET", "", "a\r\nb"});
  EXPECT_EQ(out.view(), "*3\r\n$3\r\nSET\r\n$0\r\n\r\n$4\r\na\r\nb\r\n");
}

}  // namespace
}  // namespace ringo::protocol
