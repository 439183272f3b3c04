// SPDX-License-Identifier: MIT
//
// Fuzzes the server without sockets: the same bytes, whole and in pieces with a small output limit,
// to two servers whose clocks stand still, must give the same replies and the same keys.
//
// Thread safety: single-threaded.
#include <ringo/bytes.h>
#include <ringo/protocol/request_parser.h>
#include <ringo/server/clock.h>
#include <ringo/server/config.h>
#include <ringo/server/executor.h>
#include <ringo/server/session.h>
#include <ringo/server/state.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>
#include <string_view>

namespace {

using ringo::BytesMut;
using ringo::protocol::RequestLimits;
using ringo::protocol::RequestParser;
using ringo::server::Clock;
using ringo::server::Config;
using ringo::server::process;
using ringo::server::ProcessResult;
using ringo::server::ProcessStatus;
using ringo::server::ServerState;
using ringo::server::Session;

class StoppedClock : public Clock {
 public:
  std::int64_t unix_us() override { return 1'700'000'000'000'000; }
  std::int64_t steady_us() override { return 0; }
};

struct Outcome {
  std::string replies;
  std::string keys;
  bool is_closed = false;

  bool operator==(const Outcome&) const = default;
};

Config config() {
  Config config;
  config.shards = 2;
  config.hash_seed_first = 1;  // RANDOMKEY and SCAN give the same on both
  config.hash_seed_second = 2;
  return config;
}

Outcome run(std::string_view input, std::size_t piece, std::size_t output_limit) {
  StoppedClock clock;
  ServerState state(config(), clock);
  Session session(state);
  RequestParser parser(RequestLimits{.max_bulk = 100'000});
  Outcome outcome;
  std::string buffer;
  while (!input.empty() && !outcome.is_closed) {
    const bool is_fresh = buffer.empty();
    buffer += input.substr(0, piece);
    input.remove_prefix(std::min(piece, input.size()));
    ProcessStatus status = ProcessStatus::kOutputFull;
    if (is_fresh) {  // in two halves, as a connection does it
      const std::string moved = buffer;
      BytesMut out;
      if (const auto request = foresee(session, parser, moved)) {
        fetch_entry(session, *request);
        status = process_foreseen(session, parser, *request, out);
        outcome.replies += out.view();
        buffer.clear();
      }
    }
    while (status == ProcessStatus::kOutputFull) {
      const std::string moved = buffer;  // a new place each time, so that ASan sees stale pointers
      BytesMut out;
      const ProcessResult result = process(session, parser, moved, out, output_limit);
      status = result.status;
      outcome.replies += out.view();
      buffer.erase(0, result.consumed);
    }
    outcome.is_closed = status == ProcessStatus::kClose;
  }
  Session observer(state);
  RequestParser fresh;
  BytesMut out;
  process(observer, fresh, "KEYS *\r\nDBSIZE\r\n", out);
  outcome.keys = out.view();
  return outcome;
}

/// INFO and CLIENT tell of the process and of batches, which differ by how the input was cut.
bool tells_of_the_run(std::string_view input) {
  constexpr std::string_view kWords[] = {"info", "client", "debug"};
  std::string lower(input);
  for (char& byte : lower) {
    byte = static_cast<char>(byte | 0x20);
  }
  return std::ranges::any_of(
      kWords, [&](std::string_view word) { return lower.find(word) != std::string::npos; });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::string_view input(reinterpret_cast<const char*>(data + 1), size - 1);
  const Outcome whole = run(input, std::numeric_limits<std::size_t>::max(), 1U << 30U);
  const Outcome pieces = run(input, 1U + data[0] % 32U, 1U + data[0]);
  if (!tells_of_the_run(input) && whole != pieces) {
    std::fprintf(stderr, "commands_fuzz: the same bytes in pieces gave other replies\n");
    std::abort();
  }
  return 0;
}
