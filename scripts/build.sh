#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Configures a preset, if that was not done yet, and builds it:
#   scripts/build.sh PRESET [TARGET...]       (no target: everything; `configure`: nothing is built)
# One line when there is nothing to do; the configure step's output is shown only when it fails.
# JOBS=n limits the number of parallel compilations.
set -euo pipefail
cd "$(dirname "$0")/.."

preset=$1
shift
folder=build/$preset
mkdir -p "$folder"

# ninja does not know of a second ninja in the same folder, and two terminals may well start two.
exec 9>"$folder/.lock"
if ! flock -n 9; then
  echo "build: waiting for another build in $folder"
  flock 9
fi

# Packages that came since then (a benchmark's peer, say) are found by configuring again.
configured=$folder/.configured
packages=/var/lib/dpkg/status
if [[ ! -f $folder/build.ninja || CMakePresets.json -nt $configured || $packages -nt $configured ]]; then
  echo "build: configuring $folder"
  touch "$configured.new"
  if ! cmake --preset "$preset" >"$folder/configure.log" 2>&1; then
    cat "$folder/configure.log" >&2
    echo "build: could not configure the preset $preset" >&2
    exit 1
  fi
  mv "$configured.new" "$configured"
fi

if [[ ${1:-} == configure ]]; then
  # New and removed files are seen by ninja's own rule for its build file.
  ninja -C "$folder" --quiet build.ninja >/dev/null
  exit
fi

# A terminal sees ninja's progress; a log gets one line before and one after.
arguments=(-C "$folder")
[[ -t 1 ]] || arguments+=(--quiet)
[[ -z ${JOBS:-} ]] || arguments+=(-j "$JOBS")
start=$SECONDS
echo "build: $folder: ${*:-everything}"
ninja "${arguments[@]}" "$@"
if ((SECONDS - start > 1)); then
  echo "build: done in $((SECONDS - start)) s"
fi
