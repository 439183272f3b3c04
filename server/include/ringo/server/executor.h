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
#include <optional>
#include <span>
#include <string_view>

namespace ringo::server {

struct Command;

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

/// A request that foresee() has found.
struct ForeseenRequest {
  const Command* command = nullptr;  // null: unknown, or not looked up yet
  std::uint64_t key_hash = 0;        // of the first key, if has_key
  bool has_key = false;
};

/// The first half of process() where a connection has sent a single request: a batch of one hides
/// no wait for memory, but the requests of several connections together do. If `input` is one
/// whole request in RESP, and nothing else, this looks it up and asks for the index line of its
/// key. The caller lets other connections do the same, then calls process_foreseen().
///
/// Nothing: process() is to be called with the same input.
/// Requires: the parser has no progress; `input` is not empty.
std::optional<ForeseenRequest> foresee(Session& session, protocol::RequestParser& parser,
                                       std::string_view input);

/// Asks for the entry of a foreseen request, once its index line has had time to arrive; worth
/// while, never needed.
void fetch_entry(Session& session, const ForeseenRequest& request);

/// The second half: executes the request that the parser has found, and appends its reply to `out`.
/// The input of foresee() is consumed. Gives kNeedMore or kClose.
///
/// Requires: neither the input nor the parser was touched since foresee().
ProcessStatus process_foreseen(Session& session, const protocol::RequestParser& parser,
                               const ForeseenRequest& request, BytesMut& out);

/// Executes one request and writes its reply, whatever CLIENT REPLY says. An unknown command, a
/// wrong number of arguments and the like are replies too.
///
/// Requires: `args` is not empty.
void execute(Session& session, std::span<const std::string_view> args,
             protocol::ReplyWriter& reply);

}  // namespace ringo::server
