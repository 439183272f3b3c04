// SPDX-License-Identifier: MIT
//
// Frames: access, encoding, and the text form. Recursion is as deep as the frame is nested, which
// FrameParser limits.
//
// Thread safety: see ringo/protocol/frame.h.
#include <ringo/bytes.h>
#include <ringo/protocol/frame.h>
#include <ringo/protocol/reply_writer.h>
#include <ringo/protocol/resp.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace ringo::protocol {
namespace {

constexpr std::size_t kFormatSize = 3;  // "txt" of "txt:Some string"

/// As redis-cli: printable characters as they are, others escaped.
void append_quoted(std::string& out, std::string_view text) {
  constexpr std::string_view kPlain = "\"\\\n\r\t\a\b";
  constexpr std::string_view kEscaped = "\"\\nrtab";
  out += '"';
  for (const char c : text) {
    if (const std::size_t at = kPlain.find(c); at != std::string_view::npos) {
      out += '\\';
      out += kEscaped[at];
    } else if (c >= ' ' && c <= '~') {
      out += c;
    } else {
      char hex[5];
      std::snprintf(hex, sizeof(hex), "\\x%02x", static_cast<unsigned char>(c));
      out += hex;
    }
  }
  out += '"';
}

char marker_of(FrameType type) {
  switch (type) {
    case FrameType::kMap:
    case FrameType::kAttribute:
      return '#';
    case FrameType::kSet:
      return '~';
    case FrameType::kPush:
      return '>';
    default:
      return ')';
  }
}

std::string_view name_of(FrameType type) {
  switch (type) {
    case FrameType::kMap:
      return "hash";
    case FrameType::kAttribute:
      return "attribute";
    case FrameType::kSet:
      return "set";
    case FrameType::kPush:
      return "push";
    default:
      return "array";
  }
}

void append_frame(std::string& out, const Frame& frame, std::size_t indent);

/// "1) first" and "2) second", nested ones indented behind the number of their parent.
void append_items(std::string& out, const Frame& frame, std::size_t indent) {
  const std::span<const Frame> items = frame.items();
  const bool is_map = frame.type() == FrameType::kMap || frame.type() == FrameType::kAttribute;
  if (items.empty()) {
    out += "(empty " + std::string(name_of(frame.type())) + ")";
  }
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (is_map && i % 2 == 1) {
      out += " => ";
      append_frame(out, items[i], indent + 4);
      continue;
    }
    if (i != 0) {
      out += '\n';
      out.append(indent, ' ');
    }
    const std::string number =
        std::to_string((is_map ? i / 2 : i) + 1) + marker_of(frame.type()) + ' ';
    out += number;
    append_frame(out, items[i], indent + number.size());
  }
}

void append_number(std::string& out, double value) {
  char text[kMaxDoubleChars];
  out.append(text, format_double(text, value));
}

void append_frame(std::string& out, const Frame& frame, std::size_t indent) {
  switch (frame.type()) {
    case FrameType::kNull:
      out += "(nil)";
      break;
    case FrameType::kSimple:
    case FrameType::kVerbatim:
      out += *frame.as_text();
      break;
    case FrameType::kError:
    case FrameType::kBulkError:
      out += "(error) ";
      out += *frame.as_text();
      break;
    case FrameType::kInteger:
      out += "(integer) " + std::to_string(*frame.as_integer());
      break;
    case FrameType::kBulk:
      append_quoted(out, *frame.as_text());
      break;
    case FrameType::kBoolean:
      out += *frame.as_boolean() ? "(true)" : "(false)";
      break;
    case FrameType::kDouble:
      out += "(double) ";
      append_number(out, *frame.as_double());
      break;
    case FrameType::kBigNumber:
      out += "(big number) ";
      out += *frame.as_text();
      break;
    case FrameType::kAttribute:
      append_items(out, frame, indent);
      out += '\n';
      out.append(indent, ' ');
      append_frame(out, frame.described(), indent);
      break;
    case FrameType::kArray:
    case FrameType::kMap:
    case FrameType::kSet:
    case FrameType::kPush:
      append_items(out, frame, indent);
      break;
  }
}

void encode_items(std::span<const Frame> items, ReplyWriter& writer);

void encode_frame(const Frame& frame, ReplyWriter& writer) {
  const std::span<const Frame> items = frame.items();
  switch (frame.type()) {
    case FrameType::kNull:
      return writer.null();
    case FrameType::kSimple:
      return writer.simple(*frame.as_text());
    case FrameType::kError:
      return writer.error(*frame.as_text());
    case FrameType::kInteger:
      return writer.integer(*frame.as_integer());
    case FrameType::kBulk:
      return writer.bulk(*frame.as_text());
    case FrameType::kBoolean:
      return writer.boolean(*frame.as_boolean());
    case FrameType::kDouble:
      return writer.number(*frame.as_double());
    case FrameType::kBigNumber:
      return writer.big_number(*frame.as_text());
    case FrameType::kBulkError:
      return writer.bulk_error(*frame.as_text());
    case FrameType::kVerbatim:
      return writer.verbatim(frame.verbatim_format(), *frame.as_text());
    case FrameType::kArray:
      writer.array(items.size());
      break;
    case FrameType::kMap:
      writer.map(items.size() / 2);
      break;
    case FrameType::kSet:
      writer.set(items.size());
      break;
    case FrameType::kPush:
      writer.push(items.size());
      break;
    case FrameType::kAttribute:
      if (writer.version() == RespVersion::kResp3) {
        writer.attribute(items.size() / 2);
        encode_items(items, writer);
      }
      return encode_frame(frame.described(), writer);
  }
  encode_items(items, writer);
}

void encode_items(std::span<const Frame> items, ReplyWriter& writer) {
  for (const Frame& item : items) {
    encode_frame(item, writer);
  }
}

}  // namespace

Frame Frame::attribute(std::vector<Frame> items, Frame described) {
  items.push_back(std::move(described));
  return {FrameType::kAttribute, std::move(items)};
}

std::optional<std::int64_t> Frame::as_integer() const {
  const auto* value = std::get_if<std::int64_t>(&value_);
  return value == nullptr ? std::nullopt : std::optional(*value);
}

std::optional<double> Frame::as_double() const {
  const auto* value = std::get_if<double>(&value_);
  return value == nullptr ? std::nullopt : std::optional(*value);
}

std::optional<bool> Frame::as_boolean() const {
  const auto* value = std::get_if<bool>(&value_);
  return value == nullptr ? std::nullopt : std::optional(*value);
}

std::optional<std::string_view> Frame::as_text() const {
  const auto* bytes = std::get_if<Bytes>(&value_);
  if (bytes == nullptr) {
    return std::nullopt;
  }
  std::string_view text = *bytes;
  if (type_ == FrameType::kVerbatim) {
    text.remove_prefix(std::min(text.size(), kFormatSize + 1));
  }
  return text;
}

std::optional<Bytes> Frame::as_bytes() const {
  const auto* bytes = std::get_if<Bytes>(&value_);
  return bytes == nullptr ? std::nullopt : std::optional(bytes->slice_ref(*as_text()));
}

std::string_view Frame::verbatim_format() const {
  return type_ == FrameType::kVerbatim ? std::get<Bytes>(value_).view().substr(0, kFormatSize)
                                       : std::string_view();
}

std::span<const Frame> Frame::items() const {
  const auto* items = std::get_if<std::vector<Frame>>(&value_);
  if (items == nullptr) {
    return {};
  }
  return std::span(*items).first(items->size() - (type_ == FrameType::kAttribute ? 1 : 0));
}

std::vector<Frame> Frame::take_items() && {
  auto* items = std::get_if<std::vector<Frame>>(&value_);
  if (items == nullptr) {
    return {};
  }
  std::vector<Frame> taken = std::move(*items);
  if (type_ == FrameType::kAttribute) {
    taken.pop_back();
  }
  *this = Frame();
  return taken;
}

const Frame& Frame::described() const {
  return type_ == FrameType::kAttribute ? std::get<std::vector<Frame>>(value_).back() : *this;
}

const Frame& Frame::without_attributes() const {
  const Frame* frame = this;
  while (frame->type_ == FrameType::kAttribute) {
    frame = &frame->described();
  }
  return *frame;
}

std::string Frame::to_string() const {
  std::string out;
  append_frame(out, *this, 0);
  return out;
}

void encode(const Frame& frame, BytesMut& out, RespVersion version) {
  ReplyWriter writer(out, version);
  encode_frame(frame, writer);
}

void encode_command(BytesMut& out, std::span<const std::string_view> args) {
  ReplyWriter writer(out);
  writer.array(args.size());
  for (const std::string_view arg : args) {
    writer.bulk(arg);
  }
}

}  // namespace ringo::protocol
