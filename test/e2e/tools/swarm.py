#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""swarm.py [-c CONNECTIONS] [-n REQUESTS] [-m MARKS] [-o OWN] HOST PORT [PATH]

REQUESTS HTTP requests over as many CONNECTIONS, which are all open before the
first is sent; each connection sends its next request when it has the answer.
Each request carries, by chance, one of the marks "VERSION: u1" to "u<MARKS>" or
none, and who answered (X-Served-By) has to be u<N>, or OWN* without a mark.
Prints one line of JSON:
  {"sent": N, "failed": {"ECONNRESET": N, ...}, "misrouted": {"u3 by u4": N, ...},
   "by": {"u1": N, ...}, "seconds": S, "slowest_ms": N}
"""
import argparse
import asyncio
import collections
import errno
import json
import random
import time

TIMEOUT = 60


class Swarm:
    def __init__(self, opt):
        self.opt = opt
        self.left = opt.requests
        self.sent = 0
        self.slowest = 0
        self.failed = collections.Counter()
        self.misrouted = collections.Counter()
        self.by = collections.Counter()

    def request(self, mark):
        field = f"VERSION: {mark}\r\n" if mark else ""
        return (f"GET {self.opt.path} HTTP/1.1\r\nHost: {self.opt.host}\r\n"
                f"{field}\r\n").encode()

    def check(self, mark, name):
        self.by[name] += 1
        good = name == mark if mark else name.startswith(self.opt.own)
        if not good:
            self.misrouted[f"{mark or 'none'} by {name}"] += 1

    async def answer(self, reader):
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin1").split("\r\n")
        fields = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            fields[name.lower()] = value.strip()
        await reader.readexactly(int(fields.get("content-length", 0)))
        if lines[0].split(" ")[1] != "200":
            raise OSError(0, lines[0])
        return fields

    async def ask(self, reader, writer):
        n = random.randint(0, self.opt.marks)
        mark = f"u{n}" if n else None
        start = time.monotonic()
        self.sent += 1
        writer.write(self.request(mark))
        fields = await asyncio.wait_for(self.answer(reader), TIMEOUT)
        self.slowest = max(self.slowest, time.monotonic() - start)
        self.check(mark, fields.get("x-served-by", "?"))
        return fields.get("connection", "").lower() != "close"

    def fail(self, error):
        if isinstance(error, asyncio.TimeoutError):
            word = "TIMEOUT"
        elif isinstance(error, asyncio.IncompleteReadError):
            word = "EOF" if not error.partial else "CUT"
        else:
            word = errno.errorcode.get(error.errno or 0, str(error))
        self.failed[word] += 1

    async def connect(self):
        return await asyncio.wait_for(
            asyncio.open_connection(self.opt.host, self.opt.port), TIMEOUT)

    async def one(self, opened, go):
        streams = None
        try:
            streams = await self.connect()
        except (OSError, asyncio.TimeoutError) as e:
            self.fail(e)
        opened.release()
        await go.wait()
        while streams and self.left > 0:
            self.left -= 1
            try:
                if not await self.ask(*streams):
                    streams[1].close()
                    streams = await self.connect()
            except (OSError, asyncio.TimeoutError,
                    asyncio.IncompleteReadError) as e:
                self.fail(e)
                break
        if streams:
            streams[1].close()

    async def run(self):
        opened, go = asyncio.Semaphore(0), asyncio.Event()
        tasks = [asyncio.create_task(self.one(opened, go))
                 for _ in range(self.opt.connections)]
        for _ in tasks:
            await opened.acquire()
        start = time.monotonic()
        go.set()
        await asyncio.gather(*tasks)
        print(json.dumps({"sent": self.sent, "failed": self.failed,
                          "misrouted": self.misrouted, "by": self.by,
                          "seconds": round(time.monotonic() - start, 1),
                          "slowest_ms": round(self.slowest * 1000)}))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("-c", dest="connections", type=int, default=100)
    p.add_argument("-n", dest="requests", type=int, default=1000)
    p.add_argument("-m", dest="marks", type=int, default=0)
    p.add_argument("-o", dest="own", default="")
    p.add_argument("host")
    p.add_argument("port", type=int)
    p.add_argument("path", nargs="?", default="/")
    asyncio.run(Swarm(p.parse_args()).run())


if __name__ == "__main__":
    main()
