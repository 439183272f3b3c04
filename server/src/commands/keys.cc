// SPDX-License-Identifier: MIT
//
// Commands about keys as such: DEL, EXISTS, TYPE, SCAN and their relatives.

#include <ringo/bytes.h>
#include <ringo/protocol/reply_writer.h>
#include <ringo/protocol/resp.h>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "commands/arguments.h"
#include "commands/command.h"
#include "commands/glob.h"
#include "commands/handlers.h"
#include "store/entry.h"
#include "store/key_hash.h"
#include "store/shard.h"

namespace ringo::server::handlers {
namespace {

/// Keys of a reply whose number is known only at the end.
class KeyCollector {
 public:
  explicit KeyCollector(protocol::RespVersion version) : writer_(bytes_, version) {}

  void add(std::string_view key) {
    writer_.bulk(key);
    ++count_;
  }

  void write_to(protocol::ReplyWriter& reply) const {
    reply.array(count_);
    reply.raw(bytes_.view());
  }

 private:
  BytesMut bytes_;
  protocol::ReplyWriter writer_;
  std::size_t count_ = 0;
};

struct ScanOptions {
  std::string_view pattern = "*";
  std::size_t count = 10;
  bool wants_strings = true;  // false: of another type, of which there are no keys
};

/// Digits; nothing at all is 0, as for Redis.
std::optional<std::uint64_t> parse_cursor(std::string_view text) {
  std::uint64_t cursor = 0;
  if (text.empty()) {
    return cursor;
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), cursor);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return cursor;
}

std::optional<ScanOptions> parse_scan_options(CommandContext& context) {
  ScanOptions options;
  const auto& args = context.args;
  for (std::size_t i = 2; i < args.size(); i += 2) {
    if (i + 1 == args.size()) {
      context.reply.error(kSyntaxError);
      return std::nullopt;
    }
    if (equals_ignoring_case(args[i], "COUNT")) {
      const std::optional<std::int64_t> count = integer_or_reply(context, args[i + 1]);
      if (!count) {
        return std::nullopt;
      }
      if (*count < 1) {
        context.reply.error(kSyntaxError);
        return std::nullopt;
      }
      options.count = static_cast<std::size_t>(*count);
    } else if (equals_ignoring_case(args[i], "MATCH")) {
      options.pattern = args[i + 1];
    } else if (equals_ignoring_case(args[i], "TYPE")) {
      options.wants_strings = equals_ignoring_case(args[i + 1], "string");
    } else {
      context.reply.error(kSyntaxError);
      return std::nullopt;
    }
  }
  return options;
}

/// Calls f(shard, key) for all keys of the request under all their locks; returns how many of
/// the calls returned true.
template <typename F>
std::int64_t count_keys(CommandContext& context, F&& f) {
  if (context.args.size() == 2) {
    const HashedKey key = context.key();
    return context.store().with(key, [&](Shard& shard) { return f(shard, key) ? 1 : 0; });
  }
  const KeyList keys(context);
  return context.store().with_all(keys.all(), [&](auto& shard_of) {
    std::int64_t count = 0;
    for (const HashedKey& key : keys.all()) {
      shard_of(key).prefetch_entry(key.hash);
    }
    for (const HashedKey& key : keys.all()) {
      count += f(shard_of(key), key) ? 1 : 0;
    }
    return count;
  });
}

}  // namespace

void del(CommandContext& context) {
  context.reply.integer(count_keys(context, [&](Shard& shard, const HashedKey& key) {
    return shard.erase(key, context.now_ms);
  }));
}

void exists(CommandContext& context) {
  context.reply.integer(count_keys(context, [&](Shard& shard, const HashedKey& key) {
    return shard.read(key, context.now_ms) != nullptr;
  }));
}

void type(CommandContext& context) {
  const HashedKey key = context.key();
  const bool is_there = context.store().with(
      key, [&](Shard& shard) { return shard.find(key, context.now_ms) != nullptr; });
  context.reply.simple(is_there ? "string" : "none");
}

void dbsize(CommandContext& context) {
  context.reply.integer(static_cast<std::int64_t>(context.store().size()));
}

void flush(CommandContext& context) {
  const auto& args = context.args;
  if (args.size() > 2 || (args.size() == 2 && !equals_ignoring_case(args[1], "ASYNC") &&
                          !equals_ignoring_case(args[1], "SYNC"))) {
    context.reply.error(kSyntaxError);
    return;
  }
  context.store().clear();
  context.reply.ok();
}

void randomkey(CommandContext& context) {
  const bool found =
      context.store().random(context.state.next_random(), context.now_ms,
                             [&](const Entry& entry) { context.reply.bulk(entry.key()); });
  if (!found) {
    context.reply.null();
  }
}

void keys(CommandContext& context) {
  constexpr std::size_t kKeysPerStep = 256;
  const std::string_view pattern = context.args[1];
  const bool wants_all = pattern == "*";
  KeyCollector collector(context.reply.version());
  std::uint64_t cursor = 0;
  do {
    cursor = context.store().scan(cursor, kKeysPerStep, context.now_ms, [&](const Entry& entry) {
      if (wants_all || matches_glob(pattern, entry.key())) {
        collector.add(entry.key());
      }
    });
  } while (cursor != 0);
  collector.write_to(context.reply);
}

void scan(CommandContext& context) {
  const std::optional<std::uint64_t> cursor = parse_cursor(context.args[1]);
  if (!cursor) {
    context.reply.error("ERR invalid cursor");
    return;
  }
  const std::optional<ScanOptions> options = parse_scan_options(context);
  if (!options) {
    return;
  }
  const bool wants_all = options->pattern == "*";
  KeyCollector collector(context.reply.version());
  const std::uint64_t next =
      context.store().scan(*cursor, options->count, context.now_ms, [&](const Entry& entry) {
        if (options->wants_strings && (wants_all || matches_glob(options->pattern, entry.key()))) {
          collector.add(entry.key());
        }
      });
  context.reply.array(2);
  context.reply.bulk(std::to_string(next));
  collector.write_to(context.reply);
}

}  // namespace ringo::server::handlers
