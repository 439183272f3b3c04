// SPDX-License-Identifier: MIT
//
// The reads and writes of a byte stream: one awaiter for each, and the two bases from which
// TcpStream and its halves get their methods. None of them is a coroutine: an operation that can
// complete at once costs one system call and no frame.
//
// A transfer that was shorter than asked for ends the socket's readiness without a further system
// call (see Source): the kernel reports the next change as a new event, except after the end of the
// direction, which Source keeps as a sticky bit.
//
// Thread safety: as documented at the methods; an awaiter belongs to the task that awaits it.

#pragma once

#include <ringo/bytes.h>
#include <ringo/detail/direct_call.h>
#include <ringo/detail/source.h>
#include <ringo/io.h>
#include <ringo/result.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace ringo::detail {

// One system call each, repeated only on EINTR. The count, or -errno.
std::int64_t receive_by_system(Source& source, std::span<std::byte> into) noexcept;
std::int64_t look_ahead(Source& source, std::span<std::byte> into) noexcept;
std::int64_t transmit_by_system(Source& source, std::span<const std::byte> from) noexcept;
std::int64_t transmit_vector(Source& source, std::span<const io::ConstBuffer> from) noexcept;
/// How many bytes transmit_vector() would send at most.
std::size_t size_of_vector(std::span<const io::ConstBuffer> from) noexcept;

[[gnu::always_inline]] inline std::int64_t receive(Source& source,
                                                   std::span<std::byte> into) noexcept {
#if RINGO_DIRECT_CALLS
  if (source.is_direct()) [[likely]] {
    const std::int64_t result = direct_recv(source.fd(), into, MSG_DONTWAIT);
    if (result != -EINTR) [[likely]] {
      return result;
    }
  }
#endif
  return receive_by_system(source, into);
}

[[gnu::always_inline]] inline std::int64_t transmit(Source& source,
                                                    std::span<const std::byte> from) noexcept {
#if RINGO_DIRECT_CALLS
  if (source.is_direct()) [[likely]] {
    const std::int64_t result = direct_send(source.fd(), from, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (result != -EINTR) [[likely]] {
      return result;
    }
  }
#endif
  return transmit_by_system(source, from);
}

// Without waiting; EAGAIN as an error.
Result<std::size_t> try_receive(Source& source, std::span<std::byte> into) noexcept;
Result<std::size_t> try_transmit(Source& source, std::span<const std::byte> from) noexcept;

class [[nodiscard("an operation does nothing until it is awaited")]] ReadAwaiter final
    : public IoAwaiter<ReadAwaiter, Direction::kRead> {
 public:
  static constexpr std::string_view kOperation = "read";

  ReadAwaiter(Source& source, std::span<std::byte> into) noexcept
      : IoAwaiter(source), into_(into) {}

  bool poll() noexcept { return into_.empty() || IoAwaiter::poll(); }
  std::int64_t attempt(Source& source) noexcept { return receive(source, into_); }
  [[nodiscard]] bool exhausted(std::int64_t result) const noexcept {
    return static_cast<std::size_t>(result) < into_.size();
  }
  Result<std::size_t> await_resume() const noexcept { return to_result("read"); }

 private:
  std::span<std::byte> into_;
};

class [[nodiscard("an operation does nothing until it is awaited")]] PeekAwaiter final
    : public IoAwaiter<PeekAwaiter, Direction::kRead> {
 public:
  static constexpr std::string_view kOperation = "peek";

  PeekAwaiter(Source& source, std::span<std::byte> into) noexcept
      : IoAwaiter(source), into_(into) {}

  bool poll() noexcept { return into_.empty() || IoAwaiter::poll(); }
  std::int64_t attempt(Source& source) noexcept { return look_ahead(source, into_); }
  // The bytes are still there.
  [[nodiscard]] static bool exhausted(std::int64_t /*result*/) noexcept { return false; }
  Result<std::size_t> await_resume() const noexcept { return to_result("peek"); }

 private:
  std::span<std::byte> into_;
};

class [[nodiscard("an operation does nothing until it is awaited")]] ReadBufAwaiter final
    : public IoAwaiter<ReadBufAwaiter, Direction::kRead> {
 public:
  static constexpr std::string_view kOperation = "read_buf";

  /// Makes room here, where an allocation may fail.
  ReadBufAwaiter(Source& source, BytesMut& buffer) : IoAwaiter(source), buffer_(&buffer) {
    constexpr std::size_t kRoom = 4096;
    if (buffer.spare().empty()) {
      buffer.reserve(kRoom);
    }
  }

  std::int64_t attempt(Source& source) noexcept {
    room_ = buffer_->spare().size();
    const std::int64_t result = receive(source, buffer_->spare());
    if (result > 0) {
      buffer_->commit(static_cast<std::size_t>(result));
    }
    return result;
  }
  [[nodiscard]] bool exhausted(std::int64_t result) const noexcept {
    return static_cast<std::size_t>(result) < room_;
  }
  Result<std::size_t> await_resume() const noexcept { return to_result("read"); }

 private:
  BytesMut* buffer_;
  std::size_t room_ = 0;
};

class [[nodiscard("an operation does nothing until it is awaited")]] ReadExactAwaiter final
    : public IoAwaiter<ReadExactAwaiter, Direction::kRead> {
 public:
  static constexpr std::string_view kOperation = "read_exact";

  ReadExactAwaiter(Source& source, std::span<std::byte> into) noexcept
      : IoAwaiter(source), left_(into) {}

  bool poll() noexcept { return left_.empty() || IoAwaiter::poll(); }
  std::int64_t attempt(Source& source) noexcept {
    const std::int64_t result = receive(source, left_);
    if (result <= 0) {
      return result;
    }
    left_ = left_.subspan(static_cast<std::size_t>(result));
    // A short count: nothing is left to read now.
    return left_.empty() ? result : kWouldBlock;
  }
  [[nodiscard]] static bool exhausted(std::int64_t /*result*/) noexcept { return false; }
  Result<void> await_resume() const noexcept {
    if (left_.empty()) {
      return {};
    }
    if (result() < 0) {
      return std::unexpected(to_error("read_exact"));
    }
    return std::unexpected(Error(ErrorKind::kUnexpectedEof, "read_exact"));
  }

 private:
  std::span<std::byte> left_;
};

class [[nodiscard("an operation does nothing until it is awaited")]] WriteAwaiter final
    : public IoAwaiter<WriteAwaiter, Direction::kWrite> {
 public:
  static constexpr std::string_view kOperation = "write";

  WriteAwaiter(Source& source, std::span<const std::byte> from) noexcept
      : IoAwaiter(source), from_(from) {}

  bool poll() noexcept { return from_.empty() || IoAwaiter::poll(); }
  std::int64_t attempt(Source& source) noexcept { return transmit(source, from_); }
  [[nodiscard]] bool exhausted(std::int64_t result) const noexcept {
    return static_cast<std::size_t>(result) < from_.size();
  }
  Result<std::size_t> await_resume() const noexcept { return to_result("write"); }

 private:
  std::span<const std::byte> from_;
};

class [[nodiscard("an operation does nothing until it is awaited")]] WriteVectoredAwaiter final
    : public IoAwaiter<WriteVectoredAwaiter, Direction::kWrite> {
 public:
  static constexpr std::string_view kOperation = "write_vectored";

  WriteVectoredAwaiter(Source& source, std::span<const io::ConstBuffer> from) noexcept
      : IoAwaiter(source), from_(from), size_(size_of_vector(from)) {}

  bool poll() noexcept { return size_ == 0 || IoAwaiter::poll(); }
  std::int64_t attempt(Source& source) noexcept { return transmit_vector(source, from_); }
  [[nodiscard]] bool exhausted(std::int64_t result) const noexcept {
    return static_cast<std::size_t>(result) < size_;
  }
  Result<std::size_t> await_resume() const noexcept { return to_result("write"); }

 private:
  std::span<const io::ConstBuffer> from_;
  std::size_t size_;
};

class [[nodiscard("an operation does nothing until it is awaited")]] WriteAllAwaiter final
    : public IoAwaiter<WriteAllAwaiter, Direction::kWrite> {
 public:
  static constexpr std::string_view kOperation = "write_all";

  WriteAllAwaiter(Source& source, std::span<const std::byte> from) noexcept
      : IoAwaiter(source), left_(from) {}

  bool poll() noexcept { return left_.empty() || IoAwaiter::poll(); }
  std::int64_t attempt(Source& source) noexcept {
    const std::int64_t result = transmit(source, left_);
    if (result < 0) {
      return result;
    }
    left_ = left_.subspan(static_cast<std::size_t>(result));
    // A short count: the socket's buffer is full.
    return left_.empty() ? result : kWouldBlock;
  }
  [[nodiscard]] static bool exhausted(std::int64_t /*result*/) noexcept { return false; }
  Result<void> await_resume() const noexcept {
    if (left_.empty()) {
      return {};
    }
    return std::unexpected(to_error("write_all"));
  }

 private:
  std::span<const std::byte> left_;
};

/// Sends the front of a Bytes or BytesMut and takes off what was sent; until something was sent, or
/// (`kAll`) until it is empty.
template <class Buffer, bool kAll>
class [[nodiscard("an operation does nothing until it is awaited")]] WriteBufAwaiter final
    : public IoAwaiter<WriteBufAwaiter<Buffer, kAll>, Direction::kWrite> {
  using Base = IoAwaiter<WriteBufAwaiter, Direction::kWrite>;

 public:
  static constexpr std::string_view kOperation = kAll ? "write_all_buf" : "write_buf";

  WriteBufAwaiter(Source& source, Buffer& buffer) noexcept : Base(source), buffer_(&buffer) {}

  bool poll() noexcept { return buffer_->empty() || Base::poll(); }
  std::int64_t attempt(Source& source) noexcept {
    const std::int64_t result = transmit(source, buffer_->span());
    if (result < 0) {
      return result;
    }
    buffer_->advance(static_cast<std::size_t>(result));
    sent_ += static_cast<std::size_t>(result);
    return kAll && !buffer_->empty() ? Base::kWouldBlock : result;
  }
  [[nodiscard]] bool exhausted(std::int64_t /*result*/) const noexcept { return !buffer_->empty(); }
  Result<std::size_t> await_resume() const noexcept {
    if (this->result() < 0) {
      return std::unexpected(this->to_error("write"));
    }
    return sent_;
  }

 private:
  Buffer* buffer_;
  std::size_t sent_ = 0;
};

template <Direction kDirection>
class [[nodiscard("an operation does nothing until it is awaited")]] ReadyAwaiter final
    : public IoAwaiter<ReadyAwaiter<kDirection>, kDirection> {
 public:
  static constexpr std::string_view kOperation =
      kDirection == Direction::kRead ? "readable" : "writable";

  using IoAwaiter<ReadyAwaiter, kDirection>::IoAwaiter;

  static std::int64_t attempt(Source& /*source*/) noexcept { return 0; }
  [[nodiscard]] static bool exhausted(std::int64_t /*result*/) noexcept { return false; }
  Result<void> await_resume() const noexcept {
    if (this->result() < 0) {
      return std::unexpected(this->to_error("waiting for a socket"));
    }
    return {};
  }
};

/// The methods of what can be read. Self supplies `Source& io_source()`.
///
/// Thread safety: any number of tasks may read at the same time, on any worker; who gets which
/// bytes is not determined. Errors, all of them: kOs with the errno of recv(2); kRuntimeShutDown.
template <class Self>
class StreamReading {
 public:
  /// Reads what is there, at least one byte; 0 means the end of the stream (or no room). As
  /// tokio::io::AsyncReadExt::read. Cancel safe: no byte is lost.
  auto read(io::MutableBuffer into) { return ReadAwaiter(source(), into.span()); }

  /// Reads into the buffer's spare room, at least one byte, and appends; 0 means the end of the
  /// stream. Makes room for 4 KiB if there is none: reserve() more for fewer system calls. The
  /// buffer is not to be touched meanwhile. Cancel safe.
  auto read_buf(BytesMut& into) { return ReadBufAwaiter(source(), into); }

  /// Fills all of the room. Errors: also kUnexpectedEof, with what had come in the room, how much
  /// of it is not told. Cancel safety: none: what was read so far is lost.
  auto read_exact(io::MutableBuffer into) { return ReadExactAwaiter(source(), into.span()); }

  /// As read(), but leaves the bytes in the socket. Cancel safe.
  auto peek(io::MutableBuffer into) { return PeekAwaiter(source(), into.span()); }

  /// Reads without waiting. Errors: also kOs with EAGAIN when nothing is there.
  [[nodiscard]] Result<std::size_t> try_read(io::MutableBuffer into) {
    return try_receive(source(), into.span());
  }

  /// Waits until a read is worth trying: bytes, the end, or an error. It may be wrong; then
  /// try_read() gives EAGAIN and readable() waits again. Cancel safe.
  auto readable() { return ReadyAwaiter<Direction::kRead>(source()); }

 protected:
  StreamReading() = default;
  StreamReading(const StreamReading&) = default;
  StreamReading(StreamReading&&) noexcept = default;
  StreamReading& operator=(const StreamReading&) = default;
  StreamReading& operator=(StreamReading&&) noexcept = default;
  ~StreamReading() = default;

 private:
  Source& source() { return static_cast<Self&>(*this).io_source(); }
};

/// The methods of what can be written.
///
/// Thread safety: as StreamReading. Errors: kOs with the errno of send(2), EPIPE and ECONNRESET
/// once the peer is gone (no SIGPIPE is raised); kRuntimeShutDown.
template <class Self>
class StreamWriting {
 public:
  /// Writes some of the bytes, at least one unless there are none, and returns how many. What was
  /// written is the kernel's: it is sent even if the stream is dropped. Cancel safe: nothing has
  /// been written if it was cancelled.
  auto write(io::ConstBuffer from) { return WriteAwaiter(source(), from.span()); }

  /// As write(), from several buffers in turn, with one system call. Of more than 64 buffers the
  /// first 64 are considered.
  auto write_vectored(std::span<const io::ConstBuffer> from) {
    return WriteVectoredAwaiter(source(), from);
  }

  /// Writes all of the bytes. Cancel safety: none: how much was written is lost; see
  /// write_all_buf(). Errors: some of the bytes may have been written.
  auto write_all(io::ConstBuffer from) { return WriteAllAwaiter(source(), from.span()); }

  /// As write(), and takes what was written off the front of the buffer. Cancel safe.
  auto write_buf(Bytes& from) { return WriteBufAwaiter<Bytes, false>(source(), from); }
  auto write_buf(BytesMut& from) { return WriteBufAwaiter<BytesMut, false>(source(), from); }

  /// Writes until the buffer is empty; returns how many bytes. Cancel safe: what is left in the
  /// buffer has not been written.
  auto write_all_buf(Bytes& from) { return WriteBufAwaiter<Bytes, true>(source(), from); }
  auto write_all_buf(BytesMut& from) { return WriteBufAwaiter<BytesMut, true>(source(), from); }

  /// Writes without waiting. Errors: also kOs with EAGAIN when there is no room.
  [[nodiscard]] Result<std::size_t> try_write(io::ConstBuffer from) {
    return try_transmit(source(), from.span());
  }

  /// Waits until a write is worth trying. It may be wrong, as readable(). Cancel safe.
  auto writable() { return ReadyAwaiter<Direction::kWrite>(source()); }

 protected:
  StreamWriting() = default;
  StreamWriting(const StreamWriting&) = default;
  StreamWriting(StreamWriting&&) noexcept = default;
  StreamWriting& operator=(const StreamWriting&) = default;
  StreamWriting& operator=(StreamWriting&&) noexcept = default;
  ~StreamWriting() = default;

 private:
  Source& source() { return static_cast<Self&>(*this).io_source(); }
};

}  // namespace ringo::detail
