# SPDX-License-Identifier: MIT
"""A ringo-server of one's own for the tests of this folder, and raw connections to it."""
import fcntl
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time

SKIPPED = 77
DEADLINE_S = 30.0
RESET = (ConnectionResetError, BrokenPipeError)


def program():
    """The path in RINGO_SERVER; ends the test as skipped if there is none."""
    path = os.environ.get("RINGO_SERVER", "")
    if not (path and os.access(path, os.X_OK)):
        print("skipped: RINGO_SERVER names no program")
        sys.exit(SKIPPED)
    return path


def has_tool(name):
    return shutil.which(name) is not None


class Server:
    """Runs ringo-server on a free port. On leaving the `with` it must end with 0, and silently."""

    def __init__(self, *arguments, expect_exit=0, expect_stderr=False):
        self.arguments = [program(), "--port", "0", *arguments]
        self.expect_exit = expect_exit
        self.expect_stderr = expect_stderr

    def __enter__(self):
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(self.arguments, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=self.errors)
        line = self.process.stdout.readline().decode()
        found = re.match(r"Listening on (\S+):(\d+)\b", line)
        if not found:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"instead of 'Listening on …': {line!r}, {self.stderr()!r}")
        self.announcement = line
        self.port = int(found[2])
        return self

    def __exit__(self, kind, value, trace):
        code = self.stop()
        errors = self.stderr()
        self.errors.close()
        self.process.stdout.close()
        if kind is None:
            if code != self.expect_exit:
                raise AssertionError(f"exit code {code}, stderr: {errors}")
            if errors and not self.expect_stderr:
                raise AssertionError(f"stderr: {errors}")

    def stop(self):
        """SIGTERM, and the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"does not end, stderr: {self.stderr()}") from None

    def stderr(self):
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")

    def connect(self, receive_buffer=None):
        return Connection(self.port, receive_buffer)

    def ping(self):
        """A fresh connection is served: the server has survived what was done to it."""
        with self.connect() as fresh:
            assert fresh.ask("PING") == b"+PONG\r\n"

    def info(self, field):
        with self.connect() as fresh:
            text = fresh.ask("INFO", "everything").decode()
        return re.search(rf"^{field}:(.*?)\r?$", text, re.M)[1]

    def wait_for_clients(self, count):
        """Until INFO, itself a client, shows `count` others."""
        wait_until(lambda: int(self.info("connected_clients")) == count + 1,
                   f"{count} connected clients")


def wait_until(condition, what):
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {DEADLINE_S} s: {what}")
        time.sleep(0.01)


def encode(*args):
    parts = [b"*%d\r\n" % len(args)]
    for arg in args:
        data = arg if isinstance(arg, bytes) else str(arg).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)


class Connection:
    """A socket with just enough of the protocol to find the end of a reply."""

    def __init__(self, port, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(DEADLINE_S)
        try:
            self.socket.connect(("127.0.0.1", port))
        except OSError:
            self.socket.close()
            raise
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def until_arrived(self):
        """Until the peer's kernel has everything that was sent."""
        deadline = time.monotonic() + DEADLINE_S
        while struct.unpack("i", fcntl.ioctl(self.socket, termios.TIOCOUTQ, bytes(4)))[0] != 0:
            if time.monotonic() > deadline:
                raise TimeoutError("what was sent does not arrive")

    def reply(self):
        line = self.file.readline()
        if line[:1] in (b"$", b"=") and int(line[1:]) >= 0:
            return line + self.file.read(int(line[1:]) + 2)
        if line[:1] == b"*" and int(line[1:]) >= 0:
            return line + b"".join(self.reply() for _ in range(int(line[1:])))
        return line

    def ask(self, *args):
        self.send(encode(*args))
        return self.reply()

    def rest(self):
        """All that still comes until the server closes."""
        try:
            return self.file.read()
        except RESET:
            return b""


def in_background(function, *args):
    thread = threading.Thread(target=function, args=args, daemon=True)
    thread.start()
    return thread


def run_tool(*arguments, timeout=100, **options):
    return subprocess.run([str(argument) for argument in arguments], timeout=timeout, check=False,
                          capture_output=True, **options)
