#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""probe.py COMMAND ARGUMENTS...: what a program sees of the network.

Prints one line of plain words; exits 0 also when the network says no, since
that is an observation too. TIME is in ms.

  connect HOST PORT [SECONDS]  "connected TIME", or the error's name and TIME
  udp-error HOST PORT          send on a connected socket: the error's name
  udp-echo HOST PORT SIZE...   "ok SIZE..."
  half-close HOST PORT BYTES   send, shut down, read: "COUNT ok" or what is not
  read HOST PORT               all that is read, then "EOF" or the error's name
  read-then-write HOST PORT BYTES
                               read to the end, then send: "ok", or the error
  reset HOST PORT              connect, one byte, and close with a reset
  abort HOST PORT              connect, send while the other end resets:
                               the error's name
  greet HOST PORT              what the server says first
  tcp-dns SERVER NAME / udp-dns SERVER NAME
                               the first address that SERVER gives
"""
import errno
import hashlib
import socket
import struct
import sys
import time


def name_of(error):
    if isinstance(error, (socket.timeout, TimeoutError)) and not error.errno:
        return "TIMEOUT"
    return errno.errorcode.get(error.errno, str(error))


def address(host, port, kind):
    return socket.getaddrinfo(host, int(port), type=kind)[0]


def dial(host, port, seconds=20.0):
    family, kind, _, _, at = address(host, port, socket.SOCK_STREAM)
    s = socket.socket(family, kind)
    s.settimeout(seconds)
    s.connect(at)
    return s


def udp(host, port):
    family, kind, _, _, at = address(host, port, socket.SOCK_DGRAM)
    s = socket.socket(family, kind)
    s.settimeout(4)
    s.connect(at)
    return s


def read_all(s):
    data = b""
    while True:
        try:
            part = s.recv(65536)
        except OSError as e:
            return data, name_of(e)
        if not part:
            return data, "EOF"
        data += part


def show(data):
    return data.decode("ascii", "backslashreplace").strip()


def connect(host, port, seconds="20"):
    start = time.monotonic()
    try:
        dial(host, port, float(seconds)).close()
        word = "connected"
    except OSError as e:
        word = name_of(e)
    return f"{word} {(time.monotonic() - start) * 1000:.0f}"


def udp_error(host, port):
    s = udp(host, port)
    s.settimeout(1.2)
    try:
        for _ in range(3):
            s.send(b"x")
            try:
                return f"answer {len(s.recv(100))}"
            except socket.timeout:
                pass
        return "TIMEOUT"
    except OSError as e:
        return name_of(e)


def udp_echo(host, port, *sizes):
    s = udp(host, port)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    for size in map(int, sizes):
        data = bytes((i * 7 + size) & 255 for i in range(size))
        s.send(data)
        try:
            got = s.recv(65536)
        except OSError as e:
            return f"{size}: {name_of(e)}"
        if got != data:
            return f"{size}: {len(got)} other bytes"
    return "ok " + " ".join(sizes)


def half_close(host, port, count):
    s = dial(host, port)
    data = bytes(range(256)) * (int(count) // 256 + 1)
    data = data[:int(count)]
    s.sendall(data)
    s.shutdown(socket.SHUT_WR)
    answer, end = read_all(s)
    want = f"{count} {hashlib.sha256(data).hexdigest()}"
    if end != "EOF" or show(answer) != want:
        return f"{show(answer)} {end}"
    return f"{count} ok"


def read(host, port):
    data, end = read_all(dial(host, port))
    return f"{show(data)} {end}".strip()


def read_then_write(host, port, count):
    s = dial(host, port)
    data, end = read_all(s)
    if end != "EOF":
        return f"{show(data)} {end}"
    try:
        s.sendall(b"w" * int(count))
        s.shutdown(socket.SHUT_WR)
    except OSError as e:
        return f"{show(data)} EOF {name_of(e)}"
    return f"{show(data)} EOF ok"


def reset(host, port):
    s = dial(host, port)
    s.sendall(b"x")
    time.sleep(0.3)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
    return "ok"


def abort(host, port):
    try:
        s = dial(host, port)  # the reset may come before this looks
        end = time.monotonic() + 10
        while time.monotonic() < end:
            s.send(b"x")
            time.sleep(0.05)
        return "TIMEOUT"
    except OSError as e:
        return name_of(e)


def greet(host, port):
    return show(dial(host, port).recv(1000))


def question(name):
    labels = b"".join(bytes([len(x)]) + x.encode()
                      for x in name.rstrip(".").split("."))
    return struct.pack("!6H", 0x4b54, 0x0100, 1, 0, 0, 0) + labels + \
        b"\0\0\1\0\1"


def first_address(msg):
    code, answers = msg[3] & 15, struct.unpack_from("!H", msg, 6)[0]
    if code or not answers:
        return f"rcode {code}, {answers} answers"
    return socket.inet_ntoa(msg[-4:]) if answers == 1 else f"{answers} answers"


def udp_dns(server, name):
    s = udp(server, 53)
    s.send(question(name))
    return first_address(s.recv(4096))


def tcp_dns(server, name):
    s = dial(server, 53)
    q = question(name)
    s.sendall(struct.pack("!H", len(q)) + q)
    stream = s.makefile("rb")
    size = struct.unpack("!H", stream.read(2))[0]
    return first_address(stream.read(size))


COMMANDS = {
    "connect": connect, "udp-error": udp_error, "udp-echo": udp_echo,
    "half-close": half_close, "read": read, "reset": reset, "abort": abort,
    "read-then-write": read_then_write, "greet": greet, "udp-dns": udp_dns,
    "tcp-dns": tcp_dns,
}


def main():
    try:
        print(COMMANDS[sys.argv[1]](*sys.argv[2:]))
    except OSError as e:
        print(name_of(e))


if __name__ == "__main__":
    main()
