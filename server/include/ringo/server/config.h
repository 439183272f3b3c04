// SPDX-License-Identifier: MIT
//
// What a server can be told: Config at its start, LiveConfig while it runs (CONFIG SET).
//
// Thread safety: Config is a plain value. The fields of LiveConfig are atomics, read and written
// by any thread; each stands for itself, so relaxed order is enough everywhere.

#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace ringo::server {

struct Config {
  std::string bind = "127.0.0.1";
  std::uint16_t port = 6379;
  std::uint32_t workers = 1;
  std::uint32_t shards = 16;  // a power of two up to 1,024; others are rounded up, or capped
  std::uint32_t tcp_backlog = 511;

  // Where LiveConfig starts.
  std::uint64_t maxclients = 10000;
  std::uint64_t timeout_s = 0;  // an idle connection is closed after this; 0: never
  std::uint64_t tcp_keepalive_s = 300;
  std::uint64_t max_memory = 0;  // bytes; 0: no limit
  std::uint64_t max_bulk_bytes = std::uint64_t{512} * 1024 * 1024;
  std::uint64_t max_query_bytes = std::uint64_t{1024} * 1024 * 1024;

  // What makes the hash of keys unpredictable; to be drawn from the process's random source.
  std::uint64_t hash_seed_first = 0;
  std::uint64_t hash_seed_second = 0;
};

struct LiveConfig {
  explicit LiveConfig(const Config& start)
      : maxclients(start.maxclients),
        timeout_s(start.timeout_s),
        tcp_keepalive_s(start.tcp_keepalive_s),
        max_memory(start.max_memory),
        max_bulk_bytes(start.max_bulk_bytes),
        max_query_bytes(start.max_query_bytes) {}

  std::atomic<std::uint64_t> maxclients;
  std::atomic<std::uint64_t> timeout_s;
  std::atomic<std::uint64_t> tcp_keepalive_s;  // of connections accepted later
  std::atomic<std::uint64_t> max_memory;
  std::atomic<std::uint64_t> max_bulk_bytes;  // of connections accepted later; APPEND at once
  std::atomic<std::uint64_t> max_query_bytes;
};

}  // namespace ringo::server
