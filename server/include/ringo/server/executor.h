// SPDX-License-Identifier: MIT
//
// The way from bytes to bytes: requests in, replies out. No sockets, no coroutines: a connection's
// task reads, calls process(), and writes what it has left in `out`.
//
//   while (read into input) {
//     do {
//       ProcessResult done = process(session, parser, input, out);
//       input.advance(done.consumed);
//       write out;
//     } while (done.status == ProcessStatus::kOutputFull);
//     if (done.status == ProcessStatus::kClose) break;
//   }
//
// Thread safety: each call uses its own session, parser and buffers; any number of threads may be
// in calls for different sessions of one server.

#pragma once

#include <ringo/bytes.h>
#include <ringo/protocol/reply_writer.h>
#include <ringo/protocol/request_parser.h>
#include <ringo/server/session.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace ringo::server {

enum class ProcessStatus : std::uint8_t {
  kNeedMore,    // all whole requests are answered; parser.hint() says how much is missing
  kOutputFull,  // there may be more requests: write `out`, then call again with the rest
  kClose,       // write `out`, then close the connection
};

struct ProcessResult {
  std::size_t consumed = 0;  // bytes at the front of `input` that are done with
  ProcessStatus status = ProcessStatus::kNeedMore;
};

/// Output of one call to process(), in bytes, after which it stops between two requests. One reply
/// may exceed it.
inline constexpr std::size_t kDefaultOutputLimit = std::size_t{64} * 1024;

/// Executes the requests in `input` and appends their replies to `out`, in order. Up to 32
/// requests at a time are parsed before the first is executed, so that the memory that they touch
/// can be fetched meanwhile.
///
/// Requires: `input` begins with the first byte that was not consumed, as for RequestParser, and
/// holds the bytes of a request that was incomplete.
ProcessResult process(Session& session, protocol::RequestParser& parser, std::string_view input,
                      BytesMut& out, std::size_t output_limit = kDefaultOutputLimit);

/// Executes one request and writes its reply, whatever CLIENT REPLY says. An unknown command, a
/// wrong number of arguments and the like are replies too.
///
/// Requires: `args` is not empty.
void execute(Session& session, std::span<const std::string_view> args,
             protocol::ReplyWriter& reply);

}  // namespace ringo::server
