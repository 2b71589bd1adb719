#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""measure.py NAME MAP [ROW...] [--of SET=PROCESSES]...
measure.py --first HOST:PORT SECONDS

One way of reaching netsrv, measured; JSON on stdout. MAP is PORT=HOST:PORT,...:
where each of netsrv's ports is reached that way. ROWs: see ROWS; without any,
all. --of names the client's, the shadow's, the node's processes (procs.py),
whose CPU time and memory are wanted as well. --first prints the time of day
when the echo at HOST:PORT has given back a byte.

BENCH_BYTES: the largest transfer. BENCH_SECONDS: how long one, and every other
row, shall take.
BENCH_ABORT=1: a download ends when its time is over, not with its last byte.
"""
import argparse
import json
import math
import os
import select
import socket
import statistics
import subprocess
import sys
import threading
import time

import procs

MIB = 1 << 20
BULK = int(os.environ.get("BENCH_BYTES", 512 * MIB)) // MIB * MIB
SECONDS = float(os.environ.get("BENCH_SECONDS", 3))
ABORT = os.environ.get("BENCH_ABORT") == "1"
RATE = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                    "../../build/test/bench/connect-rate")


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


def down(target, size, stop=lambda: False):
    """bytes that came from the cluster, of @size; less if stop() says so"""
    s = connect(target, timeout=120)
    s.sendall(b"GET /bytes/%d HTTP/1.1\r\nHost: b\r\n\r\n" % size)
    got = len(head(s))
    buf = memoryview(bytearray(MIB))
    while got < size and not stop():
        n = s.recv_into(buf)
        if not n:
            raise OSError("ended after %d bytes" % got)
        got += n
    s.close()
    return got


def up(target, size):
    s = connect(target, timeout=120)
    s.sendall(b"POST /discard HTTP/1.1\r\nHost: b\r\nContent-Length: %d\r\n"
              b"\r\n" % size)
    chunk = bytes(MIB)
    for at in range(0, size, MIB):
        s.sendall(chunk[:min(MIB, size - at)])
    rest = head(s)
    while len(rest) < len(str(size)):
        rest += s.recv(100)
    if int(rest) != size:
        raise OSError("%d of %d bytes arrived" % (int(rest), size))
    s.close()
    return size


def in_parallel(n, work):
    """bytes per second of @n times work(), which returns bytes"""
    done, failed = [], []

    def one():
        try:
            done.append(work())
        except OSError as e:
            failed.append(e)

    start = time.monotonic()
    threads = [threading.Thread(target=one) for _ in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failed:
        raise failed[0]
    return sum(done) / (time.monotonic() - start)


def round_trips(target, seconds=SECONDS):
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


def once(target):
    s = connect(target)
    s.sendall(b"x")
    if not s.recv(1):
        raise OSError("ended")
    s.close()


def connections(target, parallel):
    """new connections a second: connect, one byte there and back, close"""
    return float(subprocess.check_output(
        [RATE, "%s:%d" % target, str(parallel), str(SECONDS)]))


def p99(times):
    return times[min(len(times) - 1, int(len(times) * 0.99))]


def spread(key, times):
    """the whole distribution: percent of them in each step; step i ends at
    2^(i/2) / 16 ms (table.py draws it)"""
    out = {}
    for t in times:
        i = max(0, math.ceil(2 * math.log2(max(t, 1e-6) * 16)))
        out[i] = out.get(i, 0) + 1
    return {f"{key}_spread_{i}": 100 * n / len(times) for i, n in out.items()}


class Way:
    """one way of reaching netsrv, and its figures"""

    def __init__(self, name, at, sets):
        self.http, self.echo = at[8080], at[7004]
        self.sets = sets
        self.out = {"name": name}
        self.speed = 0

    def size(self, direction):
        """so much that it takes SECONDS"""
        if not self.speed:
            probe = 8 * MIB
            self.speed = in_parallel(1, lambda: direction(self.http, probe))
        return max(MIB // 4, min(BULK, int(self.speed * SECONDS)))

    def bulk(self, key, direction, streams):
        if direction is down and ABORT:
            end = time.monotonic() + SECONDS
            size = 1 << 40

            def work():
                return down(self.http, size, lambda: time.monotonic() > end)
        else:
            size = self.size(direction) // streams

            def work():
                return direction(self.http, size)
        cpu, start = self.sets.cpu(), time.monotonic()
        self.speed = in_parallel(streams, work)
        gib = self.speed * (time.monotonic() - start) / (1 << 30)
        self.out[f"{key}_MBps"] = self.speed / 1e6
        for name, now in self.sets.cpu().items():
            self.out[f"cpu_{name}_{key}_s_per_GiB"] = (now - cpu[name]) / gib

    def rtt(self):
        times = round_trips(self.echo)
        self.out["rtt_ms"] = statistics.median(times)
        self.out["rtt_p99_ms"] = p99(times)
        self.out.update(spread("rtt", times))

    def beside(self):
        """round trips while a download runs, and the download's speed"""
        stop = threading.Event()
        speed = []

        def work():
            return down(self.http, 1 << 40, stop.is_set)

        t = threading.Thread(
            target=lambda: speed.append(in_parallel(1, work)))
        t.start()
        time.sleep(1)
        try:
            times = round_trips(self.echo)
        finally:
            stop.set()
            t.join()
        self.out["rtt_beside_ms"] = statistics.median(times)
        self.out["rtt_beside_p99_ms"] = p99(times)
        self.out.update(spread("rtt_beside", times))
        self.out["down_beside_MBps"] = speed[0] / 1e6

    def idle(self):
        once(self.echo)
        time.sleep(10)  # memory of a busy time is given back after some seconds
        for name, v in self.sets.memory().items():
            self.out[f"{name}_idle_MiB"] = v
        for name, v in self.sets.memory("Private").items():
            self.out[f"{name}_own_MiB"] = v

    def peak(self):
        for name, v in self.sets.memory("VmHWM").items():
            self.out[f"{name}_peak_MiB"] = v

    def connections(self):
        self.out["connections_per_s"] = connections(self.echo, 1)

    def connections32(self):
        self.out["connections_per_s_32"] = connections(self.echo, 32)


ROWS = {
    "idle": Way.idle,
    "down": lambda w: w.bulk("down", down, 1),
    "up": lambda w: w.bulk("up", up, 1),
    "down8": lambda w: w.bulk("down8", down, 8),
    "up8": lambda w: w.bulk("up8", up, 8),
    "rtt": Way.rtt,
    "connections": Way.connections,
    "connections32": Way.connections32,
    "beside": Way.beside,
    "peak": Way.peak,
}


class Attempt:
    """a connection that is being made, and the byte that is awaited on it"""

    def __init__(self, target):
        self.sock = socket.socket()
        self.sock.setblocking(False)
        self.sock.connect_ex(target)
        self.since = time.monotonic()
        self.sent = False

    def is_old(self):
        """no SYN is waited for longer than two, no byte longer than half a
        second"""
        return time.monotonic() - self.since > (0.5 if self.sent else 2)

    def ready(self):
        """True: the byte is here; None: it failed"""
        try:
            if self.sent:
                return bool(self.sock.recv(1)) or None
            self.sock.send(b"x")
            self.since, self.sent = time.monotonic(), True
            return False
        except BlockingIOError:
            return False
        except OSError:
            return None


def first_byte(target, seconds):
    """A new attempt every 5 ms until one is connected, each for itself: one
    whose SYN nobody answers, since there is no way yet, must not keep the
    others waiting"""
    poll, tries = select.poll(), {}
    end = time.monotonic() + seconds

    def drop(fd):
        poll.unregister(fd)
        tries.pop(fd).sock.close()

    while time.monotonic() < end:
        for fd in [fd for fd, a in tries.items() if a.is_old()]:
            drop(fd)
        if not any(a.sent for a in tries.values()):
            a = Attempt(target)
            tries[a.sock.fileno()] = a
            poll.register(a.sock, select.POLLOUT)
        pause = time.monotonic() + 0.005
        while (left := pause - time.monotonic()) > 0:
            for fd, _ in poll.poll(left * 1000):
                got = tries[fd].ready()
                if got:
                    return time.time()
                if got is None:
                    drop(fd)
                else:
                    poll.modify(fd, select.POLLIN)
    raise SystemExit("measure: no byte from %s:%d" % target)


def main():
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument("--first", nargs=2)
    p.add_argument("--of", action="append", default=[])
    p.add_argument("name", nargs="?")
    p.add_argument("map", nargs="?")
    p.add_argument("rows", nargs="*")
    a = p.parse_args()
    if a.first:
        host, _, port = a.first[0].rpartition(":")
        print("%.4f" % first_byte((host, int(port)), float(a.first[1])))
        return
    way = Way(a.name, where(a.map), procs.Sets(a.of))
    for row in a.rows or ROWS:
        try:
            ROWS[row](way)
        except (OSError, ValueError, IndexError,
                subprocess.CalledProcessError) as e:
            print(f"{a.name}: {row}: {e}", file=sys.stderr)
    json.dump(way.out, sys.stdout)


if __name__ == "__main__":
    main()
