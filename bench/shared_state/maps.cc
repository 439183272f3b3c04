// SPDX-License-Identifier: MIT
//
// Look-ups and changes of keys that are there, by up to eight threads, in maps of numbers and of
// texts that fit in a processor's cache, and in larger ones that do not.
//
// Thread safety: none; called by the main thread.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "map_kinds.h"
#include "measure.h"

namespace bench {
namespace {

/// What is done with a map.
struct Mix {
  unsigned reads = 0;
  std::size_t threads = 0;
  std::size_t operations = 0;
};

template <template <class, class> class Map, class Kind>
class Filled {
 public:
  explicit Filled(const std::vector<typename Kind::K>& keys) : keys_(keys) {
    for (const auto& key : keys) {
      map_->set(key, value_);
    }
  }
  Outcome run(const Keys& drawn, const Mix& mix) {
    std::vector<Random> randoms;
    randoms.reserve(mix.threads);
    for (std::size_t t = 0; t < mix.threads; ++t) {
      randoms.emplace_back(++seed_);
    }
    return run_threads(mix.threads, mix.operations / mix.threads + 1,
                       [&](std::size_t t, std::size_t) {
                         const std::uint64_t random = randoms[t]();
                         const auto& key = keys_[drawn[random >> 8U]];
                         if (random % 100 < mix.reads) {
                           typename Kind::V found{};
                           keep(map_->get(key, found));
                         } else {
                           map_->set(key, value_);
                         }
                       });
  }

 private:
  using Shared = Map<typename Kind::K, typename Kind::V>;
  const std::vector<typename Kind::K>& keys_;
  typename Kind::V value_ = Kind::value(7);
  std::unique_ptr<Shared> map_ = std::make_unique<Shared>();
  std::uint64_t seed_ = 0;
};

template <class Kind>
void compare_mixes(const Settings& settings, std::size_t count,
                   const std::vector<std::size_t>& thread_counts) {
  const auto keys = make_keys<Kind>(settings.scaled(count));
  Filled<StdSharded, Kind> std_sharded(keys);
  Filled<RingoSharded, Kind> sharded(keys);
  Filled<RingoConcurrent, Kind> concurrent(keys);
#ifdef RINGO_BENCH_TBB
  Filled<Tbb, Kind> tbb(keys);
#endif
  for (const bool is_skewed : {false, true}) {
    const Keys drawn(keys.size(), is_skewed);
    for (const unsigned reads : {10U, 50U, 95U, 100U}) {
      for (const std::size_t threads : thread_counts) {
        const Mix mix{reads, threads, settings.scaled(200'000)};
        Contest contest;
        contest.add("std::mutex shards", [&] { return std_sharded.run(drawn, mix); });
        contest.add("Sharded", [&] { return sharded.run(drawn, mix); });
        contest.add("ConcurrentMap", [&] { return concurrent.run(drawn, mix); });
#ifdef RINGO_BENCH_TBB
        contest.add("oneTBB", [&] { return tbb.run(drawn, mix); });
#endif
        contest.run(
            "maps",
            fmt::format(
                "\"kind\": \"{}\", \"count\": {}, \"keys\": \"{}\", \"reads\": {}, \"threads\": {}",
                Kind::kName, count, is_skewed ? "zipf" : "even", reads, threads),
            settings);
      }
    }
  }
}

}  // namespace

void run_maps(const Settings& settings) {
  compare_mixes<Numbers>(settings, 10'000, {1, 2, 8});
  compare_mixes<Texts>(settings, 10'000, {1, 2, 8});
}

void run_large_maps(const Settings& settings) {
  compare_mixes<Numbers>(settings, 1'000'000, {1, 2});
  compare_mixes<Texts>(settings, 100'000, {1, 2});
}

}  // namespace bench
