// SPDX-License-Identifier: MIT
//
// TCP, with the names of tokio::net: TcpListener accepts, TcpStream connects, reads and writes,
// TcpSocket sets what must be set before either.
//
//   RINGO_TRY(auto listener, co_await ringo::net::TcpListener::bind("127.0.0.1:6379"));
//   RINGO_TRY(auto accepted, co_await listener.accept());
//   RINGO_TRY(auto count, co_await accepted.stream.read(buffer));
//
// Dropping a stream or a listener closes it at once; bytes that write() has accepted are still
// sent. An object may outlive its runtime: every wait on it then gives kRuntimeShutDown.
//
// Thread safety: the methods may be called from any thread, also several at a time; moving and
// destroying need the object alone. What is awaited runs on a worker of any runtime.

#pragma once

#include <ringo/detail/source.h>
#include <ringo/detail/stream_io.h>
#include <ringo/net/address.h>
#include <ringo/result.h>
#include <ringo/task.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace ringo::net {

class OwnedReadHalf;
class OwnedWriteHalf;
class ReadHalf;
class WriteHalf;
class TcpListener;

/// Which direction shutdown() ends.
enum class Shutdown : std::uint8_t { kRead, kWrite, kBoth };

/// When the kernel probes a silent connection. Absent values keep the system's setting.
struct Keepalive {
  Keepalive() = default;
  explicit Keepalive(std::chrono::seconds idle_time) : idle(idle_time) {}

  std::optional<std::chrono::seconds> idle;      ///< silence before the first probe
  std::optional<std::chrono::seconds> interval;  ///< between probes
  std::optional<int> probes;                     ///< unanswered ones until the connection is dead
};

/// A connected TCP socket. Move-only. Dropping it sends FIN at once and closes it.
class TcpStream : public detail::StreamReading<TcpStream>, public detail::StreamWriting<TcpStream> {
 public:
  /// Connects to an address. Errors: kOs with connect(2)'s errno. Cancel safety: the attempt is
  /// given up. Panics: UsageError where no runtime is current.
  [[nodiscard]] static Task<Result<TcpStream>> connect(SocketAddress address);
  /// Looks the host up and tries its addresses in turn; the error is that of the last one. Errors:
  /// also those of lookup_host(). Each attempt takes as long as the kernel lets it: use
  /// time::timeout(). Cancel safe, as above.
  [[nodiscard]] static Task<Result<TcpStream>> connect(std::string host, std::uint16_t port);
  /// The same with "host:port". Errors: also kInvalidInput.
  [[nodiscard]] static Task<Result<TcpStream>> connect(std::string host_and_port);

  /// Takes over a connected stream socket (also of another family than TCP, a socketpair say) and
  /// makes it non-blocking. Errors: kOs; the descriptor then remains the caller's.
  /// Panics: UsageError where no runtime is current.
  [[nodiscard]] static Result<TcpStream> from_fd(int fd);
  /// Gives the socket away as a descriptor of its own (a duplicate), non-blocking. Errors: kOs;
  /// kInvalidInput while halves share it; then the stream is unchanged.
  [[nodiscard]] Result<int> into_fd() &&;

  /// Two views for one task that does both, or for arms of a select. Cheap. Requires: the stream
  /// outlives them.
  [[nodiscard]] std::pair<ReadHalf, WriteHalf> split() noexcept;
  /// Two owners for two tasks. Dropping the write half ends the direction (FIN); the socket is
  /// closed with the second.
  [[nodiscard]] std::pair<OwnedReadHalf, OwnedWriteHalf> into_split() && noexcept;

  /// Ends a direction: after kWrite the peer reads the end of the stream, while this side may still
  /// read. Takes effect at once, after what was written. Errors: kOs (ENOTCONN).
  [[nodiscard]] Result<void> shutdown(Shutdown direction);

  // Options; errors: kOs.

  /// TCP_NODELAY: sends small writes at once instead of collecting them. Off by default.
  [[nodiscard]] Result<void> set_nodelay(bool is_enabled);
  [[nodiscard]] Result<bool> nodelay() const;
  /// SO_KEEPALIVE; nullopt turns it off.
  [[nodiscard]] Result<void> set_keepalive(std::optional<Keepalive> keepalive);
  [[nodiscard]] Result<bool> keepalive() const;
  /// Dropping the stream then discards what was not sent yet and resets the connection. (Other
  /// values of SO_LINGER would make the drop block the worker.)
  [[nodiscard]] Result<void> set_zero_linger();
  /// SO_LINGER as it is: nullopt is the normal close in the background.
  [[nodiscard]] Result<std::optional<std::chrono::seconds>> linger() const;
  /// SO_RCVBUF and SO_SNDBUF in bytes; the kernel doubles them and has bounds of its own.
  [[nodiscard]] Result<void> set_recv_buffer_size(int bytes);
  [[nodiscard]] Result<int> recv_buffer_size() const;
  [[nodiscard]] Result<void> set_send_buffer_size(int bytes);
  [[nodiscard]] Result<int> send_buffer_size() const;
  /// IP_TTL, or IPV6_UNICAST_HOPS.
  [[nodiscard]] Result<void> set_ttl(int hops);
  [[nodiscard]] Result<int> ttl() const;

  /// Errors: kOs; kUnsupported for a socket that is not an internet one.
  [[nodiscard]] Result<SocketAddress> local_address() const;
  [[nodiscard]] Result<SocketAddress> peer_address() const;
  /// Takes the pending error of the socket (SO_ERROR), if there is one.
  [[nodiscard]] Result<std::optional<Error>> take_error();

  /// The descriptor, for calls that ringo has no method for. It stays the stream's.
  [[nodiscard]] int fd() const noexcept { return io_source().fd(); }

  /// For the library.
  explicit TcpStream(detail::SourceRef source) noexcept : source_(std::move(source)) {}
  [[nodiscard]] detail::Source& io_source() const noexcept {
    RINGO_DCHECK(source_, "a TcpStream was used after it had been moved from");
    return *source_;
  }
  TcpStream(const TcpStream&) = delete;
  TcpStream& operator=(const TcpStream&) = delete;
  TcpStream(TcpStream&&) noexcept = default;
  TcpStream& operator=(TcpStream&&) noexcept = default;
  ~TcpStream() = default;

 private:
  friend Result<TcpStream> reunite(OwnedReadHalf&& read_half, OwnedWriteHalf&& write_half);

  detail::SourceRef source_;
};

/// The reading side of a stream that is owned elsewhere. Copyable.
class ReadHalf : public detail::StreamReading<ReadHalf> {
 public:
  explicit ReadHalf(detail::Source& source) noexcept : source_(&source) {}
  /// For the library.
  [[nodiscard]] detail::Source& io_source() const noexcept { return *source_; }

 private:
  detail::Source* source_;
};

/// The writing side of a stream that is owned elsewhere. Copyable.
class WriteHalf : public detail::StreamWriting<WriteHalf> {
 public:
  explicit WriteHalf(detail::Source& source) noexcept : source_(&source) {}
  /// Ends the direction: the peer reads the end of the stream. Errors: as TcpStream::shutdown().
  [[nodiscard]] Result<void> shutdown();
  /// For the library.
  [[nodiscard]] detail::Source& io_source() const noexcept { return *source_; }

 private:
  detail::Source* source_;
};

/// The reading side of a stream, with a share in it. Move-only.
class OwnedReadHalf : public detail::StreamReading<OwnedReadHalf> {
 public:
  [[nodiscard]] Result<SocketAddress> local_address() const;
  [[nodiscard]] Result<SocketAddress> peer_address() const;

  /// For the library.
  explicit OwnedReadHalf(detail::SourceRef source) noexcept : source_(std::move(source)) {}
  [[nodiscard]] detail::Source& io_source() const noexcept {
    RINGO_DCHECK(source_, "an OwnedReadHalf was used after it had been moved from");
    return *source_;
  }
  OwnedReadHalf(const OwnedReadHalf&) = delete;
  OwnedReadHalf& operator=(const OwnedReadHalf&) = delete;
  OwnedReadHalf(OwnedReadHalf&&) noexcept = default;
  OwnedReadHalf& operator=(OwnedReadHalf&&) noexcept = default;
  ~OwnedReadHalf() = default;

 private:
  friend Result<TcpStream> reunite(OwnedReadHalf&& read_half, OwnedWriteHalf&& write_half);

  detail::SourceRef source_;
};

/// The writing side of a stream, with a share in it. Dropping it ends the direction. Move-only.
class OwnedWriteHalf : public detail::StreamWriting<OwnedWriteHalf> {
 public:
  [[nodiscard]] Result<SocketAddress> local_address() const;
  [[nodiscard]] Result<SocketAddress> peer_address() const;
  /// Ends the direction now. Errors: as TcpStream::shutdown().
  [[nodiscard]] Result<void> shutdown();
  /// Drops this half without ending the direction: the peer sees no end before the other half is
  /// dropped, too.
  void forget() && noexcept { source_ = detail::SourceRef(); }

  /// For the library.
  explicit OwnedWriteHalf(detail::SourceRef source) noexcept : source_(std::move(source)) {}
  [[nodiscard]] detail::Source& io_source() const noexcept {
    RINGO_DCHECK(source_, "an OwnedWriteHalf was used after it had been moved from");
    return *source_;
  }
  OwnedWriteHalf(const OwnedWriteHalf&) = delete;
  OwnedWriteHalf& operator=(const OwnedWriteHalf&) = delete;
  OwnedWriteHalf(OwnedWriteHalf&&) noexcept = default;
  OwnedWriteHalf& operator=(OwnedWriteHalf&& other) noexcept;
  ~OwnedWriteHalf() { end(); }

 private:
  friend Result<TcpStream> reunite(OwnedReadHalf&& read_half, OwnedWriteHalf&& write_half);

  void end() noexcept;

  detail::SourceRef source_;
};

/// Makes one stream of its two halves again. Errors: kInvalidInput if they are not of the same
/// stream; both are unchanged then.
[[nodiscard]] Result<TcpStream> reunite(OwnedReadHalf&& read_half, OwnedWriteHalf&& write_half);

/// What accept() gives.
struct Accepted {
  Accepted(TcpStream accepted_stream, SocketAddress peer_address)
      : stream(std::move(accepted_stream)), peer(peer_address) {}

  TcpStream stream;
  SocketAddress peer;  ///< 0.0.0.0:0 if the listener is not an internet one
};

}  // namespace ringo::net

namespace ringo::detail {

class [[nodiscard("an operation does nothing until it is awaited")]] AcceptAwaiter final
    : public IoAwaiter<AcceptAwaiter, Direction::kRead> {
 public:
  static constexpr std::string_view kOperation = "accept";

  explicit AcceptAwaiter(Source& source) noexcept : IoAwaiter(source) {}
  AcceptAwaiter(AcceptAwaiter&& other) noexcept : IoAwaiter(std::move(other)) {}
  AcceptAwaiter& operator=(AcceptAwaiter&&) = delete;
  ~AcceptAwaiter();  // closes a connection that nobody took

  std::int64_t attempt(Source& source) noexcept;
  [[nodiscard]] static bool exhausted(std::int64_t /*result*/) noexcept { return false; }
  Result<net::Accepted> await_resume();

 private:
  int fd_ = -1;
  net::SocketAddress peer_;
};

}  // namespace ringo::detail

namespace ringo::net {

/// A socket that accepts connections. Move-only. Dropping it closes it; connections that nobody
/// accepted are reset.
class TcpListener {
 public:
  /// How many connections the kernel keeps for accept(); it has a bound of its own (somaxconn).
  static constexpr int kDefaultBacklog = 1024;

  /// Listens on an address, with SO_REUSEADDR; port 0 picks a free one. See TcpSocket for other
  /// options, and for listening without a task. Errors: kOs (EADDRINUSE, EACCES …).
  /// Panics: UsageError where no runtime is current.
  [[nodiscard]] static Task<Result<TcpListener>> bind(SocketAddress address);
  /// Looks the host up and takes the first of its addresses that works; the error is that of the
  /// last one. Errors: also those of lookup_host().
  [[nodiscard]] static Task<Result<TcpListener>> bind(std::string host, std::uint16_t port);
  /// The same with "host:port". Errors: also kInvalidInput.
  [[nodiscard]] static Task<Result<TcpListener>> bind(std::string host_and_port);

  /// Takes over a listening socket (an inherited one, say) and makes it non-blocking. Errors: kOs;
  /// the descriptor then remains the caller's. Panics: UsageError where no runtime is current.
  [[nodiscard]] static Result<TcpListener> from_fd(int fd);
  /// As TcpStream::into_fd().
  [[nodiscard]] Result<int> into_fd() &&;

  /// Waits for the next connection. Several tasks may wait at a time.
  ///
  /// Errors: kOs; EMFILE, ENFILE, ENOBUFS and ENOMEM come back until something is freed, so wait a
  /// little before the next call. Connections that broke while they waited are passed over. Cancel
  /// safe: connections stay in the kernel's queue.
  auto accept() { return detail::AcceptAwaiter(io_source()); }

  /// The address, with the port that was picked. Errors: as TcpStream::local_address().
  [[nodiscard]] Result<SocketAddress> local_address() const;
  [[nodiscard]] int fd() const noexcept { return io_source().fd(); }

  /// For the library.
  explicit TcpListener(detail::SourceRef source) noexcept : source_(std::move(source)) {}
  [[nodiscard]] detail::Source& io_source() const noexcept {
    RINGO_DCHECK(source_, "a TcpListener was used after it had been moved from");
    return *source_;
  }
  TcpListener(const TcpListener&) = delete;
  TcpListener& operator=(const TcpListener&) = delete;
  TcpListener(TcpListener&&) noexcept = default;
  TcpListener& operator=(TcpListener&&) noexcept = default;
  ~TcpListener() = default;

 private:
  detail::SourceRef source_;
};

/// A TCP socket that is neither connected nor listening yet. As tokio::net::TcpSocket. Move-only.
///
///   RINGO_TRY(auto socket, ringo::net::TcpSocket::open_v4());
///   RINGO_TRY_VOID(socket.set_reuse_port(true));
///   RINGO_TRY_VOID(socket.bind(address));
///   RINGO_TRY(auto listener, std::move(socket).listen(4096));
///
/// Thread safety: one owner's.
class TcpSocket {
 public:
  /// Errors: kOs (EMFILE). Panics: UsageError where no runtime is current.
  [[nodiscard]] static Result<TcpSocket> open_v4();
  [[nodiscard]] static Result<TcpSocket> open_v6();
  /// Of the family that the address needs.
  [[nodiscard]] static Result<TcpSocket> open_for(const SocketAddress& address);

  // Options; errors: kOs.

  /// SO_REUSEADDR: a server may start while connections of its predecessor are in TIME_WAIT.
  [[nodiscard]] Result<void> set_reuse_address(bool is_enabled);
  /// SO_REUSEPORT: several listeners share a port, and the kernel spreads the connections.
  [[nodiscard]] Result<void> set_reuse_port(bool is_enabled);
  /// IPV6_V6ONLY: [::] does not take 0.0.0.0 as well.
  [[nodiscard]] Result<void> set_only_v6(bool is_enabled);
  [[nodiscard]] Result<void> set_nodelay(bool is_enabled);
  [[nodiscard]] Result<void> set_keepalive(std::optional<Keepalive> keepalive);
  /// Before listen() or connect() they also decide the TCP window; accepted streams inherit them.
  [[nodiscard]] Result<void> set_recv_buffer_size(int bytes);
  [[nodiscard]] Result<int> recv_buffer_size() const;
  [[nodiscard]] Result<void> set_send_buffer_size(int bytes);
  [[nodiscard]] Result<int> send_buffer_size() const;

  /// Errors: kOs (EADDRINUSE, EADDRNOTAVAIL, EACCES).
  [[nodiscard]] Result<void> bind(const SocketAddress& address);
  /// Errors: as TcpStream::local_address().
  [[nodiscard]] Result<SocketAddress> local_address() const;

  /// Errors: kOs. `backlog`: see TcpListener::kDefaultBacklog.
  [[nodiscard]] Result<TcpListener> listen(int backlog) &&;
  /// As TcpStream::connect(). The task owns the socket.
  [[nodiscard]] Task<Result<TcpStream>> connect(SocketAddress address) &&;

  TcpSocket(const TcpSocket&) = delete;
  TcpSocket& operator=(const TcpSocket&) = delete;
  TcpSocket(TcpSocket&& other) noexcept
      : system_(other.system_), fd_(std::exchange(other.fd_, -1)) {}
  TcpSocket& operator=(TcpSocket&& other) noexcept {
    std::swap(system_, other.system_);
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~TcpSocket();

 private:
  TcpSocket(detail::System& system, int fd) noexcept : system_(&system), fd_(fd) {}
  static Result<TcpSocket> open(int family);
  static Task<Result<TcpStream>> connect_owned(TcpSocket socket, SocketAddress address);
  /// Gives the descriptor to a new source.
  detail::SourceRef into_source(std::uint64_t readiness);

  detail::System* system_;
  int fd_;
};

}  // namespace ringo::net
