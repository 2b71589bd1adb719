#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""stall.py HOST: some streams stand still, both ways; is another one slowed?
Then the readers go on, and what they read has to be right."""
import socket
import sys
import time

HOST = sys.argv[1]
STALLED = 6
SIZE = 20_000_000
PATTERN_PORT, STALL_PORT, HTTP, PING = 7019, 7003, 8080, 7004


def dial(port):
    s = socket.create_connection((HOST, port), 20)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def get(size):
    s = dial(HTTP)
    s.sendall(b"GET /bytes/%d HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
              % size)
    return s


def read_to_end(s):
    data = bytearray()
    while True:
        part = s.recv(1 << 20)
        if not part:
            return bytes(data).partition(b"\r\n\r\n")[2]
        data += part


def fill(s):
    """send until nothing more is taken for half a second"""
    s.settimeout(0.5)
    sent = 0
    try:
        while sent < 1 << 30:
            sent += s.send(bytes(1 << 16))
    except socket.timeout:
        return sent
    sys.exit("a server that does not read took 1 GiB")


def median_rtt():
    s, times = dial(PING), []
    for _ in range(100):
        start = time.monotonic()
        s.sendall(b"x")
        s.recv(1)
        times.append(time.monotonic() - start)
    return sorted(times)[50] * 1000


def timed_get():
    start = time.monotonic()
    data = read_to_end(get(SIZE))
    return data, time.monotonic() - start


def main():
    want, alone = timed_get()
    if len(want) != SIZE:
        sys.exit(f"{len(want)} bytes of {SIZE}")
    stalled = [get(SIZE) for _ in range(STALLED)]
    full = [dial(STALL_PORT) for _ in range(2)]
    sent = [fill(s) for s in full]
    time.sleep(1)
    data, beside = timed_get()
    rtt = median_rtt()
    print(f"{SIZE} bytes: {alone:.2f} s alone, {beside:.2f} s beside "
          f"{STALLED} stalled; round trip {rtt:.2f} ms; "
          f"{sent} bytes into servers that do not read")
    if data != want:
        sys.exit("other bytes")
    if beside > 3 * alone + 1 or rtt > 20:
        sys.exit("slowed")
    for s in stalled:
        if read_to_end(s) != want:
            sys.exit("a stalled reader got other bytes")


main()
