#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""ringo-server's beginning and end: flags, errors, signals.

  RINGO_SERVER   the program to test; without it the tests are skipped (77)
"""
import os
import re
import signal
import socket
import threading
import time
import unittest

import _server


class Start(unittest.TestCase):
    def fails(self, *arguments, code, says, **options):
        done = _server.run_tool(_server.program(), *arguments, **options)
        text = done.stderr.decode()
        self.assertEqual(done.returncode, code, text)
        self.assertEqual(done.stdout, b"")
        self.assertRegex(text, says)
        self.assertEqual(text.count("\n"), 1, text)
        self.assertTrue(text.startswith("ringo-server: "), text)

    def test_help_and_version(self):
        done = _server.run_tool(_server.program(), "--help")
        self.assertEqual(done.returncode, 0)
        for option in ("--port", "--bind", "--workers", "--shards", "--maxclients", "--timeout"):
            self.assertIn(option, done.stdout.decode())
        done = _server.run_tool(_server.program(), "--version")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout.decode(), r"^ringo-server \d+\.\d+\.\d+\n$")

    def test_bad_flags(self):
        self.fails("--nonsense", code=2, says="--nonsense")
        self.fails("--port", code=2, says="--port")
        self.fails("--port", "x", code=2, says="--port")
        self.fails("--port", "65536", code=2, says="--port")
        self.fails("--port", "-1", code=2, says="--port")
        self.fails("--workers", "0", code=2, says="--workers")
        self.fails("--workers", "1025", code=2, says="--workers")
        self.fails("--shards", "0", code=2, says="--shards")
        self.fails("--shards", "1025", code=2, says="--shards")
        self.fails("--maxclients", "0", code=2, says="--maxclients")
        self.fails("stray", code=2, says="stray")

    def test_bad_addresses(self):
        self.fails("--port", "0", "--bind", "300.1.1.1", code=1, says="300.1.1.1:0: ")
        self.fails("--port", "0", "--bind", "192.0.2.1", code=1, says="192.0.2.1:0: .*address")
        self.fails("--port", "0", "--bind", "", code=1, says="no address")

    def test_port_in_use(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            self.fails("--port", port, code=1,
                       says=f"could not listen on 127.0.0.1:{port}: .*address already in use")

    def test_a_port_can_be_taken_again_at_once(self):
        with _server.Server() as first, first.connect() as connection:
            connection.ask("PING")
            port = first.port
            first.stop()
        done = _server.Server("--port", str(port))
        done.arguments.remove("0")
        done.arguments.remove("--port")
        with done as second:
            self.assertEqual(second.port, port)
            second.ping()

    def test_workers(self):
        with _server.Server("--workers", "3", "--shards", "5") as server:
            self.assertIn("3 workers, 8 shards", server.announcement)
            server.ping()
        with _server.Server("--shards", "1024") as server:
            self.assertIn("1024 shards", server.announcement)
        environment = dict(os.environ, RINGO_WORKER_THREADS="x")
        self.fails("--port", "0", code=1, says="RINGO_WORKER_THREADS", env=environment)

    def test_several_addresses(self):
        with _server.Server("--bind", "127.0.0.1,127.0.0.2") as server:
            for host in ("127.0.0.1", "127.0.0.2"):
                with socket.create_connection((host, server.port), _server.DEADLINE_S) as each:
                    each.sendall(b"PING\r\n")
                    self.assertEqual(each.recv(100), b"+PONG\r\n")

    def test_ipv6(self):
        try:
            with socket.socket(socket.AF_INET6) as probe:
                probe.bind(("::1", 0))
        except OSError:
            self.skipTest("no IPv6 here")
        with _server.Server("--bind", "::1") as server:
            self.assertIn("[::1]", server.announcement)
            with socket.create_connection(("::1", server.port), _server.DEADLINE_S) as each:
                each.sendall(b"CLIENT LIST\r\n")
                self.assertIn(b"addr=[::1]:", each.recv(1000))


class End(unittest.TestCase):
    def test_signals_end_it_with_0(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with _server.Server() as server, server.connect() as connection:
                connection.ask("PING")
                server.process.send_signal(number)
                self.assertEqual(server.process.wait(_server.DEADLINE_S), 0)
                self.assertEqual(connection.rest(), b"")

    def test_what_has_arrived_is_answered(self):
        # Several reads of the server; their replies fit into the client's buffer.
        count = 4_000
        for _ in range(20):
            with _server.Server() as server, server.connect() as connection:
                connection.ask("PING")
                connection.send(_server.encode("INCR", "n") * count)
                connection.until_arrived()
                server.process.send_signal(signal.SIGTERM)
                replies = connection.rest()
                self.assertEqual(replies, b"".join(b":%d\r\n" % i for i in range(1, count + 1)))

    def test_it_ends_under_load(self):
        with _server.Server() as server:
            stop = threading.Event()

            def load():
                try:
                    with server.connect() as connection:
                        while not stop.is_set():
                            connection.send(_server.encode("INCR", "n") * 16)
                            for _ in range(16):
                                if not connection.reply().startswith(b":"):
                                    return
                except OSError:
                    pass  # it was cut off in the middle of a request

            threads = [_server.in_background(load) for _ in range(8)]
            _server.wait_until(lambda: int(server.info("total_commands_processed")) > 1000, "load")
            started = time.monotonic()
            self.assertEqual(server.stop(), 0)
            self.assertLess(time.monotonic() - started, 10)
            stop.set()
            for thread in threads:
                thread.join(_server.DEADLINE_S)

    def test_a_client_that_never_reads_is_cut_off_in_time(self):
        with _server.Server("--shutdown-timeout", "1", expect_stderr=True) as server:
            with server.connect(receive_buffer=4096) as stuck:
                stuck.ask("SET", "big", b"x" * 1_000_000)
                stuck.send(_server.encode("GET", "big") * 64)
                server.ping()
                started = time.monotonic()
                self.assertEqual(server.stop(), 0)
                self.assertLess(time.monotonic() - started, 5)
            self.assertTrue(re.search("1 connections? did not end in time", server.stderr()),
                            server.stderr())

    def test_connections_are_refused_when_it_has_ended(self):
        with _server.Server() as server:
            server.stop()
            with self.assertRaises(ConnectionRefusedError):
                server.connect()

    def is_refused(self, server):
        try:
            server.connect().close()
            return False
        except OSError:
            return True

    def test_a_second_terminate_changes_nothing(self):
        with _server.Server() as server, server.connect() as connection:
            connection.ask("PING")
            for _ in range(3):
                server.process.send_signal(signal.SIGTERM)
            self.assertEqual(connection.rest(), b"")

    def test_a_second_interrupt_ends_it_at_once(self):
        with _server.Server("--shutdown-timeout", "3600", expect_exit=1,
                            expect_stderr=True) as server:
            with server.connect(receive_buffer=4096) as stuck:
                stuck.ask("SET", "big", b"x" * 1_000_000)
                stuck.send(_server.encode("GET", "big") * 64)
                server.ping()
                server.process.send_signal(signal.SIGINT)
                # From here on nobody is accepted: the first signal has been heard.
                _server.wait_until(lambda: self.is_refused(server), "it no longer listens")
                server.process.send_signal(signal.SIGINT)
                self.assertEqual(server.process.wait(_server.DEADLINE_S), 1)


if __name__ == "__main__":
    _server.program()
    unittest.main(verbosity=2)
