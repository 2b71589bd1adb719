#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sessions.py FOLDER COUNT: so many processes, each with a control socket in FOLDER
as a running "ktctl forward" has it; they answer that they are up, or what is written
in FOLDER.state. Prints "ready", and ends with its stdin."""
import json
import os
import pathlib
import signal
import socket
import sys

folder, count = pathlib.Path(sys.argv[1]), int(sys.argv[2])
folder.mkdir(mode=0o700, parents=True, exist_ok=True)
state_file = pathlib.Path(f"{folder}.state")


def session(pid):
    state = state_file.read_text().strip() if state_file.exists() else "up"
    return {"id": f"forward-{pid}", "pid": pid, "command": "forward",
            "target": "web-of-a-rather-long-name 8080:80", "context": "c",
            "namespace": "a-namespace-of-a-rather-long-name",
            "since": "2026-01-31T12:00:00Z", "state": state,
            "probe": {"age_us": 5, "latency_us": 1500}, "bytes_in": 1 << 40,
            "bytes_out": 7, "streams": 3, "reconnects": 0, "last_loss": None, "copies": None, "faults": [],
            "log": None}


def serve():
    pid = os.getpid()
    path = folder / f"forward-{pid}.sock"
    s = socket.socket(socket.AF_UNIX)
    s.bind(str(path))
    s.listen(16)
    os.write(ready, b".")
    while True:
        c, _ = s.accept()
        if c.recv(4096):
            line = json.dumps({"version": 1, "session": session(pid)})
            c.sendall(line.encode() + b"\n")
        c.close()


got, ready = os.pipe()
children = []
for _ in range(count):
    child = os.fork()
    if child == 0:
        os.close(0)
        try:
            serve()
        finally:
            os._exit(1)
    children.append(child)
while count > 0:
    count -= len(os.read(got, 4096))
print("ready", flush=True)
sys.stdin.read()
for child in children:
    os.kill(child, signal.SIGKILL)
