// SPDX-License-Identifier: MIT
//
// The request parser in two halves. parse_whole() takes the usual case: the whole array is in the
// buffer; it keeps no state and reports nothing but success. It comes twice: with lengths up to two
// digits and no calls at all, and with any. Everything else, partial input, inline commands and
// every error, is resume()'s, which keeps its progress:
//
//   start --'*'--> array header --> [ bulk header --> payload ]... --> kRequest
//     \--other--> inline line ------------------------------------------^
//
// Thread safety: see ringo/protocol/request_parser.h.
#include <ringo/protocol/request_parser.h>
#include <ringo/protocol/resp.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "inline_words.h"

namespace ringo::protocol {
namespace {

constexpr std::size_t kCrlf = 2;
constexpr std::size_t kMinArgs = 8;       // slots of the first allocation: most commands fit
constexpr std::size_t kShortestBulk = 6;  // "$0\r\n\r\n"
constexpr std::size_t kTwoDigitLength = 99;
constexpr std::size_t kMaxFastDigits = 10;  // of a length; more is resume()'s to refuse

std::uint32_t load32(const char* at) {
  std::uint32_t word = 0;
  std::memcpy(&word, at, sizeof(word));
  return word;
}

constexpr std::uint32_t word_of(std::array<unsigned char, 4> bytes) {
  return std::bit_cast<std::uint32_t>(bytes);
}

unsigned digit(char c) {
  return static_cast<unsigned char>(c) - unsigned{'0'};
}

/// Reads the length of "$123\r\n", whatever its first character is, and moves `at` behind it; false
/// for anything unusual.
[[gnu::noinline]] bool read_length(const char*& at, const char* end, std::size_t& length) {
  const char* const start = ++at;
  const char* const last =
      at + std::min<std::size_t>(static_cast<std::size_t>(end - at), kMaxFastDigits + 1);
  std::size_t value = 0;
  while (at != last && digit(*at) <= 9) {
    value = value * 10 + digit(*at++);
  }
  const auto digits = static_cast<std::size_t>(at - start);
  if (digits == 0 || digits > kMaxFastDigits || (*start == '0' && digits > 1) ||
      static_cast<std::size_t>(end - at) < kCrlf || at[0] != '\r' || at[1] != '\n') {
    return false;
  }
  length = value;
  at += kCrlf;
  return true;
}

}  // namespace

RequestParser::RequestParser(const RequestLimits& limits) : limits_(limits) {
  lift_restrictions();
}

void RequestParser::restrict_unauthenticated() {
  is_restricted_ = true;
  set_limits(std::min(limits_.max_args, limits_.max_args_before_auth),
             std::min(limits_.max_bulk, limits_.max_bulk_before_auth));
}

void RequestParser::lift_restrictions() {
  is_restricted_ = false;
  set_limits(limits_.max_args, limits_.max_bulk);
}

void RequestParser::set_limits(std::int64_t max_args, std::size_t max_bulk) {
  // parse_whole() does not compare lengths of two digits; with limits so small it takes nothing.
  const std::int64_t most = max_bulk < kTwoDigitLength ? 0 : std::int64_t{kMaxPreallocatedArgs};
  whole_max_args_ = static_cast<std::size_t>(std::clamp<std::int64_t>(max_args, 0, most));
  whole_max_bulk_ = max_bulk;
}

void RequestParser::reset() {
  error_.clear();
  args_size_ = 0;
  consumed_ = 0;
  hint_ = 1;
  begin_request(0);
  is_fresh_ = true;
}

template <RequestParser::Lengths kLengths>
[[gnu::always_inline]] inline bool RequestParser::parse_whole(std::string_view input) {
  // "*1\r\n" with the digits masked out: one comparison for a whole header.
  constexpr std::uint32_t kOneDigit = word_of({0xff, 0x00, 0xff, 0xff});
  constexpr std::uint32_t kTwoDigits = word_of({0x00, 0x00, 0xff, 0xff});
  constexpr bool kAnyLength = kLengths == Lengths::kAny;

  const char* at = input.data();
  const char* const end = at + input.size();
  if (input.size() < 4 + kShortestBulk || *at != '*') {
    return false;
  }
  std::size_t count = digit(at[1]);
  if ((load32(at) & kOneDigit) == word_of({'*', 0, '\r', '\n'}) && count <= 9) [[likely]] {
    at += 4;
  } else if (!kAnyLength || !read_length(at, end, count)) {
    return false;
  }
  if (count - 1 >= whole_max_args_) {
    return false;  // too many, or none
  }
  // In one comparison: too few slots, or so many more than needed that they should go.
  if (args_capacity_ - count > kMaxPreallocatedArgs) [[unlikely]] {
    if (!kAnyLength) {
      return false;
    }
    claim_args(count);
  }
  std::string_view* arg = args_.get();
  for (const std::string_view* const last = arg + count; arg != last; ++arg) {
    if (end - at < std::ptrdiff_t{kShortestBulk}) {
      return false;
    }
    std::size_t size = digit(at[1]);
    if ((load32(at) & kOneDigit) == word_of({'$', 0, '\r', '\n'}) && size <= 9) {
      at += 4;
    } else if (*at == '$' && (load32(at + 1) & kTwoDigits) == word_of({0, 0, '\r', '\n'}) &&
               size - 1 < 9 && digit(at[2]) <= 9) {
      size = size * 10 + digit(at[2]);
      at += 5;
    } else if (!kAnyLength || *at != '$' || !read_length(at, end, size) || size > whole_max_bulk_) {
      return false;
    }
    // The line break after the payload is skipped unseen, as Redis does.
    if (end - at < static_cast<std::ptrdiff_t>(size + kCrlf)) {
      return false;
    }
    *arg = std::string_view(at, size);
    at += size + kCrlf;
  }
  args_size_ = count;
  consumed_ = static_cast<std::size_t>(at - input.data());
  return true;
}

ParseStatus RequestParser::parse(std::string_view input) {
  // Fresh means at most once per request: a partial one leaves progress behind for resume().
  if (is_fresh_ && parse_whole<Lengths::kTwoDigits>(input)) [[likely]] {
    return ParseStatus::kRequest;
  }
  return parse_uncommon(input);  // a tail call, so that the common case needs no stack frame
}

ParseStatus RequestParser::parse_uncommon(std::string_view input) {
  if (is_fresh_ && parse_whole<Lengths::kAny>(input)) {
    return ParseStatus::kRequest;
  }
  return resume(input);
}

ParseStatus RequestParser::resume(std::string_view input) {
  args_size_ = 0;
  consumed_ = 0;
  if (!error_.empty()) {
    return ParseStatus::kError;
  }
  if (input.size() < std::max(offset_, scanned_)) {
    std::fputs("ringo: RequestParser::parse: the input has lost bytes that it had\n", stderr);
    std::abort();
  }
  unquoted_.reset();
  Step result;
  while (!result) {
    if (args_left_ != 0) {
      result = bulk_size_ == kNoBulk ? parse_bulk_header(input) : parse_payload(input);
    } else if (offset_ == input.size()) {
      result = need_more(1);
    } else {
      result = input[offset_] == '*' ? parse_array_header(input) : parse_inline(input);
    }
  }
  return *result;
}

RequestParser::Step RequestParser::parse_array_header(std::string_view input) {
  std::size_t end = 0;
  switch (find_line(input, '\r', end)) {
    case Line::kPartial:
      return need_more(1);
    case Line::kTooLong:
      return fail("too big mbulk count string");
    case Line::kFound:
      break;
  }
  const auto count = parse_integer(input.substr(offset_ + 1, end - offset_ - 1));
  if (!count || *count > limits_.max_args) {
    return fail("invalid multibulk length");
  }
  if (is_restricted_ && *count > limits_.max_args_before_auth) {
    return fail("unauthenticated multibulk length");
  }
  offset_ = end + kCrlf;
  if (*count <= 0) {
    begin_request(offset_);  // skipped
    return std::nullopt;
  }
  args_left_ = *count;
  slices_.reserve(std::min(static_cast<std::size_t>(*count), kMaxPreallocatedArgs));
  return std::nullopt;
}

RequestParser::Step RequestParser::parse_bulk_header(std::string_view input) {
  std::size_t end = 0;
  switch (find_line(input, '\r', end)) {
    case Line::kPartial:
      return need_more(1);
    case Line::kTooLong:
      return fail("too big bulk count string");
    case Line::kFound:
      break;
  }
  if (input[offset_] != '$') {
    const char got = input[offset_];
    std::string reason = "expected '$', got '";
    reason += got == '\r' || got == '\n' ? ' ' : got;
    reason += '\'';
    return fail(reason);
  }
  const auto size = parse_integer(input.substr(offset_ + 1, end - offset_ - 1));
  if (!size || *size < 0 || static_cast<std::uint64_t>(*size) > limits_.max_bulk) {
    return fail("invalid bulk length");
  }
  if (is_restricted_ && static_cast<std::uint64_t>(*size) > limits_.max_bulk_before_auth) {
    return fail("unauthenticated bulk length");
  }
  offset_ = end + kCrlf;
  bulk_size_ = static_cast<std::size_t>(*size);
  return std::nullopt;
}

RequestParser::Step RequestParser::parse_payload(std::string_view input) {
  const std::size_t available = input.size() - offset_;
  if (available < bulk_size_ + kCrlf) {
    return need_more(bulk_size_ + kCrlf - available);
  }
  slices_.push_back({offset_, bulk_size_});
  offset_ += bulk_size_ + kCrlf;
  bulk_size_ = kNoBulk;
  if (--args_left_ != 0) {
    return std::nullopt;
  }
  publish(input);
  return ParseStatus::kRequest;
}

RequestParser::Step RequestParser::parse_inline(std::string_view input) {
  std::size_t end = 0;
  switch (find_line(input, '\n', end)) {
    case Line::kPartial:
      return need_more(1);
    case Line::kTooLong:
      return fail("too big inline request");
    case Line::kFound:
      break;
  }
  std::string_view line = input.substr(offset_, end - offset_);
  if (line.ends_with('\r')) {
    line.remove_suffix(1);
  }
  if (!split_inline(line)) {
    args_size_ = 0;
    return fail("unbalanced quotes in request");
  }
  begin_request(end + 1);
  if (args_size_ == 0) {
    return std::nullopt;  // skipped
  }
  offset_ = 0;
  scanned_ = 0;
  is_fresh_ = true;
  return ParseStatus::kRequest;
}

bool RequestParser::split_inline(std::string_view line) {
  const bool is_quoted = InlineWords::has_quotes(line);
  if (is_quoted) {
    unquoted_ = std::make_unique_for_overwrite<char[]>(line.size());  // quotes only make it shorter
  }
  InlineWords words(line, unquoted_.get());
  std::vector<std::string_view> found;
  while (words.skip_blanks()) {
    std::string_view word;
    if (!is_quoted) {
      word = words.read_plain();
    } else if (!words.read_quoted(word)) {
      return false;
    }
    found.push_back(word);
  }
  claim_args(found.size());
  std::ranges::copy(found, args_.get());
  args_size_ = found.size();
  return true;
}

RequestParser::Line RequestParser::find_line(std::string_view input, char terminator,
                                             std::size_t& end) {
  const std::size_t available = input.size() - offset_;
  const bool is_long = available > limits_.max_line;
  const std::size_t limit = is_long ? offset_ + limits_.max_line + 1 : input.size();
  const std::size_t from = std::max(offset_, scanned_);
  end = input.substr(0, limit).find(terminator, from);
  const bool is_found = end != std::string_view::npos;
  examined_ += (is_found ? end + 1 : limit) - from;
  if (!is_found) {
    scanned_ = limit;
    return is_long ? Line::kTooLong : Line::kPartial;
  }
  if (terminator == '\r' && end + 1 == input.size()) {
    scanned_ = end;  // the line feed is still to come
    return Line::kPartial;
  }
  examined_ += end - offset_;  // the line will now be read
  return Line::kFound;
}

RequestParser::Step RequestParser::need_more(std::size_t hint) {
  hint_ = hint;
  is_fresh_ = offset_ == consumed_ && scanned_ <= offset_;
  // The caller drops what was skipped. Arguments found in earlier calls exclude skipping in this
  // one, so each slice is moved once at most.
  offset_ -= consumed_;
  scanned_ -= std::min(scanned_, consumed_);
  if (consumed_ != 0) {
    for (Slice& slice : slices_) {
      slice.offset -= consumed_;
    }
  }
  return ParseStatus::kNeedMore;
}

RequestParser::Step RequestParser::fail(std::string_view reason) {
  error_ = "ERR Protocol error: ";
  error_ += reason;
  begin_request(0);
  return ParseStatus::kError;
}

void RequestParser::publish(std::string_view input) {
  claim_args(slices_.size());
  for (const Slice& slice : slices_) {
    args_[args_size_++] = input.substr(slice.offset, slice.size);
  }
  const std::size_t end = offset_;
  begin_request(0);
  consumed_ = end;
  is_fresh_ = true;
}

void RequestParser::begin_request(std::size_t offset) {
  consumed_ = offset;
  offset_ = offset;
  scanned_ = offset;
  args_left_ = 0;
  bulk_size_ = kNoBulk;
  is_fresh_ = false;
  if (slices_.capacity() > kMinArgs) {
    slices_ = {};  // an idle connection should not pay for one long request
  }
  slices_.clear();
}

void RequestParser::claim_args(std::size_t count) {
  if (args_capacity_ - count <= kMaxPreallocatedArgs) {
    return;
  }
  args_capacity_ = std::bit_ceil(std::max(count, kMinArgs));
  args_ = std::make_unique_for_overwrite<std::string_view[]>(args_capacity_);
}

}  // namespace ringo::protocol
