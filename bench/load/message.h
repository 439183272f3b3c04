// SPDX-License-Identifier: MIT
//
// What the load generator sends and what must come back: requests of a fixed size whose key is
// written over in place, and replies of a fixed size, so that the generator counts bytes and does
// not parse. A generator that costs more than the server would measure itself.
//
// Thread safety: none; belongs to one thread.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace load {

enum class Protocol : std::uint8_t { kRedis, kMemcache, kEcho };
enum class Operation : std::uint8_t { kGet, kSet };

/// One request and its reply.
struct Message {
  static constexpr std::size_t kNoKey = static_cast<std::size_t>(-1);
  static constexpr std::size_t kDigits = 12;

  std::string request;
  std::size_t key_digits = kNoKey;  ///< where the twelve digits of the key begin
  std::string reply_begin;          ///< each reply begins so; another one is an error
  std::size_t reply_size = 0;

  /// Writes a key's number, below 10^12, into a copy of `request`.
  void set_key(std::span<char> copy, std::uint64_t number) const;
};

/// Keys are "key:" and twelve digits, values so many letters x. An echo message has no key: it is
/// `value_size` bytes, at least one. A GET must find a value of `value_size` bytes.
[[nodiscard]] Message make_message(Protocol protocol, Operation operation, std::size_t value_size);

}  // namespace load
