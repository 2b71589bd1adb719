#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""crowd.py hold|churn COUNT HOST:PORT...: many connections to echo servers,
which take turns (a kernel is slow to find a port when most to a server are in
TIME_WAIT).

  hold   open COUNT connections, exchange a byte on each, keep all of them,
         exchange another byte on each, close; prints "COUNT held"
  churn  COUNT short connections (a byte there and back, close), at most 16 at
         a time; prints "COUNT done"

Whatever goes wrong is counted and named instead.
"""
import collections
import errno
import selectors
import socket
import sys
import time

AT_ONCE = {"hold": 400, "churn": 16}
LIMIT = 240  # seconds without end


class Crowd:
    def __init__(self, mode, count, targets):
        self.mode, self.count = mode, count
        self.targets = [self.address(t) for t in targets]
        self.selector = selectors.DefaultSelector()
        self.held = []
        self.started = self.busy = 0
        self.errors = collections.Counter()
        self.end = time.monotonic() + LIMIT

    @staticmethod
    def address(target):
        host, _, port = target.rpartition(":")
        return socket.getaddrinfo(host.strip("[]"), int(port),
                                  type=socket.SOCK_STREAM)[0]

    def open(self):
        at = self.targets[self.started % len(self.targets)]
        s = socket.socket(at[0], socket.SOCK_STREAM)
        s.setblocking(False)
        self.started += 1
        self.busy += 1
        code = s.connect_ex(at[4])
        if code not in (0, errno.EINPROGRESS):
            self.fail(s, errno.errorcode[code])
            return
        self.selector.register(s, selectors.EVENT_WRITE, "connect")

    def fail(self, s, why):
        self.errors[why] += 1
        self.finish(s, False)

    def finish(self, s, ok):
        try:
            self.selector.unregister(s)
        except KeyError:
            pass
        self.busy -= 1
        if ok and self.mode == "hold":
            self.held.append(s)
        else:
            s.close()

    def event(self, s, state):
        if state == "connect":
            code = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                self.fail(s, errno.errorcode[code])
                return
            self.ask(s, False)
            return
        try:
            got = s.recv(10)
        except OSError as e:
            self.fail(s, errno.errorcode[e.errno])
            return
        if got == b"c":
            self.finish(s, True)
        else:
            self.fail(s, "EOF" if not got else f"{got!r}")

    def ask(self, s, again):
        s.send(b"c")
        if again:
            self.busy += 1
            self.selector.register(s, selectors.EVENT_READ, "answer")
        else:
            self.selector.modify(s, selectors.EVENT_READ, "answer")

    def rounds(self, more):
        """run until nothing is under way; more() starts what is next"""
        while True:
            more()
            if not self.busy:
                return
            for key, _ in self.selector.select(1):
                self.event(key.fileobj, key.data)
            if time.monotonic() > self.end:
                self.errors["unfinished"] += self.busy
                return

    def open_more(self):
        while self.started < self.count and self.busy < AT_ONCE[self.mode]:
            self.open()

    def ask_more(self):
        while self.waiting and self.busy < AT_ONCE["hold"]:
            self.ask(self.waiting.pop(), True)

    def run(self):
        self.rounds(self.open_more)
        if self.mode == "hold":
            self.waiting, self.held = self.held, []
            print(f"{len(self.waiting)} open", file=sys.stderr)
            self.rounds(self.ask_more)
        done = self.count - sum(self.errors.values())
        word = "held" if self.mode == "hold" else "done"
        print(" ".join([f"{done} {word}"] +
                       [f"{n}x{why}" for why, n in self.errors.items()]))
        return not self.errors


if __name__ == "__main__":
    sys.exit(not Crowd(sys.argv[1], int(sys.argv[2]), sys.argv[3:]).run())
