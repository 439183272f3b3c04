// SPDX-License-Identifier: MIT
//
// Why a task gave no value: it was cancelled, or it threw. As tokio::task::JoinError.

#pragma once

#include <compare>
#include <cstdint>
#include <exception>
#include <expected>
#include <functional>
#include <string>
#include <utility>

namespace ringo {

/// Names a task. Unique in the process; never 0 for a task.
class TaskId {
 public:
  constexpr TaskId() = default;
  explicit constexpr TaskId(std::uint64_t value) noexcept : value_(value) {}
  [[nodiscard]] constexpr std::uint64_t value() const noexcept { return value_; }
  friend constexpr auto operator<=>(const TaskId&, const TaskId&) = default;

 private:
  std::uint64_t value_ = 0;
};

class JoinError {
 public:
  static JoinError cancelled(TaskId id) noexcept { return JoinError(id, nullptr); }
  static JoinError threw(TaskId id, std::exception_ptr exception) noexcept {
    return JoinError(id, std::move(exception));
  }

  [[nodiscard]] bool is_cancelled() const noexcept { return exception_ == nullptr; }
  [[nodiscard]] bool is_exception() const noexcept { return exception_ != nullptr; }
  [[nodiscard]] TaskId id() const noexcept { return id_; }

  /// What the task threw; null if it was cancelled.
  [[nodiscard]] const std::exception_ptr& exception() const noexcept { return exception_; }
  /// Throws it again; for a cancelled task a std::runtime_error that says so.
  [[noreturn]] void rethrow() const;

  /// "task 7 was cancelled", "task 7 threw an exception: <what>".
  [[nodiscard]] std::string message() const;

 private:
  JoinError(TaskId id, std::exception_ptr exception) noexcept
      : exception_(std::move(exception)), id_(id) {}

  std::exception_ptr exception_;
  TaskId id_;
};

template <class T>
using JoinResult = std::expected<T, JoinError>;

}  // namespace ringo

template <>
struct std::hash<ringo::TaskId> {
  std::size_t operator()(ringo::TaskId id) const noexcept {
    return std::hash<std::uint64_t>()(id.value());
  }
};
