#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""vscode.py LAUNCH.JSON NAME FILE LINE [FIRST...]

Does with the configuration NAME what Visual Studio Code and the debugger's
extension do with it: replaces ${file} and ${command:python.interpreterPath},
starts what it says, stops at LINE of FILE, asks for the variable "answer", and
lets the program go on to its end. FIRST: the command that is to be started
before, in a terminal. Prints "answer=VALUE", and what the program prints.
"""
import asyncio
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import threading
import time

WAIT = 120


started = []


def fail(text):
    print("vscode.py:", text, flush=True)
    for p in started:
        p.terminate()
    os._exit(1)


def start(words, **how):
    started.append(subprocess.Popen(words, **how))
    return started[-1]


def end(p):
    """The program is at its end, and has not failed"""
    try:
        rc = p.wait(WAIT)
    except subprocess.TimeoutExpired:
        fail(f"{p.args} does not end")
    if rc:
        fail(f"{p.args} has ended with {rc}")


def substitute(v, names):
    if isinstance(v, str):
        return re.sub(r"\$\{([^}]*)\}", lambda m: names[m.group(1)], v)
    if isinstance(v, list):
        return [substitute(x, names) for x in v]
    if isinstance(v, dict):
        return {k: substitute(x, names) for k, x in v.items()}
    return v


def dial(port):
    end = time.time() + WAIT
    while time.time() < end:
        try:
            return socket.create_connection(("127.0.0.1", port), 5)
        except OSError:
            time.sleep(0.1)
    fail(f"nothing listens on {port}")


class Dap:
    """The debug adapter protocol, as far as it is needed"""

    def __init__(self, read, write):
        self.read, self.write = read, write
        self.seq = 0
        self.answers, self.events = {}, []
        self.changed = threading.Condition()
        threading.Thread(target=self.listen, daemon=True).start()

    def send(self, message):
        self.seq += 1
        message["seq"] = self.seq
        body = json.dumps(message).encode()
        self.write.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.write.flush()
        return self.seq

    def ask(self, command, arguments=None):
        return self.send({"type": "request", "command": command,
                          "arguments": arguments or {}})

    def answer(self, seq):
        with self.changed:
            if not self.changed.wait_for(lambda: seq in self.answers, WAIT):
                fail(f"no answer to {seq}; events: {self.events}")
        m = self.answers[seq]
        if not m["success"]:
            fail(json.dumps(m))
        return m.get("body", {})

    def event(self, name):
        with self.changed:
            if not self.changed.wait_for(
                    lambda: any(e["event"] == name for e in self.events), WAIT):
                fail(f"no event {name}; events: {self.events}")
        return next(e for e in self.events if e["event"] == name)

    def listen(self):
        while True:
            head = {}
            while True:
                line = self.read.readline()
                if not line:
                    return
                if not line.strip():
                    break
                name, value = line.decode().split(":", 1)
                head[name] = value
            m = json.loads(self.read.read(int(head["Content-Length"])))
            if m["type"] == "request":  # the IDE's terminal
                a = m["arguments"]
                env = dict(os.environ, **a.get("env") or {})
                p = start(a["args"], cwd=a.get("cwd"), env=env)
                self.send({"type": "response", "request_seq": m["seq"],
                           "success": True, "command": m["command"],
                           "body": {"processId": p.pid}})
                continue
            with self.changed:
                if m["type"] == "response":
                    self.answers[m["request_seq"]] = m
                else:
                    self.events.append(m)
                    if m["event"] == "output":
                        print(m["body"].get("output", ""), end="", flush=True)
                self.changed.notify_all()

    def session(self, config, file, line):
        self.answer(self.ask("initialize", {
            "clientID": "vscode", "adapterID": config["type"],
            "linesStartAt1": True, "columnsStartAt1": True,
            "pathFormat": "path", "supportsRunInTerminalRequest": True}))
        start = self.ask(config["request"], config)
        self.event("initialized")
        self.answer(self.ask("setBreakpoints", {
            "source": {"path": file}, "breakpoints": [{"line": line}]}))
        self.answer(self.ask("configurationDone"))
        self.answer(start)
        thread = self.event("stopped")["body"]["threadId"]
        frame = self.answer(self.ask("stackTrace", {
            "threadId": thread, "startFrame": 0,
            "levels": 1}))["stackFrames"][0]
        if frame["line"] != line:
            fail(f"it stands in line {frame['line']}")
        value = self.answer(self.ask("evaluate", {
            "expression": "answer", "frameId": frame["id"]}))["result"]
        print(f"answer={value}", flush=True)
        self.answer(self.ask("continue", {"threadId": thread}))
        self.event("terminated")
        self.answer(self.ask("disconnect"))


def remote(config, file, line):
    s = dial(config["port"])
    s.settimeout(None)
    Dap(s.makefile("rb"), s.makefile("wb")).session(config, file, line)
    s.shutdown(socket.SHUT_RDWR)


def python_launch(config, file, line):
    # as the extension has it: the adapter's python is that of the IDE
    config.update({"debugAdapterPython": sys.executable, "debugOptions": [],
                   "debugLauncherPython": sys.executable})
    p = start([sys.executable, "-m", "debugpy.adapter"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    Dap(p.stdout, p.stdin).session(config, file, line)


def python_attach(config, file, line):
    c = config.pop("connect")
    config.update({"debugOptions": [], "host": c["host"], "port": c["port"]})
    remote(config, file, line)


def gdb(config, file, line):
    # the debugger's command line is one argument of the pipe program
    t = config["pipeTransport"]
    command = t["debuggerPath"] + " --interpreter=mi"
    p = start([t["pipeProgram"], *t["pipeArgs"], command],
                         cwd=t["pipeCwd"], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True)

    def until(pattern, *orders):
        for order in orders:
            p.stdin.write(order + "\n")
        p.stdin.flush()
        for text in p.stdout:
            if text.startswith(("~", "*", "^")):
                m = re.match(pattern, text)
            else:
                print(text, end="", flush=True)  # the program's
                continue
            if m:
                return m
            if text.startswith("^error"):
                fail(text)
        fail(f"no {pattern}")

    until(r"\^done", "1-gdb-set mi-async on".lstrip("1"))
    until(r"\^done", f'-file-exec-and-symbols "{config["program"]}"')
    until(r"\^done", f"-break-insert {os.path.basename(file)}:{line}")
    until(r"\*stopped.*breakpoint-hit", "-exec-run")
    m = until(r'\^done,value="([^"]*)', "-data-evaluate-expression answer")
    print(f"answer={m.group(1)}", flush=True)
    until(r"\*stopped.*exited-normally", "-exec-continue")
    p.stdin.write("-gdb-exit\n")
    p.stdin.flush()
    end(p)


def node(config, file, line):
    import websockets
    p = start([config["runtimeExecutable"], *config["runtimeArgs"],
                          config["program"]], cwd=config["cwd"])
    dial(config["attachSimplePort"]).close()
    url = json.loads(subprocess.check_output(
        ["curl", "-s",
         f"http://127.0.0.1:{config['attachSimplePort']}/json"]))

    async def session():
        async with websockets.connect(url[0]["webSocketDebuggerUrl"]) as ws:
            seq = 0

            async def ask(method, **params):
                nonlocal seq
                seq += 1
                await ws.send(json.dumps({"id": seq, "method": method,
                                          "params": params}))
                while True:
                    m = json.loads(await asyncio.wait_for(ws.recv(), WAIT))
                    if m.get("id") == seq:
                        return m["result"]
                    seen.append(m)

            async def paused():
                while not any(m["method"] == "Debugger.paused" for m in seen):
                    seen.append(json.loads(
                        await asyncio.wait_for(ws.recv(), WAIT)))
                m = next(m for m in seen if m["method"] == "Debugger.paused")
                seen.clear()
                return m["params"]["callFrames"][0]

            seen = []
            await ask("Runtime.enable")
            await ask("Debugger.enable")
            await ask("Debugger.setBreakpointByUrl",
                      url="file://" + file, lineNumber=line - 1)
            await ask("Runtime.runIfWaitingForDebugger")
            frame = await paused()
            if frame["location"]["lineNumber"] != line - 1:  # the first line
                await ask("Debugger.resume")
                frame = await paused()
            r = await ask("Debugger.evaluateOnCallFrame", expression="answer",
                          callFrameId=frame["callFrameId"])
            print(f"answer={r['result']['value']}", flush=True)
            await ask("Debugger.resume")

    asyncio.run(session())
    end(p)


def java(config, file, line):
    """Attach and resume; no more of JDWP is spoken here"""
    s = dial(config["port"])
    s.settimeout(WAIT)
    s.sendall(b"JDWP-Handshake")
    got = b""
    while len(got) < 14:
        got += s.recv(14 - len(got)) or fail("no handshake")
    if got != b"JDWP-Handshake":
        fail(got)
    # VirtualMachine.Version (1, 1), then Resume (1, 9)
    s.sendall(bytes([0, 0, 0, 11, 0, 0, 0, 1, 0, 1, 1]))
    text = b""
    while b"\0\0\0\1\x80\0\0" not in text:
        text += s.recv(4096) or fail("no answer")
    print("answer=jdwp", flush=True)
    s.sendall(bytes([0, 0, 0, 11, 0, 0, 0, 2, 0, 1, 9]))
    while s.recv(4096):
        pass


def main():
    launch, name, file, line, *first = sys.argv[1:]
    with open(launch, encoding="utf-8") as f:
        configs = {c["name"]: c for c in json.load(f)["configurations"]}
    folder = os.path.dirname(file)
    config = substitute(configs["ktctl run: " + name], {
        "file": file, "workspaceFolder": folder,
        "command:python.interpreterPath": sys.executable})
    p = None
    if first:
        p = start(shlex.split(" ".join(first)), cwd=folder)
    does = {("node", "launch"): node, ("debugpy", "launch"): python_launch,
            ("debugpy", "attach"): python_attach, ("cppdbg", "launch"): gdb,
            ("go", "launch"): remote, ("java", "attach"): java}
    try:
        does[config["type"], config["request"]](config, file, int(line))
    except (OSError, ValueError, LookupError) as e:
        fail(repr(e))
    if p:
        end(p)
    os._exit(0)


main()
