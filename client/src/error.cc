// SPDX-License-Identifier: MIT
//
// Texts of errors, see error.h and errors.h.
//
// Thread safety: functions without state.

#include <ringo/client/error.h>
#include <ringo/result.h>

#include <string>
#include <string_view>

#include "errors.h"

namespace ringo::client {

std::string_view ClientError::code() const noexcept {
  const std::string_view text = message_;
  return kind_ == ClientErrorKind::kServer ? text.substr(0, text.find(' ')) : std::string_view();
}

std::string reason_of(const Error& error) {
  std::string message = error.message();
  // "connect: connection refused": what was being done is the caller's to say.
  const std::string prefix = std::string(error.context()) + ": ";
  if (message.starts_with(prefix)) {
    message.erase(0, prefix.size());
  }
  return message;
}

ClientError connection_lost(const Error& error) {
  return {ClientErrorKind::kConnectionLost, "connection lost: " + reason_of(error), error};
}

ClientError closed_by_server() {
  return {ClientErrorKind::kConnectionLost, "connection lost: the server closed it"};
}

}  // namespace ringo::client
