#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What a request costs the server in CPU time, beside Redis 7.0: see kv_cpu.py. scripts/bench.sh
# names the folder of the programs and says whether a quick run is wanted.
set -euo pipefail
cd "$(dirname "$0")/.."
arguments=(--server "${RINGO_BIN_DIR:-build/release/bin}/ringo-server")
if [[ -n ${RINGO_BENCH_QUICK:-} ]]; then
  arguments+=(--rounds 1 --seconds 0.3)
fi
exec python3 bench/kv_cpu.py "${arguments[@]}" "$@"
