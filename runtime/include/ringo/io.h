// SPDX-License-Identifier: MIT
//
// What byte streams have in common: the views that reads fill and writes send, and io::copy().
//
//   co_await stream.write_all("PING\r\n");              // text, std::string, Bytes, BytesMut …
//   std::array<char, 4096> buffer;
//   auto n = co_await stream.read(buffer);              // … and arrays, vectors, spans
//
// Thread safety: values; the bytes belong to the caller.

#pragma once

#include <ringo/bytes.h>
#include <ringo/result.h>
#include <ringo/task.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace ringo::io {

/// Bytes to be sent: a view of anything that converts to std::string_view, or to a span of
/// std::byte or of char.
/// Requires: the bytes stay where they are until the operation has ended or was cancelled.
class ConstBuffer {
 public:
  ConstBuffer(std::span<const std::byte> bytes) noexcept : bytes_(bytes) {}  // NOLINT
  template <class T>
    requires std::convertible_to<const T&, std::string_view>
  ConstBuffer(const T& text) noexcept  // NOLINT(google-explicit-constructor)
      : bytes_(as_bytes(std::string_view(text))) {}
  template <class T>
    requires(!std::convertible_to<const T&, std::string_view> &&
             std::convertible_to<const T&, std::span<const std::byte>>)
  ConstBuffer(const T& bytes) noexcept  // NOLINT(google-explicit-constructor)
      : bytes_(bytes) {}
  template <class T>
    requires(!std::convertible_to<const T&, std::string_view> &&
             std::convertible_to<const T&, std::span<const char>>)
  ConstBuffer(const T& text) noexcept  // NOLINT(google-explicit-constructor)
      : bytes_(as_bytes(std::span<const char>(text))) {}

  [[nodiscard]] std::span<const std::byte> span() const noexcept { return bytes_; }

 private:
  static std::span<const std::byte> as_bytes(std::span<const char> text) noexcept {
    return std::as_bytes(text);
  }

  std::span<const std::byte> bytes_;
};

/// Room to be filled: a view of anything that converts to a span of std::byte or of char.
/// Requires: as ConstBuffer.
class MutableBuffer {
 public:
  template <class T>
    requires std::convertible_to<T&&, std::span<std::byte>>
  MutableBuffer(T&& bytes) noexcept  // NOLINT(google-explicit-constructor)
      : bytes_(std::span<std::byte>(bytes)) {}
  template <class T>
    requires std::convertible_to<T&&, std::span<char>>
  MutableBuffer(T&& text) noexcept  // NOLINT(google-explicit-constructor)
      : bytes_(std::as_writable_bytes(std::span<char>(text))) {}

  [[nodiscard]] std::span<std::byte> span() const noexcept { return bytes_; }

 private:
  std::span<std::byte> bytes_;
};

/// Reads `from` to its end and writes everything to `to`; returns how many bytes that were. What it
/// has read is written before it reads on. As tokio::io::copy, with a buffer of 8 KiB.
///
/// Errors: the first of either side. Cancel safety: none: what was read and not yet written is
/// lost. Requires: both outlive the returned task.
template <class Reader, class Writer>
Task<Result<std::uint64_t>> copy(Reader& from, Writer& to) {
  constexpr std::size_t kCopyBuffer = 8192;
  BytesMut buffer(kCopyBuffer);
  std::uint64_t copied = 0;
  for (;;) {
    const Result<std::size_t> count = co_await from.read_buf(buffer);
    if (!count) {
      co_return std::unexpected(count.error());
    }
    if (*count == 0) {
      co_return copied;
    }
    const Result<void> written = co_await to.write_all(buffer);
    if (!written) {
      co_return std::unexpected(written.error());
    }
    copied += *count;
    buffer.clear();
  }
}

}  // namespace ringo::io
