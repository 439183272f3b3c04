// SPDX-License-Identifier: MIT
//
// ReplyReader; see reply_matcher.h.
//
// Thread safety: one owner's.

#include "reply_matcher.h"

#include <ringo/bytes.h>
#include <ringo/client/error.h>
#include <ringo/protocol/frame.h>
#include <ringo/protocol/frame_parser.h>

#include <algorithm>
#include <cstddef>
#include <expected>
#include <optional>
#include <string>
#include <utility>

namespace ringo::client {

BytesMut& ReplyReader::input() {
  // A reply whose size is known is read in few calls, into one block. A little spare room is used
  // up before a new block is taken.
  constexpr std::size_t kLeastRoom = 2048;
  const std::size_t missing = parser_.hint();
  if (missing > input_.spare().size()) {
    input_.reserve(std::clamp(missing, kReadSize, kMaxReserved));
  } else if (input_.spare().size() < kLeastRoom) {
    input_.reserve(kReadSize);
  }
  return input_;
}

ClientResult<std::optional<protocol::Frame>> ReplyReader::next(std::size_t expected) {
  while (!error_) {
    std::expected<std::optional<protocol::Frame>, protocol::FrameError> parsed =
        parser_.parse(input_);
    if (!parsed) {
      error_.emplace(ClientErrorKind::kProtocol, "protocol error: " + parsed.error().message);
      break;
    }
    if (!parsed->has_value()) {
      return std::nullopt;
    }
    const protocol::Frame& frame = (*parsed)->without_attributes();
    if (frame.type() == protocol::FrameType::kPush) {
      ++pushes_;
      continue;
    }
    if (expected == 0) {
      constexpr std::size_t kShown = 100;
      error_.emplace(ClientErrorKind::kProtocol, "protocol error: a reply that nobody asked for: " +
                                                     frame.to_string().substr(0, kShown));
      break;
    }
    return *std::move(parsed);
  }
  return std::unexpected(*error_);
}

}  // namespace ringo::client
