#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""procs.py: what sets of processes of this machine cost.

A set is "tree:PID" (that process and all below it) or "net:INODE[:NAME+NAME]"
(all processes of one network namespace, or those with these names).
"""
import os

TICK = os.sysconf("SC_CLK_TCK")


def stat_of(pid):
    """(name, parent, CPU seconds with those of ended children) or None"""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8",
                  errors="replace") as f:
            text = f.read()
    except OSError:
        return None
    name, _, rest = text.partition("(")[2].rpartition(")")
    v = rest.split()
    return name, int(v[1]), sum(map(int, v[11:15])) / TICK


def netns_of(pid):
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return None


def members(spec):
    kind, _, rest = spec.partition(":")
    pids = [int(p) for p in os.listdir("/proc") if p.isdigit()]
    if kind == "net":
        inode, _, names = rest.partition(":")
        wanted = set(names.split("+")) - {""}
        pids = [p for p in pids if netns_of(p) == f"net:[{inode}]"]
        return [p for p in pids
                if not wanted or (stat_of(p) or [""])[0] in wanted]
    found = [int(rest)]
    parents = {p: (stat_of(p) or (0, 0))[1] for p in pids}
    for p in found:
        found += [c for c, parent in parents.items() if parent == p]
    return found


def cpu(spec):
    """CPU seconds until now"""
    return sum((stat_of(p) or (0, 0, 0))[2] for p in members(spec))


def memory(spec, field="VmRSS"):
    """MiB: VmRSS now, VmHWM at most; Private: nobody else's, without the pages of
    libraries that others have mapped, too"""
    total = 0
    name, start = ("smaps_rollup", "Private_") if field == "Private" else (
        "status", field + ":")
    for p in members(spec):
        try:
            with open(f"/proc/{p}/{name}", encoding="utf-8") as f:
                total += sum(int(line.split()[1]) for line in f
                             if line.startswith(start))
        except OSError:
            pass
    return total / 1024


class Sets:
    """named sets, from arguments NAME=SET"""

    def __init__(self, args):
        self.specs = dict(a.split("=", 1) for a in args)

    def cpu(self):
        return {name: cpu(spec) for name, spec in self.specs.items()}

    def memory(self, field="VmRSS"):
        return {name: memory(spec, field)
                for name, spec in self.specs.items()}
