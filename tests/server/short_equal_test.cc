// SPDX-License-Identifier: MIT
//
// short_equal() is memcmp: every length around its borders, every place of a difference, and no
// byte read beyond the ends (the buffers are as long as the text: AddressSanitizer would see it).

#include "store/short_equal.h"

#include <cstddef>
#include <memory>
#include <string_view>

#include <gtest/gtest.h>

namespace ringo::server {
namespace {

std::unique_ptr<char[]> text_of(std::size_t size) {
  auto text = std::make_unique<char[]>(size);
  for (std::size_t i = 0; i < size; ++i) {
    text[i] = static_cast<char>('a' + i);
  }
  return text;
}

TEST(ShortEqual, FindsADifferenceAtAnyPlaceOfAnyLength) {
  for (std::size_t size = 0; size <= 40; ++size) {
    const auto left = text_of(size);
    const auto right = text_of(size);
    const std::string_view one(left.get(), size);
    const std::string_view other(right.get(), size);
    EXPECT_TRUE(short_equal(one, other)) << size;
    for (std::size_t at = 0; at < size; ++at) {
      right[at] ^= static_cast<char>(0x80);
      EXPECT_FALSE(short_equal(one, other)) << size << " at " << at;
      right[at] ^= static_cast<char>(0x80);
    }
    if (size != 0) {
      EXPECT_FALSE(short_equal(one, other.substr(1))) << "other lengths are never equal";
    }
  }
}

}  // namespace
}  // namespace ringo::server
