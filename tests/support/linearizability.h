// SPDX-License-Identifier: MIT
//
// Whether what several threads saw of an object can have happened one after the other: each
// operation at some moment between its call and its return (Wing and Gong's search, with Lowe's
// memory of what was tried). For maps, keys are objects of their own, and are checked one by one.
//
//   History<Operation> history;                  // Operation: what was called, and its result
//   const auto begin = history.begin();  …call…  history.end(thread, begin, operation);
//   EXPECT_TRUE(is_linearizable(history.merged(), State(), apply));
//
// apply(State&, const Operation&) performs it on the sequential model; false: with another result.
//
// Thread safety: a History is used by as many threads as it was made for; the rest by one.

#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <set>
#include <utility>
#include <vector>

namespace ringo::testing_support {

template <class Operation>
struct Recorded {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  Operation operation;
};

template <class Operation>
class History {
 public:
  explicit History(std::size_t threads) : threads_(threads) {}

  [[nodiscard]] std::uint64_t begin() { return clock_.fetch_add(1); }
  void end(std::size_t thread, std::uint64_t begun, Operation operation) {
    threads_[thread].push_back({begun, clock_.fetch_add(1), std::move(operation)});
  }
  /// Requires: all threads are done.
  [[nodiscard]] std::vector<Recorded<Operation>> merged() const {
    std::vector<Recorded<Operation>> all;
    for (const auto& one : threads_) {
      all.insert(all.end(), one.begin(), one.end());
    }
    return all;
  }

 private:
  std::atomic<std::uint64_t> clock_{0};
  std::vector<std::vector<Recorded<Operation>>> threads_;
};

inline constexpr std::size_t kMaxLinearizableOperations = 64;

template <class Operation, class State, class Apply>
class LinearizabilitySearch {
 public:
  LinearizabilitySearch(std::vector<Recorded<Operation>> history, Apply apply)
      : history_(std::move(history)), apply_(std::move(apply)) {}

  [[nodiscard]] bool finds_order(std::uint64_t done, const State& state) {
    const std::size_t count = history_.size();
    if (done == all()) {
      return true;
    }
    if (!tried_.insert({done, state}).second) {
      return false;
    }
    // Nothing that began after another one had returned can come before that one.
    std::uint64_t first_end = UINT64_MAX;
    for (std::size_t i = 0; i < count; ++i) {
      if (!is_done(done, i)) {
        first_end = std::min(first_end, history_[i].end);
      }
    }
    for (std::size_t i = 0; i < count; ++i) {
      if (!is_done(done, i) && history_[i].begin < first_end) {
        State next = state;
        if (apply_(next, history_[i].operation) &&
            finds_order(done | (std::uint64_t{1} << i), next)) {
          return true;
        }
      }
    }
    return false;
  }

 private:
  [[nodiscard]] std::uint64_t all() const {
    return history_.size() == 64 ? UINT64_MAX : (std::uint64_t{1} << history_.size()) - 1;
  }
  [[nodiscard]] static bool is_done(std::uint64_t done, std::size_t i) {
    return (done >> i & 1U) != 0;
  }

  std::vector<Recorded<Operation>> history_;
  Apply apply_;
  std::set<std::pair<std::uint64_t, State>> tried_;
};

/// At most kMaxLinearizableOperations of them. State must be copyable and ordered by `<`.
template <class Operation, class State, class Apply>
[[nodiscard]] bool is_linearizable(std::vector<Recorded<Operation>> history, State initial,
                                   Apply apply) {
  if (history.size() > kMaxLinearizableOperations) {
    return false;  // the test is wrong
  }
  return LinearizabilitySearch<Operation, State, Apply>(std::move(history), std::move(apply))
      .finds_order(0, initial);
}

}  // namespace ringo::testing_support
