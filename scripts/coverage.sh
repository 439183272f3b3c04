#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Runs the tests in the coverage build and reports which of our lines they reach: a table on standard
# output, and pages in build/coverage/html/.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/build.sh coverage
rm -rf build/coverage/profiles
LLVM_PROFILE_FILE="$PWD/build/coverage/profiles/%p-%m.profraw" \
  ctest --test-dir build/coverage --output-on-failure -j "$(nproc)" -LE 'slow|compile_fail' || {
  echo "coverage: tests failed, so there is no report" >&2
  exit 1
}

find build/coverage/profiles -name '*.profraw' >build/coverage/profiles.txt
llvm-profdata-19 merge -sparse -f build/coverage/profiles.txt -o build/coverage/all.profdata
objects=()
for program in build/coverage/tests/ringo_* build/coverage/bin/*; do
  [[ -f $program && -x $program ]] && objects+=(-object "$program")
done
ours=(-ignore-filename-regex='(^/usr/|/tests/|/examples/|/bench/)')
llvm-cov-19 show "${objects[@]}" -instr-profile=build/coverage/all.profdata "${ours[@]}" \
  -format=html -output-dir=build/coverage/html
llvm-cov-19 report "${objects[@]}" -instr-profile=build/coverage/all.profdata "${ours[@]}"
echo "pages: build/coverage/html/index.html"
