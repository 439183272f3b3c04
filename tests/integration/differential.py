#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Sends the same commands to ringo-server and to Redis 7.0, and compares every byte of the replies.

First a list of exact cases (error texts, options, edges), then random commands over few keys. Redis
is the one of the package redis-tools: redis-check-rdb is redis-server when it is called by that name.

  RINGO_SERVER      the program to test; without it the test is skipped (77)
  RINGO_PORT        test a server that runs already instead
  RINGO_TEST_SEED   replays a random run; RINGO_TEST_STEPS: how long it is
"""
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time

SKIPPED = 77
REDIS = pathlib.Path("/usr/bin/redis-check-rdb")
DEADLINE_S = 30.0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Connection:
    """Requests and raw replies; knows as much of the protocol as it needs to find a reply's end."""

    def __init__(self, port):
        deadline = time.monotonic() + DEADLINE_S
        while True:
            try:
                self.socket = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)  # until the server listens
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def send(self, *args):
        self.socket.sendall(encode(args))

    def send_raw(self, data):
        self.socket.sendall(data)

    def reply(self):
        line = self.file.readline()
        if not line:
            return b"<closed>"
        kind, rest = line[:1], line[1:-2]
        if kind in (b"$", b"=") and int(rest) >= 0:
            return line + self.file.read(int(rest) + 2)
        if kind in (b"*", b"~", b">", b"%") and int(rest) >= 0:
            count = int(rest) * (2 if kind == b"%" else 1)
            return line + b"".join(self.reply() for _ in range(count))
        return line

    def ask(self, *args):
        self.send(*args)
        return self.reply()

    def close(self):
        self.file.close()
        self.socket.close()


def encode(args):
    parts = [b"*%d\r\n" % len(args)]
    for arg in args:
        data = arg if isinstance(arg, bytes) else str(arg).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)


# Each case: commands to compare one by one on an empty server.
CASES = """
SET k v | GET k | SET k v2 NX | GET k | SET k v3 XX | GET k | SET n v XX | GET n
SET k v GET | SET k v2 GET | SET k v3 NX GET | SET n v XX GET | GET n | SET n v NX GET | GET n
SET k v NX XX | SET k v XX NX | SET k v FOO | SET k v EX | SET k v EX abc | SET k v EX 0 | SET k v EX -1
SET k v PX 0 | SET k v EX 9223372036854775807 | SET k v PX 9223372036854775807 | SET k v EXAT 0 | SET k v EX 10 PX 10
SET k v EX 10 KEEPTTL | SET k v KEEPTTL EX 10 | SET k v PERSIST | SET k v EX 10 EX 20 | TTL k | SET k v2 KEEPTTL | TTL k
SET k v KEEPTTL KEEPTTL | SET k v NX NX | SET k v GET GET | SET k v ex 100 nx | set k v Ex 100 xX | TTL k | SET k w | TTL k
SET k v EXAT 33177117420 | EXPIRETIME k | PEXPIRETIME k | SET k v PXAT 33177117420123 | EXPIRETIME k | PEXPIRETIME k
SET k v PXAT 1 | GET k | SET k v EXAT 9223372036854775 | EXPIRETIME k | SET k v EXAT 9223372036854776 | SET k v PXAT 9223372036854775807 | PEXPIRETIME k
SET k v EXAT 9223372036854775 | EXISTS k | SET k v EX 1.5 | SET k v EX +1 | SET k v EX 01 | SET k v EX "" | SET k v NX EX 100 GET | GET k
SETEX k 0 v | SETEX k -1 v | SETEX k abc v | SETEX k 100 v | TTL k | SETEX k 100 | PSETEX k 0 v | PSETEX k 100000 v | TTL k | SETEX k 9223372036854775807 v
SETNX k v | SETNX k w | GET k | GETSET k x | GETSET n y | GET n | GETDEL k | GETDEL k | EXISTS k
GETEX k | SET k v | GETEX k | TTL k | GETEX k EX 100 | TTL k | GETEX k PERSIST | TTL k | GETEX k EX abc | GETEX none EX abc | GETEX k EX 0
GETEX k KEEPTTL | GETEX k EX 10 PERSIST | GETEX k PERSIST EX 10 | GETEX k PXAT 1 | EXISTS k | GETEX k NX | GETEX k EX | SET k v | GETEX k EXAT 33177117420 | EXPIRETIME k
APPEND k abc | APPEND k def | GET k | STRLEN k | STRLEN none | APPEND e "" | EXISTS e | GET e | APPEND k "" | STRLEN k | APPEND k
MSET a 1 b 2 | MGET a b c a | MSET a | MSET a 1 b | MSETNX a 2 c 3 | EXISTS c | MSETNX c 3 d 4 | MGET a b c d | MSETNX x | MSETNX x 1 y | MGET | MSET a 1 a 2 | GET a | MSETNX z 1 z 2 | GET z
SET a 1 EX 100 | MSET a 2 | TTL a
DEL a | MSET a 1 b 2 c 3 | DEL a b x a | EXISTS a b c c x | TOUCH a c c | UNLINK c c | DBSIZE | DEL | EXISTS | TOUCH | UNLINK | TYPE a | SET a 1 | TYPE a
INCR n | INCR n | DECR n | INCRBY n 10 | DECRBY n 3 | GET n | INCRBY n abc | INCRBY n 1.5 | DECRBY n abc | INCRBY n 9223372036854775807 | GET n
SET n 9223372036854775807 | INCR n | SET n -9223372036854775808 | DECR n | DECRBY n -9223372036854775808 | INCRBY n -9223372036854775808 | SET n abc | INCR n | SET n " 1" | INCR n | SET n 01 | INCR n | SET n "" | INCR n | SET n -0 | INCR n
SET n 1 EX 100 | INCR n | TTL n | INCRBYFLOAT n 1 | TTL n | SET n 9223372036854775808 | INCR n | SET n -9223372036854775809 | DECR n | DECRBY m 9223372036854775807 | DECR m | DECR m | DECR m
INCRBYFLOAT f 3.0e3 | INCRBYFLOAT f 0.1 | INCRBYFLOAT f abc | INCRBYFLOAT f inf | INCRBYFLOAT f -inf | INCRBYFLOAT f nan | INCRBYFLOAT f " 1" | INCRBYFLOAT f "1 " | INCRBYFLOAT f "" | GET f
SET f 5e2 | INCRBYFLOAT f 1 | SET f 0x10 | INCRBYFLOAT f 1 | SET f abc | INCRBYFLOAT f 1 | INCRBYFLOAT f abc | SET f 10.5 | INCRBYFLOAT f -10.5 | INCRBYFLOAT f -1e-18 | SET f 1e400 | INCRBYFLOAT f 1 | SET f 3.0 | INCRBYFLOAT f 1.000000000000000005
INCRBYFLOAT g 1e4930 | INCRBYFLOAT h 1e4932 | INCRBYFLOAT h 1e4932 | INCRBYFLOAT i 1e5000 | INCRBYFLOAT i 1e-5000 | INCRBYFLOAT j .5 | INCRBYFLOAT j 5. | INCRBYFLOAT j +1
EXPIRE k 100 | SET k v | EXPIRE k 100 | TTL k | EXPIRE k 200 NX | EXPIRE k 200 XX | TTL k | EXPIRE k 100 GT | EXPIRE k 300 GT | TTL k | EXPIRE k 400 LT | EXPIRE k 50 LT | TTL k
SET k v | EXPIRE k 100 GT | TTL k | EXPIRE k 100 LT | TTL k | PERSIST k | PERSIST k | PERSIST none | EXPIRE k 100 XX | EXPIRE k 100 NX | EXPIRE k 200 XX GT | EXPIRE k 50 XX LT | TTL k
EXPIRE k 100 FOO | SET k v | EXPIRE k 100 FOO | EXPIRE k 100 NX XX | EXPIRE k 100 NX GT | EXPIRE k 100 NX LT | EXPIRE k 100 GT LT | EXPIRE k abc | EXPIRE k abc FOO | EXPIRE none abc | EXPIRE k
EXPIRE k 9223372036854775807 | SET k v | EXPIRE k 9223372036854775807 | EXPIRE k -9223372036854775808 | EXPIRE k 9223372036854775 | PEXPIRE k 9223372036854775807 | PEXPIRE k -9223372036854775808 | EXISTS k
SET k v | EXPIRE k 0 | EXISTS k | SET k v | EXPIRE k -1 | EXISTS k | SET k v | EXPIREAT k 1 | EXISTS k | SET k v | PEXPIREAT k 33177117420123 | PEXPIRETIME k | EXPIREAT k 33177117420 | EXPIRETIME k | PEXPIREAT k -5 | EXISTS k
SET k v | EXPIREAT k 9223372036854775 | EXPIRETIME k | PEXPIREAT k 9223372036854775807 | PEXPIRETIME k | EXPIREAT k 9223372036854776 | EXPIREAT k -9223372036854776 | EXPIREAT k -9223372036854775 | EXISTS k
TTL none | PTTL none | EXPIRETIME none | PEXPIRETIME none | SET k v | TTL k | PTTL k | EXPIRETIME k | PEXPIRETIME k | TTL | TTL k k | PTTL | PERSIST
EXPIRE k 1 | PEXPIRE k 1499 | SET k v | PEXPIRE k 100499 | TTL k | PEXPIREAT k 33177117420499 | EXPIRETIME k | PEXPIREAT k 33177117420500 | EXPIRETIME k
KEYS * | SET a 1 | KEYS * | KEYS a | KEYS b | KEYS [a-c] | KEYS [^a] | KEYS ? | KEYS ?? | KEYS \\a | KEYS | KEYS a b | KEYS [a | KEYS [] | KEYS "" | KEYS *a* | KEYS [c-a] | KEYS [\\a]
SET foo[1] v | KEYS foo[1] | KEYS foo\\[1\\] | KEYS foo[[]1[]] | KEYS f*1] | KEYS *[* | KEYS *o*o* | KEYS *o*o*o*
RANDOMKEY | SET a 1 | RANDOMKEY | RANDOMKEY x | DBSIZE | DBSIZE x | FLUSHALL | DBSIZE | SET a 1 | FLUSHDB ASYNC | DBSIZE | FLUSHALL SYNC | FLUSHALL FOO | FLUSHDB ASYNC SYNC | FLUSHALL async
SCAN 0 | SET a 1 | SCAN 0 | SCAN 0 MATCH a | SCAN 0 MATCH b COUNT 100 | SCAN 0 COUNT 0 | SCAN 0 COUNT -1 | SCAN 0 COUNT abc | SCAN 0 FOO | SCAN 0 MATCH | SCAN abc | SCAN -1x | SCAN | SCAN 0 TYPE string COUNT 100 | SCAN 0 TYPE hash COUNT 100 | SCAN 0 COUNT 10 COUNT 0 | SCAN 0 FOO BAR | SCAN "" 
SCAN "0 " | SCAN 1a | SCAN 99999999999999999999999999
PING | PING hello | PING a b | ping | PiNg | ECHO hello | ECHO | ECHO a b | SELECT 0 | SELECT abc | SELECT 99999999999 | SELECT -1 | SELECT | SELECT 1.0
FOO | FOO bar | FOO bar baz | foo "a b" c | GET | GET a b | SET | SET a | GETSET a | STRLEN | "" | "" a | TIME x | INCR | INCRBY a | EXPIRE a
FOO 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40
HELLO 1 | HELLO 4 | HELLO abc | HELLO 2 FOO | HELLO 2 AUTH | HELLO 2 AUTH a | HELLO 2 AUTH nobody pass | HELLO 2 SETNAME | HELLO 2 SETNAME "a b" | HELLO 3 FOO bar | HELLO 2 SETNAME | HELLO -1 | HELLO 99999999999999999999
AUTH x | AUTH default x | AUTH nobody x | AUTH a b c | AUTH
CLIENT | CLIENT FOO | CLIENT GETNAME | CLIENT SETNAME me | CLIENT GETNAME | CLIENT SETNAME "a b" | CLIENT SETNAME | CLIENT SETNAME "" | CLIENT GETNAME | CLIENT ID x | CLIENT GETNAME x | CLIENT INFO x
CLIENT KILL | CLIENT KILL 1.2.3.4:5 | CLIENT KILL ID 0 | CLIENT KILL ID abc | CLIENT KILL ID 999999 | CLIENT KILL FOO bar | CLIENT KILL TYPE foo | CLIENT KILL TYPE pubsub | CLIENT KILL SKIPME foo | CLIENT KILL ADDR 1.2.3.4:5 | CLIENT KILL ID 1 TYPE | CLIENT KILL USER nobody | CLIENT KILL LADDR 1.2.3.4:5 SKIPME yes
CLIENT LIST FOO | CLIENT LIST TYPE foo | CLIENT LIST ID abc | CLIENT LIST ID | CLIENT LIST TYPE | CLIENT NO-EVICT FOO | CLIENT NO-EVICT ON | CLIENT NO-EVICT OFF | CLIENT NO-EVICT | CLIENT REPLY | CLIENT REPLY FOO | CLIENT REPLY ON | CLIENT LIST TYPE pubsub | CLIENT LIST ID 99999999
CONFIG | CONFIG FOO | CONFIG GET | CONFIG GET nonexistent | CONFIG GET appendonly | CONFIG GET maxmemory | CONFIG GET APPENDONLY | CONFIG SET nonexistent 1 | CONFIG SET | CONFIG SET maxmemory | CONFIG SET maxmemory 1 maxclients | CONFIG SET port | CONFIG RESETSTAT | CONFIG RESETSTAT x
CONFIG SET timeout abc | CONFIG SET timeout -1 | CONFIG SET maxmemory abc | CONFIG SET databases 5 | CONFIG SET timeout 1 timeout 2 | CONFIG SET tcp-keepalive 100 timeout 0 | CONFIG GET tcp-keepalive | CONFIG SET tcp-keepalive 300 | CONFIG GET timeout | CONFIG SET maxmemory 100mb | CONFIG GET maxmemory | CONFIG SET maxmemory 0
COMMAND FOO | COMMAND INFO nonexistent | COMMAND DOCS nonexistent | COMMAND GETKEYS GET k | COMMAND GETKEYS MSET a 1 b 2 | COMMAND GETKEYS FOO bar | COMMAND GETKEYS PING x | COMMAND GETKEYS GET a b | COMMAND GETKEYS | COMMAND GETKEYS GET | COMMAND COUNT x | COMMAND LIST FOO | COMMAND LIST FILTERBY FOO bar | COMMAND GETKEYS DEL a b c
INFO nonexistent | CLIENT REPLY | RESET | RESET x | QUIT
"""

def words_of(text):
    """Splits a command of CASES; "…" quotes, and \\\\ stands for one backslash."""
    words, word, quoted, has_word = [], "", False, False
    for char in text.strip().replace("\\\\", "\\"):
        if char == '"':
            quoted, has_word = not quoted, True
        elif char == " " and not quoted:
            if word or has_word:
                words.append(word)
            word, has_word = "", False
        else:
            word += char
    if word or has_word:
        words.append(word)
    return words


class Comparison:
    def __init__(self, ringo_port, redis_port):
        self.ports = {"ringo": ringo_port, "redis": redis_port}
        self.differences = 0
        self.compared = 0
        self.connect()

    def connect(self):
        self.ringo = Connection(self.ports["ringo"])
        self.redis = Connection(self.ports["redis"])

    def reconnect(self):
        self.ringo.close()
        self.redis.close()
        self.connect()

    def check(self, what, ringo, redis):
        self.compared += 1
        if ringo != redis:
            self.differences += 1
            print(f"DIFFERENT {what}\n  ringo {ringo!r}\n  redis {redis!r}")

    def compare(self, *args):
        """The reply of both, if it is the same."""
        self.ringo.send(*args)
        self.redis.send(*args)
        ringo, redis = self.ringo.reply(), self.redis.reply()
        self.check(" ".join(repr(a) for a in args), ringo, redis)
        return redis

    def flush(self):
        for connection in (self.ringo, self.redis):
            assert connection.ask("FLUSHALL") == b"+OK\r\n"

    def run_cases(self):
        for line in CASES.strip().splitlines():
            self.flush()
            for command in line.split("|"):
                words = words_of(command)
                if self.compare(*words) == b"<closed>" or words[0] == "QUIT":
                    self.reconnect()
        self.reconnect()

    def run_protocol_cases(self):
        """Bytes as they are, each on a connection of its own, until both close or have answered."""
        for data, replies in (
            (b"PING\r\n", 1),
            (b"\r\n\r\nPING\n", 1),
            (b'SET "a b" \'c\' \r\nGET "a b"\r\n', 2),
            (b'SET a "\\x41\\n"\r\nGET a\r\n', 2),
            (b'SET a "unbalanced\r\n', 2),
            (b"*0\r\n*-1\r\nPING\r\n", 1),
            (b"*abc\r\n", 2),
            (b"*2147483648\r\n", 2),
            (b"*1\r\nPING\r\n", 2),
            (b"*1\r\n$-1\r\n", 2),
            (b"*1\r\n$abc\r\n", 2),
            (b"*1\r\n$536870913\r\n", 2),
            (b"*1\r\n" + b"$" + b"1" * 70000, 2),
            (b"*" + b"1" * 70000, 2),
            (b"x" * 70000, 2),
            (b"*1\r\n$4\r\nPING\r\n*1\r\nPING\r\n", 3),
            (b"QUIT\r\nPING\r\n", 2),
            (b"CLIENT REPLY OFF\r\nPING\r\nCLIENT REPLY ON\r\nECHO x\r\n", 2),
            (b"CLIENT REPLY SKIP\r\nECHO a\r\nECHO b\r\n", 1),
            (b"CLIENT REPLY SKIP\r\nCLIENT REPLY SKIP\r\nECHO a\r\nECHO b\r\n", 1),
            (b"CLIENT REPLY OFF\r\nCLIENT REPLY SKIP\r\nECHO a\r\nCLIENT REPLY ON\r\nECHO b\r\n", 2),
            (b"HELLO 3\r\nGET none\r\nCLIENT GETNAME\r\nCONFIG GET maxmemory\r\nRESET\r\nGET none\r\n", -6),
            (b"SET k v\r\nHELLO 3\r\nMGET k none\r\nGETDEL k\r\nSCAN 0\r\nRANDOMKEY\r\n", -6),
        ):
            self.reconnect()
            self.flush()
            for connection in (self.ringo, self.redis):
                connection.send_raw(data)
            for index in range(abs(replies)):
                ringo, redis = self.ringo.reply(), self.redis.reply()
                if replies < 0 and redis.startswith(b"%7\r\n$6\r\nserver"):
                    continue  # HELLO: numbers of connections differ
                self.check(f"reply {index} to {data[:60]!r}", ringo, redis)
        self.reconnect()

    def run_random(self, source, steps, version):
        self.reconnect()
        self.flush()
        for connection in (self.ringo, self.redis):
            connection.ask("HELLO", version)
        batch = []
        for step in range(steps):
            batch.append(random_command(source))
            if len(batch) < source.choice((1, 1, 4, 16)) and step + 1 < steps:
                continue
            data = b"".join(encode(each) for each in batch)
            self.ringo.send_raw(data)
            self.redis.send_raw(data)
            for each in batch:
                ringo, redis = self.ringo.reply(), self.redis.reply()
                if each[0].upper() == "KEYS" and ringo[:1] == redis[:1] == b"*":
                    ringo, redis = sorted_reply(ringo), sorted_reply(redis)
                if each[0].upper() in ("TTL", "PTTL"):
                    ringo, redis = rough(ringo), rough(redis)
                self.check(" ".join(repr(a) for a in each), ringo, redis)
            batch = []
            if self.differences > 20:
                print("… and no further")
                return


def sorted_reply(reply):
    """The keys of a flat array of bulks, in order."""
    position = reply.index(b"\r\n") + 2
    keys = []
    while position < len(reply):
        end = reply.index(b"\r\n", position)
        size = int(reply[position + 1 : end])
        keys.append(reply[end + 2 : end + 2 + size])
        position = end + 2 + size + 2
    return sorted(keys)


def rough(reply):
    """A time to live that two servers, one after the other, may tell by some seconds apart."""
    value = int(reply[1:-2])
    return value if value < 0 else value > 50_000


KEYS = [f"key:{number}" for number in range(12)] + ["", "bin\x00\r\n\xff".encode("latin-1")]
VALUES = ["", "a", "10", "-5", "abc", "3.5", "9223372036854775807", "x" * 20, "y" * 300, "z" * 5000,
          "l" * 16383, "m" * 16384, "n" * 40000, b"\x00\r\n\xff", " 1", "+1", "1e3"]
NUMBERS = ["1", "-1", "0", "5", "100", "abc", "", "9223372036854775807", "-9223372036854775808", "1.5"]
# Far enough away that no key expires while the servers are a moment apart. SET with a deadline that
# has passed is in CASES only: until somebody comes across such a key, DBSIZE may count it.
TIMES = ["100", "1000", "5000", "0", "-1", "abc", "9223372036854775807"]
TIMES_MS = ["100000", "1000000", "5000000", "0", "-1", "abc", "9223372036854775807"]
TIMES_AT = ["33177117420", "33177117421", "0", "-1", "abc"]
TIMES_AT_MS = ["33177117420123", "33177117420999", "0", "-1", "abc"]


def random_case(source, word):
    return "".join(source.choice((char.lower(), char.upper())) for char in word)


def random_set_options(source, words):
    options = []
    for _ in range(source.choice((0, 0, 1, 1, 2, 3))):
        word = source.choice(words)
        options.append(random_case(source, word))
        times = {"EX": TIMES, "PX": TIMES_MS, "EXAT": TIMES_AT, "PXAT": TIMES_AT_MS}.get(word)
        if times and source.random() < 0.95:
            options.append(source.choice(times))
    return options


def random_command(source):
    key = lambda: source.choice(KEYS)
    value = lambda: source.choice(VALUES)
    number = lambda: source.choice(NUMBERS)
    conditions = lambda words: source.choices(words, k=source.choice((0, 0, 1, 2)))
    # Times from now on are not the same on both servers: two of them must not be compared.
    relative, absolute = ("NX", "XX"), ("NX", "XX", "GT", "LT")
    makers = [
        lambda: ["SET", key(), value()] + random_set_options(
            source, ("NX", "XX", "GET", "EX", "PX", "EXAT", "PXAT", "KEEPTTL", "PERSIST")),
        lambda: ["GETEX", key()] + random_set_options(
            source, ("EX", "PX", "EXAT", "PXAT", "PERSIST", "KEEPTTL")),
        lambda: ["GET", key()],
        lambda: ["SETNX", key(), value()],
        lambda: ["SETEX", key(), source.choice(TIMES), value()],
        lambda: ["PSETEX", key(), source.choice(TIMES_MS), value()],
        lambda: ["GETSET", key(), value()],
        lambda: ["GETDEL", key()],
        lambda: ["APPEND", key(), value()],
        lambda: ["STRLEN", key()],
        lambda: ["MGET"] + [key() for _ in range(source.randint(1, 40))],
        lambda: ["MSET"] + [f() for _ in range(source.randint(1, 10)) for f in (key, value)],
        lambda: ["MSETNX"] + [f() for _ in range(source.randint(1, 3)) for f in (key, value)],
        lambda: [source.choice(("DEL", "UNLINK", "EXISTS", "TOUCH"))]
        + [key() for _ in range(source.randint(1, 4))],
        lambda: ["TYPE", key()],
        lambda: [source.choice(("INCR", "DECR")), key()],
        lambda: [source.choice(("INCRBY", "DECRBY", "INCRBYFLOAT")), key(), number()],
        lambda: ["EXPIRE", key(), source.choice(TIMES)] + conditions(relative),
        lambda: ["PEXPIRE", key(), source.choice(TIMES_MS)] + conditions(relative),
        lambda: ["EXPIREAT", key(), source.choice(TIMES_AT + ["1"])]
        + conditions(absolute),
        lambda: ["PEXPIREAT", key(), source.choice(TIMES_AT_MS + ["1"])]
        + conditions(absolute),
        lambda: [source.choice(("TTL", "PTTL")), key()],
        lambda: ["PERSIST", key()],
        lambda: ["DBSIZE"],
        lambda: ["KEYS", source.choice(("*", "key:*", "key:[0-4]", "*1*", "?*", "key:[^1]"))],
        lambda: source.choice((["FLUSHALL"], ["PING"], ["NOSUCH", key()], ["GET"], ["SET", key()])),
    ]
    command = source.choice(makers)()
    return [random_case(source, command[0])] + command[1:]


def start(arguments, log):
    return subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def main():
    server = os.environ.get("RINGO_SERVER", "")
    running = os.environ.get("RINGO_PORT")
    if not running and not (server and os.access(server, os.X_OK)):
        print("skipped: RINGO_SERVER names no program")
        return SKIPPED
    if not REDIS.exists():
        print(f"skipped: no {REDIS} (package redis-tools)")
        return SKIPPED
    seed = int(os.environ.get("RINGO_TEST_SEED") or random.SystemRandom().randrange(2**32))
    steps = int(os.environ.get("RINGO_TEST_STEPS") or 20_000)
    print(f"RINGO_TEST_SEED={seed} RINGO_TEST_STEPS={steps}")

    processes = []
    with tempfile.TemporaryDirectory() as folder, open(f"{folder}/log", "wb") as log:
        try:
            redis_link = pathlib.Path(folder) / "redis-server"
            redis_link.symlink_to(REDIS)
            redis_port = free_port()
            processes.append(start(
                [redis_link, "--port", str(redis_port), "--save", "", "--dir", folder], log))
            ringo_port = int(running) if running else free_port()
            if not running:
                processes.append(start([server, "--port", str(ringo_port)], log))
            comparison = Comparison(ringo_port, redis_port)
            comparison.run_cases()
            comparison.run_protocol_cases()
            source = random.Random(seed)
            for version in (2, 3):
                comparison.run_random(source, steps // 2, version)
        finally:
            for process in processes:
                process.send_signal(signal.SIGTERM)
            for process in processes:
                process.wait(DEADLINE_S)
    print(f"{comparison.compared} replies compared, {comparison.differences} different")
    return 1 if comparison.differences else 0


if __name__ == "__main__":
    sys.exit(main())
