// SPDX-License-Identifier: MIT
//
// The server without its sockets: the hash, the store, and process(), which parses a pipeline,
// executes it and writes the replies. The difference between process() and the server's CPU per
// request is the kernel and the runtime.
//
// Thread safety: none; Google Benchmark runs one thread.

#include <benchmark/benchmark.h>
#include <ringo/bytes.h>
#include <ringo/protocol/request_parser.h>
#include <ringo/server/executor.h>
#include <ringo/server/session.h>
#include <ringo/server/state.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "requests.h"
#include "store/entry.h"
#include "store/key_hash.h"
#include "store/shard.h"
#include "store/store.h"

namespace {

using ringo::server::HashedKey;
using ringo::server::Shard;
using ringo::server::Store;

constexpr ringo::server::UnixMs kNow = 1'700'000'000'000;

std::vector<std::string> make_keys() {
  micro::Keys keys;
  std::vector<std::string> list(micro::kKeys);
  for (std::string& key : list) {
    key = keys.next();
  }
  return list;
}

void hash_key(benchmark::State& state) {
  const std::string key = micro::Keys().next();
  const ringo::server::HashSeed seed;
  for (auto _ : state) {
    benchmark::DoNotOptimize(key.data());
    benchmark::DoNotOptimize(ringo::server::hash_key(key, seed));
  }
}
BENCHMARK(hash_key);

void store_set(benchmark::State& state) {
  Store store({});
  const std::vector<std::string> keys = make_keys();
  const std::string value(64, 'x');
  std::size_t i = 0;
  for (auto _ : state) {
    const HashedKey key = store.hashed(keys[i]);
    store.with(key, [&](Shard& shard) { shard.put(key, value, ringo::server::kNoExpiry, kNow); });
    i = i + 1 == keys.size() ? 0 : i + 1;
  }
}
BENCHMARK(store_set);

void store_get(benchmark::State& state) {
  Store store({});
  const std::vector<std::string> keys = make_keys();
  const std::string value(64, 'x');
  for (const std::string& bytes : keys) {
    const HashedKey key = store.hashed(bytes);
    store.with(key, [&](Shard& shard) { shard.put(key, value, ringo::server::kNoExpiry, kNow); });
  }
  std::size_t i = 0;
  for (auto _ : state) {
    const HashedKey key = store.hashed(keys[i]);
    const bool is_there =
        store.with(key, [&](Shard& shard) { return shard.read(key, kNow) != nullptr; });
    if (!is_there) {
      state.SkipWithError("a key is missing");
    }
    i = i + 1 == keys.size() ? 0 : i + 1;
  }
}
BENCHMARK(store_get);

/// Pipelines of 16 requests, of `make_request`, through process().
template <typename F>
void process_pipelines(benchmark::State& state, F make_request) {
  ringo::server::ServerState server;
  ringo::server::Session session(server);
  ringo::protocol::RequestParser parser;
  ringo::BytesMut out(std::size_t{64} * 1024);
  const std::string value(64, 'x');
  const auto run = [&](const std::string& input) {
    const auto done = ringo::server::process(session, parser, input, out);
    out.clear();
    return done.consumed == input.size();
  };
  micro::Keys keys;
  std::vector<std::string> pipelines(micro::kKeys / micro::kPipeline);
  for (std::string& pipeline : pipelines) {
    for (std::size_t i = 0; i < micro::kPipeline; ++i) {
      const std::string key = keys.next();
      (void)run(micro::set(key, value));
      pipeline += make_request(key, value);
    }
  }
  std::size_t i = 0;
  for (auto _ : state) {
    if (!run(pipelines[i])) {
      state.SkipWithError("a pipeline was not taken whole");
    }
    i = i + 1 == pipelines.size() ? 0 : i + 1;
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) *
                          static_cast<std::int64_t>(micro::kPipeline));
}

void process_gets(benchmark::State& state) {
  process_pipelines(
      state, [](const std::string& key, const std::string& /*value*/) { return micro::get(key); });
}
BENCHMARK(process_gets);

void process_sets(benchmark::State& state) {
  process_pipelines(state, micro::set);
}
BENCHMARK(process_sets);

}  // namespace
