// SPDX-License-Identifier: MIT
//
// What all parts of the protocol share: the version of a conversation and numbers as text.
// Exists so that parser, writer and frames agree on both.
//
// Thread safety: free functions without state.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

namespace ringo::protocol {

/// A connection starts with RESP2; `HELLO 3` switches it.
enum class RespVersion : std::uint8_t { kResp2 = 2, kResp3 = 3 };

/// Room for any int64_t or uint64_t in decimal.
inline constexpr std::size_t kMaxIntegerChars = 20;

/// Writes `value` in decimal to `out`, which has room for kMaxIntegerChars; returns the end.
inline char* format_integer(char* out, std::uint64_t value) {
  if (value < 10) {
    *out = static_cast<char>('0' + value);
    return out + 1;
  }
  if (value < 100) {
    out[0] = static_cast<char>('0' + value / 10);
    out[1] = static_cast<char>('0' + value % 10);
    return out + 2;
  }
  return std::to_chars(out, out + kMaxIntegerChars, value).ptr;
}

inline char* format_integer(char* out, std::int64_t value) {
  if (value >= 0) {
    return format_integer(out, static_cast<std::uint64_t>(value));
  }
  *out = '-';
  return format_integer(out + 1, std::uint64_t{0} - static_cast<std::uint64_t>(value));
}

/// Reads a signed integer the way Redis does (string2ll): the one canonical spelling only, without
/// plus sign, leading zeros, blanks or "-0".
std::optional<std::int64_t> parse_integer(std::string_view text);

/// Room for any double that format_double writes.
inline constexpr std::size_t kMaxDoubleChars = 32;

/// Writes the shortest text that reads back as `value`: integers without exponent where they are
/// exact ("3", "100000"), else as "%g" would; "inf", "-inf", "nan". Returns the end.
char* format_double(char* out, double value);

/// Reads a RESP3 double: "1.5", "10", "1e9", "inf", "-inf", "nan".
std::optional<double> parse_double(std::string_view text);

}  // namespace ringo::protocol
