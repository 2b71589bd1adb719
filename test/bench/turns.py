#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""turns.py NEW OLD [PAIRS]: what the tunnel costs, beside what it cost

NEW and OLD are build folders (test/bench/tunnel-bench and src/shadow/shadow in each;
an older checkout gets test/bench/tunnel_bench.c of this one before it is built). In
PAIRS (24) short rounds both move the same bytes, one right after the other, now one
first and now the other: so both have the same machine, and what else it does makes the
interval wide and not the middle wrong. For each figure: the geometric mean of the
rounds' quotients, NEW by OLD, and its interval of 95 %. CPU is the time of the thread
that does what ktctl does, and of the shadow, user and system, for the same bytes.
Fails where it is certain that NEW is worse than the bound: throughput 0.97, CPU 1/0.97.
"""
import math
import os
import re
import statistics
import subprocess
import sys

BOUND = 0.97
# t of Student for 95 %, by degrees of freedom: of those between, the wider one
T = {9: 2.262, 14: 2.145, 19: 2.093, 23: 2.069, 29: 2.045, 39: 2.023, 59: 2.001}


def measure(build, row):
    out = subprocess.run(
        [f"{build}/test/bench/tunnel-bench", f"{build}/src/shadow/shadow", "tunnel", row],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, text=True,
        env={**os.environ, "TUNNEL_BENCH_MIB": os.environ.get("TUNNEL_BENCH_MIB", "384")},
    ).stdout
    got = {}
    for name, value in re.findall(r"^bulk (\w+) +(\d+) MB/s", out, re.M):
        got[f"{name} MB/s"] = float(value)
    for name, value in re.findall(r"^(connections, +\d+) in parallel: +(\d+)", out, re.M):
        got[f"{name} /s"] = float(value)
    for name, user, system in re.findall(
            r"^(\w+): CPU ([\d.]+) s user, ([\d.]+) s system", out, re.M):
        got[f"{row}: CPU of the {name}"] = float(user) + float(system)
    return got


def interval(ratios):
    logs = [math.log(r) for r in ratios]
    n = len(logs)
    t = next((v for k, v in sorted(T.items(), reverse=True) if k < n), T[9])
    half = t * statistics.stdev(logs) / math.sqrt(n)
    mean = statistics.mean(logs)
    return [math.exp(v) for v in (mean, mean - half, mean + half)]


def main():
    new, old = sys.argv[1:3]
    pairs = int(sys.argv[3]) if len(sys.argv) > 3 else 24
    ratios = {}
    for i in range(pairs):
        for row in ("bulk", "many"):
            order = [new, old] if i % 2 else [old, new]
            got = {build: measure(build, row) for build in order}
            for key, value in got[new].items():
                if value and got[old].get(key):
                    ratios.setdefault(key, []).append(value / got[old][key])
    bad = False
    for key, values in ratios.items():
        mean, low, high = interval(values)
        cost = "CPU" in key
        worse = low > 1 / BOUND if cost else high < BOUND
        sure = high <= 1 / BOUND if cost else low >= BOUND
        bad |= worse
        print(f"{key:28} {mean:.3f} ({low:.3f} to {high:.3f}) of what it was, "
              f"{len(values)} rounds: {'MISSED' if worse else 'held' if sure else 'not decided'}")
    sys.exit(bad)


main()
