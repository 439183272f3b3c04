// SPDX-License-Identifier: MIT
//
// How clients connect and what they bear. The defaults are for a server in the same data centre;
// every limit that the client has is named here.
//
// Thread safety: values.

#pragma once

#include <ringo/protocol/frame_parser.h>
#include <ringo/protocol/resp.h>
#include <ringo/time.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace ringo::client {

struct ConnectOptions {
  ConnectOptions() = default;

  /// For looking up, connecting and the set-up commands together.
  Duration connect_timeout = std::chrono::seconds(5);
  /// From the call to the reply, waiting for room in queues included. nullopt: no limit.
  std::optional<Duration> request_timeout = std::chrono::seconds(5);

  // Sent before anything else, again after each reconnect: HELLO, AUTH, SELECT, CLIENT SETNAME.
  protocol::RespVersion version = protocol::RespVersion::kResp2;
  std::string username;  ///< only with a password
  std::string password;
  std::string client_name;
  std::uint32_t database = 0;

  /// SO_SNDBUF and SO_RCVBUF; nullopt lets the kernel tune them.
  std::optional<int> send_buffer_size;
  std::optional<int> recv_buffer_size;
  /// What a reply may be; beyond it the connection is closed with kProtocol.
  protocol::FrameLimits reply_limits;
};

/// What a manager does when its connection is lost. Requests that were handed to the connection
/// fail with kConnectionLost at once in any case, because they may have been executed.
enum class WhenLost : std::uint8_t {
  kEnd,        ///< end: later requests fail with the same error
  kReconnect,  ///< connect again, after a growing delay; requests that are queued wait for that
};

struct ManagerOptions {
  ManagerOptions() = default;

  ConnectOptions connect;
  /// Requests that wait for the manager; the next caller is suspended. Panics: UsageError for 0.
  std::size_t queue_capacity = 32;
  /// Requests that were sent and not answered yet; the manager then leaves the others in the queue.
  /// Panics: UsageError for 0.
  std::size_t max_in_flight = 1024;

  WhenLost when_lost = WhenLost::kReconnect;
  /// Before the first attempt to reconnect; doubled after each that fails. A random part of up to
  /// half of it is taken off, so that many clients do not come back at the same moment.
  Duration initial_backoff = std::chrono::milliseconds(100);
  Duration max_backoff = std::chrono::seconds(5);
  /// After so many failed attempts in a row, and again after each further one, what is queued fails
  /// with kConnectFailed. The attempts go on.
  std::size_t attempts_before_failing = 6;
};

}  // namespace ringo::client
