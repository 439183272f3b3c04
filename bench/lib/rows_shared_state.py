# SPDX-License-Identifier: MIT
"""What sharing state costs: locks, maps and whole strategies side by side, as tables and plots.

bench_shared_state lets those who do the same work take turns, and prints medians. Printed here are,
for each of them, nanoseconds on the wall per operation, processor time per operation (which other
programs on the machine disturb less), and the slowest thousandth of single operations.
"""
import json
import subprocess
import sys

from lib.machine import BIN, say
from lib.record import draw

PARTS = ("locks", "maps", "large_maps", "growth", "strategies")
TITLES = {
    "uncontended": "one thread, lock and unlock",
    "locks": "contended lock; `outside`: steps of work between two critical sections",
    "maps": "maps of `count` keys; `reads`: share of look-ups in percent",
    "growth": "`count` new keys into an empty map; churn: half of them there, one added and one removed",
    "strategies": "32 tasks share a map of 10,000 numbers; `reads` in percent",
}
FIGURES = ("ns", "cpu", "p50", "p99", "p999")


def measure(parts=PARTS):
    """The lines of the program, as it prints them."""
    lines = []
    for part in parts:
        say(f"shared state: {part}")
        done = subprocess.run([BIN / "bench_shared_state", part], capture_output=True, text=True,
                              check=False, timeout=1800)
        if done.returncode != 0:
            sys.exit(f"bench_shared_state {part}: {done.stderr.strip() or done.returncode}")
        lines += [json.loads(line) for line in done.stdout.splitlines()]
    return lines


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


def report(lines):
    tables = group(lines)
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


def plot(lines, stem):
    """Processor time over the share of reads, for even and skewed keys, with the most workers."""
    rows = group(lines).get("strategies")
    if not rows:
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
    draw(stem.parent / f"{stem.name}-strategies", "1000,420",
         [*data, "set multiplot layout 1,2", "set logscale y", "set yrange [5:500]", "set grid ytics",
          'set xlabel "reads, percent"', 'set ylabel "ns of processors per operation"',
          "set key outside bottom horizontal", *plots, "unset multiplot"])
