// SPDX-License-Identifier: MIT
//
// The manager task: one session after another on the same queue of requests; and Handle.
//
// Thread safety: as manager.h says.

#include <ringo/abort_on_drop.h>
#include <ringo/bytes.h>
#include <ringo/client/commands.h>
#include <ringo/client/error.h>
#include <ringo/client/manager.h>
#include <ringo/client/options.h>
#include <ringo/join_error.h>
#include <ringo/net/tcp.h>
#include <ringo/result.h>
#include <ringo/spawn.h>
#include <ringo/sync/mpsc.h>
#include <ringo/sync/mpsc_error.h>
#include <ringo/sync/oneshot.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/usage_error.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "connect.h"
#include "link.h"
#include "session.h"

namespace ringo::client {
namespace {

/// Growing delays between attempts to reconnect.
class Backoff {
 public:
  explicit Backoff(const ManagerOptions& options)
      : initial_(options.initial_backoff),
        max_(options.max_backoff),
        delay_(initial_),
        // Only has to differ between clients; from the runtime's clock, so that it can be replayed.
        random_(static_cast<std::uint64_t>(Clock::now().time_since_epoch().count()) ^
                current_task_id().value()) {}

  void reset() { delay_ = initial_; }
  /// From half of the delay to all of it; the next one is twice as long.
  Duration next() {
    const Duration full = std::min(delay_, max_);
    delay_ = full > max_ / 2 ? max_ : full * 2;
    std::uniform_int_distribution<Duration::rep> jitter(0, full.count() / 2);
    return full - Duration(jitter(random_));
  }

 private:
  Duration initial_;
  Duration max_;
  Duration delay_;
  std::mt19937_64 random_;
};

class Manager {
 public:
  Manager(Endpoint endpoint, ManagerOptions options, mpsc::Receiver<Request> requests,
          mpsc::WeakSender<Request> wake, std::shared_ptr<ManagerState> state)
      : endpoint_(std::move(endpoint)),
        options_(std::move(options)),
        requests_(std::move(requests)),
        wake_(std::move(wake)),
        state_(std::move(state)),
        backoff_(options_) {}

  /// The body of the task; it owns the manager. Static: a member's `this` would not be kept.
  static Task<void> run(Manager manager, net::TcpStream first) {
    std::optional<net::TcpStream> stream(std::move(first));
    while (stream) {
      net::TcpStream served = *std::exchange(stream, std::nullopt);
      const std::optional<ClientError> lost = co_await manager.serve(std::move(served));
      if (!lost) {
        co_return;
      }
      ManagerState::add(manager.state_->connections_lost, 1);
      if (manager.options_.when_lost == WhenLost::kEnd) {
        manager.end_with(*lost);
        co_return;
      }
      stream = co_await manager.reconnect();
    }
  }

 private:
  /// One session. nullopt: all handles have gone and everything was answered.
  Task<std::optional<ClientError>> serve(net::TcpStream stream) {
    auto session = std::make_shared<Session>(std::move(stream), options_.max_in_flight);
    auto [batches, to_read] = mpsc::unbounded_channel<Batch>();
    AbortOnDrop<ClientError> reader(spawn(
        read_replies(session, std::move(to_read), options_.connect.reply_limits, wake_, state_)));
    const WriteEnd end =
        co_await write_requests(*session, std::move(batches), requests_, unsent_, *state_);
    if (end == WriteEnd::kDrained) {
      reader.abort();
      (void)co_await reader;
      co_return std::nullopt;
    }
    // Where only writing has failed this ends the reading, after what has come.
    (void)session->stream.shutdown(net::Shutdown::kBoth);
    JoinResult<ClientError> why = co_await reader;
    ClientError lost = why ? *std::move(why)
                           : ClientError(ClientErrorKind::kConnectionLost,
                                         "connection lost: " + why.error().message());
    unsent_.fail_orphans(lost);
    co_return lost;
  }

  /// A new connection; nullopt: no handle is left.
  Task<std::optional<net::TcpStream>> reconnect() {
    backoff_.reset();
    std::size_t attempts = 0;
    for (;;) {
      const Instant next_attempt = Clock::now() + backoff_.next();
      const bool has_handles = co_await wait_until(next_attempt);
      if (!has_handles) {
        unsent_.fail(ClientError(ClientErrorKind::kClosed, "the client has been closed"));
        co_return std::nullopt;
      }
      ClientResult<net::TcpStream> stream = co_await open_connection(endpoint_, options_.connect);
      if (stream) {
        co_return *std::move(stream);
      }
      ManagerState::add(state_->failed_attempts, 1);
      if (++attempts >= options_.attempts_before_failing) {
        fail_queued(stream.error());
      }
    }
  }

  /// Keeps what comes meanwhile. False: no handle is left.
  Task<bool> wait_until(Instant deadline) {
    while (unsent_.requests.size() < options_.queue_capacity) {
      Result<std::optional<Request>> request =
          co_await time::timeout_at(deadline, requests_.recv());
      if (!request) {
        co_return true;
      }
      if (!request->has_value()) {
        co_return false;
      }
      if ((*request)->is_wanted()) {
        unsent_.requests.push_back(**std::move(request));
      }
    }
    // Nobody else is let in: callers wait in the queue, which is full.
    co_await time::sleep_until(deadline);
    co_return true;
  }

  void fail_queued(const ClientError& error) {
    while (std::expected<Request, mpsc::TryRecvError> request = requests_.try_recv()) {
      unsent_.requests.push_back(*std::move(request));
    }
    unsent_.fail(error);
  }

  void end_with(const ClientError& error) {
    state_->end_with(error);
    requests_.close();
    fail_queued(error);
  }

  Endpoint endpoint_;
  ManagerOptions options_;
  mpsc::Receiver<Request> requests_;
  mpsc::WeakSender<Request> wake_;
  std::shared_ptr<ManagerState> state_;
  Unsent unsent_;
  Backoff backoff_;
};

Task<detail::Reply> exchange(std::shared_ptr<detail::Link> link, Bytes encoded) {
  auto [responder, answer] = oneshot::channel<detail::Reply>();
  Request request(std::move(encoded), std::move(responder));
  const std::expected<void, mpsc::SendError<Request>> sent =
      co_await link->requests.send(std::move(request));
  if (!sent) {
    co_return std::unexpected<ClientError>(link->state->end_error());
  }
  Result<detail::Reply> reply = co_await answer;
  if (!reply) {
    co_return std::unexpected<ClientError>(link->state->end_error());
  }
  co_return *std::move(reply);
}

ManagerMetrics read_metrics(const detail::Link& link) {
  const ManagerState& state = *link.state;
  ManagerMetrics metrics;
  metrics.requests = ManagerState::read(state.requests);
  metrics.batches = ManagerState::read(state.batches);
  metrics.bytes_written = ManagerState::read(state.bytes_written);
  metrics.bytes_read = ManagerState::read(state.bytes_read);
  metrics.replies = ManagerState::read(state.replies);
  metrics.in_flight = ManagerState::read(state.in_flight);
  metrics.queued = link.requests.max_capacity() - link.requests.capacity();
  metrics.withdrawn = ManagerState::read(state.withdrawn);
  metrics.connections_lost = ManagerState::read(state.connections_lost);
  metrics.failed_attempts = ManagerState::read(state.failed_attempts);
  metrics.pushes = ManagerState::read(state.pushes);
  return metrics;
}

Task<detail::Reply> exchange_within(std::shared_ptr<detail::Link> link, Bytes encoded,
                                    Duration limit) {
  Result<detail::Reply> reply = co_await time::timeout(limit, exchange(link, std::move(encoded)));
  if (!reply) {
    // The state of the connection is what one asks for first.
    const ManagerMetrics metrics = read_metrics(*link);
    const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(limit).count();
    co_return std::unexpected<ClientError>(ClientError(
        ClientErrorKind::kTimedOut,
        fmt::format("no reply within {} ms (queued {}, in flight {}, connections lost {})",
                    milliseconds, metrics.queued, metrics.in_flight, metrics.connections_lost),
        reply.error()));
  }
  co_return *std::move(reply);
}

Task<ClientResult<Managed>> connect_and_start(Endpoint endpoint, ManagerOptions options) {
  ClientResult<net::TcpStream> stream = co_await open_connection(endpoint, options.connect);
  if (!stream) {
    co_return std::unexpected<ClientError>(std::move(stream).error());
  }
  auto [sender, receiver] = mpsc::channel<Request>(options.queue_capacity);
  auto state = std::make_shared<ManagerState>();
  const std::optional<Duration> timeout = options.connect.request_timeout;
  Manager manager(std::move(endpoint), std::move(options), std::move(receiver), sender.downgrade(),
                  state);
  JoinHandle<void> task = spawn(Manager::run(std::move(manager), *std::move(stream)));
  Handle handle(std::make_shared<detail::Link>(std::move(sender), std::move(state)), timeout);
  co_return Managed(std::move(handle), std::move(task));
}

}  // namespace

Handle Handle::with_timeout(std::optional<Duration> timeout) const {
  return {link_, timeout};
}

ManagerMetrics Handle::metrics() const {
  return read_metrics(*link_);
}

Task<detail::Reply> Handle::send_request(Bytes encoded) const {
  if (timeout_) {
    return exchange_within(link_, std::move(encoded), *timeout_);
  }
  return exchange(link_, std::move(encoded));
}

Task<ClientResult<Managed>> connect_managed(std::string host, std::uint16_t port) {
  return connect_managed(std::move(host), port, ManagerOptions());
}

Task<ClientResult<Managed>> connect_managed(std::string host, std::uint16_t port,
                                            ManagerOptions options) {
  if (options.queue_capacity == 0 || options.max_in_flight == 0) {
    throw UsageError("connect_managed: queue_capacity and max_in_flight must be at least 1");
  }
  return connect_and_start(Endpoint(std::move(host), port), std::move(options));
}

}  // namespace ringo::client
