// SPDX-License-Identifier: MIT
//
// The steps of a connection, and the loop that waits between them.
//
//                 socket
//                   | recv                      more than kCopyLimit left over:
//                   v                           the next recv goes there directly
//   shared input  [ rest of last step | new bytes ] <--> input_ (the connection's own)
//                   | process()
//                   v
//   shared output [ replies ] --> socket        what it does not take: output_, and wait
//
// Thread safety as in the header. The shared buffers are the worker's: they are fetched anew in
// each step and never held over an await.

#include "net/connection.h"

#include <ringo/bytes.h>
#include <ringo/net/tcp.h>
#include <ringo/protocol/request_parser.h>
#include <ringo/result.h>
#include <ringo/server/config.h>
#include <ringo/server/executor.h>
#include <ringo/server/session.h>
#include <ringo/server/state.h>
#include <ringo/server/stats.h>
#include <ringo/sync/semaphore.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/yield.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "commands/client_registry.h"
#include "net/connection_list.h"
#include "net/server_core.h"

namespace ringo::server {
namespace {

// Up to this size a read may be a single request that waits its turn in the connection's own
// buffer; a pipeline of more fills its time better by itself.
constexpr std::size_t kForeseeLimit = 512;
// One read at most; with it a client's share of the worker before others have their turn.
constexpr std::size_t kReadBytes = std::size_t{64} * 1024;
// A part of a request up to this size is copied in front of what follows it. More is read on into
// the connection's own buffer, straight to its place.
constexpr std::size_t kCopyLimit = std::size_t{4} * 1024;
// Room that a client gets for having announced a large value; then it grows with what has come.
constexpr std::size_t kTrustedBytes = std::size_t{1024} * 1024;
// The output buffer at first, with room for the reply that goes over the limit; and the size up to
// which it keeps what a large reply made of it.
constexpr std::size_t kOutputBytes = kDefaultOutputLimit + std::size_t{16} * 1024;
constexpr std::size_t kMaxKeptOutput = std::size_t{1024} * 1024;
// From this size on what the socket does not take is moved, not copied.
constexpr std::size_t kMoveBytes = std::size_t{16} * 1024;
// How long a connection keeps a buffer for the next large request.
constexpr Duration kKeepMemory = std::chrono::seconds(1);
// How long, and how much, a client is heard out after its last reply.
constexpr Duration kLingerTime = std::chrono::seconds(1);
constexpr std::size_t kLingerBytes = std::size_t{1024} * 1024;

protocol::RequestLimits limits_of(ServerState& state) {
  protocol::RequestLimits limits;
  limits.max_bulk =
      static_cast<std::size_t>(state.config().max_bulk_bytes.load(std::memory_order_relaxed));
  return limits;
}

}  // namespace

/// What the connections of a worker use in turn.
struct Connection::Buffers {
  std::unique_ptr<char[]> input = std::make_unique_for_overwrite<char[]>(kReadBytes);
  BytesMut output{kOutputBytes};
  ForeseenRequest last_foreseen;  // whose entry has not been asked for
};

// Not inline, so that no compiler keeps the address in a coroutine that another thread resumes.
[[gnu::noinline]] Connection::Buffers& Connection::worker_buffers() {
  thread_local Buffers buffers;
  return buffers;
}

Connection::Connection(std::shared_ptr<ServerCore> core, SemaphorePermit permit,
                       net::TcpStream stream, SessionPeer peer)
    : core_(std::move(core)),
      permit_(std::move(permit)),
      stream_(std::move(stream)),
      session_(core_->state, std::move(peer)),
      entry_(core_->connections, stream_),
      parser_(limits_of(core_->state)) {
  // The reading task sees the end of the stream, or a broken pipe.
  session_.set_kill_hook([this] { (void)stream_.shutdown(net::Shutdown::kBoth); });
}

Connection::Next Connection::step() {
  if (closes_when_sent_) {
    return Next::kClose;
  }
  Buffers& buffers = worker_buffers();
  if (foreseen_) {
    return execute_foreseen(buffers);
  }
  return has_backlog_ ? execute_own(buffers, false) : read_and_execute(buffers);
}

Connection::Next Connection::read_and_execute(Buffers& buffers) {
  const std::size_t kept = input_.size();
  const bool is_shared =
      kept + std::min(parser_.hint(), kReadBytes) <= kReadBytes && kept <= kCopyLimit;
  std::span<char> room;
  if (is_shared) {
    room = {buffers.input.get() + kept, kReadBytes - kept};
  } else {
    const std::size_t most = std::max(kTrustedBytes, 3 * kept);
    input_.reserve(std::clamp(parser_.hint(), kReadBytes / 4, most));
    const std::span<std::byte> spare = input_.spare();
    room = {reinterpret_cast<char*>(spare.data()), spare.size()};
  }
  const Result<std::size_t> received = stream_.try_read(room);
  if (!received) {
    return received.error().is_os(EAGAIN) ? Next::kRead : Next::kClose;
  }
  if (*received == 0) {
    return Next::kClose;  // the client has sent its last; all that was whole is answered
  }
  count(core_->state.stats().input_bytes, *received);
  const bool is_more_likely = *received == room.size();
  if (!is_shared) {
    input_.commit(*received);
    return execute_own(buffers, is_more_likely);
  }
  if (kept == 0 && *received <= kForeseeLimit) {
    return foresee(buffers, {buffers.input.get(), *received});
  }
  if (kept != 0) {
    std::memcpy(buffers.input.get(), input_.data(), kept);
    input_.clear();
  }
  return execute_shared(buffers, kept + *received, is_more_likely);
}

/// Leaves a single request to the next step: what it needs from memory comes while the worker's
/// other connections read theirs. The wait for memory is half of what a lone GET costs otherwise.
Connection::Next Connection::foresee(Buffers& buffers, std::string_view input) {
  // The index line that the read before this one asked for is here by now.
  fetch_entry(session_, std::exchange(buffers.last_foreseen, {}));
  input_.append(input);
  foreseen_ = server::foresee(session_, parser_, input_.view());
  if (!foreseen_) {
    return execute_own(buffers, false);
  }
  buffers.last_foreseen = *foreseen_;
  return Next::kYield;
}

Connection::Next Connection::execute_foreseen(Buffers& buffers) {
  fetch_entry(session_, std::exchange(buffers.last_foreseen, {}));
  buffers.output.clear();
  const ForeseenRequest request = *std::exchange(foreseen_, std::nullopt);
  const ProcessStatus status = process_foreseen(session_, parser_, request, buffers.output);
  input_.clear();
  return finish(buffers, status, false);
}

Connection::Next Connection::execute_shared(Buffers& buffers, std::size_t size,
                                            bool is_more_likely) {
  const std::string_view input(buffers.input.get(), size);
  buffers.output.clear();
  const ProcessResult result = process(session_, parser_, input, buffers.output);
  if (result.consumed != size && result.status != ProcessStatus::kClose) {
    keep(input.substr(result.consumed));
  }
  return finish(buffers, result.status, is_more_likely);
}

Connection::Next Connection::execute_own(Buffers& buffers, bool is_more_likely) {
  buffers.output.clear();
  const ProcessResult result = process(session_, parser_, input_.view(), buffers.output);
  input_.advance(result.consumed);
  if (input_.empty()) {
    input_.clear();
  }
  return finish(buffers, result.status, is_more_likely);
}

void Connection::keep(std::string_view rest) {
  input_.append(rest);
  // So that CLIENT LIST and the idle timeout see a client that sends slowly.
  ClientRecord& record = session_.record();
  record.active_us.store(core_->state.clock().unix_us(), std::memory_order_relaxed);
}

Connection::Next Connection::finish(Buffers& buffers, ProcessStatus status, bool is_more_likely) {
  has_backlog_ = status == ProcessStatus::kOutputFull;
  closes_when_sent_ = status == ProcessStatus::kClose;
  if (!has_backlog_ &&
      input_.size() > core_->state.config().max_query_bytes.load(std::memory_order_relaxed)) {
    closes_when_sent_ = true;
    input_ = BytesMut();
  }
  if (!send(buffers)) {
    return output_.empty() ? Next::kClose : Next::kWrite;
  }
  if (closes_when_sent_) {
    return Next::kClose;
  }
  return has_backlog_ || is_more_likely ? Next::kYield : Next::kRead;
}

/// Sends the shared output. False: output_ has what the socket did not take, or, if that is empty,
/// the connection is broken.
bool Connection::send(Buffers& buffers) {
  BytesMut& out = buffers.output;
  if (out.empty()) {
    return true;
  }
  const Result<std::size_t> sent = stream_.try_write(out);
  if (!sent && !sent.error().is_os(EAGAIN)) {
    return false;
  }
  const std::size_t size = sent.value_or(0);
  count(core_->state.stats().output_bytes, size);
  const bool is_all = size == out.size();
  if (!is_all) {
    out.advance(size);
    if (out.size() < kMoveBytes) {
      output_.append(out.view());
    } else {
      output_ = std::exchange(out, BytesMut(kOutputBytes));
    }
  } else if (out.capacity() > kMaxKeptOutput) {
    out = BytesMut(kOutputBytes);
  }
  return is_all;
}

void Connection::output_written(std::size_t size) {
  count(core_->state.stats().output_bytes, size);
  output_ = BytesMut();
}

bool Connection::has_spare_memory() const {
  return input_.empty() && input_.capacity() > kCopyLimit;
}

void Connection::release_spare_memory() {
  if (input_.empty()) {
    input_ = BytesMut();
  }
}

bool Connection::is_to_linger() const {
  return closes_when_sent_ && !session_.is_killed();
}

namespace {

/// Reads and forgets what the client still sends, until its end.
Task<void> hear_out(net::TcpStream& stream) {
  char forgotten[4096];
  std::size_t size = 0;
  while (size < kLingerBytes) {
    const Result<std::size_t> received = co_await stream.read(forgotten);
    if (!received || *received == 0) {
      co_return;
    }
    size += *received;
  }
}

/// False if the connection is over.
Task<bool> wait_readable(Connection& connection) {
  auto is_readable = connection.stream().readable();
  const Result<void> ready = co_await time::timeout(kKeepMemory, std::move(is_readable));
  if (!ready && ready.error().kind() == ErrorKind::kTimedOut) {
    connection.release_spare_memory();
    co_return true;
  }
  co_return ready.has_value();
}

}  // namespace

Task<void> serve(std::unique_ptr<Connection> connection) {
  net::TcpStream& stream = connection->stream();
  bool is_open = true;
  while (is_open) {
    switch (connection->step()) {
      case Connection::Next::kRead:
        if (connection->has_spare_memory()) [[unlikely]] {
          is_open = co_await wait_readable(*connection);
        } else {
          const Result<void> ready = co_await stream.readable();
          is_open = ready.has_value();
        }
        break;
      case Connection::Next::kWrite: {
        const Result<std::size_t> written = co_await stream.write_all_buf(connection->output());
        is_open = written.has_value();
        connection->output_written(written.value_or(0));
        break;
      }
      case Connection::Next::kYield:
        co_await yield_now();
        break;
      case Connection::Next::kClose:
        is_open = false;
        break;
    }
  }
  if (connection->is_to_linger() && stream.shutdown(net::Shutdown::kWrite)) {
    (void)co_await time::timeout(kLingerTime, hear_out(stream));
  }
}

}  // namespace ringo::server
