#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Runs the benchmarks of the release build; bench/run.py says what and how:
#   scripts/bench.sh [--quick] [SECTION...]
set -euo pipefail
cd "$(dirname "$0")/.."
export RINGO_BIN_DIR=${RINGO_BIN_DIR:-$PWD/build/release/bin}
export PYTHONDONTWRITEBYTECODE=1
exec python3 bench/run.py "$@"
