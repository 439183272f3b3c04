// SPDX-License-Identifier: MIT
//
// Bytes in, bytes out: the request parser, the reply writer, and the buffers under them. The time
// is of one request, one reply, one buffer.
//
// Thread safety: none; Google Benchmark runs one thread.

#include <benchmark/benchmark.h>
#include <ringo/bytes.h>
#include <ringo/protocol/reply_writer.h>
#include <ringo/protocol/request_parser.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "requests.h"

namespace {

void count_items(benchmark::State& state, std::size_t per_iteration) {
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) *
                          static_cast<std::int64_t>(per_iteration));
}

void parse_pipeline_of_gets(benchmark::State& state) {
  micro::Keys keys;
  std::string input;
  for (std::size_t i = 0; i < micro::kPipeline; ++i) {
    input += micro::get(keys.next());
  }
  ringo::protocol::RequestParser parser;
  for (auto _ : state) {
    std::string_view rest = input;
    while (parser.parse(rest) == ringo::protocol::ParseStatus::kRequest) {
      benchmark::DoNotOptimize(parser.args().data());
      rest.remove_prefix(parser.consumed());
    }
    if (!rest.empty()) {
      state.SkipWithError("a request was not understood");
    }
  }
  count_items(state, micro::kPipeline);
}
BENCHMARK(parse_pipeline_of_gets);

void write_pipeline_of_bulks(benchmark::State& state) {
  const std::string value(64, 'x');
  ringo::BytesMut out(4096);
  for (auto _ : state) {
    ringo::protocol::ReplyWriter writer(out);
    for (std::size_t i = 0; i < micro::kPipeline; ++i) {
      writer.bulk(value);
    }
    benchmark::DoNotOptimize(out.data());
    out.clear();
  }
  count_items(state, micro::kPipeline);
}
BENCHMARK(write_pipeline_of_bulks);

void fill_and_split_buffer(benchmark::State& state) {
  const std::string piece(1024, 'x');
  ringo::BytesMut buffer;
  for (auto _ : state) {
    buffer.append(piece);
    const ringo::Bytes frozen = buffer.split().freeze();
    benchmark::DoNotOptimize(frozen.data());
  }
  count_items(state, 1);
}
BENCHMARK(fill_and_split_buffer);

void copy_and_slice_bytes(benchmark::State& state) {
  const ringo::Bytes bytes = ringo::Bytes::copy_from(std::string(1024, 'x'));
  for (auto _ : state) {
    const ringo::Bytes part = bytes.slice(100, 200);
    benchmark::DoNotOptimize(part.data());
  }
  count_items(state, 1);
}
BENCHMARK(copy_and_slice_bytes);

}  // namespace
