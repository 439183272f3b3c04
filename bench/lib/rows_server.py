# SPDX-License-Identifier: MIT
"""The server beside Valkey, Redis, memcached and a server that does nothing.

Server on one core with one worker, load on the other; keys of 16 bytes, values of 64; the servers run
at the same time and take turns. Where nothing else is said a figure is the server's processor time,
user and system, per operation, with 50 connections and redis-benchmark as the load.
"""
import time

from lib.counters import Counters
from lib.figures import Row, Samples
from lib.machine import CORES, near, say
from lib.servers import (Load, RedisBenchmark, Server, key_value_commands, load, raise_file_limit,
                         ringo_command, running)

# A table of 2^20 buckets is nearly full at the first, has just doubled at the second.
KEY_COUNTS = (1_000_000, 1_050_000, 1_400_000, 2_000_000)
QUICK_KEY_COUNTS = (200_000, 210_000, 280_000, 400_000)
IDLE = 5_000
CONNECTIONS = 50
MANY = 10_000 - CONNECTIONS - 50  # servers allow 10,000, and some are those that ask "are you there?"


class Table:
    """Samples by row and server; and what the measurements have in common."""

    def __init__(self, key_counts, seconds):
        self.rows = {}
        self.key_counts = key_counts
        self.keys = key_counts[0]
        self.seconds = seconds  # of a run

    def add(self, key, unit, server, value, far=False, more_is_better=False):
        row = self.rows.setdefault(key, Row(f"server/{key}", unit, {}, more_is_better))
        row.samples.setdefault(server, Samples()).add(value, far)


def measure(rounds, seconds, is_quick=False):
    """The rows, and the versions of the peers."""
    raise_file_limit()
    commands = key_value_commands()
    table = Table(QUICK_KEY_COUNTS if is_quick else KEY_COUNTS, seconds)
    generator = RedisBenchmark(table.keys, 64)
    for index in range(rounds):
        def progress(what, index=index):
            say(f"server, round {index + 1} of {rounds}: {what}")
        names = list(commands) if index % 2 == 0 else list(commands)[::-1]
        progress("startup, insert, idle connections")
        startup(table, commands)
        with running([]) as servers:
            for name in names:
                servers.append(start(commands, name))
                fill_and_idle(table, servers[-1])
            progress("pipelines of 1, 16, 64")
            pipelines(table, generator, servers)
            progress("instructions, latency")
            instructions(table, generator, servers)
            latency(table, servers)
            own_load(table, servers)
            half_load(table, servers)
            progress("10,000 connections")
            many_connections(table, servers)
        progress("memory, two workers")
        memory(table, commands, names)
        two_workers(table)
    return list(table.rows.values()), {name: version for name, (_, _, version) in commands.items()
                                       if version}


def start(commands, name):
    command, protocol, _ = commands[name]
    return Server(name, command, protocol)


def startup(table, commands):
    for name in commands:
        server = start(commands, name)
        server.stop()
        table.add("startup", "ms", name, server.startup_ms)


def settled(server):
    """Its memory once it has stopped moving things about."""
    time.sleep(0.3)
    return server.resident_bytes()


def insert(server, first, count, value_size):
    return load(server, operation="set", sequential=True, connections=1, pipeline=512,
                first_key=first, keys=count, value_size=value_size)


def fill_and_idle(table, server):
    run, far = near(lambda: insert(server, 0, table.keys, 64), attempts=1)
    table.add("insert", "us", server.name, run["cpu_us"], far)
    full = settled(server)
    with Load(server, idle=IDLE, connections=1, keys=table.keys):
        table.add("bytes_per_idle_connection", "B", server.name, (settled(server) - full) / IDLE)


def memory(table, commands, names):
    """Bytes per key at several counts. By servers of their own: whoever has had 10,000 connections
    keeps some memory for the next."""
    for name in names:
        if name == "null":
            continue
        for value_size in (64, 8):
            with running([start(commands, name)]) as (server,):
                empty_bytes = settled(server)
                filled = 0
                for count in table.key_counts:
                    insert(server, filled, count - filled, value_size)
                    filled = count
                    table.add(f"bytes_per_key_{value_size}/{count}", "B", name,
                              (settled(server) - empty_bytes) / count)


def speak_redis(servers):
    return [server for server in servers if server.protocol == "redis"]


def pipelines(table, generator, servers):
    for pipeline in (1, 16, 64):
        for operation in ("get", "set"):
            for server in speak_redis(servers):
                run, far = near(
                    lambda s=server: generator.run(s, operation, pipeline, table.seconds))
                table.add(f"{operation}_p{pipeline}", "us", server.name, run["cpu_us"], far)
                table.add(f"{operation}_p{pipeline}_rate", "1/s", server.name, run["rate"], far, True)


def instructions(table, generator, servers):
    for pipeline in (1, 16):
        for server in speak_redis(servers):
            with Counters(server.process.pid) as counters:
                run = generator.run(server, "get", pipeline, table.seconds / 2)
            for event, name in (("instructions:u", "user_instructions"),
                                ("instructions:k", "kernel_instructions"), ("cycles", "cycles")):
                if event in counters.values:
                    table.add(f"get_p{pipeline}_{name}", "", server.name,
                              counters.values[event] / run["operations"])
            if counters.forbidden:
                say(f"no instructions of {server.name}: {counters.forbidden}")


def quantiles(table, key, server, run, far):
    for quantile in ("p50", "p99", "p999"):
        table.add(f"{key}_{quantile}", "us", server.name, run[f"{quantile}_us"], far)


def latency(table, servers):
    """One connection, one request in flight. redis-benchmark cannot show less than 8 us steps."""
    for server in servers:
        run, far = near(lambda s=server: load(s, connections=1, seconds=table.seconds,
                                              keys=table.keys))
        quantiles(table, "latency", server, run, far)


def own_load(table, servers):
    """By bench_load, which speaks memcached's protocol as well."""
    for pipeline in (1, 16):
        for server in servers:
            run, far = near(lambda s=server: load(s, connections=CONNECTIONS, pipeline=pipeline,
                                                  seconds=table.seconds, keys=table.keys))
            table.add(f"get_p{pipeline}_own_load", "us", server.name, run["cpu_us"], far)
            if pipeline == 1:
                server.rate = run["rate"]


def half_load(table, servers):
    """Requests due at fixed times, half as many as Valkey (or else Redis) can serve."""
    rates = {server.name: server.rate for server in servers}
    rate = rates.get("valkey") or rates.get("redis") or rates["ringo"]
    for server in servers:
        run, far = near(lambda s=server: load(s, connections=CONNECTIONS, rate=round(rate / 2),
                                              seconds=2 * table.seconds, keys=table.keys))
        quantiles(table, "half_load", server, run, far)


def many_connections(table, servers):
    """The cost of 50 active among 10,000 connections, over that of 50 alone."""
    for server in speak_redis(servers):
        def both(s=server):
            common = {"connections": CONNECTIONS, "seconds": table.seconds, "keys": table.keys}
            few = load(s, **common)
            many = load(s, idle=MANY, **common)
            return many["cpu_us"] / few["cpu_us"]
        ratio, far = near(both)
        table.add("10000_connections_over_50", "ratio", server.name, ratio, far)


def two_workers(table):
    """How many times the throughput two workers allow: 2 x (cost with one / cost with two), since on
    two cores the load generator would be the limit. Both may use the same two cores as the load."""
    if len(CORES) < 2:
        say("two workers are left out: there is one core")
        return
    costs = {}
    for count in (1, 2):
        with running([Server("ringo", ringo_command(count), cores=CORES[:2])]) as (server,):
            insert(server, 0, table.keys, 64)
            run, far = near(lambda s=server: load(s, core=None, connections=CONNECTIONS, pipeline=16,
                                                  seconds=2 * table.seconds, keys=table.keys))
            costs[count] = (run["cpu_us"], far)
            table.add(f"get_p16_{count}_workers", "us", "ringo", run["cpu_us"], far)
            table.add(f"get_p16_{count}_workers_rate", "1/s", "ringo", run["rate"], far, True)
    table.add("two_workers_throughput", "ratio", "ringo", 2 * costs[1][0] / costs[2][0],
              costs[1][1] or costs[2][1], more_is_better=True)
