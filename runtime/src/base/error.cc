// SPDX-License-Identifier: MIT
//
// The texts of Error and JoinError, and where broken invariants and wrong use end: check_failed()
// aborts, throw_usage_error() throws. Out of line, because none of it is on a fast path.
//
// Thread safety: all of it; messages are made without shared buffers.

#include <netdb.h>
#include <ringo/detail/assert.h>
#include <ringo/join_error.h>
#include <ringo/result.h>
#include <ringo/usage_error.h>
#include <string.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>

#include <fmt/core.h>

namespace ringo {
namespace {

std::string os_text(int error) {
  char buffer[128];
  // The GNU version: returns the text, which need not be in the buffer.
  std::string text = strerror_r(error, buffer, sizeof(buffer));
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z' && (text.size() < 2 || text[1] >= 'a')) {
    text[0] = static_cast<char>(text[0] - 'A' + 'a');
  }
  return text;
}

}  // namespace

std::string Error::message() const {
  switch (kind_) {
    case ErrorKind::kOs:
      return fmt::format("{}: {}", context_, os_text(os_error_));
    case ErrorKind::kResolve:
      return fmt::format("{}: {}", context_, gai_strerror(os_error_));
    case ErrorKind::kClosed:
      return fmt::format("{}: closed", context_);
    case ErrorKind::kTimedOut:
      return fmt::format("{}: timed out", context_);
    case ErrorKind::kUnexpectedEof:
      return fmt::format("{}: unexpected end of stream", context_);
    case ErrorKind::kInvalidInput:
      return fmt::format("{}: invalid argument", context_);
    case ErrorKind::kRuntimeShutDown:
      return fmt::format("{}: the runtime is shut down", context_);
    case ErrorKind::kFull:
      return "no room";
    case ErrorKind::kUnsupported:
      return os_error_ == 0 ? std::string(context_)
                            : fmt::format("{} ({})", context_, os_text(os_error_));
  }
  return context_;
}

void JoinError::rethrow() const {
  if (exception_ != nullptr) {
    std::rethrow_exception(exception_);
  }
  throw std::runtime_error(message());
}

std::string JoinError::message() const {
  if (is_cancelled()) {
    return fmt::format("task {} was cancelled", id_.value());
  }
  try {
    std::rethrow_exception(exception_);
  } catch (const std::exception& exception) {
    return fmt::format("task {} threw an exception: {}", id_.value(), exception.what());
  } catch (...) {
    return fmt::format("task {} threw an exception", id_.value());
  }
}

namespace detail {

void check_failed(const char* condition, const char* message, const char* file, int line) noexcept {
  std::fprintf(stderr, "%s:%d: check failed: %s: %s\n", file, line, condition, message);
  std::abort();
}

void throw_usage_error(const char* message) {
  throw UsageError(message);
}

}  // namespace detail
}  // namespace ringo
