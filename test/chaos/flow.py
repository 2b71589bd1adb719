#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""flow.py HOST STOP PATIENCE: connections that a fault may meet

To the netsrv at HOST: one that talks all the time (random bytes, which have to
come back), one that is idle, and one that downloads slowly what is checked at
its end. Says "running" when all are up. When there is a file STOP they have
PATIENCE seconds to be sound; then one line of JSON:
  {"talk": WHAT, "idle": WHAT, "load": WHAT, "bytes": N, "gap_ms": N}
WHAT: "kept", "reset" (or closed), "silent" or "wrong"; gap_ms: the longest time
that the talking one waited for an answer.
"""
import hashlib
import json
import os
import random
import socket
import sys
import threading
import time

HOST, STOP, PATIENCE = sys.argv[1], sys.argv[2], float(sys.argv[3])
ECHO, PING, HTTP = 7007, 7004, 8080
LOAD = 4 << 20
result = {"talk": "silent", "idle": "silent", "load": "silent",
          "bytes": 0, "gap_ms": 0}
up = threading.Barrier(4)


def dial(port):
    return socket.create_connection((HOST, port), 60)


def exactly(s, n):
    data = bytearray()
    while len(data) < n:
        part = s.recv(n - len(data))
        if not part:
            raise ConnectionResetError
        data += part
    return bytes(data)


def stopping():
    return os.path.exists(STOP)


def once(s, data):
    s.sendall(data)
    return "kept" if exactly(s, len(data)) == data else "wrong"


def talk():
    s, rnd = dial(ECHO), random.Random(7)
    s.settimeout(3600)
    once(s, b"first")
    up.wait()
    while True:
        last = stopping()
        data = rnd.randbytes(rnd.randint(1, 4000))
        start = time.monotonic()
        what = once(s, data)
        gap = int((time.monotonic() - start) * 1000)
        result["gap_ms"] = max(result["gap_ms"], gap)
        result["bytes"] += len(data)
        if what != "kept" or last:
            return what
        time.sleep(0.02)


def idle():
    s = dial(PING)
    once(s, b"a")
    s.settimeout(3600)
    up.wait()
    while not stopping():
        time.sleep(0.05)
    return once(s, b"z")


def get():
    s = dial(HTTP)
    s.sendall(b"GET /bytes/%d HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
              % LOAD)
    stream = s.makefile("rb", 65536)
    while stream.readline().strip():
        pass
    return s, stream


def load():
    _, first = get()
    want = hashlib.sha256(first.read()).digest()
    s, stream = get()
    s.settimeout(3600)
    digest, got = hashlib.sha256(), 0
    up.wait()
    while got < LOAD:
        part = stream.read1(16384)
        if not part:
            return "reset"
        digest.update(part)
        got += len(part)
        if not stopping():  # a minute and a half, or as long as it takes
            time.sleep(0.3)
    return "kept" if digest.digest() == want else "wrong"


def run(name, body):
    try:
        result[name] = body()
    except OSError:
        result[name] = "reset"


def main():
    for name, body in (("talk", talk), ("idle", idle), ("load", load)):
        threading.Thread(target=run, args=(name, body), daemon=True).start()
    try:
        up.wait(60)
    except threading.BrokenBarrierError:
        sys.exit("not all of them came up")
    print("running", flush=True)
    while not stopping():
        time.sleep(0.05)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and "silent" in result.values():
        time.sleep(0.05)
    print(json.dumps(result), flush=True)


main()
