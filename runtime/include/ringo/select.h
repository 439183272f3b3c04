// SPDX-License-Identifier: MIT
//
// select(…): awaits several things at once in one task, until the first of them has ended. The
// others are destroyed where they wait before anything else happens. As tokio::select!.
//
//   co_await ringo::select(
//       ringo::on(rx.recv(), [&](std::optional<int> message) { received = message; }),
//       ringo::on(ringo::time::sleep(10s), [&] { is_late = true; }));
//
// Without handlers it gives a std::variant of the values, in which index() says who it was. All of
// them: join(). Only a deadline: time::timeout(). Whoever must not be destroyed when another wins
// is spawned, and its JoinHandle is what select() awaits: `on(handle, …)`.
// Thread safety: the awaiting task's.

#pragma once

#include <ringo/detail/branches.h>
#include <ringo/detail/leaf_description.h>
#include <ringo/detail/promise.h>
#include <ringo/detail/task_core.h>
#include <ringo/detail/thread_annotations.h>
#include <ringo/task.h>
#include <ringo/usage_error.h>

#include <array>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace ringo {

/// The first argument of a select() whose branches are looked at in the order of their writing.
/// Without it the order is drawn anew at each look, so that no branch starves another.
struct Biased {};
// NOLINTNEXTLINE(readability-identifier-naming): reads as a word of the call.
inline constexpr Biased biased{};

namespace detail {

/// Uniform in [0, bound), from the current worker's generator. Any thread.
[[nodiscard]] std::uint32_t random_below(std::uint32_t bound) noexcept;

struct AcceptAll {
  template <class V>
  static bool accepts(const V& /*value*/) noexcept {
    return true;
  }
};
/// Accepts what holds a value: an optional, an expected.
struct AcceptValue {
  template <class V>
  static bool accepts(const V& value) noexcept {
    return value.has_value();
  }
};

/// Awaitables of which the first to end with a value that its filter accepts is the winner. One
/// that ends with another value is out, as a disabled one is.
template <class Filters, Awaitable... As>
class Contest {
 public:
  static constexpr std::size_t kCount = sizeof...(As);
  static constexpr std::size_t kNobody = kCount;

  Contest(bool is_biased, std::array<bool, kCount> enabled, As&&... awaitables)
      : slots_(std::forward<As>(awaitables)...), is_in_(enabled), is_biased_(is_biased) {}

  /// True: it is over.
  [[nodiscard]] bool start(Branch& branch) noexcept {
    look_at_all([&branch](auto& slot) { return slot.begin(branch); });
    return is_over();
  }
  [[nodiscard]] bool go_on() noexcept {
    look_at_all([](auto& slot) { return slot.go_on(); });
    return is_over();
  }
  /// Destroys everything but the winner's value. False: something is pinned.
  [[nodiscard]] bool cancel() noexcept {
    bool are_gone = true;
    std::apply([&are_gone](auto&... slots) { ((are_gone = slots.cancel() && are_gone), ...); },
               slots_);
    return are_gone;
  }
  [[nodiscard]] bool is_pinned() const noexcept {
    return std::apply([](const auto&... slots) { return (slots.is_pinned() || ...); }, slots_);
  }

  void show(BranchVisitor& visitor) const {
    std::apply([&visitor](const auto&... slots) { (slots.show(visitor), ...); }, slots_);
  }

  /// Whose value was the first, or kNobody if all are out.
  [[nodiscard]] std::size_t winner() const noexcept { return winner_; }
  template <std::size_t kIndex>
  auto& slot() noexcept {
    return std::get<kIndex>(slots_);
  }
  /// Calls `visit` with the winner's index, as a std::integral_constant, and its slot. Requires
  /// that somebody has won.
  template <class Output, class Visit>
  Output visit_winner(Visit visit) {
    return visit_winner<Output>(visit, std::make_index_sequence<kCount>());
  }

 private:
  template <class Output, class Visit, std::size_t... kIndices>
  Output visit_winner(Visit& visit, std::index_sequence<kIndices...> /*all*/) {
    using Call = Output (*)(Contest&, Visit&);
    static constexpr Call kCalls[] = {[](Contest& self, Visit& chosen) -> Output {
      return chosen(std::integral_constant<std::size_t, kIndices>(), self.slot<kIndices>());
    }...};
    return kCalls[winner_](*this, visit);
  }
  template <class Look>
  void look_at_all(Look look) noexcept {
    std::size_t at = is_biased_ || kCount == 1 ? 0 : random_below(kCount);
    for (std::size_t i = 0; i < kCount && winner_ == kNobody; ++i) {
      look_at(at, look, std::make_index_sequence<kCount>());
      at = at + 1 == kCount ? 0 : at + 1;
    }
  }
  template <class Look, std::size_t... kIndices>
  void look_at(std::size_t at, Look look, std::index_sequence<kIndices...> /*all*/) noexcept {
    ((at == kIndices ? look_at_slot<kIndices>(look) : void()), ...);
  }
  template <std::size_t kIndex, class Look>
  void look_at_slot(Look look) noexcept {
    auto& slot = std::get<kIndex>(slots_);
    if (!is_in_[kIndex] || !look(slot)) {
      return;
    }
    if (slot.has_thrown() || std::tuple_element_t<kIndex, Filters>::accepts(slot.value())) {
      winner_ = kIndex;
    } else {
      is_in_[kIndex] = false;
    }
  }
  [[nodiscard]] bool is_over() noexcept {
    if (winner_ != kNobody) {
      return cancel();
    }
    for (const bool is_in : is_in_) {
      if (is_in) {
        return false;
      }
    }
    return cancel();
  }

  std::tuple<BranchSlot<As>...> slots_;
  std::array<bool, kCount> is_in_;
  std::size_t winner_ = kNobody;
  bool is_biased_;
};

/// Derived::finish() makes the result out of the contest.
template <class Derived, class ContestType>
class SelectAwaiterBase : public Leaf {
 public:
  SelectAwaiterBase& operator=(SelectAwaiterBase&&) = delete;

  [[nodiscard]] bool await_ready() const noexcept RINGO_EXCLUDES(no_suspend) { return false; }
  template <class AwaitingPromise>
  bool await_suspend(std::coroutine_handle<AwaitingPromise> awaiting) {
    waiting_coroutine = awaiting;
    return start(*awaiting.promise().branch);
  }
  [[nodiscard]] bool start(Branch& branch) {
    if (contest_.start(branch)) {
      return false;
    }
    branch.leaf = this;
    return true;
  }
  [[nodiscard]] bool ended() noexcept final { return contest_.go_on(); }
  [[nodiscard]] bool cancel() noexcept final { return contest_.cancel(); }
  [[nodiscard]] bool is_pinned() const noexcept final { return contest_.is_pinned(); }
  void describe(LeafDescription& description) const noexcept override {
    description.operation = "select";
  }
  void visit_branches(BranchVisitor& visitor) const final { contest_.show(visitor); }

 protected:
  template <class... Args>
  explicit SelectAwaiterBase(Args&&... args) : contest_(std::forward<Args>(args)...) {}
  SelectAwaiterBase(SelectAwaiterBase&&) = default;
  ~SelectAwaiterBase() = default;

  ContestType& contest() noexcept { return contest_; }

 private:
  ContestType contest_;
};

template <class... As>
using AllAccepted = std::tuple<std::conditional_t<true, AcceptAll, As>...>;

template <class... As>
constexpr std::array<bool, sizeof...(As)> all_enabled() {
  std::array<bool, sizeof...(As)> enabled{};
  enabled.fill(true);
  return enabled;
}

template <Awaitable... As>
class VariantSelectAwaiter final
    : public SelectAwaiterBase<VariantSelectAwaiter<As...>, Contest<AllAccepted<As...>, As...>> {
  using Base = SelectAwaiterBase<VariantSelectAwaiter, Contest<AllAccepted<As...>, As...>>;

 public:
  using Output = std::variant<BranchValue<As>...>;

  explicit VariantSelectAwaiter(bool is_biased, As&&... awaitables)
      : Base(is_biased, all_enabled<As...>(), std::forward<As>(awaitables)...) {}

  Output await_resume() {
    return this->contest().template visit_winner<Output>([](auto index, auto& slot) {
      slot.rethrow();
      return Output(std::in_place_index<decltype(index)::value>, slot.take());
    });
  }
};

template <class H>
struct Handled {
  using Value = H;
  static constexpr bool kIsTask = false;
};
template <class T>
struct Handled<Task<T>> {
  using Value = T;
  static constexpr bool kIsTask = true;
};

/// A branch of a select, with its handler.
template <Awaitable A, class F, class FilterType>
class Case {
 public:
  using Awaited = A;
  using Filter = FilterType;

  Case(A&& awaitable, F handler)
      : awaitable_(std::forward<A>(awaitable)), handler_(std::move(handler)) {}

  /// Whether the branch takes part at all. What it awaits is made in any case, but not begun.
  [[nodiscard]] Case only_if(bool is_enabled) && {
    is_enabled_ = is_enabled;
    return std::move(*this);
  }

  [[nodiscard]] bool is_enabled() const noexcept { return is_enabled_; }
  A&& awaitable() noexcept { return static_cast<A&&>(awaitable_); }
  F&& handler() noexcept { return std::move(handler_); }

  /// Calls the handler with the value of the branch, if it wants one.
  static decltype(auto) handle(F& handler, BranchSlot<A>& slot) {
    slot.rethrow();
    using Value = std::remove_cvref_t<decltype(slot.value())>;
    if constexpr (std::is_invocable_v<F&>) {
      return std::invoke(handler);
    } else if constexpr (std::is_same_v<Filter, AcceptValue>) {
      static_assert(std::is_invocable_v<F&, decltype(*std::declval<Value&&>())>,
                    "on_value: the handler takes what the optional or expected holds, or nothing");
      return std::invoke(handler, *slot.take());
    } else {
      static_assert(std::is_invocable_v<F&, Value&&>,
                    "on: the handler takes the value of its branch, or nothing");
      return std::invoke(handler, slot.take());
    }
  }
  using Result = std::invoke_result_t<decltype(&handle), F&, BranchSlot<A>&>;

 private:
  A awaitable_;  // a reference stays one
  F handler_;
  bool is_enabled_ = true;
};

/// The branch for when all others are out.
template <class F>
class Otherwise {
 public:
  using Result = std::invoke_result_t<F&>;

  explicit Otherwise(F handler) : handler_(std::move(handler)) {}
  Result handle() { return std::invoke(handler_); }

 private:
  F handler_;
};
struct NoOtherwise {};

template <class Else, class... Cases>
struct SelectValue {
  using type = std::common_type_t<typename Handled<typename Cases::Result>::Value...,
                                  typename Handled<typename Else::Result>::Value>;
  static constexpr bool kIsTask =
      (Handled<typename Cases::Result>::kIsTask || ...) || Handled<typename Else::Result>::kIsTask;
};
template <class... Cases>
struct SelectValue<NoOtherwise, Cases...> {
  using type = std::common_type_t<typename Handled<typename Cases::Result>::Value...>;
  static constexpr bool kIsTask = (Handled<typename Cases::Result>::kIsTask || ...);
};

/// A handler that does not suspend, among others that do.
template <class T, class F>
Task<T> call_as_task(F function) {
  co_return function();
}

template <class Else, class... Cases>
class CaseSelectAwaiter final
    : public SelectAwaiterBase<
          CaseSelectAwaiter<Else, Cases...>,
          Contest<std::tuple<typename Cases::Filter...>, typename Cases::Awaited...>> {
  using Base =
      SelectAwaiterBase<CaseSelectAwaiter,
                        Contest<std::tuple<typename Cases::Filter...>, typename Cases::Awaited...>>;
  using Value = typename SelectValue<Else, Cases...>::type;

 public:
  static constexpr bool kIsTask = SelectValue<Else, Cases...>::kIsTask;
  using Output = std::conditional_t<kIsTask, Task<Value>, Value>;

  CaseSelectAwaiter(bool is_biased, Else&& otherwise, Cases&&... cases)
      : Base(is_biased, std::array<bool, sizeof...(Cases)>{cases.is_enabled()...},
             cases.awaitable()...),
        handlers_(cases.handler()...),
        otherwise_(std::move(otherwise)) {}

  Output await_resume() {
    if (this->contest().winner() == sizeof...(Cases)) {
      return handle_nobody();
    }
    return this->contest().template visit_winner<Output>([this](auto index, auto& slot) {
      using CaseType = std::tuple_element_t<decltype(index)::value, std::tuple<Cases...>>;
      auto& handler = std::get<decltype(index)::value>(handlers_);
      return as_output(
          [&handler, &slot]() -> decltype(auto) { return CaseType::handle(handler, slot); });
    });
  }

 private:
  Output handle_nobody() {
    if constexpr (std::is_same_v<Else, NoOtherwise>) {
      throw_usage_error("select: all branches are disabled or out, and there is no otherwise()");
    } else {
      return as_output([this]() -> decltype(auto) { return otherwise_.handle(); });
    }
  }
  template <class F>
  static Output as_output(F function) {
    if constexpr (kIsTask && !Handled<std::invoke_result_t<F&>>::kIsTask) {
      return call_as_task<Value>(std::move(function));
    } else {
      return function();
    }
  }

  std::tuple<std::remove_reference_t<decltype(std::declval<Cases&>().handler())>...> handlers_;
  [[no_unique_address]] Else otherwise_;
};

/// Keeps the handlers where they are while one of them runs.
template <class T, class Awaiter>
Task<T> select_and_handle(Awaiter awaiter) {
  Task<T> handling = co_await std::move(awaiter);
  co_return co_await std::move(handling);
}

template <class A>
struct IsCase : std::false_type {};
template <class A, class F, class Filter>
struct IsCase<Case<A, F, Filter>> : std::true_type {};
template <class A>
struct IsOtherwise : std::false_type {};
template <class F>
struct IsOtherwise<Otherwise<F>> : std::true_type {};

template <class Else, class... Cases>
auto select_cases(bool is_biased, Else otherwise, Cases... cases) {
  using Awaiter = CaseSelectAwaiter<Else, Cases...>;
  Awaiter awaiter(is_biased, std::move(otherwise), std::move(cases)...);
  if constexpr (Awaiter::kIsTask) {
    return select_and_handle<typename Awaiter::Output::value_type>(std::move(awaiter));
  } else {
    return awaiter;
  }
}

template <class... Args, std::size_t... kIndices>
auto select_with_otherwise(bool is_biased, std::tuple<Args&&...> all,
                           std::index_sequence<kIndices...> /*cases*/) {
  return select_cases(is_biased,
                      std::forward<std::tuple_element_t<sizeof...(kIndices), std::tuple<Args...>>>(
                          std::get<sizeof...(kIndices)>(all)),
                      std::forward<std::tuple_element_t<kIndices, std::tuple<Args...>>>(
                          std::get<kIndices>(all))...);
}

template <class... Args>
auto select_any(bool is_biased, Args&&... args) {
  if constexpr ((Awaitable<Args> && ...)) {
    return VariantSelectAwaiter<Args...>(is_biased, std::forward<Args>(args)...);
  } else if constexpr ((IsCase<Args>::value && ...)) {
    return select_cases(is_biased, NoOtherwise(), std::forward<Args>(args)...);
  } else {
    using All = std::tuple<Args&&...>;
    static_assert(IsOtherwise<std::remove_cvref_t<
                      std::tuple_element_t<sizeof...(Args) - 1, std::tuple<Args...>>>>::value,
                  "select: the arguments are either all awaitable, or all on(), on_value() and at "
                  "the end otherwise()");
    return select_with_otherwise<Args...>(is_biased, All(std::forward<Args>(args)...),
                                          std::make_index_sequence<sizeof...(Args) - 1>());
  }
}

template <Awaitable... As>
class RaceAwaiter final
    : public SelectAwaiterBase<RaceAwaiter<As...>, Contest<AllAccepted<As...>, As...>> {
  using Base = SelectAwaiterBase<RaceAwaiter, Contest<AllAccepted<As...>, As...>>;

 public:
  using Output = std::common_type_t<ArmValue<As>...>;

  explicit RaceAwaiter(As&&... awaitables)
      : Base(false, all_enabled<As...>(), std::forward<As>(awaitables)...) {}

  Output await_resume() {
    return this->contest().template visit_winner<Output>([](auto /*index*/, auto& slot) {
      slot.rethrow();
      return static_cast<Output>(slot.take());
    });
  }
};

}  // namespace detail

/// A branch of select(): when `awaitable` has ended first, the handler is called with its value, or
/// with nothing if it takes nothing. A handler may be a coroutine; it runs after the other branches
/// are gone, and as long as it does select() has not returned.
template <detail::Awaitable A, class F>
[[nodiscard]] detail::Case<A, std::decay_t<F>, detail::AcceptAll> on(A&& awaitable, F&& handler) {
  return {std::forward<A>(awaitable), std::forward<F>(handler)};
}

/// A branch that wins only with a value: an optional or expected that holds one, and it is what the
/// handler gets. With another the branch is out, and the others go on (as a pattern that does not
/// match, in tokio::select!).
template <detail::Awaitable A, class F>
[[nodiscard]] detail::Case<A, std::decay_t<F>, detail::AcceptValue> on_value(A&& awaitable,
                                                                             F&& handler) {
  return {std::forward<A>(awaitable), std::forward<F>(handler)};
}

/// The last argument of a select(): is called when all branches are disabled or out.
template <class F>
[[nodiscard]] detail::Otherwise<std::decay_t<F>> otherwise(F&& handler) {
  return detail::Otherwise<std::decay_t<F>>(std::forward<F>(handler));
}

/// Awaits all branches in the calling task; the first to end wins, and the others are destroyed
/// where they wait, before its handler runs and before select() returns. A branch in a shield or
/// scope is waited for. Which of several that are ready wins is drawn by lot.
///
/// Two forms:
///   select(a, b, …)                       gives a std::variant of their values (void: monostate)
///   select(on(a, f), on_value(b, g), …)   gives what the winner's handler returns, as the common
///                                         type of all handlers
/// Errors: what a branch or handler throws comes out of the co_await.
/// Panics: UsageError if all branches are out and there is no otherwise().
/// Cancel safety: what the losers lose: see each awaitable. Complexity: O(number of branches) per
/// wake; no allocation, but for a coroutine where a handler is one.
template <class... Args>
  requires(sizeof...(Args) > 0)
[[nodiscard]] auto select(Args&&... branches) {
  return detail::select_any(false, std::forward<Args>(branches)...);
}

/// select() that prefers the branches in the order of their writing.
template <class... Args>
  requires(sizeof...(Args) > 0)
[[nodiscard]] auto select(Biased /*order*/, Args&&... branches) {
  return detail::select_any(true, std::forward<Args>(branches)...);
}

/// The value of whichever ends first, where all give the same (or have a common) type: a reply of
/// one of several servers. Who it was does not matter, else see select().
template <detail::Awaitable... As>
  requires(sizeof...(As) > 0)
[[nodiscard]] detail::RaceAwaiter<As...> race(As&&... awaitables) {
  return detail::RaceAwaiter<As...>(std::forward<As>(awaitables)...);
}

}  // namespace ringo
