// SPDX-License-Identifier: MIT
//
// What the handlers of all families share: reading arguments, and the error texts of Redis.
//
// Thread safety: free functions; a KeyList belongs to one call.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "commands/command.h"
#include "store/entry.h"
#include "store/key_hash.h"

namespace ringo::server {

inline constexpr std::string_view kSyntaxError = "ERR syntax error";
inline constexpr std::string_view kNotAnInteger = "ERR value is not an integer or out of range";
inline constexpr std::string_view kNotAFloat = "ERR value is not a valid float";

/// ASCII letters in any case.
bool equals_ignoring_case(std::string_view left, std::string_view right);
std::string to_lower(std::string_view text);
std::string to_upper(std::string_view text);

/// A signed 64-bit integer in its one canonical spelling; replies kNotAnInteger if it is none.
std::optional<std::int64_t> integer_or_reply(CommandContext& context, std::string_view text);

void reply_wrong_arity(protocol::ReplyWriter& reply, std::string_view command_name);
void reply_invalid_expire(CommandContext& context);
void reply_unknown_subcommand(CommandContext& context);

/// The lines of a HELP subcommand after the usual first one.
void reply_help(CommandContext& context, std::span<const std::string_view> lines);

/// Which units and origin an expiry argument has.
struct ExpiryUnit {
  bool is_seconds = false;
  bool is_absolute = false;
};

/// The key's value as a bulk, or null. Large values are copied after the lock has been released.
void reply_value(CommandContext& context, const HashedKey& key);

/// Hashed keys of a request, every `step`th argument from the first on, prefetched.
class KeyList {
 public:
  explicit KeyList(const CommandContext& context, std::size_t step = 1);

  std::span<const HashedKey> all() const { return {data_, size_}; }
  std::size_t size() const { return size_; }

 private:
  static constexpr std::size_t kInline = 32;

  std::array<HashedKey, kInline> inline_;
  std::vector<HashedKey> more_;  // of requests with more keys
  HashedKey* data_;
  std::size_t size_;
};

}  // namespace ringo::server
