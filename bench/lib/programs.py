# SPDX-License-Identifier: MIT
"""Running the programs that print one JSON object a line: ours and the peers of the runtime.

A peer takes `suite multi|current WORKERS WARM_UPS REPETITIONS [PART,...]` and prints "bench" and
"samples_ns"; what it does not have it leaves out. Such a program can also be one that is not built
here: RINGO_PEER_TOKIO (a newer Tokio) and RINGO_PEER_TMC (TooManyCooks) name theirs.
"""
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys

from lib.machine import BIN, ROOT, output, say

CRATES = pathlib.Path("/usr/share/cargo/registry")
TIMEOUT_S = 900


class Program:
    """`version` is None for ours."""

    def __init__(self, name, path, version=None):
        self.name = name
        self.path = pathlib.Path(path)
        self.version = version

    def suite(self, workers, parts, warm_ups, repetitions):
        """`workers`: "1", "2" or "current". The lines, and the processor time of the process."""
        kind, count = ("current", "1") if workers == "current" else ("multi", workers)
        names = [",".join(parts)] if parts else []
        if self.name != "ringo":
            return self.run("suite", kind, count, str(warm_ups), str(repetitions), *names)
        words = [] if kind == "current" else [count]
        return self.run("suite", kind, *words, *names, "--json", "--warm-ups", str(warm_ups),
                        "--reps", str(repetitions))

    def memory(self, kind):
        last = ["--json"] if self.name == "ringo" else []
        return self.run("memory", "multi", "1", kind, *last)[0]

    def run(self, *arguments):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        # A quick run of ours would have counts of its own, and not be the peer's work.
        environment = {**os.environ, "RINGO_BENCH_QUICK": ""}
        done = subprocess.run([str(self.path), *arguments], capture_output=True, text=True,
                              check=False, timeout=TIMEOUT_S, env=environment)
        if done.returncode != 0:
            sys.exit(f"{self.path} {' '.join(arguments)}: {done.stderr.strip() or done.returncode}")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_s = (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)
        return [json.loads(line) for line in done.stdout.splitlines()], cpu_s


def named(variable, name):
    """The program that the variable names, if it is set."""
    path = os.environ.get(variable)
    if not path:
        return None
    if not shutil.which(path):
        sys.exit(f"bench: {variable} names no program: {path}")
    return Program(name, path, os.environ.get(f"{variable}_VERSION", "named by hand"))


def tokio():
    """Built from Debian's crates where they and cargo are installed."""
    if newer := named("RINGO_PEER_TOKIO", "tokio"):
        return newer
    crates = sorted(CRATES.glob("tokio-[0-9]*"))
    if not shutil.which("cargo") or not crates:
        say("Tokio is left out: scripts/setup.sh bench installs cargo and its crates")
        return None
    target = ROOT / "build" / "peers" / "tokio"
    # In its folder, because cargo looks for .cargo/config.toml from where it runs.
    done = subprocess.run(["cargo", "build", "--release", "--offline", "--quiet"], check=False,
                          cwd=ROOT / "bench" / "peers" / "tokio",
                          env={**os.environ, "CARGO_TARGET_DIR": str(target)})
    if done.returncode != 0:
        say("Tokio is left out: cargo could not build bench/peers/tokio")
        return None
    return Program("tokio", target / "release" / "tokio-peer", crates[-1].name.partition("-")[2])


def runtime_programs():
    """Ours first, then the peers that there are."""
    ours = BIN / "bench_runtime"
    if not ours.exists():
        sys.exit(f"bench: no program {ours} (make bench builds it)")
    programs = [Program("ringo", ours), tokio(), named("RINGO_PEER_TMC", "tmc")]
    for name, package in (("tbb", "libtbb-dev"), ("asio", "libasio-dev")):
        if (BIN / f"peer_{name}").exists():
            version = output("dpkg-query", "-W", "-f=${Version}", package)
            programs.append(Program(name, BIN / f"peer_{name}", version))
        else:
            say(f"{name} is left out: scripts/setup.sh bench installs {package}")
    return [program for program in programs if program]
