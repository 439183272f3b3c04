// SPDX-License-Identifier: MIT
//
// The matcher: at a mismatch only the last star needs to be tried again one byte further on.

#include "commands/glob.h"

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace ringo::server {
namespace {

unsigned char byte_at(std::string_view text, std::size_t at) {
  return static_cast<unsigned char>(text[at]);
}

/// Matches the class at pattern[at], which is '[', and moves `at` behind it. A class without its
/// end extends to the end of the pattern.
bool matches_class(std::string_view pattern, std::size_t& at, unsigned char byte) {
  ++at;
  const bool is_negated = at < pattern.size() && pattern[at] == '^';
  at += is_negated ? 1U : 0U;
  bool found = false;
  while (at < pattern.size() && pattern[at] != ']') {
    if (pattern[at] == '\\' && at + 1 < pattern.size()) {
      found = found || byte_at(pattern, at + 1) == byte;
      at += 2;
    } else if (at + 2 < pattern.size() && pattern[at + 1] == '-') {
      const auto [low, high] = std::minmax({byte_at(pattern, at), byte_at(pattern, at + 2)});
      found = found || (byte >= low && byte <= high);
      at += 3;
    } else {
      found = found || byte_at(pattern, at) == byte;
      ++at;
    }
  }
  at += at < pattern.size() ? 1U : 0U;
  return found != is_negated;
}

/// Matches one byte against the element at pattern[at], which is no star, and moves `at` behind it.
bool matches_one(std::string_view pattern, std::size_t& at, unsigned char byte) {
  if (pattern[at] == '[') {
    return matches_class(pattern, at, byte);
  }
  if (pattern[at] == '?') {
    ++at;
    return true;
  }
  if (pattern[at] == '\\' && at + 1 < pattern.size()) {
    ++at;
  }
  return byte_at(pattern, at++) == byte;
}

}  // namespace

bool matches_glob(std::string_view pattern, std::string_view text) {
  constexpr std::size_t kNone = std::string_view::npos;
  std::size_t at = 0;
  std::size_t position = 0;
  std::size_t after_star = kNone;  // where the pattern goes on after the last star
  std::size_t star_position = 0;   // how much of the text the stars have taken up to here
  while (position < text.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      after_star = ++at;
      star_position = position;
      continue;
    }
    if (at < pattern.size() && matches_one(pattern, at, byte_at(text, position))) {
      ++position;
      continue;
    }
    if (after_star == kNone) {
      return false;
    }
    at = after_star;
    position = ++star_position;
  }
  while (at < pattern.size() && pattern[at] == '*') {
    ++at;
  }
  return at == pattern.size();
}

}  // namespace ringo::server
