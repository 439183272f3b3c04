// SPDX-License-Identifier: MIT
//
// StreamMap: any number of streams as one, each with a key. It gives the items of whichever has one
// together with its key, and forgets streams that have ended. As tokio_stream::StreamMap.
//
//   ringo::StreamMap<std::string, ringo::Generator<int>> map;
//   map.insert("odd", odd_numbers());
//   map.insert("even", even_numbers());
//   while (auto item = co_await map.next()) sum[item->first] += item->second;
//
// Two or three streams of different types: stream::merge(). Subscriptions that come and go are what
// it is for. Thread safety: one owner's at a time.

#pragma once

#include <ringo/detail/stream_map_state.h>
#include <ringo/detail/stream_stage.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace ringo {

/// Move-only. K is copied for each item. A moved-from map may only be destroyed or assigned to.
template <class K, Stream S, class Hash = std::hash<K>>
class StreamMap {
  using State = detail::StreamMapState<K, S, Hash>;

 public:
  StreamMap() : state_(std::make_unique<State>()) {}

  /// Adds a stream; it is asked from the following next() on. The one that had the key before comes
  /// back. Complexity: O(1).
  std::optional<S> insert(K key, S stream) {
    std::optional<S> old = state_->remove(key);
    state_->insert(std::move(key), std::move(stream));
    return old;
  }
  /// Takes a stream out, with all items that were not given out still in it, if its next() is
  /// cancel safe. Complexity: O(1).
  std::optional<S> remove(const K& key) { return state_->remove(key); }

  /// The next item of any of them: std::optional<std::pair<K, StreamItem<S>>>. Empty when the map
  /// is, and it may be filled again. Which of several that are ready comes first is drawn by lot.
  /// What a stream throws comes out, and that stream is removed.
  ///
  /// Cancel safe: the streams wait on, and nothing is lost; but if a generator among them is in a
  /// shield or scope, the drop waits for that, and that stream ends (see Generator::next()).
  /// Panics: UsageError, if another next() of it is being awaited. Requires: the map lives
  /// meanwhile, and is not changed. Complexity: O(1) for each stream that is ready, however many
  /// there are.
  [[nodiscard]] detail::StreamMapAwaiter<K, S, Hash> next() noexcept {
    return detail::StreamMapAwaiter<K, S, Hash>(*state_);
  }

  [[nodiscard]] bool contains(const K& key) const { return state_->contains(key); }
  /// How many streams there are; one that has ended counts until next() has noticed.
  [[nodiscard]] std::size_t size() const noexcept { return state_->size(); }
  [[nodiscard]] bool is_empty() const noexcept { return size() == 0; }

 private:
  std::unique_ptr<State> state_;
};

}  // namespace ringo
