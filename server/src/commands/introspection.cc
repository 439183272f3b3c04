// SPDX-License-Identifier: MIT
//
// COMMAND and its subcommands: the command table as clients, proxies and redis-cli ask for it.

#include <ringo/protocol/reply_writer.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "commands/arguments.h"
#include "commands/command.h"
#include "commands/glob.h"
#include "commands/handlers.h"

namespace ringo::server::handlers {
namespace {

struct FlagName {
  CommandFlag flag;
  std::string_view name;
};

constexpr std::array<FlagName, 10> kFlagNames = {{
    {kWrite, "write"},
    {kReadOnly, "readonly"},
    {kDenyOom, "denyoom"},
    {kAdmin, "admin"},
    {kNoScript, "noscript"},
    {kLoading, "loading"},
    {kStale, "stale"},
    {kFast, "fast"},
    {kNoAuth, "no_auth"},
    {kAllowBusy, "allow_busy"},
}};

std::vector<std::string_view> categories(const Command& command) {
  std::vector<std::string_view> names;
  const auto add = [&](bool condition, std::string_view name) {
    if (condition) {
      names.push_back(name);
    }
  };
  const bool has = (command.flags & (kWrite | kReadOnly)) != 0;
  const bool is_connection = command.group == CommandGroup::kConnection && command.name != "client";
  add(has && command.group != CommandGroup::kString, "@keyspace");
  add((command.flags & kReadOnly) != 0, "@read");
  add((command.flags & kWrite) != 0, "@write");
  add(command.group == CommandGroup::kString, "@string");
  add((command.flags & kAdmin) != 0, "@admin");
  add((command.flags & kFast) != 0, "@fast");
  add((command.flags & kFast) == 0, "@slow");
  add((command.flags & (kAdmin | kDangerous)) != 0, "@dangerous");
  add(is_connection || command.name.starts_with("command"), "@connection");
  return names;
}

std::string_view group_name(CommandGroup group) {
  switch (group) {
    case CommandGroup::kString:
      return "string";
    case CommandGroup::kGeneric:
      return "generic";
    case CommandGroup::kConnection:
      return "connection";
    case CommandGroup::kServer:
      return "server";
  }
  return "server";
}

void reply_key_specs(protocol::ReplyWriter& reply, const Command& command) {
  if (command.first_key == 0) {
    reply.array(0);
    return;
  }
  reply.array(1);
  reply.map(3);
  reply.bulk("flags");
  reply.set(2);
  const bool is_read = (command.flags & kReadOnly) != 0;
  reply.simple(is_read ? "RO" : "RW");
  reply.simple(is_read ? "access" : "update");
  reply.bulk("begin_search");
  reply.map(2);
  reply.bulk("type");
  reply.bulk("index");
  reply.bulk("spec");
  reply.map(1);
  reply.bulk("index");
  reply.integer(command.first_key);
  reply.bulk("find_keys");
  reply.map(2);
  reply.bulk("type");
  reply.bulk("range");
  reply.bulk("spec");
  reply.map(3);
  reply.bulk("lastkey");
  reply.integer(command.last_key < 0 ? command.last_key : command.last_key - command.first_key);
  reply.bulk("keystep");
  reply.integer(command.key_step);
  reply.bulk("limit");
  reply.integer(0);
}

void reply_info(protocol::ReplyWriter& reply, const Command& command) {
  reply.array(10);
  reply.bulk(command.name);
  reply.integer(command.arity);
  const auto has = [&](const FlagName& each) { return (command.flags & each.flag) != 0; };
  reply.set(static_cast<std::size_t>(std::ranges::count_if(kFlagNames, has)));
  for (const FlagName& each : kFlagNames) {
    if (has(each)) {
      reply.simple(each.name);
    }
  }
  reply.integer(command.first_key);
  reply.integer(command.last_key);
  reply.integer(command.key_step);
  const std::vector<std::string_view> names = categories(command);
  reply.set(names.size());
  for (const std::string_view name : names) {
    reply.simple(name);
  }
  reply.array(0);  // tips
  reply_key_specs(reply, command);
  reply.array(command.subcommands.size());
  for (const Command& subcommand : command.subcommands) {
    reply_info(reply, subcommand);
  }
}

void reply_docs(protocol::ReplyWriter& reply, const Command& command) {
  reply.bulk(command.name);
  reply.map(command.subcommands.empty() ? 4 : 5);
  reply.bulk("summary");
  reply.bulk(command.summary);
  reply.bulk("since");
  reply.bulk(command.since);
  reply.bulk("group");
  reply.bulk(group_name(command.group));
  reply.bulk("complexity");
  reply.bulk(command.complexity);
  if (!command.subcommands.empty()) {
    reply.bulk("subcommands");
    reply.map(command.subcommands.size());
    for (const Command& subcommand : command.subcommands) {
      reply_docs(reply, subcommand);
    }
  }
}

/// The command "get" or subcommand "client|id" of this name, or null.
const Command* find_full_name(std::string_view name) {
  const std::size_t bar = name.find('|');
  const Command* found = find_command(name.substr(0, bar));
  return found == nullptr || bar == std::string_view::npos
             ? found
             : find_subcommand(*found, name.substr(bar + 1));
}

/// Which names COMMAND LIST shall have; replies an error if the filter is none.
template <typename Reply>
void filter_or_reply(CommandContext& context, Reply&& reply_names) {
  const auto& args = context.args;
  if (args.size() == 2) {
    return reply_names([](const Command&) { return true; });
  }
  if (args.size() != 5 || !equals_ignoring_case(args[2], "FILTERBY")) {
    return context.reply.error(kSyntaxError);
  }
  if (equals_ignoring_case(args[3], "PATTERN")) {
    return reply_names([pattern = to_lower(args[4])](const Command& each) {
      return matches_glob(pattern, each.name);
    });
  }
  if (equals_ignoring_case(args[3], "ACLCAT")) {
    return reply_names([wanted = "@" + to_lower(args[4])](const Command& each) {
      const std::vector<std::string_view> names = categories(each);
      return std::ranges::find(names, wanted) != names.end();
    });
  }
  if (equals_ignoring_case(args[3], "MODULE")) {
    return reply_names([](const Command&) { return false; });
  }
  context.reply.error(kSyntaxError);
}

}  // namespace

void command(CommandContext& context) {
  context.reply.array(all_commands().size());
  for (const Command& each : all_commands()) {
    reply_info(context.reply, each);
  }
}

void command_count(CommandContext& context) {
  context.reply.integer(static_cast<std::int64_t>(all_commands().size()));
}

void command_info(CommandContext& context) {
  if (context.args.size() == 2) {
    return command(context);
  }
  context.reply.array(context.args.size() - 2);
  for (const std::string_view name : context.args.subspan(2)) {
    if (const Command* found = find_full_name(name)) {
      reply_info(context.reply, *found);
    } else {
      context.reply.null();
    }
  }
}

void command_docs(CommandContext& context) {
  std::vector<const Command*> wanted;
  if (context.args.size() == 2) {
    for (const Command& each : all_commands()) {
      wanted.push_back(&each);
    }
  }
  for (const std::string_view name : context.args.subspan(2)) {
    if (const Command* found = find_full_name(name)) {
      wanted.push_back(found);
    }
  }
  context.reply.map(wanted.size());
  for (const Command* each : wanted) {
    reply_docs(context.reply, *each);
  }
}

void command_list(CommandContext& context) {
  filter_or_reply(context, [&](auto&& is_wanted) {
    std::vector<std::string_view> names;
    for_each_command([&](const Command& each) {
      if (is_wanted(each)) {
        names.push_back(each.name);
      }
    });
    context.reply.array(names.size());
    for (const std::string_view name : names) {
      context.reply.bulk(name);
    }
  });
}

void command_getkeys(CommandContext& context) {
  const std::span<const std::string_view> request = context.args.subspan(2);
  const Command* found = find_command(request[0]);
  if (found != nullptr && !found->subcommands.empty() && request.size() > 1) {
    found = find_subcommand(*found, request[1]);
  }
  if (found == nullptr) {
    return context.reply.error("ERR Invalid command specified");
  }
  if (found->first_key == 0) {
    return context.reply.error("ERR The command has no key arguments");
  }
  const auto size = static_cast<int>(request.size());
  if (found->arity < 0 ? size < -found->arity : size != found->arity) {
    return context.reply.error("ERR Invalid number of arguments specified for command");
  }
  const int last = found->last_key < 0 ? size + found->last_key : found->last_key;
  std::vector<std::string_view> keys;
  for (int i = found->first_key; i <= last; i += found->key_step) {
    keys.push_back(request[static_cast<std::size_t>(i)]);
  }
  context.reply.array(keys.size());
  for (const std::string_view key : keys) {
    context.reply.bulk(key);
  }
}

void command_help(CommandContext& context) {
  static constexpr std::array<std::string_view, 14> kLines = {
      "(no subcommand)",
      "    Return details about all commands.",
      "COUNT",
      "    Return the total number of commands in this server.",
      "LIST",
      "    Return a list of all commands in this server.",
      "INFO [<command-name> ...]",
      "    Return details about multiple commands.",
      "    If no command names are given, documentation details for all",
      "    commands are returned.",
      "DOCS [<command-name> ...]",
      "    Return documentation details about multiple commands.",
      "GETKEYS <full-command>",
      "    Return the keys from a full command.",
  };
  reply_help(context, kLines);
}

}  // namespace ringo::server::handlers
