#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""idle.py HOST SIZE [SECONDS]: a slow download of SIZE bytes, and beside it a connection
on which nothing is said. Says "running"; at the end both have to be sound, and
never silent for longer than SECONDS (60)."""
import hashlib
import socket
import sys
import time

HOST, SIZE = sys.argv[1], int(sys.argv[2])
PATIENCE = float(sys.argv[3]) if len(sys.argv) > 3 else 60
HTTP, ECHO = 8080, 7004


def get(size):
    s = socket.create_connection((HOST, HTTP), PATIENCE)
    s.sendall(b"GET /bytes/%d HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
              % size)
    stream = s.makefile("rb", 1 << 20)
    while stream.readline().strip():
        pass
    return stream


def main():
    idle = socket.create_connection((HOST, ECHO), PATIENCE)
    idle.sendall(b"a")
    assert idle.recv(1) == b"a"
    # the pattern's first part, as a short undisturbed download gives it
    first = get(1 << 20).read()
    stream, digest, got = get(SIZE), hashlib.sha256(), 0
    while got < SIZE:
        part = stream.read(1 << 20)
        if not part:
            sys.exit(f"ended after {got} bytes")
        if not got:
            if part[:1 << 20] != first:
                sys.exit("other bytes")
            print("running", flush=True)
        digest.update(part)
        got += len(part)
        if got < SIZE // 2:
            time.sleep(0.01)  # still running when the network breaks
    idle.sendall(b"b")
    if idle.recv(1) != b"b":
        sys.exit("the idle connection is dead")
    again = hashlib.sha256()
    stream = get(SIZE)
    for part in iter(lambda: stream.read(1 << 20), b""):
        again.update(part)
    if digest.digest() != again.digest():
        sys.exit("other bytes")
    print("sound")


main()
