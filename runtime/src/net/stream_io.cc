// SPDX-License-Identifier: MIT
//
// The system calls behind reads and writes.

#include <ringo/detail/source.h>
#include <ringo/detail/stream_io.h>
#include <ringo/io.h>
#include <ringo/result.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>

#include "base/system.h"

namespace ringo::detail {
namespace {

constexpr std::size_t kMaxVectors = 64;

template <class Call>
std::int64_t without_interrupts(Call call) noexcept {
  std::int64_t result = 0;
  do {
    result = call();
  } while (result == -EINTR);
  return result;
}

/// `call` is made only if the direction may be ready; what it says is remembered in the source.
template <class Call>
Result<std::size_t> try_once(Source& source, Direction direction, std::size_t size,
                             const char* context, Call call) noexcept {
  const std::uint64_t seen = source.readiness();
  if ((seen & Source::kShutDown) != 0) {
    return std::unexpected(Error(ErrorKind::kRuntimeShutDown, context));
  }
  if ((seen & Source::interest(direction)) == 0) {
    return std::unexpected(Error::os(EAGAIN, context));
  }
  const std::int64_t result = call();
  const bool is_sticky =
      (seen & (Source::kReadClosed | Source::kWriteClosed | Source::kError)) != 0;
  const bool is_short = result > 0 && static_cast<std::size_t>(result) < size;
  if (result == -EAGAIN || (is_short && !is_sticky)) {
    source.clear(direction, seen);
  }
  if (result < 0) {
    return std::unexpected(Error::os(static_cast<int>(-result), context));
  }
  return static_cast<std::size_t>(result);
}

}  // namespace

std::int64_t receive_by_system(Source& source, std::span<std::byte> into) noexcept {
  return without_interrupts([&] { return source.system().recv(source.fd(), into, 0); });
}

std::int64_t look_ahead(Source& source, std::span<std::byte> into) noexcept {
  return without_interrupts([&] { return source.system().recv(source.fd(), into, MSG_PEEK); });
}

std::int64_t transmit_by_system(Source& source, std::span<const std::byte> from) noexcept {
  return without_interrupts([&] { return source.system().send(source.fd(), from, 0); });
}

std::int64_t transmit_vector(Source& source, std::span<const io::ConstBuffer> from) noexcept {
  iovec vectors[kMaxVectors];
  const std::size_t count = std::min(from.size(), kMaxVectors);
  for (std::size_t i = 0; i < count; ++i) {
    // sendmsg() does not write to them.
    vectors[i].iov_base = const_cast<std::byte*>(from[i].span().data());
    vectors[i].iov_len = from[i].span().size();
  }
  msghdr message{};
  message.msg_iov = vectors;
  message.msg_iovlen = count;
  return without_interrupts([&] { return source.system().sendmsg(source.fd(), &message, 0); });
}

std::size_t size_of_vector(std::span<const io::ConstBuffer> from) noexcept {
  std::size_t size = 0;
  for (const io::ConstBuffer& buffer : from.first(std::min(from.size(), kMaxVectors))) {
    size += buffer.span().size();
  }
  return size;
}

Result<std::size_t> try_receive(Source& source, std::span<std::byte> into) noexcept {
  return try_once(source, Direction::kRead, into.size(), "try_read",
                  [&] { return receive(source, into); });
}

Result<std::size_t> try_transmit(Source& source, std::span<const std::byte> from) noexcept {
  return try_once(source, Direction::kWrite, from.size(), "try_write",
                  [&] { return transmit(source, from); });
}

}  // namespace ringo::detail
