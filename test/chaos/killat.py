#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""killat.py LOG POINT COMMAND...: a command of ktctl's that is killed at a point

What COMMAND prints goes to LOG. POINT:
  start N MS   MS after the Nth line that it prints, at most until it is ready
  steady - MS  MS after it is ready
  end N MS     when it is ready it is asked to leave (SIGINT); MS after the Nth
               line that it prints then
  count - -    it is asked to leave when it is ready, and not killed
Prints a line: "killed", or "ended STATUS" when it was over before; then how many
lines it has printed until it was ready, and after it was asked to leave.
"""
import signal
import subprocess
import sys
import time

READY = b"All looks good"


class Life:
    def __init__(self, log, phase, line, delay, command):
        self.phase, self.line, self.delay = phase, line, delay
        self.log = open(log, "wb", buffering=0)
        self.child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        self.lines = [0, 0]  # until it is ready, since it was asked to leave

    def kill(self):
        time.sleep(self.delay / 1000)
        self.child.kill()

    def on_ready(self):
        if self.phase in ("start", "steady"):
            self.kill()  # of the lines of a start there are fewer this time
        elif self.phase != "start":
            self.child.send_signal(signal.SIGINT)
            if self.phase == "end" and self.line == 0:
                self.kill()

    def run(self):
        leaving = False
        for text in self.child.stdout:
            self.log.write(text)
            self.lines[leaving] += 1
            if (self.lines[leaving] == self.line and
                    self.phase == ("end" if leaving else "start")):
                self.kill()
            if READY in text and not leaving:
                leaving = True
                self.on_ready()
        status = self.child.wait()
        what = "killed" if status == -signal.SIGKILL else f"ended {status}"
        print(what, *self.lines)


def main():
    log, phase, line, delay, *command = sys.argv[1:]
    number = int(line) if line != "-" else -1
    ms = int(delay) if delay != "-" else 0
    Life(log, phase, number, ms, command).run()


main()
