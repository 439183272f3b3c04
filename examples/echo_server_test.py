#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Echoes on several connections at once, half-closes, and stops the server by SIGINT."""
import signal
import socket
import subprocess
import sys

server = subprocess.Popen([sys.argv[1], "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
try:
    line = server.stdout.readline()
    assert line.startswith("Listening on 127.0.0.1:"), line
    port = int(line.rsplit(":", 1)[1])
    peers = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(10)]
    for number, peer in enumerate(peers):
        peer.sendall(b"hello %d" % number * 1000)
        peer.shutdown(socket.SHUT_WR)
    for number, peer in enumerate(peers):
        echoed = b""
        while piece := peer.recv(65536):
            echoed += piece
        assert echoed == b"hello %d" % number * 1000, len(echoed)
    server.send_signal(signal.SIGINT)
    assert server.wait(timeout=10) == 0, server.returncode
finally:
    server.kill()
    server.wait()
print("ok")
