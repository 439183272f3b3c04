// SPDX-License-Identifier: MIT
//
// The commands that Client and Handle have in common, with types for their arguments and replies:
// a base that turns each into bytes and the reply into a value. Any other command goes through
// command().
//
// Text is returned as Bytes that share the block it was read into (16 KiB or more): copy what is
// small and kept for long (Bytes::copy_from).
//
// Thread safety: that of the class which derives from it.

#pragma once

#include <ringo/bytes.h>
#include <ringo/client/error.h>
#include <ringo/protocol/frame.h>
#include <ringo/task.h>

#include <array>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace ringo::client {

/// The options of SET: `SetOptions().expire_in(10s).if_absent()`.
class SetOptions {
 public:
  SetOptions() = default;

  /// PX; rounded up to a millisecond.
  SetOptions& expire_in(std::chrono::nanoseconds duration) {
    expiry_ = std::chrono::ceil<std::chrono::milliseconds>(duration);
    return *this;
  }
  /// KEEPTTL: the expiry that the key has stays.
  SetOptions& keep_expiry() {
    keeps_expiry_ = true;
    return *this;
  }
  /// NX, or XX; the last one said holds.
  SetOptions& if_absent() {
    condition_ = "NX";
    return *this;
  }
  SetOptions& if_present() {
    condition_ = "XX";
    return *this;
  }

  [[nodiscard]] const std::optional<std::chrono::milliseconds>& expiry() const { return expiry_; }
  [[nodiscard]] bool keeps_expiry() const { return keeps_expiry_; }
  [[nodiscard]] std::string_view condition() const { return condition_; }

 private:
  std::optional<std::chrono::milliseconds> expiry_;
  std::string_view condition_;
  bool keeps_expiry_ = false;
};

namespace detail {

using Reply = ClientResult<protocol::Frame>;

/// What a kind of connection can carry; see refusal().
enum class Sharing : std::uint8_t { kExclusive, kShared };

/// Why a command must not be sent: it has not exactly one reply (SUBSCRIBE, MONITOR, CLIENT REPLY),
/// or, on a shared connection, it would change or hold up what others do (MULTI, SELECT, BLPOP).
std::optional<ClientError> refusal(std::span<const std::string_view> words, Sharing sharing);

Bytes encode(std::span<const std::string_view> words);
Bytes encode_set(std::string_view key, std::string_view value, const SetOptions& options);
Bytes encode_keys(std::string_view name, std::span<const std::string_view> keys);
Bytes encode_with_integer(std::string_view name, std::string_view key, std::int64_t integer);

Task<Reply> refuse(ClientError error);
/// The server's error becomes ours; what is nested stays in the frame.
Task<Reply> to_frame(Task<Reply> reply);
Task<ClientResult<std::optional<Bytes>>> to_value(Task<Reply> reply);
Task<ClientResult<std::vector<std::optional<Bytes>>>> to_values(Task<Reply> reply);
Task<ClientResult<Bytes>> to_text(Task<Reply> reply);
Task<ClientResult<std::int64_t>> to_integer(Task<Reply> reply);
/// 1 or 0.
Task<ClientResult<bool>> to_flag(Task<Reply> reply);
/// OK, or null where the condition did not hold.
Task<ClientResult<bool>> to_done(Task<Reply> reply);

}  // namespace detail

/// Self supplies `Task<detail::Reply> send_request(Bytes encoded)` and `kSharing`.
///
/// All of them: arguments are copied before the call returns; nothing is sent before the Task is
/// awaited. Errors: all kinds of ClientErrorKind. Cancel safety: see Client and Handle.
template <class Self>
class Commands {
 public:
  /// "PONG".
  [[nodiscard]] Task<ClientResult<Bytes>> ping() {
    return detail::to_text(send(detail::encode(kPing)));
  }
  /// nullopt: there is no such key.
  [[nodiscard]] Task<ClientResult<std::optional<Bytes>>> get(std::string_view key) {
    return detail::to_value(send(detail::encode(std::array{std::string_view("GET"), key})));
  }
  /// In the order of the keys.
  [[nodiscard]] Task<ClientResult<std::vector<std::optional<Bytes>>>> mget(
      std::span<const std::string_view> keys) {
    return detail::to_values(send(detail::encode_keys("MGET", keys)));
  }
  /// False: the condition (if_absent, if_present) did not hold.
  [[nodiscard]] Task<ClientResult<bool>> set(std::string_view key, std::string_view value) {
    return set(key, value, SetOptions());
  }
  [[nodiscard]] Task<ClientResult<bool>> set(std::string_view key, std::string_view value,
                                             const SetOptions& options) {
    return detail::to_done(send(detail::encode_set(key, value, options)));
  }
  /// How many there were.
  [[nodiscard]] Task<ClientResult<std::int64_t>> del(std::string_view key) {
    return del(std::span(&key, 1));
  }
  [[nodiscard]] Task<ClientResult<std::int64_t>> del(std::span<const std::string_view> keys) {
    return detail::to_integer(send(detail::encode_keys("DEL", keys)));
  }
  [[nodiscard]] Task<ClientResult<bool>> exists(std::string_view key) {
    return detail::to_flag(send(detail::encode(std::array{std::string_view("EXISTS"), key})));
  }
  /// The number after it.
  [[nodiscard]] Task<ClientResult<std::int64_t>> incr(std::string_view key) {
    return detail::to_integer(send(detail::encode(std::array{std::string_view("INCR"), key})));
  }
  [[nodiscard]] Task<ClientResult<std::int64_t>> incr_by(std::string_view key,
                                                         std::int64_t amount) {
    return detail::to_integer(send(detail::encode_with_integer("INCRBY", key, amount)));
  }
  /// False: there is no such key. Rounded up to a millisecond.
  [[nodiscard]] Task<ClientResult<bool>> expire(std::string_view key,
                                                std::chrono::nanoseconds duration) {
    const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(duration);
    return detail::to_flag(send(detail::encode_with_integer("PEXPIRE", key, milliseconds.count())));
  }

  /// Any command that has one reply. Errors: also kNotAllowed.
  [[nodiscard]] Task<ClientResult<protocol::Frame>> command(
      std::span<const std::string_view> words) {
    if (std::optional<ClientError> error = detail::refusal(words, Self::kSharing)) {
      return detail::refuse(*std::move(error));
    }
    return detail::to_frame(send(detail::encode(words)));
  }
  /// `command("HSET", key, "name", name)`.
  template <std::convertible_to<std::string_view>... Words>
  [[nodiscard]] Task<ClientResult<protocol::Frame>> command(std::string_view name,
                                                            const Words&... words) {
    const std::array<std::string_view, 1 + sizeof...(Words)> all{name, std::string_view(words)...};
    return command(std::span<const std::string_view>(all));
  }

 protected:
  Commands() = default;
  Commands(const Commands&) = default;
  Commands(Commands&&) noexcept = default;
  Commands& operator=(const Commands&) = default;
  Commands& operator=(Commands&&) noexcept = default;
  ~Commands() = default;

 private:
  static constexpr std::array<std::string_view, 1> kPing{"PING"};

  Task<detail::Reply> send(Bytes encoded) {
    return static_cast<Self&>(*this).send_request(std::move(encoded));
  }
};

}  // namespace ringo::client
