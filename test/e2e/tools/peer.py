#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""peer.py COMMAND...: servers that do what netsrv does not. Runs in a Pod's
network until it has served one client, at most 60 s; prints what it saw.

  busy PORT SECONDS   a listener whose queue is full, for so long: new
                      connections hang, later they are accepted
  half PORT           says "bye", shuts down its side, reads to the end:
                      "COUNT EOF", or the error's name
  watch PORT          reads to the end: "COUNT EOF", or the error's name
"""
import errno
import signal
import socket
import sys
import time


def listener(port, backlog):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("0.0.0.0", int(port)))
    s.listen(backlog)
    return s


def ready():
    print("ready", flush=True)


def drain(s):
    count = 0
    try:
        while True:
            part = s.recv(65536)
            if not part:
                return f"{count} EOF"
            count += len(part)
    except OSError as e:
        return f"{count} {errno.errorcode[e.errno]}"


def busy(port, seconds):
    s = listener(port, 0)
    fill = []
    for _ in range(3):
        c = socket.socket()
        c.setblocking(False)
        c.connect_ex(("127.0.0.1", int(port)))
        fill.append(c)
    time.sleep(0.2)
    ready()
    time.sleep(float(seconds))
    for c in fill:
        c.close()
    while True:
        c, at = s.accept()
        if at[0] != "127.0.0.1":
            break
        c.close()
    print("accepted")


def half(port):
    s = listener(port, 5)
    ready()
    c, _ = s.accept()
    c.sendall(b"bye")
    c.shutdown(socket.SHUT_WR)
    print(drain(c))


def watch(port):
    s = listener(port, 5)
    ready()
    c, _ = s.accept()
    print(drain(c))


if __name__ == "__main__":
    signal.alarm(60)
    {"busy": busy, "half": half, "watch": watch}[sys.argv[1]](*sys.argv[2:])
