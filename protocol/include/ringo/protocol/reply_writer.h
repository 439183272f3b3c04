// SPDX-License-Identifier: MIT
//
// ReplyWriter: appends replies to an output buffer, in the version that the client speaks.
// One call is one element; an aggregate is its header followed by its elements:
//
//   ReplyWriter reply(out, RespVersion::kResp3);
//   reply.map(1);
//   reply.bulk("server");
//   reply.bulk("ringo");
//
// What RESP3 adds is written to a RESP2 client in the form that Redis uses there.
// Thread safety: none; a writer and its buffer belong to one thread at a time.
#pragma once

#include <ringo/bytes.h>
#include <ringo/protocol/resp.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace ringo::protocol {

class ReplyWriter {
 public:
  /// `out` must outlive the writer. What it holds already stays in front.
  explicit ReplyWriter(BytesMut& out, RespVersion version = RespVersion::kResp2)
      : out_(&out), version_(version) {}

  RespVersion version() const { return version_; }
  /// For `HELLO`, whose own reply is in the new version already.
  void set_version(RespVersion version) { version_ = version; }
  BytesMut& out() { return *out_; }

  void ok() { raw("+OK\r\n"); }

  /// A status such as "PONG". CR and LF become spaces.
  void simple(std::string_view text) { line('+', text); }

  /// An error with its code, such as "ERR syntax error". CR and LF become spaces.
  void error(std::string_view text) { line('-', text); }

  void integer(std::int64_t value) {
    char* const start = out_->prepare(kMaxHeader);
    start[0] = ':';
    finish(start, format_integer(start + 1, value));
  }

  void bulk(std::string_view bytes) {
    char* const start = out_->prepare(kMaxHeader + bytes.size() + 2);
    char* at = put_crlf(put_length(start, '$', bytes.size()));
    if (!bytes.empty()) {
      std::memcpy(at, bytes.data(), bytes.size());
    }
    finish(start, at + bytes.size());
  }

  /// An integer as a bulk string, as GET of a counter.
  void bulk_integer(std::int64_t value) {
    char digits[kMaxIntegerChars];
    const char* end = format_integer(digits, value);
    bulk({digits, static_cast<std::size_t>(end - digits)});
  }

  /// A bulk in pieces: the header, raw() pieces of `size` bytes in all, then bulk_end().
  void bulk_header(std::size_t size) { header('$', size); }
  void bulk_end() { raw("\r\n"); }

  /// Bytes that are encoded already.
  void raw(std::string_view encoded) { out_->append(encoded); }

  /// "$-1" in RESP2, "_" in RESP3.
  void null() { raw(version_ == RespVersion::kResp2 ? "$-1\r\n" : "_\r\n"); }
  /// "*-1" in RESP2, "_" in RESP3.
  void null_array() { raw(version_ == RespVersion::kResp2 ? "*-1\r\n" : "_\r\n"); }

  /// Followed by `count` elements.
  void array(std::size_t count) { header('*', count); }
  /// Followed by `count` keys, each with its value. An array of both in RESP2.
  void map(std::size_t count) {
    version_ == RespVersion::kResp2 ? header('*', 2 * count) : header('%', count);
  }
  /// An array in RESP2.
  void set(std::size_t count) { aggregate('~', count); }
  /// Out-of-band data. An array in RESP2.
  void push(std::size_t count) { aggregate('>', count); }

  /// Describes the reply that follows its `count` keys and values. Requires: RESP3; a RESP2 client
  /// would take it for the reply.
  void attribute(std::size_t count) { header('|', count); }

  /// An error of any bytes. A line in RESP2, as error().
  void bulk_error(std::string_view text);

  /// The integer 1 or 0 in RESP2.
  void boolean(bool value) {
    if (version_ == RespVersion::kResp2) {
      raw(value ? ":1\r\n" : ":0\r\n");
    } else {
      raw(value ? "#t\r\n" : "#f\r\n");
    }
  }
  /// A bulk string in RESP2.
  void number(double value);
  /// `digits` is an integer of any length; CR and LF become spaces. A bulk string in RESP2.
  void big_number(std::string_view digits);
  /// `format` has three characters, such as "txt". A bulk string without it in RESP2.
  void verbatim(std::string_view format, std::string_view text);

 private:
  static constexpr std::size_t kMaxHeader = 1 + kMaxIntegerChars + 2;

  static char* put_crlf(char* at) {
    std::memcpy(at, "\r\n", 2);
    return at + 2;
  }
  static char* put_length(char* at, char type, std::size_t length) {
    *at = type;
    if (length < 10) {
      at[1] = static_cast<char>('0' + length);
      return at + 2;
    }
    if (length < 100) {
      at[1] = static_cast<char>('0' + length / 10);
      at[2] = static_cast<char>('0' + length % 10);
      return at + 3;
    }
    return format_integer(at + 1, static_cast<std::uint64_t>(length));
  }
  /// Ends the element that begins at `start` and has been written up to `at`.
  void finish(char* start, char* at) {
    out_->commit(static_cast<std::size_t>(put_crlf(at) - start));
  }
  void header(char type, std::size_t length) {
    char* const start = out_->prepare(kMaxHeader);
    finish(start, put_length(start, type, length));
  }
  void aggregate(char resp3_type, std::size_t count) {
    header(version_ == RespVersion::kResp2 ? '*' : resp3_type, count);
  }
  void line(char type, std::string_view text);

  BytesMut* out_;
  RespVersion version_;
};

}  // namespace ringo::protocol
