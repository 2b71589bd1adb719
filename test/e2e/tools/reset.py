#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""reset.py HOST [SECONDS]: an idle connection, which has to end with a reset, and not
before it said "running", within so many seconds (120)."""
import socket
import sys

SECONDS = float(sys.argv[2]) if sys.argv[2:] else 120
s = socket.create_connection((sys.argv[1], 7004), SECONDS)
s.sendall(b"a")
if s.recv(1) != b"a":
    sys.exit("no echo")
print("running", flush=True)
try:
    sys.exit(f"not reset: {s.recv(1)!r}")
except ConnectionResetError:
    print("reset")
