// SPDX-License-Identifier: MIT
//
// Addresses: what parses and what does not, how they print, and host names.

#include <netinet/in.h>
#include <ringo/net/address.h>
#include <ringo/result.h>
#include <sys/socket.h>

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/co_test.h"

namespace {

using ringo::ErrorKind;
using ringo::Result;
using ringo::net::HostAndPort;
using ringo::net::lookup_host;
using ringo::net::SocketAddress;

TEST(SocketAddress, PrintsWhatItParses) {
  for (const char* text : {"127.0.0.1:6379", "0.0.0.0:0", "255.255.255.255:65535", "[::1]:80",
                           "[::]:0", "[2001:db8::7]:443", "[fe80::1%3]:22"}) {
    const Result<SocketAddress> address = SocketAddress::parse(text);
    ASSERT_TRUE(address.has_value()) << text;
    EXPECT_EQ(address->to_string(), text);
  }
}

TEST(SocketAddress, RefusesWhatIsNoAddress) {
  for (const char* text : {"",
                           ":",
                           "127.0.0.1",
                           "127.0.0.1:",
                           ":80",
                           "127.0.0.1:65536",
                           "127.0.0.1:-1",
                           "127.0.0.1:+1",
                           "127.0.0.1: 1",
                           "127.0.0.1:1x",
                           "127.0.0:80",
                           "256.0.0.1:80",
                           "localhost:80",
                           "::1",
                           "::1:80",
                           "[::1]",
                           "[::1]80",
                           "[::1:80",
                           "[]:80",
                           "[127.0.0.1]:80",
                           "[::g]:80",
                           "[::1%x]:80",
                           "[::1%]:80",
                           "127.0.0.1:80 "}) {
    const Result<SocketAddress> address = SocketAddress::parse(text);
    ASSERT_FALSE(address.has_value()) << text;
    EXPECT_EQ(address.error().kind(), ErrorKind::kInvalidInput);
  }
}

TEST(SocketAddress, ParsesAnIpWithoutPort) {
  EXPECT_EQ(SocketAddress::parse_ip("127.0.0.1", 5)->to_string(), "127.0.0.1:5");
  EXPECT_EQ(SocketAddress::parse_ip("::1", 5)->to_string(), "[::1]:5");
  EXPECT_EQ(SocketAddress::parse_ip("[::1]", 5)->to_string(), "[::1]:5");
  EXPECT_FALSE(SocketAddress::parse_ip("localhost", 5).has_value());
  EXPECT_FALSE(SocketAddress::parse_ip("", 5).has_value());
}

TEST(SocketAddress, ComparesFamilyAddressPortAndScope) {
  const SocketAddress v4 = SocketAddress::loopback_v4(80);
  EXPECT_EQ(v4, *SocketAddress::parse("127.0.0.1:80"));
  EXPECT_NE(v4, v4.with_port(81));
  EXPECT_NE(v4, SocketAddress::any_v4(80));
  EXPECT_NE(v4, SocketAddress::loopback_v6(80));
  EXPECT_EQ(v4.with_port(81).port(), 81);
  EXPECT_NE(*SocketAddress::parse("[fe80::1%1]:80"), *SocketAddress::parse("[fe80::1%2]:80"));
}

TEST(SocketAddress, KnowsItsKind) {
  EXPECT_TRUE(SocketAddress().is_ipv4());
  EXPECT_TRUE(SocketAddress().is_unspecified());
  EXPECT_TRUE(SocketAddress::any_v6(1).is_unspecified());
  EXPECT_TRUE(SocketAddress::any_v6(1).is_ipv6());
  EXPECT_TRUE(SocketAddress::parse("127.8.9.1:1")->is_loopback());
  EXPECT_FALSE(SocketAddress::parse("128.0.0.1:1")->is_loopback());
  EXPECT_TRUE(SocketAddress::loopback_v6(1).is_loopback());
  EXPECT_TRUE(SocketAddress::parse("[::ffff:127.0.0.1]:1")->is_loopback());
  EXPECT_FALSE(SocketAddress::parse("[::2]:1")->is_loopback());
}

TEST(SocketAddress, RoundTripsThroughTheKernelsForm) {
  const SocketAddress v6 = *SocketAddress::parse("[fe80::1%3]:22");
  EXPECT_EQ(SocketAddress::from_native(v6.native(), v6.native_size()), v6);
  EXPECT_FALSE(SocketAddress::from_native(v6.native(), sizeof(sockaddr_in6) - 1).has_value());
  EXPECT_FALSE(SocketAddress::from_native(nullptr, 0).has_value());
  sockaddr other{};
  other.sa_family = AF_UNIX;
  EXPECT_FALSE(SocketAddress::from_native(&other, sizeof(other)).has_value());
}

TEST(HostAndPort, SplitsNamesAndAddresses) {
  EXPECT_EQ(HostAndPort::parse("example.com:80")->host, "example.com");
  EXPECT_EQ(HostAndPort::parse("example.com:80")->port, 80);
  EXPECT_EQ(HostAndPort::parse("[::1]:80")->host, "::1");
  for (const char* text : {"example.com", "example.com:", "example.com:http", ":80", "::1:80"}) {
    EXPECT_FALSE(HostAndPort::parse(text).has_value()) << text;
  }
}

CO_TEST(LookupHost, AnswersNumericAddresses) {
  const Result<std::vector<SocketAddress>> v4 = co_await lookup_host("127.0.0.1", 6379);
  CO_ASSERT_TRUE(v4.has_value());
  CO_ASSERT_EQ(v4->size(), 1u);
  EXPECT_EQ(v4->front(), SocketAddress::loopback_v4(6379));
  const Result<std::vector<SocketAddress>> v6 = co_await lookup_host("[::1]", 6379);
  CO_ASSERT_TRUE(v6.has_value());
  EXPECT_EQ(v6->front(), SocketAddress::loopback_v6(6379));
}

CO_TEST(LookupHost, FindsLocalhost) {
  const Result<std::vector<SocketAddress>> found = co_await lookup_host("localhost", 6379);
  CO_ASSERT_TRUE(found.has_value());
  CO_ASSERT_FALSE(found->empty());
  for (const SocketAddress& address : *found) {
    EXPECT_TRUE(address.is_loopback()) << address.to_string();
    EXPECT_EQ(address.port(), 6379);
  }
}

CO_TEST(LookupHost, SaysThatANameIsUnknown) {
  // A label longer than 63 characters cannot exist, hence no name server is asked.
  const Result<std::vector<SocketAddress>> found = co_await lookup_host(std::string(64, 'x'), 1);
  CO_ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error().kind(), ErrorKind::kResolve);
  EXPECT_NE(found.error().os_error(), 0);
}

CO_TEST(LookupHost, RefusesEmptyNamesAndNul) {
  const Result<std::vector<SocketAddress>> empty = co_await lookup_host("", 1);
  CO_ASSERT_FALSE(empty.has_value());
  EXPECT_EQ(empty.error().kind(), ErrorKind::kInvalidInput);
  const Result<std::vector<SocketAddress>> nul =
      co_await lookup_host(std::string("localhost\0.evil", 15), 1);
  CO_ASSERT_FALSE(nul.has_value());
  EXPECT_EQ(nul.error().kind(), ErrorKind::kInvalidInput);
}

}  // namespace
