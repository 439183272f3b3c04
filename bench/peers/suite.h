// SPDX-License-Identifier: MIT
//
// The command line and the output that all C++ peers of the runtime have in common with the Tokio
// one, so that bench/lib/programs.py runs them alike:
//
//   peer_NAME suite multi|current WORKERS WARM_UPS REPETITIONS [PART,...]
//
// One JSON object a line: nanoseconds per operation of each repetition. What a benchmark does is
// defined by its namesake in bench/runtime/.
//
// Thread safety: none; the main thread's.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/core.h>
#include <fmt/ranges.h>

namespace peer {

/// A benchmark that computes something wrong has no figures.
inline void require(bool holds, std::string_view what) {
  if (!holds) {
    fmt::print(stderr, "{}\n", what);
    std::_Exit(1);
  }
}

class Stopwatch {
 public:
  [[nodiscard]] double ns() const {
    return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start_)
        .count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

class Suite {
 public:
  /// Ends the program with a line of usage where the arguments are not as above.
  Suite(std::string name, int argc, char** argv) : name_(std::move(name)) {
    const std::vector<std::string> words(argv + 1, argv + argc);
    require(words.size() >= 5 && words[0] == "suite",
            "usage: suite multi|current WORKERS WARM_UPS REPETITIONS [PART,...]");
    is_current_ = words[1] == "current";
    workers_ = is_current_ ? 1 : std::stoul(words[2]);
    warm_ups_ = std::stoul(words[3]);
    repetitions_ = std::stoul(words[4]);
    if (words.size() > 5) {
      std::istringstream parts(words[5]);
      for (std::string part; std::getline(parts, part, ',');) {
        parts_.push_back(part);
      }
    }
  }

  [[nodiscard]] std::size_t workers() const { return workers_; }

  /// `run` does the work once and returns the nanoseconds that it took in all.
  template <typename F>
  void measure(std::string_view bench, std::size_t operations, F run) {
    if (!wants(bench)) {
      return;
    }
    for (std::size_t i = 0; i < warm_ups_; ++i) {
      (void)run();
    }
    std::vector<double> values;
    values.reserve(repetitions_);
    for (std::size_t i = 0; i < repetitions_; ++i) {
      values.push_back(run() / static_cast<double>(operations));
    }
    fmt::print(
        "{{\"runtime\":\"{}\",\"flavour\":\"{}\",\"workers\":{},\"bench\":\"{}\","
        "\"operations\":{},\"samples_ns\":[{:.3f}]}}\n",
        name_, is_current_ ? "current_thread" : "multi_thread", workers_, bench, operations,
        fmt::join(values, ","));
    std::fflush(stdout);
  }

 private:
  [[nodiscard]] bool wants(std::string_view bench) const {
    bool wanted = parts_.empty();
    for (const std::string& part : parts_) {
      wanted = wanted || bench.find(part) != std::string_view::npos;
    }
    return wanted;
  }

  std::string name_;
  bool is_current_ = false;
  std::size_t workers_ = 1;
  std::size_t warm_ups_ = 1;
  std::size_t repetitions_ = 3;
  std::vector<std::string> parts_;
};

}  // namespace peer
