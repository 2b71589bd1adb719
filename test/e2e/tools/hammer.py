#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""hammer.py [-k] [-r RATE] [-t SECONDS] [-s FILE] [-H NAME:VALUE] HOST PORT [PATH]

A steady stream of HTTP requests until FILE exists or the time is over, each on a
connection of its own (-k: on eight kept ones). FILE.begun is made when the first
one (-k: of each) is over. Prints one line of JSON:
  {"sent": N, "failed": {"ECONNREFUSED": N, ...}, "by": {"SERVER": N, ...},
   "again": N, "slowest_ms": N, "gap_ms": N, "outage_ms": N}
by: who answered (X-Served-By). again: of the sent, on kept connections that were
closed at that moment, without a byte of an answer; repeated as HTTP clients do
(RFC 9112 section 9.3.1). gap_ms: the longest time without an answer. outage_ms:
the longest time between the first and the last of failed requests, as they were
sent, where the next one is less than half a second away (not with -k). Each that
failed is a line on stderr: when it began (Unix seconds), the port that it came
from, how far it got.
"""
import argparse
import asyncio
import collections
import contextlib
import errno
import json
import os
import sys
import time

TIMEOUT = 10


class Hammer:
    def __init__(self, opt):
        self.opt = opt
        self.failed = collections.Counter()
        self.by = collections.Counter()
        self.sent = 0
        self.again = 0
        self.slowest = 0
        self.gap = 0
        self.bad = []
        self.last = time.monotonic()
        self.stop = asyncio.Event()
        fields = "".join(f"{h.replace(':', ': ', 1)}\r\n" for h in opt.header)
        end = "keep-alive" if opt.keep else "close"
        self.request = (f"GET {opt.path} HTTP/1.1\r\nHost: {opt.host}\r\n"
                        f"{fields}Connection: {end}\r\n\r\n").encode()

    async def answer(self, reader):
        head = await reader.readuntil(b"\r\n\r\n")
        status = head.split(b" ", 2)[1].decode()
        fields = {}
        for line in head.decode("latin1").split("\r\n")[1:]:
            name, _, value = line.partition(":")
            fields[name.lower()] = value.strip()
        try:
            await reader.readexactly(int(fields.get("content-length", 0)))
        except asyncio.IncompleteReadError as e:
            raise OSError(0, "CUT") from e
        if status != "200":
            raise OSError(0, f"status {status}")
        self.by[fields.get("x-served-by", "?")] += 1
        now = time.monotonic()
        self.gap = max(self.gap, now - self.last)
        self.last = now
        return fields.get("connection", "").lower() != "close"

    async def ask(self, reader, writer):
        start = time.monotonic()
        writer.write(self.request)
        again = await asyncio.wait_for(self.answer(reader), TIMEOUT)
        self.slowest = max(self.slowest, time.monotonic() - start)
        return again

    def fail(self, error, writer, start):
        if isinstance(error, asyncio.TimeoutError):
            word = "TIMEOUT"
        elif isinstance(error, asyncio.IncompleteReadError):
            word = "EOF" if not error.partial else "CUT"
        else:
            word = errno.errorcode.get(error.errno or 0, str(error))
        self.failed[word] += 1
        ago = time.monotonic() - start
        port = writer.get_extra_info("sockname")[1] if writer else "-"
        print(f"{time.time() - ago:.3f} port {port}: {word} after {ago:.3f} s",
              file=sys.stderr, flush=True)

    async def once(self):
        writer = None
        self.sent += 1
        start = time.monotonic()
        try:
            reader, writer = await asyncio.wait_for(
                asyncio.open_connection(self.opt.host, self.opt.port), TIMEOUT)
            await self.ask(reader, writer)
        except (OSError, asyncio.TimeoutError,
                asyncio.IncompleteReadError) as e:
            self.fail(e, writer, start)
            self.bad.append(start)
        finally:
            if writer:
                writer.close()

    async def kept(self, pause):
        """One connection; a new one where the server has closed the old, as far
        as is known when the next request is due."""
        reader = writer = None
        while not self.stop.is_set():
            self.sent += 1
            start = time.monotonic()
            if writer and reader.at_eof():
                writer.close()
                writer = None
            try:
                if not writer:
                    used = False
                    reader, writer = await asyncio.open_connection(
                        self.opt.host, self.opt.port)
                if not await self.ask(reader, writer):
                    writer.close()
                    writer = None
                used = True
            except (asyncio.IncompleteReadError, ConnectionResetError) as e:
                if used and not getattr(e, "partial", b""):
                    self.again += 1
                else:
                    self.fail(e, writer, start)
                writer.close()
                writer = None
                continue
            except (OSError, asyncio.TimeoutError) as e:
                self.fail(e, writer, start)
                if writer:
                    writer.close()
                writer = None
            await asyncio.sleep(pause)

    def outage(self):
        longest, first, last = 0, None, None
        for at in sorted(self.bad):
            if last is None or at - last >= 0.5:
                first = at
            last = at
            longest = max(longest, last - first)
        return longest

    def begun(self):
        done = sum(self.by.values()) + sum(self.failed.values())
        return done >= (8 if self.opt.keep else 1)

    def told(self):
        """To stop; so is who outlives the folder of the test that began it."""
        file = self.opt.stop
        return file and (os.path.exists(file) or
                         not os.path.isdir(os.path.dirname(file) or "."))

    async def watch(self):
        while not self.told():
            await asyncio.sleep(0.1)
            if self.opt.stop and self.begun():
                with contextlib.suppress(FileNotFoundError), \
                        open(self.opt.stop + ".begun", "w", encoding="ascii"):
                    pass
        self.stop.set()

    async def run(self):
        loop = asyncio.get_running_loop()
        watch = asyncio.create_task(self.watch())
        loop.call_later(self.opt.time, self.stop.set)
        tasks = set()
        if self.opt.keep:
            tasks = {asyncio.create_task(self.kept(8 / self.opt.rate))
                     for _ in range(8)}
        due = time.monotonic()
        while not self.stop.is_set():
            if not self.opt.keep:
                task = asyncio.create_task(self.once())
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            due += 1 / self.opt.rate
            await asyncio.sleep(max(0, due - time.monotonic()))
        watch.cancel()
        await asyncio.gather(*tasks)
        print(json.dumps({"sent": self.sent, "failed": self.failed,
                          "by": self.by, "again": self.again,
                          "slowest_ms": round(self.slowest * 1000),
                          "gap_ms": round(self.gap * 1000),
                          "outage_ms": round(self.outage() * 1000)}))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("-k", dest="keep", action="store_true")
    p.add_argument("-r", dest="rate", type=float, default=200)
    p.add_argument("-s", dest="stop")
    p.add_argument("-t", dest="time", type=float, default=60)
    p.add_argument("-H", dest="header", action="append", default=[])
    p.add_argument("host")
    p.add_argument("port", type=int)
    p.add_argument("path", nargs="?", default="/")
    asyncio.run(Hammer(p.parse_args()).run())


main()
