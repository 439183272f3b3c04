// SPDX-License-Identifier: MIT
//
// One connection of a manager, and the two that work on it at the same time: the manager writes
// requests, and a task of its own reads replies. Neither ever waits for the other, except that the
// manager stops at the limit of requests in flight; so two full socket buffers are no deadlock.
//
//   manager:  takes a permit per request, hands the responders over, then writes the batch
//   reader:   reads, matches replies to responders, gives the permits back
//
// A responder is in one place at any time: with the manager until it is handed over, which happens
// before the first byte of its request is written, and with the reader from then on. Whoever has it
// when the connection ends fails it. The reader's end, for whatever reason, closes the permits and
// the socket, which is what the manager sees wherever it waits.
//
// Thread safety: Session is the two tasks'; the rest as said.

#pragma once

#include <ringo/client/error.h>
#include <ringo/net/tcp.h>
#include <ringo/protocol/frame_parser.h>
#include <ringo/sync/mpsc.h>
#include <ringo/sync/semaphore.h>
#include <ringo/task.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "link.h"

namespace ringo::client {

struct Session {
  Session(net::TcpStream connected, std::size_t in_flight_limit)
      : stream(std::move(connected)), permits(in_flight_limit), max_in_flight(in_flight_limit) {}

  /// The reader has ended, or is about to.
  [[nodiscard]] bool is_over() const noexcept { return permits.is_closed(); }

  net::TcpStream stream;
  Semaphore permits;  // one for each request that may still be sent
  const std::size_t max_in_flight;
};

/// The responders of one batch, in the order of its requests. A channel of batches is unbounded,
/// but no more responders are in it than there are permits.
using Batch = std::vector<Responder>;

/// What the manager has taken from the queue and no reader has.
struct Unsent {
  std::vector<Request> requests;  // may be sent over the next connection
  Batch orphans;                  // encoded for a connection that ended before they were sent

  void fail(const ClientError& error);
  void fail_orphans(const ClientError& error);
};

/// The reader. Ends with the connection, and says why; everybody who waits for a reply has got that
/// error by then. Cancel safety: those who wait are told that no reply will come.
Task<ClientError> read_replies(std::shared_ptr<Session> session, mpsc::Receiver<Batch> batches,
                               protocol::FrameLimits limits, mpsc::WeakSender<Request> wake_manager,
                               std::shared_ptr<ManagerState> state);

/// Why write_requests() has ended.
enum class WriteEnd : std::uint8_t {
  kDrained,  ///< no handle is left, and all requests have been answered
  kLost,     ///< the connection has ended: ask the reader why
};

/// The manager's part: takes requests from the queue and sends them. What it has taken and not
/// handed over stays in `unsent`. Requires: the parameters outlive the task.
Task<WriteEnd> write_requests(Session& session, mpsc::UnboundedSender<Batch> batches,
                              mpsc::Receiver<Request>& requests, Unsent& unsent,
                              ManagerState& state);

}  // namespace ringo::client
