#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds the hot paths to the instructions that they took when bench/instructions.json was written.

Times on a shared machine vary by a factor; user instructions per operation repeat within 1 or 2 %. So
CI compares instructions: more than 10 % more fails, more than 10 % fewer asks to be recorded. Counted
are rows of bench_runtime with one worker, and the server's GET and SET in pipelines of 16.

  scripts/check_instructions.py             compare; needs `scripts/build.sh release all ringo_bench`
  scripts/check_instructions.py --record    write what is measured to bench/instructions.json

Exit codes: 0 no worse; 1 worse, or a path is missing; 77 nothing can be said here, and why: the kernel
forbids counting, or the compiler is another one than the record's.
"""
import argparse
import json
import os
import pathlib
import statistics
import sys
import textwrap

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench"))

from lib import counters, machine, programs, servers  # noqa: E402

TOLERANCE = 0.10
SKIPPED = 77
ROUNDS = 3
RUNTIME = ("spawn_many_join", "spawn_await", "yield_many", "yield_one", "ping_pong", "mpsc_b1000_1p",
           "mpsc_unb_1p", "oneshot_same_task", "request_response_64", "mutex_uncontended",
           "mutex_10tasks_yield_held", "sleep_register_cancel", "timeout_ready", "fib30_spawn_one",
           "fib30_fork", "skynet_1m_fork")
SERVER_KEYS = 100_000
SERVER_REQUESTS = 400_000


def measure_runtime():
    """{name: median of the rounds}"""
    program = programs.Program("ringo", machine.BIN / "bench_runtime")
    found = {}
    for _ in range(ROUNDS):
        lines, _ = program.suite("1", RUNTIME, 0, 1)
        for line in lines:
            if line["bench"] in RUNTIME:  # the program takes parts of names
                found.setdefault(line["bench"], []).append(line["instructions"])
    return {f"runtime/{name}": statistics.median(values) for name, values in found.items()}


def measure_server():
    found = {}
    with servers.running([servers.Server("ringo", servers.ringo_command())]) as (server,):
        common = {"connections": 50, "pipeline": 16, "keys": SERVER_KEYS}
        servers.load(server, operation="set", sequential=True, connections=1, pipeline=512,
                     keys=SERVER_KEYS)
        for operation in ("get", "set"):
            for _ in range(ROUNDS):
                with servers.Load(server, operation=operation, requests=SERVER_REQUESTS,
                                  **common) as load:
                    with counters.Counters(server.process.pid, ("instructions:u",)) as counted:
                        done = load.run()
                found.setdefault(f"server/{operation}_p16", []).append(
                    counted.values["instructions:u"] / done["operations"])
    return {name: statistics.median(values) for name, values in found.items()}


def compare(recorded, measured):
    """(lines of the table, what is worse, what is better)"""
    lines, worse, better = [], [], []
    for name in [*recorded, *(name for name in measured if name not in recorded)]:
        before, now = recorded.get(name), measured.get(name)
        if before is None or now is None:
            lines.append(f"{name:36} {'not recorded' if before is None else 'not measured'}")
            worse.append(name)
            continue
        change = now / before - 1
        verdict = ""
        if change > TOLERANCE:
            verdict = "WORSE"
            worse.append(name)
        elif change < -TOLERANCE:
            verdict = "better"
            better.append(name)
        lines.append(f"{name:36} {before:9.1f} {now:9.1f} {change:+8.1%}  {verdict}")
    return lines, worse, better


def judge(recorded, measured):
    lines, worse, better = compare(recorded, measured)
    print(f"{'user instructions per operation':36} {'recorded':>9} {'now':>9} {'change':>8}")
    print("\n".join(lines))
    if better:
        print(f"\nFaster by more than {TOLERANCE:.0%}: {', '.join(better)}. Record it, so that it stays: "
              "scripts/check_instructions.py --record")
    if worse:
        print(f"\nSlower by more than {TOLERANCE:.0%}, or missing: {', '.join(worse)}.\n" + textwrap.dedent("""\
            Where a change needs them, run scripts/check_instructions.py --record, and let the commit that
            changes bench/instructions.json say what they buy. Where not, `perf record -e instructions:u
            build/release/bin/bench_runtime suite multi 1 NAME` shows where they are."""))
    return 1 if worse else 0


def write_record(file, measured):
    lines = [f"  {json.dumps(name)}: {round(value, 1)}" for name, value in measured.items()]
    about = ("User instructions per operation, from scripts/check_instructions.py --record, which says "
             "what they are for.")
    file.write_text('{\n "about": ' + json.dumps(about) + ',\n "compiler": ' +
                    json.dumps(machine.compiler()) + ',\n "instructions": {\n' + ",\n".join(lines) +
                    "\n }\n}\n", encoding="utf-8")
    print(f"recorded in {file}")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--baseline", type=pathlib.Path, default=ROOT / "bench" / "instructions.json")
    parser.add_argument("--measured", type=pathlib.Path, help="compare this record, measure nothing")
    options = parser.parse_args()
    baseline = json.loads(options.baseline.read_text(encoding="utf-8")) if not options.record else {}
    if options.measured:
        measured = json.loads(options.measured.read_text(encoding="utf-8"))["instructions"]
        return judge(baseline["instructions"], measured)
    if reason := counters.why_forbidden():
        print(f"instructions: skipped: they cannot be counted here ({reason}; "
              "kernel.perf_event_paranoid must be 2 or less)")
        return SKIPPED
    if not options.record and baseline["compiler"] != machine.compiler():
        print(f"instructions: skipped: recorded with {baseline['compiler']}, but this build is by "
              f"{machine.compiler()}")
        return SKIPPED
    os.environ.pop("RINGO_BENCH_QUICK", None)
    measured = measure_runtime() | measure_server()
    if options.record:
        write_record(options.baseline, measured)
        return 0
    return judge(baseline["instructions"], measured)


if __name__ == "__main__":
    sys.exit(main())
