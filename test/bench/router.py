#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""router.py ORIGIN NGINX NGINX-PROCESSES ROUTER ROUTER-PROCESSES...

h2load against the origin itself, nginx and the router before it; h2c is at
each port + 10. JSON on stdout; ROUTER_SECONDS per row; ROUTER_ROWS: the protocols
to measure.

router.py --environments ONE PROCESS MANY PROCESS ONE-MEMBER PROCESS MEMBERS
PROCESS: h1, 1 KiB, 64 connections, at a router with one rule and at one with
the rules of a hundred environments; at a shadow whose table has one member and
at one whose table has a hundred environments of twenty Services. Both of a pair in
turns, in ROUTER_ROUNDS short rounds (fewer where they take longer than
ROUTER_BUDGET seconds), of which each gives a ratio: what else the
machine does comes to both.

router.py --url NAME URL [PROCESS]: HTTP/1.1, 16 connections; what a request
costs the process.
"""
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import procs

ROUNDS = int(os.environ.get("ROUTER_ROUNDS", "24"))
BUDGET = float(os.environ.get("ROUTER_BUDGET", "60"))
SECONDS = float(os.environ.get("ROUTER_SECONDS", "2"))
ROWS = [(protocol, body, conns)
        for protocol in os.environ.get("ROUTER_ROWS", "h1 h2c").split()
        for body in ("1k", "1m")
        for conns in (1, 64, 512)]


def seconds_of(body, conns):
    """what is not complete at the end does not count: large ones need longer"""
    return SECONDS * 4 if body == "1m" and conns > 64 else SECONDS


def load(port, protocol, body, conns, mark="x-mark: 0"):
    """(requests a second, median ms, p99 ms, failed)"""
    args = ["-H", mark]
    if protocol == "h1":
        args.append("--h1")
    else:
        port += 10
    return h2load(seconds_of(body, conns), conns, *args,
                  f"http://127.0.0.1:{port}/{body}")


def h2load(seconds, conns, *args):
    good, failed = latencies(seconds, conns, *args)
    if not good:
        return 0, None, None, failed
    return (len(good) / seconds, good[len(good) // 2] / 1e3, p99(good) / 1e3,
            failed)


def p99(ordered):
    return ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]


def latencies(seconds, conns, *args):
    """(of each that was answered, in microseconds, in order; how many were not)"""
    with tempfile.NamedTemporaryFile("r") as log:
        subprocess.run(["h2load", "-D", f"{round(seconds * 1000)}ms", "-c", str(conns),
                        "-m", "1", f"--log-file={log.name}", *args],
                       check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=60)
        rows = [line.split() for line in log]
    good = sorted(int(r[2]) for r in rows if r[1] == "200")
    return good, len(rows) - len(good)


def one_turn(port, process):
    """a request for the fiftieth of a hundred: what the others cost it"""
    cpu = procs.cpu(process)
    good, _ = latencies(SECONDS, 64, "-H", "baggage: user=ann,kt-env=dev.e50",
                        "--h1", f"http://127.0.0.1:{port}/1k")
    return good, (procs.cpu(process) - cpu) * 1e6 / max(len(good), 1)


def quartiles(values):
    return statistics.quantiles(values, n=4) if len(values) > 1 else values * 3


def ratios(turns, one, many):
    """of each round's; and of the p99 of all its requests, which a single round
    has too few of"""
    def of(what):
        return quartiles([what(m) / what(o)
                          for o, m in zip(turns[one], turns[many])])
    late = [p99(sorted(x for good, _ in turns[name] for x in good))
            for name in (many, one)]
    return {f"{many} ratio": of(lambda t: max(len(t[0]), 1)),
            f"{many} cpu ratio": of(lambda t: max(t[1], 0.01)),
            f"{many} p99 ratios": of(lambda t: p99(t[0]) if t[0] else 1e9),
            f"{many} p99 ratio": late[0] / late[1]}


def environments(routers):
    turns = {name: [] for name, _, _ in routers}
    end = time.monotonic() + BUDGET
    rounds = 0
    while rounds < 4 or rounds < ROUNDS and time.monotonic() < end:
        rounds += 1
        for i in range(0, len(routers), 2):
            pair = routers[i:i + 2]
            for name, port, process in pair if rounds % 2 else pair[::-1]:
                turns[name].append(one_turn(int(port), process))
    out = {"name": "environments", "rounds": rounds, "seconds": SECONDS}
    for name, _, process in routers:
        everyone = sorted(x for good, _ in turns[name] for x in good)
        out[f"{name} memory"] = procs.memory(process, "VmHWM")
        out[f"{name} per_s"] = len(everyone) / rounds / SECONDS
        out[f"{name} median_ms"] = everyone[len(everyone) // 2] / 1e3
        out[f"{name} p99_ms"] = p99(everyone) / 1e3
        out[f"{name} cpu_us"] = statistics.median(t[1] for t in turns[name])
    for i in range(0, len(routers), 2):
        out |= ratios(turns, routers[i][0], routers[i + 1][0])
    json.dump(out, sys.stdout)


def url(name, where, *processes):
    cpu = sum(map(procs.cpu, processes))
    rate, median, late, failed = h2load(SECONDS, 16, "--h1", where)
    cpu = sum(map(procs.cpu, processes)) - cpu
    json.dump({"name": name, "per_s": rate, "median_ms": median,
               "p99_ms": late, "failed": failed,
               "cpu_ms": cpu * 1e3 / rate / SECONDS
               if processes and rate else None}, sys.stdout)


def main():
    if sys.argv[1] == "--url":
        url(*sys.argv[2:])
        return
    if sys.argv[1] == "--environments":
        names = ("one", "many", "one member", "members")
        environments(list(zip(names, sys.argv[2::2], sys.argv[3::2])))
        return
    ports = {"none": int(sys.argv[1]), "nginx": int(sys.argv[2]),
             "router": int(sys.argv[4])}
    sets = {"nginx": [sys.argv[3]], "router": sys.argv[5:]}
    out = {"name": "router"}
    for protocol, body, conns in ROWS:
        for name, port in ports.items():
            key = f"{protocol} {body} {conns} {name}"
            cpu = sum(map(procs.cpu, sets.get(name, [])))
            rate, median, late, failed = load(port, protocol, body, conns)
            cpu = sum(map(procs.cpu, sets.get(name, []))) - cpu
            out[key] = {"per_s": rate, "median_ms": median, "p99_ms": late,
                        "failed": failed,
                        "cpu_ms": cpu * 1e3 / rate / seconds_of(body, conns)
                        if rate else None}
            print(f"router: {key}: {rate:.0f}/s", file=sys.stderr)
    for name, specs in sets.items():
        out[f"memory {name}"] = max(procs.memory(s, "VmHWM") for s in specs)
    json.dump(out, sys.stdout)


if __name__ == "__main__":
    main()
