// SPDX-License-Identifier: MIT
//
// INFO: the fields that dashboards read, in Redis' sections and spelling. Fields of features that
// the server does not have are present where tools need them, and say so (0, off).

#include <ringo/config.h>
#include <ringo/server/config.h>
#include <ringo/server/state.h>
#include <ringo/server/stats.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <fmt/core.h>
#include <fmt/format.h>  // NOLINT(misc-include-cleaner): format_to of fmt 9 does not link without

#include "commands/arguments.h"
#include "commands/command.h"
#include "commands/compatibility.h"
#include "commands/handlers.h"
#include "store/shard.h"
#include "store/store.h"

namespace ringo::server::handlers {
namespace {

using Out = std::back_insert_iterator<std::string>;

std::uint64_t get(const std::atomic<std::uint64_t>& counter) {
  return counter.load(std::memory_order_relaxed);
}

/// 1536 as "1.50K".
std::string human(std::uint64_t bytes) {
  static constexpr std::array<char, 6> kUnits = {'B', 'K', 'M', 'G', 'T', 'P'};
  if (bytes < 1024) {
    return fmt::format("{}B", bytes);
  }
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.2f}{}", value, kUnits[unit]);
}

/// 0 where the system does not tell.
std::uint64_t resident_bytes() {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen("/proc/self/statm", "r"),
                                                             &std::fclose);
  unsigned long total = 0;
  unsigned long resident = 0;
  if (file == nullptr || std::fscanf(file.get(), "%lu %lu", &total, &resident) != 2) {
    return 0;
  }
  return std::uint64_t{resident} * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

void server_section(CommandContext& context, Out out) {
  const Config& config = context.state.start_config();
  const std::uint64_t uptime = context.state.uptime_s();
  fmt::format_to(out,
                 "# Server\r\n"
                 "redis_version:{}\r\n"
                 "ringo_version:{}\r\n"
                 "redis_mode:standalone\r\n"
                 "arch_bits:{}\r\n"
                 "process_id:{}\r\n"
                 "tcp_port:{}\r\n"
                 "server_time_usec:{}\r\n"
                 "uptime_in_seconds:{}\r\n"
                 "uptime_in_days:{}\r\n"
                 "hz:10\r\n"
                 "configured_hz:10\r\n"
                 "executable:\r\n"
                 "config_file:\r\n"
                 "io_threads_active:{}\r\n",
                 kCompatibleVersion, RINGO_VERSION, sizeof(void*) * 8, ::getpid(), config.port,
                 context.state.clock().unix_us(), uptime, uptime / 86400,
                 config.workers > 1 ? 1 : 0);
}

void clients_section(CommandContext& context, Out out) {
  fmt::format_to(out,
                 "# Clients\r\n"
                 "connected_clients:{}\r\n"
                 "cluster_connections:0\r\n"
                 "maxclients:{}\r\n"
                 "blocked_clients:0\r\n"
                 "tracking_clients:0\r\n"
                 "pubsub_clients:0\r\n",
                 context.state.connected_clients(), get(context.state.config().maxclients));
}

void memory_section(CommandContext& context, Out out) {
  const std::uint64_t used = context.state.used_memory();
  const std::uint64_t peak = std::max(used, get(context.state.stats().peak_memory));
  const std::uint64_t resident = resident_bytes();
  const std::uint64_t limit = get(context.state.config().max_memory);
  const StoreCounters store = context.store().counters();
  fmt::format_to(out,
                 "# Memory\r\n"
                 "used_memory:{}\r\n"
                 "used_memory_human:{}\r\n"
                 "used_memory_rss:{}\r\n"
                 "used_memory_rss_human:{}\r\n"
                 "used_memory_peak:{}\r\n"
                 "used_memory_peak_human:{}\r\n"
                 "used_memory_dataset:{}\r\n"
                 "used_memory_overhead:{}\r\n"
                 "maxmemory:{}\r\n"
                 "maxmemory_human:{}\r\n"
                 "maxmemory_policy:noeviction\r\n"
                 "mem_fragmentation_ratio:{:.2f}\r\n"
                 "mem_allocator:ringo-slab\r\n",
                 used, human(used), resident, human(resident), peak, human(peak), store.entry_bytes,
                 store.table_bytes, limit, human(limit),
                 used == 0 ? 0.0 : static_cast<double>(resident) / static_cast<double>(used));
}

void persistence_section(CommandContext&, Out out) {
  fmt::format_to(out,
                 "# Persistence\r\n"
                 "loading:0\r\n"
                 "async_loading:0\r\n"
                 "rdb_changes_since_last_save:0\r\n"
                 "rdb_bgsave_in_progress:0\r\n"
                 "rdb_last_save_time:0\r\n"
                 "rdb_last_bgsave_status:ok\r\n"
                 "aof_enabled:0\r\n"
                 "aof_rewrite_in_progress:0\r\n");
}

void stats_section(CommandContext& context, Out out) {
  const ServerStats& stats = context.state.stats();
  const StoreCounters store = context.store().counters();
  fmt::format_to(out,
                 "# Stats\r\n"
                 "total_connections_received:{}\r\n"
                 "total_commands_processed:{}\r\n"
                 "instantaneous_ops_per_sec:{}\r\n"
                 "total_net_input_bytes:{}\r\n"
                 "total_net_output_bytes:{}\r\n"
                 "rejected_connections:{}\r\n"
                 "expired_keys:{}\r\n"
                 "expired_stale_perc:{:.2f}\r\n"
                 "evicted_keys:0\r\n"
                 "keyspace_hits:{}\r\n"
                 "keyspace_misses:{}\r\n"
                 "pubsub_channels:0\r\n"
                 "pubsub_patterns:0\r\n"
                 "latest_fork_usec:0\r\n"
                 "total_error_replies:{}\r\n",
                 get(stats.connections_received), stats.commands_processed(),
                 get(stats.operations_per_second), get(stats.input_bytes), get(stats.output_bytes),
                 get(stats.connections_rejected), store.expired,
                 static_cast<double>(get(stats.expired_stale_permille)) / 10.0, store.hits,
                 store.misses, get(stats.error_replies));
}

void replication_section(CommandContext&, Out out) {
  fmt::format_to(out,
                 "# Replication\r\n"
                 "role:master\r\n"
                 "connected_slaves:0\r\n"
                 "master_repl_offset:0\r\n");
}

void cpu_section(CommandContext&, Out out) {
  ::rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  fmt::format_to(out,
                 "# CPU\r\n"
                 "used_cpu_sys:{}.{:06}\r\n"
                 "used_cpu_user:{}.{:06}\r\n",
                 usage.ru_stime.tv_sec, usage.ru_stime.tv_usec, usage.ru_utime.tv_sec,
                 usage.ru_utime.tv_usec);
}

void commandstats_section(CommandContext& context, Out out) {
  fmt::format_to(out, "# Commandstats\r\n");
  for_each_command([&](const Command& command) {
    const CommandStats& stats = context.state.stats().commands[stats_index(command)];
    const std::uint64_t calls = get(stats.calls);
    const std::uint64_t rejected = get(stats.rejected_calls);
    if (calls == 0 && rejected == 0) {
      return;
    }
    const std::uint64_t microseconds = get(stats.microseconds);
    fmt::format_to(
        out,
        "cmdstat_{}:calls={},usec={},usec_per_call={:.2f},rejected_calls={},failed_calls={}\r\n",
        command.name, calls, microseconds,
        calls == 0 ? 0.0 : static_cast<double>(microseconds) / static_cast<double>(calls), rejected,
        get(stats.failed_calls));
  });
}

void errorstats_section(CommandContext& context, Out out) {
  fmt::format_to(out, "# Errorstats\r\n");
  const ServerStats& stats = context.state.stats();
  for (std::size_t i = 0; i < ServerStats::kErrorCodes.size(); ++i) {
    if (const std::uint64_t times = get(stats.errors_by_code[i]); times != 0) {
      fmt::format_to(out, "errorstat_{}:count={}\r\n", ServerStats::kErrorCodes[i], times);
    }
  }
}

void cluster_section(CommandContext&, Out out) {
  fmt::format_to(out, "# Cluster\r\ncluster_enabled:0\r\n");
}

void keyspace_section(CommandContext& context, Out out) {
  const StoreCounters store = context.store().counters();
  fmt::format_to(out, "# Keyspace\r\n");
  if (store.keys != 0) {
    fmt::format_to(out, "db0:keys={},expires={},avg_ttl={}\r\n", store.keys, store.expiring_keys,
                   get(context.state.stats().average_ttl_ms));
  }
}

struct Section {
  std::string_view name;
  bool is_default;
  void (*write)(CommandContext& context, Out out);
};

constexpr std::array<Section, 11> kSections = {{
    {"server", true, server_section},
    {"clients", true, clients_section},
    {"memory", true, memory_section},
    {"persistence", true, persistence_section},
    {"stats", true, stats_section},
    {"replication", true, replication_section},
    {"cpu", true, cpu_section},
    {"commandstats", false, commandstats_section},
    {"errorstats", true, errorstats_section},
    {"cluster", true, cluster_section},
    {"keyspace", true, keyspace_section},
}};

bool is_wanted(const Section& section, std::span<const std::string_view> names) {
  if (names.empty()) {
    return section.is_default;
  }
  for (const std::string_view name : names) {
    if (equals_ignoring_case(name, section.name) || equals_ignoring_case(name, "all") ||
        equals_ignoring_case(name, "everything") ||
        (section.is_default && equals_ignoring_case(name, "default"))) {
      return true;
    }
  }
  return false;
}

}  // namespace

void info(CommandContext& context) {
  std::string text;
  for (const Section& section : kSections) {
    if (!is_wanted(section, context.args.subspan(1))) {
      continue;
    }
    if (!text.empty()) {
      text += "\r\n";
    }
    section.write(context, std::back_inserter(text));
  }
  context.reply.verbatim("txt", text);
}

}  // namespace ringo::server::handlers
