// SPDX-License-Identifier: MIT
//
// A pipeline of streams: sensors are generators, which wait as tasks do and give a reading now and
// then; a StreamMap reads all of them, adaptors drop what is of no interest and make batches, and
// one loop stores the batches while a clock ticks beside it. A next() that loses against the clock
// loses nothing: the batch that is being filled stays in the generator.
//
// The clock of this runtime goes straight to the next timer when nobody can run: the program takes
// no time, and always prints the same.

#include <ringo/ringo.h>

#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/core.h>
#include <fmt/ranges.h>

using namespace std::chrono_literals;
namespace stream = ringo::stream;

struct Reading {
  Reading(std::string which, int degrees) : sensor(std::move(which)), celsius(degrees) {}
  std::string sensor;
  int celsius;
};

ringo::Generator<int> thermometer(ringo::Duration pause, std::vector<int> degrees) {
  for (const int celsius : degrees) {
    co_await ringo::time::sleep(pause);
    co_yield celsius;
  }
}

ringo::Task<void> watch_over() {
  ringo::StreamMap<std::string, ringo::Generator<int>> sensors;
  sensors.insert("cellar", thermometer(700ms, {8, 9, 8, 9}));
  sensors.insert("oven", thermometer(450ms, {180, 40, 210, 230, 25, 190}));

  auto warm = std::move(sensors) | stream::map([](std::pair<std::string, int> item) {
                return Reading(std::move(item.first), item.second);
              }) |
              stream::filter([](const Reading& reading) { return reading.celsius != 40; }) |
              stream::map([](const Reading& reading) {
                return fmt::format("{} {}", reading.sensor, reading.celsius);
              });
  auto batches = std::move(warm) | stream::chunks_timeout(4, 800ms);

  auto clock = ringo::time::interval(1s);
  for (bool is_open = true; is_open;) {
    co_await ringo::select(ringo::biased,  // in this order, where both are ready
                           ringo::on(batches.next(),
                                     [&](std::optional<std::vector<std::string>> batch) {
                                       is_open = batch.has_value();
                                       if (batch) {
                                         fmt::print("stored: {}\n", fmt::join(*batch, ", "));
                                       }
                                     }),
                           ringo::on(clock.tick(), [] { fmt::print("tick\n"); }));
  }
}

int main() {
  auto runtime = ringo::Builder::current_thread().start_paused().build();
  if (!runtime) {
    fmt::print(stderr, "{}\n", runtime.error().message());
    return 1;
  }
  runtime->block_on(watch_over());
  return 0;
}
