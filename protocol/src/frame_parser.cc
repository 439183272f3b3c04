// SPDX-License-Identifier: MIT
//
// The reply parser: a stack of open aggregates, at most one string that waits for its payload, and
// at most one line that waits for its end.
//
// Thread safety: see ringo/protocol/frame_parser.h.
#include <ringo/bytes.h>
#include <ringo/protocol/frame.h>
#include <ringo/protocol/frame_parser.h>
#include <ringo/protocol/resp.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringo::protocol {
namespace {

constexpr std::size_t kCrlf = 2;

/// Keeps two for each pair of a map, and one more for an attribute, within the arithmetic.
constexpr std::int64_t kMaxItems = std::int64_t{1} << 40;

bool is_big_number(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) {
    text.remove_prefix(1);
  }
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

bool is_verbatim(std::string_view content) {
  return content.size() >= 4 && content[3] == ':';
}

Frame text_frame(FrameType type, Bytes bytes) {
  switch (type) {
    case FrameType::kSimple:
      return Frame::simple(std::move(bytes));
    case FrameType::kError:
      return Frame::error(std::move(bytes));
    case FrameType::kBigNumber:
      return Frame::big_number(std::move(bytes));
    case FrameType::kBulkError:
      return Frame::bulk_error(std::move(bytes));
    case FrameType::kVerbatim:
      return Frame::verbatim(std::move(bytes));
    default:
      return Frame::bulk(std::move(bytes));
  }
}

Frame aggregate_frame(FrameType type, std::vector<Frame> items) {
  switch (type) {
    case FrameType::kMap:
      return Frame::map(std::move(items));
    case FrameType::kSet:
      return Frame::set(std::move(items));
    case FrameType::kPush:
      return Frame::push(std::move(items));
    case FrameType::kAttribute: {
      Frame described = std::move(items.back());
      items.pop_back();
      return Frame::attribute(std::move(items), std::move(described));
    }
    default:
      return Frame::array(std::move(items));
  }
}

std::optional<FrameType> type_of(char first) {
  switch (first) {
    case '+':
      return FrameType::kSimple;
    case '-':
      return FrameType::kError;
    case ':':
      return FrameType::kInteger;
    case '$':
      return FrameType::kBulk;
    case '*':
      return FrameType::kArray;
    case '_':
      return FrameType::kNull;
    case '#':
      return FrameType::kBoolean;
    case ',':
      return FrameType::kDouble;
    case '(':
      return FrameType::kBigNumber;
    case '!':
      return FrameType::kBulkError;
    case '=':
      return FrameType::kVerbatim;
    case '%':
      return FrameType::kMap;
    case '~':
      return FrameType::kSet;
    case '>':
      return FrameType::kPush;
    case '|':
      return FrameType::kAttribute;
    default:
      return std::nullopt;
  }
}

/// The frame of a line that is a whole value by itself, or nullopt if it is not one.
std::optional<Frame> value_frame(FrameType type, std::string_view line) {
  switch (type) {
    case FrameType::kInteger: {
      if (line.starts_with('+')) {
        line.remove_prefix(1);
        if (line.starts_with('-')) {
          return std::nullopt;
        }
      }
      const auto value = parse_integer(line);
      return value ? std::optional(Frame::integer(*value)) : std::nullopt;
    }
    case FrameType::kDouble: {
      const auto value = parse_double(line);
      return value ? std::optional(Frame::number(*value)) : std::nullopt;
    }
    case FrameType::kBoolean:
      return line == "t" || line == "f" ? std::optional(Frame::boolean(line == "t")) : std::nullopt;
    case FrameType::kNull:
      return line.empty() ? std::optional(Frame::null()) : std::nullopt;
    default:
      return std::nullopt;
  }
}

}  // namespace

FrameParser::FrameParser(const FrameLimits& limits) : limits_(limits) {
  limits_.max_items = std::clamp<std::int64_t>(limits.max_items, 0, kMaxItems);
}

bool FrameParser::is_idle() const {
  return open_.empty() && !payload_ && scanned_ == 0 && !error_;
}

void FrameParser::reset() {
  open_.clear();
  payload_.reset();
  scanned_ = 0;
  hint_ = 1;
  error_.reset();
}

std::expected<std::optional<Frame>, FrameError> FrameParser::parse(BytesMut& buffer) {
  if (error_) {
    return std::unexpected(*error_);
  }
  while (true) {
    Frame frame;
    switch (payload_ ? parse_payload(buffer, frame) : parse_line(buffer, frame)) {
      case Progress::kWaiting:
        return std::nullopt;
      case Progress::kFailed:
        return std::unexpected(*error_);
      case Progress::kOpened:
        continue;
      case Progress::kFrame:
        if (add(frame)) {
          return frame;
        }
    }
  }
}

/// Puts `frame` where it belongs. Returns true, with the whole reply in `frame`, if that ends it.
bool FrameParser::add(Frame& frame) {
  while (!open_.empty()) {
    Aggregate& innermost = open_.back();
    innermost.items.push_back(std::move(frame));
    if (--innermost.left != 0) {
      return false;
    }
    frame = aggregate_frame(innermost.type, std::move(innermost.items));
    open_.pop_back();
  }
  return true;
}

FrameParser::Progress FrameParser::parse_line(BytesMut& buffer, Frame& frame) {
  if (buffer.empty()) {
    return wait_for(1);
  }
  const std::string_view input = buffer.view();
  const auto type = type_of(input[0]);
  if (!type) {
    return fail(FrameErrorCode::kUnknownType, "unknown reply type");
  }
  const bool is_long = input.size() - 1 > limits_.max_line;
  const std::size_t limit = is_long ? limits_.max_line + 2 : input.size();
  const std::size_t from = std::max<std::size_t>(scanned_, 1);
  const std::size_t end = input.substr(0, limit).find('\r', from);
  if (end == std::string_view::npos) {
    examined_ += limit - std::min(from, limit);
    scanned_ = limit;
    return is_long ? fail(FrameErrorCode::kLineTooLong, "a line of the reply is too long")
                   : wait_for(kCrlf);
  }
  examined_ += end + 1 - from;
  if (end + 1 == input.size()) {
    scanned_ = end;
    return wait_for(1);
  }
  if (input[end + 1] != '\n') {
    return fail(FrameErrorCode::kMissingLineBreak, "a carriage return without a line feed");
  }
  scanned_ = 0;
  examined_ += end;
  const std::string_view line = input.substr(1, end - 1);
  Progress progress = Progress::kFrame;
  switch (*type) {
    case FrameType::kSimple:
    case FrameType::kError:
    case FrameType::kBigNumber:
      return take_text(buffer, *type, line.size(), frame);
    case FrameType::kBulk:
      if (line == "-1") {
        break;  // null
      }
      [[fallthrough]];
    case FrameType::kBulkError:
    case FrameType::kVerbatim:
      progress = open_payload(*type, line);
      break;
    case FrameType::kArray:
      if (line == "-1") {
        break;  // null
      }
      [[fallthrough]];
    case FrameType::kMap:
    case FrameType::kSet:
    case FrameType::kPush:
    case FrameType::kAttribute:
      progress = open_aggregate(*type, line, frame);
      break;
    default: {
      std::optional<Frame> value = value_frame(*type, line);
      if (!value) {
        return fail(FrameErrorCode::kInvalidValue, "a value of the reply is malformed");
      }
      frame = std::move(*value);
    }
  }
  if (progress != Progress::kFailed) {
    buffer.advance(end + kCrlf);
  }
  return progress;
}

FrameParser::Progress FrameParser::take_text(BytesMut& buffer, FrameType type, std::size_t size,
                                             Frame& frame) {
  const std::string_view text = buffer.view().substr(1, size);
  if (type == FrameType::kBigNumber && !is_big_number(text)) {
    return fail(FrameErrorCode::kInvalidValue, "a value of the reply is malformed");
  }
  if (type == FrameType::kSimple && text == "OK") {
    // The commonest reply of all need not keep the read buffer alive.
    frame = Frame::simple(Bytes::from_static("OK"));
    buffer.advance(1 + size + kCrlf);
    return Progress::kFrame;
  }
  buffer.advance(1);
  frame = text_frame(type, buffer.split_to(size).freeze());
  buffer.advance(kCrlf);
  return Progress::kFrame;
}

FrameParser::Progress FrameParser::open_payload(FrameType type, std::string_view digits) {
  const auto size = parse_integer(digits);
  if (!size || *size < 0) {
    return fail(FrameErrorCode::kInvalidLength, "the length of a string is invalid");
  }
  if (static_cast<std::uint64_t>(*size) > limits_.max_bulk) {
    return fail(FrameErrorCode::kBulkTooLong, "a string of the reply is too long");
  }
  payload_ = Payload{type, static_cast<std::size_t>(*size)};
  return Progress::kOpened;
}

FrameParser::Progress FrameParser::open_aggregate(FrameType type, std::string_view digits,
                                                  Frame& frame) {
  const auto count = parse_integer(digits);
  if (!count || *count < 0) {
    return fail(FrameErrorCode::kInvalidLength, "the length of an aggregate is invalid");
  }
  if (*count > limits_.max_items) {
    return fail(FrameErrorCode::kTooManyItems, "the reply has too many elements");
  }
  if (open_.size() >= limits_.max_depth) {
    return fail(FrameErrorCode::kTooDeep, "the reply is nested too deeply");
  }
  auto left = static_cast<std::size_t>(*count);
  if (type == FrameType::kMap) {
    left *= 2;
  } else if (type == FrameType::kAttribute) {
    left = left * 2 + 1;  // and what it describes
  }
  if (left == 0) {
    frame = aggregate_frame(type, {});
    return Progress::kFrame;
  }
  Aggregate& opened = open_.emplace_back(Aggregate{type, left, {}});
  opened.items.reserve(std::min(left, kMaxPreallocatedItems));
  return Progress::kOpened;
}

FrameParser::Progress FrameParser::parse_payload(BytesMut& buffer, Frame& frame) {
  const std::size_t size = payload_->size;
  if (buffer.size() < size + kCrlf) {
    return wait_for(size + kCrlf - buffer.size());
  }
  const std::string_view payload = buffer.view().substr(0, size);
  if (buffer.view().substr(size, kCrlf) != "\r\n") {
    return fail(FrameErrorCode::kMissingLineBreak, "a string does not end where it should");
  }
  if (payload_->type == FrameType::kVerbatim && !is_verbatim(payload)) {
    return fail(FrameErrorCode::kInvalidValue, "a verbatim string has no format");
  }
  frame = text_frame(payload_->type, buffer.split_to(size).freeze());
  buffer.advance(kCrlf);
  payload_.reset();
  return Progress::kFrame;
}

FrameParser::Progress FrameParser::wait_for(std::size_t bytes) {
  hint_ = bytes;
  return Progress::kWaiting;
}

FrameParser::Progress FrameParser::fail(FrameErrorCode code, std::string_view message) {
  error_ = FrameError{code, std::string(message)};
  return Progress::kFailed;
}

}  // namespace ringo::protocol
