#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""table.py FILE.json...: one column a way, ratios of the first to the others"""
import json
import sys

ROWS = [
    ("down_MBps", "bulk down, MB/s", True),
    ("up_MBps", "bulk up, MB/s", True),
    ("rtt_ms", "round trip idle, median ms", False),
    ("rtt_p99_ms", "round trip idle, p99 ms", False),
    ("rtt_beside_ms", "round trip beside a download, median ms", False),
    ("rtt_beside_p99_ms", "round trip beside a download, p99 ms", False),
    ("down_beside_MBps", "that download, MB/s", True),
    ("connections_per_s", "new connections/s, one after the other", True),
    ("connections_per_s_32", "new connections/s, 32 in parallel", True),
    ("client_rss_MB", "client memory, peak MB", False),
    ("shadow_rss_MB", "shadow memory, peak MB", False),
    ("start_s", "start to ready, s", False),
]


def text(v):
    if v is None:
        return "-"
    return f"{v:.0f}" if v >= 100 else f"{v:.1f}" if v >= 10 else f"{v:.2f}"


def main():
    ways = [json.load(open(f, encoding="utf-8")) for f in sys.argv[1:]]
    print("| | " + " | ".join(w["name"] for w in ways) + " | " +
          " | ".join(f"x {w['name']}" for w in ways[1:]) + " |")
    print("|---" * (2 * len(ways)) + "|")
    for key, title, more_is_better in ROWS:
        v = [w.get(key) for w in ways]
        if not any(v):
            continue
        ratios = []
        for other in v[1:]:
            if not v[0] or not other:
                ratios.append("-")
                continue
            ratio = v[0] / other if more_is_better else other / v[0]
            ratios.append(f"{ratio:.2f}")
        print(f"| {title} | " + " | ".join(map(text, v)) + " | " +
              " | ".join(ratios) + " |")
    print("\nx: how many times better ktctl is (above 1) or worse (below 1).")


if __name__ == "__main__":
    main()
