#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""gate.py PORT UPSTREAM CERT MODE LOG: a TLS proxy in front of an API server

What a company may have there. CERT holds certificate and key. MODE says what
becomes of a request to upgrade to SPDY:
  strip    the header fields of the hop are taken out, as for any proxy that
           does not know them; the rest is passed on
  swallow  no answer ever comes
  refuse   every upgrade, in whatever form, gets 502
  hold     it is passed on; but a write that takes a Service over is carried
           out, and its answer never comes
  hold-replicas  the same with the write that scales something to 0
  pause    it is passed on; of the writes since LOG.at was written anew, the one
           whose number is in it is carried out, and its answer waits until there
           is a LOG.go, or the client is gone. Each write is a line "write NUMBER
           METHOD PATH" in LOG, the one that waits "reached ..." besides
Each upgrade that is asked for is a line "METHOD PROTOCOL" in LOG, and each
answer that is held one "held METHOD".
"""
import os
import select
import socket
import ssl
import sys
import threading


def head_of(conn):
    data = b""
    while b"\r\n\r\n" not in data:
        part = conn.recv(65536)
        if not part:
            return None, b""
        data += part
    head, _, rest = data.partition(b"\r\n\r\n")
    return head.split(b"\r\n"), rest


def field(lines, name):
    for line in lines[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name:
            return value.strip().decode()
    return ""


def relay(a, b):
    try:
        while True:
            data = a.recv(65536)
            if not data:
                break
            b.sendall(data)
    except OSError:
        pass
    for s in (a, b):
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


TAKES_OVER = {"hold": b'"kt-selector":"', "hold-replicas": b'"kt-replicas":"'}
GIVES_BACK = b'"kt-scaled-back":"'


def whole(conn, lines, body):
    """The rest of a request that says how long it is."""
    while len(body) < int(field(lines, b"content-length") or 0):
        body += conn.recv(65536)
    return body


def hold(conn, far, lines, body, mode, log):
    """One request of a connection; True: its answer was held."""
    body = whole(conn, lines, body).replace(b'": "', b'":"')
    method = lines[0].split()[0].decode()
    lines[1:1] = [b"Connection: close"]
    far.sendall(b"\r\n".join(lines) + b"\r\n\r\n")
    far.sendall(body)
    if (method not in ("PUT", "PATCH") or TAKES_OVER[mode] not in body or
            GIVES_BACK in body):
        return False
    while far.recv(65536):
        pass
    log.write(f"held {method}\n")
    log.flush()
    conn.recv(1)
    return True


class Point:
    """Which write waits, and how many there were since that was said"""
    lock = threading.Lock()
    stamp, seen, number = 0, 0, 0

    @classmethod
    def count(cls, path):
        with cls.lock:
            try:
                stamp = os.stat(path + ".at").st_mtime_ns
                if stamp != cls.stamp:
                    with open(path + ".at", encoding="utf-8") as f:
                        cls.number = int(f.read())
                    cls.stamp, cls.seen = stamp, 0
            except (OSError, ValueError):
                pass
            cls.seen += 1
            return cls.seen, cls.seen == cls.number


def pause(conn, far, lines, body, path, log):
    """One request of a connection, whose answer may have to wait."""
    words = lines[0].decode().split()
    writes = words[0] in ("POST", "PUT", "PATCH", "DELETE")
    number, here = Point.count(path) if writes else (0, False)
    body = whole(conn, lines, body)
    lines[1:1] = [b"Connection: close"]
    far.sendall(b"\r\n".join(lines) + b"\r\n\r\n")
    far.sendall(body)
    if writes:
        log.write(f"write {number} {words[0]} {words[1]}\n")
        log.flush()
    if not here:
        return
    answer = b""
    while part := far.recv(65536):
        answer += part
    log.write(f"reached {number} {words[0]} {words[1]}\n")
    log.flush()
    while not os.path.exists(path + ".go"):
        if select.select([conn], [], [], 0.02)[0]:
            return  # it is gone: while it waits it says nothing
    conn.sendall(answer)


def serve(conn, upstream, mode, log):
    lines, rest = head_of(conn)
    if not lines:
        return
    upgrade = field(lines, b"upgrade")
    if upgrade:
        log.write("%s %s\n" % (lines[0].split()[0].decode(), upgrade))
        log.flush()
    if upgrade and mode == "refuse":
        conn.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 16\r\n"
                     b"Connection: close\r\n\r\nsays the old one")
        return
    if upgrade.startswith("SPDY"):
        if mode == "swallow":
            conn.recv(1)
            return
        if mode == "strip":
            lines = [x for x in lines if x.partition(b":")[0].lower()
                     not in (b"upgrade", b"connection")]
    plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    plain.check_hostname = False
    plain.verify_mode = ssl.CERT_NONE
    far = plain.wrap_socket(socket.create_connection(upstream))
    if mode == "pause" and not upgrade:
        pause(conn, far, lines, rest, log.name, log)
    elif mode in TAKES_OVER and not upgrade:
        if hold(conn, far, lines, rest, mode, log):
            return
    else:
        far.sendall(b"\r\n".join(lines) + b"\r\n\r\n" + rest)
    threading.Thread(target=relay, args=(far, conn), daemon=True).start()
    relay(conn, far)


def guarded(raw, tls, *args):
    try:
        with tls.wrap_socket(raw, server_side=True) as conn:
            serve(conn, *args)
    except OSError:
        pass


def main():
    port, upstream, cert, mode, path = sys.argv[1:]
    host, _, there = upstream.rpartition(":")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert)
    log = open(path, "a", encoding="utf-8")
    server = socket.create_server(("127.0.0.1", int(port)))
    while True:
        raw, _ = server.accept()
        threading.Thread(target=guarded, daemon=True, args=(
            raw, tls, (host, int(there)), mode, log)).start()


if __name__ == "__main__":
    main()
