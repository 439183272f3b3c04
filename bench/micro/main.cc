// SPDX-License-Identifier: MIT
//
// bench_micro: the smallest pieces, by Google Benchmark, with its options.
//
//   bench_micro --benchmark_filter=process
//
// Thread safety: none; Google Benchmark runs one thread.

#include <benchmark/benchmark.h>

BENCHMARK_MAIN();
