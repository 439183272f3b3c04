// SPDX-License-Identifier: MIT
//
// RequestParser: the server's side of the wire. Finds requests, RESP arrays of bulk strings or
// inline commands, in a contiguous buffer that grows at its end. Nothing is copied: arguments point
// into the buffer. Nothing is read twice: on partial input the progress is kept, so the work is
// linear in the bytes, however they are cut.
//
//   std::string_view input = buffer;                  // begins where the last call left off
//   while (parser.parse(input) == ParseStatus::kRequest) {
//     execute(parser.args());
//     input.remove_prefix(parser.consumed());
//   }                                                 // then consumed(), and hint() or error()
//
// Grammar, limits and error texts are those of Redis 7 (networking.c).
// Thread safety: none; a parser and its buffer belong to one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringo::protocol {

enum class ParseStatus : std::uint8_t {
  kNeedMore,  // no whole request yet; hint() says how many bytes are missing at least
  kRequest,   // args() is a request of one argument or more
  kError,     // error() is to be sent to the client, and the connection to be closed
};

/// Limits of one request, in bytes unless said otherwise. A request beyond one is an error with
/// the text of Redis. The total size of a request is for the owner of the buffer to limit
/// (Redis: client-query-buffer-limit, 1 GiB, then it closes the connection).
struct RequestLimits {
  std::size_t max_bulk = std::size_t{512} * 1024 * 1024;             // proto-max-bulk-len
  std::int64_t max_args = std::numeric_limits<std::int32_t>::max();  // arguments of a request
  std::size_t max_line = std::size_t{64} * 1024;  // inline request, or a length's digits
  std::int64_t max_args_before_auth = 10;         // see restrict_unauthenticated()
  std::size_t max_bulk_before_auth = 16 * 1024;   // likewise
};

class RequestParser {
 public:
  /// Argument slots that a request may claim before their bytes have arrived.
  static constexpr std::size_t kMaxPreallocatedArgs = 1024;

  explicit RequestParser(const RequestLimits& limits = {});

  /// Looks for the next request.
  ///
  /// Requires: `input` begins with the first byte that is not consumed and holds at least all bytes
  /// shown before; it may have moved. *After every call*, whatever it returned, the first
  /// consumed() bytes are to be dropped: empty requests ("*0", "*-1", an empty line) are skipped
  /// without notice, also in front of a request that is still incomplete.
  ///
  /// After kError it returns kError until reset().
  ///
  /// Complexity: O(1) per byte over all calls; bulk payloads are not looked at.
  ParseStatus parse(std::string_view input);

  /// The request, command name first. Valid after kRequest until the bytes are dropped or moved,
  /// or the parser is called again.
  std::span<const std::string_view> args() const { return {args_.get(), args_size_}; }

  /// How many bytes at the front of the input of the last call are done with.
  std::size_t consumed() const { return consumed_; }

  /// After kNeedMore: no request can be complete before so many more bytes have come; at least 1.
  /// Up to the bulk limit, so that a large value can be read straight into reserved room.
  std::size_t hint() const { return hint_; }

  /// After kError: the text as Redis sends it, such as "ERR Protocol error: invalid bulk length",
  /// without the "-" and the line break.
  std::string_view error() const { return error_; }

  /// A client that has to authenticate first gets small limits until it has (the *_before_auth
  /// fields), so that strangers cannot make the server reserve much.
  void restrict_unauthenticated();
  void lift_restrictions();

  /// Forgets all progress, as for a new connection. Limits and restrictions stay.
  void reset();

  /// How many bytes the slow path has read since construction, each time that it read one counted.
  /// For tests, which prove by it that the work is linear.
  std::uint64_t bytes_examined() const { return examined_; }

 private:
  struct Slice {
    std::size_t offset;
    std::size_t size;
  };
  enum class Line : std::uint8_t { kFound, kPartial, kTooLong };
  enum class Lengths : std::uint8_t { kTwoDigits, kAny };
  using Step = std::optional<ParseStatus>;  // nullopt: go on

  template <Lengths kLengths>
  bool parse_whole(std::string_view input);
  ParseStatus parse_uncommon(std::string_view input);
  ParseStatus resume(std::string_view input);
  Step parse_array_header(std::string_view input);
  Step parse_bulk_header(std::string_view input);
  Step parse_payload(std::string_view input);
  Step parse_inline(std::string_view input);
  bool split_inline(std::string_view line);
  Line find_line(std::string_view input, char terminator, std::size_t& end);
  Step need_more(std::size_t hint);
  Step fail(std::string_view reason);
  void publish(std::string_view input);
  void begin_request(std::size_t offset);
  void claim_args(std::size_t count);
  void set_limits(std::int64_t max_args, std::size_t max_bulk);

  static constexpr std::size_t kNoBulk = std::numeric_limits<std::size_t>::max();

  // Limits: as given, and what parse_whole() may take without a second look.
  RequestLimits limits_;
  bool is_restricted_ = false;
  std::size_t whole_max_args_ = 0;
  std::size_t whole_max_bulk_ = 0;

  // Results of the last call.
  std::unique_ptr<std::string_view[]> args_;
  std::size_t args_size_ = 0;
  std::size_t args_capacity_ = 0;
  std::size_t consumed_ = 0;
  std::size_t hint_ = 1;
  std::string error_;                 // not empty: the parser has failed
  std::unique_ptr<char[]> unquoted_;  // arguments of an inline request that had quotes

  // Progress of a request that is not whole. Offsets count from the start of the input; before
  // resume() returns they are made to count from the first unconsumed byte.
  bool is_fresh_ = true;             // no byte of the request has been seen
  std::size_t offset_ = 0;           // of the line or payload that is next
  std::size_t scanned_ = 0;          // no end of that line in front of this offset
  std::int64_t args_left_ = 0;       // of an array; 0: its header has not come
  std::size_t bulk_size_ = kNoBulk;  // of the payload at offset_; kNoBulk: its header has not come
  std::vector<Slice> slices_;        // arguments of the array so far
  std::uint64_t examined_ = 0;
};

}  // namespace ringo::protocol
