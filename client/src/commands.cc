// SPDX-License-Identifier: MIT
//
// Commands as bytes and replies as values; see commands.h. Which commands a connection must refuse
// is here, too.
//
// Thread safety: functions without state.

#include <ringo/bytes.h>
#include <ringo/client/commands.h>
#include <ringo/client/error.h>
#include <ringo/protocol/frame.h>
#include <ringo/protocol/resp.h>
#include <ringo/task.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringo::client::detail {
namespace {

using protocol::Frame;
using protocol::FrameType;

// Upper case. Their replies do not come one to a request.
constexpr std::array<std::string_view, 8> kWithoutOneReply{
    "SUBSCRIBE",  "UNSUBSCRIBE",  "PSUBSCRIBE", "PUNSUBSCRIBE",
    "SSUBSCRIBE", "SUNSUBSCRIBE", "MONITOR",    "SYNC"};

// They change the connection for everybody on it, or hold everybody up.
constexpr std::array<std::string_view, 20> kNotShareable{
    "MULTI",  "EXEC",     "DISCARD",  "WATCH", "UNWATCH",    "SELECT", "AUTH",
    "HELLO",  "QUIT",     "RESET",    "BLPOP", "BRPOP",      "BLMOVE", "BLMPOP",
    "BZMPOP", "BZPOPMIN", "BZPOPMAX", "WAIT",  "BRPOPLPUSH", "WAITAOF"};

std::string to_upper(std::string_view text) {
  std::string upper(text);
  std::ranges::transform(upper, upper.begin(), [](char letter) {
    return letter >= 'a' && letter <= 'z' ? static_cast<char>(letter - 'a' + 'A') : letter;
  });
  return upper;
}

ClientError not_allowed(std::string message) {
  return {ClientErrorKind::kNotAllowed, std::move(message)};
}

ClientError unexpected_reply(const Frame& frame) {
  constexpr std::size_t kShown = 100;
  return {ClientErrorKind::kUnexpectedReply,
          "unexpected reply: " + frame.to_string().substr(0, kShown)};
}

/// The reply without attributes, or the server's error as ours.
Reply checked(Reply&& reply) {
  if (!reply) {
    return std::move(reply);
  }
  const Frame& value = reply->without_attributes();
  if (value.is_error()) {
    return std::unexpected(
        ClientError(ClientErrorKind::kServer, std::string(value.as_text().value_or(""))));
  }
  if (reply->type() == FrameType::kAttribute) {
    Frame inner(value);
    return inner;
  }
  return std::move(reply);
}

}  // namespace

std::optional<ClientError> refusal(std::span<const std::string_view> words, Sharing sharing) {
  if (words.empty()) {
    return not_allowed("a command needs a name");
  }
  const std::string name = to_upper(words[0]);
  const bool turns_replies_off =
      name == "CLIENT" && words.size() > 1 && to_upper(words[1]) == "REPLY";
  if (turns_replies_off || name == "PSYNC" ||
      std::ranges::find(kWithoutOneReply, name) != kWithoutOneReply.end()) {
    return not_allowed(name + " is not supported: its replies are not one to a request");
  }
  const bool reads_until_something_comes =
      (name == "XREAD" || name == "XREADGROUP") &&
      std::ranges::any_of(words, [](std::string_view word) { return to_upper(word) == "BLOCK"; });
  if (sharing == Sharing::kShared &&
      (reads_until_something_comes ||
       std::ranges::find(kNotShareable, name) != kNotShareable.end())) {
    return not_allowed(name + " needs a connection of its own: use a Client");
  }
  return std::nullopt;
}

Bytes encode(std::span<const std::string_view> words) {
  constexpr std::size_t kHeader = 16;  // "$12345\r\n" and "\r\n", rounded up
  std::size_t size = kHeader;
  for (const std::string_view word : words) {
    size += word.size() + kHeader;
  }
  BytesMut out(size);
  protocol::encode_command(out, words);
  return std::move(out).freeze();
}

Bytes encode_set(std::string_view key, std::string_view value, const SetOptions& options) {
  std::array<std::string_view, 7> words{"SET", key, value};
  std::size_t count = 3;
  if (!options.condition().empty()) {
    words[count++] = options.condition();
  }
  std::array<char, protocol::kMaxIntegerChars> digits{};
  if (options.expiry()) {
    const char* end =
        protocol::format_integer(digits.data(), std::int64_t{options.expiry()->count()});
    words[count++] = "PX";
    words[count++] = std::string_view(digits.data(), static_cast<std::size_t>(end - digits.data()));
  }
  if (options.keeps_expiry()) {
    words[count++] = "KEEPTTL";
  }
  return encode(std::span(words).first(count));
}

Bytes encode_keys(std::string_view name, std::span<const std::string_view> keys) {
  std::vector<std::string_view> words;
  words.reserve(keys.size() + 1);
  words.push_back(name);
  words.insert(words.end(), keys.begin(), keys.end());
  return encode(words);
}

Bytes encode_with_integer(std::string_view name, std::string_view key, std::int64_t integer) {
  std::array<char, protocol::kMaxIntegerChars> digits{};
  const char* end = protocol::format_integer(digits.data(), integer);
  const std::string_view text(digits.data(), static_cast<std::size_t>(end - digits.data()));
  return encode(std::array{name, key, text});
}

Task<Reply> refuse(ClientError error) {
  co_return std::unexpected<ClientError>(std::move(error));
}

Task<Reply> to_frame(Task<Reply> reply) {
  Reply result = checked(co_await std::move(reply));
  co_return result;
}

Task<ClientResult<std::optional<Bytes>>> to_value(Task<Reply> reply) {
  const Reply result = checked(co_await std::move(reply));
  if (!result) {
    co_return std::unexpected<ClientError>(result.error());
  }
  std::optional<Bytes> value = result->as_bytes();
  if (!value && !result->is_null()) {
    co_return std::unexpected<ClientError>(unexpected_reply(*result));
  }
  co_return value;
}

Task<ClientResult<std::vector<std::optional<Bytes>>>> to_values(Task<Reply> reply) {
  const Reply result = checked(co_await std::move(reply));
  if (!result) {
    co_return std::unexpected<ClientError>(result.error());
  }
  if (result->type() != FrameType::kArray) {
    co_return std::unexpected<ClientError>(unexpected_reply(*result));
  }
  std::vector<std::optional<Bytes>> values;
  values.reserve(result->items().size());
  for (const Frame& item : result->items()) {
    values.push_back(item.as_bytes());
  }
  co_return values;
}

Task<ClientResult<Bytes>> to_text(Task<Reply> reply) {
  const Reply result = checked(co_await std::move(reply));
  if (!result) {
    co_return std::unexpected<ClientError>(result.error());
  }
  std::optional<Bytes> text = result->as_bytes();
  if (!text) {
    co_return std::unexpected<ClientError>(unexpected_reply(*result));
  }
  co_return *std::move(text);
}

Task<ClientResult<std::int64_t>> to_integer(Task<Reply> reply) {
  const Reply result = checked(co_await std::move(reply));
  if (!result) {
    co_return std::unexpected<ClientError>(result.error());
  }
  const std::optional<std::int64_t> integer = result->as_integer();
  if (!integer) {
    co_return std::unexpected<ClientError>(unexpected_reply(*result));
  }
  co_return *integer;
}

Task<ClientResult<bool>> to_flag(Task<Reply> reply) {
  const ClientResult<std::int64_t> result = co_await to_integer(std::move(reply));
  if (!result) {
    co_return std::unexpected<ClientError>(result.error());
  }
  co_return *result != 0;
}

Task<ClientResult<bool>> to_done(Task<Reply> reply) {
  const Reply result = checked(co_await std::move(reply));
  if (!result) {
    co_return std::unexpected<ClientError>(result.error());
  }
  if (result->is_null()) {
    co_return false;
  }
  if (result->type() != FrameType::kSimple) {
    co_return std::unexpected<ClientError>(unexpected_reply(*result));
  }
  co_return true;
}

}  // namespace ringo::client::detail
