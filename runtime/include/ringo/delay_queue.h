// SPDX-License-Identifier: MIT
//
// DelayQueue<T>: values that come out when their time has come, one timer for all of them. For
// whatever expires: sessions, cache entries, retries. As tokio_util::time::DelayQueue.
//
//   ringo::time::DelayQueue<std::string> sessions;
//   const auto ann = sessions.insert("ann", 10s);
//   sessions.insert("bob", 20s);
//   sessions.reset(ann, 30s);  // she has been heard of
//   const auto first = co_await sessions.next();   // bob, after 20 s
//   const auto second = co_await sessions.next();  // ann
//   const auto third = co_await sessions.next();   // nullopt: the queue is empty
//
// Thread safety: one owner's. While next() waits, other branches of the same task, or tasks of the
// same thread, may change the queue: what has become the first is what it waits for from then on.

#pragma once

#include <ringo/detail/deadline_heap.h>
#include <ringo/detail/leaf_awaiter.h>
#include <ringo/time.h>
#include <ringo/usage_error.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace ringo::time {

/// Names a value in the DelayQueue that gave it out, until the value has come out. It never names
/// another one later.
class DelayKey {
 public:
  friend bool operator==(const DelayKey&, const DelayKey&) = default;

 private:
  template <class T>
  friend class DelayQueue;

  DelayKey(std::size_t place, std::uint64_t number) noexcept : place_(place), number_(number) {}

  std::size_t place_;
  std::uint64_t number_;  ///< of the insertion
};

/// What has come out of a DelayQueue.
template <class T>
struct Expired {
  T value;
  DelayKey key;
  Instant deadline;
};

template <class T>
class DelayQueue;

namespace detail {

template <class T>
class NextExpiredAwaiter final : public ringo::detail::LeafAwaiter<NextExpiredAwaiter<T>> {
 public:
  explicit NextExpiredAwaiter(DelayQueue<T>& queue) noexcept : queue_(&queue), wait_(queue.heap_) {}
  NextExpiredAwaiter(NextExpiredAwaiter&&) = default;
  NextExpiredAwaiter& operator=(NextExpiredAwaiter&&) = delete;
  ~NextExpiredAwaiter() = default;

  bool poll() const noexcept { return queue_->is_empty(); }
  bool enlist(ringo::detail::Branch& branch) { return wait_.start(branch); }
  bool is_ended() noexcept { return wait_.is_over(); }
  std::optional<Expired<T>> await_resume() { return queue_->take_first(); }

 private:
  DelayQueue<T>* queue_;
  ringo::detail::DeadlineWait wait_;
};

}  // namespace detail

/// T is an object that can be moved. The queue may be moved, but neither moved nor destroyed while
/// next() waits (that aborts). Durations count from the call, and cost a look at the clock.
template <class T>
class DelayQueue {
  static_assert(std::is_object_v<T> && std::is_move_constructible_v<T>);

 public:
  using Key = DelayKey;

  /// Puts a value in that expires at the deadline. Complexity: O(log n), and O(1) on average for
  /// deadlines that come in order.
  Key insert_at(T value, Instant deadline) {
    const std::size_t place = free_.empty() ? places_.size() : free_.back();
    if (free_.empty()) {
      if (free_.capacity() <= place) {
        free_.reserve(2 * place + 8);  // so that taking out does not throw
      }
      places_.emplace_back(std::move(value));
    } else {
      places_[place].value.emplace(std::move(value));
      free_.pop_back();
    }
    try {
      heap_.insert(place, deadline.time_since_epoch().count());
    } catch (...) {
      places_[place].value.reset();
      free_.push_back(place);
      throw;
    }
    places_[place].number = next_number_++;
    return Key(place, places_[place].number);
  }
  Key insert(T value, Duration delay) { return insert_at(std::move(value), deadline_after(delay)); }

  /// Another deadline for a value that is still in. Complexity: O(log n).
  /// Panics: UsageError if it is not.
  void reset_at(const Key& key, Instant deadline) {
    require(key, "DelayQueue::reset: there is nothing of this key in the queue (any more)");
    heap_.change(key.place_, deadline.time_since_epoch().count());
  }
  void reset(const Key& key, Duration delay) { reset_at(key, deadline_after(delay)); }

  /// Takes a value out, whether or not it has expired. Complexity: O(log n).
  /// Panics: UsageError if it is not in.
  Expired<T> remove(const Key& key) {
    require(key, "DelayQueue::remove: there is nothing of this key in the queue (any more)");
    return take(key.place_);
  }
  /// remove(), or nothing.
  std::optional<Expired<T>> try_remove(const Key& key) {
    return contains(key) ? std::optional<Expired<T>>(take(key.place_)) : std::nullopt;
  }
  [[nodiscard]] bool contains(const Key& key) const noexcept {
    return key.place_ < places_.size() && places_[key.place_].value.has_value() &&
           places_[key.place_].number == key.number_;
  }

  /// When a value expires. Panics: UsageError if it is not in.
  [[nodiscard]] Instant deadline(const Key& key) const {
    require(key, "DelayQueue::deadline: there is nothing of this key in the queue (any more)");
    return instant(heap_.deadline_of(key.place_));
  }

  /// Waits for the first value to expire and takes it out. Values come in the order of their
  /// deadlines (of equal ones, in which they were set), never early, late as a Sleep is. Nullopt:
  /// the queue is empty, or has become so. That is no end: values may be put in again.
  ///
  /// Cancel safety: what was not taken stays. Panics: as Sleep; UsageError while another next()
  /// waits. Complexity: O(log n).
  [[nodiscard]] detail::NextExpiredAwaiter<T> next() {
    if (heap_.is_awaited()) {
      ringo::detail::throw_usage_error("DelayQueue::next: somebody waits for this queue already");
    }
    return detail::NextExpiredAwaiter<T>(*this);
  }
  /// next() without waiting: nullopt too where nothing has expired yet.
  std::optional<Expired<T>> try_next() {
    if (is_empty() || instant(heap_.first_deadline()) > Clock::now()) {
      return std::nullopt;
    }
    return take_first();
  }
  /// The key of the value that expires first. Complexity: O(1).
  [[nodiscard]] std::optional<Key> peek() const noexcept {
    if (is_empty()) {
      return std::nullopt;
    }
    const std::size_t place = heap_.first_place();
    return Key(place, places_[place].number);
  }

  /// Destroys all values, expired or not.
  void clear() noexcept {
    places_.clear();
    free_.clear();
    heap_.clear();
  }
  [[nodiscard]] std::size_t len() const noexcept { return heap_.size(); }
  [[nodiscard]] bool is_empty() const noexcept { return heap_.empty(); }

  /// How many values fit without allocating.
  [[nodiscard]] std::size_t capacity() const noexcept { return places_.capacity(); }
  /// Room for so many more.
  void reserve(std::size_t additional) {
    places_.reserve(len() + additional);
    free_.reserve(len() + additional);
    heap_.reserve(len() + additional);
  }
  /// Gives back the memory behind the last value in use. Keys stay good: values stay where they
  /// are. Complexity: O(capacity).
  void compact() {
    while (!places_.empty() && !places_.back().value.has_value()) {
      places_.pop_back();
    }
    places_.shrink_to_fit();
    std::erase_if(free_, [this](std::size_t place) { return place >= places_.size(); });
    free_.shrink_to_fit();
    free_.reserve(places_.size());  // as insert_at() needs it
    heap_.shrink(places_.size());
  }

 private:
  friend class detail::NextExpiredAwaiter<T>;

  struct Place {
    explicit Place(T&& initial) : value(std::move(initial)) {}
    std::optional<T> value;
    std::uint64_t number = 0;
  };

  static Instant instant(std::int64_t ns) noexcept { return Instant(Duration(ns)); }
  void require(const Key& key, const char* what) const {
    if (!contains(key)) {
      ringo::detail::throw_usage_error(what);
    }
  }
  Expired<T> take(std::size_t place) {
    Place& taken = places_[place];
    Expired<T> expired{std::move(*taken.value), Key(place, taken.number),
                       instant(heap_.deadline_of(place))};
    taken.value.reset();
    heap_.remove(place);
    free_.push_back(place);
    return expired;
  }
  std::optional<Expired<T>> take_first() {
    return is_empty() ? std::nullopt : std::optional<Expired<T>>(take(heap_.first_place()));
  }

  std::vector<Place> places_;
  std::vector<std::size_t> free_;  ///< places without a value; has room for all of them
  ringo::detail::DeadlineHeap heap_;
  std::uint64_t next_number_ = 0;
};

}  // namespace ringo::time
