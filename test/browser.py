#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A real browser for tests: Chromium without a screen, driven by its DevTools
protocol over a pipe (--remote-debugging-pipe: messages end with a NUL).

  browser.py URL WAIT...     opens it and waits until one JavaScript expression
                             after the other is true: each time a line with the
                             milliseconds since 1970
  --screenshot FILE          what it looks like then (--size WxH, --dark)
"""
import argparse
import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser",
         "google-chrome")


def find():
    return next(filter(None, map(shutil.which, NAMES)), None)


def above(fd):
    """The same, above those that the browser's pipe is on."""
    high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(fd)
    return high


class Browser:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="ktctl-browser.")
        (down, self.out), (self.inp, up) = [
            tuple(above(fd) for fd in os.pipe()) for _ in range(2)]

        def pipes():
            os.dup2(down, 3)
            os.dup2(up, 4)

        self.process = subprocess.Popen(
            [find(), "--headless", "--no-sandbox", "--disable-gpu",
             "--disable-dev-shm-usage", "--hide-scrollbars",
             "--remote-debugging-pipe", "--user-data-dir=" + self.folder],
            preexec_fn=pipes, close_fds=False, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(down)
        os.close(up)
        self.rest = b""
        self.last = 0
        self.events = []
        self.session = None

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.out)
        os.close(self.inp)
        shutil.rmtree(self.folder, ignore_errors=True)

    def message(self, limit):
        while b"\0" not in self.rest:
            left = limit - time.monotonic()
            if left <= 0 or not select.select([self.inp], [], [], left)[0]:
                raise TimeoutError("the browser does not answer")
            data = os.read(self.inp, 1 << 20)
            if not data:
                raise EOFError("the browser has ended")
            self.rest += data
        one, self.rest = self.rest.split(b"\0", 1)
        return json.loads(one)

    def call(self, method, timeout=60, **params):
        self.last += 1
        request = {"id": self.last, "method": method, "params": params}
        if self.session:
            request["sessionId"] = self.session
        data = json.dumps(request).encode() + b"\0"
        while data:
            data = data[os.write(self.out, data):]
        limit = time.monotonic() + timeout
        while True:
            answer = self.message(limit)
            if answer.get("id") != self.last:
                self.events.append(answer)
            elif "error" in answer:
                raise RuntimeError(f"{method}: {answer['error']['message']}")
            else:
                return answer["result"]

    def open(self, url):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target,
                                 flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")
        self.call("Page.navigate", url=url)

    def eval(self, text):
        got = self.call("Runtime.evaluate", expression=text, awaitPromise=True,
                        returnByValue=True)
        if "exceptionDetails" in got:
            raise RuntimeError(got["exceptionDetails"]["exception"].get(
                "description", text))
        return got["result"].get("value")

    def wait(self, text, timeout=20):
        """Seconds until it is true."""
        begin = time.monotonic()
        while True:
            try:
                if self.eval(text):
                    return time.monotonic() - begin
            except RuntimeError as e:
                # a page that is only coming has nothing yet
                if time.monotonic() - begin > timeout:
                    raise AssertionError(f"{text}: {e}") from e
            if time.monotonic() - begin > timeout:
                raise AssertionError(f"not within {timeout} s: {text}")
            time.sleep(0.02)

    def key(self, name, text=None):
        for kind in ("keyDown", "keyUp"):
            more = {"text": text} if text and kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=name,
                      code={"/": "Slash"}.get(name, name),
                      windowsVirtualKeyCode={"Enter": 13, "Tab": 9, "Escape": 27,
                                             "ArrowDown": 40, "ArrowUp": 38}.get(
                                                 name, 0), **more)

    def look(self, width, height, dark=False, still=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width,
                  height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion",
             "value": "reduce" if still else "no-preference"}])

    def screenshot(self, path):
        got = self.call("Page.captureScreenshot", format="png")
        with open(path, "wb") as f:
            f.write(base64.b64decode(got["data"]))

    def busy(self):
        """Seconds of processor time of the page's main thread."""
        self.call("Performance.enable", timeDomain="threadTicks")
        values = self.call("Performance.getMetrics")["metrics"]
        return next(v["value"] for v in values if v["name"] == "TaskDuration")

    def complaints(self):
        """What the page's console says: errors, refusals of its policy."""
        self.eval("0")
        found = []
        for e in self.events:
            if e.get("method") == "Runtime.exceptionThrown":
                found.append(str(e["params"]["exceptionDetails"]))
            elif e.get("method") == "Log.entryAdded":
                found.append(e["params"]["entry"]["text"])
        return found


def main():
    p = argparse.ArgumentParser()
    p.add_argument("url")
    p.add_argument("wait", nargs="+")
    p.add_argument("--screenshot")
    p.add_argument("--size", default="1280x900")
    p.add_argument("--dark", action="store_true")
    p.add_argument("--timeout", type=float, default=20)
    args = p.parse_args()
    browser = Browser()
    try:
        browser.open(args.url)
        browser.look(*map(int, args.size.split("x")), args.dark, True)
        for text in args.wait:
            browser.wait(text, args.timeout)
            print(time.time_ns() // 1000000, flush=True)
        if args.screenshot:
            browser.screenshot(args.screenshot)
    except (AssertionError, RuntimeError, TimeoutError, EOFError) as e:
        print(f"browser: {e}", file=sys.stderr)
        return 1
    finally:
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
