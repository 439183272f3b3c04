// SPDX-License-Identifier: MIT
//
// FrameParser: the client's side of the wire. Takes replies, RESP2 or RESP3, off the front of a
// read buffer. Payloads are slices of that buffer: nothing is copied. What has been understood is
// taken out at once and kept inside, so that nothing is read twice however the bytes are cut.
//
//   while (true) {
//     auto frame = parser.parse(buffer);           // an error: close the connection
//     if (frame && *frame) { use(**frame); continue; }
//     read more into buffer.spare(), at least parser.hint() bytes in all
//   }
//
// Thread safety: none; a parser and its buffer belong to one thread at a time.
#pragma once

#include <ringo/bytes.h>
#include <ringo/protocol/frame.h>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringo::protocol {

/// Limits of one reply; beyond one it is an error. Redis itself sends less than the defaults.
struct FrameLimits {
  std::size_t max_bulk = std::size_t{512} * 1024 * 1024;              // bytes of one string
  std::int64_t max_items = std::numeric_limits<std::int32_t>::max();  // elements or pairs of one
  std::size_t max_depth = 32;                     // aggregates within one another, attributes too
  std::size_t max_line = std::size_t{64} * 1024;  // bytes of a one-line reply, or of a length
};

enum class FrameErrorCode : std::uint8_t {
  kUnknownType,       // the first byte is none of the protocol's; also streamed types
  kInvalidLength,     // not a number, or negative and not null
  kInvalidValue,      // of an integer, boolean, double, big number, null or verbatim string
  kMissingLineBreak,  // no CR LF where one must be
  kBulkTooLong,       // max_bulk
  kTooManyItems,      // max_items
  kTooDeep,           // max_depth
  kLineTooLong,       // max_line
};

struct FrameError {
  FrameErrorCode code;
  std::string message;
};

class FrameParser {
 public:
  /// Elements that an aggregate may claim memory for before they have arrived.
  static constexpr std::size_t kMaxPreallocatedItems = 1024;

  explicit FrameParser(const FrameLimits& limits = {});

  /// Takes the next whole reply off the front of `buffer`; nullopt if it is not all there yet. The
  /// part of it that is there may be taken out already.
  ///
  /// Requires: bytes are only added to the buffer between calls.
  ///
  /// Errors: the stream is out of step for good; every further call gives the same error until
  /// reset(). Complexity: O(1) per byte over all calls; bulk payloads are not looked at.
  std::expected<std::optional<Frame>, FrameError> parse(BytesMut& buffer);

  /// After nullopt: no reply can be complete before so many more bytes have come; at least 1. Up to
  /// the bulk limit, so that a large value can be read straight into reserved room.
  std::size_t hint() const { return hint_; }

  /// True between replies: an end of the stream here, with an empty buffer, loses nothing.
  bool is_idle() const;

  /// Forgets all progress, as for a new connection.
  void reset();

  /// How many bytes of headers and lines have been read since construction, each time counted. For
  /// tests, which prove by it that the work is linear.
  std::uint64_t bytes_examined() const { return examined_; }

 private:
  struct Aggregate {
    FrameType type;
    std::size_t left;  // elements that have not come
    std::vector<Frame> items;
  };
  /// A string whose payload has not all come.
  struct Payload {
    FrameType type;
    std::size_t size;
  };

  enum class Progress : std::uint8_t { kWaiting, kFrame, kOpened, kFailed };

  Progress parse_line(BytesMut& buffer, Frame& frame);
  Progress parse_payload(BytesMut& buffer, Frame& frame);
  Progress open_payload(FrameType type, std::string_view digits);
  Progress open_aggregate(FrameType type, std::string_view digits, Frame& frame);
  Progress take_text(BytesMut& buffer, FrameType type, std::size_t size, Frame& frame);
  bool add(Frame& frame);
  Progress wait_for(std::size_t bytes);
  Progress fail(FrameErrorCode code, std::string_view message);

  FrameLimits limits_;
  std::vector<Aggregate> open_;  // outermost first
  std::optional<Payload> payload_;
  std::size_t scanned_ = 0;  // no CR in front of this offset of the buffer
  std::size_t hint_ = 1;
  std::optional<FrameError> error_;
  std::uint64_t examined_ = 0;
};

}  // namespace ringo::protocol
