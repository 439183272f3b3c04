// SPDX-License-Identifier: MIT
//
// ServerStats: the counters behind INFO. The executor adds to them once per batch; connections add
// the bytes that they move.
//
// Thread safety: all fields are atomics for any thread. Order between counters does not matter, so
// all accesses are relaxed.

#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ringo::server {

/// Adds to a counter that nothing is ordered by.
inline void count(std::atomic<std::uint64_t>& counter, std::uint64_t amount = 1) {
  counter.fetch_add(amount, std::memory_order_relaxed);
}

struct CommandStats {
  std::atomic<std::uint64_t> calls{0};
  std::atomic<std::uint64_t> microseconds{0};
  std::atomic<std::uint64_t> rejected_calls{0};
  std::atomic<std::uint64_t> failed_calls{0};
};

struct ServerStats {
  static constexpr std::size_t kMaxCommands = 160;  // subcommands included; checked by the table

  /// The codes in front of error texts. What is none of them counts as the last.
  static constexpr std::array<std::string_view, 8> kErrorCodes = {
      "ERR", "WRONGTYPE", "NOAUTH", "WRONGPASS", "NOPROTO", "OOM", "NOPERM", "OTHER"};

  std::atomic<std::uint64_t> connections_received{0};
  std::atomic<std::uint64_t> connections_rejected{0};  // over maxclients
  std::atomic<std::uint64_t> input_bytes{0};
  std::atomic<std::uint64_t> output_bytes{0};
  std::atomic<std::uint64_t> error_replies{0};
  std::array<std::atomic<std::uint64_t>, kErrorCodes.size()> errors_by_code{};
  std::array<CommandStats, kMaxCommands> commands{};

  /// Calls of all commands; those that were refused before they ran do not count.
  std::uint64_t commands_processed() const {
    std::uint64_t sum = 0;
    for (const CommandStats& command : commands) {
      sum += command.calls.load(std::memory_order_relaxed);
    }
    return sum;
  }

  // Written by ServerState::run_cron alone.
  std::atomic<std::uint64_t> operations_per_second{0};
  std::atomic<std::uint64_t> average_ttl_ms{0};
  std::atomic<std::uint64_t> expired_stale_permille{0};
  std::atomic<std::uint64_t> peak_memory{0};
};

}  // namespace ringo::server
