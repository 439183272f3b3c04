// SPDX-License-Identifier: MIT
//
// Streams: what an item costs that a generator has ready, that goes through adaptors, that a
// generator waits for, and that comes out of a StreamMap; beside the same without a stream.
//
// Thread safety: none; called by the main thread.

#include <ringo/detail/stream_stage.h>
#include <ringo/generator.h>
#include <ringo/select.h>
#include <ringo/stream.h>
#include <ringo/stream_map.h>
#include <ringo/stream_sources.h>
#include <ringo/sync/mpsc.h>
#include <ringo/task.h>
#include <ringo/yield.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "harness.h"

namespace bench {
namespace {

using ringo::Generator;
using ringo::Task;
namespace stream = ringo::stream;

Generator<std::uint64_t> count_to(std::uint64_t last) {
  for (std::uint64_t i = 0; i < last; ++i) {
    co_yield i;
  }
}
Generator<std::uint64_t> count_slowly_to(std::uint64_t last) {
  for (std::uint64_t i = 0; i < last; ++i) {
    co_await ringo::yield_now();
    co_yield i;
  }
}

template <ringo::Stream S>
Task<Sample> drain(S source, std::uint64_t expected) {
  const Stopwatch stopwatch;
  std::uint64_t items = 0;
  while (auto item = co_await source.next()) {
    keep(*item);
    ++items;
  }
  const Sample sample = stopwatch.stop();
  require(items == expected, "a stream has lost items");
  co_return sample;
}

Task<Sample> yield_without_generator(std::uint64_t times) {
  const Stopwatch stopwatch;
  for (std::uint64_t i = 0; i < times; ++i) {
    co_await ringo::yield_now();
    keep(i);
  }
  co_return stopwatch.stop();
}

Task<Sample> create_and_destroy(std::size_t times) {
  const Stopwatch stopwatch;
  for (std::size_t i = 0; i < times; ++i) {
    Generator<std::uint64_t> generator = count_to(1);
    keep(*co_await generator.next());
  }
  co_return stopwatch.stop();
}

/// Each of many streams has a message in turn, and the others wait.
Task<Sample> take_from_map(std::size_t streams, std::size_t times) {
  ringo::StreamMap<std::size_t, stream::ReceiverStream<ringo::mpsc::Receiver<std::uint64_t>>> map;
  std::vector<ringo::mpsc::Sender<std::uint64_t>> senders;
  for (std::size_t i = 0; i < streams; ++i) {
    auto [tx, rx] = ringo::mpsc::channel<std::uint64_t>(1);
    senders.push_back(std::move(tx));
    map.insert(i, stream::as_stream(std::move(rx)));
  }
  (void)co_await ringo::select(ringo::biased, map.next(), ringo::yield_now());
  const Stopwatch stopwatch;
  std::size_t at = 0;
  for (std::size_t i = 0; i < times; ++i) {
    require(senders[at].try_send(i).has_value(), "stream_map: no room");
    auto item = co_await map.next();
    require(item->second == i, "stream_map: another message");
    at = (at + 7) % streams;
  }
  co_return stopwatch.stop();
}

}  // namespace

void run_stream_benchmarks(Suite& suite) {
  const std::size_t million = suite.scaled(1'000'000);
  suite.task("generator_item", million, [=] { return drain(count_to(million), million); });
  suite.task("generator_item_mapped", million, [=] {
    return drain(count_to(million) | stream::map([](std::uint64_t n) { return n + 1; }) |
                     stream::filter([](std::uint64_t n) { return n != 0; }),
                 million);
  });
  suite.task("generator_item_merged", million, [=] {
    return drain(count_to(million / 2) | stream::merge(count_to(million - million / 2)), million);
  });
  suite.task("generator_item_after_yield", million,
             [=] { return drain(count_slowly_to(million), million); });
  suite.task("generator_none_after_yield", million,
             [=] { return yield_without_generator(million); });
  suite.task("generator_create", million, [=] { return create_and_destroy(million); });
  const std::size_t half = suite.scaled(500'000);
  suite.task("stream_map_10", half, [=] { return take_from_map(10, half); });
  suite.task("stream_map_1000", half, [=] { return take_from_map(1000, half); });
}

}  // namespace bench
