// SPDX-License-Identifier: MIT
//
// Values as numbers: INCR, DECR and their relatives. A counter keeps its expiry.

#include <ringo/protocol/resp.h>

#include <array>
#include <cctype>
#include <cerrno>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <optional>
#include <string_view>

#include "commands/arguments.h"
#include "commands/command.h"
#include "commands/handlers.h"
#include "store/entry.h"
#include "store/key_hash.h"
#include "store/shard.h"

namespace ringo::server::handlers {
namespace {

void add(CommandContext& context, std::int64_t amount) {
  const HashedKey key = context.key();
  std::string_view problem;
  const std::int64_t sum = context.store().with(key, [&](Shard& shard) -> std::int64_t {
    const Entry* entry = shard.find(key, context.now_ms);
    const std::optional<std::int64_t> old =
        entry == nullptr ? 0 : protocol::parse_integer(entry->value());
    std::int64_t value = 0;
    if (!old) {
      problem = kNotAnInteger;
      return 0;
    }
    if (__builtin_add_overflow(*old, amount, &value)) {
      problem = "ERR increment or decrement would overflow";
      return 0;
    }
    std::array<char, protocol::kMaxIntegerChars> digits;
    const char* end = protocol::format_integer(digits.data(), value);
    shard.put(key, {digits.data(), static_cast<std::size_t>(end - digits.data())}, kKeepExpiry,
              context.now_ms);
    return value;
  });
  problem.empty() ? context.reply.integer(sum) : context.reply.error(problem);
}

/// As Redis' string2ld: what strtold takes, but nothing around it, no NaN, no range error.
std::optional<long double> parse_float(std::string_view text) {
  std::array<char, 5 * 1024> buffer;
  if (text.empty() || text.size() >= buffer.size() ||
      std::isspace(static_cast<unsigned char>(text[0])) != 0) {
    return std::nullopt;
  }
  text.copy(buffer.data(), text.size());
  buffer[text.size()] = '\0';
  char* end = nullptr;
  errno = 0;
  const long double value = std::strtold(buffer.data(), &end);
  const bool is_out_of_range =
      errno == ERANGE && (std::isinf(value) || std::fpclassify(value) == FP_ZERO);
  if (end != buffer.data() + text.size() || is_out_of_range || errno == EINVAL ||
      std::isnan(value)) {
    return std::nullopt;
  }
  return value;
}

/// Room for the largest long double, a dot and 17 decimals.
using FloatText = std::array<char, 5 * 1024>;

/// As Redis' ld2string in its human form: no exponent, 17 decimals at most, no zeros at the end.
std::string_view format_float(FloatText& buffer, long double value) {
  const int length = std::snprintf(buffer.data(), buffer.size(), "%.17Lf", value);
  std::string_view text(buffer.data(), static_cast<std::size_t>(length));
  while (text.back() == '0') {
    text.remove_suffix(1);
  }
  if (text.back() == '.') {
    text.remove_suffix(1);
  }
  return text == "-0" ? "0" : text;
}

}  // namespace

void incr(CommandContext& context) {
  add(context, 1);
}
void decr(CommandContext& context) {
  add(context, -1);
}

void incrby(CommandContext& context) {
  if (const std::optional<std::int64_t> amount = integer_or_reply(context, context.args[2])) {
    add(context, *amount);
  }
}

void decrby(CommandContext& context) {
  const std::optional<std::int64_t> amount = integer_or_reply(context, context.args[2]);
  if (!amount) {
    return;
  }
  if (*amount == std::numeric_limits<std::int64_t>::min()) {
    context.reply.error("ERR decrement would overflow");
    return;
  }
  add(context, -*amount);
}

void incrbyfloat(CommandContext& context) {
  const HashedKey key = context.key();
  const std::optional<long double> amount = parse_float(context.args[2]);
  std::string_view problem;
  FloatText buffer;
  std::string_view text;
  context.store().with(key, [&](Shard& shard) {
    const Entry* entry = shard.find(key, context.now_ms);
    const std::optional<long double> old =
        entry == nullptr ? std::optional(0.0L) : parse_float(entry->value());
    if (!old || !amount) {
      problem = kNotAFloat;
      return;
    }
    const long double sum = *old + *amount;
    if (std::isnan(sum) || std::isinf(sum)) {
      problem = "ERR increment would produce NaN or Infinity";
      return;
    }
    text = format_float(buffer, sum);
    shard.put(key, text, kKeepExpiry, context.now_ms);
  });
  problem.empty() ? context.reply.bulk(text) : context.reply.error(problem);
}

}  // namespace ringo::server::handlers
