#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a request costs the server: its CPU time (user and system) per operation, beside Redis 7.0.

Throughput on one machine says as much about the load generator as about the server; the server's
CPU time per operation does not. Both servers run in the same session, one worker each, pinned to
one core, and redis-benchmark to another. They take turns, so that what disturbs the machine disturbs
both. Printed are the median of the rounds, the least and the most, and the ratio of the medians.

Redis is the one of the package redis-tools: redis-check-rdb is redis-server when it is called by
that name.

  bench/kv_cpu.py --server build/release/bin/ringo-server [--rounds 5] [--seconds 2] …
"""
import argparse
import os
import pathlib
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

REDIS = pathlib.Path("/usr/bin/redis-check-rdb")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
DEADLINE_S = 20.0
CALIBRATION_REQUESTS = 20_000
KEYS = 100_000


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cpu_seconds(pid):
    """User and system time of a process, all of its threads, in seconds.

    From schedstat (nanoseconds) and stat (ticks): the sum is exact, its parts are an estimate.
    """
    run_ns = 0
    for thread in pathlib.Path(f"/proc/{pid}/task").iterdir():
        run_ns += int((thread / "schedstat").read_text(encoding="ascii").split()[0])
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    user, system = int(fields[11]), int(fields[12])
    return run_ns / 1e9, user / TICKS_PER_SECOND, system / TICKS_PER_SECOND


class Server:
    def __init__(self, name, arguments, port, core):
        self.name = name
        self.port = port
        self.process = subprocess.Popen(
            ["taskset", "-c", str(core), *map(str, arguments)], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        deadline = time.monotonic() + DEADLINE_S
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                sys.exit(f"{name} does not start: {self.process.stderr.read().decode()}")
            time.sleep(0.02)

    def answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(100) == b"+PONG\r\n"
        except OSError:
            return False

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(DEADLINE_S)


class Run:
    """One call of redis-benchmark, and what it cost the server."""

    def __init__(self, server, operation, pipeline, requests, options):
        command = {"GET": ["get", "key:__rand_int__"],
                   "SET": ["set", "key:__rand_int__", "v" * options.value_size]}[operation]
        # 16 bytes: redis-benchmark writes 12 digits.
        arguments = ["taskset", "-c", str(options.client_core), "redis-benchmark", "-p",
                     str(server.port), "-c", str(options.connections), "-P", str(pipeline), "-n",
                     str(requests), "-r", str(KEYS), "--csv", *command]
        before = cpu_seconds(server.process.pid)
        started = time.monotonic()
        done = subprocess.run(arguments, check=True, capture_output=True, text=True, timeout=600)
        self.seconds = time.monotonic() - started
        after = cpu_seconds(server.process.pid)
        if re.search("error", done.stdout + done.stderr, re.I):
            sys.exit(f"redis-benchmark against {server.name}: {done.stdout}{done.stderr}")
        self.rate = float(done.stdout.splitlines()[-1].split(",")[1].strip('"'))
        total, user, system = (b - a for a, b in zip(before, after))
        self.us = total * 1e6 / requests
        ticks = user + system
        self.system_share = system / ticks if ticks else 0.0


def fill(server, value_size):
    """Every key that the GETs may ask for."""
    value = b"v" * value_size
    with socket.create_connection(("127.0.0.1", server.port), DEADLINE_S) as connection:
        replies = connection.makefile("rb")
        for first in range(0, KEYS, 1000):
            keys = (b"key:%012d" % number for number in range(first, first + 1000))
            connection.sendall(b"".join(b"*3\r\n$3\r\nSET\r\n$16\r\n%s\r\n$%d\r\n%s\r\n" %
                                        (key, value_size, value) for key in keys))
            for _ in range(1000):
                if replies.readline() != b"+OK\r\n":
                    sys.exit(f"{server.name} does not take the keys")


def spread(values):
    return f"{statistics.median(values):6.2f} ({min(values):.2f}-{max(values):.2f})"


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", default="build/release/bin/ringo-server")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one run, roughly")
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--value-size", type=int, default=64)
    parser.add_argument("--pipelines", type=int, nargs="+", default=[1, 16])
    cores = sorted(os.sched_getaffinity(0))
    parser.add_argument("--server-core", type=int, default=cores[0])
    parser.add_argument("--client-core", type=int, default=cores[min(1, len(cores) - 1)])
    return parser.parse_args()


def check_machine(options):
    for tool in ("redis-benchmark", "taskset"):
        if not shutil.which(tool):
            sys.exit(f"kv_cpu: no {tool} (apt-get install redis-tools util-linux)")
    if not REDIS.exists():
        sys.exit(f"kv_cpu: no {REDIS} (apt-get install redis-tools)")
    if not os.access(options.server, os.X_OK):
        sys.exit(f"kv_cpu: no program {options.server} (make build)")
    if options.server_core == options.client_core:
        print("note: server and load generator share one core")


def measure(servers, options):
    """{(operation, pipeline): {name: [Run, …]}}, the servers taking turns."""
    plan = [(operation, pipeline) for pipeline in options.pipelines for operation in ("GET", "SET")]
    requests = {}
    results = {each: {server.name: [] for server in servers} for each in plan}
    for operation, pipeline in plan:
        for server in servers:  # also a warm-up
            probe = Run(server, operation, pipeline, CALIBRATION_REQUESTS, options)
            wanted = options.seconds * CALIBRATION_REQUESTS / probe.seconds
            requests[server.name, operation, pipeline] = max(int(wanted), CALIBRATION_REQUESTS)
    for index in range(options.rounds):
        order = servers if index % 2 == 0 else servers[::-1]
        for operation, pipeline in plan:
            for server in order:
                count = requests[server.name, operation, pipeline]
                results[operation, pipeline][server.name].append(
                    Run(server, operation, pipeline, count, options))
    return results


def report(results, options):
    print(f"server CPU per operation in us: median (least-most) of {options.rounds} runs of about "
          f"{options.seconds:g} s; {options.connections} connections, keys of 16 B, values of "
          f"{options.value_size} B, one worker each; {platform.machine()}, Linux "
          f"{platform.release()}")
    print(f"{'':9}| {'ringo':>20} {'kernel':>7} {'op/s':>9} | {'redis':>20} {'kernel':>7} "
          f"{'op/s':>9} | ringo/redis")
    for (operation, pipeline), runs in results.items():
        cells, medians = [], []
        for one in runs.values():
            medians.append(statistics.median(run.us for run in one))
            share = statistics.median(run.system_share for run in one)
            rate = statistics.median(run.rate for run in one)
            cells.append(f"{spread([run.us for run in one]):>20} {share:7.0%} {rate:9,.0f}")
        print(f"{operation} P={pipeline:<3} | {cells[0]} | {cells[1]} | {medians[0] / medians[1]:.2f}")


def main():
    options = parse_options()
    check_machine(options)
    servers = []
    with tempfile.TemporaryDirectory() as folder:
        link = pathlib.Path(folder) / "redis-server"
        link.symlink_to(REDIS)
        try:
            port = free_port()
            servers.append(Server("ringo", [options.server, "--port", port, "--workers", 1], port,
                                  options.server_core))
            port = free_port()
            servers.append(Server("redis", [link, "--port", port, "--save", "", "--appendonly", "no",
                                            "--dir", folder], port, options.server_core))
            for server in servers:
                fill(server, options.value_size)
            report(measure(servers, options), options)
        finally:
            for server in servers:
                server.stop()


if __name__ == "__main__":
    main()
