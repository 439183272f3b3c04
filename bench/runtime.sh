#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What the runtime's operations cost, beside Tokio in the same run: see runtime.py. scripts/bench.sh
# names the folder of the programs and says whether a quick run is wanted. The peer is built where
# cargo and Debian's crates are there; `scripts/setup.sh bench` installs both.
set -euo pipefail
cd "$(dirname "$0")/.."
arguments=(--ours "${RINGO_BIN_DIR:-build/release/bin}/bench_runtime")
if [[ ! -x ${arguments[1]} ]]; then
  echo "runtime: no program ${arguments[1]} (make bench builds it)" >&2
  exit 1
fi
crates=(/usr/share/cargo/registry/tokio-[0-9]*)
if [[ -n ${RINGO_BENCH_QUICK:-} ]]; then
  arguments+=(--rounds 1 --reps 1 --warm-ups 0)
elif ! command -v cargo >/dev/null; then
  echo "runtime: no cargo, so Tokio is left out (scripts/setup.sh bench installs it)"
elif [[ ! -e ${crates[0]} ]]; then
  echo "runtime: no crate of Tokio, so it is left out (apt-get install librust-tokio-dev)"
else
  target=$PWD/build/peers/tokio
  # In its folder, because cargo looks for .cargo/config.toml from where it runs.
  if (cd bench/peers/tokio && CARGO_TARGET_DIR=$target cargo build --release --offline --quiet); then
    arguments+=(--peer "$target/release/tokio-peer" --peer-version "${crates[0]##*/tokio-}")
  else
    echo "runtime: cargo could not build bench/peers/tokio, so Tokio is left out"
  fi
fi
exec python3 bench/runtime.py "${arguments[@]}" "$@"
