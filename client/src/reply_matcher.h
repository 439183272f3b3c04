// SPDX-License-Identifier: MIT
//
// A pipelined connection's receiving side, as a state machine without I/O: bytes go in at input(),
// replies come out of next(), each with the tag of the request that it answers. Replies come in the
// order of the requests, so a request whose caller has gone keeps its place in the line: that is
// what keeps the connection in step.
//
//   expect(tag) before the request is sent        tags:  [ 7 ][ 8 ][ 9 ]        oldest first
//   read into input(), then next() until nullopt  input: +OK\r\n $5\r\nhel      → {7, OK}
//
// Thread safety: one owner's.

#pragma once

#include <ringo/bytes.h>
#include <ringo/client/error.h>
#include <ringo/protocol/frame.h>
#include <ringo/protocol/frame_parser.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <expected>
#include <optional>
#include <utility>

namespace ringo::client {

/// The part that does not depend on tags: takes replies off the input and sorts out what is no
/// reply.
class ReplyReader {
 public:
  /// Room that is made for each read, and so how small a piece of memory a reply can keep alive.
  static constexpr std::size_t kReadSize = std::size_t{16} * 1024;
  /// The most that is reserved for a reply whose size is known, before its bytes have come.
  static constexpr std::size_t kMaxReserved = std::size_t{1024} * 1024;

  explicit ReplyReader(const protocol::FrameLimits& limits) : parser_(limits) {}

  /// Where bytes from the socket are appended, with room for them.
  BytesMut& input();

  /// The next reply, without out-of-band data; nullopt: more bytes are needed. Errors: kProtocol,
  /// for good.
  ClientResult<std::optional<protocol::Frame>> next(std::size_t expected);

  /// Out-of-band frames (RESP3 pushes) that were passed over.
  [[nodiscard]] std::uint64_t pushes() const noexcept { return pushes_; }
  /// Nothing of a reply has come that has not been returned.
  [[nodiscard]] bool is_idle() const noexcept { return input_.empty() && parser_.is_idle(); }

 private:
  protocol::FrameParser parser_;
  BytesMut input_;
  std::uint64_t pushes_ = 0;
  std::optional<ClientError> error_;
};

/// Tag: what belongs to a request while it is in flight. Movable.
template <class Tag>
class ReplyMatcher {
 public:
  struct Match {
    Match(Tag request_tag, protocol::Frame frame)
        : tag(std::move(request_tag)), reply(std::move(frame)) {}
    Tag tag;
    protocol::Frame reply;
  };

  explicit ReplyMatcher(const protocol::FrameLimits& limits = {}) : reader_(limits) {}

  /// A request is about to be sent. Requires: in the order of sending.
  void expect(Tag tag) { waiting_.push_back(std::move(tag)); }

  BytesMut& input() { return reader_.input(); }

  /// The oldest request that has been answered, with its reply; nullopt: more bytes are needed.
  /// Errors: kProtocol: malformed bytes, or a reply that nobody asked for. The connection is out of
  /// step then, and all further calls give the same.
  ClientResult<std::optional<Match>> next() {
    ClientResult<std::optional<protocol::Frame>> reply = reader_.next(waiting_.size());
    if (!reply) {
      return std::unexpected(std::move(reply).error());
    }
    std::optional<Match> match;
    if (reply->has_value()) {
      match.emplace(std::move(waiting_.front()), **std::move(reply));
      waiting_.pop_front();
    }
    return match;
  }

  /// Takes out what has not been answered, oldest first; for when the connection has ended.
  std::deque<Tag> take_unanswered() { return std::exchange(waiting_, {}); }

  [[nodiscard]] std::size_t in_flight() const noexcept { return waiting_.size(); }
  [[nodiscard]] bool is_idle() const noexcept { return waiting_.empty() && reader_.is_idle(); }
  [[nodiscard]] std::uint64_t pushes() const noexcept { return reader_.pushes(); }

 private:
  ReplyReader reader_;
  std::deque<Tag> waiting_;  // requests in flight, oldest first
};

}  // namespace ringo::client
