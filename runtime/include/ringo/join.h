// SPDX-License-Identifier: MIT
//
// join(a, b, …): awaits several things at once in one task, until all have ended; try_join() stops
// at the first error. As tokio::join! and try_join!. Nothing runs in parallel: for that, spawn.
//
//   auto [hello, foo] = co_await ringo::join(client_a.get("hello"), client_b.get("foo"));
//
// As many as there are at run time: join_all() (join_all.h). The first of several: select().
// Thread safety: the awaiting task's.

#pragma once

#include <ringo/detail/branches.h>
#include <ringo/detail/leaf_description.h>
#include <ringo/detail/promise.h>
#include <ringo/detail/task_core.h>
#include <ringo/detail/thread_annotations.h>

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <expected>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace ringo {

namespace detail {

template <class V>
concept ExpectedLike = requires(V& value) {
  typename V::value_type;
  typename V::error_type;
  { value.has_value() } -> std::same_as<bool>;
  value.error();
};

/// What try_join() makes of an expected<T, E>: the T.
template <class V>
struct ExpectedValue {
  using type = std::conditional_t<std::is_void_v<typename V::value_type>, std::monostate,
                                  typename V::value_type>;
};

template <bool kStopsAtError, class... As>
struct JoinOutput {
  using type = std::tuple<BranchValue<As>...>;
};
template <class A, class... As>
struct JoinOutput<true, A, As...> {
  using Error = typename ArmValue<A>::error_type;
  static_assert((std::same_as<typename ArmValue<As>::error_type, Error> && ...),
                "try_join: all branches must have the same error type");
  using type = std::expected<std::tuple<typename ExpectedValue<ArmValue<A>>::type,
                                        typename ExpectedValue<ArmValue<As>>::type...>,
                             Error>;
};

template <bool kStopsAtError, Awaitable... As>
class BranchesJoinAwaiter final : public Leaf {
 public:
  using Output = typename JoinOutput<kStopsAtError, As...>::type;

  explicit BranchesJoinAwaiter(As&&... awaitables) : slots_(std::forward<As>(awaitables)...) {}
  BranchesJoinAwaiter(BranchesJoinAwaiter&&) = default;
  BranchesJoinAwaiter& operator=(BranchesJoinAwaiter&&) = delete;
  ~BranchesJoinAwaiter() = default;

  [[nodiscard]] bool await_ready() const noexcept RINGO_EXCLUDES(no_suspend) { return false; }
  template <class AwaitingPromise>
  bool await_suspend(std::coroutine_handle<AwaitingPromise> awaiting) {
    waiting_coroutine = awaiting;
    return start(*awaiting.promise().branch);
  }
  [[nodiscard]] bool start(Branch& branch) {
    for_each_slot([this, &branch](auto& slot) {
      if (!must_stop_) {
        note(slot, slot.begin(branch));
      }
    });
    if (is_over()) {
      return false;
    }
    branch.leaf = this;
    return true;
  }
  [[nodiscard]] bool ended() noexcept override {
    for_each_slot([this](auto& slot) {
      if (!must_stop_) {
        note(slot, slot.go_on());
      }
    });
    return is_over();
  }
  [[nodiscard]] bool cancel() noexcept override {
    bool are_gone = true;
    for_each_slot([&are_gone](auto& slot) { are_gone = slot.cancel() && are_gone; });
    return are_gone;
  }
  [[nodiscard]] bool is_pinned() const noexcept override {
    return std::apply([](const auto&... slots) { return (slots.is_pinned() || ...); }, slots_);
  }
  void describe(LeafDescription& description) const noexcept override {
    description.operation = kStopsAtError ? "try_join" : "join";
  }
  void visit_branches(BranchVisitor& visitor) const override {
    std::apply([&visitor](const auto&... slots) { (slots.show(visitor), ...); }, slots_);
  }

  Output await_resume() {
    for_each_slot([](auto& slot) { slot.rethrow(); });
    if constexpr (kStopsAtError) {
      return take_or_fail(std::index_sequence_for<As...>());
    } else {
      return std::apply([](auto&... slots) { return Output(slots.take()...); }, slots_);
    }
  }

 private:
  template <class Visit>
  void for_each_slot(Visit visit) {
    std::apply([&visit](auto&... slots) { (visit(slots), ...); }, slots_);
  }

  /// One more look at a slot: counts it, and stops the others if it failed.
  template <class Slot>
  void note(Slot& slot, bool has_just_ended) noexcept {
    if (!has_just_ended) {
      return;
    }
    ++ended_;
    must_stop_ = slot.has_thrown();
    if constexpr (kStopsAtError) {
      must_stop_ = must_stop_ || !slot.value().has_value();
    }
  }
  [[nodiscard]] bool is_over() noexcept { return must_stop_ ? cancel() : ended_ == sizeof...(As); }

  template <std::size_t... kIndices>
  Output take_or_fail(std::index_sequence<kIndices...> /*indices*/) {
    using Unexpected = std::unexpected<typename Output::error_type>;
    std::optional<Unexpected> failed;
    const auto look = [&failed](auto& slot) {
      if (!failed && slot.has_ended() && !slot.value().has_value()) {
        failed.emplace(std::move(slot.value()).error());
      }
    };
    (look(std::get<kIndices>(slots_)), ...);
    if (failed) {
      return *std::move(failed);
    }
    return Output(std::in_place, take_value(std::get<kIndices>(slots_))...);
  }
  template <class Slot>
  static auto take_value(Slot& slot) {
    if constexpr (std::is_void_v<
                      typename std::remove_cvref_t<decltype(slot.value())>::value_type>) {
      return std::monostate();
    } else {
      return *std::move(slot.value());
    }
  }

  std::tuple<BranchSlot<As>...> slots_;
  std::size_t ended_ = 0;
  bool must_stop_ = false;
};

}  // namespace detail

/// Awaits all of them, in branches of the calling task, and gives their values as a tuple (for
/// void: std::monostate). They begin in order. If one throws, the others are destroyed where they
/// wait and the exception comes out of the co_await.
///
/// Cancel safety: what is inside is destroyed where it waits; values that were ready are lost.
/// Complexity: O(number of branches) per wake, without an allocation of its own.
template <detail::Awaitable... As>
  requires(sizeof...(As) > 0)
[[nodiscard]] detail::BranchesJoinAwaiter<false, As...> join(As&&... awaitables) {
  return detail::BranchesJoinAwaiter<false, As...>(std::forward<As>(awaitables)...);
}

/// join() for awaitables that give an expected<T, E>: all values as expected<tuple, E>. At the
/// first error the others are destroyed where they wait, and that error is the result.
template <detail::Awaitable... As>
  requires(sizeof...(As) > 0) && (detail::ExpectedLike<detail::ArmValue<As>> && ...)
[[nodiscard]] detail::BranchesJoinAwaiter<true, As...> try_join(As&&... awaitables) {
  return detail::BranchesJoinAwaiter<true, As...>(std::forward<As>(awaitables)...);
}

}  // namespace ringo
