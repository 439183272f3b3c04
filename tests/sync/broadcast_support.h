// SPDX-License-Identifier: MIT
//
// What the tests of broadcast share: values of both kinds of slots (small ones that are copied as
// words, and others), and what a receiver is expected to find.
//
// Thread safety: plain functions and values.

#pragma once

#include <ringo/detail/word_cell.h>
#include <ringo/sync/broadcast.h>
#include <ringo/task.h>
#include <ringo/yield.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <expected>
#include <string>
#include <type_traits>

#include <gtest/gtest.h>

namespace ringo::broadcast_testing {

using broadcast::RecvError;
using broadcast::RecvFailure;

template <class T>
testing::AssertionResult gives(broadcast::Receiver<T>& receiver, const T& value) {
  const std::expected<T, RecvError> received = receiver.try_recv();
  if (!received) {
    return testing::AssertionFailure() << "failure " << static_cast<int>(received.error().reason)
                                       << ", missed " << received.error().missed;
  }
  if (*received != value) {
    return testing::AssertionFailure() << "another value";
  }
  return testing::AssertionSuccess();
}
template <class T>
testing::AssertionResult fails(broadcast::Receiver<T>& receiver, RecvFailure reason,
                               std::uint64_t missed = 0) {
  const std::expected<T, RecvError> received = receiver.try_recv();
  if (received) {
    return testing::AssertionFailure() << "a value";
  }
  if (received.error() != RecvError(reason, missed)) {
    return testing::AssertionFailure() << "failure " << static_cast<int>(received.error().reason)
                                       << ", missed " << received.error().missed;
  }
  return testing::AssertionSuccess();
}
template <class T>
testing::AssertionResult is_empty(broadcast::Receiver<T>& receiver) {
  return fails(receiver, RecvFailure::kEmpty);
}
template <class T>
testing::AssertionResult is_closed(broadcast::Receiver<T>& receiver) {
  return fails(receiver, RecvFailure::kClosed);
}
template <class T>
testing::AssertionResult lags(broadcast::Receiver<T>& receiver, std::uint64_t missed) {
  return fails(receiver, RecvFailure::kLagged, missed);
}

struct Plain {
  explicit Plain(int n) : number(n) {}
  friend bool operator==(const Plain&, const Plain&) = default;
  int number;
};
struct Large {
  explicit Large(int n) { numbers.fill(n); }
  friend bool operator==(const Large&, const Large&) = default;
  std::array<int, 16> numbers;  // 64 bytes: the most that is kept in words
};
struct TooLarge {
  explicit TooLarge(int n) { numbers.fill(n); }
  friend bool operator==(const TooLarge&, const TooLarge&) = default;
  std::array<int, 17> numbers;
};
struct alignas(128) Aligned {
  explicit Aligned(int n) : text(std::to_string(n)) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(this) % 128, 0U);
  }
  friend bool operator==(const Aligned&, const Aligned&) = default;
  std::string text;
};
struct Text {
  explicit Text(int n) : text(std::to_string(n)) {}
  friend bool operator==(const Text&, const Text&) = default;
  std::string text;
};

static_assert(detail::kFitsWordCell<Plain> && detail::kFitsWordCell<Large>);
static_assert(!detail::kFitsWordCell<TooLarge> && !detail::kFitsWordCell<Text>);

/// Several numbers that belong together: a torn read shows.
template <class T>
struct Stamped;
template <>
struct Stamped<Large> {
  static bool is_whole(const Large& value) {
    return std::ranges::all_of(value.numbers, [&](int n) { return n == value.numbers[0]; });
  }
  static std::uint64_t number(const Large& value) {
    return static_cast<std::uint64_t>(value.numbers[0]);
  }
};
template <>
struct Stamped<Text> {
  static bool is_whole(const Text& value) { return !value.text.empty(); }
  static std::uint64_t number(const Text& value) { return std::stoull(value.text); }
};

using Values = testing::Types<Plain, Large, TooLarge, Aligned, Text>;

struct ValueNames {
  template <class T>
  // NOLINTNEXTLINE(readability-identifier-naming): the name that GoogleTest asks for.
  static std::string GetName(int /*index*/) {
    if (std::is_same_v<T, Plain>) {
      return "Plain";
    }
    if (std::is_same_v<T, Large>) {
      return "Large";
    }
    if (std::is_same_v<T, TooLarge>) {
      return "TooLarge";
    }
    return std::is_same_v<T, Aligned> ? "Aligned" : "Text";
  }
};
template <class T>
Task<std::uint64_t> receives_in_order(broadcast::Receiver<T> receiver) {
  std::uint64_t count = 0;
  for (;;) {
    auto value = co_await receiver.recv();
    if (!value) {
      EXPECT_EQ(value.error(), RecvError(RecvFailure::kClosed));
      co_return count;
    }
    EXPECT_EQ(*value, T(static_cast<int>(count)));
    ++count;
    if (count % 7 == 0) {
      co_await yield_now();
    }
  }
}

}  // namespace ringo::broadcast_testing
