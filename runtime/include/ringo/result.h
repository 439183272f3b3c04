// SPDX-License-Identifier: MIT
//
// What can go wrong in production and how it is returned: Result<T> is std::expected with ringo's
// Error. Broken invariants abort instead, and what a task throws comes out of its JoinHandle.
//
// Thread safety: values; share them as you share an int.

#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace ringo {

enum class ErrorKind : std::uint8_t {
  kOs,               ///< the kernel refused; os_error() is its errno
  kResolve,          ///< a host name could not be resolved; os_error() is getaddrinfo's code
  kClosed,           ///< the other half of a channel, or the semaphore, is closed
  kTimedOut,         ///< a deadline passed
  kUnexpectedEof,    ///< the stream ended before the bytes asked for had arrived
  kInvalidInput,     ///< an argument that cannot work (an address that does not parse …)
  kRuntimeShutDown,  ///< the runtime that the object lived on has been shut down
  kFull,             ///< a bounded queue has no room
  kUnsupported,      ///< the kernel or its configuration lacks what is needed
};

/// An error that a caller is expected to handle. Small and trivially copyable.
class Error {
 public:
  /// `context` says what was being done ("connect"); it must outlive the error: a literal.
  constexpr Error(ErrorKind kind, const char* context, int os_error = 0) noexcept
      : context_(context), os_error_(os_error), kind_(kind) {}

  static constexpr Error os(int os_error, const char* context) noexcept {
    return Error(ErrorKind::kOs, context, os_error);
  }

  [[nodiscard]] constexpr ErrorKind kind() const noexcept { return kind_; }
  /// errno for kOs, an EAI_ code for kResolve, otherwise 0.
  [[nodiscard]] constexpr int os_error() const noexcept { return os_error_; }
  [[nodiscard]] constexpr bool is_os(int os_error) const noexcept {
    return kind_ == ErrorKind::kOs && os_error_ == os_error;
  }
  [[nodiscard]] constexpr std::string_view context() const noexcept { return context_; }

  /// One lower-case line: "connect: connection refused".
  [[nodiscard]] std::string message() const;

  /// Kind and code; the context does not count.
  friend constexpr bool operator==(const Error& a, const Error& b) noexcept {
    return a.kind_ == b.kind_ && a.os_error_ == b.os_error_;
  }

 private:
  const char* context_;
  int os_error_;
  ErrorKind kind_;
};

template <class T>
using Result = std::expected<T, Error>;

}  // namespace ringo

#define RINGO_CONCAT_IMPL(a, b) a##b
#define RINGO_CONCAT(a, b) RINGO_CONCAT_IMPL(a, b)
#define RINGO_TRY_IMPL(result, leave, declaration, ...)                   \
  auto result = __VA_ARGS__;                                              \
  if (!result.has_value()) [[unlikely]] {                                 \
    leave std::unexpected<std::remove_cvref_t<decltype(result.error())>>( \
        std::move(result).error());                                       \
  }                                                                       \
  declaration = *std::move(result)

/// In a coroutine: `RINGO_TRY(auto n, co_await stream.read(buffer));` declares n, or co_returns the
/// error. For a result that carries a value.
#define RINGO_TRY(declaration, ...) \
  RINGO_TRY_IMPL(RINGO_CONCAT(ringo_try_, __COUNTER__), co_return, declaration, __VA_ARGS__)

/// The same in an ordinary function.
#define RINGO_TRY_RETURN(declaration, ...) \
  RINGO_TRY_IMPL(RINGO_CONCAT(ringo_try_, __COUNTER__), return, declaration, __VA_ARGS__)

#define RINGO_CHECKED_IMPL(result, leave, ...)                            \
  if (auto result = __VA_ARGS__; !result.has_value()) [[unlikely]] {      \
    leave std::unexpected<std::remove_cvref_t<decltype(result.error())>>( \
        std::move(result).error());                                       \
  }

/// In a coroutine, for a result without a value: `RINGO_TRY_VOID(co_await stream.write_all(data));`
#define RINGO_TRY_VOID(...) \
  RINGO_CHECKED_IMPL(RINGO_CONCAT(ringo_try_, __COUNTER__), co_return, __VA_ARGS__)

#define RINGO_TRY_RETURN_VOID(...) \
  RINGO_CHECKED_IMPL(RINGO_CONCAT(ringo_try_, __COUNTER__), return, __VA_ARGS__)
