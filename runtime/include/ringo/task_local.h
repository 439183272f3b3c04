// SPDX-License-Identifier: MIT
//
// TaskLocal<T>: a value that everything which one task runs inside a scope can see, without being
// given it: the id of a request, for the log. As tokio::task_local!.
//
//   inline ringo::TaskLocal<int> request_id;
//   co_await request_id.scope(42, handle_request());   // in which request_id.get() is 42
//
// Tasks that are spawned inside the scope are outside of it. Declare the key as a variable that
// lives as long as the program.
// Thread safety: each task sees its own values.

#pragma once

#include <ringo/detail/arm.h>
#include <ringo/detail/leaf_description.h>
#include <ringo/detail/task_core.h>
#include <ringo/detail/thread_annotations.h>
#include <ringo/task.h>
#include <ringo/usage_error.h>

#include <concepts>
#include <coroutine>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

namespace ringo {

template <class T>
class TaskLocal;

namespace detail {

/// A value in scope. The innermost is found first.
struct LocalBinding {
  LocalBinding(const void* for_key, void* bound) noexcept : key(for_key), value(bound) {}

  const void* key;
  void* value;
  LocalBinding* outer = nullptr;
};

/// Puts a binding in force on this thread for as long as it lives.
class LocalBindingGuard {
 public:
  explicit LocalBindingGuard(LocalBinding& binding) noexcept;
  LocalBindingGuard(const LocalBindingGuard&) = delete;
  LocalBindingGuard& operator=(const LocalBindingGuard&) = delete;
  ~LocalBindingGuard();

 private:
  LocalBinding& binding_;
};

/// Hides all bindings: for another task that runs on this thread meanwhile.
class NoLocalBindings {
 public:
  NoLocalBindings() noexcept;
  NoLocalBindings(const NoLocalBindings&) = delete;
  NoLocalBindings& operator=(const NoLocalBindings&) = delete;
  ~NoLocalBindings();

 private:
  LocalBinding* hidden_;
};

/// The innermost value of a key, or null.
[[nodiscard]] void* find_local(const void* key) noexcept;

template <class T, class U>
class LocalScopeAwaiter final : public Leaf {
 public:
  LocalScopeAwaiter(const TaskLocal<T>& key, T&& value, Task<U>&& body)
      : value_(std::move(value)), binding_(&key, nullptr), body_(std::in_place, std::move(body)) {}
  LocalScopeAwaiter(LocalScopeAwaiter&&) = default;
  LocalScopeAwaiter& operator=(LocalScopeAwaiter&&) = delete;
  ~LocalScopeAwaiter() {
    if (body_) {
      // Its locals' destructors belong to the scope too.
      const LocalBindingGuard guard(bind());
      body_.reset();
    }
  }

  [[nodiscard]] bool await_ready() const noexcept RINGO_EXCLUDES(no_suspend) { return false; }
  template <class AwaitingPromise>
  bool await_suspend(std::coroutine_handle<AwaitingPromise> awaiting) {
    waiting_coroutine = awaiting;
    return start(*awaiting.promise().branch);
  }
  [[nodiscard]] bool start(Branch& branch) {
    body_->open_in(branch);
    const LocalBindingGuard guard(bind());
    has_ended_ = body_->start();
    branch.leaf = has_ended_ ? nullptr : this;
    return !has_ended_;
  }
  [[nodiscard]] bool ended() noexcept override {
    if (!has_ended_) {
      const LocalBindingGuard guard(bind());
      has_ended_ = body_->run();
    }
    return has_ended_;
  }
  [[nodiscard]] bool cancel() noexcept override {
    if (!body_) {
      return true;
    }
    const LocalBindingGuard guard(bind());
    if (!body_->cancel()) {
      return false;
    }
    body_.reset();
    return true;
  }
  [[nodiscard]] bool is_pinned() const noexcept override { return body_ && body_->is_pinned(); }
  void describe(LeafDescription& description) const noexcept override {
    description.operation = "TaskLocal::scope";
  }
  void visit_branches(BranchVisitor& visitor) const override {
    if (body_) {
      body_->show(visitor);
    }
  }
  U await_resume() { return body_->take(); }

 private:
  LocalBinding& bind() noexcept {
    binding_.value = &value_;
    return binding_;
  }

  T value_;
  LocalBinding binding_;
  std::optional<Arm<Task<U>>> body_;
  bool has_ended_ = false;
};

}  // namespace detail

template <class T>
class TaskLocal {
 public:
  constexpr TaskLocal() = default;
  TaskLocal(const TaskLocal&) = delete;
  TaskLocal& operator=(const TaskLocal&) = delete;
  ~TaskLocal() = default;

  /// Runs `body` as a part of the awaiting task; in it, and in what it awaits, the key has `value`.
  /// Scopes nest; the innermost counts. Cancel safety: as the body's; its destructors still see the
  /// value. Complexity: O(1).
  template <class U>
  [[nodiscard]] detail::LocalScopeAwaiter<T, U> scope(std::type_identity_t<T> value,
                                                      Task<U> body) const {
    return detail::LocalScopeAwaiter<T, U>(*this, std::move(value), std::move(body));
  }
  /// The same for a call that does not suspend.
  template <std::invocable F>
  decltype(auto) sync_scope(std::type_identity_t<T> value, F&& function) const {
    detail::LocalBinding binding(this, &value);
    const detail::LocalBindingGuard guard(binding);
    return std::invoke(std::forward<F>(function));
  }

  /// Calls `function` with the value. Panics: UsageError outside a scope. Complexity: O(number of
  /// scopes that the caller is in).
  template <std::invocable<T&> F>
  decltype(auto) with(F&& function) const {
    T* value = find();
    if (value == nullptr) {
      detail::throw_usage_error("TaskLocal::with: outside of a scope of this key");
    }
    return std::invoke(std::forward<F>(function), *value);
  }
  /// A copy of the value. Panics: UsageError outside a scope.
  [[nodiscard]] T get() const {
    return with([](const T& value) { return value; });
  }
  /// A copy of the value, or nothing outside a scope.
  [[nodiscard]] std::optional<T> try_get() const {
    const T* value = find();
    return value == nullptr ? std::optional<T>() : std::optional<T>(*value);
  }

 private:
  T* find() const noexcept { return static_cast<T*>(detail::find_local(this)); }
};

}  // namespace ringo
