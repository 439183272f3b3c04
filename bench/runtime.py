#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the runtime's operations cost, beside Tokio's in the same run and beside our goals.

bench_runtime and bench/peers/tokio do the same work. They take turns, so that what disturbs the
machine disturbs both. Printed are the median of all samples of all rounds, the least and the most,
user instructions per operation, and for two workers how the polls were shared: a run in which the
second worker did nothing says so. Without the peer only our figures are printed.

  bench/runtime.sh                            one worker, two workers, current_thread
  bench/runtime.sh --rounds 5 --only mpsc     names that contain one of these
  bench/runtime.sh --record                   also writes bench/results/runtime-<commit>.json
"""
import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FLAVOURS = {"1": ("multi", "1"), "2": ("multi", "2"), "current": ("current", "1")}
TITLES = {"1": "multi_thread, 1 worker", "2": "multi_thread, 2 workers", "current": "current_thread"}
MEMORY_KINDS = ("pending", "sleep", "oneshot")  # buf4k takes 4 GB: only by hand
IN_MS = ("_wall_total", "_late_mean", "_late_max")


class Program:
    """One of the two; both print one JSON object a line."""

    def __init__(self, name, path, options):
        self.name = name
        self.path = path
        self.options = options

    def suite(self, flavour):
        options = self.options
        names = [",".join(options.only)] if options.only else []
        kind, workers = FLAVOURS[flavour]
        if self.name == "ringo":
            counts = ["--json", "--reps", str(options.reps), "--warm-ups", str(options.warm_ups)]
            words = [workers] if kind == "multi" else []
            return self.lines("suite", kind, *words, *names, *counts)
        return self.lines("suite", kind, workers, str(options.warm_ups), str(options.reps), *names)

    def memory(self, kind):
        last = ["--json"] if self.name == "ringo" else []
        return self.lines("memory", "multi", "1", kind, *last)

    def lines(self, *arguments):
        done = subprocess.run([str(self.path), *arguments], capture_output=True, text=True,
                              check=False, timeout=1800)
        if done.returncode != 0:
            sys.exit(f"{self.name} {' '.join(arguments)}: {done.stderr.strip() or done.returncode}")
        return [json.loads(line) for line in done.stdout.splitlines()]


class Figure:
    """All that was measured of one benchmark by one program."""

    def __init__(self):
        self.samples = []
        self.instructions = []
        self.least_share = []
        self.stolen = []

    def add(self, line):
        self.samples += line.get("samples_ns") or [line["bytes_per_task"]]
        if line.get("instructions"):
            self.instructions.append(line["instructions"])
        self.least_share += line.get("least_share", [])
        self.stolen += line.get("stolen", [])

    @property
    def median(self):
        return statistics.median(self.samples)

    def as_json(self):
        return {"samples": self.samples, "median": self.median, "least_share": self.least_share,
                "instructions": statistics.median(self.instructions) if self.instructions else None,
                "stolen": self.stolen}


def measure(programs, options):
    """{flavour: {benchmark: {program: Figure}}}, the programs taking turns."""
    results = {}
    for index in range(options.rounds):
        order = programs if index % 2 == 0 else programs[::-1]
        for flavour in options.flavours:
            table = results.setdefault(flavour, {})
            for program in order:
                lines = program.suite(flavour)
                if flavour == "1" and (not options.only or "memory" in options.only):
                    lines += [line for kind in MEMORY_KINDS for line in program.memory(kind)]
                for line in lines:
                    figures = table.setdefault(line["bench"], {})
                    figures.setdefault(program.name, Figure()).add(line)
    return results


def number(value):
    return f"{value:.0f}" if value >= 1000 else f"{value:.1f}"


def spread(figure, scale):
    values = [value / scale for value in figure.samples]
    return (f"{number(statistics.median(values))} "
            f"({number(min(values))}-{number(max(values))})")


def goal_of(goals, name, flavour):
    one, two = goals.get(name, (None, None))
    return two if flavour == "2" else one


def verdict(median, goal):
    if goal is None:
        return ""
    if median <= goal:
        return f"<= {goal:g} met"
    return f"<= {goal:g} {median / goal:.2f}x of it"


def shares(figure):
    """How two workers shared the work, in the run in the middle."""
    if not figure.least_share:
        return ""
    least = statistics.median(figure.least_share)
    if least < 0.005:
        return "one worker did it all"
    return f"{least:.0%}, {statistics.median(figure.stolen):.1%} stolen"


def report(results, goals, parallel):
    for flavour, table in results.items():
        print(f"\n{TITLES[flavour]}")
        print(f"{'':33} {'ringo':>24} {'instr.':>7} | {'tokio':>24} {'instr.':>7} | "
              f"{'tokio/ringo':>11} | {'goal':22} | {'polls of the idler one' if flavour == '2' else ''}")
        for name, figures in table.items():
            ours, theirs = figures.get("ringo"), figures.get("tokio")
            if ours is None:
                continue  # not built yet by us
            scale, unit = (1e6, "ms") if name.endswith(IN_MS) else (1, "ns")
            unit = "B" if name.startswith("memory_") else unit
            cells = [f"{name + ' ' + unit:33}", f"{spread(ours, scale):>24}", instructions(ours), "|",
                     f"{spread(theirs, scale) if theirs else '-':>24}", instructions(theirs), "|",
                     f"{theirs.median / ours.median if theirs else 0:>10.2f}x" if theirs
                     else f"{'-':>11}", "|"]
            goal = goal_of(goals, name, flavour)
            words = verdict(ours.median / scale, goal / scale if goal else None)
            print(*cells, f"{words:22} |", shares(ours) if flavour == "2" else "")
    if "1" in results and "2" in results:
        for name in parallel:
            one, two = (results[f].get(name, {}).get("ringo") for f in ("1", "2"))
            if one and two and two.median > one.median:
                print(f"note: {name}: two workers are slower than one "
                      f"({number(two.median)} against {number(one.median)} ns)")


def instructions(figure):
    if figure is None or not figure.instructions:
        return f"{'-':>7}"
    return f"{statistics.median(figure.instructions):7.0f}"


def output(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    return done.stdout.strip() or "none"


def model_name():
    for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def record(results, options):
    commit = output("git", "rev-parse", "--short", "HEAD")
    is_clean = subprocess.run(["git", "diff", "--quiet", "HEAD", "--", "runtime", "bench"],
                              cwd=ROOT, check=False).returncode == 0
    figures = {flavour: {name: {program: figure.as_json() for program, figure in figures.items()}
                         for name, figures in table.items()} for flavour, table in results.items()}
    contents = {"commit": commit + ("" if is_clean else ", with changes"),
                "machine": f"{os.cpu_count()} x {model_name()}",
                "kernel": platform.release(), "tokio": options.peer_version,
                "rounds": options.rounds, "reps": options.reps, "figures": figures}
    file = ROOT / "bench" / "results" / f"runtime-{commit}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(contents, indent=1) + "\n", encoding="utf-8")
    print(f"recorded in {file.relative_to(ROOT)}")


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", type=pathlib.Path, required=True, help="the program bench_runtime")
    parser.add_argument("--peer", type=pathlib.Path, help="the program tokio-peer")
    parser.add_argument("--peer-version", default="none")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--reps", type=int, default=3, help="timed runs in each round")
    parser.add_argument("--warm-ups", type=int, default=1)
    parser.add_argument("--flavours", nargs="+", choices=list(FLAVOURS), default=list(FLAVOURS))
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="parts of names")
    parser.add_argument("--record", action="store_true")
    return parser.parse_args()


def main():
    options = parse_options()
    programs = [Program("ringo", options.ours, options)]
    if options.peer:
        programs.append(Program("tokio", options.peer, options))
    goals = json.loads((ROOT / "bench" / "goals.json").read_text(encoding="utf-8"))
    is_quick = bool(os.environ.get("RINGO_BENCH_QUICK"))
    print(f"median (least-most) of {options.rounds} rounds of {options.reps} runs; "
          f"tokio {options.peer_version}; {os.cpu_count()} x {model_name()}, Linux "
          f"{platform.release()}")
    results = measure(programs, options)
    if is_quick:
        print("a quick run: the counts are too small for the figures to mean anything")
    report(results, {} if is_quick else goals["goals"], [] if is_quick else goals["parallel"])
    if options.record:
        record(results, options)


if __name__ == "__main__":
    main()
