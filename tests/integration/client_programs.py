# SPDX-License-Identifier: MIT
"""ringo-demo and ringo-cli: what they print with a server, and what they say without one."""
import os
import re
import socket
import subprocess
import sys

from _server import SKIPPED, Server

DEMO = os.environ.get("RINGO_DEMO", "")
CLI = os.environ.get("RINGO_CLI", "")


def run(*words):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=100)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def check(actual, expected, what):
    if actual != expected:
        raise AssertionError(f"{what}: {actual!r} instead of {expected!r}")


def port_without_server():
    """A port that is bound and does not listen: nobody else can take it meanwhile."""
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    return holder, holder.getsockname()[1]


def without_server():
    holder, port = port_without_server()
    with holder:
        text = (f"could not connect to 127.0.0.1:{port}: connection refused "
                "(start one with: make run-server)\n")
        check(run(DEMO, "--port", str(port)), (1, "", text), "ringo-demo without a server")
        check(run(CLI, "-p", str(port), "ping"), (1, "", text), "ringo-cli without a server")


def demonstration(port):
    tasks, requests = 50, 100
    code, out, errors = run(DEMO, "--port", str(port), "--tasks", str(tasks),
                            "--requests", str(requests))
    check((code, errors), (0, ""), "ringo-demo")
    for number in range(1, 9):
        for line in (f"task {number}: SET ringo-demo:{number} = OK\n",
                     f'task {number}: GET ringo-demo:{number} = "hello from task {number}"\n'):
            check(out.count(line), 1, line)
    figure = re.search(r"^(\d+) tasks, (\d+) requests over one connection in [\d.]+ s: "
                       r"\d+ requests/s, ([\d.]+) requests per write$", out, re.M)
    if figure is None:
        raise AssertionError(f"no figure in {out!r}")
    check(figure.group(1, 2), (str(tasks), str(tasks * (requests + 1))), "the figure")
    if float(figure[3]) <= 1.0:
        raise AssertionError(f"nothing was batched: {figure[0]}")


def command_line(port):
    def cli(*words):
        return run(CLI, "-p", str(port), *words)

    check(cli("ping"), (0, "PONG\n", ""), "ping")
    check(cli("set", "k", "two words"), (0, "OK\n", ""), "set")
    check(cli("get", "k"), (0, "two words\n", ""), "get")
    check(cli("--no-raw", "get", "k"), (0, '"two words"\n', ""), "get for people")
    check(cli("set", "k", "--raw"), (0, "OK\n", ""), "a value that looks like an option")
    check(cli("get", "k"), (0, "--raw\n", ""), "a value that looks like an option")
    check(cli("--no-raw", "get", "missing"), (0, "(nil)\n", ""), "nil for people")
    check(cli("get", "missing"), (0, "\n", ""), "nil in a pipe")
    check(cli("--no-raw", "incr", "n"), (0, "(integer) 1\n", ""), "an integer for people")
    check(cli("mget", "k", "n"), (0, "--raw\n1\n", ""), "an array in a pipe")
    check(cli("incr", "k"), (1, "", "(error) ERR value is not an integer or out of range\n"),
          "an error")
    check(cli("del", "k", "n"), (0, "2\n", ""), "del")
    code, out, _ = cli("--version")
    check((code, bool(re.fullmatch(r"ringo-cli \d+\.\d+\.\d+\n", out))), (0, True), "--version")
    check(cli("--help")[0], 0, "--help")
    if cli()[0] == 0:
        raise AssertionError("no command is no success")


def main():
    if not all(path and os.access(path, os.X_OK) for path in (DEMO, CLI)):
        print("skipped: RINGO_DEMO and RINGO_CLI name no programs")
        sys.exit(SKIPPED)
    without_server()
    with Server() as server:
        demonstration(server.port)
        command_line(server.port)


main()
