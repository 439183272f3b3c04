// SPDX-License-Identifier: MIT
//
// Fuzzes the reply parser: the same bytes, whole and in pieces, must give the same frames and the
// same error; and what is encoded from a frame must be read back as that frame. The first byte
// chooses the pieces and the limits.
//
// Thread safety: single-threaded.
#include <ringo/bytes.h>
#include <ringo/protocol/frame.h>
#include <ringo/protocol/frame_parser.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using ringo::BytesMut;
using ringo::protocol::Frame;
using ringo::protocol::FrameErrorCode;
using ringo::protocol::FrameLimits;
using ringo::protocol::FrameParser;

struct Outcome {
  std::vector<Frame> frames;
  std::optional<FrameErrorCode> error;
  bool is_idle = true;
};

void require(bool claim, const char* message) {
  if (!claim) {
    std::fprintf(stderr, "frame_parser_fuzz: %s\n", message);
    std::abort();
  }
}

std::string encoded(const Frame& frame) {
  BytesMut out;
  ringo::protocol::encode(frame, out);
  return std::string(out.view());
}

/// By their encoding, because NaN differs from itself.
bool is_same(const Outcome& left, const Outcome& right) {
  return left.error == right.error && left.is_idle == right.is_idle &&
         std::ranges::equal(left.frames, right.frames, {}, encoded, encoded);
}

Outcome parse(std::string_view input, std::size_t piece, const FrameLimits& limits) {
  FrameParser parser(limits);
  Outcome outcome;
  BytesMut buffer;
  while (!input.empty() && !outcome.error) {
    buffer.append(input.substr(0, piece));
    input.remove_prefix(std::min(piece, input.size()));
    bool is_waiting = false;
    while (!is_waiting && !outcome.error) {
      auto frame = parser.parse(buffer);
      if (!frame) {
        outcome.error = frame.error().code;
      } else if (*frame) {
        outcome.frames.push_back(std::move(**frame));
      } else {
        is_waiting = true;
        require(parser.hint() > 0, "nothing is missing, and yet there is no frame");
      }
    }
  }
  outcome.is_idle = !outcome.error && parser.is_idle() && buffer.empty();
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::size_t piece = 1 + data[0] % 32;
  const FrameLimits limits =
      (data[0] & 64) != 0
          ? FrameLimits{.max_bulk = 20, .max_items = 4, .max_depth = 3, .max_line = 12}
          : FrameLimits{};
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Outcome whole = parse(input, std::max<std::size_t>(input.size(), 1), limits);
  require(is_same(parse(input, piece, limits), whole), "pieces give another result");
  for (const Frame& frame : whole.frames) {
    const std::string once = encoded(frame);
    const Outcome again = parse(once, once.size(), FrameLimits{});
    require(again.frames.size() == 1 && again.is_idle, "an encoded frame is not one frame");
    require(encoded(again.frames[0]) == once, "an encoded frame reads back as another");
    require(!frame.to_string().empty() || frame.as_text(), "a frame without a text form");
  }
  return 0;
}
