// SPDX-License-Identifier: MIT
//
// What stream adaptors are made of. A stage is a stream that asks another awaitable again and
// again, until what that gave makes an item, or the end. It needs no coroutine: one leaf, which
// lives where next() is awaited. A stage says
//
//   using Item = …                   what it gives; may be a reference
//   auto ask()                       the leaf to await next
//   bool take(got&&, Outcome<Next<Item>>& to) has made an item or the end of it, which is in `to`
//                    (where the leaf gives void, got is std::monostate)
//   bool poll(Outcome<Next<Item>>& to)        the same without asking; optional
//
// What these throw comes out of next(). Their state is the stage's, not the leaf's: a next() that
// is dropped loses nothing, if that of the stage's source does not.
//
// Thread safety: the awaiting task's.

#pragma once

#include <ringo/detail/arm.h>
#include <ringo/detail/outcome.h>
#include <ringo/detail/promise.h>
#include <ringo/detail/task_core.h>
#include <ringo/detail/thread_annotations.h>
#include <ringo/generator.h>

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace ringo {

namespace detail {

template <class N>
struct ItemOfNext {};
template <class T>
struct ItemOfNext<std::optional<T>> {
  using type = T;
};
template <class T>
struct ItemOfNext<T*> {
  using type = T&;
};

template <class S>
using NextOf = ArmValue<decltype(std::declval<S&>().next())>;

/// The item that next() has given: to be moved from, or the reference.
template <class T>
T&& item_of(std::optional<T>& got) noexcept {
  return std::move(*got);
}
template <class T>
T& item_of(T* got) noexcept {
  return *got;
}

}  // namespace detail

/// What the adaptors take: an object whose next() is a leaf that gives std::optional<T>, or a
/// pointer; empty at the end. Generator is one, and so is each adaptor, StreamMap, and what
/// as_stream() makes (stream_sources.h). Writing one of your own: make it a Generator.
template <class S>
concept Stream = std::move_constructible<S> && requires(S& stream) {
  { stream.next() } -> detail::LeafAwaitable;
  typename detail::ItemOfNext<detail::NextOf<S>>::type;
};

/// T for a stream whose next() gives std::optional<T>, T& where it gives a T*.
template <Stream S>
using StreamItem = typename detail::ItemOfNext<detail::NextOf<S>>::type;

namespace detail {

template <class T, class... Args>
void give(Outcome<std::optional<T>>& to, Args&&... args) {
  to.set_value(std::in_place, std::forward<Args>(args)...);
}
template <class T>
void give(Outcome<T*>& to, T& item) {
  to.set_value(std::addressof(item));
}
/// The end.
template <class N>
void give_end(Outcome<N>& to) {
  to.set_value(N());
}

template <class S>
class StageAwaiter final : public Leaf {
  using Inner = decltype(std::declval<S&>().ask());
  using Output = Next<typename S::Item>;

 public:
  explicit StageAwaiter(S& stage) noexcept : stage_(&stage) {}
  StageAwaiter(StageAwaiter&& other) noexcept : Leaf(other), stage_(other.stage_) {
    RINGO_DCHECK(!other.inner_, "an awaiter was moved after it had been awaited");
  }
  StageAwaiter& operator=(StageAwaiter&&) = delete;
  ~StageAwaiter() = default;

  [[nodiscard]] bool await_ready() noexcept RINGO_EXCLUDES(no_suspend) {
    return ask_until(nullptr);
  }
  template <class AwaitingPromise>
  bool await_suspend(std::coroutine_handle<AwaitingPromise> awaiting) {
    waiting_coroutine = awaiting;
    return start(*awaiting.promise().branch);
  }
  /// After an await_ready() that said no: it has asked, and the answer is not there yet.
  [[nodiscard]] bool start(Branch& branch) noexcept {
    branch_ = &branch;
    try {
      if (inner_->start(branch)) {
        branch.leaf = this;
        return true;
      }
    } catch (...) {
      fail();
      return false;
    }
    if (take_answer() || ask_until(&branch)) {
      return false;
    }
    branch.leaf = this;
    return true;
  }
  [[nodiscard]] bool ended() noexcept override {
    if (!inner_->ended()) {
      return false;
    }
    if (take_answer() || ask_until(branch_)) {
      return true;
    }
    branch_->leaf = this;
    return false;
  }
  [[nodiscard]] bool cancel() noexcept override { return !inner_ || inner_->cancel(); }
  [[nodiscard]] bool is_pinned() const noexcept override { return inner_ && inner_->is_pinned(); }

  Output await_resume() { return outcome_.take(); }

 private:
  /// True: there is a result. False: it waits on that branch; without one it would have to.
  bool ask_until(Branch* branch) noexcept {
    for (;;) {
      try {
        if constexpr (requires { stage_->poll(outcome_); }) {
          if (stage_->poll(outcome_)) {
            return true;
          }
        }
        inner_.emplace(stage_->ask());
        if (!inner_->await_ready() && (branch == nullptr || inner_->start(*branch))) {
          return false;
        }
      } catch (...) {
        fail();
        return true;
      }
      if (take_answer()) {
        return true;
      }
    }
  }
  bool take_answer() noexcept {
    try {
      if constexpr (std::is_void_v<decltype(inner_->await_resume())>) {
        inner_->await_resume();
        inner_.reset();
        return stage_->take(std::monostate(), outcome_);
      } else {
        auto got = inner_->await_resume();
        inner_.reset();
        return stage_->take(std::move(got), outcome_);
      }
    } catch (...) {
      fail();
      return true;
    }
  }
  void fail() noexcept {
    outcome_.set_exception(std::current_exception());
    inner_.reset();
  }

  S* stage_;
  Branch* branch_ = nullptr;
  std::optional<Inner> inner_;
  Outcome<Output> outcome_;
};

/// next() of a stage.
template <class Derived>
class Stage {
 public:
  /// Cancel safe, if next() of what it is made of is. Requires: the stream lives meanwhile.
  [[nodiscard]] auto next() noexcept { return StageAwaiter<Derived>(static_cast<Derived&>(*this)); }

 private:
  friend Derived;
  Stage() = default;
};

/// The right side of `stream | adaptor`: what Op::make() makes of a stream and the arguments.
template <class Op, class... Args>
class [[nodiscard("an adaptor does nothing until a stream is piped into it")]] Pipe {
 public:
  explicit Pipe(Args... args) : args_(std::move(args)...) {}

  template <Stream S>
  [[nodiscard]] friend auto operator|(S stream, Pipe pipe) {
    return std::move(pipe).make(std::move(stream), std::index_sequence_for<Args...>());
  }

 private:
  template <class S, std::size_t... kIndices>
  auto make(S stream, std::index_sequence<kIndices...> /*all*/) && {
    return Op::make(std::move(stream), std::move(std::get<kIndices>(args_))...);
  }

  std::tuple<Args...> args_;
};

}  // namespace detail
}  // namespace ringo
