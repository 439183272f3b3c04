// SPDX-License-Identifier: MIT
//
// Commands about the connection itself, and TIME.

#include <ringo/protocol/resp.h>
#include <ringo/server/session.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/core.h>

#include "commands/arguments.h"
#include "commands/client.h"
#include "commands/client_registry.h"
#include "commands/command.h"
#include "commands/compatibility.h"
#include "commands/handlers.h"

namespace ringo::server::handlers {
namespace {

constexpr std::string_view kDefaultUser = "default";
constexpr std::string_view kWrongPassword =
    "WRONGPASS invalid username-password pair or user is disabled.";

struct HelloOptions {
  std::optional<std::string_view> user;
  std::optional<std::string_view> name;
};

std::optional<HelloOptions> parse_hello(CommandContext& context) {
  HelloOptions options;
  const auto& args = context.args;
  for (std::size_t i = 2; i < args.size(); ++i) {
    const std::size_t more = args.size() - 1 - i;
    if (equals_ignoring_case(args[i], "AUTH") && more >= 2) {
      options.user = args[i + 1];
      i += 2;
    } else if (equals_ignoring_case(args[i], "SETNAME") && more >= 1) {
      options.name = args[++i];
    } else {
      context.reply.error(fmt::format("ERR Syntax error in HELLO option '{}'", args[i]));
      return std::nullopt;
    }
  }
  return options;
}

void reply_hello(CommandContext& context) {
  protocol::ReplyWriter& reply = context.reply;
  reply.map(7);
  reply.bulk("server");
  reply.bulk(kCompatibleServer);
  reply.bulk("version");
  reply.bulk(kCompatibleVersion);
  reply.bulk("proto");
  reply.integer(static_cast<int>(context.session.version()));
  reply.bulk("id");
  reply.integer(static_cast<std::int64_t>(context.session.id()));
  reply.bulk("mode");
  reply.bulk("standalone");
  reply.bulk("role");
  reply.bulk("master");
  reply.bulk("modules");
  reply.array(0);
}

}  // namespace

void ping(CommandContext& context) {
  if (context.args.size() > 2) {
    reply_wrong_arity(context.reply, context.command->name);
  } else if (context.args.size() == 2) {
    context.reply.bulk(context.args[1]);
  } else {
    context.reply.raw("+PONG\r\n");
  }
}

void echo(CommandContext& context) {
  context.reply.bulk(context.args[1]);
}

void quit(CommandContext& context) {
  context.reply.ok();
  context.session.close_after_reply();
}

void reset(CommandContext& context) {
  context.session.reset();
  context.reply.set_version(protocol::RespVersion::kResp2);
  context.reply.simple("RESET");
}

void hello(CommandContext& context) {
  std::int64_t version = static_cast<int>(context.session.version());
  if (context.args.size() >= 2) {
    const std::optional<std::int64_t> wanted = protocol::parse_integer(context.args[1]);
    if (!wanted) {
      context.reply.error("ERR Protocol version is not an integer or out of range");
      return;
    }
    if (*wanted < 2 || *wanted > 3) {
      context.reply.error("NOPROTO unsupported protocol version");
      return;
    }
    version = *wanted;
  }
  const std::optional<HelloOptions> options = parse_hello(context);
  if (!options) {
    return;
  }
  // There are no passwords: the default user gets in with any, others with none.
  if (options->user && *options->user != kDefaultUser) {
    context.reply.error(kWrongPassword);
    return;
  }
  if (options->name && !set_client_name_or_reply(context, *options->name)) {
    return;
  }
  const auto now_spoken = static_cast<protocol::RespVersion>(version);
  context.session.set_version(now_spoken);
  context.session.record().resp.store(static_cast<std::uint8_t>(version),
                                      std::memory_order_relaxed);
  context.reply.set_version(now_spoken);
  reply_hello(context);
}

void auth(CommandContext& context) {
  if (context.args.size() > 3) {
    context.reply.error(kSyntaxError);
  } else if (context.args.size() == 2) {
    context.reply.error(
        "ERR AUTH <password> called without any password configured for the default user. "
        "Are you sure your configuration is correct?");
  } else if (context.args[1] != kDefaultUser) {
    context.reply.error(kWrongPassword);
  } else {
    context.reply.ok();
  }
}

void select(CommandContext& context) {
  const std::optional<std::int64_t> index = integer_or_reply(context, context.args[1]);
  if (!index) {
    return;
  }
  if (*index < std::numeric_limits<int>::min() || *index > std::numeric_limits<int>::max()) {
    context.reply.error("ERR value is out of range, value must between -2147483648 and 2147483647");
  } else if (*index != 0) {
    context.reply.error("ERR DB index is out of range");
  } else {
    context.reply.ok();
  }
}

void time(CommandContext& context) {
  const std::int64_t now_us = context.state.clock().unix_us();
  context.reply.array(2);
  context.reply.bulk(std::to_string(now_us / 1'000'000));
  context.reply.bulk(std::to_string(now_us % 1'000'000));
}

}  // namespace ringo::server::handlers
