// SPDX-License-Identifier: MIT
//
// What sharing state costs: locks, maps, and whole strategies. bench/lib/rows_shared_state.py makes
// tables and plots of it.
//
//   bench_shared_state locks|maps|large_maps|growth|strategies     one JSON object a line

#include <cstdlib>
#include <string_view>

#include <fmt/core.h>

#include "measure.h"

int main(int argc, char** argv) {
  bench::Settings settings;
  const char* const quick = std::getenv("RINGO_BENCH_QUICK");  // NOLINT(concurrency-mt-unsafe)
  settings.is_quick = quick != nullptr && *quick != '\0';
  const std::string_view part = argc > 1 ? argv[1] : "";
  if (part == "locks") {
    bench::run_locks(settings);
  } else if (part == "maps") {
    bench::run_maps(settings);
  } else if (part == "large_maps") {
    bench::run_large_maps(settings);
  } else if (part == "growth") {
    bench::run_growth(settings);
  } else if (part == "strategies") {
    bench::run_strategies(settings);
  } else {
    fmt::print(stderr, "bench_shared_state locks|maps|large_maps|growth|strategies\n");
    return 2;
  }
  return 0;
}
