// SPDX-License-Identifier: MIT
//
// Adaptors of streams: a stream and a pipe make another stream, or a task that consumes it. As
// tokio_stream::StreamExt.
//
//   auto squares = ringo::stream::iter(std::vector{1, 2, 3, 4}) |
//                  ringo::stream::filter([](int n) { return n % 2 == 0; }) |
//                  ringo::stream::map([](int n) { return n * n; });
//   while (std::optional<int> square = co_await squares.next()) sum += *square;
//   auto counted = ringo::stream::iter(std::vector{5, 6}) | ringo::stream::collect();
//   std::vector<int> numbers = co_await std::move(counted);
//
// A stream is moved into the pipe; by_ref() lends it. Sources (iter, as_stream): stream_sources.h.
// Adaptors that know the time: stream_time.h. Any number of streams: stream_map.h. With g++ 12 name
// a function that captures more than references before the expression that awaits.
// Thread safety: one owner's at a time.

#pragma once

#include <ringo/detail/stream_adaptors.h>
#include <ringo/detail/stream_stage.h>
#include <ringo/generator.h>
#include <ringo/task.h>

#include <cstddef>
#include <optional>
#include <utility>

// Unless an adaptor says otherwise: next() of what it makes is cancel safe (nothing is lost, and
// what is under way goes on at the following next()) if next() of its source is; what a function
// throws comes out of next(), and that item is lost; no allocation per item. Functions are called
// inside the awaiting task and must not block.
namespace ringo::stream {

/// f(item) for each item.
template <class F>
[[nodiscard]] auto map(F f) {
  return detail::Pipe<detail::MakeStage<detail::MapStream>, F>(std::move(f));
}

/// The items for which keeps(item) is true.
template <class F>
[[nodiscard]] auto filter(F keeps) {
  return detail::Pipe<detail::MakeStage<detail::FilterStream>, F>(std::move(keeps));
}

/// What is in the std::optional (or behind the pointer) that f(item) gives; without a value the
/// item is left out.
template <class F>
[[nodiscard]] auto filter_map(F f) {
  return detail::Pipe<detail::MakeStage<detail::FilterMapStream>, F>(std::move(f));
}

/// What the Task f(item) gives, one after the other. A generator: a Task that is under way goes on
/// at the following next(). If it throws, that is the end.
template <class F>
[[nodiscard]] auto then(F f) {
  return detail::Pipe<detail::MakeThen, F>(std::move(f));
}

/// The first `count` items. The source is not asked for another.
[[nodiscard]] inline auto take(std::size_t count) {
  return detail::Pipe<detail::MakePlainStage<detail::TakeStream>, std::size_t>(count);
}
/// The items before the first for which keeps(item) is false; that one is lost.
template <class F>
[[nodiscard]] auto take_while(F keeps) {
  return detail::Pipe<detail::MakeStage<detail::TakeWhileStream>, F>(std::move(keeps));
}
/// Without the first `count` items.
[[nodiscard]] inline auto skip(std::size_t count) {
  return detail::Pipe<detail::MakePlainStage<detail::SkipStream>, std::size_t>(count);
}
/// From the first item on for which skips(item) is false.
template <class F>
[[nodiscard]] auto skip_while(F skips) {
  return detail::Pipe<detail::MakeStage<detail::SkipWhileStream>, F>(std::move(skips));
}
/// Once the source has ended, it is not asked again. (A Generator behaves so by itself.)
[[nodiscard]] inline auto fuse() {
  return detail::Pipe<detail::MakeFuse>();
}

/// The items of one stream, and after its end those of the other. A generator.
template <Stream S>
[[nodiscard]] auto chain(S second) {
  return detail::Pipe<detail::MakeChain, S>(std::move(second));
}
/// The items of both, as they come; which of two that are ready is drawn by lot. Ends when both
/// have. A generator. More than a few streams: StreamMap.
template <Stream S>
[[nodiscard]] auto merge(S other) {
  return detail::Pipe<detail::MakeMerge, S>(std::move(other));
}
/// Pairs, until one of them has ended; an item of the longer one may be lost then. A generator.
template <Stream S>
[[nodiscard]] auto zip(S other) {
  return detail::Pipe<detail::MakeZip, S>(std::move(other));
}

/// A Task: state = f(state, item) for all items, beginning with `initial`.
template <class A, class F>
[[nodiscard]] auto fold(A initial, F f) {
  return detail::Pipe<detail::MakeFold, A, F>(std::move(initial), std::move(f));
}
/// A Task: all items in a std::vector, or another container that has insert(position, item). What
/// was collected is lost if it is cancelled, as with all tasks that consume a stream.
template <class Container = void>
[[nodiscard]] auto collect() {
  return detail::Pipe<detail::MakeCollect<Container>>();
}
/// A Task: whether f(item) is true for all items. Stops at the first for which it is not.
template <class F>
[[nodiscard]] auto all(F f) {
  return detail::Pipe<detail::MakeFind<false>, F>(std::move(f));
}
/// A Task: whether f(item) is true for some item. Stops there.
template <class F>
[[nodiscard]] auto any(F f) {
  return detail::Pipe<detail::MakeFind<true>, F>(std::move(f));
}

/// The same stream, lent: `by_ref(s) | take(3)` leaves the rest in `s`, which must live as long.
template <Stream S>
[[nodiscard]] auto by_ref(S& stream) {
  return detail::RefStream<S>(stream);
}

/// A stream with one item of foresight.
template <Stream S>
class Peekable final : public detail::Stage<Peekable<S>> {
 public:
  using Item = StreamItem<S>;

  explicit Peekable(S source) : source_(std::move(source)) {}

  /// A Task: a pointer to the item that the following next() will give, null at the end. Valid
  /// until then. Cancel safe.
  [[nodiscard]] Task<std::remove_reference_t<Item>*> peek() { return look(*this); }

  /// For next().
  bool poll(detail::Outcome<detail::Next<Item>>& to) {
    if (!peeked_) {
      return false;
    }
    to.set_value(*std::move(peeked_));
    peeked_.reset();
    return true;
  }
  auto ask() { return source_.next(); }
  bool take(detail::NextOf<S>&& got, detail::Outcome<detail::Next<Item>>& to) {
    to.set_value(std::move(got));
    return true;
  }

 private:
  static Task<std::remove_reference_t<Item>*> look(Peekable& self) {
    if (!self.peeked_) {
      detail::NextOf<S> got = co_await self.source_.next();
      self.peeked_.emplace(std::move(got));
    }
    detail::NextOf<S>& peeked = *self.peeked_;
    co_return peeked ? std::addressof(*peeked) : nullptr;
  }

  S source_;
  std::optional<detail::NextOf<S>> peeked_;
};

/// The stream as a Peekable.
[[nodiscard]] inline auto peekable() {
  return detail::Pipe<detail::MakePlainStage<Peekable>>();
}

}  // namespace ringo::stream
