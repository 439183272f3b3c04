// SPDX-License-Identifier: MIT
//
// SET and its relatives with an expiry: SETEX, PSETEX, GETEX. Which options go together, and in
// which order errors are found, follows setGenericCommand and getexCommand of Redis 7.0.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "commands/arguments.h"
#include "commands/command.h"
#include "commands/expiry.h"
#include "commands/handlers.h"
#include "store/entry.h"
#include "store/key_hash.h"
#include "store/shard.h"

namespace ringo::server::handlers {
namespace {

enum class Condition : std::uint8_t { kAlways, kIfAbsent, kIfPresent };
enum class TimeOption : std::uint8_t { kNone, kEx, kPx, kExAt, kPxAt, kKeepTtl, kPersist };
enum class Family : std::uint8_t { kSet, kGetEx };

struct Options {
  Condition condition = Condition::kAlways;
  TimeOption time = TimeOption::kNone;
  bool returns_old = false;
  std::string_view expiry;  // the argument of EX, PX, EXAT, PXAT
};

TimeOption time_option(std::string_view word, Family family) {
  struct Word {
    std::string_view text;
    TimeOption option;
  };
  static constexpr Word kWords[] = {
      {"EX", TimeOption::kEx},           {"PX", TimeOption::kPx},
      {"EXAT", TimeOption::kExAt},       {"PXAT", TimeOption::kPxAt},
      {"KEEPTTL", TimeOption::kKeepTtl}, {"PERSIST", TimeOption::kPersist},
  };
  for (const Word& each : kWords) {
    if (equals_ignoring_case(word, each.text)) {
      const bool is_foreign =
          each.option == (family == Family::kSet ? TimeOption::kPersist : TimeOption::kKeepTtl);
      return is_foreign ? TimeOption::kNone : each.option;
    }
  }
  return TimeOption::kNone;
}

bool takes_argument(TimeOption option) {
  return option != TimeOption::kKeepTtl && option != TimeOption::kPersist;
}

/// Nothing if the words are not options that go together.
std::optional<Options> parse_options(std::span<const std::string_view> words, Family family) {
  Options options;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (family == Family::kSet) {
      if (equals_ignoring_case(word, "NX") && options.condition != Condition::kIfPresent) {
        options.condition = Condition::kIfAbsent;
        continue;
      }
      if (equals_ignoring_case(word, "XX") && options.condition != Condition::kIfAbsent) {
        options.condition = Condition::kIfPresent;
        continue;
      }
      if (equals_ignoring_case(word, "GET")) {
        options.returns_old = true;
        continue;
      }
    }
    const TimeOption option = time_option(word, family);
    // The same option twice is fine, two different ones are not.
    if (option == TimeOption::kNone ||
        (options.time != TimeOption::kNone && options.time != option)) {
      return std::nullopt;
    }
    options.time = option;
    if (takes_argument(option)) {
      if (++i == words.size()) {
        return std::nullopt;
      }
      options.expiry = words[i];
    }
  }
  return options;
}

/// The deadline that the options ask for. Replies an error and returns nothing if it is none.
std::optional<UnixMs> deadline_or_reply(CommandContext& context, const Options& options) {
  switch (options.time) {
    case TimeOption::kNone:
    case TimeOption::kPersist:
      return kNoExpiry;
    case TimeOption::kKeepTtl:
      return kKeepExpiry;
    case TimeOption::kEx:
      return positive_deadline_or_reply(context, options.expiry, {true, false});
    case TimeOption::kPx:
      return positive_deadline_or_reply(context, options.expiry, {false, false});
    case TimeOption::kExAt:
      return positive_deadline_or_reply(context, options.expiry, {true, true});
    case TimeOption::kPxAt:
      return positive_deadline_or_reply(context, options.expiry, {false, true});
  }
  return std::nullopt;
}

void set_with_options(CommandContext& context, const Options& options, UnixMs expire_at) {
  const HashedKey key = context.key();
  LargeRef old;
  const bool is_done = context.store().with(key, [&](Shard& shard) {
    const Entry* entry = shard.find(key, context.now_ms);
    if (options.returns_old) {
      if (entry == nullptr) {
        context.reply.null();
      } else if (entry->is_large()) {
        old = LargeRef(*entry->large());
      } else {
        context.reply.bulk(entry->value());
      }
    }
    if ((options.condition == Condition::kIfAbsent && entry != nullptr) ||
        (options.condition == Condition::kIfPresent && entry == nullptr)) {
      return false;
    }
    shard.put(key, context.args[2], expire_at, context.now_ms);
    return true;
  });
  if (old) {
    context.reply.bulk(old);
  }
  if (!options.returns_old) {
    is_done ? context.reply.ok() : context.reply.null();
  }
}

void set_with_expiry(CommandContext& context, ExpiryUnit unit) {
  const std::optional<UnixMs> deadline = positive_deadline_or_reply(context, context.args[2], unit);
  if (!deadline) {
    return;
  }
  const HashedKey key = context.key();
  context.store().with(
      key, [&](Shard& shard) { shard.put(key, context.args[3], *deadline, context.now_ms); });
  context.reply.ok();
}

}  // namespace

void set(CommandContext& context) {
  if (context.args.size() == 3) [[likely]] {
    const HashedKey key = context.key();
    context.store().with(
        key, [&](Shard& shard) { shard.put(key, context.args[2], kNoExpiry, context.now_ms); });
    context.reply.ok();
    return;
  }
  const std::optional<Options> options = parse_options(context.args.subspan(3), Family::kSet);
  if (!options) {
    context.reply.error(kSyntaxError);
    return;
  }
  if (const std::optional<UnixMs> deadline = deadline_or_reply(context, *options)) {
    set_with_options(context, *options, *deadline);
  }
}

void setex(CommandContext& context) {
  set_with_expiry(context, {true, false});
}
void psetex(CommandContext& context) {
  set_with_expiry(context, {false, false});
}

void getex(CommandContext& context) {
  const std::optional<Options> options = parse_options(context.args.subspan(2), Family::kGetEx);
  if (!options) {
    context.reply.error(kSyntaxError);
    return;
  }
  const HashedKey key = context.key();
  LargeRef large;
  context.store().with(key, [&](Shard& shard) {
    const Entry* entry = shard.read(key, context.now_ms);
    if (entry == nullptr) {
      context.reply.null();  // a time that is none goes unnoticed, as in Redis
      return;
    }
    const std::optional<UnixMs> deadline = deadline_or_reply(context, *options);
    if (!deadline) {
      return;
    }
    if (entry->is_large()) {
      large = LargeRef(*entry->large());
    } else {
      context.reply.bulk(entry->value());
    }
    if (options->time == TimeOption::kNone) {
      return;
    }
    if (*deadline != kNoExpiry && *deadline <= context.now_ms) {
      shard.erase(key, context.now_ms);
    } else {
      shard.set_expiry(key, *deadline, context.now_ms);
    }
  });
  if (large) {
    context.reply.bulk(large);
  }
}

}  // namespace ringo::server::handlers
