#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What clients do by mistake or on purpose. After each of it the server answers a fresh PING.

  RINGO_SERVER   the program to test; without it the tests are skipped (77)
"""
import os
import resource
import socket
import struct
import time
import unittest

import _server

MIB = 1024 * 1024


class Hostile(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(_server.Server())

    def tearDown(self):
        self.server.ping()
        self.server.wait_for_clients(0)

    if not hasattr(unittest.TestCase, "enterContext"):  # Python before 3.11
        def enterContext(self, manager):
            value = manager.__enter__()
            self.addCleanup(manager.__exit__, None, None, None)
            return value

    def answer_to(self, data):
        """All that the server says to it until it closes."""
        with self.server.connect() as connection:
            connection.send(data)
            return connection.rest()

    def test_a_client_that_dies_in_the_middle_of_a_request(self):
        request = _server.encode("SET", "key", "x" * 1000)
        for size in (1, 10, 30, 500, len(request) - 1):
            with self.server.connect() as connection:
                connection.send(request[:size])
        with self.server.connect() as connection:
            self.assertEqual(connection.ask("EXISTS", "key"), b":0\r\n")

    def test_a_client_that_resets_the_connection(self):
        for data in (b"", b"*1\r\n$4\r\nPI", _server.encode("PING") * 1000):
            with self.server.connect() as connection:
                connection.send(data)
                connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                             struct.pack("ii", 1, 0))

    def test_a_client_that_half_closes_gets_its_replies(self):
        with self.server.connect() as connection:
            connection.send(_server.encode("SET", "a", "1") + _server.encode("GET", "a") * 1000)
            connection.socket.shutdown(socket.SHUT_WR)
            self.assertEqual(connection.rest(), b"+OK\r\n" + b"$1\r\n1\r\n" * 1000)

    def test_half_close_after_a_part_of_a_request(self):
        with self.server.connect() as connection:
            connection.send(_server.encode("PING") + b"*2\r\n$3\r\nGET\r\n$100\r\nabc")
            connection.socket.shutdown(socket.SHUT_WR)
            self.assertEqual(connection.rest(), b"+PONG\r\n")

    def test_garbage(self):
        self.assertEqual(self.answer_to(b"*x\r\n"),
                         b"-ERR Protocol error: invalid multibulk length\r\n")
        self.assertEqual(self.answer_to(b"*1\r\n!4\r\nPING\r\n"),
                         b"-ERR Protocol error: expected '$', got '!'\r\n")
        self.assertEqual(self.answer_to(b'SET "a\r\n'),
                         b"-ERR Protocol error: unbalanced quotes in request\r\n")
        # A megabyte of noise: whatever is answered, the server lives.
        with self.server.connect() as connection:
            try:
                connection.send(os.urandom(MIB) + b"\r\n*x\r\n")
            except _server.RESET:
                pass
            connection.rest()

    def test_the_reply_to_an_error_outlives_what_follows_it(self):
        for _ in range(20):
            answer = self.answer_to(_server.encode("PING") + b"*x\r\n" + b"y" * 500_000)
            self.assertEqual(answer, b"+PONG\r\n-ERR Protocol error: invalid multibulk length\r\n")

    def test_a_bulk_over_the_limit(self):
        self.assertEqual(self.answer_to(b"*2\r\n$3\r\nGET\r\n$536870913\r\n"),
                         b"-ERR Protocol error: invalid bulk length\r\n")

    def test_the_largest_bulk_may_be_announced(self):
        with self.server.connect() as connection:
            connection.send(b"*2\r\n$4\r\nECHO\r\n$536870912\r\n" + b"x" * MIB)
            self.server.ping()

    def test_many_announced_bulks_cost_no_memory(self):
        before = self.resident_kib()
        connections = [self.enterContext(self.server.connect()) for _ in range(100)]
        for connection in connections:
            connection.send(b"*2\r\n$4\r\nECHO\r\n$536870912\r\n" + b"x" * 8192)
        self.server.ping()
        if not os.environ.get("RINGO_SANITIZE"):
            self.assertLess(self.resident_kib() - before, 100 * 64)
        for connection in connections:
            connection.close()

    def resident_kib(self):
        with open(f"/proc/{self.server.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

    def test_inline_commands(self):
        with self.server.connect() as connection:
            connection.send(b"PING\r\n\r\nSET \"a b\" 'c d'\nget \"a b\"\r\n")
            self.assertEqual(connection.reply(), b"+PONG\r\n")
            self.assertEqual(connection.reply(), b"+OK\r\n")
            self.assertEqual(connection.reply(), b"$3\r\nc d\r\n")

    def test_one_byte_at_a_time(self):
        with self.server.connect() as connection:
            for byte in _server.encode("SET", "key", "value") + b"PING\r\n" + _server.encode(
                    "GET", "key"):
                connection.send(bytes((byte,)))
            self.assertEqual(connection.reply(), b"+OK\r\n")
            self.assertEqual(connection.reply(), b"+PONG\r\n")
            self.assertEqual(connection.reply(), b"$5\r\nvalue\r\n")

    def test_values_of_all_sizes_around_the_buffers(self):
        sizes = [kib * 1024 + by for kib in (0, 4, 16, 64, 128, 1024) for by in (-1, 0, 1, 17)
                 if kib * 1024 + by >= 0]
        with self.server.connect() as connection:
            for size in sizes:
                value = os.urandom(size)
                self.assertEqual(connection.ask("SET", "key", value), b"+OK\r\n")
                self.assertEqual(connection.ask("GET", "key"), b"$%d\r\n%s\r\n" % (size, value))
            # All of them in one go, with small ones in between.
            values = [os.urandom(size) for size in sizes]
            sender = _server.in_background(connection.send, b"".join(
                _server.encode("ECHO", value) + _server.encode("PING") for value in values))
            for value in values:
                self.assertEqual(connection.reply(), b"$%d\r\n%s\r\n" % (len(value), value))
                self.assertEqual(connection.reply(), b"+PONG\r\n")
            sender.join(_server.DEADLINE_S)

    def test_a_slow_reader_gets_all_and_holds_up_nobody(self):
        value = os.urandom(100_000)
        count = 200
        with self.server.connect(receive_buffer=4096) as slow:
            self.assertEqual(slow.ask("SET", "big", value), b"+OK\r\n")
            sender = _server.in_background(slow.send, _server.encode("GET", "big") * count +
                                           _server.encode("PING"))
            for _ in range(20):  # its replies are stuck by now
                self.server.ping()
            for _ in range(count):
                self.assertEqual(slow.reply(), b"$100000\r\n%s\r\n" % value)
            self.assertEqual(slow.reply(), b"+PONG\r\n")
            sender.join(_server.DEADLINE_S)

    def test_a_reader_that_never_reads_may_leave(self):
        with self.server.connect(receive_buffer=4096) as connection:
            connection.ask("SET", "big", b"x" * MIB)
            connection.send(_server.encode("GET", "big") * 64)
            self.server.ping()

    def test_a_reader_that_never_reads_can_be_killed(self):
        with self.server.connect(receive_buffer=4096) as stuck, self.server.connect() as other:
            number = stuck.ask("CLIENT", "ID")[1:-2].decode()
            stuck.ask("SET", "big", b"x" * MIB)
            stuck.send(_server.encode("GET", "big") * 64)
            self.assertEqual(other.ask("CLIENT", "KILL", "ID", number), b":1\r\n")
            other.close()
            self.server.wait_for_clients(0)

    def test_quit_closes_after_its_reply(self):
        self.assertEqual(self.answer_to(_server.encode("PING") + _server.encode("QUIT") +
                                        _server.encode("PING")), b"+PONG\r\n+OK\r\n")

    def test_an_unknown_command_closes_nothing(self):
        with self.server.connect() as connection:
            self.assertTrue(connection.ask("NOSUCH", "a").startswith(b"-ERR unknown command"))
            self.assertEqual(connection.ask("PING"), b"+PONG\r\n")

    def test_a_thousand_connections_at_a_time(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < 2048:
            self.skipTest("not enough open files")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
        connections = [self.server.connect() for _ in range(1000)]
        for connection in connections:
            connection.send(_server.encode("INCR", "counter"))
        replies = {int(connection.reply()[1:]) for connection in connections}
        self.assertEqual(replies, set(range(1, 1001)))
        for connection in connections:
            connection.close()


class Limits(unittest.TestCase):
    def test_one_connection_over_maxclients(self):
        with _server.Server("--maxclients", "3") as server:
            first = [server.connect() for _ in range(3)]
            for connection in first:
                self.assertEqual(connection.ask("PING"), b"+PONG\r\n")
            with server.connect() as fourth:
                self.assertEqual(fourth.rest(), b"-ERR max number of clients reached\r\n")
            self.assertIn(b"rejected_connections:1\r\n", first[0].ask("INFO", "stats"))
            first.pop().close()
            _server.wait_until(lambda: b"connected_clients:2\r\n" in first[0].ask("INFO", "clients"),
                               "the third has gone")
            with server.connect() as again:
                self.assertEqual(again.ask("PING"), b"+PONG\r\n")
            for connection in first:
                connection.close()

    def test_maxclients_may_change(self):
        with _server.Server("--maxclients", "1") as server, server.connect() as first:
            self.assertEqual(first.ask("CONFIG", "SET", "maxclients", "2"), b"+OK\r\n")
            with server.connect() as second:
                self.assertEqual(second.ask("PING"), b"+PONG\r\n")
                self.assertEqual(first.ask("CONFIG", "SET", "maxclients", "1"), b"+OK\r\n")
                with server.connect() as third:
                    self.assertEqual(third.rest(), b"-ERR max number of clients reached\r\n")
                self.assertEqual(second.ask("PING"), b"+PONG\r\n")

    def test_idle_clients_are_closed(self):
        with _server.Server("--timeout", "1") as server, server.connect() as idle:
            started = time.monotonic()
            self.assertEqual(idle.ask("PING"), b"+PONG\r\n")
            self.assertEqual(idle.rest(), b"")
            self.assertGreaterEqual(time.monotonic() - started, 1.0)
            server.ping()

    def test_query_buffer_limit(self):
        with _server.Server() as server, server.connect() as connection:
            limit = MIB  # the least that may be set
            self.assertEqual(connection.ask("CONFIG", "SET", "client-query-buffer-limit", limit),
                             b"+OK\r\n")
            value = b"x" * (limit // 2)
            self.assertEqual(connection.ask("SET", "a", value), b"+OK\r\n")
            try:
                connection.send(_server.encode("SET", "a", b"x" * (4 * limit)))
            except _server.RESET:
                pass
            self.assertEqual(connection.rest(), b"")
            server.ping()

    # UBSan looks at memory through a pipe, and takes it for bad when there is no descriptor left.
    @unittest.skipIf(os.environ.get("RINGO_SANITIZE") == "address", "UBSan needs descriptors")
    def test_too_few_descriptors_make_connections_wait(self):
        limit = 40
        with _server.Server(expect_stderr=True) as server:
            resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (limit, limit))
            connections = [server.connect() for _ in range(2 * limit)]
            _server.wait_until(lambda: "too many open files" in server.stderr(), "a log line")
            for connection in connections[: limit + 10]:
                connection.close()
            # Those that waited are served now.
            for connection in connections[limit + 10 :]:
                self.assertEqual(connection.ask("PING"), b"+PONG\r\n")
                connection.close()
            server.ping()


if __name__ == "__main__":
    _server.program()
    unittest.main(verbosity=2)
