# SPDX-License-Identifier: MIT
"""TCP echo: 50 connections, 64 bytes there and back. Server on one core, bench_load on the other.

Nearly all of it is the kernel's TCP, so the row shows what a runtime adds to a raw server.
"""
from lib.figures import Row, Samples
from lib.machine import BIN, near, say
from lib.servers import Server, load, running

MESSAGE = 64
CONNECTIONS = 50


def commands(tokio):
    every = {
        "ringo": [BIN / "bench_echo", "multi", "1", "PORT"],
        "uring": [BIN / "peer_echo_uring", "PORT"],
        "epoll": [BIN / "peer_echo_epoll", "PORT"],
        "asio": [BIN / "peer_asio", "echo", "current", "1", "PORT"],
    }
    if tokio:
        every["tokio"] = [tokio.path, "echo", "multi", "1", "PORT"]
    every["ringo-current"] = [BIN / "bench_echo", "current", "1", "PORT"]
    return {name: command for name, command in every.items() if command[0].exists()}


def measure(tokio, rounds, seconds):
    cost, rate = (Row("echo/cpu_per_message", "us", {}),
                  Row("echo/messages_per_second", "1/s", {}, more_is_better=True))
    latency = Row("echo/p99", "us", {})
    with running([]) as servers:
        for name, command in commands(tokio).items():
            servers.append(Server(name, command, "echo"))
        for index in range(rounds):
            say(f"echo, round {index + 1} of {rounds}")
            for server in servers if index % 2 == 0 else servers[::-1]:
                run, far = near(lambda s=server: load(s, connections=CONNECTIONS, seconds=seconds,
                                                      value_size=MESSAGE))
                for row, figure in ((cost, "cpu_us"), (rate, "rate"), (latency, "p99_us")):
                    row.samples.setdefault(server.name, Samples()).add(run[figure], far)
    return [cost, rate, latency]
