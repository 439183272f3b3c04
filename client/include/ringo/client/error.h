// SPDX-License-Identifier: MIT
//
// What a request to the server can come to besides its reply. ringo::Error is not enough: the
// server's own words belong to the error, and whether the request may have been executed decides
// what the caller can do about it.
//
// Thread safety: values.

#pragma once

#include <ringo/result.h>

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace ringo::client {

enum class ClientErrorKind : std::uint8_t {
  kServer,           ///< the server answered with an error; message() is its text
  kConnectFailed,    ///< no connection could be made; the request was not sent
  kConnectionLost,   ///< the connection ended before the reply: it may have been executed, or not
  kProtocol,         ///< what the server sent is not the protocol; the connection has been closed
  kTimedOut,         ///< the deadline passed: it may have been executed, or will be
  kClosed,           ///< the manager has been stopped, or the client closed
  kUnexpectedReply,  ///< a reply of another type than the command's
  kNotAllowed,       ///< the command cannot be sent over this kind of connection; it was not sent
};

class ClientError {
 public:
  ClientError(ClientErrorKind kind, std::string message, std::optional<Error> cause = std::nullopt)
      : message_(std::move(message)), cause_(cause), kind_(kind) {}

  [[nodiscard]] ClientErrorKind kind() const noexcept { return kind_; }
  /// One line for people; the server's text of kServer, with its code: "WRONGTYPE Operation …".
  [[nodiscard]] const std::string& message() const noexcept { return message_; }
  /// The first word of a server's error: "ERR", "WRONGTYPE", "NOAUTH"; else empty.
  [[nodiscard]] std::string_view code() const noexcept;
  /// What the operating system or the resolver said, where it was one of them.
  [[nodiscard]] const std::optional<Error>& cause() const noexcept { return cause_; }

  /// Kind and text.
  friend bool operator==(const ClientError& a, const ClientError& b) noexcept {
    return a.kind_ == b.kind_ && a.message_ == b.message_;
  }

 private:
  std::string message_;
  std::optional<Error> cause_;
  ClientErrorKind kind_;
};

template <class T>
using ClientResult = std::expected<T, ClientError>;

}  // namespace ringo::client
