// SPDX-License-Identifier: MIT
//
// One place of a broadcast channel's ring: the value at some position, which each receiver may take
// once. The sender writes a slot under the channel's lock, also while receivers read it (one that
// lags loses its value); receivers take no lock. There are two kinds:
//
//   WordSlot  small trivially copyable types: the bytes are read and then the sequence number is
//             compared. No read-modify-write at all.
//   NodeSlot  the others: the value lives in a node, whose references are the receivers' shares. A
//             receiver takes its share out of the slot by compare-and-swap and copies the value
//             (user code) from the node; the last one moves it out. The sender that overwrites a
//             slot takes the shares that are left. So nobody waits for a copy, and no user code
//             runs under a lock.
//
//   sequence = 2 * (position + 1), less 1 while it is being written; 0: never written
//
// Thread safety: write() under the channel's lock, the others from any receiver that has not yet
// passed the position.

#pragma once

#include <ringo/detail/atomic.h>
#include <ringo/detail/handle_count.h>
#include <ringo/detail/word_cell.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

namespace ringo::broadcast::detail {

using ringo::detail::Atomic;

/// What a receiver finds at its position.
enum class Found : std::uint8_t {
  kNothingYet,
  kValue,
  kOverwritten,
};

/// How many receivers a channel may have: what a NodeSlot can count.
inline constexpr std::uint32_t kMaxReceivers = (1U << 20) - 1;

template <class T>
class WordSlot {
  using Cell = ringo::detail::WordCell<T>;

 public:
  /// A value on its way into a slot.
  class Item {
   public:
    explicit Item(T&& value) noexcept : value_(value) {}
    [[nodiscard]] T into_value() noexcept { return value_; }

   private:
    friend WordSlot;
    T value_;
  };
  /// What the sender pushed out: nothing that needs care.
  struct Displaced {};
  /// A value that a receiver has taken.
  class Claim {
   public:
    explicit Claim(const Cell::Words& words, bool is_last) noexcept
        : words_(words), is_last_(is_last) {}
    [[nodiscard]] T take() const noexcept { return Cell::to_value(words_); }
    [[nodiscard]] bool is_last() const noexcept { return is_last_; }

   private:
    Cell::Words words_;
    bool is_last_;
  };
  /// Claims that are dropped later, when no lock is held. There is nothing to do for words.
  class Dropped {
   public:
    void add(const Claim& /*claim*/) noexcept {}
  };

  /// Whether shares must be given up for positions that a receiver will not read, even if the
  /// channel does not count.
  static constexpr bool kHoldsResources = false;

  [[nodiscard]] Found look(std::uint64_t position) const noexcept {
    // acquire: pairs with write(), the value is there.
    const std::uint64_t sequence = sequence_.load(std::memory_order_acquire);
    const std::uint64_t wanted = 2 * (position + 1);
    if (sequence == wanted) {
      return Found::kValue;
    }
    return sequence < wanted ? Found::kNothingYet : Found::kOverwritten;
  }

  [[nodiscard]] Displaced write(std::uint64_t position, Item& item,
                                std::uint32_t receivers) noexcept {
    // release: who finds its value overwritten also sees that it was disconnected for it (B5). The
    // release of the words carries it, too (see claim()).
    sequence_.store(2 * position + 1, std::memory_order_release);
    unread_.store(receivers, std::memory_order_relaxed);  // published by the next but one line
    cell_.store(item.value_);
    // release: pairs with look().
    sequence_.store(2 * (position + 1), std::memory_order_release);
    return {};
  }

  /// Takes the value at which look() found one. Nothing: it has been overwritten meanwhile.
  /// `is_counted`: tell who is the last to take it; then the sender never overwrites.
  [[nodiscard]] std::optional<Claim> claim(std::uint64_t position, bool is_counted) noexcept {
    const auto words = cell_.load();
    // relaxed: if a word of a later value was read, the acquire of that word makes the mark that
    // was set before it visible here.
    if (sequence_.load(std::memory_order_relaxed) != 2 * (position + 1)) {
      return std::nullopt;
    }
    // acq_rel: all reads happen before the last one gives the room back.
    const bool is_last = is_counted && unread_.fetch_sub(1, std::memory_order_acq_rel) == 1;
    return Claim(words, is_last);
  }

 private:
  Atomic<std::uint64_t> sequence_{0};
  Atomic<std::uint32_t> unread_{0};
  Cell cell_;
};

template <class T>
class NodeSlot {
  /// One reference for each receiver that may still read it.
  struct Node : ringo::detail::PooledObject {
    explicit Node(T&& initial) : value(std::move(initial)) {}
    Atomic<std::uint32_t> references{1};
    Node* next_dropped = nullptr;  ///< of Dropped
    T value;
  };
  /// True: they were the last, and the node is the caller's to delete.
  [[nodiscard]] static bool give_back(Node* node, std::uint32_t count) noexcept {
    // acquire: pairs with the others' release below. The only owner needs no read-modify-write.
    return node->references.load(std::memory_order_acquire) == count ||
           // acq_rel: all copies happen before the destruction.
           node->references.fetch_sub(count, std::memory_order_acq_rel) == count;
  }
  static void release(Node* node, std::uint32_t count) noexcept {
    if (give_back(node, count)) {
      delete node;
    }
  }

 public:
  class Item {
   public:
    explicit Item(T&& value) : node_(new Node(std::move(value))) {}
    Item(Item&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
    Item& operator=(Item&&) = delete;
    ~Item() { delete node_; }
    [[nodiscard]] T into_value() { return std::move(node_->value); }

   private:
    friend NodeSlot;
    Node* node_;
  };
  /// The shares that receivers have lost; they are dropped outside the lock.
  class Displaced {
   public:
    Displaced() = default;
    Displaced(Node* node, std::uint32_t shares) noexcept : node_(node), shares_(shares) {}
    Displaced(const Displaced&) = delete;
    Displaced& operator=(Displaced&& other) noexcept {
      std::swap(node_, other.node_);
      std::swap(shares_, other.shares_);
      return *this;
    }
    ~Displaced() {
      if (shares_ != 0) {
        release(node_, shares_);
      }
    }

   private:
    Node* node_ = nullptr;
    std::uint32_t shares_ = 0;
  };
  class Claim {
   public:
    Claim(Node* node, bool is_last) noexcept : node_(node), is_last_(is_last) {}
    Claim(Claim&& other) noexcept
        : node_(std::exchange(other.node_, nullptr)), is_last_(other.is_last_) {}
    Claim& operator=(Claim&&) = delete;
    ~Claim() {
      if (node_ != nullptr) {
        release(node_, 1);
      }
    }
    /// Copies the value, or moves it if nobody else wants it. What that throws loses the value for
    /// this receiver.
    [[nodiscard]] T take() const {
      // acquire: pairs with release(), the others' copies are made.
      if (node_->references.load(std::memory_order_acquire) == 1) {
        return std::move(node_->value);
      }
      return std::as_const(node_->value);
    }
    [[nodiscard]] bool is_last() const noexcept { return is_last_; }

   private:
    friend NodeSlot;
    Node* node_;
    bool is_last_;
  };
  class Dropped {
   public:
    Dropped() = default;
    Dropped(const Dropped&) = delete;
    Dropped& operator=(const Dropped&) = delete;
    ~Dropped() {
      while (first_ != nullptr) {
        delete std::exchange(first_, first_->next_dropped);
      }
    }
    void add(Claim&& claim) noexcept {
      Node* node = std::exchange(claim.node_, nullptr);
      if (give_back(node, 1)) {
        node->next_dropped = std::exchange(first_, node);
      }
    }

   private:
    Node* first_ = nullptr;
  };

  static constexpr bool kHoldsResources = true;

  [[nodiscard]] Found look(std::uint64_t position) const noexcept {
    // acquire: pairs with write().
    return found(word_.load(std::memory_order_acquire), position);
  }

  [[nodiscard]] Displaced write(std::uint64_t position, Item& item,
                                std::uint32_t receivers) noexcept {
    // acquire: pairs with the last claim(), whose look at node_ came before.
    std::uint64_t old = word_.load(std::memory_order_acquire);
    if ((old & kMaxReceivers) != 0) {
      // From here on nobody can claim. acq_rel: as above; a claim fails before it sees the new
      // node.
      old = word_.exchange(word_of(2 * position + 1, 0), std::memory_order_acq_rel);
    }
    // relaxed: read by receivers under the protection of word_, written under the channel's lock.
    Node* displaced = node_.load(std::memory_order_relaxed);
    item.node_->references.store(receivers, std::memory_order_relaxed);
    node_.store(std::exchange(item.node_, nullptr), std::memory_order_relaxed);
    // release: pairs with look() and claim().
    word_.store(word_of(2 * (position + 1), receivers), std::memory_order_release);
    return Displaced(displaced, static_cast<std::uint32_t>(old & kMaxReceivers));
  }

  [[nodiscard]] std::optional<Claim> claim(std::uint64_t position, bool /*is_counted*/) noexcept {
    std::uint64_t word = word_.load(std::memory_order_acquire);
    while (found(word, position) == Found::kValue) {
      Node* node = node_.load(std::memory_order_relaxed);  // belongs to `word` if the swap succeeds
      // release: the look at node_ comes before write() changes it. acquire: the node's contents.
      if (word_.compare_exchange_weak(word, word - 1, std::memory_order_acq_rel,
                                      std::memory_order_acquire)) {
        return Claim(node, (word & kMaxReceivers) == 1);
      }
    }
    return std::nullopt;
  }

  NodeSlot() = default;
  NodeSlot(const NodeSlot&) = delete;
  NodeSlot& operator=(const NodeSlot&) = delete;
  ~NodeSlot() {
    // relaxed: the channel's last reference has gone.
    const std::uint64_t word = word_.load(std::memory_order_relaxed);
    const Displaced rest(node_.load(std::memory_order_relaxed),
                         static_cast<std::uint32_t>(word & kMaxReceivers));
  }

 private:
  // word_: {sequence modulo 2^44 : 44 | shares that nobody has claimed yet : 20}. A receiver would
  // have to sleep through exactly 2^43 values to take one sequence for another.
  static constexpr unsigned kShareBits = 20;
  static_assert(kMaxReceivers == (1U << kShareBits) - 1);

  static constexpr std::uint64_t word_of(std::uint64_t sequence, std::uint32_t shares) noexcept {
    return sequence << kShareBits | shares;
  }
  static Found found(std::uint64_t word, std::uint64_t position) noexcept {
    // Both sequences shifted to the top, so that the difference has the sign of their distance.
    const std::uint64_t distance =
        (word & ~std::uint64_t{kMaxReceivers}) - word_of(2 * (position + 1), 0);
    if (distance == 0) {
      return Found::kValue;
    }
    return static_cast<std::int64_t>(distance) < 0 ? Found::kNothingYet : Found::kOverwritten;
  }

  Atomic<std::uint64_t> word_{0};
  Atomic<Node*> node_{nullptr};
};

template <class T>
using Slot = std::conditional_t<ringo::detail::kFitsWordCell<T>, WordSlot<T>, NodeSlot<T>>;

}  // namespace ringo::broadcast::detail
