// SPDX-License-Identifier: MIT
//
// What handles and their manager share: the queue of requests, the counters, and why the manager
// has ended.
//
//   Handle ──shared_ptr──> Link { Sender }        the last handle drops the only Sender: the queue
//     │                     │                     closes, and the manager ends
//     └── request in flight └──> ManagerState <── manager, reader
//
// Thread safety: all of it, from any thread.

#pragma once

#include <ringo/bytes.h>
#include <ringo/client/commands.h>
#include <ringo/client/error.h>
#include <ringo/client/manager.h>
#include <ringo/sync/mpsc.h>
#include <ringo/sync/oneshot.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace ringo::client {

/// Where the reply goes. Destroyed unused it tells the caller that none will come.
using Responder = oneshot::Sender<detail::Reply>;

/// One encoded command, and who waits for the reply.
struct Request {
  Request(Bytes command, Responder reply_to)
      : encoded(std::move(command)), responder(std::move(reply_to)) {}

  /// No request; it only wakes the manager, to which it looks as if the caller had gone.
  static Request to_wake() {
    auto [responder, nobody] = oneshot::channel<detail::Reply>();
    return {Bytes(), std::move(responder)};
  }
  [[nodiscard]] bool is_wanted() const noexcept { return !responder.is_closed(); }

  Bytes encoded;
  Responder responder;
};

/// Outlives the manager for as long as there are handles.
class ManagerState {
 public:
  using Counter = std::atomic<std::uint64_t>;

  // Only statistics, each on its own: relaxed.
  Counter requests{0};
  Counter batches{0};
  Counter bytes_written{0};
  Counter bytes_read{0};
  Counter replies{0};
  Counter in_flight{0};
  Counter withdrawn{0};
  Counter connections_lost{0};
  Counter failed_attempts{0};
  Counter pushes{0};

  // relaxed: each counter by itself, for the user to see.
  static void add(Counter& counter, std::uint64_t count) noexcept {
    counter.fetch_add(count, std::memory_order_relaxed);
  }
  static std::uint64_t read(const Counter& counter) noexcept {
    return counter.load(std::memory_order_relaxed);
  }

  /// The manager's last word; only the first counts. Called by the manager alone.
  void end_with(const ClientError& error) {
    if (!has_ended_.load(std::memory_order_relaxed)) {  // nobody else writes it
      end_.emplace(error);
      // release: shows end_ to end_error().
      has_ended_.store(true, std::memory_order_release);
    }
  }
  /// What a request gets that finds the manager gone.
  [[nodiscard]] ClientError end_error() const {
    // acquire: pairs with end_with().
    if (has_ended_.load(std::memory_order_acquire)) {
      return *end_;
    }
    return {ClientErrorKind::kClosed, "the connection's manager has been stopped"};
  }

 private:
  std::optional<ClientError> end_;  // written once, before has_ended_
  std::atomic<bool> has_ended_{false};
};

namespace detail {

struct Link {
  Link(mpsc::Sender<Request> sender, std::shared_ptr<ManagerState> manager_state)
      : requests(std::move(sender)), state(std::move(manager_state)) {}

  const mpsc::Sender<Request> requests;
  const std::shared_ptr<ManagerState> state;
};

}  // namespace detail
}  // namespace ringo::client
