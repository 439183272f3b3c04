// SPDX-License-Identifier: MIT
//
// Where streams come from: iter() for what is in memory, as_stream() for receivers, intervals,
// listeners, signals and join sets. As tokio_stream::iter and tokio_stream::wrappers.
//
//   auto [tx, rx] = ringo::mpsc::channel<int>(4);
//   auto messages = ringo::stream::as_stream(std::move(rx));
//   while (std::optional<int> message = co_await messages.next()) sum += *message;
//
// Thread safety: one owner's at a time. Cancel safety: as of what is awaited inside.

#pragma once

#include <ringo/detail/outcome.h>
#include <ringo/detail/stream_stage.h>
#include <ringo/generator.h>
#include <ringo/interval.h>
#include <ringo/join_set.h>
#include <ringo/net/tcp.h>
#include <ringo/signal.h>
#include <ringo/stream.h>
#include <ringo/sync/broadcast.h>
#include <ringo/sync/watch.h>

#include <concepts>
#include <cstdint>
#include <expected>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>
#include <variant>

namespace ringo::stream {

/// The elements of a range that is owned (moved out of it), or of a view of one that lives longer
/// (copied).
template <std::ranges::input_range R>
Generator<std::ranges::range_value_t<R>> iter(R range) {
  for (auto&& element : range) {
    if constexpr (std::ranges::view<R>) {
      co_yield std::forward<decltype(element)>(element);
    } else {
      co_yield std::move(element);
    }
  }
}

/// A stream of what recv() of a receiver gives; it ends when the channel does.
template <class R>
class ReceiverStream final {
 public:
  explicit ReceiverStream(R receiver) : receiver_(std::move(receiver)) {}

  [[nodiscard]] auto next() { return receiver_.recv(); }
  [[nodiscard]] R& receiver() noexcept { return receiver_; }

 private:
  R receiver_;
};

/// A stream of the results of a JoinSet, as its tasks end; empty when the set is.
template <class T>
class JoinSetStream final {
 public:
  explicit JoinSetStream(JoinSet<T> set) noexcept : set_(std::move(set)) {}

  [[nodiscard]] auto next() noexcept { return set_.join_next(); }
  [[nodiscard]] JoinSet<T>& set() noexcept { return set_; }

 private:
  JoinSet<T> set_;
};

/// A stream of what a broadcast receiver gets. An error item says how many values it has missed;
/// the end is the channel's, or comes after the item that says that it was disconnected.
template <class T>
class BroadcastStream final : public detail::Stage<BroadcastStream<T>> {
 public:
  using Item = std::expected<T, broadcast::RecvError>;

  explicit BroadcastStream(broadcast::Receiver<T> receiver) : receiver_(std::move(receiver)) {}

  [[nodiscard]] broadcast::Receiver<T>& receiver() noexcept { return receiver_; }

  /// For next().
  bool poll(detail::Outcome<detail::Next<Item>>& to) {
    if (is_disconnected_) {
      detail::give_end(to);
    }
    return is_disconnected_;
  }
  auto ask() { return receiver_.recv(); }
  bool take(Item&& got, detail::Outcome<detail::Next<Item>>& to) {
    if (!got && got.error().reason == broadcast::RecvFailure::kClosed) {
      detail::give_end(to);
      return true;
    }
    is_disconnected_ = !got && got.error().reason == broadcast::RecvFailure::kDisconnected;
    detail::give(to, std::move(got));
    return true;
  }

 private:
  broadcast::Receiver<T> receiver_;
  bool is_disconnected_ = false;
};

/// A stream without an end: of ticks (Instant), connections (Result<net::Accepted>; wait a little
/// after an error), or signals (std::monostate).
template <class S>
class EndlessStream final : public detail::Stage<EndlessStream<S>> {
  static auto ask(time::Interval& interval) noexcept { return interval.tick(); }
  static auto ask(net::TcpListener& listener) { return listener.accept(); }
  static auto ask(signal::Signal& signal) noexcept { return signal.recv(); }

  using Given = decltype(EndlessStream::ask(std::declval<S&>()).await_resume());

 public:
  using Item = std::conditional_t<std::is_void_v<Given>, std::monostate, Given>;

  explicit EndlessStream(S source) : source_(std::move(source)) {}

  [[nodiscard]] S& source() noexcept { return source_; }

  /// For next().
  auto ask() { return ask(source_); }
  bool take(Item&& got, detail::Outcome<detail::Next<Item>>& to) {
    detail::give(to, std::move(got));
    return true;
  }

 private:
  S source_;
};

/// A stream of the messages of an mpsc or mpmc receiver.
template <class R>
  requires requires(R& receiver) {
    { receiver.recv() } -> detail::LeafAwaitable;
  } && Stream<ReceiverStream<R>>
[[nodiscard]] ReceiverStream<R> as_stream(R receiver) {
  return ReceiverStream<R>(std::move(receiver));
}
template <class T>
[[nodiscard]] JoinSetStream<T> as_stream(JoinSet<T> set) {
  return JoinSetStream<T>(std::move(set));
}
template <class T>
[[nodiscard]] BroadcastStream<T> as_stream(broadcast::Receiver<T> receiver) {
  return BroadcastStream<T>(std::move(receiver));
}
/// The value that is there, and then each newer one that is seen; ends when the channel is closed.
/// As tokio_stream::wrappers::WatchStream.
template <class T>
Generator<T> as_stream(watch::Receiver<T> receiver) {
  // The value is copied, and the snapshot given back, before anybody waits.
  co_yield T(*receiver.borrow_and_update());
  for (;;) {
    const Result<void> changed = co_await receiver.changed();
    if (!changed) {
      co_return;
    }
    co_yield T(*receiver.borrow_and_update());
  }
}
[[nodiscard]] inline EndlessStream<time::Interval> as_stream(time::Interval interval) {
  return EndlessStream<time::Interval>(interval);
}
[[nodiscard]] inline EndlessStream<net::TcpListener> as_stream(net::TcpListener listener) {
  return EndlessStream<net::TcpListener>(std::move(listener));
}
[[nodiscard]] inline EndlessStream<signal::Signal> as_stream(signal::Signal signal) {
  return EndlessStream<signal::Signal>(signal);
}

}  // namespace ringo::stream
