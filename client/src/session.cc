// SPDX-License-Identifier: MIT
//
// The two halves of a session; see session.h.
//
// Thread safety: as said there.

#include "session.h"

#include <ringo/bytes.h>
#include <ringo/client/error.h>
#include <ringo/net/tcp.h>
#include <ringo/protocol/frame_parser.h>
#include <ringo/result.h>
#include <ringo/sync/mpsc.h>
#include <ringo/sync/mpsc_error.h>
#include <ringo/sync/semaphore.h>
#include <ringo/task.h>
#include <ringo/yield.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "errors.h"
#include "link.h"
#include "reply_matcher.h"

namespace ringo::client {
namespace {

// A batch is sent when it has so many bytes, even if more requests are there: the server can begin.
constexpr std::size_t kBatchBytes = std::size_t{64} * 1024;
// A request of that size is sent from where it is instead of being copied into a batch.
constexpr std::size_t kOwnWrite = std::size_t{16} * 1024;
// How many requests are taken out of the queue at once.
constexpr std::size_t kTakeAtOnce = 256;

/// However the reader ends, also destroyed in its wait or by an exception, the manager must see it:
/// in its wait for permits, for the socket, or for requests.
class ReaderEnd {
 public:
  ReaderEnd(Session& session, const mpsc::WeakSender<Request>& manager)
      : session_(&session), manager_(&manager) {}
  ReaderEnd(const ReaderEnd&) = delete;
  ReaderEnd& operator=(const ReaderEnd&) = delete;
  ~ReaderEnd() {
    session_->permits.close();
    (void)session_->stream.shutdown(net::Shutdown::kBoth);  // it may have ended by itself
    if (const std::optional<mpsc::Sender<Request>> sender = manager_->upgrade()) {
      // A full queue wakes it as well.
      (void)sender->try_send(std::move(wake_));
    }
  }

 private:
  Session* session_;
  const mpsc::WeakSender<Request>* manager_;
  Request wake_ = Request::to_wake();
};

/// The reader's state, and its steps between two reads.
class Reader {
 public:
  Reader(mpsc::Receiver<Batch>& batches, const protocol::FrameLimits& limits, Session& session,
         ManagerState& state)
      : matcher_(limits), batches_(&batches), session_(&session), state_(&state) {}

  BytesMut& input() { return matcher_.input(); }

  /// Answers everything that has come whole. Errors: kProtocol.
  ClientResult<void> answer() {
    take_batches();
    std::size_t answered = 0;
    const auto give_back = [&] {
      session_->permits.add_permits(answered);
      ManagerState::add(state_->replies, answered);
      ManagerState::add(state_->in_flight, std::uint64_t{0} - answered);
    };
    for (;;) {
      ClientResult<std::optional<ReplyMatcher<Responder>::Match>> match = matcher_.next();
      if (!match || !match->has_value()) {
        give_back();
        ManagerState::add(state_->pushes,
                          matcher_.pushes() - std::exchange(pushes_, matcher_.pushes()));
        if (!match) {
          return std::unexpected(std::move(match).error());
        }
        return {};
      }
      // A caller that has gone does not want it any more.
      (void)(*match)->tag.send(std::move((*match)->reply));
      ++answered;
    }
  }

  void fail(const ClientError& error) {
    // From now on the manager keeps its responders.
    batches_->close();
    take_batches();
    ManagerState::add(state_->in_flight, std::uint64_t{0} - matcher_.in_flight());
    for (Responder& responder : matcher_.take_unanswered()) {
      (void)responder.send(std::unexpected(error));
    }
  }

 private:
  /// Whatever has been answered was handed over before it was sent, so it is here by now.
  void take_batches() {
    while (std::expected<Batch, mpsc::TryRecvError> batch = batches_->try_recv()) {
      for (Responder& responder : *batch) {
        matcher_.expect(std::move(responder));
      }
    }
  }

  ReplyMatcher<Responder> matcher_;
  mpsc::Receiver<Batch>* batches_;
  Session* session_;
  ManagerState* state_;
  std::uint64_t pushes_ = 0;
};

/// The manager's side between two waits: what is to be sent next.
class Writer {
 public:
  explicit Writer(ManagerState& state) : state_(&state) {}

  /// Requires: it is not full.
  void add(Request&& request) {
    if (request.encoded.size() >= kOwnWrite) {
      large_ = std::move(request.encoded);
    } else {
      out_.append(request.encoded.view());
    }
    batch_.push_back(std::move(request.responder));
  }

  [[nodiscard]] bool is_empty() const noexcept { return batch_.empty(); }
  [[nodiscard]] bool is_full() const noexcept {
    return out_.size() >= kBatchBytes || !large_.empty();
  }

  /// The responders go to the reader. False: it has ended; they are in `orphans` now.
  bool hand_over(const mpsc::UnboundedSender<Batch>& batches, Batch& orphans) {
    const std::size_t count = batch_.size();
    ManagerState::add(state_->requests, count);
    ManagerState::add(state_->batches, 1);
    ManagerState::add(state_->bytes_written, out_.size() + large_.size());
    ManagerState::add(state_->in_flight, count);
    std::expected<void, mpsc::SendError<Batch>> sent = batches.send(std::exchange(batch_, {}));
    if (!sent) {
      ManagerState::add(state_->in_flight, std::uint64_t{0} - count);
      orphans = std::move(sent.error().value);
      return false;
    }
    return true;
  }

  BytesMut& out() noexcept { return out_; }
  Bytes& large() noexcept { return large_; }

 private:
  BytesMut out_;
  Bytes large_;  // after out_
  Batch batch_;
  ManagerState* state_;
};

/// False: the connection has ended.
Task<bool> flush(Session& session, const mpsc::UnboundedSender<Batch>& batches, Writer& writer,
                 Batch& orphans) {
  if (writer.is_empty()) {
    co_return true;
  }
  if (!writer.hand_over(batches, orphans)) {
    co_return false;
  }
  // The reader fails the batch if this does not work: all its responders are there.
  const Result<std::size_t> written = co_await session.stream.write_all_buf(writer.out());
  if (!written) {
    co_return false;
  }
  writer.out().clear();
  const Result<std::size_t> large_written = co_await session.stream.write_all_buf(writer.large());
  co_return large_written.has_value();
}

/// Waits until a permit can be had. False: the connection has ended.
Task<bool> wait_for_room(Session& session) {
  // Nobody else takes permits, so the one that is given back here is still there afterwards.
  const Result<SemaphorePermit> permit = co_await session.permits.acquire();
  co_return permit.has_value();
}

/// Waits for requests and takes up to `limit`; 0: no handle is left. Lets tasks that are ready add
/// theirs: what they would send a moment later then goes with this batch.
Task<std::size_t> take_requests(mpsc::Receiver<Request>& requests, std::vector<Request>& taken,
                                std::size_t limit) {
  std::size_t count = co_await requests.recv_many(taken, limit);
  bool has_grown = count != 0;
  while (has_grown && count < limit) {
    co_await yield_now();
    has_grown = false;
    while (count < limit) {
      std::expected<Request, mpsc::TryRecvError> request = requests.try_recv();
      if (!request) {
        break;
      }
      taken.push_back(*std::move(request));
      ++count;
      has_grown = true;
    }
  }
  co_return count;
}

/// Sends requests from the front for as long as there are permits, and removes them. False: the
/// connection has ended.
Task<bool> send_requests(Session& session, const mpsc::UnboundedSender<Batch>& batches,
                         Unsent& unsent, Writer& writer, ManagerState& state) {
  std::vector<Request>& requests = unsent.requests;
  std::size_t next = 0;
  bool is_alive = true;
  for (; is_alive && next < requests.size(); ++next) {
    Request& request = requests[next];
    if (!request.is_wanted()) {
      ManagerState::add(state.withdrawn, request.encoded.empty() ? 0 : 1);
      continue;
    }
    std::expected<SemaphorePermit, TryAcquireError> permit = session.permits.try_acquire();
    if (!permit) {
      break;
    }
    permit->forget();  // the reader gives it back
    writer.add(std::move(request));
    if (writer.is_full()) {
      is_alive = co_await flush(session, batches, writer, unsent.orphans);
    }
  }
  if (is_alive) {
    is_alive = co_await flush(session, batches, writer, unsent.orphans);
  }
  requests.erase(requests.begin(), requests.begin() + static_cast<std::ptrdiff_t>(next));
  co_return is_alive;
}

}  // namespace

Task<ClientError> read_replies(std::shared_ptr<Session> session, mpsc::Receiver<Batch> batches,
                               protocol::FrameLimits limits, mpsc::WeakSender<Request> wake_manager,
                               std::shared_ptr<ManagerState> state) {
  const ReaderEnd reader_end(*session, wake_manager);
  Reader reader(batches, limits, *session, *state);
  std::optional<ClientError> end;
  while (!end) {
    const Result<std::size_t> count = co_await session->stream.read_buf(reader.input());
    if (!count) {
      end = connection_lost(count.error());
    } else if (*count == 0) {
      end = closed_by_server();
    } else {
      ManagerState::add(state->bytes_read, *count);
      const ClientResult<void> answered = reader.answer();
      if (!answered) {
        end = answered.error();
      }
    }
  }
  reader.fail(*end);
  co_return *std::move(end);
}

Task<WriteEnd> write_requests(Session& session, mpsc::UnboundedSender<Batch> batches,
                              mpsc::Receiver<Request>& requests, Unsent& unsent,
                              ManagerState& state) {
  Writer writer(state);
  for (;;) {
    // Room first: what cannot be sent stays in the queue, which holds the callers up.
    const bool has_room = co_await wait_for_room(session);
    if (!has_room) {
      co_return WriteEnd::kLost;
    }
    if (unsent.requests.empty()) {
      const std::size_t limit = std::min(session.permits.available_permits(), kTakeAtOnce);
      const std::size_t taken = co_await take_requests(requests, unsent.requests, limit);
      if (taken == 0) {
        break;
      }
    }
    const bool is_alive = co_await send_requests(session, batches, unsent, writer, state);
    if (!is_alive) {
      co_return WriteEnd::kLost;
    }
  }
  const Result<SemaphorePermit> all_answered =
      co_await session.permits.acquire_many(session.max_in_flight);
  co_return all_answered ? WriteEnd::kDrained : WriteEnd::kLost;
}

void Unsent::fail(const ClientError& error) {
  fail_orphans(error);
  for (Request& request : requests) {
    (void)request.responder.send(std::unexpected(error));
  }
  requests.clear();
}

void Unsent::fail_orphans(const ClientError& error) {
  for (Responder& responder : orphans) {
    (void)responder.send(std::unexpected(error));
  }
  orphans.clear();
}

}  // namespace ringo::client
