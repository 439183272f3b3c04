// SPDX-License-Identifier: MIT
//
// What a suspended task can tell of its wait, without being run: the leaf's description, and for a
// combinator its branches. A task dump is put together from it.
//
// Thread safety: the holder of the task's RUNNING.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ringo::detail {

struct Branch;

/// Filled in by the leaf. Nothing in it is allocated, so that a leaf can describe itself anywhere.
struct LeafDescription {
  std::string_view operation;        ///< what is waited for: "mpsc::recv"; of static storage
  std::uint64_t awaited_task = 0;    ///< the id of the task whose end is waited for
  const void* holder = nullptr;      ///< the task that holds the lock; only to be compared
  std::int64_t deadline_ns = kNone;  ///< of a timer, on the runtime's clock
  std::size_t queue_position = 0;    ///< from 1; 0: there is no queue, or it is further back than
                                     ///< kMaxQueuePosition
  static constexpr std::int64_t kNone = INT64_MIN;
  static constexpr std::size_t kMaxQueuePosition = 1000;
};

/// Is shown the branches that a combinator runs.
class BranchVisitor {
 public:
  virtual void visit(const Branch& branch) = 0;

 protected:
  ~BranchVisitor() = default;
};

/// The name of a type, as the compiler spells it.
template <class T>
constexpr std::string_view type_name() noexcept {
  // "… type_name() [with T = X; …]" (g++), "… type_name() [T = X]" (clang)
  const std::string_view text = __PRETTY_FUNCTION__;
  const std::size_t begin = text.find("T = ") + 4;
  return text.substr(begin, text.find_first_of(";]", begin) - begin);
}

/// What an operation without a name of its own (kOperation) is called.
template <class Awaiter>
constexpr std::string_view operation_name() noexcept {
  if constexpr (requires { Awaiter::kOperation; }) {
    return Awaiter::kOperation;
  } else {
    return type_name<Awaiter>();
  }
}

}  // namespace ringo::detail
