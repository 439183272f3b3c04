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

KEYS = 1_000_000
# A table of 2^20 buckets is nearly full at the first, has just doubled at the second.
KEY_COUNTS = (1_000_000, 1_050_000, 1_400_000)
IDLE = 5_000
CONNECTIONS = 50
MANY = 10_000 - CONNECTIONS - 50  # servers allow 10,000, and some are those that ask "are you there?"


class Table:
    """Samples by row and server."""

    def __init__(self):
        self.rows = {}

    def add(self, key, unit, server, value, far=False, more_is_better=False):
        row = self.rows.setdefault(key, Row(f"server/{key}", unit, {}, more_is_better))
        row.samples.setdefault(server, Samples()).add(value, far)


def measure(rounds, seconds, is_quick=False):
    raise_file_limit()
    commands = key_value_commands()
    table = Table()
    generator = RedisBenchmark(KEYS, 64)
    for index in range(rounds):
        say(f"server, round {index + 1} of {rounds}: startup")
        startup(table, commands)
        names = list(commands) if index % 2 == 0 else list(commands)[::-1]
        with running([]) as servers:
            for name in names:
                servers.append(start(commands, name))
            say(f"server, round {index + 1} of {rounds}: insert, idle connections")
            for server in servers:
                fill_and_idle(table, server)
            say(f"server, round {index + 1} of {rounds}: P=1, 16, 64")
            pipelines(table, generator, servers, seconds)
            say(f"server, round {index + 1} of {rounds}: instructions, latency, connections")
            instructions(table, generator, servers, seconds / 2)
            latency(table, servers, seconds)
            own_load(table, servers, seconds)
            half_load(table, servers, 3 * seconds)
            many_connections(table, servers, seconds)
            say(f"server, round {index + 1} of {rounds}: memory")
            for server in servers:
                grow(table, server, 64, server.filled_from)
        small_values(table, commands, names)
        two_workers(table, seconds)
        if is_quick:
            break
    return list(table.rows.values()), {name: version for name, (_, _, version) in commands.items()
                                       if version}


def start(commands, name, **options):
    command, protocol, _ = commands[name]
    return Server(name, command, protocol, **options)


def startup(table, commands):
    for name in commands:
        server = start(commands, name)
        server.stop()
        table.add("startup", "ms", name, server.startup_ms)


def settled(server):
    """Its memory once it has stopped moving things about."""
    time.sleep(0.3)
    return server.resident_bytes()


def fill_and_idle(table, server):
    server.filled_from = settled(server)
    run, far = near(lambda: load(server, operation="set", sequential=True, connections=1, pipeline=512,
                                 keys=KEYS, value_size=64), attempts=1)
    table.add("insert", "us", server.name, run["cpu_us"], far)
    if server.name != "null":
        full = settled(server)
        table.add(f"bytes_per_key_64/{KEY_COUNTS[0]}", "B", server.name,
                  (full - server.filled_from) / KEYS)
    before = settled(server)
    with Load(server, idle=IDLE, connections=1):
        table.add("bytes_per_idle_connection", "B", server.name, (settled(server) - before) / IDLE)


def grow(table, server, value_size, empty):
    """Bytes per key when more keys than fit well have come."""
    if server.name == "null":
        return
    filled = KEY_COUNTS[0]
    for count in KEY_COUNTS[1:]:
        load(server, operation="set", sequential=True, connections=1, pipeline=512, first_key=filled,
             keys=count - filled, value_size=value_size)
        filled = count
        table.add(f"bytes_per_key_{value_size}/{count}", "B", server.name,
                  (settled(server) - empty) / count)


def pipelines(table, generator, servers, seconds):
    for pipeline in (1, 16, 64):
        for operation in ("get", "set"):
            for server in servers:
                if server.protocol != "redis":
                    continue
                run, far = near(lambda s=server: generator.run(s, operation, pipeline, seconds))
                table.add(f"{operation}_p{pipeline}", "us", server.name, run["cpu_us"], far)
                table.add(f"{operation}_p{pipeline}_rate", "1/s", server.name, run["rate"], far, True)


def instructions(table, generator, servers, seconds):
    for pipeline in (1, 16):
        for server in servers:
            if server.protocol != "redis":
                continue
            with Counters(server.process.pid) as counters:
                run = generator.run(server, "get", pipeline, seconds)
            for event, name in (("instructions:u", "user_instructions"),
                                ("instructions:k", "kernel_instructions"), ("cycles", "cycles")):
                if event in counters.values:
                    table.add(f"get_p{pipeline}_{name}", "", server.name,
                              counters.values[event] / run["operations"])
            if counters.forbidden:
                say(f"no instructions of {server.name}: {counters.forbidden}")


def latency(table, servers, seconds):
    """One connection, one request in flight. redis-benchmark cannot show less than 8 us steps."""
    for server in servers:
        run, far = near(lambda s=server: load(s, connections=1, seconds=seconds, keys=KEYS))
        for quantile in ("p50", "p99", "p999"):
            table.add(f"latency_{quantile}", "us", server.name, run[f"{quantile}_us"], far)


def own_load(table, servers, seconds):
    """By bench_load, which speaks memcached's protocol as well."""
    for pipeline in (1, 16):
        for server in servers:
            run, far = near(lambda s=server: load(s, connections=CONNECTIONS, pipeline=pipeline,
                                                  seconds=seconds, keys=KEYS))
            table.add(f"get_p{pipeline}_own_load", "us", server.name, run["cpu_us"], far)
            if pipeline == 1:
                server.rate = run["rate"]


def half_load(table, servers, seconds):
    """Requests due at fixed times, half as many as Valkey (or else Redis) can serve."""
    rates = {server.name: server.rate for server in servers}
    rate = rates.get("valkey") or rates.get("redis") or rates["ringo"]
    for server in servers:
        run, far = near(lambda s=server: load(s, connections=CONNECTIONS, rate=round(rate / 2),
                                              seconds=seconds, keys=KEYS))
        for quantile in ("p50", "p99", "p999"):
            table.add(f"half_load_{quantile}", "us", server.name, run[f"{quantile}_us"], far)


def many_connections(table, servers, seconds):
    """The cost of 50 active among 10,000 connections, over that of 50 alone."""
    for server in servers:
        if server.name == "memcached":
            continue
        def both(s=server):
            few = load(s, connections=CONNECTIONS, seconds=seconds, keys=KEYS)
            many = load(s, connections=CONNECTIONS, idle=MANY, seconds=seconds, keys=KEYS)
            return many["cpu_us"] / few["cpu_us"]
        ratio, far = near(both)
        table.add("10000_connections_over_50", "ratio", server.name, ratio, far)


def small_values(table, commands, names):
    for name in names:
        if name == "null":
            continue
        with running([start(commands, name)]) as (server,):
            empty = settled(server)
            load(server, operation="set", sequential=True, connections=1, pipeline=512, keys=KEYS,
                 value_size=8)
            table.add(f"bytes_per_key_8/{KEYS}", "B", name, (settled(server) - empty) / KEYS)
            grow(table, server, 8, empty)


def two_workers(table, seconds):
    """How many times the throughput two workers allow: 2 x (cost with one / cost with two), since on
    two cores the load generator would be the limit. Both may use the same two cores as the load."""
    if len(CORES) < 2:
        say("two workers are left out: there is one core")
        return
    costs = {}
    for count in (1, 2):
        with running([Server("ringo", ringo_command(count), cores=CORES[:2])]) as (server,):
            load(server, operation="set", sequential=True, connections=1, pipeline=512, keys=KEYS)
            run, far = near(lambda s=server: load(s, core=None, connections=CONNECTIONS, pipeline=16,
                                                  seconds=2 * seconds, keys=KEYS))
            costs[count] = (run["cpu_us"], far)
            table.add(f"get_p16_{count}_workers", "us", "ringo", run["cpu_us"], far)
            table.add(f"get_p16_{count}_workers_rate", "1/s", "ringo", run["rate"], far, True)
    table.add("two_workers_throughput", "ratio", "ringo", 2 * costs[1][0] / costs[2][0],
              costs[1][1] or costs[2][1], more_is_better=True)
