// SPDX-License-Identifier: MIT
//
// ServerState: what all connections of a server share: store, configuration, statistics, clock and
// the register of clients. Contains no socket and starts no task; a server owns one.
//
// Thread safety: all functions, from any thread, but for run_cron, which one thread at a time
// calls.

#pragma once

#include <ringo/server/clock.h>
#include <ringo/server/config.h>
#include <ringo/server/stats.h>

#include <atomic>
#include <cstdint>
#include <memory>

namespace ringo::server {

class ClientRegistry;
class Store;

class ServerState {
 public:
  /// Requires: `clock` outlives the state.
  explicit ServerState(const Config& config = {}, Clock& clock = Clock::system());
  /// Requires: no session is left.
  ~ServerState();
  ServerState(const ServerState&) = delete;
  ServerState& operator=(const ServerState&) = delete;
  ServerState(ServerState&&) = delete;
  ServerState& operator=(ServerState&&) = delete;

  /// How the server was started.
  const Config& start_config() const { return start_config_; }
  LiveConfig& config() { return config_; }
  ServerStats& stats() { return stats_; }
  Clock& clock() { return clock_; }
  Store& store() { return *store_; }
  ClientRegistry& clients() { return *clients_; }

  std::uint64_t uptime_s() const;
  std::uint64_t connected_clients() const;

  /// Memory of the keys and their index.
  std::uint64_t used_memory();
  /// Whether commands that may add data are to be refused (maxmemory, policy noeviction). The
  /// figure behind it is as old as the last run_cron.
  bool is_out_of_memory() const;

  /// A number that nobody can guess from outside; for RANDOMKEY.
  std::uint64_t next_random();

  /// Housekeeping of bounded length, to be called ten times a second: removes expired keys, takes
  /// the samples behind INFO. Returns true if it has left expired keys behind because there were
  /// too many for one run: then the caller yields and calls it again soon.
  bool run_cron();

 private:
  Config start_config_;
  LiveConfig config_;
  Clock& clock_;
  ServerStats stats_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<ClientRegistry> clients_;
  std::int64_t start_us_;
  std::atomic<std::uint64_t> random_state_;
  std::atomic<std::uint64_t> memory_sample_{0};
  // Of run_cron.
  std::int64_t sample_us_;
  std::uint64_t sampled_commands_ = 0;
};

}  // namespace ringo::server
