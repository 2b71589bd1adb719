#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""terminal.py COLUMNS PROGRAM ARGUMENT...: run it in a terminal of that width and
24 lines, until it ends; what it writes there goes to stdout, its exit status is
this one's. With TYPE=WORD:TEXT in the environment TEXT is typed as soon as WORD
was written."""
import fcntl
import os
import pty
import struct
import sys
import termios

word, _, text = os.environ.pop("TYPE", "").partition(":")
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, int(sys.argv[1]), 0, 0))
    os.environ["TERM"] = "xterm"
    os.execv(sys.argv[2], sys.argv[2:])
said = b""
while True:
    try:
        data = os.read(fd, 65536)
    except OSError:
        break  # nobody has the terminal any more
    if not data:
        break
    sys.stdout.buffer.write(data)
    sys.stdout.flush()
    said += data
    if word and word.encode() in said:
        os.write(fd, text.encode())
        word = ""
_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status))
