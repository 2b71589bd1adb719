#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""before.py DIR: what the rounds of the part "before" say of the two bounds

DIR has before.1.N.json (as it is) and before.2.N.json (as it was). The median of
the rounds' own quotients counts: both of a round had the same machine. Fails when
throughput is below 0.97 of what it was, or idle memory, that is nobody else's, has grown by more than 1 MiB.
"""
import glob
import json
import statistics
import sys

SPEED = ("down_MBps", "up_MBps", "down8_MBps", "connections_per_s")
CPU = ("cpu_client_down_s_per_GiB", "cpu_client_up_s_per_GiB",
       "cpu_shadow_down_s_per_GiB", "cpu_shadow_up_s_per_GiB")
MEMORY = ("ktctl_own_MiB", "client_own_MiB", "shadow_own_MiB")


def rounds(folder):
    for path in sorted(glob.glob(f"{folder}/before.1.*.json")):
        with open(path, encoding="utf-8") as f:
            now = json.load(f)
        with open(path.replace("before.1.", "before.2."), encoding="utf-8") as f:
            yield now, json.load(f)


def middle(pairs, key, how):
    v = [how(now[key], was[key]) for now, was in pairs
         if now.get(key) and was.get(key)]
    return statistics.median(v) if v else None


def main():
    pairs = list(rounds(sys.argv[1]))
    bad = False
    for key in SPEED + CPU:
        v = middle(pairs, key, lambda now, was: now / was)
        if v is None:
            continue
        less = key in SPEED and v < 0.97
        bad = bad or less
        print(f"{key}: {v:.3f} of what it was{' - too little' if less else ''}")
    for key in MEMORY:
        v = middle(pairs, key, lambda now, was: now - was)
        if v is None:
            continue
        bad = bad or v > 1
        print(f"{key}: {v:+.2f}{' - too much' if v > 1 else ''}")
    sys.exit(bad)


main()
