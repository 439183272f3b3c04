// SPDX-License-Identifier: MIT
//
// Fuzzes the request parser: the same bytes, whole and in pieces, must give the same requests, the
// same error and the same rest. The first byte chooses the pieces, the limits and the restrictions.
//
// Thread safety: single-threaded.
#include <ringo/protocol/request_parser.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

using ringo::protocol::ParseStatus;
using ringo::protocol::RequestLimits;
using ringo::protocol::RequestParser;

struct Outcome {
  std::vector<std::vector<std::string>> requests;
  std::string error;
  std::string rest;

  bool operator==(const Outcome&) const = default;
};

struct Choice {
  std::size_t piece = 1;
  bool is_tight = false;
  bool is_restricted = false;

  explicit Choice(std::uint8_t byte)
      : piece(1 + byte % 32), is_tight((byte & 64) != 0), is_restricted((byte & 128) != 0) {}
};

void require(bool claim, const char* message) {
  if (!claim) {
    std::fprintf(stderr, "request_parser_fuzz: %s\n", message);
    std::abort();
  }
}

Outcome parse(std::string_view input, std::size_t piece, const Choice& choice) {
  RequestParser parser(choice.is_tight
                           ? RequestLimits{.max_bulk = 20, .max_args = 4, .max_line = 12}
                           : RequestLimits{});
  if (choice.is_restricted) {
    parser.restrict_unauthenticated();
  }
  Outcome outcome;
  std::string buffer;
  while (!input.empty() && outcome.error.empty()) {
    buffer += input.substr(0, piece);
    input.remove_prefix(std::min(piece, input.size()));
    ParseStatus status = ParseStatus::kRequest;
    while (status == ParseStatus::kRequest) {
      const std::string moved = buffer;  // a new place each time, so that ASan sees stale pointers
      status = parser.parse(moved);
      require(parser.consumed() <= moved.size(), "consumed more than there was");
      if (status == ParseStatus::kRequest) {
        require(!parser.args().empty() && parser.consumed() > 0, "a request of nothing");
        outcome.requests.emplace_back(parser.args().begin(), parser.args().end());
      } else if (status == ParseStatus::kError) {
        outcome.error = parser.error();
        require(outcome.error.find_first_of("\r\n") == std::string::npos,
                "a line break in an error");
      } else {
        require(parser.hint() > 0, "nothing is missing, and yet there is no request");
      }
      buffer.erase(0, parser.consumed());
    }
  }
  outcome.rest = outcome.error.empty() ? buffer : "";
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const Choice choice(data[0]);
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Outcome whole = parse(input, std::max<std::size_t>(input.size(), 1), choice);
  require(parse(input, choice.piece, choice) == whole, "pieces give another result");
  return 0;
}
