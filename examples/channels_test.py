#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the example against ringo-server, which is built beside it."""
import os
import subprocess
import sys

folder = os.path.dirname(os.path.abspath(sys.argv[1]))
server = subprocess.Popen([os.path.join(folder, "ringo-server"), "--port", "0"],
                          stdout=subprocess.PIPE, text=True)
try:
    line = server.stdout.readline()
    port = line.split(" ")[2].rsplit(":", 1)[1]
    first = subprocess.run([sys.argv[1], port], capture_output=True, text=True, timeout=30)
    assert first.returncode == 0, first.stderr
    assert sorted(first.stdout.splitlines()) == ["GET hello = (nil)", "SET foo bar = OK"], first.stdout
finally:
    server.terminate()
    server.wait(timeout=20)
nobody = subprocess.run([sys.argv[1], port], capture_output=True, text=True, timeout=30)
assert nobody.returncode == 1 and "connection refused" in nobody.stderr, nobody
print("ok")
