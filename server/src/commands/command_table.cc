// SPDX-License-Identifier: MIT
//
// The command table, and how a name is found in it: a perfect hash over the length and the first
// and last eight letters, whose multiplier is searched for by the compiler.
//
// Arity, flags and key positions are those of Redis 7.0, as clients and proxies rely on them.
// Thread safety: constants.

#include <ringo/server/stats.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "commands/arguments.h"
#include "commands/command.h"
#include "commands/handlers.h"

namespace ringo::server {
namespace {

// A row is up to three lines. clang-format would make twelve of it.
// clang-format off
constexpr auto kClient = std::to_array<Command>({
    {"client|getname", 2, kNoScript | kLoading | kStale, 0, 0, 0, handlers::client_getname,
     CommandGroup::kConnection, "2.6.9",
     "Return the name of this connection", "O(1)", {}},
    {"client|help", 2, kLoading | kStale, 0, 0, 0, handlers::client_help, CommandGroup::kConnection,
     "5.0.0",
     "Show what the subcommands do", "O(1)", {}},
    {"client|id", 2, kNoScript | kLoading | kStale, 0, 0, 0, handlers::client_id,
     CommandGroup::kConnection, "5.0.0",
     "Return the number of this connection", "O(1)", {}},
    {"client|info", 2, kNoScript | kLoading | kStale, 0, 0, 0, handlers::client_info,
     CommandGroup::kConnection, "6.2.0",
     "Describe this connection", "O(1)", {}},
    {"client|kill", -3, kAdmin | kNoScript | kLoading | kStale, 0, 0, 0, handlers::client_kill,
     CommandGroup::kConnection, "2.4.0",
     "Close connections", "O(N) where N is the number of connections", {}},
    {"client|list", -2, kAdmin | kNoScript | kLoading | kStale, 0, 0, 0, handlers::client_list,
     CommandGroup::kConnection, "2.4.0",
     "Describe all connections", "O(N) where N is the number of connections", {}},
    {"client|no-evict", 3, kAdmin | kNoScript | kLoading | kStale, 0, 0, 0,
     handlers::client_no_evict, CommandGroup::kConnection, "7.0.0",
     "Protect this connection from eviction", "O(1)", {}},
    {"client|reply", 3, kNoScript | kLoading | kStale, 0, 0, 0, handlers::client_reply,
     CommandGroup::kConnection, "3.2.0",
     "Choose whether commands are replied to", "O(1)", {}},
    {"client|setinfo", 4, kNoScript | kLoading | kStale, 0, 0, 0, handlers::client_setinfo,
     CommandGroup::kConnection, "7.2.0",
     "Tell which library this connection is made by", "O(1)", {}},
    {"client|setname", 3, kNoScript | kLoading | kStale, 0, 0, 0, handlers::client_setname,
     CommandGroup::kConnection, "2.6.9",
     "Name this connection", "O(1)", {}},
});

constexpr auto kCommand = std::to_array<Command>({
    {"command|count", 2, kLoading | kStale, 0, 0, 0, handlers::command_count, CommandGroup::kServer,
     "2.8.13",
     "Return the number of commands", "O(1)", {}},
    {"command|docs", -2, kLoading | kStale, 0, 0, 0, handlers::command_docs, CommandGroup::kServer,
     "7.0.0",
     "Document commands", "O(N) where N is the number of commands asked for", {}},
    {"command|getkeys", -4, kLoading | kStale, 0, 0, 0, handlers::command_getkeys,
     CommandGroup::kServer, "2.8.13",
     "Find the keys of a request", "O(N) where N is the number of arguments", {}},
    {"command|help", 2, kLoading | kStale, 0, 0, 0, handlers::command_help, CommandGroup::kServer,
     "5.0.0",
     "Show what the subcommands do", "O(1)", {}},
    {"command|info", -2, kLoading | kStale, 0, 0, 0, handlers::command_info, CommandGroup::kServer,
     "2.8.13",
     "Describe commands to programs", "O(N) where N is the number of commands asked for", {}},
    {"command|list", -2, kLoading | kStale, 0, 0, 0, handlers::command_list, CommandGroup::kServer,
     "7.0.0",
     "List the names of commands", "O(N) where N is the number of commands", {}},
});

constexpr auto kConfig = std::to_array<Command>({
    {"config|get", -3, kAdmin | kNoScript | kLoading | kStale, 0, 0, 0, handlers::config_get,
     CommandGroup::kServer, "2.0.0",
     "Return configuration parameters", "O(N) where N is the number of parameters", {}},
    {"config|help", 2, kLoading | kStale, 0, 0, 0, handlers::config_help, CommandGroup::kServer,
     "5.0.0",
     "Show what the subcommands do", "O(1)", {}},
    {"config|resetstat", 2, kAdmin | kNoScript | kLoading | kStale, 0, 0, 0,
     handlers::config_resetstat, CommandGroup::kServer, "2.0.0",
     "Set the statistics of INFO to zero", "O(1)", {}},
    {"config|set", -4, kAdmin | kNoScript | kLoading | kStale, 0, 0, 0, handlers::config_set,
     CommandGroup::kServer, "2.0.0",
     "Change configuration parameters", "O(N) where N is the number of parameters", {}},
});

constexpr auto kCommands = std::to_array<Command>({
    {"append", 3, kWrite | kDenyOom | kFast, 1, 1, 1, handlers::append, CommandGroup::kString,
     "2.0.0",
     "Append to a value", "O(1) amortized", {}},
    {"auth", -2, kNoScript | kLoading | kStale | kFast | kNoAuth | kAllowBusy, 0, 0, 0,
     handlers::auth, CommandGroup::kConnection, "1.0.0",
     "Authenticate the connection", "O(1)", {}},
    {"client", -2, 0, 0, 0, 0, nullptr, CommandGroup::kConnection, "2.4.0",
     "Commands about connections", "Depends on the subcommand", kClient},
    {"command", -1, kLoading | kStale, 0, 0, 0, handlers::command, CommandGroup::kServer, "2.8.13",
     "Describe all commands to programs", "O(N) where N is the number of commands", kCommand},
    {"config", -2, 0, 0, 0, 0, nullptr, CommandGroup::kServer, "2.0.0",
     "Commands about the configuration", "Depends on the subcommand", kConfig},
    {"dbsize", 1, kReadOnly | kFast, 0, 0, 0, handlers::dbsize, CommandGroup::kServer, "1.0.0",
     "Return the number of keys", "O(1)", {}},
    {"decr", 2, kWrite | kDenyOom | kFast, 1, 1, 1, handlers::decr, CommandGroup::kString, "1.0.0",
     "Subtract one from a counter", "O(1)", {}},
    {"decrby", 3, kWrite | kDenyOom | kFast, 1, 1, 1, handlers::decrby, CommandGroup::kString,
     "1.0.0",
     "Subtract from a counter", "O(1)", {}},
    {"del", -2, kWrite, 1, -1, 1, handlers::del, CommandGroup::kGeneric, "1.0.0",
     "Remove keys", "O(N) where N is the number of keys", {}},
    {"echo", 2, kLoading | kStale | kFast, 0, 0, 0, handlers::echo, CommandGroup::kConnection,
     "1.0.0",
     "Return the argument", "O(1)", {}},
    {"exists", -2, kReadOnly | kFast, 1, -1, 1, handlers::exists, CommandGroup::kGeneric, "1.0.0",
     "Count the keys that are there", "O(N) where N is the number of keys", {}},
    {"expire", -3, kWrite | kFast, 1, 1, 1, handlers::expire, CommandGroup::kGeneric, "1.0.0",
     "Let a key expire in so many seconds", "O(1)", {}},
    {"expireat", -3, kWrite | kFast, 1, 1, 1, handlers::expireat, CommandGroup::kGeneric, "1.2.0",
     "Let a key expire at a time in seconds", "O(1)", {}},
    {"expiretime", 2, kReadOnly | kFast, 1, 1, 1, handlers::expiretime, CommandGroup::kGeneric,
     "7.0.0",
     "Return when a key expires, in seconds", "O(1)", {}},
    {"flushall", -1, kWrite | kDangerous, 0, 0, 0, handlers::flush, CommandGroup::kServer, "1.0.0",
     "Remove all keys", "O(N) where N is the number of keys", {}},
    {"flushdb", -1, kWrite | kDangerous, 0, 0, 0, handlers::flush, CommandGroup::kServer, "1.0.0",
     "Remove all keys of the database", "O(N) where N is the number of keys", {}},
    {"get", 2, kReadOnly | kFast, 1, 1, 1, handlers::get, CommandGroup::kString, "1.0.0",
     "Return the value of a key", "O(1)", {}},
    {"getdel", 2, kWrite | kFast, 1, 1, 1, handlers::getdel, CommandGroup::kString, "6.2.0",
     "Return the value of a key and remove it", "O(1)", {}},
    {"getex", -2, kWrite | kFast, 1, 1, 1, handlers::getex, CommandGroup::kString, "6.2.0",
     "Return the value of a key and change its expiry", "O(1)", {}},
    {"getset", 3, kWrite | kDenyOom | kFast, 1, 1, 1, handlers::getset, CommandGroup::kString,
     "1.0.0",
     "Set the value of a key and return the old one", "O(1)", {}},
    {"hello", -1, kNoScript | kLoading | kStale | kFast | kNoAuth | kAllowBusy, 0, 0, 0,
     handlers::hello, CommandGroup::kConnection, "6.0.0",
     "Agree on the version of the protocol", "O(1)", {}},
    {"incr", 2, kWrite | kDenyOom | kFast, 1, 1, 1, handlers::incr, CommandGroup::kString, "1.0.0",
     "Add one to a counter", "O(1)", {}},
    {"incrby", 3, kWrite | kDenyOom | kFast, 1, 1, 1, handlers::incrby, CommandGroup::kString,
     "1.0.0",
     "Add to a counter", "O(1)", {}},
    {"incrbyfloat", 3, kWrite | kDenyOom | kFast, 1, 1, 1, handlers::incrbyfloat,
     CommandGroup::kString, "2.6.0",
     "Add to a counter with decimals", "O(1)", {}},
    {"info", -1, kLoading | kStale | kDangerous, 0, 0, 0, handlers::info, CommandGroup::kServer,
     "1.0.0",
     "Return information and statistics", "O(1)", {}},
    {"keys", 2, kReadOnly | kDangerous, 0, 0, 0, handlers::keys, CommandGroup::kGeneric, "1.0.0",
     "Return all keys that match a pattern", "O(N) where N is the number of keys", {}},
    {"mget", -2, kReadOnly | kFast, 1, -1, 1, handlers::mget, CommandGroup::kString, "1.0.0",
     "Return the values of several keys", "O(N) where N is the number of keys", {}},
    {"mset", -3, kWrite | kDenyOom, 1, -1, 2, handlers::mset, CommandGroup::kString, "1.0.1",
     "Set several keys at once", "O(N) where N is the number of keys", {}},
    {"msetnx", -3, kWrite | kDenyOom, 1, -1, 2, handlers::msetnx, CommandGroup::kString, "1.0.1",
     "Set several keys at once if none is there", "O(N) where N is the number of keys", {}},
    {"persist", 2, kWrite | kFast, 1, 1, 1, handlers::persist, CommandGroup::kGeneric, "2.2.0",
     "Let a key never expire", "O(1)", {}},
    {"pexpire", -3, kWrite | kFast, 1, 1, 1, handlers::pexpire, CommandGroup::kGeneric, "2.6.0",
     "Let a key expire in so many milliseconds", "O(1)", {}},
    {"pexpireat", -3, kWrite | kFast, 1, 1, 1, handlers::pexpireat, CommandGroup::kGeneric, "2.6.0",
     "Let a key expire at a time in milliseconds", "O(1)", {}},
    {"pexpiretime", 2, kReadOnly | kFast, 1, 1, 1, handlers::pexpiretime, CommandGroup::kGeneric,
     "7.0.0",
     "Return when a key expires, in milliseconds", "O(1)", {}},
    {"ping", -1, kFast, 0, 0, 0, handlers::ping, CommandGroup::kConnection, "1.0.0",
     "Answer PONG, or the argument", "O(1)", {}},
    {"psetex", 4, kWrite | kDenyOom, 1, 1, 1, handlers::psetex, CommandGroup::kString, "2.6.0",
     "Set a value and its time to live in milliseconds", "O(1)", {}},
    {"pttl", 2, kReadOnly | kFast, 1, 1, 1, handlers::pttl, CommandGroup::kGeneric, "2.6.0",
     "Return the time to live in milliseconds", "O(1)", {}},
    {"quit", -1, kNoScript | kLoading | kStale | kFast | kNoAuth | kAllowBusy, 0, 0, 0,
     handlers::quit, CommandGroup::kConnection, "1.0.0",
     "Close the connection", "O(1)", {}},
    {"randomkey", 1, kReadOnly, 0, 0, 0, handlers::randomkey, CommandGroup::kGeneric, "1.0.0",
     "Return some key", "O(1)", {}},
    {"reset", 1, kNoScript | kLoading | kStale | kFast | kNoAuth | kAllowBusy, 0, 0, 0,
     handlers::reset, CommandGroup::kConnection, "6.2.0",
     "Make the connection as new", "O(1)", {}},
    {"scan", -2, kReadOnly, 0, 0, 0, handlers::scan, CommandGroup::kGeneric, "2.8.0",
     "Go over all keys step by step", "O(1) a step, O(N) for all N keys", {}},
    {"select", 2, kLoading | kStale | kFast, 0, 0, 0, handlers::select, CommandGroup::kConnection,
     "1.0.0",
     "Choose the database; there is one, 0", "O(1)", {}},
    {"set", -3, kWrite | kDenyOom, 1, 1, 1, handlers::set, CommandGroup::kString, "1.0.0",
     "Set the value of a key", "O(1)", {}},
    {"setex", 4, kWrite | kDenyOom, 1, 1, 1, handlers::setex, CommandGroup::kString, "2.0.0",
     "Set a value and its time to live in seconds", "O(1)", {}},
    {"setnx", 3, kWrite | kDenyOom | kFast, 1, 1, 1, handlers::setnx, CommandGroup::kString,
     "1.0.0",
     "Set the value of a key that is not there", "O(1)", {}},
    {"strlen", 2, kReadOnly | kFast, 1, 1, 1, handlers::strlen, CommandGroup::kString, "2.2.0",
     "Return the length of a value", "O(1)", {}},
    {"time", 1, kLoading | kStale | kFast, 0, 0, 0, handlers::time, CommandGroup::kServer, "2.6.0",
     "Return the time of the server", "O(1)", {}},
    {"touch", -2, kReadOnly | kFast, 1, -1, 1, handlers::exists, CommandGroup::kGeneric, "3.2.1",
     "Count the keys that are there", "O(N) where N is the number of keys", {}},
    {"ttl", 2, kReadOnly | kFast, 1, 1, 1, handlers::ttl, CommandGroup::kGeneric, "1.0.0",
     "Return the time to live in seconds", "O(1)", {}},
    {"type", 2, kReadOnly | kFast, 1, 1, 1, handlers::type, CommandGroup::kGeneric, "1.0.0",
     "Return the type of a key", "O(1)", {}},
    {"unlink", -2, kWrite | kFast, 1, -1, 1, handlers::del, CommandGroup::kGeneric, "4.0.0",
     "Remove keys", "O(N) where N is the number of keys", {}},
});
// clang-format on

static_assert(kCommands.size() + kClient.size() + kCommand.size() + kConfig.size() <=
              ServerStats::kMaxCommands);

/// A name as two words in lower case. Setting bit 5 maps letters to lower case and nothing else to
/// a lower-case letter, so two names of letters have the same words only if they are the same.
struct NameWords {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};

constexpr std::uint64_t kLowerCase = 0x2020202020202020U;
constexpr std::size_t kMaxName = 16;
constexpr std::size_t kSlots = 1024;
constexpr std::uint8_t kEmpty = 0xFF;

/// Byte by byte, for the compiler.
constexpr NameWords words_of_literal(std::string_view name) {
  NameWords words;
  for (std::size_t i = 0; i < 8; ++i) {
    if (i < name.size()) {
      words.first |= std::uint64_t{static_cast<unsigned char>(name[i])} << (8 * i);
    }
    if (name.size() >= 8) {
      const auto byte = static_cast<unsigned char>(name[name.size() - 8 + i]);
      words.last |= std::uint64_t{byte} << (8 * i);
    }
  }
  return {words.first | kLowerCase, words.last | kLowerCase};
}

/// The same without a loop, for names from clients. Requires: 0 < size <= kMaxName.
NameWords words_of(std::string_view name) {
  const char* at = name.data();
  const std::size_t size = name.size();
  NameWords words;
  if (size >= 8) {
    std::memcpy(&words.first, at, 8);
    std::memcpy(&words.last, at + size - 8, 8);
  } else if (size >= 4) {
    std::uint32_t low = 0;
    std::uint32_t high = 0;
    std::memcpy(&low, at, 4);
    std::memcpy(&high, at + size - 4, 4);
    words.first = low | (std::uint64_t{high} << (8 * (size - 4)));
  } else {
    words.first = static_cast<unsigned char>(at[0]) |
                  (std::uint64_t{static_cast<unsigned char>(at[size / 2])} << (8 * (size / 2))) |
                  (std::uint64_t{static_cast<unsigned char>(at[size - 1])} << (8 * (size - 1)));
  }
  return {words.first | kLowerCase, words.last | kLowerCase};
}

constexpr std::size_t slot_of(const NameWords& words, std::size_t size, std::uint64_t multiplier) {
  return ((words.first ^ (words.last << 7U) ^ size) * multiplier) >> 54U;
}

constexpr bool are_apart(std::uint64_t multiplier) {
  std::array<bool, kSlots> used{};
  for (const Command& command : kCommands) {
    bool& slot = used[slot_of(words_of_literal(command.name), command.name.size(), multiplier)];
    if (slot) {
      return false;
    }
    slot = true;
  }
  return true;
}

constexpr std::uint64_t find_multiplier() {
  std::uint64_t multiplier = 0x9E3779B97F4A7C15U;
  while (!are_apart(multiplier)) {
    multiplier = multiplier * 6364136223846793005U + 1442695040888963407U;
  }
  return multiplier;
}

constexpr std::uint64_t kMultiplier = find_multiplier();

struct Index {
  std::array<std::uint8_t, kSlots> slots{};
  std::array<NameWords, kCommands.size()> words{};
};

constexpr Index make_index() {
  Index index;
  index.slots.fill(kEmpty);
  for (std::size_t i = 0; i < kCommands.size(); ++i) {
    const std::string_view name = kCommands[i].name;
    index.words[i] = words_of_literal(name);
    index.slots[slot_of(index.words[i], name.size(), kMultiplier)] = static_cast<std::uint8_t>(i);
  }
  return index;
}

constexpr Index kIndex = make_index();

}  // namespace

const Command* find_command(std::string_view name) {
  if (name.empty() || name.size() > kMaxName) {
    return nullptr;
  }
  const NameWords words = words_of(name);
  const std::uint8_t at = kIndex.slots[slot_of(words, name.size(), kMultiplier)];
  if (at == kEmpty) {
    return nullptr;
  }
  const NameWords& found = kIndex.words[at];
  const Command& command = kCommands[at];
  return found.first == words.first && found.last == words.last &&
                 command.name.size() == name.size()
             ? &command
             : nullptr;
}

const Command* find_subcommand(const Command& container, std::string_view name) {
  for (const Command& subcommand : container.subcommands) {
    if (equals_ignoring_case(subcommand.name.substr(container.name.size() + 1), name)) {
      return &subcommand;
    }
  }
  return nullptr;
}

std::span<const Command> all_commands() {
  return kCommands;
}

std::size_t stats_index(const Command& command) {
  // One after the other: the table, then the subcommands of each container.
  std::size_t base = 0;
  for (const std::span<const Command> table :
       {std::span<const Command>(kCommands), std::span<const Command>(kClient),
        std::span<const Command>(kCommand), std::span<const Command>(kConfig)}) {
    if (&command >= table.data() && &command < table.data() + table.size()) {
      return base + static_cast<std::size_t>(&command - table.data());
    }
    base += table.size();
  }
  return base;
}

}  // namespace ringo::server
