// SPDX-License-Identifier: MIT
//
// The CLIENT family: who is connected, under which name, and who no longer shall be.

#include "commands/client.h"

#include <ringo/parking_mutex.h>
#include <ringo/protocol/resp.h>
#include <ringo/server/session.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include <fmt/core.h>

#include "commands/arguments.h"
#include "commands/client_registry.h"
#include "commands/command.h"
#include "commands/handlers.h"

namespace ringo::server {
namespace {

/// Printable ASCII without blanks.
bool is_plain(std::string_view text) {
  return std::ranges::all_of(text, [](char byte) { return byte >= '!' && byte <= '~'; });
}

}  // namespace

bool set_client_name_or_reply(CommandContext& context, std::string_view name) {
  if (!is_plain(name)) {
    context.reply.error("ERR Client names cannot contain spaces, newlines or special characters.");
    return false;
  }
  ClientRecord& record = context.session.record();
  const ParkingGuard guard(record.lock);
  record.name = name;
  return true;
}

namespace handlers {
namespace {

/// What CLIENT KILL looks for. An absent condition is met by everybody.
struct KillFilter {
  std::optional<std::uint64_t> id;
  std::optional<std::string_view> address;
  std::optional<std::string_view> local_address;
  bool is_normal_type = true;  // false: of another type, which nobody is
  bool skips_self = true;
};

enum class ClientType : std::uint8_t { kNormal, kOther, kUnknown };

ClientType client_type(std::string_view name) {
  if (equals_ignoring_case(name, "normal")) {
    return ClientType::kNormal;
  }
  for (const std::string_view other : {"master", "replica", "slave", "pubsub"}) {
    if (equals_ignoring_case(name, other)) {
      return ClientType::kOther;
    }
  }
  return ClientType::kUnknown;
}

bool fail(CommandContext& context, std::string_view text) {
  context.reply.error(text);
  return false;
}

bool parse_kill_option(CommandContext& context, KillFilter& filter, std::string_view option,
                       std::string_view value) {
  if (equals_ignoring_case(option, "ID")) {
    const std::optional<std::int64_t> id = protocol::parse_integer(value);
    if (!id || *id < 1) {
      return fail(context, "ERR client-id should be greater than 0");
    }
    filter.id = static_cast<std::uint64_t>(*id);
  } else if (equals_ignoring_case(option, "ADDR")) {
    filter.address = value;
  } else if (equals_ignoring_case(option, "LADDR")) {
    filter.local_address = value;
  } else if (equals_ignoring_case(option, "TYPE")) {
    const ClientType type = client_type(value);
    if (type == ClientType::kUnknown) {
      return fail(context, fmt::format("ERR Unknown client type '{}'", value));
    }
    filter.is_normal_type = type == ClientType::kNormal;
  } else if (equals_ignoring_case(option, "USER")) {
    if (value != "default") {
      return fail(context, fmt::format("ERR No such user '{}'", value));
    }
  } else if (equals_ignoring_case(option, "SKIPME")) {
    const bool is_yes = equals_ignoring_case(value, "yes");
    if (!is_yes && !equals_ignoring_case(value, "no")) {
      return fail(context, kSyntaxError);
    }
    filter.skips_self = is_yes;
  } else {
    return fail(context, kSyntaxError);
  }
  return true;
}

bool parse_kill(CommandContext& context, KillFilter& filter) {
  const auto& args = context.args;
  if (args.size() == 3) {  // the old form: an address, the caller's own included
    filter.address = args[2];
    filter.skips_self = false;
    return true;
  }
  for (std::size_t i = 2; i < args.size(); i += 2) {
    if (i + 1 == args.size()) {
      return fail(context, kSyntaxError);
    }
    if (!parse_kill_option(context, filter, args[i], args[i + 1])) {
      return false;
    }
  }
  return true;
}

bool matches(const KillFilter& filter, const ClientRecord& record) {
  return filter.is_normal_type && (!filter.id || *filter.id == record.id) &&
         (!filter.address || *filter.address == record.address) &&
         (!filter.local_address || *filter.local_address == record.local_address);
}

/// The numbers that CLIENT LIST is restricted to; replies an error if one is none.
std::optional<std::set<std::uint64_t>> parse_ids(CommandContext& context) {
  std::set<std::uint64_t> ids;
  for (const std::string_view text : context.args.subspan(3)) {
    const std::optional<std::int64_t> id = protocol::parse_integer(text);
    if (!id || *id < 1) {
      context.reply.error("ERR Invalid client ID");
      return std::nullopt;
    }
    ids.insert(static_cast<std::uint64_t>(*id));
  }
  return ids;
}

void reply_lines(CommandContext& context, const std::set<std::uint64_t>* only) {
  std::string lines;
  const std::int64_t now_us = context.state.clock().unix_us();
  for (const auto& record : context.state.clients().all()) {
    if (only == nullptr || only->contains(record->id)) {
      lines += record->describe(now_us);
      lines += '\n';
    }
  }
  context.reply.verbatim("txt", lines);
}

}  // namespace

void client_id(CommandContext& context) {
  context.reply.integer(static_cast<std::int64_t>(context.session.id()));
}

void client_info(CommandContext& context) {
  context.reply.verbatim("txt",
                         context.session.record().describe(context.state.clock().unix_us()) + "\n");
}

void client_list(CommandContext& context) {
  const auto& args = context.args;
  if (args.size() == 4 && equals_ignoring_case(args[2], "TYPE")) {
    const std::set<std::uint64_t> nobody;
    switch (client_type(args[3])) {
      case ClientType::kNormal:
        return reply_lines(context, nullptr);
      case ClientType::kOther:
        return reply_lines(context, &nobody);
      case ClientType::kUnknown:
        return context.reply.error(fmt::format("ERR Unknown client type '{}'", args[3]));
    }
  }
  if (args.size() > 3 && equals_ignoring_case(args[2], "ID")) {
    if (const auto ids = parse_ids(context)) {
      reply_lines(context, &*ids);
    }
    return;
  }
  if (args.size() != 2) {
    return context.reply.error(kSyntaxError);
  }
  reply_lines(context, nullptr);
}

void client_kill(CommandContext& context) {
  KillFilter filter;
  if (!parse_kill(context, filter)) {
    return;
  }
  std::int64_t killed = 0;
  for (const auto& record : context.state.clients().all()) {
    if (!matches(filter, *record)) {
      continue;
    }
    if (record->id == context.session.id()) {
      if (filter.skips_self) {
        continue;
      }
      context.session.close_after_reply();
    } else {
      record->kill();
    }
    ++killed;
  }
  if (context.args.size() != 3) {
    context.reply.integer(killed);
  } else if (killed != 0) {
    context.reply.ok();
  } else {
    context.reply.error("ERR No such client");
  }
}

void client_getname(CommandContext& context) {
  ClientRecord& record = context.session.record();
  const ParkingGuard guard(record.lock);
  record.name.empty() ? context.reply.null() : context.reply.bulk(record.name);
}

void client_setname(CommandContext& context) {
  if (set_client_name_or_reply(context, context.args[2])) {
    context.reply.ok();
  }
}

void client_setinfo(CommandContext& context) {
  const std::string_view option = context.args[2];
  const std::string_view value = context.args[3];
  const bool is_name = equals_ignoring_case(option, "lib-name");
  if (!is_name && !equals_ignoring_case(option, "lib-ver")) {
    return context.reply.error(fmt::format("ERR Unrecognized option '{}'", option));
  }
  if (!is_plain(value)) {
    return context.reply.error(
        fmt::format("ERR {} cannot contain spaces, newlines or special characters.",
                    is_name ? "lib-name" : "lib-ver"));
  }
  ClientRecord& record = context.session.record();
  {
    const ParkingGuard guard(record.lock);
    (is_name ? record.library_name : record.library_version) = value;
  }
  context.reply.ok();
}

void client_reply(CommandContext& context) {
  const std::string_view mode = context.args[2];
  Session& session = context.session;
  if (equals_ignoring_case(mode, "ON")) {
    session.set_reply_mode(Session::ReplyMode::kOn);
    context.reply.ok();
  } else if (equals_ignoring_case(mode, "OFF")) {
    session.set_reply_mode(Session::ReplyMode::kOff);
  } else if (equals_ignoring_case(mode, "SKIP")) {
    if (session.reply_mode() != Session::ReplyMode::kOff) {
      session.set_reply_mode(Session::ReplyMode::kSkipNext);
    }
  } else {
    context.reply.error(kSyntaxError);
  }
}

void client_no_evict(CommandContext& context) {
  const bool is_on = equals_ignoring_case(context.args[2], "ON");
  if (!is_on && !equals_ignoring_case(context.args[2], "OFF")) {
    return context.reply.error(kSyntaxError);
  }
  context.session.record().is_no_evict.store(is_on, std::memory_order_relaxed);
  context.reply.ok();
}

void client_help(CommandContext& context) {
  static constexpr std::array<std::string_view, 18> kLines = {
      "GETNAME",
      "    Return the name of the current connection.",
      "ID",
      "    Return the ID of the current connection.",
      "INFO",
      "    Return information about the current client connection.",
      "KILL (<ip:port> | <option> <value> [<option> <value> ...])",
      "    Kill connections. Options are: ADDR, LADDR, TYPE, USER, SKIPME, ID.",
      "LIST [TYPE <type> | ID <id> [<id> ...]]",
      "    Return information about client connections.",
      "NO-EVICT (ON|OFF)",
      "    Protect the current client connection from eviction.",
      "REPLY (ON|OFF|SKIP)",
      "    Control the replies sent to the current connection.",
      "SETINFO <option> <value>",
      "    Set client meta data. Options are: LIB-NAME, LIB-VER.",
      "SETNAME <name>",
      "    Assign a name to the current connection.",
  };
  reply_help(context, kLines);
}

}  // namespace handlers
}  // namespace ringo::server
