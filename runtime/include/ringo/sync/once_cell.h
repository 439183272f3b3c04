// SPDX-License-Identifier: MIT
//
// OnceCell<T>: a value that is made once, by whoever needs it first, even if making it takes an
// await; the others wait meanwhile. As tokio::sync::OnceCell.
//
//   ringo::OnceCell<std::string> greeting;
//   auto make = []() -> ringo::Task<std::string> { co_return "hello"; };
//   const std::string& made = co_await greeting.get_or_init(make);
//
// If the value comes from somebody else and you only wait for it: SetOnce<T>. If it changes: watch.
//
// Thread safety: all of it but get_mut(), take() and into_inner(); const T& must be safe to use
// from several threads at once. No runtime is needed, unless the initialiser needs one.

#pragma once

#include <ringo/detail/promise.h>
#include <ringo/detail/semaphore_core.h>
#include <ringo/sync/semaphore.h>
#include <ringo/task.h>

#include <concepts>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace ringo {

/// Why OnceCell::set() refused.
enum class SetFailure : std::uint8_t {
  kAlreadyInitialized,  ///< there is a value
  kInitializing,        ///< somebody is making one
};

/// What OnceCell::set() refused, to be used otherwise.
template <class T>
struct SetError {
  SetFailure failure;
  T value;
};

template <class T>
class OnceCell {
 public:
  using value_type = T;

  OnceCell() = default;
  /// A cell that is initialised already, or not.
  explicit OnceCell(T value) : value_(std::move(value)) { permit_.close(); }
  explicit OnceCell(std::optional<T> value) : value_(std::move(value)) {
    if (value_) {
      permit_.close();
    }
  }
  OnceCell(const OnceCell&) = delete;
  OnceCell& operator=(const OnceCell&) = delete;
  /// Requires: nobody waits, and no call is under way.
  ~OnceCell() = default;

  /// The value, or null if there is none yet. Never waits.
  [[nodiscard]] const T* get() const noexcept { return is_initialized() ? &*value_ : nullptr; }
  [[nodiscard]] bool is_initialized() const noexcept { return permit_.is_closed(); }

  /// Puts a value in. Errors: SetError with the value, if there is one, or somebody is making one.
  std::expected<void, SetError<T>> set(T value) {
    switch (permit_.core().try_acquire(1)) {
      case detail::SemaphoreCore::Try::kAcquired: {
        const SemaphorePermit permit(&permit_, 1);
        initialize(std::move(value));
        return {};
      }
      case detail::SemaphoreCore::Try::kNoPermits:
        return std::unexpected(SetError<T>{SetFailure::kInitializing, std::move(value)});
      default:
        return std::unexpected(SetError<T>{SetFailure::kAlreadyInitialized, std::move(value)});
    }
  }

  /// The value; if there is none, the one that the task made by `make()` gives: one runs, the
  /// others wait. Throws what make() and its task throw; then the cell is as empty as before, and
  /// who waited runs its own.
  ///
  /// Cancel safety: if it is cancelled while it makes the value, the task is destroyed, and who
  /// waited runs its own. An initialiser that asks the same cell waits for itself.
  template <std::invocable Make>
    requires std::same_as<std::invoke_result_t<Make>, Task<T>>
  [[nodiscard]] Task<std::reference_wrapper<const T>> get_or_init(Make make) {
    if (!is_initialized()) {
      const Result<SemaphorePermit> permit = co_await permit_.acquire();
      if (permit) {
        Task<T> making = std::invoke(std::move(make));
        T made = co_await std::move(making);
        initialize(std::move(made));
      }
    }
    co_return std::reference_wrapper<const T>(*value_);
  }

  /// get_or_init() by a task that may fail: one that gives a std::expected<T, E>, such as a
  /// Result<T>. Errors: the task's own; then the cell is as empty as before.
  template <std::invocable Make,
            class E = typename std::invoke_result_t<Make>::value_type::error_type>
    requires std::same_as<std::invoke_result_t<Make>, Task<std::expected<T, E>>>
  [[nodiscard]] Task<std::expected<std::reference_wrapper<const T>, E>> get_or_try_init(Make make) {
    using Output = std::expected<std::reference_wrapper<const T>, E>;
    if (!is_initialized()) {
      const Result<SemaphorePermit> permit = co_await permit_.acquire();
      if (permit) {
        Task<std::expected<T, E>> making = std::invoke(std::move(make));
        std::expected<T, E> made = co_await std::move(making);
        if (!made) {
          co_return Output(std::unexpect, std::move(made).error());
        }
        initialize(*std::move(made));
      }
    }
    co_return Output(std::in_place, *value_);
  }

  /// The value, to be changed, or null. Requires: nobody else uses the cell.
  [[nodiscard]] T* get_mut() noexcept { return is_initialized() ? &*value_ : nullptr; }
  /// Takes the value out and leaves the cell empty. Requires: nobody else uses the cell.
  [[nodiscard]] std::optional<T> take() {
    std::optional<T> taken = std::move(value_);
    value_.reset();
    std::destroy_at(&permit_);
    std::construct_at(&permit_, 1);
    return taken;
  }
  /// Moves the value out. Requires: nobody else uses the cell.
  [[nodiscard]] std::optional<T> into_inner() && { return take(); }

 private:
  /// By who holds the permit. Closing publishes the value: the semaphore's word is the flag.
  void initialize(T&& value) {
    value_.emplace(std::move(value));
    permit_.close();
  }

  std::optional<T> value_;
  Semaphore permit_{1};  // to make the value; closed when there is one
};

template <class T>
OnceCell(T) -> OnceCell<T>;

}  // namespace ringo
