// SPDX-License-Identifier: MIT
//
// Commands as bytes, and which of them a connection refuses.
//
// Thread safety: tests.

#include <ringo/client/commands.h>
#include <ringo/client/error.h>

#include <array>
#include <chrono>
#include <optional>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace ringo::client {
namespace {

using detail::Sharing;
using namespace std::chrono_literals;

std::optional<ClientError> refusal_of(std::vector<std::string_view> words, Sharing sharing) {
  return detail::refusal(words, sharing);
}

TEST(Commands, AreArraysOfBulkStrings) {
  EXPECT_EQ(detail::encode(std::array<std::string_view, 2>{"GET", "k\r\n"}).view(),
            "*2\r\n$3\r\nGET\r\n$3\r\nk\r\n\r\n");
  EXPECT_EQ(detail::encode_with_integer("INCRBY", "k", -5).view(),
            "*3\r\n$6\r\nINCRBY\r\n$1\r\nk\r\n$2\r\n-5\r\n");
  const std::array<std::string_view, 2> keys{"a", "b"};
  EXPECT_EQ(detail::encode_keys("DEL", keys).view(), "*3\r\n$3\r\nDEL\r\n$1\r\na\r\n$1\r\nb\r\n");
}

TEST(Commands, SetCarriesItsOptions) {
  EXPECT_EQ(detail::encode_set("k", "v", SetOptions()).view(),
            "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n");
  EXPECT_EQ(detail::encode_set("k", "v", SetOptions().expire_in(1500us).if_absent()).view(),
            "*6\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n$2\r\nNX\r\n$2\r\nPX\r\n$1\r\n2\r\n");
  EXPECT_EQ(detail::encode_set("k", "v", SetOptions().if_present().keep_expiry()).view(),
            "*5\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n$2\r\nXX\r\n$7\r\nKEEPTTL\r\n");
}

TEST(Commands, WithoutOneReplyAreRefusedEverywhere) {
  for (const Sharing sharing : {Sharing::kExclusive, Sharing::kShared}) {
    EXPECT_TRUE(refusal_of({"subscribe", "news"}, sharing));
    EXPECT_TRUE(refusal_of({"MONITOR"}, sharing));
    EXPECT_TRUE(refusal_of({"client", "Reply", "OFF"}, sharing));
    EXPECT_TRUE(refusal_of({}, sharing));
    EXPECT_FALSE(refusal_of({"CLIENT", "ID"}, sharing));
    EXPECT_FALSE(refusal_of({"GET", "SUBSCRIBE"}, sharing));
  }
}

TEST(Commands, ThatConcernTheWholeConnectionAreRefusedOnASharedOne) {
  const std::vector<std::vector<std::string_view>> commands{
      {"MULTI"},
      {"select", "1"},
      {"BLPOP", "k", "0"},
      {"XREAD", "block", "0", "STREAMS", "s", "$"}};
  for (const std::vector<std::string_view>& words : commands) {
    const std::optional<ClientError> error = refusal_of(words, Sharing::kShared);
    ASSERT_TRUE(error.has_value()) << words[0];
    EXPECT_EQ(error->kind(), ClientErrorKind::kNotAllowed);
    EXPECT_FALSE(refusal_of(words, Sharing::kExclusive)) << words[0];
  }
  EXPECT_FALSE(refusal_of({"XREAD", "STREAMS", "s", "0"}, Sharing::kShared));
}

TEST(ClientError, KnowsTheServersCode) {
  EXPECT_EQ(ClientError(ClientErrorKind::kServer, "WRONGTYPE Operation").code(), "WRONGTYPE");
  EXPECT_EQ(ClientError(ClientErrorKind::kTimedOut, "WRONGTYPE Operation").code(), "");
}

}  // namespace
}  // namespace ringo::client
