// SPDX-License-Identifier: MIT
//
// ringo-server: the command line around ringo::server::Server. Exit codes: 0 after SIGINT, SIGTERM,
// --help and --version; 1 if it cannot run; 2 for a mistake on the command line.
//
// Thread safety: main() is single-threaded until the runtime starts.

#include <ringo/config.h>
#include <ringo/net/address.h>
#include <ringo/result.h>
#include <ringo/runtime.h>
#include <ringo/server/config.h>
#include <ringo/server/server.h>
#include <ringo/signal.h>
#include <ringo/spawn.h>
#include <ringo/task.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <expected>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include <fmt/core.h>

#include "net/log.h"
#include <CLI/CLI.hpp>

namespace {

using ringo::server::Config;
using ringo::server::log_line;
using ringo::server::Server;
using ringo::server::ShutdownHandle;

constexpr int kUsageMistake = 2;

struct Options {
  Config config;
  std::optional<std::size_t> workers;
  std::uint64_t grace_s = 5;
};

/// Nothing if the program is to go on; else the exit code.
std::optional<int> parse(int argc, char** argv, Options& options) {
  CLI::App app("A server that speaks the Redis protocol, on ringo.", "ringo-server");
  Config& config = options.config;
  constexpr std::uint64_t kIntMax = std::numeric_limits<std::int32_t>::max();
  app.set_version_flag("--version", "ringo-server " RINGO_VERSION);
  app.add_option("--port,-p", config.port, "TCP port; 0 picks a free one")->capture_default_str();
  app.add_option("--bind", config.bind, "addresses or host names, separated by blanks or commas")
      ->capture_default_str();
  app.add_option(
         "--workers", options.workers,
         "threads that serve connections (default: RINGO_WORKER_THREADS, else one per core)")
      ->check(CLI::Range(1, 1024));
  app.add_option("--shards", config.shards,
                 "parts of the store, each with a lock of its own; rounded up to a power of two")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--maxclients", config.maxclients, "connections at a time")
      ->check(CLI::Range(std::uint64_t{1}, kIntMax))
      ->capture_default_str();
  app.add_option("--timeout", config.timeout_s, "seconds until an idle client is closed; 0: never")
      ->check(CLI::Range(std::uint64_t{0}, kIntMax))
      ->capture_default_str();
  app.add_option("--tcp-keepalive", config.tcp_keepalive_s,
                 "seconds of silence until a client is probed; 0: never")
      ->check(CLI::Range(std::uint64_t{0}, kIntMax))
      ->capture_default_str();
  app.add_option("--tcp-backlog", config.tcp_backlog, "connections that may wait to be accepted")
      ->check(CLI::Range(std::uint32_t{1}, std::uint32_t{65535}))
      ->capture_default_str();
  app.add_option("--maxmemory", config.max_memory, "bytes for keys and values; 0: no limit")
      ->transform(CLI::AsSizeValue(false))
      ->capture_default_str();
  app.add_option("--shutdown-timeout", options.grace_s,
                 "seconds that connections get to finish after SIGINT or SIGTERM")
      ->check(CLI::Range(0, 3600))
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& wish) {
    return app.exit(wish);
  } catch (const CLI::ParseError& mistake) {
    log_line(fmt::format("{} (see ringo-server --help)", mistake.what()));
    return kUsageMistake;
  }
  return std::nullopt;
}

/// Raises the limit of open files to what maxclients needs, or lowers maxclients to what it allows.
void fit_file_limit(Config& config) {
  constexpr std::uint64_t kOthers = 64;  // rings, listeners, standard streams
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return;
  }
  const std::uint64_t wanted = config.maxclients + kOthers;
  if (limit.rlim_cur < wanted) {
    rlimit raised = limit;
    raised.rlim_cur = std::min<rlim_t>(wanted, limit.rlim_max);
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) {
      limit = raised;
    }
  }
  if (limit.rlim_cur < wanted) {
    config.maxclients = limit.rlim_cur > 2 * kOthers ? limit.rlim_cur - kOthers : kOthers;
    log_line(fmt::format("maxclients is lowered to {}: the process may have {} open files",
                         config.maxclients, limit.rlim_cur));
  }
}

/// Ends the server in order. Whoever presses Ctrl-C a second time does not want to wait for that.
ringo::Task<void> shut_down_on(ringo::signal::Signal signal, ShutdownHandle server) {
  co_await signal.recv();
  server.shutdown();
  while (signal.signal_number() != SIGINT) {
    co_await signal.recv();  // another SIGTERM says nothing new
  }
  co_await signal.recv();
  log_line("interrupted again: exiting at once");
  std::_Exit(EXIT_FAILURE);
}

void announce(const Server& server) {
  std::string addresses;
  for (const ringo::net::SocketAddress& address : server.addresses()) {
    addresses += (addresses.empty() ? "" : ", ") + address.to_string();
  }
  const Config& config = server.state().start_config();
  const std::uint32_t shards = std::bit_ceil(config.shards);  // as the store does
  fmt::print("Listening on {} (ringo-server {}, {} worker{}, {} shard{})\n", addresses,
             RINGO_VERSION, config.workers, config.workers == 1 ? "" : "s", shards,
             shards == 1 ? "" : "s");
  std::fflush(stdout);
}

ringo::Task<int> serve(Options options) {
  options.config.workers =
      static_cast<std::uint32_t>(ringo::Handle::current().metrics().workers.size());
  ringo::Result<ringo::signal::Signal> interrupt = ringo::signal::listen(SIGINT);
  ringo::Result<ringo::signal::Signal> terminate = ringo::signal::listen(SIGTERM);
  if (!interrupt || !terminate) {
    log_line((interrupt ? terminate : interrupt).error().message());
    co_return EXIT_FAILURE;
  }
  std::expected<Server, ringo::server::BindError> server = co_await Server::bind(options.config);
  if (!server) {
    log_line(fmt::format("could not listen on {}", server.error().message()));
    co_return EXIT_FAILURE;
  }
  ringo::spawn(shut_down_on(*interrupt, server->shutdown_handle())).detach();
  ringo::spawn(shut_down_on(*terminate, server->shutdown_handle())).detach();
  announce(*server);
  const ringo::Result<void> done = co_await server->run(std::chrono::seconds(options.grace_s));
  if (!done) {
    log_line(done.error().message());
    co_return EXIT_FAILURE;
  }
  co_return EXIT_SUCCESS;
}

int run(Options options) {
  // Who reads our output may go; a write that fails says so.
  std::signal(SIGPIPE, SIG_IGN);
  fit_file_limit(options.config);
  ringo::Builder builder = ringo::Builder::multi_thread();
  if (options.workers) {
    builder.worker_threads(*options.workers);
  }
  ringo::Result<ringo::Runtime> runtime = builder.build();
  if (!runtime) {
    log_line(runtime.error().message());
    return EXIT_FAILURE;
  }
  return runtime->block_on(serve(std::move(options)));
}

}  // namespace

int main(int argc, char** argv) {
  try {
    Options options;
    if (const std::optional<int> code = parse(argc, argv, options)) {
      return *code;
    }
    return run(std::move(options));
  } catch (const std::exception& exception) {
    log_line(exception.what());
    return EXIT_FAILURE;
  }
}
