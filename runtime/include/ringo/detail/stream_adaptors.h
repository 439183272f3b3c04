// SPDX-License-Identifier: MIT
//
// The streams behind the adaptors of stream.h. Those that only look at items are stages; those that
// await something themselves are generators. What each does is said in stream.h.
//
// Thread safety: one owner's at a time.

#pragma once

#include <ringo/detail/outcome.h>
#include <ringo/detail/stream_stage.h>
#include <ringo/generator.h>
#include <ringo/join.h>
#include <ringo/select.h>
#include <ringo/task.h>

#include <cstddef>
#include <functional>
#include <iterator>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace ringo::detail {

/// An item as a predicate sees it.
template <class S>
using ItemRef = std::add_lvalue_reference_t<std::add_const_t<StreamItem<S>>>;

template <class S, class F>
class MapStream final : public Stage<MapStream<S, F>> {
 public:
  using Item = std::invoke_result_t<F&, StreamItem<S>>;

  MapStream(S source, F function) : source_(std::move(source)), function_(std::move(function)) {}
  auto ask() { return source_.next(); }
  bool take(NextOf<S>&& got, Outcome<Next<Item>>& to) {
    if (got) {
      give(to, std::invoke(function_, item_of(got)));
    } else {
      give_end(to);
    }
    return true;
  }

 private:
  S source_;
  F function_;
};

template <class S, class F>
class FilterStream final : public Stage<FilterStream<S, F>> {
 public:
  using Item = StreamItem<S>;

  FilterStream(S source, F keeps) : source_(std::move(source)), keeps_(std::move(keeps)) {}
  auto ask() { return source_.next(); }
  bool take(NextOf<S>&& got, Outcome<Next<Item>>& to) {
    if (got && !std::invoke(keeps_, static_cast<ItemRef<S>>(*got))) {
      return false;
    }
    to.set_value(std::move(got));
    return true;
  }

 private:
  S source_;
  F keeps_;
};

template <class S, class F>
class FilterMapStream final : public Stage<FilterMapStream<S, F>> {
  using Mapped = std::invoke_result_t<F&, StreamItem<S>>;

 public:
  using Item = typename ItemOfNext<Mapped>::type;

  FilterMapStream(S source, F function)
      : source_(std::move(source)), function_(std::move(function)) {}
  auto ask() { return source_.next(); }
  bool take(NextOf<S>&& got, Outcome<Next<Item>>& to) {
    if (!got) {
      give_end(to);
      return true;
    }
    Mapped mapped = std::invoke(function_, item_of(got));
    if (!mapped) {
      return false;
    }
    to.set_value(std::move(mapped));
    return true;
  }

 private:
  S source_;
  F function_;
};

/// Ends after so many items, or when the source does, and does not ask the source again.
template <class S>
class TakeStream final : public Stage<TakeStream<S>> {
 public:
  using Item = StreamItem<S>;

  TakeStream(S source, std::size_t count) : source_(std::move(source)), left_(count) {}
  bool poll(Outcome<Next<Item>>& to) {
    if (left_ == 0) {
      give_end(to);
    }
    return left_ == 0;
  }
  auto ask() { return source_.next(); }
  bool take(NextOf<S>&& got, Outcome<Next<Item>>& to) {
    left_ = got ? left_ - 1 : 0;
    to.set_value(std::move(got));
    return true;
  }

 private:
  S source_;
  std::size_t left_;
};

/// Ends at the first item that `keeps` refuses, or when the source does, and does not ask again.
template <class S, class F>
class TakeWhileStream final : public Stage<TakeWhileStream<S, F>> {
 public:
  using Item = StreamItem<S>;

  TakeWhileStream(S source, F keeps) : source_(std::move(source)), keeps_(std::move(keeps)) {}
  bool poll(Outcome<Next<Item>>& to) {
    if (has_ended_) {
      give_end(to);
    }
    return has_ended_;
  }
  auto ask() { return source_.next(); }
  bool take(NextOf<S>&& got, Outcome<Next<Item>>& to) {
    has_ended_ = !got || !std::invoke(keeps_, static_cast<ItemRef<S>>(*got));
    if (has_ended_) {
      give_end(to);
    } else {
      to.set_value(std::move(got));
    }
    return true;
  }

 private:
  S source_;
  F keeps_;
  bool has_ended_ = false;
};

struct AcceptEverything {
  template <class T>
  bool operator()(const T& /*item*/) const noexcept {
    return true;
  }
};

template <class S>
class SkipStream final : public Stage<SkipStream<S>> {
 public:
  using Item = StreamItem<S>;

  SkipStream(S source, std::size_t count) : source_(std::move(source)), left_(count) {}
  auto ask() { return source_.next(); }
  bool take(NextOf<S>&& got, Outcome<Next<Item>>& to) {
    if (got && left_ != 0) {
      --left_;
      return false;
    }
    to.set_value(std::move(got));
    return true;
  }

 private:
  S source_;
  std::size_t left_;
};

template <class S, class F>
class SkipWhileStream final : public Stage<SkipWhileStream<S, F>> {
 public:
  using Item = StreamItem<S>;

  SkipWhileStream(S source, F skips) : source_(std::move(source)), skips_(std::move(skips)) {}
  auto ask() { return source_.next(); }
  bool take(NextOf<S>&& got, Outcome<Next<Item>>& to) {
    is_skipping_ = is_skipping_ && got && std::invoke(skips_, static_cast<ItemRef<S>>(*got));
    if (is_skipping_) {
      return false;
    }
    to.set_value(std::move(got));
    return true;
  }

 private:
  S source_;
  F skips_;
  bool is_skipping_ = true;
};

template <class S>
class RefStream final {
 public:
  explicit RefStream(S& source) noexcept : source_(&source) {}
  [[nodiscard]] auto next() { return source_->next(); }

 private:
  S* source_;
};

/// Op for a stage, by its template.
template <template <class...> class StageOf>
struct MakeStage {
  template <class S, class... Args>
  static StageOf<S, Args...> make(S source, Args... args) {
    return StageOf<S, Args...>(std::move(source), std::move(args)...);
  }
};
/// The same where the arguments are not in its type.
template <template <class> class StageOf>
struct MakePlainStage {
  template <class S, class... Args>
  static StageOf<S> make(S source, Args... args) {
    return StageOf<S>(std::move(source), std::move(args)...);
  }
};
struct MakeFuse {
  template <class S>
  static TakeWhileStream<S, AcceptEverything> make(S source) {
    return TakeWhileStream<S, AcceptEverything>(std::move(source), AcceptEverything());
  }
};

struct MakeThen {
  template <class S, class F>
  static Generator<typename std::invoke_result_t<F&, StreamItem<S>>::value_type> make(S source,
                                                                                      F function) {
    for (;;) {
      NextOf<S> got = co_await source.next();
      if (!got) {
        co_return;
      }
      co_yield co_await std::invoke(function, item_of(got));
    }
  }
};

struct MakeChain {
  template <class S, class S2>
  static Generator<StreamItem<S>> make(S first, S2 second) {
    for (;;) {
      NextOf<S> got = co_await first.next();
      if (!got) {
        break;
      }
      co_yield item_of(got);
    }
    for (;;) {
      NextOf<S2> got = co_await second.next();
      if (!got) {
        break;
      }
      co_yield item_of(got);
    }
  }
};

struct MakeMerge {
  template <class S, class S2>
  static Generator<StreamItem<S>> make(S one, S2 other) {
    bool has_one = true;
    bool has_other = true;
    while (has_one && has_other) {
      // The loser stays where it waits, and loses nothing.
      std::variant<NextOf<S>, NextOf<S2>> first = co_await select(one.next(), other.next());
      if (first.index() == 0) {
        NextOf<S>& got = std::get<0>(first);
        has_one = static_cast<bool>(got);
        if (has_one) {
          co_yield item_of(got);
        }
      } else {
        NextOf<S2>& got = std::get<1>(first);
        has_other = static_cast<bool>(got);
        if (has_other) {
          co_yield item_of(got);
        }
      }
    }
    while (has_one) {
      NextOf<S> got = co_await one.next();
      has_one = static_cast<bool>(got);
      if (has_one) {
        co_yield item_of(got);
      }
    }
    while (has_other) {
      NextOf<S2> got = co_await other.next();
      has_other = static_cast<bool>(got);
      if (has_other) {
        co_yield item_of(got);
      }
    }
  }
};

struct MakeZip {
  template <class S, class S2>
  static Generator<std::pair<StreamItem<S>, StreamItem<S2>>> make(S one, S2 other) {
    for (;;) {
      std::tuple<NextOf<S>, NextOf<S2>> both = co_await join(one.next(), other.next());
      NextOf<S>& first = std::get<0>(both);
      NextOf<S2>& second = std::get<1>(both);
      if (!first || !second) {
        co_return;
      }
      co_yield std::pair<StreamItem<S>, StreamItem<S2>>(item_of(first), item_of(second));
    }
  }
};

struct MakeFold {
  template <class S, class A, class F>
  static Task<A> make(S source, A state, F function) {
    for (;;) {
      NextOf<S> got = co_await source.next();
      if (!got) {
        co_return state;
      }
      state = std::invoke(function, std::move(state), item_of(got));
    }
  }
};

template <class Container>
struct MakeCollect {
  template <class S>
  using Collected = std::conditional_t<std::is_void_v<Container>,
                                       std::vector<std::remove_cvref_t<StreamItem<S>>>, Container>;

  template <class S>
  static Task<Collected<S>> make(S source) {
    Collected<S> items{};
    for (;;) {
      NextOf<S> got = co_await source.next();
      if (!got) {
        co_return items;
      }
      items.insert(items.end(), item_of(got));
    }
  }
};

/// Whether an item is found for which `looks_for` is `kWanted`.
template <bool kWanted>
struct MakeFind {
  template <class S, class F>
  static Task<bool> make(S source, F looks_for) {
    for (;;) {
      NextOf<S> got = co_await source.next();
      if (!got) {
        co_return !kWanted;
      }
      if (std::invoke(looks_for, item_of(got)) == kWanted) {
        co_return kWanted;
      }
    }
  }
};

}  // namespace ringo::detail
