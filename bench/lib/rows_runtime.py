# SPDX-License-Identifier: MIT
"""The runtime beside its peers: bench_runtime, Tokio, oneTBB, Asio, and TooManyCooks if it is named.

They take turns theme by theme, so that what disturbs the machine disturbs all. Every figure is taken
with one worker, with two, and on a current_thread runtime.
"""
import statistics

from lib.figures import Row, Samples
from lib.machine import near, say

FLAVOURS = ("1", "2", "current")
# Parts of names; programs run theme by theme, so that the turns are short.
THEMES = (("spawn_many", "spawn_await", "chained_spawn"), ("yield_many", "yield_one", "ping_pong"),
          ("mpsc", "oneshot", "request_response"), ("broadcast", "watch"),
          ("mutex", "semaphore", "rwlock"), ("sleep", "timeout", "timers"), ("stream",),
          ("fib30", "skynet"))
REMOTE = "spawn_await_remote"
REMOTE_TRIPS = 10_000
MEMORY_KINDS = ("pending", "sleep", "oneshot")  # buf4k takes 4 GB: only by hand
IN_MS = ("_wall_total", "_late_mean", "_late_max")


def measure(programs, goals, rounds, repetitions, flavours=FLAVOURS, only_goals=False):
    """The rows; `goals` names what a quick run must have at least."""
    table = {}  # (flavour, bench): {program: Samples}
    wanted = {key.split("/")[1] for key in goals if key.startswith("runtime/")}
    # The timers' three figures come from one benchmark.
    wanted = sorted({"timers_fire" if "timers_fire" in name else name for name in wanted})
    for index in range(rounds):
        order = programs if index % 2 == 0 else programs[::-1]
        for flavour in flavours:
            say(f"runtime, round {index + 1} of {rounds}, "
                f"{flavour if flavour == 'current' else flavour + ' workers'}")
            for theme in THEMES:
                parts = theme
                if only_goals:
                    parts = [name for name in wanted if any(part in name for part in theme)]
                for program in order if parts else ():
                    add_suite(table, program, flavour, parts, repetitions, 0 if only_goals else 1)
            add_remote_cpu(table, order, flavour)
            if flavour == "1":
                add_memory(table, order)
    return [row(flavour, bench, samples) for (flavour, bench), samples in table.items()
            if "ringo" in samples] + parallel_rows(table, goals)


def add_suite(table, program, flavour, parts, repetitions, warm_ups):
    if program.name in ("tbb", "asio") and flavour == "current":
        return  # one thread is one thread for them
    def run():
        return program.suite(flavour, parts, warm_ups, repetitions)
    # Where one thread does everything it does not matter how far the other processor is.
    (lines, _), far = near(run, attempts=2) if flavour == "2" else (run(), False)
    for line in lines:
        samples = table.setdefault((flavour, line["bench"]), {}).setdefault(program.name, Samples())
        for value in line["samples_ns"]:
            samples.add(value, far)
        for name in ("least_share", "stolen"):
            for value in line.get(name, []):
                samples.note(name, value)
        if line.get("instructions"):
            samples.note("instructions", line["instructions"])


def add_remote_cpu(table, programs, flavour):
    """Processor time of a round trip from a foreign thread: waking must not be bought by spinning.
    Of the whole process, so of all its runs, the one that counts instructions included."""
    for program in programs:
        if program.name not in ("ringo", "tokio"):
            continue
        runs = 4
        lines, cpu_s = program.suite(flavour, [REMOTE], 0, runs - 1)
        if lines:
            samples = table.setdefault((flavour, REMOTE + "_cpu"), {})
            samples.setdefault(program.name, Samples()).add(cpu_s * 1e9 / (runs * REMOTE_TRIPS))


def add_memory(table, programs):
    for program in programs:
        if program.name not in ("ringo", "tokio"):
            continue
        for kind in MEMORY_KINDS:
            for line in program.memory(kind):
                samples = table.setdefault(("1", line["bench"]), {})
                samples.setdefault(program.name, Samples()).add(line["bytes_per_task"])


def row(flavour, bench, samples):
    unit = "B" if bench.startswith("memory_") else "ns"
    if bench.endswith(IN_MS):
        unit = "ms"
        for one in samples.values():
            one.near = [value / 1e6 for value in one.near]
            one.far = [value / 1e6 for value in one.far]
    ours = samples["ringo"]
    remarks = []
    if instructions := ours.notes.get("instructions"):
        remarks.append(f"{statistics.median(instructions):.0f} instr")
    if flavour == "2" and (least := ours.notes.get("least_share")):
        least = statistics.median(least)
        stolen = statistics.median(ours.notes["stolen"])
        remarks.append("one worker did it all" if least < 0.005 else
                       f"idler polled {least:.0%}, {stolen:.1%} stolen")
    return Row(f"runtime/{bench}/{flavour}", unit, samples, remark=", ".join(remarks))


def parallel_rows(table, goals):
    """Where the work is parallel two workers must not be slower than one: cost of two / of one."""
    rows = []
    for key in goals:
        section, _, bench = key.partition("/")
        if section != "two_workers_over_one":
            continue
        one, two = (table.get((flavour, bench), {}).get("ringo") for flavour in ("1", "2"))
        if one and two and one.values and two.values:
            samples = Samples()
            samples.add(two.median / one.median)
            rows.append(Row(key, "ratio", {"ringo": samples}))
    return rows
