// SPDX-License-Identifier: MIT
//
// Where a coroutine leaves what it ended with: nothing yet, a value, or an exception. Unlike
// std::variant it is one byte of state beside the value, and taking is one move.
//
// Thread safety: none; the task's state word orders its uses.

#pragma once

#include <ringo/detail/assert.h>

#include <cstdint>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

namespace ringo::detail {

struct Nothing {};

class VoidOutcome;

/// T may be void or a reference.
template <class T>
class Outcome {
  // A reference is kept as a pointer, void as an empty struct.
  using Stored = std::conditional_t<
      std::is_void_v<T>, Nothing,
      std::conditional_t<std::is_reference_v<T>, std::add_pointer_t<std::remove_reference_t<T>>,
                         std::remove_cv_t<T>>>;

 public:
  Outcome() noexcept {}
  Outcome(const Outcome&) = delete;
  Outcome& operator=(const Outcome&) = delete;
  ~Outcome() { clear(); }

  template <class... Args>
  void set_value(Args&&... args) {
    RINGO_DCHECK(state_ == State::kEmpty, "an outcome was set twice");
    if constexpr (std::is_reference_v<T>) {
      std::construct_at(std::addressof(value_), std::addressof(args)...);
    } else {
      std::construct_at(std::addressof(value_), std::forward<Args>(args)...);
    }
    state_ = State::kValue;
  }

  void set_exception(std::exception_ptr exception) noexcept {
    clear();
    std::construct_at(&exception_, std::move(exception));
    state_ = State::kException;
  }

  /// Moves the contents of `other` here. A move constructor that throws becomes the outcome.
  void take_from(Outcome& other) noexcept {
    if (other.state_ == State::kException) {
      set_exception(std::move(other.exception_));
    } else if (other.state_ == State::kValue) {
      try {
        std::construct_at(std::addressof(value_), std::move(other.value_));
        state_ = State::kValue;
      } catch (...) {
        set_exception(std::current_exception());
      }
    }
    other.clear();
  }
  void take_from(VoidOutcome& other) noexcept
    requires(std::is_void_v<T>);

  [[nodiscard]] bool has_value() const noexcept { return state_ == State::kValue; }
  [[nodiscard]] bool has_exception() const noexcept { return state_ == State::kException; }

  [[nodiscard]] std::exception_ptr take_exception() noexcept {
    std::exception_ptr exception = std::move(exception_);
    clear();
    return exception;
  }

  /// The value (moved out), or the exception is rethrown.
  T take() {
    if (state_ == State::kException) {
      std::rethrow_exception(take_exception());
    }
    RINGO_DCHECK(state_ == State::kValue, "an outcome was taken before it was set");
    if constexpr (std::is_reference_v<T>) {
      return static_cast<T>(*value_);
    } else if constexpr (!std::is_void_v<T>) {
      return std::move(value_);
    }
  }

  /// The value where it is. Requires: has_value().
  [[nodiscard]] auto& value() noexcept {
    RINGO_DCHECK(state_ == State::kValue, "an outcome was looked at before it was set");
    if constexpr (std::is_reference_v<T>) {
      return *value_;
    } else {
      return value_;
    }
  }

  void clear() noexcept {
    if (state_ == State::kValue) {
      std::destroy_at(std::addressof(value_));
    } else if (state_ == State::kException) {
      std::destroy_at(&exception_);
    }
    state_ = State::kEmpty;
  }

 private:
  enum class State : std::uint8_t { kEmpty, kValue, kException };

  union {
    Stored value_;
    std::exception_ptr exception_;
  };
  State state_ = State::kEmpty;
};

/// The same of a coroutine that gives nothing, for those who know that it has ended: a value is the
/// lack of an exception, and it is one word of each frame instead of two.
class VoidOutcome {
 public:
  void set_value() noexcept {}
  void set_exception(std::exception_ptr exception) noexcept { exception_ = std::move(exception); }

  [[nodiscard]] bool has_exception() const noexcept { return exception_ != nullptr; }
  [[nodiscard]] std::exception_ptr take_exception() noexcept {
    return std::exchange(exception_, nullptr);
  }
  void take() {
    if (has_exception()) {
      std::rethrow_exception(take_exception());
    }
  }

 private:
  std::exception_ptr exception_;
};

template <class T>
void Outcome<T>::take_from(VoidOutcome& other) noexcept
  requires(std::is_void_v<T>)
{
  if (other.has_exception()) {
    set_exception(other.take_exception());
  } else {
    set_value();
  }
}

/// What a coroutine leaves in its promise.
template <class T>
using PromiseOutcome = std::conditional_t<std::is_void_v<T>, VoidOutcome, Outcome<T>>;

}  // namespace ringo::detail
