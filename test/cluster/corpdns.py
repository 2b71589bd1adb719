#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""corpdns.py LOG API-ADDRESS LISTEN-ADDRESS...: the office's name server.

It knows the zone corp.test and example.com, over UDP and TCP, and writes one
line per question to LOG: "CLIENT PROTOCOL TYPE NAME", so that a test can
tell which names left the laptop.

Beside ordinary names it has some that misbehave:
  big.corp.test      40 addresses: truncated on UDP unless EDNS allows it
  huge.corp.test     TXT of 6 KB: truncated on UDP always
  slow.corp.test     answers after 2 s
  silent.corp.test   never answers
  servfail.corp.test, refused.corp.test   answer with that code
"""
import ipaddress
import socket
import struct
import sys
import threading
import time

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15,
         "TXT": 16, "AAAA": 28, "SRV": 33, "HTTPS": 65, "ANY": 255}
NAMES = {number: name for name, number in TYPES.items()}
OPT = 41
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)
TTL = 60
EDNS_SIZE = 4096

RECORDS = {}


def add(name, kind, *values):
    RECORDS.setdefault(name, {}).setdefault(kind, []).extend(values)


def fill(api_address):
    for zone in ("corp.test", "example.com", ""):
        add(zone, "SOA", f"ns.{zone} hostmaster.{zone} 1 3600 600 86400 60")
        add(zone, "NS", f"ns.{zone}" if zone else "ns.corp.test")
    add("ns.corp.test", "A", "10.77.0.53")
    add("ns.corp.test", "AAAA", "fd77::53")
    add("corp.test", "A", "10.77.0.80")
    add("corp.test", "MX", "10 mail.corp.test", "20 backup.corp.test")
    add("corp.test", "TXT", "v=spf1 mx -all")
    add("mail.corp.test", "A", "10.77.0.25")
    add("www.corp.test", "A", "10.77.0.80")
    add("www.corp.test", "AAAA", "fd77::80")
    add("intra.corp.test", "A", "10.77.0.81")
    add("v6only.corp.test", "AAAA", "fd77::81")
    add("alias.corp.test", "CNAME", "www.corp.test")
    add("chain.corp.test", "CNAME", "alias.corp.test")
    add("outside.corp.test", "CNAME", "www.example.com")
    add("_ldap._tcp.corp.test", "SRV", "0 5 389 intra.corp.test")
    add("api.corp.test", "A", api_address)
    add("big.corp.test", "A", *(f"10.77.1.{i}" for i in range(1, 41)))
    add("huge.corp.test", "TXT", *(f"{i:02d}" + "x" * 200
                                   for i in range(30)))
    add("80.0.77.10.in-addr.arpa", "PTR", "www.corp.test")
    for odd in ("slow", "silent", "servfail", "refused"):
        add(f"{odd}.corp.test", "A", "10.77.0.99")
    add("example.com", "A", "203.0.113.10")
    add("www.example.com", "A", "203.0.113.11")


def encode_name(name):
    out = b""
    for label in filter(None, name.split(".")):
        out += bytes([len(label)]) + label.encode()
    return out + b"\0"


def rdata(kind, value):
    if kind in ("A", "AAAA"):
        return ipaddress.ip_address(value).packed
    if kind in ("NS", "CNAME", "PTR"):
        return encode_name(value)
    if kind == "TXT":
        return bytes([len(value)]) + value.encode()
    *numbers, name = value.split()
    if kind in ("MX", "SRV"):
        return struct.pack(f"!{len(numbers)}H",
                           *map(int, numbers)) + encode_name(name)
    primary, mailbox, *numbers = value.split()  # SOA
    return (encode_name(primary) + encode_name(mailbox) +
            struct.pack("!5I", *map(int, numbers)))


def record(name, kind, value):
    data = rdata(kind, value)
    return (encode_name(name) +
            struct.pack("!HHIH", TYPES[kind], 1, TTL, len(data)) + data)


def exists(name):
    """A name is there if it has records or has names below it."""
    return name in RECORDS or any(n.endswith("." + name) for n in RECORDS)


def lookup(name, kind):
    """Return (code, answers, authority) for a name in lower case."""
    answers = []
    for _ in range(8):
        if not exists(name):
            return NXDOMAIN, answers, [soa_of(name)]
        here = RECORDS.get(name, {})
        wanted = here if kind == "ANY" else {kind: here.get(kind, [])}
        found = [record(name, k, v) for k in wanted for v in wanted[k]]
        if found or "CNAME" not in here:
            break
        target = here["CNAME"][0]
        answers.append(record(name, "CNAME", target))
        name = target
    if not found:
        return NOERROR, answers, [soa_of(name)]
    return NOERROR, answers + found, []


def soa_of(name):
    while name and "SOA" not in RECORDS.get(name, {}):
        name = name.partition(".")[2]
    return record(name, "SOA", RECORDS[name]["SOA"][0])


class Query:
    """The parts of a question that matter here."""

    def __init__(self, packet):
        (self.id, self.flags, questions, _, _,
         extra) = struct.unpack_from("!6H", packet)
        pos, labels = 12, []
        while packet[pos]:
            labels.append(packet[pos + 1:pos + 1 + packet[pos]])
            pos += 1 + packet[pos]
        pos += 1
        number = struct.unpack_from("!H", packet, pos)[0]
        # sent back as it came, with the case of its letters
        self.question = packet[12:pos + 4]
        self.name = b".".join(labels).decode(errors="replace").lower()
        self.kind = NAMES.get(number, f"TYPE{number}")
        self.edns = None  # the answer size the client allows
        rest = packet[pos + 4:]
        if extra and rest[:1] == b"\0" and \
                struct.unpack_from("!H", rest, 1)[0] == OPT:
            self.edns = max(512, struct.unpack_from("!H", rest, 3)[0])
        self.ok = questions == 1

    def reply(self, code, answers=(), authority=(), limit=65535):
        opt = b""
        if self.edns is not None:
            opt = struct.pack("!BHHIH", 0, OPT, EDNS_SIZE, 0, 0)
        size = 12 + len(self.question) + len(opt) + \
            sum(map(len, answers)) + sum(map(len, authority))
        flags = 0x8580 | self.flags & 0x0100 | code
        if size > limit:
            flags |= 0x0200
            answers = authority = ()
        return struct.pack("!6H", self.id, flags, 1, len(answers),
                           len(authority), bool(opt)) + \
            self.question + b"".join([*answers, *authority, opt])


class Server:
    def __init__(self, log):
        self.log = log
        self.lock = threading.Lock()

    def answer(self, packet, client, protocol):
        """Return the reply's bytes, or None to stay silent."""
        try:
            query = Query(packet)
        except (IndexError, struct.error):
            return None
        with self.lock:
            print(client.removeprefix("::ffff:"), protocol, query.kind,
                  query.name, file=self.log, flush=True)
        if not query.ok or query.flags & 0x7800:
            return query.reply(NOTIMP)
        if query.name == "silent.corp.test":
            return None
        if query.name == "servfail.corp.test":
            return query.reply(SERVFAIL)
        if query.name == "refused.corp.test":
            return query.reply(REFUSED)
        if query.name == "slow.corp.test":
            time.sleep(2)
        limit = 65535
        if protocol == "udp":
            limit = min(query.edns or 512, EDNS_SIZE)
        return query.reply(*lookup(query.name, query.kind), limit)

    def serve_udp(self, address):
        sock = listener(address, socket.SOCK_DGRAM)

        def one(packet, client):
            reply = self.answer(packet, client[0], "udp")
            if reply:
                sock.sendto(reply, client)

        while True:
            run(one, *sock.recvfrom(65535))

    def serve_tcp(self, address):
        sock = listener(address, socket.SOCK_STREAM)
        sock.listen(128)

        def one(conn, client):
            with conn:
                conn.settimeout(10)
                stream = conn.makefile("rb")
                while len(head := stream.read(2)) == 2:
                    packet = stream.read(struct.unpack("!H", head)[0])
                    reply = self.answer(packet, client[0], "tcp")
                    if reply:
                        conn.sendall(struct.pack("!H", len(reply)) + reply)

        while True:
            run(one, *sock.accept())


def listener(address, kind):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, 53))
    return sock


def run(function, *args):
    """Run it in a thread, where a client that went away is no error."""
    def body():
        try:
            function(*args)
        except OSError:
            pass
    threading.Thread(target=body, daemon=True).start()


def main():
    log, api_address, *addresses = sys.argv[1:]
    fill(api_address)
    with open(log, "a", encoding="utf-8") as f:
        server = Server(f)
        for address in addresses:
            run(server.serve_udp, address)
            run(server.serve_tcp, address)
        threading.Event().wait()


if __name__ == "__main__":
    main()
