// SPDX-License-Identifier: MIT
//
// One shard of a ConcurrentMap: a directory of segments, which is extendible hashing. A segment
// that is full is divided in two by one more bit of the hash, half of its keys stay where they are,
// and all others do not notice; so no insertion pays for more than one segment, and memory grows
// by small pieces.
//
//   directory        segments                      a bit of the hash
//   00 --------------> [ ...0 ]   depth 1          0..     bucket within the segment
//   01 --------------> [ ..01 ]   depth 2          16..22  tag
//   10 ----^                                       24..    directory
//   11 --------------> [ ..11 ]   depth 2          ..63    shard
//
// The directory has a power of two of entries; it is copied into one twice as large when a segment
// is to be divided that has only one entry. The first segment of a shard begins with one bucket and
// doubles until it is of full size. So does one whose hashes are too much alike to divide it.
//
//   S1  Whoever changes anything has the shard's lock, and makes sequence_ odd before and even
//       after.
//   S2  A reader without the lock believes what it found if sequence_ was even and the same before
//       and after: then all of it was there at one moment.
//   S3  A reader may look into a directory or a segment long after it was outgrown. So those of
//       WordSlots are kept as long as the shard; they double, and all that were together are
//       smaller than the one in use. Others are freed, for nobody sees them without the lock.
//
// Thread safety: as said; tests/model/map_shard_model.cc.

#pragma once

#include <ringo/detail/atomic.h>
#include <ringo/detail/map_segment.h>
#include <ringo/detail/relax.h>
#include <ringo/detail/sized_array.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace ringo::detail {

/// Segments by bits of the hash; a value that refers to them, as they do to their buckets.
template <class Slot>
class MapDirectory {
 public:
  using Segment = MapSegment<Slot>;

  MapDirectory() = default;
  explicit MapDirectory(std::uint64_t word) noexcept : entries_(word) {}
  /// With one segment of one bucket.
  [[nodiscard]] static MapDirectory make() {
    const MapDirectory made(Entries::make(0).word());
    try {
      made.set(0, Segment::make(0));
    } catch (...) {
      made.entries_.destroy();
      throw;
    }
    return made;
  }
  /// Another one, of twice the size, with the same segments.
  [[nodiscard]] MapDirectory doubled() const {
    const MapDirectory made(Entries::make(depth() + 1).word());
    for (std::size_t i = 0; i < made.size(); ++i) {
      made.set(i, at(i & entries_.mask()));
    }
    return made;
  }
  /// Without the segments.
  void destroy() const noexcept { entries_.destroy(); }
  void destroy_all() const noexcept {
    for_each([](Segment segment) { segment.destroy(); });
    destroy();
  }

  [[nodiscard]] std::uint64_t word() const noexcept { return entries_.word(); }
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  [[nodiscard]] unsigned depth() const noexcept { return entries_.log2_size(); }
  [[nodiscard]] std::size_t index_of(std::uint64_t hash) const noexcept {
    return (hash >> kShift) & entries_.mask();
  }
  [[nodiscard]] Segment at(std::size_t index) const noexcept {
    // acquire: pairs with set(): who sees a segment sees its buckets.
    return Segment(entries_[index].load(std::memory_order_acquire));
  }

  // --- for the writer ---

  /// By how many bits the keys of the segment at the index are alike: it is at all indices that
  /// have these bits.
  [[nodiscard]] unsigned depth_at(std::size_t index) const noexcept {
    unsigned bits = depth();
    while (bits != 0 && at(index) == at(index ^ (std::size_t{1} << (bits - 1)))) {
      --bits;
    }
    return bits;
  }
  [[nodiscard]] static bool bit_of(std::uint64_t hash, unsigned bit) noexcept {
    return ((hash >> (kShift + bit)) & 1U) != 0;
  }
  /// Puts a segment wherever the lowest `bits` bits of the index are these.
  void set_all(std::size_t index, unsigned bits, Segment segment) const noexcept {
    const std::size_t step = std::size_t{1} << bits;
    for (std::size_t i = index & (step - 1); i < size(); i += step) {
      set(i, segment);
    }
  }
  /// Calls f(segment) once for each.
  template <class F>
  void for_each(F&& f) const {
    for (std::size_t i = 0; i < size(); ++i) {
      const Segment segment = at(i);
      if (i < (std::size_t{1} << depth_at(i))) {  // the first of its entries
        f(segment);
      }
    }
  }

 private:
  using Entries = SizedArray<Atomic<std::uint64_t>>;
  static constexpr unsigned kShift = 24;

  void set(std::size_t index, Segment segment) const noexcept {
    // release: pairs with at().
    entries_[index].store(segment.word(), std::memory_order_release);
  }

  Entries entries_;
};

template <class Slot>
class MapShard {
 public:
  using Segment = MapSegment<Slot>;
  using Directory = MapDirectory<Slot>;
  using Place = typename Segment::Place;
  static constexpr bool kIsReadWithoutLock = Slot::kIsReadWithoutLock;

  MapShard() : directory_(Directory::make().word()) {}
  MapShard(const MapShard&) = delete;
  MapShard& operator=(const MapShard&) = delete;
  ~MapShard() {
    directory().destroy_all();
    for (const Segment segment : outgrown_segments_) {
      segment.destroy();
    }
    for (const Directory directory : outgrown_directories_) {
      directory.destroy();
    }
  }

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

  /// Begins to fetch what a change of the key will touch. Any thread.
  [[gnu::always_inline]] void prefetch(std::uint64_t hash) const noexcept {
    if constexpr (kIsReadWithoutLock) {  // S3; other directories may be freed meanwhile
      segment_of(hash).prefetch(hash);
    }
  }

  // --- with the lock ---

  /// Without the lock, too; then the caller looks at sequence_.
  template <class Q, class Eq>
  [[nodiscard]] Place find(std::uint64_t hash, const Q& key, const Eq& equal) const {
    return segment_of(hash).find(hash, key, equal);
  }

  /// A place for a key that is not there. Within no Change: readers may go on while memory is
  /// allocated. hash_of(key) is needed if a segment has to be divided.
  template <class HashOf>
  [[nodiscard]] Place make_place(std::uint64_t hash, HashOf&& hash_of) {
    for (;;) {
      if (const Place place = segment_of(hash).free_place(hash)) [[likely]] {
        return place;
      }
      make_room(hash, hash_of);
    }
  }
  /// Within a Change. Requires: make_place() gave the place.
  template <class Fill>
  void insert(Place place, std::uint64_t hash, Fill&& fill) {
    Segment::occupy(place, hash, std::forward<Fill>(fill));
    set_size(size() + 1);
  }
  /// Within a Change.
  void erase(Place place, std::uint64_t hash) noexcept {
    Segment::erase(place, hash);
    set_size(size() - 1);
  }

  /// Calls f(place) for every key. It may change values and erase the key, but insert none.
  template <class F>
  void for_each(F&& f) {
    directory().for_each([&](Segment segment) { segment.for_each(f); });
  }

  /// What clear() leaves to be destroyed when the lock has been given up.
  class [[nodiscard]] Cleared {
   public:
    Cleared() = default;
    Cleared(const Cleared&) = delete;
    Cleared& operator=(const Cleared&) = delete;
    ~Cleared() {
      if (directory_) {
        directory_->destroy_all();
      }
    }

   private:
    friend MapShard;
    std::optional<Directory> directory_;
  };
  /// Removes all keys. Requires: `cleared` is new.
  void clear(Cleared& cleared) {
    if constexpr (kIsReadWithoutLock) {
      const Change change(*this);
      directory().for_each([](Segment segment) { segment.clear(); });
    } else {
      const Directory empty = Directory::make();
      cleared.directory_ = directory();
      set_directory(empty);
    }
    set_size(0);
  }

  // --- any time ---

  /// Any thread; the number of some moment.
  [[nodiscard]] std::size_t size() const noexcept { return size_.load(std::memory_order_relaxed); }

 private:
  static constexpr int kReadTries = 4;

  [[nodiscard]] Segment segment_of(std::uint64_t hash) const {
    // acquire: pairs with set_directory().
    const Directory directory(directory_.load(std::memory_order_acquire));
    return directory.at(directory.index_of(hash));
  }
  [[nodiscard]] Directory directory() const {
    return Directory(directory_.load(std::memory_order_relaxed));  // we have the lock
  }
  void set_directory(Directory directory) {
    // release: pairs with segment_of(): who sees a directory sees its entries.
    directory_.store(directory.word(), std::memory_order_release);
  }
  [[nodiscard]] std::uint64_t sequence() const {
    return sequence_.load(std::memory_order_relaxed);  // ours, we have the lock
  }
  void set_size(std::size_t size) { size_.store(size, std::memory_order_relaxed); }

  /// One step: a larger segment, a larger directory, or two segments of one. It allocates once, and
  /// before it changes anything.
  template <class HashOf>
  [[gnu::noinline]] void make_room(std::uint64_t hash, HashOf&& hash_of) {
    const Directory directory = this->directory();
    const std::size_t index = directory.index_of(hash);
    const Segment full = directory.at(index);
    const unsigned depth = directory.depth_at(index);
    // An even hash gives far less entries than keys.
    const bool may_double = 2 * directory.size() * Segment::kSlots <= size();
    if (full.log2_size() == Segment::kFullLog2Size && depth < directory.depth()) {
      divide(full, index, depth, hash_of);
    } else if (full.log2_size() == Segment::kFullLog2Size && may_double) {
      double_directory();
    } else {
      enlarge(full, index, depth, hash_of);
    }
  }

  template <class HashOf>
  void divide(Segment full, std::size_t index, unsigned depth, HashOf&& hash_of) {
    const Segment fresh = Segment::make(Segment::kFullLog2Size);
    const Change change(*this);
    full.divide(fresh, hash_of, [&](std::uint64_t hash) { return Directory::bit_of(hash, depth); });
    directory().set_all(index | std::size_t{1} << depth, depth + 1, fresh);
  }

  void double_directory() {
    outgrown_directories_.reserve(outgrown_directories_.size() + 1);
    const Directory old = directory();
    const Directory larger = old.doubled();
    const Change change(*this);
    set_directory(larger);
    retire(old, outgrown_directories_);
  }

  template <class HashOf>
  void enlarge(Segment full, std::size_t index, unsigned depth, HashOf&& hash_of) {
    outgrown_segments_.reserve(outgrown_segments_.size() + 1);
    const Segment larger = Segment::make(full.log2_size() + 1);
    const Change change(*this);
    full.for_each([&](Place place) { Segment::move(place, place->hash(hash_of), larger); });
    directory().set_all(index, depth, larger);
    retire(full, outgrown_segments_);
  }

  template <class Outgrown>
  static void retire(Outgrown outgrown, [[maybe_unused]] std::vector<Outgrown>& list) noexcept {
#ifndef RINGO_MODEL_FREES_TABLES
    if constexpr (kIsReadWithoutLock) {
      list.push_back(outgrown);  // S3; there is room
      return;
    }
#endif
    outgrown.destroy();
  }

  Atomic<std::uint64_t> sequence_{0};
  Atomic<std::uint64_t> directory_;  ///< a Directory
  Atomic<std::size_t> size_{0};
  std::vector<Segment> outgrown_segments_;
  std::vector<Directory> outgrown_directories_;
};

}  // namespace ringo::detail
