// SPDX-License-Identifier: MIT
//
// bench_load: a load generator for the Redis protocol, memcached's text protocol and echo servers.
//
//   bench_load --port 6379 --operation set --sequential --pipeline 512 --connections 1
//   bench_load --port 6379 --connections 50 --idle 9950 --seconds 2
//   bench_load --port 6379 --rate 50000 --seconds 5        requests are due at fixed times
//
// When everything is connected it prints "ready" and waits for a line; whoever measures the server
// notes its CPU time, and writes one. Then come the run and one JSON object on a line. The
// connections stay open until standard input is closed, so that the server can be looked at;
// closing it earlier leaves out the run.
//
// Thread safety: none; one thread.

#include <sys/resource.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "engine.h"
#include "message.h"
#include <CLI/CLI.hpp>

namespace {

/// What so large a share of the batches took at most, in microseconds.
double quantile(const std::vector<std::int64_t>& sorted_ns, double share) {
  if (sorted_ns.empty()) {
    return 0;
  }
  const auto at = static_cast<std::size_t>(share * static_cast<double>(sorted_ns.size()));
  return static_cast<double>(sorted_ns[std::min(at, sorted_ns.size() - 1)]) / 1000;
}

/// As many files as the system lets us have: the default may be 1,024.
void raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
  }
}

}  // namespace

int main(int argc, char** argv) {
  load::Settings settings;
  CLI::App app("A load generator; the top of bench/load/main.cc explains it.");
  const std::map<std::string, load::Protocol> protocols{{"redis", load::Protocol::kRedis},
                                                        {"memcache", load::Protocol::kMemcache},
                                                        {"echo", load::Protocol::kEcho}};
  const std::map<std::string, load::Operation> operations{{"get", load::Operation::kGet},
                                                          {"set", load::Operation::kSet}};
  app.add_option("--port", settings.port)->required();
  app.add_option("--protocol", settings.protocol)->transform(CLI::CheckedTransformer(protocols));
  app.add_option("--operation", settings.operation)->transform(CLI::CheckedTransformer(operations));
  app.add_option("--connections", settings.connections)->check(CLI::Range(1, 60'000));
  app.add_option("--idle", settings.idle)->check(CLI::Range(0, 60'000));
  app.add_option("--pipeline", settings.pipeline)
      ->check(CLI::Range(std::size_t{1}, load::kMaxPipeline));
  app.add_option("--value-size", settings.value_size)->check(CLI::Range(1, 65'536));
  app.add_option("--keys", settings.keys)
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000'000'000}));
  app.add_option("--first-key", settings.first_key);
  app.add_flag("--sequential", settings.is_sequential, "each key once, then the end");
  app.add_option("--seconds", settings.seconds)->check(CLI::PositiveNumber);
  app.add_option("--requests", settings.requests, "so many instead of so long");
  app.add_option("--rate", settings.rate, "requests per second, due at fixed times")
      ->check(CLI::NonNegativeNumber);
  CLI11_PARSE(app, argc, argv);

  raise_file_limit();
  load::Engine engine(settings);
  std::string line;
  std::cout << "ready\n" << std::flush;
  if (!std::getline(std::cin, line)) {
    return 0;  // the connections were all that was wanted
  }
  const load::Outcome outcome = engine.run();
  std::cout << fmt::format(R"({{"operations":{},"seconds":{:.6f},"p50_us":{:.2f},"p99_us":{:.2f},)"
                           R"("p999_us":{:.2f},"max_us":{:.2f}}})",
                           outcome.operations, outcome.seconds, quantile(outcome.latencies_ns, 0.5),
                           quantile(outcome.latencies_ns, 0.99),
                           quantile(outcome.latencies_ns, 0.999),
                           quantile(outcome.latencies_ns, 1.0))
            << "\n"
            << std::flush;
  std::cin.ignore(std::numeric_limits<std::streamsize>::max());
  return 0;
}
