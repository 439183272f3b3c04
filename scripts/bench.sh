#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Runs the benchmarks of the release build, after a line that names the machine:
#   scripts/bench.sh [--quick] [name...]
# --quick lets each of them run for a moment only, as a check that it still works. A benchmark by
# Google Benchmark gets its options; any other program gets RINGO_BENCH_QUICK=1 in its environment.
# Programs and scripts: build/release/bin/bench_*, bench/*.sh (names that begin with _ are helpers).
set -euo pipefail
cd "$(dirname "$0")/.."

quick=
names=()
for argument in "$@"; do
  case $argument in
    --quick) quick=1 ;;
    *) names+=("$argument") ;;
  esac
done
export RINGO_BENCH_QUICK=$quick
export RINGO_BIN_DIR=$PWD/build/release/bin

wanted() {
  [[ ${#names[@]} -eq 0 ]] && return 0
  local name
  for name in "${names[@]}"; do
    [[ $1 == "$name" ]] && return 0
  done
  return 1
}

echo "machine: $(uname -sr), $(nproc) x $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)"
echo "compiler: $(sed -n 's/^CMAKE_CXX_COMPILER:[A-Z]*=//p' build/release/CMakeCache.txt)," \
  "flags: $(sed -n 's/^CMAKE_CXX_FLAGS_RELEASE:[A-Z]*=//p' build/release/CMakeCache.txt)," \
  "commit: $(git rev-parse --short HEAD 2>/dev/null || echo none)"
failed=()
for source in bench/*.cc bench/*.sh; do
  [[ -e $source && $(basename "$source") != _* ]] || continue
  name=$(basename "${source%.*}")
  wanted "$name" || continue
  echo
  echo "== $name"
  command=()
  if [[ $source == *.sh ]]; then
    command=(bash "$source")
  elif [[ ! -x build/release/bin/bench_$name ]]; then
    echo "not built: bench_$name (see the messages of the configure step)"
    failed+=("$name")
    continue
  else
    command=("build/release/bin/bench_$name")
    if grep -q '<benchmark/benchmark.h>' "$source"; then
      if [[ -n $quick ]]; then
        command+=(--benchmark_min_time=0.01)
      else
        command+=(--benchmark_repetitions=5 --benchmark_report_aggregates_only=true)
      fi
    fi
  fi
  "${command[@]}" </dev/null || failed+=("$name")
done
if [[ ${#failed[@]} -gt 0 ]]; then
  echo "bench: failed: ${failed[*]}" >&2
  exit 1
fi
