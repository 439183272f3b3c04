// SPDX-License-Identifier: MIT
//
// bench_runtime: what the runtime's operations cost, as ns and user instructions per operation.
//
//   bench_runtime suite multi 2 mpsc,oneshot    multi_thread, 2 workers; names with one of these
//   bench_runtime suite current --json          current_thread, one JSON object a line
//   bench_runtime memory multi 1 pending        bytes per parked task
//
// The same work is done by bench/peers/tokio; bench/run.py runs both and compares. With
// RINGO_BENCH_QUICK=1 counts are tiny, as a check that everything still runs.

#include <cstddef>
#include <cstdlib>
#include <exception>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "harness.h"
#include <CLI/CLI.hpp>

namespace {

bool is_number(std::string_view word) {
  return !word.empty() && word.find_first_not_of("0123456789") == std::string_view::npos;
}

/// What follows the flavour: the number of workers, then names, also separated by commas.
std::vector<std::string> take_words(const std::vector<std::string>& words,
                                    bench::Settings& settings) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i == 0 && !settings.is_current_thread && is_number(words[i])) {
      settings.workers = std::stoul(words[i]);
      continue;
    }
    std::istringstream parts(words[i]);
    for (std::string part; std::getline(parts, part, ',');) {
      names.push_back(part);
    }
  }
  return names;
}

void run_suite(const bench::Settings& settings) {
  bench::InstructionCounter::open();
  bench::Suite suite(settings);
  bench::run_scheduler_benchmarks(suite);
  bench::run_channel_benchmarks(suite);
  bench::run_fan_out_benchmarks(suite);
  bench::run_lock_benchmarks(suite);
  bench::run_timer_benchmarks(suite);
  bench::run_stream_benchmarks(suite);
  bench::run_fork_join_benchmarks(suite);
}

}  // namespace

int main(int argc, char** argv) {
  bench::Settings settings;
  std::string flavour;
  std::vector<std::string> words;
  CLI::App app("Benchmarks of the runtime.");
  app.require_subcommand(1);
  CLI::App* suite = app.add_subcommand("suite", "time of every operation");
  CLI::App* memory = app.add_subcommand("memory", "bytes per parked task, of 1,000,000");
  for (CLI::App* command : {suite, memory}) {
    command->add_option("flavour", flavour, "multi or current")
        ->required()
        ->check(CLI::IsMember({"multi", "current"}));
    command->add_flag("--json", settings.is_json, "one JSON object a line");
  }
  suite->add_option("words", words, "[workers, default 1] [parts of names]");
  suite->add_option("--reps", settings.repetitions, "timed runs of each benchmark (default 7)")
      ->check(CLI::Range(1, 1000));
  suite->add_option("--warm-ups", settings.warm_ups, "untimed runs before them (default 2)");
  memory->add_option("words", words, "[workers, default 1] pending|sleep|oneshot|buf4k")
      ->required();
  CLI11_PARSE(app, argc, argv);

  // NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread yet.
  const char* quick = std::getenv("RINGO_BENCH_QUICK");
  settings.is_quick = quick != nullptr && *quick != '\0';
  settings.is_current_thread = flavour == "current";
  if (settings.is_quick) {
    settings.warm_ups = 0;
    settings.repetitions = 1;
  }
  try {
    settings.filters = take_words(words, settings);
    if (suite->parsed()) {
      run_suite(settings);
    } else {
      bench::require(settings.filters.size() == 1, "memory: name one kind of task");
      bench::measure_memory(settings, settings.filters.front());
    }
  } catch (const std::exception& error) {
    bench::fail(error.what());
  }
  return 0;
}
