#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What sharing state costs: see shared_state.py. scripts/bench.sh names the folder of the programs
# and says whether a quick run is wanted. Plots are drawn where gnuplot is installed, and oneTBB
# takes part where it was found (scripts/setup.sh bench installs both).
set -euo pipefail
cd "$(dirname "$0")/.."
program=${RINGO_BIN_DIR:-build/release/bin}/bench_shared_state
if [[ ! -x $program ]]; then
  echo "shared_state: no program $program (make bench builds it)" >&2
  exit 1
fi
exec python3 bench/shared_state.py --program "$program" "$@"
