#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Unmodified clients against ringo-server: redis-cli, redis-benchmark, redis-py, hiredis.

  RINGO_SERVER   the program to test; without it the tests are skipped (77)
"""
import re
import unittest

import _server

try:
    import redis
except ImportError:
    redis = None
try:
    import hiredis
except ImportError:
    hiredis = None


@unittest.skipUnless(_server.has_tool("redis-cli"), "no redis-cli (package redis-tools)")
class RedisCli(unittest.TestCase):
    def cli(self, server, *arguments, **options):
        done = _server.run_tool("redis-cli", "-p", server.port, *arguments, **options)
        self.assertEqual(done.returncode, 0, done)
        return done.stdout.decode()

    def test_one_command_per_call(self):
        with _server.Server() as server:
            self.assertEqual(self.cli(server, "PING"), "PONG\n")
            self.assertEqual(self.cli(server, "SET", "key", "a value"), "OK\n")
            self.assertEqual(self.cli(server, "GET", "key"), "a value\n")
            self.assertEqual(self.cli(server, "INCR", "counter"), "1\n")
            self.assertEqual(self.cli(server, "MSET", "a", "1", "b", "2"), "OK\n")
            self.assertEqual(self.cli(server, "MGET", "a", "b", "none"), "1\n2\n\n")
            self.assertEqual(self.cli(server, "DEL", "a", "b", "none"), "2\n")
            self.assertEqual(self.cli(server, "GET", "none"), "\n")
            self.assertIn("unknown command", self.cli(server, "NOSUCH", "thing"))
            self.assertEqual(self.cli(server, "-3", "GET", "key"), "a value\n")

    def test_commands_from_standard_input(self):
        with _server.Server() as server:
            text = self.cli(server, input=b"SET k v\nGET k\nNOSUCH\nPING\n")
            self.assertEqual([line for line in text.split("\n") if line][:2], ["OK", "v"])
            self.assertIn("PONG", text)

    def test_pipe_of_100000_sets(self):
        count = 100_000
        with _server.Server() as server:
            data = b"".join(_server.encode("SET", f"key:{i}", f"value:{i}") for i in range(count))
            text = self.cli(server, "--pipe", input=data)
            self.assertIn(f"errors: 0, replies: {count}", text)
            self.assertEqual(self.cli(server, "DBSIZE"), f"{count}\n")
            self.assertEqual(self.cli(server, "GET", f"key:{count - 1}"), f"value:{count - 1}\n")

    def test_scan_finds_every_key(self):
        with _server.Server() as server:
            self.cli(server, "MSET", *(str(i) for i in range(200)))
            keys = self.cli(server, "--scan").split()
            self.assertEqual(sorted(keys, key=int), [str(i) for i in range(0, 200, 2)])


@unittest.skipUnless(_server.has_tool("redis-benchmark"), "no redis-benchmark (redis-tools)")
class RedisBenchmark(unittest.TestCase):
    def bench(self, pipeline, requests):
        with _server.Server() as server:
            done = _server.run_tool(
                "redis-benchmark", "-p", server.port, "-t", "ping,set,get,incr,mset", "-c", 50,
                "-n", requests, "-P", pipeline, "-r", 1000, "--csv")
            text = done.stdout.decode() + done.stderr.decode()
            self.assertEqual(done.returncode, 0, text)
            self.assertNotRegex(text, re.compile("error|warning", re.I))
            rows = [line.split(",")[0].strip('"') for line in done.stdout.decode().splitlines()[1:]]
            self.assertEqual(rows, ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR",
                                    "MSET (10 keys)"])
            self.assertGreaterEqual(int(server.info("total_commands_processed")), 6 * requests)

    def test_one_request_at_a_time(self):
        self.bench(pipeline=1, requests=20_000)

    def test_pipelines_of_16(self):
        self.bench(pipeline=16, requests=100_000)


@unittest.skipIf(redis is None, "no redis-py (package python3-redis)")
class RedisPy(unittest.TestCase):
    def test_commands_pipelines_and_errors(self):
        with _server.Server() as server:
            with redis.Redis(port=server.port, socket_timeout=_server.DEADLINE_S) as client:
                self.assertTrue(client.ping())
                self.assertTrue(client.set("key", b"\x00binary\r\n\xff", ex=100))
                self.assertEqual(client.get("key"), b"\x00binary\r\n\xff")
                self.assertTrue(0 < client.ttl("key") <= 100)
                self.assertIsNone(client.set("key", "other", nx=True))
                self.assertEqual(client.incrby("counter", 41), 41)
                self.assertEqual(client.mget("key", "none")[1], None)
                self.assertEqual(client.delete("key", "none"), 1)
                self.assertEqual(client.info()["connected_clients"], 1)
                client.client_setname("me")
                self.assertEqual(client.client_getname(), "me")
                self.assertEqual(client.config_get("maxclients"), {"maxclients": "10000"})
                with self.assertRaisesRegex(redis.ResponseError, "not an integer"):
                    client.set("text", "x")
                    client.incr("text")
                with client.pipeline(transaction=False) as pipe:
                    for i in range(1000):
                        pipe.set(f"p{i}", i).get(f"p{i}")
                    self.assertEqual(pipe.execute(),
                                     [x for i in range(1000) for x in (True, str(i).encode())])

    def test_many_clients_at_a_time(self):
        with _server.Server() as server:
            pool = redis.BlockingConnectionPool(port=server.port, max_connections=32,
                                                timeout=_server.DEADLINE_S)
            client = redis.Redis(connection_pool=pool)

            def work():
                for _ in range(100):
                    client.incr("counter")

            threads = [_server.in_background(work) for _ in range(32)]
            for thread in threads:
                thread.join(_server.DEADLINE_S)
            self.assertEqual(client.get("counter"), b"3200")
            pool.disconnect()

    def test_client_kill_ends_the_other(self):
        with _server.Server() as server:
            with redis.Redis(port=server.port) as one, server.connect() as other:
                number = int(other.ask("CLIENT", "ID")[1:])
                self.assertEqual(len(one.client_list()), 2)
                self.assertEqual(one.client_kill_filter(_id=number), 1)
                self.assertEqual(other.rest(), b"")
                server.ping()


@unittest.skipIf(hiredis is None, "no hiredis for python3 (package python3-hiredis)")
class Hiredis(unittest.TestCase):
    def test_its_reader_understands_the_replies(self):
        with _server.Server() as server, server.connect() as connection:
            reader = hiredis.Reader()
            connection.send(_server.encode("SET", "a", "1") + _server.encode("MGET", "a", "b") +
                            _server.encode("NOSUCH") + _server.encode("INCR", "a"))
            replies = []
            while len(replies) < 4:
                reader.feed(connection.socket.recv(4096))
                while (reply := reader.gets()) is not False:
                    replies.append(reply)
            self.assertEqual(replies[:2], [b"OK", [b"1", None]])
            self.assertIsInstance(replies[2], hiredis.ReplyError)
            self.assertEqual(replies[3], 2)


if __name__ == "__main__":
    _server.program()
    unittest.main(verbosity=2)
