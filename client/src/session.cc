// SPDX-License-Identifier: MIT
//
// The two halves of a session; see session.h.
//
// Thread safety: as said there.

#include "session.h"

#include <ringo/bytes.h>
#include <ringo/client/error.h>
#include <ringo/net/tcp.h>
#include <ringo/protocol/frame.h>
#include <ringo/protocol/frame_parser.h>
#include <ringo/result.h>
#include <ringo/sync/mpsc.h>
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

  void add(Request&& request) {
    out_.append(request.encoded.view());
    batch_.push_back(std::move(request.responder));
  }
  void add_as_is(Request&& request) {
    large_ = std::move(request.encoded);
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

/// Waits for requests; 0: no handle is left. Lets tasks that are ready add theirs: what they would
/// send a moment later then goes with this batch.
Task<std::size_t> take_requests(mpsc::Receiver<Request>& requests, std::vector<Request>& pending) {
  std::size_t taken = co_await requests.recv_many(pending, kTakeAtOnce);
  std::size_t all = taken;
  while (taken != 0 && all < kTakeAtOnce) {
    co_await yield_now();
    taken = 0;
    while (all < kTakeAtOnce) {
      std::expected<Request, mpsc::TryRecvError> request = requests.try_recv();
      if (!request) {
        break;
      }
      pending.push_back(*std::move(request));
      ++taken;
      ++all;
    }
  }
  co_return all;
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
  std::vector<Request>& pending = unsent.requests;
  Writer writer(state);
  for (;;) {
    if (pending.empty()) {
      const std::size_t taken = co_await take_requests(requests, pending);
      if (taken == 0) {
        break;
      }
    }
    std::size_t next = 0;
    bool is_lost = session.is_over();
    while (!is_lost && next < pending.size()) {
      Request& request = pending[next];
      if (!request.is_wanted()) {
        ManagerState::add(state.withdrawn, request.encoded.empty() ? 0 : 1);
        ++next;
        continue;
      }
      std::expected<SemaphorePermit, TryAcquireError> permit = session.permits.try_acquire();
      if (!permit) {
        // What is in the batch must be sent before its replies can give permits back.
        const bool is_sent = co_await flush(session, batches, writer, unsent.orphans);
        is_lost = !is_sent;
        if (is_sent) {
          const Result<SemaphorePermit> waited = co_await session.permits.acquire();
          is_lost = !waited;  // given back at once: the next round takes it
        }
        continue;
      }
      permit->forget();
      ++next;
      if (request.encoded.size() >= kOwnWrite) {
        writer.add_as_is(std::move(request));
      } else {
        writer.add(std::move(request));
      }
      if (writer.is_full()) {
        const bool is_sent = co_await flush(session, batches, writer, unsent.orphans);
        is_lost = !is_sent;
      }
    }
    if (!is_lost) {
      const bool is_sent = co_await flush(session, batches, writer, unsent.orphans);
      is_lost = !is_sent;
    }
    pending.erase(pending.begin(), pending.begin() + static_cast<std::ptrdiff_t>(next));
    if (is_lost) {
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
