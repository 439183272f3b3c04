# SPDX-License-Identifier: MIT
"""All benchmarks in one run: `make bench`, `make bench-quick`, or, once built,

  scripts/bench.sh [--quick] [--no-record] [SECTION...]     runtime server echo micro shared_state

Peers and ours take turns; at the end comes one table, and with it one JSON file in bench/results/ and
plots. docs/performance.md says how to read it, and which variables name more peers.
"""
import argparse
import json
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lib import machine, programs, record, rows_echo, rows_micro, rows_runtime, rows_server  # noqa: E402
from lib import rows_shared_state  # noqa: E402
from lib.figures import Goals, table  # noqa: E402

SECTIONS = ("runtime", "server", "echo", "micro", "shared_state")


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=" ".join(SECTIONS))
    parser.add_argument("--quick", action="store_true", help="one short round; writes no record")
    parser.add_argument("--rounds", type=int, help="default 3")
    parser.add_argument("--no-record", action="store_true", help="write nothing to bench/results/")
    options = parser.parse_args()
    for section in options.sections:
        if section not in SECTIONS:
            parser.error(f"there is no section {section}: {' '.join(SECTIONS)}")
    options.sections = options.sections or list(SECTIONS)
    options.rounds = options.rounds or (1 if options.quick else 3)
    return options


def measure(options, goals):
    rows, versions, more = [], {}, {}
    is_quick = options.quick
    peers = []
    if "runtime" in options.sections or "echo" in options.sections:
        peers = programs.runtime_programs()
        versions |= {program.name: program.version for program in peers if program.version}
    if "runtime" in options.sections:
        rows += rows_runtime.measure(peers, goals, options.rounds, 1 if is_quick else 3,
                                     only_goals=is_quick)
    if "echo" in options.sections:
        tokio = next((program for program in peers if program.name == "tokio"), None)
        rows += rows_echo.measure(tokio, options.rounds, 0.3 if is_quick else 2)
    if "server" in options.sections:
        found, server_versions = rows_server.measure(options.rounds, 0.2 if is_quick else 0.8, is_quick)
        rows += found
        versions |= server_versions
    if "micro" in options.sections:
        rows += rows_micro.measure(1 if is_quick else 5, 0.01 if is_quick else 0.1)
    if "shared_state" in options.sections and not is_quick:
        more["shared_state"] = rows_shared_state.measure()
    return rows, versions, more


def main():
    options = parse_options()
    # So that servers are stopped however this ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: stopped"))
    aims = json.loads((machine.ROOT / "bench" / "goals.json").read_text(encoding="utf-8"))
    facts = machine.facts()
    if options.quick:
        machine.Patience.attempts, machine.Patience.budget_s = 1, 0.0
    begin = time.monotonic()
    rows, versions, more = measure(options, aims["goals"])
    goals = Goals(aims, versions)
    if "shared_state" in more:
        rows_shared_state.report(more["shared_state"])
    print(", ".join(f"{name}: {value}" for name, value in facts.items()))
    print("peers:", ", ".join(f"{name} {version}" for name, version in versions.items()))
    print("median of all runs; gain: how many times better than the first peer; far: the processors "
          "were far from each other in every attempt")
    if options.quick:
        print("A QUICK RUN: single short samples, good for seeing that everything works, no more.")
    print("\n".join(table(rows, goals)))
    if not options.quick and not options.no_record:
        facts["seconds"] = round(time.monotonic() - begin)
        stem = record.save("bench", facts, versions, rows, goals, sys.argv[1:], more)
        record.plot(stem, rows, goals)
        if "shared_state" in more:
            rows_shared_state.plot(more["shared_state"], stem)


if __name__ == "__main__":
    main()
