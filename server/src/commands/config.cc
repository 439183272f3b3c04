// SPDX-License-Identifier: MIT
//
// CONFIG: the parameters that tools ask for. Those that the running server heeds can be set; those
// that describe it are fixed; those of features that it does not have show that they are off.

#include <ringo/protocol/resp.h>
#include <ringo/server/config.h>
#include <ringo/server/state.h>
#include <ringo/server/stats.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <fmt/core.h>

#include "commands/arguments.h"
#include "commands/command.h"
#include "commands/glob.h"
#include "commands/handlers.h"
#include "store/store.h"

namespace ringo::server::handlers {
namespace {

/// One parameter. It is live (an atomic of LiveConfig), computed from the start's configuration,
/// or a constant.
struct Parameter {
  enum class Kind : std::uint8_t { kNumber, kMemory, kFixed, kOnly };
  using Live = std::atomic<std::uint64_t> LiveConfig::*;

  std::string_view name;
  Kind kind;
  Live live = nullptr;
  std::uint64_t least = 0;
  std::uint64_t most = 0;
  std::string (*describe)(const Config&) = nullptr;
  std::string_view constant = {};  // kOnly: the one value that can be set
};

constexpr std::uint64_t kIntMax = std::numeric_limits<std::int32_t>::max();
constexpr std::uint64_t kLongMax = std::numeric_limits<std::int64_t>::max();
constexpr std::uint64_t kMegabyte = std::uint64_t{1024} * 1024;

constexpr Parameter number(std::string_view name, Parameter::Live live, std::uint64_t least,
                           std::uint64_t most) {
  return {name, Parameter::Kind::kNumber, live, least, most};
}
constexpr Parameter memory(std::string_view name, Parameter::Live live, std::uint64_t least) {
  return {name, Parameter::Kind::kMemory, live, least, kLongMax};
}
constexpr Parameter fixed(std::string_view name, std::string (*describe)(const Config&)) {
  return {name, Parameter::Kind::kFixed, nullptr, 0, 0, describe};
}
constexpr Parameter only(std::string_view name, std::string_view value) {
  return {name, Parameter::Kind::kOnly, nullptr, 0, 0, nullptr, value};
}
constexpr Parameter constant(std::string_view name, std::string_view value) {
  return {name, Parameter::Kind::kFixed, nullptr, 0, 0, nullptr, value};
}

constexpr auto kParameters = std::to_array<Parameter>({
    only("appendfsync", "everysec"),
    only("appendonly", "no"),
    fixed("bind", [](const Config& config) { return config.bind; }),
    memory("client-query-buffer-limit", &LiveConfig::max_query_bytes, kMegabyte),
    constant("cluster-enabled", "no"),
    constant("daemonize", "no"),
    constant("databases", "1"),
    constant("dbfilename", ""),
    constant("dir", ""),
    constant("hz", "10"),
    fixed("io-threads", [](const Config& config) { return std::to_string(config.workers); }),
    only("lazyfree-lazy-user-del", "no"),
    only("lazyfree-lazy-user-flush", "no"),
    number("maxclients", &LiveConfig::maxclients, 1, std::numeric_limits<std::uint32_t>::max()),
    memory("maxmemory", &LiveConfig::max_memory, 0),
    only("maxmemory-policy", "noeviction"),
    only("notify-keyspace-events", ""),
    fixed("port", [](const Config& config) { return std::to_string(config.port); }),
    memory("proto-max-bulk-len", &LiveConfig::max_bulk_bytes, kMegabyte),
    only("protected-mode", "no"),
    only("requirepass", ""),
    only("save", ""),
    fixed("shards", [](const Config& config) { return std::to_string(config.shards); }),
    fixed("tcp-backlog", [](const Config& config) { return std::to_string(config.tcp_backlog); }),
    number("tcp-keepalive", &LiveConfig::tcp_keepalive_s, 0, kIntMax),
    number("timeout", &LiveConfig::timeout_s, 0, kIntMax),
    constant("unixsocket", ""),
});

std::string value_of(const Parameter& parameter, ServerState& state) {
  if (parameter.live != nullptr) {
    return std::to_string((state.config().*parameter.live).load(std::memory_order_relaxed));
  }
  return parameter.describe != nullptr ? parameter.describe(state.start_config())
                                       : std::string(parameter.constant);
}

const Parameter* find_parameter(std::string_view name) {
  const auto* at = std::ranges::find_if(kParameters, [&](const Parameter& parameter) {
    return equals_ignoring_case(parameter.name, name);
  });
  return at == kParameters.end() ? nullptr : at;
}

/// A number with a unit: 1k is 1000, 1kb is 1024, and so on to gb.
std::optional<std::uint64_t> parse_memory(std::string_view text) {
  struct Unit {
    std::string_view name;
    std::uint64_t factor;
  };
  static constexpr Unit kUnits[] = {
      {"", 1},         {"b", 1},        {"k", 1000},         {"kb", 1024},
      {"m", 1000'000}, {"mb", 1 << 20}, {"g", 1000'000'000}, {"gb", 1 << 30},
  };
  std::uint64_t amount = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), amount);
  if (error != std::errc()) {
    return std::nullopt;
  }
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  for (const Unit& each : kUnits) {
    std::uint64_t bytes = 0;
    if (equals_ignoring_case(unit, each.name)) {
      return __builtin_mul_overflow(amount, each.factor, &bytes) ? std::nullopt
                                                                 : std::optional(bytes);
    }
  }
  return std::nullopt;
}

/// What is wrong with the value; empty if nothing, and then `number` is what it says.
std::string problem_with(const Parameter& parameter, std::string_view value,
                         std::uint64_t& number) {
  if (parameter.kind == Parameter::Kind::kOnly) {
    return equals_ignoring_case(value, parameter.constant)
               ? std::string()
               : fmt::format("this server supports '{}' only", parameter.constant);
  }
  std::optional<std::uint64_t> parsed;
  if (parameter.kind == Parameter::Kind::kMemory) {
    parsed = parse_memory(value);
    if (!parsed) {
      return "argument must be a memory value";
    }
  } else {
    const std::optional<std::int64_t> integer = protocol::parse_integer(value);
    if (!integer) {
      return "argument couldn't be parsed into an integer";
    }
    if (*integer >= 0) {
      parsed = static_cast<std::uint64_t>(*integer);
    }
  }
  if (!parsed || *parsed < parameter.least || *parsed > parameter.most) {
    return fmt::format("argument must be between {} and {} inclusive", parameter.least,
                       parameter.most);
  }
  number = *parsed;
  return {};
}

void reply_failed(CommandContext& context, std::string_view name, std::string_view reason) {
  context.reply.error(
      fmt::format("ERR CONFIG SET failed (possibly related to argument '{}') - {}", name, reason));
}

struct Change {
  const Parameter* parameter;
  std::uint64_t number;
};

/// All changes, or nothing after an error reply.
std::optional<std::vector<Change>> parse_changes(CommandContext& context) {
  std::vector<Change> changes;
  const auto& args = context.args;
  for (std::size_t i = 2; i < args.size(); i += 2) {
    const Parameter* parameter = find_parameter(args[i]);
    if (parameter == nullptr) {
      context.reply.error(
          fmt::format("ERR Unknown option or number of arguments for CONFIG SET - '{}'", args[i]));
      return std::nullopt;
    }
    if (parameter->kind == Parameter::Kind::kFixed) {
      reply_failed(context, args[i], "can't set immutable config");
      return std::nullopt;
    }
    if (std::ranges::any_of(changes,
                            [&](const Change& each) { return each.parameter == parameter; })) {
      reply_failed(context, args[i], "duplicate parameter");
      return std::nullopt;
    }
    std::uint64_t value = 0;
    if (const std::string problem = problem_with(*parameter, args[i + 1], value);
        !problem.empty()) {
      reply_failed(context, args[i], problem);
      return std::nullopt;
    }
    changes.push_back({parameter, value});
  }
  return changes;
}

}  // namespace

void config_get(CommandContext& context) {
  struct Found {
    const Parameter* parameter;
    std::string_view name;  // as the client spells it, where it gives a name and not a pattern
  };
  std::vector<Found> found;
  const std::span<const std::string_view> patterns = context.args.subspan(2);
  for (const Parameter& parameter : kParameters) {
    const auto at = std::ranges::find_if(patterns, [&](std::string_view pattern) {
      return matches_glob(to_lower(pattern), parameter.name);
    });
    if (at != patterns.end()) {
      found.push_back(
          {&parameter, equals_ignoring_case(*at, parameter.name) ? *at : parameter.name});
    }
  }
  context.reply.map(found.size());
  for (const auto& [parameter, name] : found) {
    context.reply.bulk(name);
    context.reply.bulk(value_of(*parameter, context.state));
  }
}

void config_set(CommandContext& context) {
  if (context.args.size() % 2 != 0) {
    return context.reply.error(kSyntaxError);
  }
  const std::optional<std::vector<Change>> changes = parse_changes(context);
  if (!changes) {
    return;
  }
  for (const Change& change : *changes) {
    if (change.parameter->live != nullptr) {
      (context.state.config().*change.parameter->live)
          .store(change.number, std::memory_order_relaxed);
    }
  }
  context.reply.ok();
}

void config_resetstat(CommandContext& context) {
  ServerStats& stats = context.state.stats();
  for (auto* counter :
       {&stats.connections_received, &stats.connections_rejected, &stats.input_bytes,
        &stats.output_bytes, &stats.error_replies, &stats.peak_memory}) {
    counter->store(0, std::memory_order_relaxed);
  }
  for (auto& counter : stats.errors_by_code) {
    counter.store(0, std::memory_order_relaxed);
  }
  for (CommandStats& each : stats.commands) {
    for (auto* counter :
         {&each.calls, &each.microseconds, &each.rejected_calls, &each.failed_calls}) {
      counter->store(0, std::memory_order_relaxed);
    }
  }
  context.store().reset_counters();
  context.reply.ok();
}

void config_help(CommandContext& context) {
  static constexpr std::array<std::string_view, 6> kLines = {
      "GET <pattern>",
      "    Return parameters matching the glob-like <pattern> and their values.",
      "SET <directive> <value>",
      "    Set the configuration <directive> to <value>.",
      "RESETSTAT",
      "    Reset statistics reported by the INFO command.",
  };
  reply_help(context, kLines);
}

}  // namespace ringo::server::handlers
