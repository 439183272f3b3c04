// SPDX-License-Identifier: MIT
//
// One connection for any number of tasks. A manager task owns it; tasks send their requests to the
// manager through a Handle, which may be copied freely, and each gets its own reply. The manager
// sends what has gathered as one batch and goes on sending while replies are outstanding.
//
//   ClientResult<Managed> managed = co_await connect_managed("127.0.0.1", 6379);
//   Handle handle = std::move(managed->handle);
//   spawn(worker(handle)); spawn(worker(handle));          // co_await handle.get("hello")
//
//   tasks ──Handle──> [ queue of 32 ] ──> manager ──batch──> socket
//     ^── oneshot ── reader <── replies, in the order of the requests ──┘
//
// Thread safety: a Handle may be used from any task and thread of any runtime.

#pragma once

#include <ringo/bytes.h>
#include <ringo/client/commands.h>
#include <ringo/client/error.h>
#include <ringo/client/options.h>
#include <ringo/spawn.h>
#include <ringo/task.h>
#include <ringo/time.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace ringo::client {

namespace detail {
struct Link;
}  // namespace detail

/// Counters since the manager began; a snapshot of each.
struct ManagerMetrics {
  std::uint64_t requests = 0;  ///< that were sent
  std::uint64_t batches = 0;   ///< in so many writes
  std::uint64_t bytes_written = 0;
  std::uint64_t bytes_read = 0;
  std::uint64_t replies = 0;
  std::uint64_t in_flight = 0;  ///< sent and not answered
  std::uint64_t queued = 0;     ///< waiting for the manager now
  std::uint64_t withdrawn = 0;  ///< not sent, because the caller had gone
  std::uint64_t connections_lost = 0;
  std::uint64_t failed_attempts = 0;  ///< to reconnect
  std::uint64_t pushes = 0;           ///< out-of-band frames that were passed over
};

/// Sends requests over a manager's connection. Copyable; when the last one is gone, the manager
/// waits for the replies that are outstanding, closes the connection and ends.
///
/// Cancel safety of all requests: one that is cancelled, or times out, before the manager takes it
/// up is not sent; later it may be executed, and its reply is passed over. Nobody else is
/// disturbed.
class Handle : public Commands<Handle> {
 public:
  static constexpr detail::Sharing kSharing = detail::Sharing::kShared;

  /// The same with another limit for each request; nullopt: none.
  [[nodiscard]] Handle with_timeout(std::optional<Duration> timeout) const;

  [[nodiscard]] ManagerMetrics metrics() const;

  /// As Client::send_request(). Does not need the handle after it has returned.
  [[nodiscard]] Task<detail::Reply> send_request(Bytes encoded) const;

  /// For the library.
  Handle(std::shared_ptr<detail::Link> link, std::optional<Duration> timeout) noexcept
      : link_(std::move(link)), timeout_(timeout) {}

 private:
  std::shared_ptr<detail::Link> link_;
  std::optional<Duration> timeout_;
};

/// A manager that runs: the first handle, and the task itself.
struct Managed {
  Managed(Handle first_handle, JoinHandle<void> manager_task)
      : handle(std::move(first_handle)), manager(std::move(manager_task)) {}

  Handle handle;
  /// Ends after the last handle has gone (or, with WhenLost::kEnd, the connection). Aborting it
  /// closes the connection and fails all requests. Drop it to let the manager run by itself.
  JoinHandle<void> manager;
};

/// Connects, and starts a manager on the current runtime. Errors: as Client::connect(); only later
/// losses are healed by reconnecting. Cancel safe.
/// Panics: UsageError where no runtime is current, and for options that cannot work.
[[nodiscard]] Task<ClientResult<Managed>> connect_managed(std::string host, std::uint16_t port);
[[nodiscard]] Task<ClientResult<Managed>> connect_managed(std::string host, std::uint16_t port,
                                                          ManagerOptions options);

}  // namespace ringo::client
