# SPDX-License-Identifier: MIT
"""The machine: what it is, what built the programs, and whether its processors are near."""
import os
import pathlib
import platform
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = pathlib.Path(os.environ.get("RINGO_BIN_DIR") or ROOT / "build" / "release" / "bin")
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE = CORES[0]
LOAD_CORE = CORES[min(1, len(CORES) - 1)]
# A virtual machine's processors are near (65 to 135 ns) or far (340 and more), for seconds to minutes.
FAR_NS = 200


def output(*command):
    """What a command prints; "none" where it cannot be run."""
    try:
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                              check=False, cwd=ROOT)
    except OSError:
        return "none"
    return (done.stdout or done.stderr).strip() or "none"


def model_name():
    for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def cmake_cache(name):
    cache = BIN.parent / "CMakeCache.txt"
    if cache.exists():
        for line in cache.read_text(encoding="utf-8").splitlines():
            if line.startswith(name + ":"):
                return line.partition("=")[2]
    return "none"


def compiler():
    return output(cmake_cache("CMAKE_CXX_COMPILER"), "--version").splitlines()[0]


def commit():
    """The commit, and whether the programs may have been built from something else."""
    name = output("git", "rev-parse", "--short", "HEAD")
    changed = output("git", "status", "--porcelain", "--untracked-files=no", "--", "runtime", "server",
                     "protocol", "bench")
    return name + ("" if changed == "none" else "-changed")


def facts():
    return {
        "machine": f"{os.cpu_count()} x {model_name()}",
        "kernel": platform.release(),
        "compiler": compiler(),
        "flags": cmake_cache("CMAKE_CXX_FLAGS_RELEASE"),
        "commit": commit(),
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "load": os.getloadavg()[0],
    }


def round_trip_ns():
    """A cache line's way between the two cores and back; None where there is one core only."""
    program = BIN / "bench_c2c"
    if SERVER_CORE == LOAD_CORE or not program.exists():
        return None
    return float(output(program, SERVER_CORE, LOAD_CORE))


def is_far():
    ns = round_trip_ns()
    return ns is not None and ns > FAR_NS


class Patience:
    """How often a run is repeated because the processors were far, and how long each waits first. What
    all of that may take is limited: on a machine that stays far, or has other work (which looks the
    same), runs are marked and not repeated any more."""
    attempts = 3
    wait_s = 3.0
    budget_s = 240.0


def near(run, attempts=None):
    """(run()'s result, was it far?): repeated while the processors are far before or after it."""
    attempts = min(attempts or Patience.attempts, Patience.attempts)
    for attempt in range(attempts):
        begin = time.monotonic()
        wait_s = min(Patience.wait_s, Patience.budget_s)
        while is_far() and time.monotonic() < begin + wait_s:
            time.sleep(0.2)
        Patience.budget_s -= time.monotonic() - begin
        begin = time.monotonic()
        far = is_far()
        result = run()
        far = is_far() or far
        if not far or attempt == attempts - 1 or Patience.budget_s <= 0:
            return result, far
        Patience.budget_s -= time.monotonic() - begin
    raise AssertionError("the last attempt returns")


def say(*words):
    """Progress; the table is what goes to standard output."""
    print(time.strftime("%H:%M:%S"), *words, file=sys.stderr, flush=True)
