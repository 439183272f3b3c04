# SPDX-License-Identifier: MIT
"""The smallest pieces, by Google Benchmark (bench/micro/): parser, writer, store, hash, buffers."""
import json
import subprocess
import sys

from lib.figures import Row, Samples
from lib.machine import BIN, say


def measure(repetitions, seconds):
    program = BIN / "bench_micro"
    if not program.exists():
        say("micro figures are left out: scripts/setup.sh check installs Google Benchmark")
        return []
    say("micro figures")
    done = subprocess.run([program, "--benchmark_format=json", f"--benchmark_min_time={seconds}",
                           f"--benchmark_repetitions={repetitions}"],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"bench_micro: {done.stderr}")
    rows = {}
    for run in json.loads(done.stdout)["benchmarks"]:
        if run["run_type"] == "iteration":
            row = rows.setdefault(run["run_name"], Row(f"micro/{run['run_name']}", "ns",
                                                       {"ringo": Samples()}))
            # Of one request, reply or buffer, where a run of the loop is several.
            row.ours.add(1e9 / run["items_per_second"] if "items_per_second" in run
                         else run["cpu_time"])
    return list(rows.values())
