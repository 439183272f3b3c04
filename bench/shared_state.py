#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What sharing state costs: locks, maps and whole strategies side by side, as tables and plots.

bench_shared_state lets those who do the same work take turns, and prints medians. Printed here are,
for each of them, nanoseconds on the wall per operation, processor time per operation (which other
programs on the machine disturb less), and the slowest thousandth of single operations.

  bench/shared_state.sh                            everything
  bench/shared_state.sh --parts locks strategies   some of it
  bench/shared_state.sh --record   also writes bench/results/shared_state-<commit>.json, and the plots
                                   of the strategies as .svg and .png beside it
"""
import argparse
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PARTS = ("locks", "maps", "large_maps", "growth", "strategies")
TITLES = {
    "uncontended": "one thread, lock and unlock",
    "locks": "contended lock; `outside`: steps of work between two critical sections",
    "maps": "maps of `count` keys; `reads`: share of look-ups in percent",
    "growth": "`count` new keys into an empty map; churn: half of them there, one added and one removed",
    "strategies": "32 tasks share a map of 10,000 numbers; `reads` in percent",
}
FIGURES = ("ns", "cpu", "p50", "p99", "p999")


def output(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    return done.stdout.strip() or "none"


def model_name():
    for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def run(program, part):
    done = subprocess.run([str(program), part], capture_output=True, text=True, check=False,
                          timeout=1800)
    if done.returncode != 0:
        sys.exit(f"{part}: {done.stderr.strip() or done.returncode}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def conditions(line):
    return tuple((name, value) for name, value in line.items()
                 if name not in (*FIGURES, "name", "table"))


def group(lines):
    """{table: {conditions: {name: line}}}, all in the order of the lines."""
    tables = {}
    for line in lines:
        rows = tables.setdefault(line["table"], {})
        rows.setdefault(conditions(line), {})[line["name"]] = line
    return tables


def number(value):
    return f"{value / 1000:.1f}k" if value >= 9999.5 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def report(tables):
    for table, rows in tables.items():
        names = list(dict.fromkeys(name for row in rows.values() for name in row))
        print(f"\n{TITLES[table]}: ns wall / ns of processors"
              f"{' / slowest thousandth' if table not in ('uncontended', 'strategies') else ''}")
        keys = [name for name, _ in next(iter(rows))]
        print(" ".join(f"{key:>8}" for key in keys), *(f"{name:>22}" for name in names))
        for condition, row in rows.items():
            least = min(line["cpu"] for line in row.values())
            cells = []
            for name in names:
                if name not in row:
                    cells.append(f"{'-':>22}")
                    continue
                line = row[name]
                text = f"{number(line['ns'])} / {number(line['cpu'])}"
                if line["p999"]:
                    text += f" / {number(line['p999'])}"
                cells.append(f"{text + ('*' if line['cpu'] == least else ' '):>22}")
            print(" ".join(f"{value:>8}" for _, value in condition), *cells)
    print("\n* the least processor time of its row")


def plot(rows, stem):
    """Processor time over the share of reads, for even and skewed keys, with the most workers."""
    gnuplot = shutil.which("gnuplot")
    if gnuplot is None:
        print("no plot: gnuplot is not installed")
        return
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    workers = max(dict(condition)["workers"] for condition in rows)
    data, plots = [], []
    for keys in ("even", "zipf"):
        data.append(f"${keys} << END")
        for condition, row in rows.items():
            what = dict(condition)
            if what["workers"] == workers and what["keys"] == keys:
                data.append(" ".join(str(x) for x in (what["reads"], *(row[n]["cpu"] for n in names))))
        data.append("END")
        curves = ", ".join(f"${keys} using 1:{i + 2} with linespoints lw 2 title \"{name}\""
                           for i, name in enumerate(names))
        plots.append(f'set title "{workers} workers, keys used {"evenly" if keys == "even" else "by Zipf"}"\n'
                     f"plot {curves}")
    for terminal, suffix in (("svg size 1000,420 background rgb 'white'", "svg"),
                             ("pngcairo size 1000,420", "png")):
        script = "\n".join([f"set terminal {terminal}", f'set output "{stem}.{suffix}"', *data,
                            "set multiplot layout 1,2", "set logscale y", "set yrange [5:500]",
                            "set grid ytics",
                            'set xlabel "reads, percent"', 'set ylabel "ns of processors per operation"',
                            "set key outside bottom horizontal", *plots, "unset multiplot"])
        done = subprocess.run([gnuplot], input=script, text=True, capture_output=True, check=False)
        if done.returncode != 0:
            sys.exit(f"gnuplot: {done.stderr}")
        print(f"drawn: {pathlib.Path(f'{stem}.{suffix}').relative_to(ROOT)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=pathlib.Path, required=True)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    print(f"{os.cpu_count()} x {model_name()}, Linux {platform.release()}")
    if os.environ.get("RINGO_BENCH_QUICK"):
        print("a quick run: the counts are too small for the figures to mean anything")
    lines = [line for part in options.parts for line in run(options.program, part)]
    tables = group(lines)
    report(tables)
    if options.record:
        commit = output("git", "rev-parse", "--short", "HEAD")
        stem = ROOT / "bench" / "results" / f"shared_state-{commit}"
        stem.parent.mkdir(exist_ok=True)
        contents = {"commit": commit, "machine": f"{os.cpu_count()} x {model_name()}",
                    "kernel": platform.release(), "figures": lines}
        stem.with_suffix(".json").write_text(json.dumps(contents, indent=1) + "\n", encoding="utf-8")
        print(f"recorded in {stem.relative_to(ROOT)}.json")
        if "strategies" in tables:
            plot(tables["strategies"], stem)


if __name__ == "__main__":
    main()
