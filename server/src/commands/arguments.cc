// SPDX-License-Identifier: MIT
//
// Reading arguments, and replies that several families share.

#include "commands/arguments.h"

#include <ringo/protocol/reply_writer.h>
#include <ringo/protocol/resp.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <fmt/core.h>

#include "commands/command.h"
#include "store/entry.h"
#include "store/key_hash.h"
#include "store/shard.h"

namespace ringo::server {
namespace {

char lower(char byte) {
  return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + 32) : byte;
}
char upper(char byte) {
  return byte >= 'a' && byte <= 'z' ? static_cast<char>(byte - 32) : byte;
}

}  // namespace

bool equals_ignoring_case(std::string_view left, std::string_view right) {
  return std::ranges::equal(left, right, {}, lower, lower);
}

std::string to_lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), lower);
  return result;
}

std::string to_upper(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), upper);
  return result;
}

std::optional<std::int64_t> integer_or_reply(CommandContext& context, std::string_view text) {
  const std::optional<std::int64_t> value = protocol::parse_integer(text);
  if (!value) {
    context.reply.error(kNotAnInteger);
  }
  return value;
}

void reply_wrong_arity(protocol::ReplyWriter& reply, std::string_view command_name) {
  reply.error(fmt::format("ERR wrong number of arguments for '{}' command", command_name));
}

void reply_invalid_expire(CommandContext& context) {
  context.reply.error(
      fmt::format("ERR invalid expire time in '{}' command", context.command->name));
}

void reply_unknown_subcommand(CommandContext& context) {
  const std::string_view container = context.command->name;
  context.reply.error(fmt::format("ERR unknown subcommand '{}'. Try {} HELP.",
                                  context.args[1].substr(0, 128),
                                  to_upper(container.substr(0, container.find('|')))));
}

void reply_help(CommandContext& context, std::span<const std::string_view> lines) {
  const std::string_view name = context.command->name;
  context.reply.array(lines.size() + 3);
  context.reply.simple(fmt::format("{} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
                                   to_upper(name.substr(0, name.find('|')))));
  for (const std::string_view line : lines) {
    context.reply.simple(line);
  }
  context.reply.simple("HELP");
  context.reply.simple("    Print this help.");
}

void reply_value(CommandContext& context, const HashedKey& key) {
  const LargeRef large = context.store().with(key, [&](Shard& shard) {
    const Entry* entry = shard.read(key, context.now_ms);
    if (entry == nullptr) {
      context.reply.null();
      return LargeRef();
    }
    if (entry->is_large()) [[unlikely]] {
      return LargeRef(*entry->large());
    }
    context.reply.bulk(entry->value());
    return LargeRef();
  });
  if (large) [[unlikely]] {
    context.reply.bulk(large);
  }
}

KeyList::KeyList(const CommandContext& context, std::size_t step)
    : data_(inline_.data()), size_((context.args.size() - 2 + step) / step) {
  if (size_ > kInline) {
    more_.resize(size_);
    data_ = more_.data();
  }
  for (std::size_t i = 0; i < size_; ++i) {
    data_[i] = context.store().hashed(context.args[1 + i * step]);
    context.store().prefetch(data_[i]);
  }
}

}  // namespace ringo::server
