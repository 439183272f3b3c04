// SPDX-License-Identifier: MIT
//
// EXPIRE, TTL and their relatives. Rounding, limits and the order of errors follow expire.c of
// Redis 7.0.

#include "commands/expiry.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>

#include <fmt/core.h>

#include "commands/arguments.h"
#include "commands/command.h"
#include "commands/handlers.h"
#include "store/entry.h"
#include "store/key_hash.h"
#include "store/shard.h"

namespace ringo::server {
namespace {

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMsPerSecond = 1000;

}  // namespace

std::optional<UnixMs> positive_deadline_or_reply(CommandContext& context, std::string_view text,
                                                 ExpiryUnit unit) {
  const std::optional<std::int64_t> value = integer_or_reply(context, text);
  if (!value) {
    return std::nullopt;
  }
  std::int64_t when = *value;
  bool is_valid = when > 0 && (!unit.is_seconds || when <= kMax / kMsPerSecond);
  if (is_valid) {
    when *= unit.is_seconds ? kMsPerSecond : 1;
    is_valid = unit.is_absolute || !__builtin_add_overflow(when, context.now_ms, &when);
  }
  if (!is_valid) {
    reply_invalid_expire(context);
    return std::nullopt;
  }
  return when;
}

namespace handlers {
namespace {

struct Conditions {
  bool only_without = false;  // NX
  bool only_with = false;     // XX
  bool only_later = false;    // GT
  bool only_earlier = false;  // LT
};

std::optional<Conditions> parse_conditions(CommandContext& context) {
  Conditions conditions;
  for (const std::string_view word : context.args.subspan(3)) {
    if (equals_ignoring_case(word, "NX")) {
      conditions.only_without = true;
    } else if (equals_ignoring_case(word, "XX")) {
      conditions.only_with = true;
    } else if (equals_ignoring_case(word, "GT")) {
      conditions.only_later = true;
    } else if (equals_ignoring_case(word, "LT")) {
      conditions.only_earlier = true;
    } else {
      context.reply.error(fmt::format("ERR Unsupported option {}", word));
      return std::nullopt;
    }
  }
  if (conditions.only_without &&
      (conditions.only_with || conditions.only_later || conditions.only_earlier)) {
    context.reply.error("ERR NX and XX, GT or LT options at the same time are not compatible");
    return std::nullopt;
  }
  if (conditions.only_later && conditions.only_earlier) {
    context.reply.error("ERR GT and LT options at the same time are not compatible");
    return std::nullopt;
  }
  return conditions;
}

/// `current` is kNoExpiry for a key that never expires: later than everything.
bool are_met(const Conditions& conditions, UnixMs current, UnixMs when) {
  const bool never = current == kNoExpiry;
  return !(conditions.only_without && !never) && !(conditions.only_with && never) &&
         !(conditions.only_later && (never || when <= current)) &&
         !(conditions.only_earlier && !never && when >= current);
}

void set_deadline(CommandContext& context, ExpiryUnit unit) {
  const std::optional<Conditions> conditions = parse_conditions(context);
  if (!conditions) {
    return;
  }
  const std::optional<std::int64_t> value = integer_or_reply(context, context.args[2]);
  if (!value) {
    return;
  }
  std::int64_t when = *value;
  if (unit.is_seconds) {
    if (when > kMax / kMsPerSecond || when < kMin / kMsPerSecond) {
      reply_invalid_expire(context);
      return;
    }
    when *= kMsPerSecond;
  }
  if (!unit.is_absolute && __builtin_add_overflow(when, context.now_ms, &when)) {
    reply_invalid_expire(context);
    return;
  }
  const HashedKey key = context.key();
  const bool is_set = context.store().with(key, [&](Shard& shard) {
    const Entry* entry = shard.find(key, context.now_ms);
    if (entry == nullptr || !are_met(*conditions, entry->expire_at(), when)) {
      return false;
    }
    return when <= context.now_ms ? shard.erase(key, context.now_ms)
                                  : shard.set_expiry(key, when, context.now_ms);
  });
  context.reply.integer(is_set ? 1 : 0);
}

void reply_deadline(CommandContext& context, ExpiryUnit unit) {
  constexpr std::int64_t kNoKey = -2;
  constexpr std::int64_t kNever = -1;
  const HashedKey key = context.key();
  const std::int64_t result = context.store().with(key, [&](Shard& shard) -> std::int64_t {
    const Entry* entry = shard.read(key, context.now_ms);
    if (entry == nullptr) {
      return kNoKey;
    }
    if (!entry->has_expiry()) {
      return kNever;
    }
    const std::int64_t ms = entry->expire_at() - (unit.is_absolute ? 0 : context.now_ms);
    // Rounded to the nearest second, without the overflow that a deadline near the end would give.
    return !unit.is_seconds ? ms : ms / kMsPerSecond + (ms % kMsPerSecond >= 500 ? 1 : 0);
  });
  context.reply.integer(result);
}

}  // namespace

void expire(CommandContext& context) {
  set_deadline(context, {true, false});
}
void pexpire(CommandContext& context) {
  set_deadline(context, {false, false});
}
void expireat(CommandContext& context) {
  set_deadline(context, {true, true});
}
void pexpireat(CommandContext& context) {
  set_deadline(context, {false, true});
}

void ttl(CommandContext& context) {
  reply_deadline(context, {true, false});
}
void pttl(CommandContext& context) {
  reply_deadline(context, {false, false});
}
void expiretime(CommandContext& context) {
  reply_deadline(context, {true, true});
}
void pexpiretime(CommandContext& context) {
  reply_deadline(context, {false, true});
}

void persist(CommandContext& context) {
  const HashedKey key = context.key();
  const bool had_expiry = context.store().with(key, [&](Shard& shard) {
    const Entry* entry = shard.find(key, context.now_ms);
    return entry != nullptr && entry->has_expiry() &&
           shard.set_expiry(key, kNoExpiry, context.now_ms);
  });
  context.reply.integer(had_expiry ? 1 : 0);
}

}  // namespace handlers
}  // namespace ringo::server
