// SPDX-License-Identifier: MIT
//
// Numbers as text, both ways.
//
// Thread safety: see ringo/protocol/resp.h.
#include <ringo/protocol/resp.h>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>
#include <system_error>

namespace ringo::protocol {
namespace {

char* copy(char* out, std::string_view text) {
  std::memcpy(out, text.data(), text.size());
  return out + text.size();
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

}  // namespace

std::optional<std::int64_t> parse_integer(std::string_view text) {
  const std::size_t sign = text.starts_with('-') ? 1 : 0;
  if (text.size() == sign || (text[sign] == '0' && text.size() > 1)) {
    return std::nullopt;  // nothing, a leading zero, or "-0"
  }
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

char* format_double(char* out, double value) {
  if (std::isnan(value)) {
    return copy(out, "nan");
  }
  if (std::isinf(value)) {
    return copy(out, value < 0 ? "-inf" : "inf");
  }
  // to_chars would choose "1e+05" over "100000"; up to 2^53 every integer is exact.
  constexpr double kExactIntegers = 9007199254740992.0;
  if (std::fabs(value) <= kExactIntegers && value == std::trunc(value) &&
      !(value == 0 && std::signbit(value))) {
    return format_integer(out, static_cast<std::int64_t>(value));
  }
  return std::to_chars(out, out + kMaxDoubleChars, value).ptr;
}

std::optional<double> parse_double(std::string_view text) {
  const bool is_negative = text.starts_with('-');
  std::string_view magnitude = text;
  if (is_negative || text.starts_with('+')) {
    magnitude.remove_prefix(1);
  }
  double value = 0;
  if (magnitude == "inf") {
    value = std::numeric_limits<double>::infinity();
  } else if (magnitude == "nan") {
    value = std::numeric_limits<double>::quiet_NaN();
  } else {
    // from_chars also knows "infinity", "nan(1)" and a second sign.
    if (magnitude.empty() || !(is_digit(magnitude[0]) || magnitude[0] == '.')) {
      return std::nullopt;
    }
    const auto [end, error] =
        std::from_chars(magnitude.data(), magnitude.data() + magnitude.size(), value);
    if (error != std::errc{} || end != magnitude.data() + magnitude.size()) {
      return std::nullopt;
    }
  }
  return is_negative ? -value : value;
}

}  // namespace ringo::protocol
