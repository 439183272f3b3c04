// SPDX-License-Identifier: MIT
//
// Frame: one value of the protocol, as a client receives it, with everything that is nested in it.
// Text is held as Bytes, usually slices of the read buffer; who keeps a small one for long should
// keep Bytes::copy_from() of it.
//
// Thread safety: as a std::vector; distinct frames may be used on different threads.
#pragma once

#include <ringo/bytes.h>
#include <ringo/protocol/resp.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace ringo::protocol {

enum class FrameType : std::uint8_t {
  kNull,       // RESP2 "$-1" and "*-1", RESP3 "_"
  kSimple,     // "+OK"
  kError,      // "-ERR text"
  kInteger,    // ":1"
  kBulk,       // "$5" and bytes
  kArray,      // "*2" and elements
  kBoolean,    // RESP3 from here on: "#t"
  kDouble,     // ",1.5"
  kBigNumber,  // "(123456789012345678901234567890"
  kBulkError,  // "!21" and bytes
  kVerbatim,   // "=15" and "txt:" and bytes
  kMap,        // "%1", a key and its value
  kSet,        // "~2" and elements
  kPush,       // ">2" and elements: out-of-band data
  kAttribute,  // "|1", a key and its value, and then the reply that they describe
};

class Frame {
 public:
  /// Null.
  Frame() noexcept = default;

  static Frame null() { return {}; }
  static Frame simple(Bytes text) { return {FrameType::kSimple, std::move(text)}; }
  static Frame error(Bytes text) { return {FrameType::kError, std::move(text)}; }
  static Frame integer(std::int64_t value) { return {FrameType::kInteger, value}; }
  static Frame bulk(Bytes bytes) { return {FrameType::kBulk, std::move(bytes)}; }
  static Frame array(std::vector<Frame> items) { return {FrameType::kArray, std::move(items)}; }
  static Frame boolean(bool value) { return {FrameType::kBoolean, value}; }
  static Frame number(double value) { return {FrameType::kDouble, value}; }
  static Frame big_number(Bytes digits) { return {FrameType::kBigNumber, std::move(digits)}; }
  static Frame bulk_error(Bytes text) { return {FrameType::kBulkError, std::move(text)}; }
  /// `content` begins with the format and a colon: "txt:Some string".
  static Frame verbatim(Bytes content) { return {FrameType::kVerbatim, std::move(content)}; }
  /// Keys and values in turn; an even number.
  static Frame map(std::vector<Frame> items) { return {FrameType::kMap, std::move(items)}; }
  static Frame set(std::vector<Frame> items) { return {FrameType::kSet, std::move(items)}; }
  static Frame push(std::vector<Frame> items) { return {FrameType::kPush, std::move(items)}; }
  /// Keys and values in turn, and the reply that they describe.
  static Frame attribute(std::vector<Frame> items, Frame described);

  FrameType type() const { return type_; }
  bool is_null() const { return type_ == FrameType::kNull; }
  bool is_error() const { return type_ == FrameType::kError || type_ == FrameType::kBulkError; }
  bool is_aggregate() const { return std::holds_alternative<std::vector<Frame>>(value_); }

  /// The value, if the frame is of that type.
  std::optional<std::int64_t> as_integer() const;
  std::optional<double> as_double() const;
  std::optional<bool> as_boolean() const;
  /// Of Simple, Error, Bulk, BulkError, BigNumber and Verbatim, the last without its format.
  std::optional<std::string_view> as_text() const;
  /// The same, sharing the storage.
  std::optional<Bytes> as_bytes() const;

  /// "txt" of a Verbatim; else empty.
  std::string_view verbatim_format() const;

  /// The elements of an aggregate, keys and values in turn of a Map or an Attribute; else empty.
  std::span<const Frame> items() const;
  /// Moves the elements out.
  std::vector<Frame> take_items() &&;

  /// What an Attribute describes, which may be an Attribute again; else this frame.
  const Frame& described() const;
  /// The reply itself, behind all attributes.
  const Frame& without_attributes() const;

  /// As redis-cli shows it, for logs and tests. Without a line break at the end.
  std::string to_string() const;

  /// Same type and same value. NaN differs from itself.
  friend bool operator==(const Frame&, const Frame&) = default;

 private:
  using Value = std::variant<std::monostate, std::int64_t, double, bool, Bytes, std::vector<Frame>>;

  Frame(FrameType type, Value value) : type_(type), value_(std::move(value)) {}

  FrameType type_ = FrameType::kNull;
  Value value_;  // of an Attribute: its items, with what it describes as the last
};

static_assert(std::is_nothrow_move_constructible_v<Frame>);  // else vectors of them would copy

/// Appends `frame` in the form for a peer that speaks `version`; see ReplyWriter for how RESP2 gets
/// what it does not have. RESP2 gets no attributes. CR and LF in one-line types become spaces.
void encode(const Frame& frame, BytesMut& out, RespVersion version = RespVersion::kResp3);

/// Appends a request: an array of bulk strings.
void encode_command(BytesMut& out, std::span<const std::string_view> args);

}  // namespace ringo::protocol
