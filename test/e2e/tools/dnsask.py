#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""dnsask.py [OPTIONS] SERVER <QUESTIONS: ask many questions, print replies.

A question is a line "NAME TYPE", a type also a number. Prints one line for
each, in the same order: rcode, flags, and the records of answer and authority
in an order of their own, so that what two resolvers say can be compared with
diff: without TTLs, without the serial number of a zone (CoreDNS: the time), and
in lower case (who has it in a cache may give another one's).

  --tcp      one connection, questions sent without waiting
  --edns N   with an OPT record which allows N bytes
  --raw      print the reply as it is, in hex (the id excepted)
  --ttl      print the smallest TTL too
"""
import argparse
import ipaddress
import selectors
import socket
import struct
import sys
import time

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "HINFO": 13,
         "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "NAPTR": 35, "SVCB": 64,
         "HTTPS": 65, "CAA": 257, "ANY": 255}
KINDS = {number: name for name, number in TYPES.items()}
CODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN",
         4: "NOTIMP", 5: "REFUSED"}
OPT = 41
WINDOW = 64  # questions in flight
PATIENCE = 3  # seconds, then again, three times


def encode(name):
    out = b""
    for label in filter(None, name.split(".")):
        out += bytes([len(label)]) + label.encode()
    return out + b"\0"


def decode(msg, pos):
    """the name at pos, and where it ends"""
    labels, end, hops = [], None, 0
    while msg[pos]:
        if msg[pos] >= 0xc0:
            end = end or pos + 2
            pos = struct.unpack_from("!H", msg, pos)[0] & 0x3fff
            hops += 1
            if hops > 50:
                raise ValueError("a name without end")
            continue
        labels.append(msg[pos + 1:pos + 1 + msg[pos]])
        pos += 1 + msg[pos]
    name = b".".join(labels).decode("ascii", "backslashreplace") + "."
    return name, end or pos + 1


def rdata(msg, kind, pos, size):
    raw = msg[pos:pos + size]
    if kind in ("A", "AAAA"):
        return str(ipaddress.ip_address(raw))
    if kind in ("NS", "CNAME", "PTR"):
        return decode(msg, pos)[0]
    if kind == "MX":
        return f"{raw[0] << 8 | raw[1]} {decode(msg, pos + 2)[0]}"
    if kind == "SRV":
        return "%d %d %d " % struct.unpack("!3H", raw[:6]) + \
            decode(msg, pos + 6)[0]
    if kind == "SOA":
        first, pos = decode(msg, pos)
        second, pos = decode(msg, pos)
        return f"{first} {second} %d %d %d %d" % \
            struct.unpack_from("!4I", msg, pos + 4)
    return raw.hex()


class Reply:
    def __init__(self, msg):
        (_, flags, questions, *counts) = struct.unpack_from("!6H", msg)
        self.raw = msg
        self.code = CODES.get(flags & 15, str(flags & 15))
        self.flags = [name for bit, name in (
            (0x8000, "qr"), (0x0400, "aa"), (0x0200, "tc"), (0x0100, "rd"),
            (0x0080, "ra")) if flags & bit]
        self.asked, self.sections, self.ttls = [], [], []
        self.edns = False
        pos = 12
        for _ in range(questions):
            name, pos = decode(msg, pos)
            self.asked.append(name)
            pos += 4
        for count in counts:
            records = []
            for _ in range(count):
                pos = self.record(msg, pos, records)
            self.sections.append(sorted(records))
        if pos != len(msg):
            raise ValueError("bytes behind the message")

    def record(self, msg, pos, records):
        name, pos = decode(msg, pos)
        number, _, ttl, size = struct.unpack_from("!HHIH", msg, pos)
        pos += 10
        if number == OPT:
            self.edns = True
        else:
            kind = KINDS.get(number, f"TYPE{number}")
            data = rdata(msg, kind, pos, size)
            records.append(f"{name.lower()} {kind} {data.lower()}")
            self.ttls.append(ttl)
        return pos + size

    def text(self):
        words = [self.code, "+".join(self.flags + ["opt"] * self.edns)]
        for title, records in zip(("an", "ns"), self.sections):
            if records:
                words.append(f"{title}[{'; '.join(records)}]")
        return " ".join(words)


class Asker:
    def __init__(self, args, questions):
        self.args, self.questions = args, questions
        self.replies = [None] * len(questions)
        self.tries = {}  # index: (tries, time of the last)
        self.selector = selectors.DefaultSelector()
        self.sock = None
        self.dial()

    def dial(self):
        if self.sock:
            self.selector.unregister(self.sock)
            self.sock.close()
        family = socket.AF_INET6 if ":" in self.args.server else \
            socket.AF_INET
        kind = socket.SOCK_STREAM if self.args.tcp else socket.SOCK_DGRAM
        self.sock = socket.socket(family, kind)
        self.sock.settimeout(10)
        self.sock.connect((self.args.server, self.args.port))
        self.stream = b""
        self.selector.register(self.sock, selectors.EVENT_READ)

    def dial_again(self):
        """a server may close a connection after so many questions"""
        self.dial()
        for index, (tries, _) in list(self.tries.items()):
            self.tries[index] = (tries, time.monotonic())
            self.sock.sendall(self.framed(index))

    def message(self, index):
        name, kind = self.questions[index]
        number = TYPES.get(kind) or int(kind.removeprefix("TYPE"))
        opt = b""
        if self.args.edns:
            opt = struct.pack("!BHHIH", 0, OPT, self.args.edns, 0, 0)
        return struct.pack("!6H", index, 0x0100, 1, 0, 0, bool(opt)) + \
            encode(name) + struct.pack("!HH", number, 1) + opt

    def send(self, index):
        tries, _ = self.tries.get(index, (0, 0))
        self.tries[index] = (tries + 1, time.monotonic())
        try:
            self.sock.sendall(self.framed(index))
        except (BrokenPipeError, ConnectionResetError):
            self.dial_again()

    def framed(self, index):
        msg = self.message(index)
        return struct.pack("!H", len(msg)) + msg if self.args.tcp else msg

    def received(self):
        """the messages that are there now"""
        if not self.args.tcp:
            return [self.sock.recv(65535)]
        try:
            part = self.sock.recv(65535)
        except ConnectionResetError:
            part = b""
        if not part:
            self.dial_again()
            return []
        self.stream += part
        out = []
        while len(self.stream) >= 2:
            size = struct.unpack_from("!H", self.stream)[0]
            if len(self.stream) < 2 + size:
                break
            out.append(self.stream[2:2 + size])
            self.stream = self.stream[2 + size:]
        return out

    def again(self):
        now = time.monotonic()
        for index, (tries, at) in list(self.tries.items()):
            if now - at < PATIENCE:
                continue
            if tries >= 3:
                self.replies[index] = b""
                del self.tries[index]
            elif not self.args.tcp:
                self.send(index)
            else:
                self.tries[index] = (tries + 1, now)

    def run(self):
        index = 0
        while index < len(self.questions) or self.tries:
            while index < len(self.questions) and len(self.tries) < WINDOW:
                self.send(index)
                index += 1
            if self.selector.select(0.2):
                for msg in self.received():
                    number = struct.unpack_from("!H", msg)[0]
                    if self.tries.pop(number, None):
                        self.replies[number] = msg
            self.again()


def show(args, question, msg):
    if not msg:
        return " ".join(question) + ": no reply"
    if args.raw:
        return " ".join(question) + ": " + msg[2:].hex()
    try:
        r = Reply(msg)
        line = " ".join(question) + ": " + r.text()
        if r.asked != [question[0].rstrip(".") + "."]:
            line += f" asked: {r.asked}"
        if args.ttl:
            line += f" ttl={min(r.ttls, default=-1)}"
    except (ValueError, IndexError, struct.error) as e:
        return f"{' '.join(question)}: bad reply ({e}): {msg.hex()}"
    return line


def main():
    p = argparse.ArgumentParser()
    p.add_argument("server")
    p.add_argument("--port", type=int, default=53)
    p.add_argument("--tcp", action="store_true")
    p.add_argument("--edns", type=int, default=0)
    p.add_argument("--raw", action="store_true")
    p.add_argument("--ttl", action="store_true")
    args = p.parse_args()
    questions = [tuple(line.split()) for line in sys.stdin if line.strip()]
    if len(questions) > 65536:
        sys.exit("too many questions")
    asker = Asker(args, questions)
    asker.run()
    for question, msg in zip(questions, asker.replies):
        print(show(args, question, msg))


if __name__ == "__main__":
    main()
