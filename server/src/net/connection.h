// SPDX-License-Identifier: MIT
//
// Connection: one client's socket, session and bytes on their way. A state machine without a
// coroutine: step() does what can be done without waiting and says what to wait for.
//
// Between two steps a connection owns no buffer, unless a request or a reply is there in part: a
// step reads into, and writes from, buffers that its worker's connections share. So an idle
// connection costs no buffer, and the busy ones of a worker share memory that is in its cache.
//
// Thread safety: one task's; other tasks reach it through its Session's kill hook and through the
// ConnectionList.

#pragma once

#include <ringo/bytes.h>
#include <ringo/net/tcp.h>
#include <ringo/protocol/request_parser.h>
#include <ringo/server/executor.h>
#include <ringo/server/session.h>
#include <ringo/sync/semaphore.h>
#include <ringo/task.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "net/connection_list.h"
#include "net/server_core.h"

namespace ringo::server {

class Connection {
 public:
  /// What the task has to do before the next step.
  enum class Next : std::uint8_t {
    kRead,   // wait until the stream is readable
    kWrite,  // write output() to its end
    kYield,  // let others run
    kClose,  // nothing: the connection is over
  };

  Connection(std::shared_ptr<ServerCore> core, SemaphorePermit permit, net::TcpStream stream,
             SessionPeer peer);
  ~Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  Connection(Connection&&) = delete;
  Connection& operator=(Connection&&) = delete;

  /// Executes the requests that have arrived, reading at most once, and sends as many of the
  /// replies as the socket takes. Errors end the connection.
  Next step();

  net::TcpStream& stream() { return stream_; }
  /// The replies that the socket did not take.
  BytesMut& output() { return output_; }
  /// To be called when output() was written: gives its memory back, and counts.
  void output_written(std::size_t size);

  /// Whether it keeps a buffer only because it may soon need it again.
  bool has_spare_memory() const;
  void release_spare_memory();

  /// Whether the client may still be sending, and has to be heard out before the socket is closed:
  /// else the reset would overtake the last replies.
  bool is_to_linger() const;

 private:
  struct Buffers;

  static Buffers& worker_buffers();

  Next read_and_execute(Buffers& buffers);
  Next foresee(Buffers& buffers, std::string_view input);
  Next execute_foreseen(Buffers& buffers);
  Next execute_shared(Buffers& buffers, std::size_t size, bool is_more_likely);
  Next execute_own(Buffers& buffers, bool is_more_likely);
  void keep(std::string_view rest);
  Next finish(Buffers& buffers, ProcessStatus status, bool is_more_likely);
  bool send(Buffers& buffers);

  std::shared_ptr<ServerCore> core_;
  SemaphorePermit permit_;
  net::TcpStream stream_;
  Session session_;
  ConnectionList::Entry entry_;
  protocol::RequestParser parser_;
  BytesMut input_;   // a request in part; or, with has_backlog_, whole ones, too
  BytesMut output_;  // replies that the socket did not take
  std::optional<ForeseenRequest> foreseen_;  // the request in input_ has only to be executed
  bool has_backlog_ = false;       // requests in input_ wait until output_ has been written
  bool closes_when_sent_ = false;  // output_ is the last
};

/// Serves a connection to its end.
Task<void> serve(std::unique_ptr<Connection> connection);

}  // namespace ringo::server
