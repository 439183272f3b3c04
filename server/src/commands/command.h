// SPDX-License-Identifier: MIT
//
// Command: one row of the command table; CommandContext: what its handler gets.
//
// A handler writes exactly one reply. Argument counts have been checked against the arity, so
// args[0] to args[arity - 1] exist. Handlers are free functions without state.
//
// Thread safety: the table is constant; a context belongs to one call.

#pragma once

#include <ringo/protocol/reply_writer.h>
#include <ringo/server/session.h>
#include <ringo/server/state.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "store/entry.h"
#include "store/key_hash.h"
#include "store/store.h"

namespace ringo::server {

struct CommandContext;
using Handler = void (*)(CommandContext& context);

/// Bits of Command::flags: those that COMMAND INFO names, then those that make ACL categories.
enum CommandFlag : std::uint32_t {  // NOLINT(performance-enum-size): bits
  kWrite = 1U << 0U,
  kReadOnly = 1U << 1U,
  kDenyOom = 1U << 2U,
  kAdmin = 1U << 3U,
  kNoScript = 1U << 4U,
  kLoading = 1U << 5U,
  kStale = 1U << 6U,
  kFast = 1U << 7U,
  kNoAuth = 1U << 8U,
  kAllowBusy = 1U << 9U,
  kDangerous = 1U << 10U,
};

enum class CommandGroup : std::uint8_t { kString, kGeneric, kConnection, kServer };

struct Command {
  std::string_view name;  // lower case; "client|id" for a subcommand
  int arity;              // arguments with the name; negative: at least so many
  std::uint32_t flags;
  // Which arguments are keys, as in COMMAND INFO; all 0: none. A negative last counts from the end.
  int first_key;
  int last_key;
  int key_step;
  Handler handler;  // null for a container of subcommands
  CommandGroup group;
  std::string_view since;
  std::string_view summary;
  std::string_view complexity;
  std::span<const Command> subcommands;
};

struct CommandContext {
  CommandContext(Session& of_session, std::span<const std::string_view> arguments,
                 protocol::ReplyWriter& writer, UnixMs now, const HashedKey* key)
      : session(of_session),
        state(of_session.state()),
        args(arguments),
        reply(writer),
        now_ms(now),
        hashed_key(key) {}

  Store& store() const { return state.store(); }

  /// The key at args[index], hashed; the first key may have been hashed ahead.
  [[gnu::always_inline]] HashedKey key(std::size_t index = 1) const {
    return index == 1 && hashed_key != nullptr ? *hashed_key : store().hashed(args[index]);
  }

  Session& session;
  ServerState& state;
  std::span<const std::string_view> args;
  protocol::ReplyWriter& reply;
  UnixMs now_ms;
  const HashedKey* hashed_key;  // of args[1], or null
  const Command* command = nullptr;
};

/// The command of this name in any case, or null. Complexity: O(1), no allocation.
const Command* find_command(std::string_view name);

/// The subcommand args[1] of a container, or null.
const Command* find_subcommand(const Command& container, std::string_view name);

/// All commands, in the order of the table. Subcommands are in their containers.
std::span<const Command> all_commands();

/// Where the command's statistics are, subcommands included.
std::size_t stats_index(const Command& command);

/// Calls f(const Command&) for all commands and subcommands.
template <typename F>
void for_each_command(F&& f) {
  for (const Command& command : all_commands()) {
    f(command);
    for (const Command& subcommand : command.subcommands) {
      f(subcommand);
    }
  }
}

}  // namespace ringo::server
