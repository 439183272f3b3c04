// SPDX-License-Identifier: MIT
//
// How the models run: many random executions (RINGO_MODEL_ITERATIONS asks for more), then all that
// have few preemptions.
//
// Thread safety: relacy runs all threads of a model on one.

#pragma once

#include <ringo/detail/atomic.h>

#include <cstddef>
#include <cstdlib>
#include <iostream>

// relacy replaces operator new and the plain operator delete, and forgets the sized one, which
// std::vector calls. A model is one translation unit.
void operator delete(void* memory, std::size_t /*size*/) noexcept {
  ::operator delete(memory);
}

namespace ringo::model {

/// The exit code of a model's main(). `preemptions`: all executions with at most so many are tried;
/// none where that would take minutes (0).
template <class Suite>
int run(rl::iteration_t random_executions = 100'000, unsigned preemptions = 1) {
  if (const char* text = std::getenv("RINGO_MODEL_ITERATIONS"); text != nullptr) {
    random_executions = static_cast<rl::iteration_t>(std::atoll(text));
  }
  for (const bool is_random : {true, false}) {
    if (!is_random && preemptions == 0) {
      continue;
    }
    rl::test_params parameters;
    parameters.search_type =
        is_random ? rl::random_scheduler_type : rl::fair_context_bound_scheduler_type;
    parameters.context_bound = preemptions;
    parameters.execution_depth_limit = 5000;
    parameters.iteration_count = random_executions;  // of the random search only
    const bool passed = rl::simulate<Suite>(parameters);
    std::cout << (is_random ? "random: " : "bounded: ") << (passed ? "passed" : "FAILED") << ", "
              << parameters.stop_iteration << " executions\n";
    if (!passed) {
      return 1;
    }
  }
  return 0;
}

}  // namespace ringo::model
