// SPDX-License-Identifier: MIT
//
// Generator<T>: a coroutine that gives one value after another by co_yield, and may await whatever
// a Task may. It runs as a part of the task that awaits next(). As async_stream::stream! in Rust.
//
//   ringo::Generator<int> countdown(int from) {
//     for (int i = from; i > 0; --i) {
//       co_await ringo::time::sleep(1s);
//       co_yield i;
//     }
//   }
//   auto seconds = countdown(3);
//   while (std::optional<int> left = co_await seconds.next()) sum += *left;
//
// To combine and transform streams: stream.h. To run it beside its consumer: spawn a task that
// sends what it makes to a channel.
// Thread safety: one owner's at a time.

#pragma once

#include <ringo/detail/generator_cell.h>
#include <ringo/detail/leaf_awaiter.h>
#include <ringo/detail/outcome.h>
#include <ringo/detail/task_core.h>
#include <ringo/task.h>
#include <ringo/usage_error.h>

#include <concepts>
#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace ringo {

template <class T>
class Generator;

namespace detail {

template <class T>
struct NextItem {
  using type = std::optional<T>;
};
template <class T>
struct NextItem<T&> {
  using type = T*;
};
/// What next() gives: a T, or nothing at the end. For references a pointer, since there is no
/// std::optional of them.
template <class T>
using Next = typename NextItem<T>::type;

template <class T>
class GeneratorPromise final : public PromiseBase {
  static_assert(!std::is_rvalue_reference_v<T>, "a Generator gives values or lvalue references");
  static_assert(alignof(Outcome<T>) <= kMaxPromiseAlignment,
                "a Generator cannot give a type that is aligned to more than 16 bytes: frames are "
                "aligned to 16. Give it by std::unique_ptr");

 public:
  Generator<T> get_return_object();
  void return_void() const noexcept {}
  void unhandled_exception() noexcept { item.set_exception(std::current_exception()); }

  /// The value is kept here until next() takes it.
  template <class U = T>
    requires(!std::is_reference_v<T> && std::constructible_from<T, U>)
  std::suspend_always yield_value(U&& value) {
    item.set_value(std::forward<U>(value));
    return {};
  }
  std::suspend_always yield_value(T value)
    requires std::is_reference_v<T>
  {
    item.set_value(value);
    return {};
  }

  Outcome<T> item;
};

template <class T>
class NextAwaiter final : public LeafAwaiter<NextAwaiter<T>> {
 public:
  explicit NextAwaiter(GeneratorCell* cell) noexcept : cell_(cell) {}
  NextAwaiter(NextAwaiter&&) = default;
  NextAwaiter& operator=(NextAwaiter&&) = delete;
  ~NextAwaiter() { stop_waiting(); }

  bool poll() noexcept { return is_over() || cell_->poll(); }
  bool enlist(Branch& branch) noexcept {
    cell_->waiting = this;
    return cell_->wait(branch);
  }
  bool is_ended() noexcept { return cell_->poll() || !cell_->wait(this->branch()); }
  [[nodiscard]] bool cancel() noexcept override {
    return is_misused() || cell_->leave(this->branch());
  }
  [[nodiscard]] bool is_pinned() const noexcept override {
    return !is_misused() && cell_->is_pinned();
  }

  Next<T> await_resume() {
    if (is_misused()) [[unlikely]] {
      throw_usage_error(
          "Generator::next: somebody else awaits it already, or it was moved from or awaits "
          "itself");
    }
    stop_waiting();
    if (cell_->has_ended()) {
      if (cell_->was_cut_off()) {
        throw_usage_error(
            "Generator::next: an earlier next() was dropped in a shield or scope of the generator, "
            "which has ended it");
      }
      return Next<T>();
    }
    Outcome<T>& item = promise().item;
    if (item.has_value()) {
      const ItemGuard guard(item);
      if constexpr (std::is_reference_v<T>) {
        return std::addressof(item.value());
      } else {
        return Next<T>(std::in_place, std::move(item.value()));
      }
    }
    const std::exception_ptr thrown =
        item.has_exception() ? item.take_exception() : std::exception_ptr();
    cell_->end();
    if (thrown) {
      std::rethrow_exception(thrown);
    }
    return Next<T>();
  }

 private:
  struct ItemGuard {
    explicit ItemGuard(Outcome<T>& taken) noexcept : item(taken) {}
    ItemGuard(const ItemGuard&) = delete;
    ItemGuard& operator=(const ItemGuard&) = delete;
    ~ItemGuard() { item.clear(); }
    Outcome<T>& item;
  };

  GeneratorPromise<T>& promise() const noexcept {
    return std::coroutine_handle<GeneratorPromise<T>>::from_address(cell_->body().address())
        .promise();
  }
  [[nodiscard]] bool is_misused() const noexcept {
    return cell_ == nullptr || cell_->is_inside() ||
           (cell_->waiting != nullptr && cell_->waiting != this);
  }
  /// There is nothing to run: an item that nobody has taken, the end, or a mistake.
  [[nodiscard]] bool is_over() const noexcept {
    return is_misused() || cell_->has_ended() || promise().item.has_value();
  }
  void stop_waiting() noexcept {
    if (cell_ != nullptr && cell_->waiting == this) {
      cell_->waiting = nullptr;
      cell_->stop_waiting();
    }
  }

  GeneratorCell* cell_;
};

}  // namespace detail

/// A stream that is a coroutine. Nothing runs until the first next(). Move-only; destroying it
/// destroys the frame, parameters included, wherever it is suspended; so does its end, as soon as
/// next() has told of it. T may be move-only, or a reference.
///
/// With what it waits for in flight it may be moved to another task, which goes on with it.
template <class T>
class [[nodiscard("a Generator does nothing until next() is awaited")]] Generator {
 public:
  using promise_type = detail::GeneratorPromise<T>;
  using value_type = T;

  Generator(Generator&& other) noexcept : cell_(std::exchange(other.cell_, nullptr)) {}
  Generator& operator=(Generator&& other) noexcept {
    std::swap(cell_, other.cell_);
    return *this;
  }
  ~Generator() {
    if (cell_ != nullptr) {
      cell_->close();
    }
  }

  /// Runs the body to its next co_yield: std::optional<T> (for a reference T& a T*), empty at the
  /// end and from then on. What the body throws comes out once; then it has ended.
  ///
  /// Cancel safe: if it is dropped the body stays where it waits, with its place in queues and what
  /// it is given meanwhile (a lock!), and the following next() goes on from there. The exception is
  /// a body inside shield(), scope() or fork_join(): then the drop waits for the shield to end, or
  /// ends the children; the body is destroyed, and a following next() throws UsageError.
  /// Panics: UsageError, if another next() of it is being awaited. Requires: the generator lives
  /// meanwhile. Complexity: O(1), without allocation. An item costs one of the coop budget, beside
  /// what the body awaits. Generators that await generators nest on the stack of the thread.
  [[nodiscard]] detail::NextAwaiter<T> next() noexcept { return detail::NextAwaiter<T>(cell_); }

 private:
  friend promise_type;
  explicit Generator(detail::GeneratorCell* cell) noexcept : cell_(cell) {}

  detail::GeneratorCell* cell_;
};

namespace detail {

template <class T>
Generator<T> GeneratorPromise<T>::get_return_object() {
  auto* cell = new GeneratorCell(
      checked_frame(std::coroutine_handle<GeneratorPromise>::from_promise(*this)));
  branch = &cell->root;
  return Generator<T>(cell);
}

}  // namespace detail
}  // namespace ringo
