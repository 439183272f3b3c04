#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The dump names both tasks of the deadlock, where they wait, and who holds the lock."""
import re
import signal
import subprocess
import sys


def check(dump):
    waiting = re.findall(r"^task (\d+) waits, spawned at \S*dump\.cc:\d+\n"
                         r"  for Mutex::lock, 1 in the queue, locked by task (\d+)\n"
                         r"    at \S*dump\.cc:(\d+) in .*transfer", dump, re.M)
    assert len(waiting) == 2, dump
    (a, a_waits_for, a_line), (b, b_waits_for, b_line) = waiting
    assert a_waits_for == b and b_waits_for == a and a_line == b_line, dump
    assert "for select" in dump and "for CancellationToken::cancelled" in dump, dump


check(subprocess.run([sys.argv[1]], capture_output=True, text=True, check=True).stdout)

server = subprocess.Popen([sys.argv[1], "serve"], stdout=subprocess.PIPE, text=True)
try:
    assert server.stdout.readline().startswith("kill -USR1")
    server.send_signal(signal.SIGUSR1)
    lines = [server.stdout.readline()]
    count = int(re.search(r": (\d+) tasks", lines[0])[1])
    while sum(line.startswith("task ") for line in lines) < count or "in " not in lines[-1]:
        lines.append(server.stdout.readline())
    check("".join(lines))
finally:
    server.kill()
    server.wait()
print("ok")
