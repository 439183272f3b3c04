// SPDX-License-Identifier: MIT
//
// Session: what the server knows about one connection, without the socket: number, name, protocol
// version, what it wants to be told. Commands change it; the connection's task owns it.
//
// Thread safety: a session belongs to one thread at a time. What CLIENT LIST and CLIENT KILL of
// other connections need is in its ClientRecord, which has a lock of its own.

#pragma once

#include <ringo/protocol/resp.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace ringo::server {

class ServerState;
struct ClientRecord;

/// Where a connection comes from, as "address:port".
struct SessionPeer {
  std::string address = "127.0.0.1:0";
  std::string local_address = "127.0.0.1:0";
  int fd = -1;  // for CLIENT LIST only
};

class Session {
 public:
  /// What a client has asked for by CLIENT REPLY.
  enum class ReplyMode : std::uint8_t { kOn, kOff, kSkipNext, kSkipping };

  /// Registers the session with the server. Requires: `state` outlives it.
  explicit Session(ServerState& state, SessionPeer peer = {});
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  Session(Session&&) = delete;
  Session& operator=(Session&&) = delete;

  ServerState& state() const { return *state_; }
  std::uint64_t id() const { return id_; }

  protocol::RespVersion version() const { return version_; }
  void set_version(protocol::RespVersion version) { version_ = version; }

  ReplyMode reply_mode() const { return reply_mode_; }
  void set_reply_mode(ReplyMode mode) { reply_mode_ = mode; }

  /// True after QUIT, a protocol error, or a CLIENT KILL of itself: what has been answered is
  /// still sent, then the connection is closed.
  bool closes_after_reply() const { return closes_after_reply_; }
  void close_after_reply() { closes_after_reply_ = true; }

  /// True once another connection has killed this one.
  /// Thread safety: any thread.
  bool is_killed() const;

  /// What wakes the connection's task when another connection kills this one: it is called once,
  /// on the killer's thread, under a lock, and must not block; shutdown() of the socket fits.
  void set_kill_hook(std::function<void()> hook);

  /// Back to the state of a new connection (RESET), number and registration apart.
  void reset();

  /// For the commands.
  ClientRecord& record() const { return *record_; }

 private:
  ServerState* state_;
  std::uint64_t id_;
  std::shared_ptr<ClientRecord> record_;
  protocol::RespVersion version_ = protocol::RespVersion::kResp2;
  ReplyMode reply_mode_ = ReplyMode::kOn;
  bool closes_after_reply_ = false;
};

}  // namespace ringo::server
