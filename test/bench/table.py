#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""table.py PART FILE.json...     the table of a part, and its bars
table.py --json OUT FILE.json...  all figures of all parts as one object

A file is PART.COLUMN.ROUND.json; of several rounds the median counts.
"""
import json
import math
import os
import statistics
import sys

# key, title, more is better
SPEED = [
    ("down_MBps", "bulk down, MB/s", True),
    ("up_MBps", "bulk up, MB/s", True),
    ("down8_MBps", "bulk down, 8 streams, MB/s", True),
    ("up8_MBps", "bulk up, 8 streams, MB/s", True),
    ("rtt_ms", "round trip idle, median ms", False),
    ("rtt_p99_ms", "round trip idle, p99 ms", False),
    ("rtt_beside_ms", "round trip beside a download, median ms", False),
    ("rtt_beside_p99_ms", "round trip beside a download, p99 ms", False),
    ("down_beside_MBps", "that download, MB/s", True),
    ("connections_per_s", "new connections/s, one after the other", True),
    ("connections_per_s_32", "new connections/s, 32 in parallel", True),
    ("first_cold_s", "start to first byte, with Pod creation, s", False),
    ("first_zero_s", "the same without an image of ours, s", False),
    ("pod_ready_s", "the cluster calls the Pod Ready after, s", None),
    ("first_warm_s", "start to first byte, Pod is there, s", False),
    ("cpu_client_down_s_per_GiB", "client, CPU s/GiB down", False),
    ("cpu_client_up_s_per_GiB", "client, CPU s/GiB up", False),
    ("cpu_shadow_down_s_per_GiB", "shadow or sshd, CPU s/GiB down", False),
    ("cpu_shadow_up_s_per_GiB", "shadow or sshd, CPU s/GiB up", False),
    ("cpu_node_down_s_per_GiB",
     "API server, kubelet, containerd, CPU s/GiB down", False),
    ("cpu_node_up_s_per_GiB",
     "API server, kubelet, containerd, CPU s/GiB up", False),
    ("client_idle_MiB", "client, idle, MiB", False),
    ("client_peak_MiB", "client, peak, MiB", False),
    ("shadow_idle_MiB", "shadow or sshd, idle, MiB", False),
    ("shadow_peak_MiB", "shadow or sshd, peak, MiB", False),
]


def text(v):
    if v is None:
        return "-"
    return f"{v:.0f}" if v >= 100 else f"{v:.1f}" if v >= 10 else f"{v:.2f}"


def load(paths):
    """columns in the order of their numbers, each the median of its rounds"""
    rounds = {}
    for path in paths:
        column = int(os.path.basename(path).split(".")[1])
        with open(path, encoding="utf-8") as f:
            rounds.setdefault(column, []).append(json.load(f))
    return [median_of(rounds[c]) for c in sorted(rounds)]


def median_of(figures):
    out = {"name": figures[0]["name"]}
    for key in {k for f in figures for k in f} - {"name"}:
        v = [f[key] for f in figures if f.get(key) is not None]
        if v:
            out[key] = statistics.median(v)
    return out


def print_row(*cells):
    print("| " + " | ".join(cells) + " |")


def print_table(rows, ways):
    """ways side by side, and how many times better the first one is"""
    print_row("", *[w["name"] for w in ways],
              *[f"x {w['name']}" for w in ways[1:]])
    print("|---" * (2 * len(ways)) + "|")
    for key, title, more_is_better in rows:
        v = [w.get(key) for w in ways]
        if not any(v):
            continue
        ratios = []
        for other in v[1:]:
            if not v[0] or not other or more_is_better is None:
                ratios.append("-")
                continue
            ratios.append(
                f"{v[0] / other if more_is_better else other / v[0]:.2f}")
        print_row(title, *map(text, v), *ratios)
    print("\nx: how many times better the first one is (above 1) or worse "
          "(below 1).\n")


BLOCKS = " ▁▂▃▄▅▆▇█"


def print_spread(title, key, ways):
    """The whole distribution as a chart: a column is half a power of two of
    milliseconds, its height the share of the round trips that took so long,
    by its logarithm: 0.05 % can be seen beside 50."""
    steps = {}
    for w in ways:
        for k, v in w.items():
            if k.startswith(key + "_spread_"):
                steps.setdefault(w["name"], {})[int(k.split("_")[-1])] = v
    if not steps:
        return
    last = max(max(s) for s in steps.values())
    wide = max(map(len, steps))
    marks = ""
    for i in range(last + 1):
        if i % 4 == 0:
            marks = f"{marks:{2 * i}}{2 ** (i / 2) / 16:.4g}"
    print(f"{title}: share of the round trips, by ms\n\n    {'':{wide}}  {marks}")
    for name, s in steps.items():
        line = ""
        for i in range(last + 1):
            v = s.get(i, 0)
            high = 0 if not v else max(1, min(
                8, round(8 * (1 + math.log10(max(v, 0.05) / 50) / 3))))
            line += 2 * BLOCKS[high]
        print(f"    {name:{wide}}  {line.rstrip()}")
    print()


class Bars:
    """what was aimed at, and whether it is reached"""

    def __init__(self):
        self.missed = 0
        self.rows = []  # (title, value, limit, at least) to be checked later

    def check(self, title, value, limit, at_least):
        if value is None or limit is None:
            print(f"- not measured: {title}")
            return
        met = value >= limit if at_least else value <= limit
        self.missed += not met
        print(f"- {'met' if met else '**missed**'}: {title}: {text(value)}, "
              f"{'at least' if at_least else 'at most'} {text(limit)}")

    def above(self, title, value, limit):
        self.check(title, value, limit, True)

    def below(self, title, value, limit):
        self.check(title, value, limit, False)


def times(factor, value):
    return None if value is None else factor * value


def over(ways, key, choose):
    v = [w[key] for w in ways if w.get(key) is not None]
    return choose(v) if v else None


def bars_of_speed(ways):
    by = {w["name"].split(",")[0]: w for w in ways}
    me, bare = ways[0], by["bare stream"]
    peers = [by[n] for n in ("kubectl port-forward", "ssh -L", "sshuttle")
             if n in by]
    forward = by["kubectl port-forward"]
    b = Bars()
    for way in ("down", "up", "down8", "up8"):
        key = f"{way}_MBps"
        b.above(f"bulk {way}, 0.75 of the bare stream, MB/s", me.get(key),
                times(0.75, bare.get(key)))
        b.above(f"bulk {way}, the best peer, MB/s", me.get(key),
                over(peers, key, max))
    for key, title in (("rtt_ms", "median"), ("rtt_p99_ms", "p99")):
        b.below(f"round trip idle, {title}, the best peer's, ms",
                me.get(key), over(peers, key, min))
    b.below("round trip beside a download, median ms",
            me.get("rtt_beside_ms"), 2)
    b.below("round trip beside a download, p99 ms",
            me.get("rtt_beside_p99_ms"), 10)
    b.below("round trip beside a download, a tenth of port-forward's, ms",
            me.get("rtt_beside_ms"), times(0.1, forward.get("rtt_beside_ms")))
    b.above("that download, 0.8 of its speed alone, MB/s",
            me.get("down_beside_MBps"), times(0.8, me.get("down_MBps")))
    b.above("connections/s, one after the other",
            me.get("connections_per_s"), 1500)
    b.above("connections/s, 32 in parallel",
            me.get("connections_per_s_32"), 6000)
    for way in ("down", "up"):
        key = f"cpu_client_{way}_s_per_GiB"
        b.below(f"client CPU s/GiB {way}, port-forward's", me.get(key),
                forward.get(key))
    ready = me.get("pod_ready_s")
    b.below("first byte with Pod creation, Pod ready and 0.4 s",
            me.get("first_cold_s"), None if ready is None else ready + 0.4)
    cold = me.get("first_cold_s")
    b.below("first byte without an image of ours, with one and 0.3 s",
            me.get("first_zero_s"), None if cold is None else cold + 0.3)
    b.below("first byte, Pod is there, s", me.get("first_warm_s"), 0.15)
    b.below("client idle, MiB", me.get("client_idle_MiB"), 16)
    b.below("shadow idle, MiB", me.get("shadow_idle_MiB"), 8)
    print()


def speed(paths):
    ways = load(paths)
    print_table(SPEED, ways)
    print_spread("Round trip idle", "rtt", ways)
    print_spread("Round trip beside a download", "rtt_beside", ways)
    bars_of_speed(ways)


def forward(paths):
    """kubectl's rows, and none in which we are behind"""
    ways = load(paths)
    print_table(SPEED, ways)
    b, (me, other) = Bars(), ways
    for key, title, more_is_better in SPEED:
        if key in me and key in other and more_is_better is not None:
            b.check(f"{title}, kubectl port-forward's", me[key], other[key],
                    more_is_better)
    print()


EXCHANGE = [
    ("down_MBps", "bulk from the laptop, MB/s", True),
    ("up_MBps", "bulk to the laptop, MB/s", True),
] + SPEED[4:9]


def exchange(paths):
    ways = load(paths)
    print_table(EXCHANGE, ways)
    b, (me, ssh) = Bars(), ways
    for key, title, _ in EXCHANGE[:2]:
        b.above(f"{title}, twice ssh -R's", me.get(key), times(2, ssh[key]))
    b.below("round trip idle, ssh -R's, ms", me.get("rtt_ms"), ssh["rtt_ms"])
    print()


def router(paths):
    """requests/s, added latency: origin alone, nginx before it, the router"""
    with open(paths[0], encoding="utf-8") as f:
        figures = json.load(f)
    rows = {k.rsplit(" ", 1)[0]: None for k in figures
            if isinstance(figures[k], dict)}
    print_row("", "requests/s alone", "nginx", "router",
              "added median ms: nginx", "router", "added p99 ms: nginx",
              "router", "CPU ms/request: nginx", "router")
    print("|---" * 10 + "|")
    b = Bars()
    for row in rows:
        alone, nginx, own = (figures[f"{row} {w}"]
                             for w in ("none", "nginx", "router"))

        def added(way, key, alone=alone):
            if way[key] is None or alone[key] is None:
                return None
            return way[key] - alone[key]

        cells = [alone["per_s"], nginx["per_s"], own["per_s"]]
        for key in ("median_ms", "p99_ms"):
            cells += [added(nginx, key), added(own, key)]
        cells += [nginx["cpu_ms"], own["cpu_ms"]]
        print_row(row, *map(text, cells))
        b.rows.append((f"{row}: requests/s, nginx's", own["per_s"],
                       nginx["per_s"], True))
        b.rows.append((f"{row}: added p99, nginx's, ms",
                       added(own, "p99_ms"), added(nginx, "p99_ms"), False))
    print(f"\nPeak memory: nginx {text(figures['memory nginx'])} MiB, router "
          f"{text(figures['memory router'])} MiB.\n")
    for bar in b.rows:
        b.check(*bar)
    b.below("router's memory with 512 connections, MiB",
            figures["memory router"], 10)
    print()


def environments(paths):
    """routers with a hundred environments beside some with a single one"""
    with open(paths[0], encoding="utf-8") as f:
        figures = json.load(f)
    print_row("h1 1k 64", "requests/s", "median ms", "p99 ms",
              "CPU µs/request", "peak MiB")
    print("|---" * 6 + "|")
    for name, title in (("one", "one rule"),
                        ("many", "rules of 100 environments"),
                        ("one member", "one member in the table"),
                        ("members", "100 environments x 20 Services in it")):
        print_row(title, *(text(figures[f"{name} {key}"])
                           for key in ("per_s", "median_ms", "p99_ms", "cpu_us",
                                       "memory")))
    print()
    b = Bars()
    for one, many in (("one", "many"), ("one member", "members")):
        for key, what in (("ratio", "requests/s"), ("p99 ratios", "p99"),
                          ("cpu ratio", "CPU per request")):
            low, middle, high = figures[f"{many} {key}"]
            print(f"{many} to {one}: {what} x {middle:.3f} (quartiles "
                  f"{low:.3f} to {high:.3f} of {figures['rounds']} rounds)\n")
        b.above(f"{many}: requests/s, part of those with {one}",
                figures[f"{many} ratio"][1], 0.95)
        b.below(f"{many}: p99 of all, part of that with {one}",
                figures[f"{many} p99 ratio"], 1.1)
        b.below(f"{many}: memory of the router, MiB",
                figures[f"{many} memory"], 12)
    print()


def envs(paths):
    """joining, in a namespace with few environments and with many"""
    with open(paths[0], encoding="utf-8") as f:
        figures = json.load(f)
    print_row("seconds", "local", "copy", "of these its Pods' start", "the rest")
    print("|---" * 5 + "|")
    for name, title in (("few", "two environments"),
                        ("many", "102, of twenty Services")):
        print_row(title, *(text(figures[f"{name} {key}"])
                           for key in ("local", "copy", "pods", "beside")))
    print()
    b = Bars()
    b.below("join --local, s", figures["many local"], 2)
    b.below("join --image without its Pods' start, s", figures["many beside"], 1)
    b.below("memory of the router, MiB", figures["router MiB"], 12)
    print()


def costs(paths):
    """one way each"""
    print_row("", "requests/s", "median ms", "p99 ms", "CPU ms/request",
              "failed")
    print("|---" * 6 + "|")
    for way in load(paths):
        print_row(way["name"],
                  *(text(way.get(key)) for key in
                    ("per_s", "median_ms", "p99_ms", "cpu_ms", "failed")))
    print()


def distance_peers(conditions):
    """the same rows by other ways into the cluster, beside ktctl"""
    if not any(c.get("peers") for c in conditions):
        return
    keys = {"down_MBps": "down MB/s", "up_MBps": "up",
            "down8_MBps": "8 flows down", "up8_MBps": "8 flows up",
            "rtt_ms": "round trip, ms",
            "rtt_beside_ms": "beside a download, ms"}
    print_row("round trip, loss", "by", *keys.values())
    print("|---" * (2 + len(keys)) + "|")
    for c in conditions:
        for way in [c["ktctl"], *c.get("peers", [])]:
            print_row(f"{c['rtt_ms']} ms, {c['loss']} %", way["name"],
                      *[text(way.get(key)) for key in keys])
    print()


# round trip, loss, row, MB/s
DISTANCE_AIMS = [
    (80, 0, "down", 35), (80, 0, "down8", 110),
    (80, 1, "down", 60), (80, 1, "down8", 95), (80, 1, "up8", 80),
    (20, 1, "down8", 145), (20, 1, "up8", 105),
]


def distance(paths):
    """a file is distance.CONDITION.ROUND.json with both ways' figures"""
    conditions = []
    for path in sorted(paths, key=lambda p: int(p.split(".")[-3])):
        with open(path, encoding="utf-8") as f:
            conditions.append(json.load(f))
    print_row("round trip, loss", "down MB/s: bare", "ktctl", "up: bare",
              "ktctl", "8 flows down: bare", "ktctl", "8 flows up: bare",
              "ktctl", "round trip beside a download, ms",
              "that download, MB/s")
    print("|---" * 11 + "|")
    b = Bars()
    for c in conditions:
        own, bare = c["ktctl"], c["bare"]
        name = f"{c['rtt_ms']} ms, {c['loss']} %"
        cells = []
        for key in ("down", "up", "down8", "up8"):
            key += "_MBps"
            cells += [bare.get(key), own.get(key)]
        for key in ("down", "up", "down8", "up8"):
            b.rows.append((f"{name}: {key}, 0.85 of the bare stream",
                           own.get(f"{key}_MBps"),
                           times(0.85, bare.get(f"{key.strip('8')}_MBps")),
                           True))
        for rtt, loss, key, least in DISTANCE_AIMS:
            if (c["rtt_ms"], c["loss"]) == (rtt, loss):
                b.rows.append((f"{name}: {key}, MB/s",
                               own.get(f"{key}_MBps"), least, True))
        if (c["rtt_ms"], c["loss"]) == (80, 1):
            b.rows.append((f"{name}: down, 4 times a bare connection",
                           own.get("down_MBps"),
                           times(4, bare.get("down_MBps")), True))
        if c["rtt_ms"] == 20 and c["loss"] == 0:
            b.rows.append((f"{name}: one flow, MB/s (250 Mbit/s)",
                           own.get("down_MBps"), 31.25, True))
        b.rows.append((f"{name}: round trip beside a download, ms",
                       own.get("rtt_beside_ms"), 2 * c["rtt_ms"], False))
        print_row(name, *map(text, cells + [own.get("rtt_beside_ms"),
                                            own.get("down_beside_MBps")]))
    print("\nEight bare streams are eight connections.\n")
    distance_peers(conditions)
    for bar in b.rows:
        b.check(*bar)
    print()


def growth(paths):
    """a file is growth.NUMBER.1.json: {title, rows of {name: figure}}"""
    for path in sorted(paths, key=lambda p: int(p.split(".")[-3])):
        with open(path, encoding="utf-8") as f:
            table = json.load(f)
        names = list(table["rows"][0])
        print_row(table["title"], *names[1:])
        print("|---" * len(names) + "|")
        for row in table["rows"]:
            print_row(str(row[names[0]]), *[text(row.get(n))
                                            for n in names[1:]])
        print()


def as_json(out, paths):
    parts = {}
    for path in paths:
        name = os.path.basename(path)[:-len(".json")]
        with open(path, encoding="utf-8") as f:
            parts.setdefault(name.split(".")[0], {})[name] = json.load(f)
    with open(out, "w", encoding="utf-8") as f:
        json.dump(parts, f, indent=1)


def before(paths):
    print_table(SPEED + [("ktctl_idle_MiB", "client without nft, idle, MiB", False)],
                load(paths))


def main():
    what, *rest = sys.argv[1:]
    if what == "--json":
        as_json(rest[0], rest[1:])
    else:
        {"speed": speed, "forward": forward, "exchange": exchange,
         "router": router, "environments": environments, "envs": envs,
         "costs": costs, "before": before, "distance": distance,
         "growth": growth}[what](rest)


if __name__ == "__main__":
    main()
