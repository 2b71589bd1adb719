#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""proxy.py UPSTREAM CERT KEY CA CONTROL: what may stand before an API server

Two doors on 127.0.0.1: at 6443 bytes are passed on as they are, at 6444 TLS ends
(CERT, KEY; UPSTREAM, HOST:PORT, is asked under CA), so that requests are seen.
The file CONTROL has one line, "FAULT [ARGUMENT]", and is read again when it
changes; "pass" is no fault. Each change of the door's own fault ends what is
open there, unless said otherwise.

At 6443, for each connection:
  cut N, reset N    it ends, or is reset, after N more bytes; open ones, too
  drip              one byte at a time, both ways; open ones, too
  delay MS          each piece comes so much later; open ones, too
  idle MS           it ends when it was silent for so long; open ones, too
  stall             nothing passes; open ones, too, and they go on afterwards
  alert             a TLS alert, in open ones as well
  portal            a page in plain text, as captive portals have it
At 6444, for each request:
  status CODE [S]   refused with a Status (Retry-After: S)
  html, garbage     200, and what is no JSON
  short             200, and the end before the length that was announced
  huge              200, and JSON without an end
  slow              200, and JSON that comes a byte at a time
  watch-end, gone   watches end at once; with 410 Gone. All else passes
  upgrade CODE      requests to upgrade are refused. All else passes
  upgrade-stall     ... are never answered
"""
import asyncio
import json
import os
import socket
import ssl
import struct
import sys

PIECE = 16384
REASONS = {400: "BadRequest", 401: "Unauthorized", 403: "Forbidden",
           404: "NotFound", 409: "Conflict", 410: "Expired",
           429: "TooManyRequests", 500: "InternalError",
           503: "ServiceUnavailable", 504: "Timeout"}
RAW = {"cut", "reset", "drip", "delay", "idle", "stall", "alert", "portal"}
KEEPS = {"cut", "reset", "drip", "delay", "idle", "stall"}


class Ended(Exception):
    """This connection is over, by the fault"""


class Door:
    """The fault of now, and the connections that are open"""

    def __init__(self, raw):
        self.raw = raw
        self.fault, self.args = "pass", []
        self.open = set()
        self.changed = asyncio.Event()

    def set(self, fault, args):
        if fault != "pass" and (fault in RAW) != self.raw:
            return
        before = self.fault
        self.fault, self.args = fault, args
        self.changed.set()
        self.changed = asyncio.Event()
        for link in list(self.open):
            link.left = None
            if fault == "pass" or fault == before or fault in KEEPS:
                continue
            if fault == "alert":
                link.client.write(ALERT)
            link.end(False)

    def number(self):
        return int(self.args[0]) if self.args else 0


ALERT = bytes([21, 3, 3, 0, 2, 2, 40])


class Link:
    def __init__(self, door, client, far):
        self.door, self.client, self.far = door, client, far
        self.left = None  # bytes until "cut" or "reset"
        self.heard = 0.0
        door.open.add(self)

    def end(self, hard):
        for writer in (self.client, self.far):
            if writer is None:
                continue
            sock = writer.get_extra_info("socket")
            if hard and sock is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                struct.pack("ii", 1, 0))
                writer.transport.abort()
            else:
                writer.close()
        self.door.open.discard(self)

    async def pass_on(self, data, to):
        door = self.door
        while door.fault == "stall":
            await door.changed.wait()
        if door.fault in ("cut", "reset"):
            if self.left is None:
                self.left = door.number()
            to.write(data[:self.left])
            self.left -= len(data)
            if self.left < 0:
                await to.drain()
                self.end(door.fault == "reset")
                raise Ended
            return
        if door.fault == "drip":
            for i in range(len(data)):
                if door.fault != "drip":
                    to.write(data[i:])
                    break
                to.write(data[i:i + 1])
                await asyncio.sleep(0)
            return
        if door.fault == "delay":
            await asyncio.sleep(door.number() / 1000)
        to.write(data)

    async def pump(self, reader, to):
        clock = asyncio.get_running_loop().time
        try:
            while data := await reader.read(PIECE):
                self.heard = clock()
                await self.pass_on(data, to)
                await to.drain()
            if to.can_write_eof():
                to.write_eof()
        except (OSError, Ended, RuntimeError):
            self.end(False)

    async def watch_silence(self):
        clock = asyncio.get_running_loop().time
        while self in self.door.open:
            await asyncio.sleep(0.1)
            if (self.door.fault == "idle" and
                    clock() - self.heard > self.door.number() / 1000):
                self.end(False)

    async def run(self, reader, far_reader):
        self.heard = asyncio.get_running_loop().time()
        silence = asyncio.create_task(self.watch_silence())
        await asyncio.gather(self.pump(reader, self.far),
                             self.pump(far_reader, self.client))
        silence.cancel()
        self.end(False)


async def raw_accepted(door, upstream, reader, client):
    if door.fault == "alert":
        client.write(ALERT)
        client.close()
        return
    if door.fault == "portal":
        client.write(b"HTTP/1.1 302 Found\r\nLocation: http://portal.test/\r\n"
                     b"Content-Length: 0\r\nConnection: close\r\n\r\n")
        client.close()
        return
    try:
        far_reader, far = await asyncio.open_connection(*upstream)
    except OSError:
        client.close()
        return
    for writer in (client, far):
        writer.get_extra_info("socket").setsockopt(
            socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    await Link(door, client, far).run(reader, far_reader)


# --- requests -----------------------------------------------------------------

def answer(code, body, kind="application/json", more=""):
    return (f"HTTP/1.1 {code} X\r\nContent-Type: {kind}\r\n{more}"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            ).encode() + body


def refusal(code, seconds=None):
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {},
              "status": "Failure", "message": f"the proxy's own {code}",
              "reason": REASONS.get(code, "Unknown"), "code": code}
    more = f"Retry-After: {seconds}\r\n" if seconds else ""
    return answer(code, json.dumps(status).encode(), more=more)


CHUNKED = (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
           b"Transfer-Encoding: chunked\r\n\r\n")


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


async def endless(door, client, piece, pause):
    client.write(CHUNKED + chunk(b'{"kind": "List", "items": ["'))
    fault = door.fault
    while door.fault == fault:
        client.write(chunk(piece))
        await client.drain()
        await asyncio.sleep(pause)


async def faulty(door, head, client):
    """The answer of the fault; False: the request is to pass"""
    line = head.split(b"\r\n", 1)[0].decode("latin1")
    upgrade = b"\r\nupgrade:" in head.lower()
    watch = "watch=" in line
    fault, args = door.fault, door.args
    if fault == "status":
        client.write(refusal(int(args[0]), args[1] if args[1:] else None))
    elif fault == "html":
        client.write(answer(200, b"<html>Please log in</html>", "text/html"))
    elif fault == "garbage":
        client.write(answer(200, b'{"kind": \xff\x00 "Pod"]'))
    elif fault == "short":
        client.write(answer(200, b" " * 4000)[:-3990])
    elif fault == "huge":
        await endless(door, client, b"x" * 60000, 0)
    elif fault == "slow":
        await endless(door, client, b"x", 0.05)
    elif fault == "watch-end" and watch:
        client.write(CHUNKED + b"0\r\n\r\n")
    elif fault == "gone" and watch:
        event = {"type": "ERROR", "object": {
            "kind": "Status", "status": "Failure", "reason": "Expired",
            "message": "too old resource version", "code": 410}}
        client.write(CHUNKED + chunk(json.dumps(event).encode() + b"\n") +
                     b"0\r\n\r\n")
    elif fault == "upgrade" and upgrade:
        client.write(refusal(int(args[0])))
    elif fault == "upgrade-stall" and upgrade:
        while door.fault == fault:
            await door.changed.wait()
    else:
        return False
    return True


def length_of(head):
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0


async def requests(link, reader):
    """What the client sends, request by request"""
    door = link.door
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(length_of(head))
        if await faulty(door, head, link.client):
            await link.client.drain()
            link.end(False)
            return
        link.far.write(head + body)
        await link.far.drain()
        if b"\r\nupgrade:" in head.lower():
            while data := await reader.read(PIECE):
                link.far.write(data)
                await link.far.drain()
            return


async def answers(link, far_reader):
    while data := await far_reader.read(PIECE):
        link.client.write(data)
        await link.client.drain()


async def tls_accepted(door, upstream, far_tls, reader, client):
    try:
        far_reader, far = await asyncio.open_connection(
            *upstream, ssl=far_tls, server_hostname=upstream[0])
    except OSError:
        client.close()
        return
    link = Link(door, client, far)
    both = [asyncio.create_task(requests(link, reader)),
            asyncio.create_task(answers(link, far_reader))]
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    for task in both:
        task.cancel()
    await asyncio.gather(*both, return_exceptions=True)
    link.end(False)


async def follow(path, doors):
    last = None
    while True:
        try:
            with open(path, encoding="utf-8") as f:
                words = f.read().split()
                stat = os.fstat(f.fileno())  # it is moved there, whole
                stamp = stat.st_ino, stat.st_mtime_ns, words
        except OSError:
            words = []
        if words and stamp != last:
            last = stamp
            for door in doors:
                door.set(words[0], words[1:])
            with open(path + ".set", "w", encoding="utf-8") as f:
                f.write(" ".join(words) + "\n")
        await asyncio.sleep(0.02)


async def main():
    where, cert, key, ca, control = sys.argv[1:]
    host, _, port = where.rpartition(":")
    upstream = host, int(port)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert, key)
    far_tls = ssl.create_default_context(cafile=ca)
    raw, seen = Door(True), Door(False)
    await asyncio.start_server(
        lambda r, w: raw_accepted(raw, upstream, r, w), "127.0.0.1", 6443)
    await asyncio.start_server(
        lambda r, w: tls_accepted(seen, upstream, far_tls, r, w),
        "127.0.0.1", 6444, ssl=tls)
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    await follow(control, (raw, seen))


asyncio.run(main())
