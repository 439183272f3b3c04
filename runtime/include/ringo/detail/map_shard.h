// SPDX-License-Identifier: MIT
//
// One shard of a ConcurrentMap: a table, and while it grows a second one that is being emptied.
// Growing moves two buckets with each change, so that no single one pays for all; a key is in one
// of the two.
//
//   S1  Whoever changes anything has the shard's lock, and makes sequence_ odd before and even
//       after.
//   S2  A reader without the lock believes what it found if sequence_ was even and the same before
//       and after: then all of it was there at one moment.
//   S3  A reader may look into a table long after that was emptied. So tables of WordSlots are kept
//       as long as the shard; they double, and all that were together are smaller than the one in
//       use. Others are freed, for nobody sees them without the lock.
//
// Thread safety: as said; tests/model/map_shard_model.cc.

#pragma once

#include <ringo/detail/atomic.h>
#include <ringo/detail/map_table.h>
#include <ringo/detail/relax.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace ringo::detail {

template <class Slot>
class MapShard {
 public:
  using Table = MapTable<Slot>;
  using Place = typename Table::Place;
  static constexpr bool kIsReadWithoutLock = Slot::kIsReadWithoutLock;

  explicit MapShard(std::size_t buckets) { set_current(std::make_unique<Table>(buckets)); }
  MapShard(const MapShard&) = delete;
  MapShard& operator=(const MapShard&) = delete;
  ~MapShard() = default;

  /// S1, for the time of a change.
  class [[nodiscard]] Change {
   public:
    explicit Change(MapShard& shard) noexcept : shard_(shard) {
      if constexpr (kIsReadWithoutLock) {
        // relaxed: the words that change are stored with release, so who sees one sees this.
        shard_.sequence_.store(shard_.sequence() + 1, std::memory_order_relaxed);
      }
    }
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;
    ~Change() {
      if constexpr (kIsReadWithoutLock) {
        // release: pairs with the acquire in read(): who sees this number sees the whole change.
        shard_.sequence_.store(shard_.sequence() + 1, std::memory_order_release);
      }
    }

   private:
    MapShard& shard_;
  };

  /// Looks without the lock. `found` gets the value. False: writers were in the way, take the lock.
  template <class Q, class Eq, class V>
  [[nodiscard]] bool read(std::uint64_t hash, const Q& key, const Eq& equal,
                          std::optional<V>& found) const
    requires kIsReadWithoutLock
  {
    for (int i = 0; i < kReadTries; ++i) {
      // acquire: pairs with the end of a change.
      const std::uint64_t before = sequence_.load(std::memory_order_acquire);
      if (before % 2 == 0) {
        const Place place = find(hash, key, equal);
        if (place) {
          found = place->value();
        } else {
          found.reset();
        }
#ifdef RINGO_MODEL_READS_WITHOUT_LOOKING_AGAIN
        return true;
#endif
        // relaxed: every load in between acquires, so this one comes last. S2.
        if (sequence_.load(std::memory_order_relaxed) == before) {
          return true;
        }
      }
      relax();
    }
    return false;
  }

  // --- with the lock ---

  /// Without the lock, too; then the caller looks at sequence_.
  template <class Q, class Eq>
  [[nodiscard]] Place find(std::uint64_t hash, const Q& key, const Eq& equal) const {
    // acquire: pairs with the release with which a table is made known.
    Table* const current = current_.load(std::memory_order_acquire);
    Place place = current->find(hash, key, equal);
    if (!place) {
      Table* const old = draining_.load(std::memory_order_acquire);
      if (old != nullptr) [[unlikely]] {
        place = old->find(hash, key, equal);
      }
    }
    return place;
  }

  /// Makes room for one more key. Within no Change: readers may go on while memory is allocated.
  /// hash_of(key) is needed if a table has to be emptied at once.
  template <class HashOf>
  void make_room(HashOf&& hash_of) {
    if (size() < current().capacity()) [[likely]] {
      return;
    }
    auto larger = std::make_unique<Table>(2 * current().bucket_count());
    const Change change(*this);
    drain(SIZE_MAX, hash_of);
    drained_ = 0;
    draining_.store(&current(), std::memory_order_release);
    set_current(std::move(larger));
  }

  /// Within a Change. Requires: the key is not there, make_room() was called.
  template <class Fill>
  Place insert(std::uint64_t hash, Fill&& fill) {
    const Place place = current().insert(hash, std::forward<Fill>(fill));
    set_size(size() + 1);
    return place;
  }
  /// Within a Change.
  void erase(Place place, std::uint64_t hash) noexcept {
    place.table->erase(place, hash);
    set_size(size() - 1);
  }

  /// Within a Change: moves a few buckets, or as many as it is told.
  template <class HashOf>
  void drain(std::size_t buckets, HashOf&& hash_of) {
    Table* const old = draining_.load(std::memory_order_relaxed);
    if (old == nullptr) [[likely]] {
      return;
    }
    for (; buckets != 0 && drained_ != old->bucket_count(); --buckets, ++drained_) {
      old->for_each_in(drained_, [&](Place place) {
        const std::uint64_t hash = place->hash(hash_of);
        current().insert(hash, [&](Slot& slot) { place->move_to(slot, hash); });
        old->vacate(place);
      });
    }
    if (drained_ == old->bucket_count()) {
      draining_.store(nullptr, std::memory_order_release);
      retire_all_but_current();
    }
  }
  static constexpr std::size_t kDrainStep = 2;

  /// Calls f(place) for every key. It may change values, not keys.
  template <class F>
  void for_each(F&& f) {
    for (Table* const table : {&current(), draining_.load(std::memory_order_relaxed)}) {
      for (std::size_t at = 0; table != nullptr && at < table->bucket_count(); ++at) {
        table->for_each_in(at, f);
      }
    }
  }

  using Tables = std::vector<std::unique_ptr<Table>>;
  /// Removes all keys. Returns tables that the caller destroys when it has given the lock up.
  [[nodiscard]] Tables clear() {
    Tables gone;
    if constexpr (kIsReadWithoutLock) {
      const Change change(*this);
      current().clear();
      draining_.store(nullptr, std::memory_order_release);
      set_size(0);
    } else {
      auto empty = std::make_unique<Table>(1);
      gone.swap(tables_);
      draining_.store(nullptr, std::memory_order_release);
      set_size(0);
      set_current(std::move(empty));
    }
    return gone;
  }

  // --- any time ---

  /// Any thread; the number of some moment.
  [[nodiscard]] std::size_t size() const noexcept { return size_.load(std::memory_order_relaxed); }
  void prefetch(std::uint64_t hash) const noexcept {
    current_.load(std::memory_order_acquire)->prefetch(hash);
  }

 private:
  static constexpr int kReadTries = 4;

  [[nodiscard]] Table& current() const { return *current_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t sequence() const {
    return sequence_.load(std::memory_order_relaxed);  // ours, we have the lock
  }
  void set_size(std::size_t size) { size_.store(size, std::memory_order_relaxed); }
  void set_current(std::unique_ptr<Table> table) {
    tables_.push_back(std::move(table));
    current_.store(tables_.back().get(), std::memory_order_release);
  }
  void retire_all_but_current() {
#ifndef RINGO_MODEL_FREES_TABLES
    if constexpr (kIsReadWithoutLock) {
      return;  // S3
    }
#endif
    tables_.erase(tables_.begin(), tables_.end() - 1);
  }

  Atomic<std::uint64_t> sequence_{0};
  Atomic<Table*> current_{nullptr};
  Atomic<Table*> draining_{nullptr};
  Atomic<std::size_t> size_{0};
  std::size_t drained_ = 0;  ///< how many buckets of draining_ are empty
  Tables tables_;            ///< the last is current_
};

}  // namespace ringo::detail
