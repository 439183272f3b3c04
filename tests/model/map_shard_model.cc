// SPDX-License-Identifier: MIT
//
// A shard of ConcurrentMap whose table grows while it is read: two writers behind the lock, and a
// reader without it. A key that is always there is always found, with a value that somebody gave
// it, and never an older one than before; one that was never there is never found.
//
// twin: RINGO_TWIN_RELAXED
// twin: RINGO_MODEL_READS_WITHOUT_LOOKING_AGAIN
// twin: RINGO_MODEL_FREES_TABLES
// twin: RINGO_TWIN_CHANGES_UNMARKED

#ifdef RINGO_TWIN_RELAXED
#define RINGO_MODEL_WEAKEN(order) ((order) == std::memory_order_release)
#endif

#include <ringo/detail/map_shard.h>
#include <ringo/detail/mutex.h>

#include <cstdint>
#include <functional>
#include <optional>

#include "model/model.h"

namespace ringo::detail {
namespace {

using Key = std::uint32_t;
using Value = std::uint64_t;
using Shard = MapShard<WordSlot<Key, Value>>;

/// All begin in the same bucket of two and have the same tag; bit 3 of the key divides segments.
std::uint64_t hash_of(Key key) {
  return std::uint64_t{(key >> 3U) & 1U} << 24U | (key & 1U);
}

struct MapShardModel : rl::test_suite<MapShardModel, 3> {
  static constexpr Key kAlways = 4;
  static constexpr Key kNever = 8;

#ifdef RINGO_TWIN_CHANGES_UNMARKED
  struct Mark {
    explicit Mark(Shard& /*shard*/) {}
  };
#else
  using Mark = Shard::Change;
#endif

  Shard* shard = nullptr;
  Mutex mutex;

  void before() {
    shard = new Shard;
    put(kAlways, 1);
    put(29, 290);
  }
  void after() {
    RL_ASSERT(get(kAlways) == 3);
    RL_ASSERT(get(16) == 160);
    RL_ASSERT(get(20) == std::nullopt);
    RL_ASSERT(get(29) == 290);
    RL_ASSERT(shard->size() == 5);  // more than one segment takes
    std::size_t seen = 0;
    shard->for_each([&](Shard::Place) { ++seen; });
    RL_ASSERT(seen == 5);
    delete shard;
  }

  void put(Key key, Value value) {
    const MutexGuard guard(mutex);
    const Shard::Place place = shard->find(hash_of(key), key, std::equal_to<>());
    if (place) {
      const Mark mark(*shard);
      place->set_value(value);
    } else {
      const Shard::Place made = shard->make_place(hash_of(key), hash_of);
      const Mark mark(*shard);
      shard->insert(made, hash_of(key),
                    [&](auto& slot) { slot.construct(hash_of(key), key, value); });
    }
  }
  void remove(Key key) {
    const MutexGuard guard(mutex);
    const Mark mark(*shard);
    const Shard::Place place = shard->find(hash_of(key), key, std::equal_to<>());
    RL_ASSERT(place);
    shard->erase(place, hash_of(key));
  }
  std::optional<Value> get(Key key) {
    std::optional<Value> found;
    if (!shard->read(hash_of(key), key, std::equal_to<>(), found)) {
      const MutexGuard guard(mutex);
      const Shard::Place place = shard->find(hash_of(key), key, std::equal_to<>());
      found = place ? std::optional<Value>(place->value()) : std::nullopt;
    }
    return found;
  }

  void thread(unsigned index) {
    switch (index) {
      case 0:
        put(12, 120);
        put(kAlways, 2);
        put(16, 160);
        put(kAlways, 3);
        break;
      case 1:
        put(20, 200);
        put(13, 130);
        remove(20);
        break;
      default:
        for (Value last = 1; int i : {0, 1, 2}) {
          (void)i;
          const std::optional<Value> found = get(kAlways);
          RL_ASSERT(found && *found >= last && *found <= 3);
          last = *found;
          RL_ASSERT(!get(kNever));
          const std::optional<Value> other = get(20);
          RL_ASSERT(!other || *other == 200);
        }
    }
  }
};

}  // namespace
}  // namespace ringo::detail

int main() {
  return ringo::model::run<ringo::detail::MapShardModel>(200'000, 1);
}
