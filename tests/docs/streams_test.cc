// SPDX-License-Identifier: MIT
//
// The code of docs/guide/streams.md, compiled and run: the guide quotes it from here
// (scripts/check_docs.py).
//
// Thread safety: tests.

#include <ringo/generator.h>
#include <ringo/select.h>
#include <ringo/spawn.h>
#include <ringo/stream.h>
#include <ringo/stream_map.h>
#include <ringo/stream_sources.h>
#include <ringo/stream_time.h>
#include <ringo/sync/mpsc.h>
#include <ringo/task.h>
#include <ringo/time.h>
#include <ringo/yield.h>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/co_test.h"

namespace {

using namespace std::chrono_literals;
using ringo::Generator;
using ringo::Task;
namespace stream = ringo::stream;

// --- a generator --------------------------------------------------------------------------------

Task<std::vector<int>> fetch_page(int number) {
  co_await ringo::yield_now();
  std::vector<int> page;
  for (int i = 0; number < 3 && i < 2; ++i) {
    page.push_back(number * 10 + i);
  }
  co_return page;
}

Generator<int> all_rows() {
  for (int page = 0;; ++page) {
    std::vector<int> rows = co_await fetch_page(page);
    if (rows.empty()) {
      co_return;
    }
    for (int row : rows) {
      co_yield row;
    }
  }
}

Task<int> sum_rows() {
  Generator<int> rows = all_rows();
  int sum = 0;
  while (std::optional<int> row = co_await rows.next()) {
    sum += *row;
  }
  co_return sum;
}

CO_TEST(StreamsGuide, AGenerator) {
  const int sum = co_await sum_rows();
  EXPECT_EQ(sum, 0 + 1 + 10 + 11 + 20 + 21);
}

// --- a next() that is dropped -------------------------------------------------------------------

Generator<std::string> slow_lines() {
  co_await ringo::time::sleep(3s);
  co_yield "first";
  co_await ringo::time::sleep(1s);
  co_yield "second";
}

CO_TEST_PAUSED(StreamsGuide, ADroppedNext) {
  Generator<std::string> lines = slow_lines();
  std::string log;
  for (bool is_open = true; is_open;) {
    co_await ringo::select(ringo::on(lines.next(),
                                     [&](std::optional<std::string> line) {
                                       is_open = line.has_value();
                                       log += line.value_or("end") + " ";
                                     }),
                           ringo::on(ringo::time::sleep(1250ms), [&] { log += "tick "; }));
  }
  EXPECT_EQ(log, "tick tick first second end ");
}

// --- adaptors -----------------------------------------------------------------------------------

CO_TEST(StreamsGuide, Adaptors) {
  auto [tx, rx] = ringo::mpsc::channel<std::string>(8);
  for (const char* word : {"12", "x", "30"}) {
    (void)tx.try_send(word);
  }
  ringo::drop(std::move(tx));
  auto numbers = stream::as_stream(std::move(rx)) |
                 stream::filter([](const std::string& text) { return text != "x"; }) |
                 stream::map([](std::string text) { return std::stoi(text); });
  auto summing = std::move(numbers) | stream::fold(0, [](int sum, int n) { return sum + n; });
  const int sum = co_await std::move(summing);
  EXPECT_EQ(sum, 42);
}

// --- batches ------------------------------------------------------------------------------------

Task<void> write_batches(ringo::mpsc::Receiver<int> rows, std::vector<std::vector<int>>& table) {
  auto batches = stream::as_stream(std::move(rows)) | stream::chunks_timeout(100, 10ms);
  while (std::optional<std::vector<int>> batch = co_await batches.next()) {
    table.push_back(*std::move(batch));
  }
}

CO_TEST_PAUSED(StreamsGuide, Batches) {
  auto [tx, rx] = ringo::mpsc::channel<int>(200);
  std::vector<std::vector<int>> table;
  for (int i = 0; i < 150; ++i) {
    (void)tx.try_send(i);
  }
  ringo::drop(std::move(tx));
  co_await write_batches(std::move(rx), table);
  EXPECT_EQ(table.size(), 2U);
  EXPECT_EQ(table.front().size(), 100U);
}

// --- many streams -------------------------------------------------------------------------------

Generator<int> readings(int first) {
  for (int i = 0; i < 2; ++i) {
    co_await ringo::yield_now();
    co_yield first + i;
  }
}

CO_TEST(StreamsGuide, ManyStreams) {
  ringo::StreamMap<std::string, Generator<int>> sensors;
  sensors.insert("door", readings(1));
  sensors.insert("roof", readings(5));
  std::map<std::string, int> last;
  while (auto reading = co_await sensors.next()) {
    last[reading->first] = reading->second;
    if (reading->second == 2) {
      sensors.insert("cellar", readings(8));  // they may come and go
    }
  }
  EXPECT_EQ(last.at("door"), 2);
  EXPECT_EQ(last.at("roof"), 6);
  EXPECT_EQ(last.at("cellar"), 9);
}

}  // namespace
