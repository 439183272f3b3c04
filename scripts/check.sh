#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# All that CI checks, as named steps:
#   scripts/check.sh [STEP...]    (without a name: every step; `list` names them)
# Every step runs even if an earlier one failed. The table of all steps is printed before the last
# step, the tests of the dev build, so that a log ends with ctest's own summary.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
export FUZZ_SECONDS=${FUZZ_SECONDS:-20}

jobs=${JOBS:-$(nproc)}
# The tools of the same version as the compiler; a plain llvm-symbolizer may be an older one.
symbolizer=$(command -v llvm-symbolizer-19 || true)
export ASAN_SYMBOLIZER_PATH=$symbolizer
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=1:strict_string_checks=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-second_deadlock_stack=1:external_symbolizer_path=$symbolizer}

run_ctest() {
  local preset=$1
  shift
  ctest --test-dir "build/$preset" --output-on-failure -j "$jobs" --no-tests=error "$@" && return
  # Shown again beside the table: a long log hides what failed in its middle.
  scripts/failed_tests.py "build/$preset" >>"$failures"
  return 1
}

step_format() { # every file is formatted as .clang-format says
  scripts/sources.sh | xargs -r clang-format-19 --dry-run -Werror
}

step_rules() { # layers, house rules, and documents that say what the code says
  scripts/check_layers.py && scripts/check_rules.py && scripts/check_docs.py
}

step_clang() { # clang builds everything without a warning, thread-safety analysis included
  scripts/build.sh clang-release all ringo_bench
}

step_headers() { # each header compiles alone, with both compilers
  scripts/build.sh clang-release configure && scripts/check_headers.py build/clang-release g++ &&
    scripts/check_headers.py build/clang-release clang++-19
}

step_lint() { # clang-tidy; and that it and clang's analysis still see a guard over a co_await
  scripts/build.sh clang-release configure && scripts/lint.py build/clang-release &&
    scripts/check_guard_nets.py build/clang-release
}

step_clang_tests() { # the quick tests of clang's release build, and what must not compile
  scripts/build.sh clang-release all && run_ctest clang-release -LE slow
}

step_asan() { # the tests under AddressSanitizer and UndefinedBehaviorSanitizer
  scripts/build.sh asan && run_ctest asan -LE compile_fail
}

step_tsan() { # the tests under ThreadSanitizer
  scripts/build.sh tsan && run_ctest tsan -LE compile_fail
}

step_model() { # relacy models, and their weakened twins
  scripts/build.sh model && run_ctest model
}

step_fuzz() { # each fuzzer replays its corpus, then explores for FUZZ_SECONDS
  scripts/build.sh fuzz && cmake -DRINGO_FUZZ_SECONDS="$FUZZ_SECONDS" build/fuzz >/dev/null &&
    run_ctest fuzz
}

step_instructions() { # the hot paths take no more instructions than recorded (77: cannot be counted)
  scripts/build.sh release ringo-server ringo_bench && scripts/check_instructions.py
}

step_release() { # the release build, its benchmarks for a moment each, and its install
  scripts/build.sh release all ringo_bench && scripts/bench.sh --quick &&
    bash scripts/check_install.sh build/release g++
}

step_tests() { # all tests of the dev build, slow ones too
  scripts/build.sh dev && run_ctest dev
}

all_steps=(format rules clang headers lint clang_tests asan tsan model fuzz instructions release tests)

steps=("$@")
if [[ ${1:-} == list ]]; then
  sed -n 's/^step_\([a-z_]*\)() { # \(.*\)/\1\t\2/p' scripts/check.sh | expand -t 14
  exit 0
fi
[[ ${#steps[@]} -gt 0 ]] || steps=("${all_steps[@]}")
for step in "${steps[@]}"; do
  if ! declare -F "step_$step" >/dev/null; then
    echo "check: there is no step '$step'; scripts/check.sh list names them" >&2
    exit 2
  fi
done

table=()
failed=0
failures=$(mktemp)
trap 'rm -f "$failures"' EXIT
show_table() {
  cat "$failures"
  : >"$failures"
  echo
  echo "==== check: $failed of ${#table[@]} steps failed"
  printf '  %s\n' "${table[@]}"
}
begin=$SECONDS
for index in "${!steps[@]}"; do
  step=${steps[index]}
  if ((index == ${#steps[@]} - 1 && index > 0)); then
    show_table
  fi
  echo
  echo "==== check: $step ($(sed -n "s/^step_$step() { # //p" scripts/check.sh))"
  start=$SECONDS
  "step_$step"
  case $? in
    0) verdict=ok ;;
    77) verdict="skipped: see its output" ;; # the step has said why
    *)
      verdict=FAILED
      failed=$((failed + 1))
      ;;
  esac
  table+=("$(printf '%-12s %6d s  %s' "$step" $((SECONDS - start)) "$verdict")")
  if ((index < ${#steps[@]} - 1)); then
    echo "==== check: $step: $verdict, $((SECONDS - start)) s (total $((SECONDS - begin)) s)"
  fi
done
exit $((failed > 0))
