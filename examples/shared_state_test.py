#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What one connection SETs another one GETs, pipelined and byte by byte."""
import socket
import subprocess
import sys

server = subprocess.Popen([sys.argv[1], "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
try:
    port = int(server.stdout.readline().rsplit(":", 1)[1])

    def connect():
        return socket.create_connection(("127.0.0.1", port), timeout=10)

    def receive(peer, length):
        data = b""
        while len(data) < length:
            piece = peer.recv(length - len(data))
            assert piece, data
            data += piece
        return data

    writer, reader = connect(), connect()
    for byte in b"*3\r\n$3\r\nSET\r\n$5\r\nhello\r\n$5\r\nworld\r\n":
        writer.sendall(bytes([byte]))
    assert receive(writer, 5) == b"+OK\r\n"
    reader.sendall(b"GET hello\r\nGET nothing\r\nFOO\r\n")
    expected = b"$5\r\nworld\r\n$-1\r\n-ERR this example knows GET key and SET key value\r\n"
    assert receive(reader, len(expected)) == expected
finally:
    server.kill()
    server.wait()
print("ok")
