#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""growth.py streams HOST:PORT N... [--of SET=PROCESSES]...
growth.py objects FIRST LAST NAMESPACE
growth.py rtt HOST:PORT

streams: so many open connections to an echo: what each costs, and the round
trip of one of them; JSON. objects: so many Services and Pods that no node takes, as
a list for kubectl. rtt: the median round trip in ms.
"""
import argparse
import json
import random
import resource
import socket
import statistics
import sys
import time

import procs


def address(text):
    host, _, port = text.rpartition(":")
    return host, int(port)


def ping(s):
    s.sendall(b"x")
    if not s.recv(1):
        raise OSError("connection ended")


def rtt(s, n=300):
    times = []
    for _ in range(n):
        start = time.perf_counter()
        ping(s)
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def opened(target, seconds=60):
    s = socket.create_connection(target, timeout=seconds)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    ping(s)
    return s


def row_of(n, target, streams, sets, base):
    before, had = sets.cpu(), len(streams)
    start = time.monotonic()
    while len(streams) < n:
        streams.append(opened(target))
    took = time.monotonic() - start
    row = {"open streams": n, "opened per s": (n - had) / max(took, 1e-3)}
    for name, now in sets.cpu().items():
        row[f"{name}, CPU ms to open one"] = \
            (now - before[name]) * 1e3 / max(n - had, 1)
    idle, start = sets.cpu(), time.monotonic()
    time.sleep(3)
    for name, now in sets.cpu().items():
        row[f"{name}, CPU % while all are idle"] = \
            (now - idle[name]) * 100 / (time.monotonic() - start)
    for name, now in sets.memory().items():
        row[f"{name}, MiB"] = now
        row[f"{name}, KiB a stream"] = (now - base[name]) * 1024 / n
    row["round trip of one, ms"] = rtt(random.choice(streams))
    return row


def many_streams(target, numbers, sets):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    base, streams, rows = sets.memory(), [], []
    for n in numbers:
        try:
            rows.append(row_of(n, target, streams, sets, base))
        except OSError as e:
            print(f"growth: {n} streams: failed after {len(streams)}: {e}",
                  file=sys.stderr)
            break
    return {"title": "open streams", "rows": rows}


def service(i, ns):
    return {"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": f"s{i}", "namespace": ns},
            "spec": {"ports": [{"port": 80}], "selector": {"app": f"s{i}"}}}


def pod(i, ns):
    return {"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": f"p{i}", "namespace": ns,
                         "labels": {"app": f"s{i}"}},
            "spec": {"nodeSelector": {"growth": "none"},
                     "containers": [{"name": "c",
                                     "image": "kt.local/pause:1"}]}}


def objects(first, last, ns):
    return {"apiVersion": "v1", "kind": "List",
            "items": [make(i, ns) for make in (service, pod)
                      for i in range(first, last)]}


def main():
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument("what", choices=["streams", "objects", "rtt"])
    p.add_argument("args", nargs="+")
    p.add_argument("--of", action="append", default=[])
    a = p.parse_args()
    if a.what == "objects":
        first, last, ns = a.args
        json.dump(objects(int(first), int(last), ns), sys.stdout)
    elif a.what == "rtt":
        print("%.3f" % rtt(opened(address(a.args[0]))))
    else:
        json.dump(many_streams(address(a.args[0]), map(int, a.args[1:]),
                               procs.Sets(a.of)), sys.stdout)


if __name__ == "__main__":
    main()
