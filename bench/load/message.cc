// SPDX-License-Identifier: MIT
//
// The texts of the three protocols: RESP, memcached's text protocol, and plain bytes.
//
// Thread safety: pure functions.

#include "message.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace load {
namespace {

constexpr std::string_view kKey = "key:000000000000";

}  // namespace

void Message::set_key(std::span<char> copy, std::uint64_t number) const {
  if (key_digits == kNoKey) {
    return;
  }
  for (std::size_t i = kDigits; i > 0; --i) {
    copy[key_digits + i - 1] = static_cast<char>('0' + number % 10);
    number /= 10;
  }
}

Message make_message(Protocol protocol, Operation operation, std::size_t value_size) {
  const std::string value(value_size, 'x');
  const bool is_get = operation == Operation::kGet;
  Message message;
  std::string reply;
  switch (protocol) {
    case Protocol::kRedis:
      message.request = is_get ? fmt::format("*2\r\n$3\r\nGET\r\n$16\r\n{}\r\n", kKey)
                               : fmt::format("*3\r\n$3\r\nSET\r\n$16\r\n{}\r\n${}\r\n{}\r\n", kKey,
                                             value_size, value);
      message.reply_begin = is_get ? fmt::format("${}\r\n", value_size) : "+OK\r\n";
      reply = is_get ? message.reply_begin + value + "\r\n" : message.reply_begin;
      break;
    case Protocol::kMemcache:
      message.request = is_get ? fmt::format("get {}\r\n", kKey)
                               : fmt::format("set {} 0 0 {}\r\n{}\r\n", kKey, value_size, value);
      message.reply_begin = is_get ? "VALUE key:" : "STORED\r\n";
      reply = is_get ? fmt::format("VALUE {} 0 {}\r\n{}\r\nEND\r\n", kKey, value_size, value)
                     : message.reply_begin;
      break;
    case Protocol::kEcho:
      message.request = value;
      message.reply_begin = value.substr(0, 1);
      reply = value;
      break;
  }
  message.reply_size = reply.size();
  if (const std::size_t at = message.request.find(kKey); at != std::string::npos) {
    message.key_digits = at + kKey.size() - Message::kDigits;
  }
  return message;
}

}  // namespace load
