#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""measure.py NAME MAP: one way of reaching netsrv, measured; JSON on stdout.

MAP is PORT=HOST:PORT,... : where each of netsrv's ports is reached that way.
"""
import json
import os
import socket
import statistics
import sys
import threading
import time

BULK = int(os.environ.get("BENCH_BYTES", 512 << 20)) >> 20 << 20


def where(text):
    out = {}
    for part in text.split(","):
        port, _, target = part.partition("=")
        host, _, there = target.rpartition(":")
        out[int(port)] = (host, int(there))
    return out


def connect(target, timeout=20):
    s = socket.create_connection(target, timeout=timeout)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def head(s):
    """the head of an HTTP answer and what came behind it"""
    data = b""
    while b"\r\n\r\n" not in data:
        part = s.recv(4096)
        if not part:
            raise OSError("connection ended in the head: %r" % data)
        data += part
    first, _, rest = data.partition(b"\r\n\r\n")
    if b" 200 " not in first.split(b"\r\n")[0]:
        raise OSError("answer: %r" % first)
    return rest


def down(target, size=BULK, stop=None):
    """bytes per second from the cluster; until @stop is set, if given"""
    s = connect(target)
    s.sendall(b"GET /bytes/%d HTTP/1.1\r\nHost: b\r\n\r\n" % size)
    got = len(head(s))
    buf = memoryview(bytearray(1 << 20))
    start = time.monotonic()
    while got < size and not (stop and stop.is_set()):
        n = s.recv_into(buf)
        if not n:
            raise OSError("ended after %d bytes" % got)
        got += n
    s.close()
    return got / (time.monotonic() - start)


def up(target, size=BULK):
    s = connect(target, timeout=120)
    s.sendall(b"POST /discard HTTP/1.1\r\nHost: b\r\nContent-Length: %d\r\n"
              b"\r\n" % size)
    chunk = bytes(1 << 20)
    start = time.monotonic()
    for _ in range(size >> 20):
        s.sendall(chunk)
    rest = head(s)
    took = time.monotonic() - start
    while len(rest) < len(str(size)):
        rest += s.recv(100)
    if int(rest) != size:
        raise OSError("%d of %d bytes arrived" % (int(rest), size))
    s.close()
    return size / took


def round_trips(target, seconds=2.0):
    """1-byte round trips, sorted, in ms"""
    s = connect(target)
    times = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        start = time.perf_counter()
        s.sendall(b"x")
        if not s.recv(1):
            raise OSError("ended")
        times.append((time.perf_counter() - start) * 1000)
    s.close()
    return sorted(times)


def beside(bulk_target, ping_target):
    """round trips while a download runs, and the download's speed"""
    stop = threading.Event()
    speed = []
    t = threading.Thread(
        target=lambda: speed.append(down(bulk_target, 1 << 40, stop)))
    t.start()
    time.sleep(1)
    times = round_trips(ping_target, 4.0)
    stop.set()
    t.join()
    return times, speed[0] if speed else 0


def once(target):
    s = connect(target)
    s.sendall(b"x")
    if not s.recv(1):
        raise OSError("ended")
    s.close()


def connections(target, parallel, seconds=3.0):
    """new connections a second: connect, one byte there and back, close"""
    end = time.monotonic() + seconds
    counts = [0] * parallel

    def work(i):
        while time.monotonic() < end:
            once(target)
            counts[i] += 1

    start = time.monotonic()
    threads = [threading.Thread(target=work, args=(i,))
               for i in range(parallel)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return sum(counts) / (time.monotonic() - start)


def p99(times):
    return times[min(len(times) - 1, int(len(times) * 0.99))]


def main():
    name, at = sys.argv[1], where(sys.argv[2])
    out = {"name": name}

    def row(key, fn):
        try:
            out[key] = fn()
        except (OSError, ValueError) as e:
            print(f"{name}: {key}: {e}", file=sys.stderr)
            out[key] = None

    row("down_MBps", lambda: down(at[8080]) / 1e6)
    row("up_MBps", lambda: up(at[8080]) / 1e6)
    times = round_trips(at[7004])
    out["rtt_ms"] = statistics.median(times)
    out["rtt_p99_ms"] = p99(times)
    row("connections_per_s", lambda: connections(at[7004], 1))
    row("connections_per_s_32", lambda: connections(at[7004], 32))
    try:
        times, speed = beside(at[8080], at[7004])
        out["rtt_beside_ms"] = statistics.median(times)
        out["rtt_beside_p99_ms"] = p99(times)
        out["down_beside_MBps"] = speed / 1e6
    except OSError as e:
        print(f"{name}: beside a download: {e}", file=sys.stderr)
    json.dump(out, sys.stdout)


if __name__ == "__main__":
    main()
