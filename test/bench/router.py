#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""router.py ORIGIN NGINX NGINX-PROCESSES ROUTER ROUTER-PROCESSES...

h2load against the origin itself, nginx and the router before it; h2c is at
each port + 10. JSON on stdout; ROUTER_SECONDS per row; ROUTER_ROWS: the protocols
to measure.

router.py --environments ONE PROCESS MANY PROCESS ONE-MEMBER PROCESS MEMBERS
PROCESS: h1, 1 KiB, 64 connections, at a router with one rule and at one with
the rules of a hundred environments; at a shadow whose table has one member and
at one whose table has a hundred environments of twenty Services; in turns.
"""
import json
import os
import statistics
import subprocess
import sys
import tempfile

import procs

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
    with tempfile.NamedTemporaryFile("r") as log:
        seconds = seconds_of(body, conns)
        args = ["h2load", "-D", f"{seconds:g}", "-c", str(conns), "-m", "1",
                "-H", mark, f"--log-file={log.name}"]
        if protocol == "h1":
            args.append("--h1")
        else:
            port += 10
        args.append(f"http://127.0.0.1:{port}/{body}")
        subprocess.run(args, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=60)
        rows = [line.split() for line in log]
    good = sorted(int(r[2]) for r in rows if r[1] == "200")
    if not good:
        return 0, None, None, len(rows)
    n = len(good)
    return (n / seconds, good[n // 2] / 1e3,
            good[min(n - 1, n * 99 // 100)] / 1e3, len(rows) - n)


def environments(routers):
    """a request for the fiftieth of a hundred: what the others cost it"""
    rates = {name: [] for name, _, _ in routers}
    for _ in range(5):
        for name, port, process in routers:
            cpu = procs.cpu(process)
            rate = load(int(port), "h1", "1k", 64,
                        "baggage: user=ann,kt-env=dev.e50")[:3]
            cpu = procs.cpu(process) - cpu
            rates[name].append((*rate, cpu * 1e6 / (rate[0] * SECONDS)))
    out = {"name": "environments"}
    for name, _, process in routers:
        out[f"{name} memory"] = procs.memory(process, "VmHWM")
        for i, what in enumerate(("per_s", "median_ms", "p99_ms", "cpu_us")):
            out[f"{name} {what}"] = statistics.median(r[i] for r in rates[name])
    json.dump(out, sys.stdout)


def main():
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
