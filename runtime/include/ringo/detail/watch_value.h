// SPDX-License-Identifier: MIT
//
// The value of a watch channel, as its readers see it: a Snapshot, which no later send changes and
// which holds nobody up. Small trivially copyable types are copied into it, from atomic words and
// without a lock; others live in a node that snapshots share and that nobody changes.
//
// Thread safety: a snapshot may be shared and copied like a const value; the stores belong to the
// channel, which says what happens under its lock.

#pragma once

#include <ringo/detail/atomic.h>
#include <ringo/detail/handle_count.h>
#include <ringo/detail/word_cell.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

namespace ringo::watch::detail {

using ringo::detail::Atomic;

template <class T>
class WordSnapshot {
 public:
  explicit WordSnapshot(T&& value) noexcept : value_(value) {}
  explicit WordSnapshot(const T& value) noexcept : value_(value) {}

  [[nodiscard]] const T& operator*() const noexcept { return value_; }
  /// Of a snapshot that was just made.
  [[nodiscard]] T& mutable_value() noexcept { return value_; }

 private:
  T value_;
};

template <class T>
class NodeSnapshot {
  struct Node : ringo::detail::PooledObject {
    explicit Node(T&& initial) : value(std::move(initial)) {}
    explicit Node(const T& initial) : value(initial) {}
    Atomic<std::uint64_t> references{1};
    T value;
  };

 public:
  explicit NodeSnapshot(T&& value) : node_(new Node(std::move(value))) {}
  explicit NodeSnapshot(const T& value) : node_(new Node(value)) {}
  NodeSnapshot(const NodeSnapshot& other) noexcept : node_(other.node_) {
    if (node_ != nullptr) {
      // relaxed: made from a reference that exists.
      node_->references.fetch_add(1, std::memory_order_relaxed);
    }
  }
  NodeSnapshot(NodeSnapshot&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  NodeSnapshot& operator=(NodeSnapshot other) noexcept {
    std::swap(node_, other.node_);
    return *this;
  }
  ~NodeSnapshot() {
    // acq_rel: all reads happen before the destruction.
    if (node_ != nullptr && node_->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      delete node_;
    }
  }

  [[nodiscard]] const T& operator*() const noexcept { return node_->value; }
  /// Of a snapshot that was just made.
  [[nodiscard]] T& mutable_value() noexcept { return node_->value; }

 private:
  Node* node_;
};

/// The store of a small value. exchange() and load() under the channel's lock.
template <class T>
class WordStore {
  using Cell = ringo::detail::WordCell<T>;

 public:
  using Snapshot = WordSnapshot<T>;

  explicit WordStore(T&& initial) noexcept { cell_.store(initial); }

  /// Between two versions of `sequence`, which the caller owns.
  [[nodiscard]] Snapshot exchange(Snapshot&& next, Atomic<std::uint64_t>& sequence) noexcept {
    Snapshot old = load();
    const std::uint64_t version = sequence.load(std::memory_order_relaxed);  // changed by us alone
    // relaxed: the release of the words carries it (see try_load()).
    sequence.store(version + 1, std::memory_order_relaxed);
    cell_.store(*next);
    // release: whoever sees the version sees the value.
    sequence.store(version + 2, std::memory_order_release);
    return old;
  }
  [[nodiscard]] Snapshot load() const noexcept { return Snapshot(Cell::to_value(cell_.load())); }

  /// Without the lock. Nothing: a send was in the way. Else the snapshot and its version.
  [[nodiscard]] std::optional<std::pair<Snapshot, std::uint64_t>> try_load(
      const Atomic<std::uint64_t>& sequence) const noexcept {
    // acquire: pairs with exchange(), the words are at least of this version.
    const std::uint64_t version = sequence.load(std::memory_order_acquire);
    const auto words = cell_.load();
    // relaxed: if a word of a later version was read, the acquire of that word makes the odd number
    // that was stored before it visible here.
    if (version % 2 != 0 || sequence.load(std::memory_order_relaxed) != version) {
      return std::nullopt;
    }
    return std::pair(Snapshot(Cell::to_value(words)), version);
  }

 private:
  Cell cell_;
};

/// The store of any other value: a reference, read under the channel's lock.
template <class T>
class NodeStore {
 public:
  using Snapshot = NodeSnapshot<T>;

  explicit NodeStore(T&& initial) : current_(std::move(initial)) {}

  [[nodiscard]] Snapshot exchange(Snapshot&& next, Atomic<std::uint64_t>& sequence) noexcept {
    Snapshot old(std::move(current_));
    current_ = std::move(next);
    // relaxed, release: changed by us alone; pairs with the readers of the version.
    sequence.store(sequence.load(std::memory_order_relaxed) + 2, std::memory_order_release);
    return old;
  }
  [[nodiscard]] Snapshot load() const noexcept { return current_; }

  [[nodiscard]] std::optional<std::pair<Snapshot, std::uint64_t>> try_load(
      const Atomic<std::uint64_t>& /*sequence*/) const noexcept {
    return std::nullopt;
  }

 private:
  Snapshot current_;
};

template <class T>
using Store = std::conditional_t<ringo::detail::kFitsWordCell<T>, WordStore<T>, NodeStore<T>>;

}  // namespace ringo::watch::detail
