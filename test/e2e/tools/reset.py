#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""reset.py HOST: an idle connection, which has to end with a reset, and not
before it said "running"."""
import socket
import sys

s = socket.create_connection((sys.argv[1], 7004), 120)
s.sendall(b"a")
if s.recv(1) != b"a":
    sys.exit("no echo")
print("running", flush=True)
try:
    sys.exit(f"not reset: {s.recv(1)!r}")
except ConnectionResetError:
    print("reset")
