# SPDX-License-Identifier: MIT
"""Servers under measurement, and the load generators.

What a server costs is the processor time of all its threads, from schedstat, in nanoseconds: exact,
and undisturbed by how fast the load generator is. Throughput on one machine says as much about the
load generator as about the server.
"""
import contextlib
import json
import math
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from lib.machine import BIN, LOAD_CORE, ROOT, SERVER_CORE, output, say

REDIS = pathlib.Path("/usr/bin/redis-check-rdb")  # is redis-server when it is called by that name
DEADLINE_S = 20.0
PAGE = os.sysconf("SC_PAGE_SIZE")


def raise_file_limit():
    """Servers inherit it, and 10,000 connections need it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A running server process. `protocol`: redis, memcache or echo."""

    def __init__(self, name, command, protocol="redis", cores=(SERVER_CORE,)):
        self.name = name
        self.protocol = protocol
        self.port = free_port()
        self.folder = tempfile.TemporaryDirectory(prefix="ringo-bench-")
        words = [str(word).replace("PORT", str(self.port)) for word in command]
        log = open(pathlib.Path(self.folder.name) / "log", "w+b")
        begin = time.perf_counter()
        self.process = subprocess.Popen(["taskset", "-c", ",".join(map(str, cores)), *words],
                                        stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                        cwd=self.folder.name)
        while not self._answers():
            if self.process.poll() is not None or time.perf_counter() - begin > DEADLINE_S:
                self.stop()
                log.seek(0)
                sys.exit(f"bench: {name} does not start: {log.read().decode(errors='replace')}")
            time.sleep(0.0005)
        self.startup_ms = (time.perf_counter() - begin) * 1000
        log.close()

    def _answers(self):
        hello = {"redis": b"PING\r\n", "memcache": b"version\r\n", "echo": b"PING\r\n"}[self.protocol]
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.sendall(hello)
                return bool(connection.recv(100))
        except OSError:
            return False

    def stop(self):
        for kind in (signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is None:
                self.process.send_signal(kind)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(5)
        # So that a folder that a dying server still writes into is no error.
        shutil.rmtree(self.folder.name, ignore_errors=True)

    def cpu_ns(self):
        threads = pathlib.Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((thread / "schedstat").read_text(encoding="ascii").split()[0])
                   for thread in threads)

    def resident_bytes(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii").split()
        return int(fields[1]) * PAGE


@contextlib.contextmanager
def running(servers):
    try:
        yield servers
    finally:
        for server in servers:
            server.stop()


def ringo_command(workers=1):
    return [BIN / "ringo-server", "--port", "PORT", "--workers", workers]


def key_value_commands():
    """{name: (command, protocol, version)} of all servers that there are; ours first."""
    commands = {"ringo": (ringo_command(), "redis", None)}
    quiet = ["--port", "PORT", "--save", "", "--appendonly", "no"]
    if valkey := os.environ.get("RINGO_PEER_VALKEY") or shutil.which("valkey-server"):
        commands["valkey"] = ([valkey, *quiet], "redis", version_of(valkey))
    else:
        say("Valkey is left out: no valkey-server on the PATH, and RINGO_PEER_VALKEY names none")
    redis = os.environ.get("RINGO_PEER_REDIS")
    if not redis and REDIS.exists():
        link = ROOT / "build" / "peers" / "redis-server"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(REDIS)
        redis = str(link)
    if redis:
        commands["redis"] = ([redis, *quiet], "redis", version_of(redis))
    else:
        say("Redis is left out: apt-get install redis-tools")
    unpacked = ROOT / "build" / "peers" / "memcached" / "usr" / "bin" / "memcached"
    memcached = os.environ.get("RINGO_PEER_MEMCACHED") or shutil.which("memcached")
    memcached = memcached or (str(unpacked) if unpacked.exists() else None)
    if memcached:
        user = ["-u", "root"] if os.getuid() == 0 else []
        commands["memcached"] = ([memcached, "-l", "127.0.0.1", "-p", "PORT", "-t", "1", "-m", "1024",
                                  "-c", "20000", *user], "memcache", output(memcached, "-V"))
    else:
        say("memcached is left out: scripts/unpack_memcached.sh gets it without starting a service")
    commands["null"] = ([BIN / "peer_null_server", "PORT"], "redis", None)
    return commands


def version_of(server):
    words = output(server, "--version").split()
    return next((word[2:] for word in words if word.startswith("v=")), "unknown")


class Load:
    """One bench_load process: connected on entry, run by run(), its connections open until exit."""

    def __init__(self, server, core=LOAD_CORE, **options):
        words = [str(BIN / "bench_load"), "--port", str(server.port), "--protocol", server.protocol]
        for name, value in options.items():
            words += ["--" + name.replace("_", "-")] + ([] if value is True else [str(value)])
        pinned = [] if core is None else ["taskset", "-c", str(core)]
        self.server = server
        self.process = subprocess.Popen(pinned + words, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        self._line()
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        if self.process.wait(DEADLINE_S) != 0:
            sys.exit(f"bench: bench_load against {self.server.name} failed")
        self.process.stdout.close()

    def _line(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"bench: bench_load against {self.server.name} failed")
        return line

    def run(self):
        """What it measured, and "cpu_us", the server's processor time per operation."""
        before = self.server.cpu_ns()
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        result = json.loads(self._line())
        result["cpu_us"] = (self.server.cpu_ns() - before) / 1000 / result["operations"]
        result["rate"] = result["operations"] / result["seconds"]
        return result


def load(server, **options):
    with Load(server, **options) as generator:
        return generator.run()


class RedisBenchmark:
    """redis-benchmark on the core of the load: 50 connections, random keys out of `keys`.

    A run that is over within some milliseconds has no rate (it prints "inf"), so each kind of run is
    calibrated first, by requests enough for a quarter of a second.
    """
    CALIBRATION_S = 0.25

    def __init__(self, keys, value_size, connections=50):
        self.keys = keys
        self.value_size = value_size
        self.connections = connections
        self.rates = {}

    def run(self, server, operation, pipeline, seconds):
        """cpu_us per operation and the rate."""
        kind = (server.name, operation, pipeline)
        if kind not in self.rates:
            self.rates[kind] = self._calibrate(server, operation, pipeline)
        return self._once(server, operation, pipeline, int(self.rates[kind] * seconds))

    def _calibrate(self, server, operation, pipeline):
        requests = 20_000
        while True:
            result = self._once(server, operation, pipeline, requests)
            if math.isfinite(result["rate"]) and requests / result["rate"] >= self.CALIBRATION_S:
                return result["rate"]
            requests *= 4

    def _once(self, server, operation, pipeline, requests):
        words = {"get": ["get", "key:__rand_int__"],  # it writes 12 digits: 16 bytes
                 "set": ["set", "key:__rand_int__", "x" * self.value_size]}[operation]
        before = server.cpu_ns()
        done = subprocess.run(
            ["taskset", "-c", str(LOAD_CORE), "redis-benchmark", "-p", str(server.port), "-c",
             str(self.connections), "-P", str(pipeline), "-n", str(requests), "-r", str(self.keys),
             "--csv", *words], capture_output=True, text=True, check=False, timeout=300)
        cpu_ns = server.cpu_ns() - before
        if done.returncode != 0 or "error" in (done.stdout + done.stderr).lower():
            sys.exit(f"bench: redis-benchmark against {server.name}: {done.stdout}{done.stderr}")
        rate = float(done.stdout.splitlines()[-1].split(",")[1].strip('"'))
        return {"cpu_us": cpu_ns / 1000 / requests, "rate": rate, "operations": requests}
