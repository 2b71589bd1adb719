#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""page.py KTCTL SOURCE-FOLDER: ktctl map with an API server of files and with
sessions that are only told of, in a real Chromium. TAP.

  --screenshots FOLDER   only make the pictures of docs/
"""
import argparse
import contextlib
import datetime
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

parser = argparse.ArgumentParser()
parser.add_argument("ktctl")
parser.add_argument("top", type=pathlib.Path)
parser.add_argument("--screenshots")
args = parser.parse_args()
sys.path.insert(0, str(args.top / "test"))
import browser  # noqa: E402 pylint: disable=wrong-import-position

MIB = 1024
MEMORY = 30 * MIB   # of 1,000 Services and 200 sessions
BUSY = 0.5          # the most of a processor that the page may take for all that
tests = 0


def ok(good, name):
    global tests  # pylint: disable=global-statement
    tests += 1
    print(f"{'ok' if good else 'not ok'} {tests} - {name}", flush=True)


def case(name):
    def run(test):
        try:
            test()
            ok(True, name)
        except (AssertionError, RuntimeError, TimeoutError, EOFError, OSError) as e:
            print(f"# {type(e).__name__}: {e}".replace("\n", "\n# "))
            ok(False, name)
    return run


# --- the cluster that is told of ----------------------------------------------

work = pathlib.Path(tempfile.mkdtemp(prefix="ktctl-map."))
api = work / "api"
NS = "api/v1/namespaces/shop/"
DEPLOYMENTS = "apis/apps/v1/namespaces/shop/deployments"


def put(path, kind, items):
    file = api / (path + ".json")
    file.parent.mkdir(parents=True, exist_ok=True)
    (work / "new").write_text(json.dumps({
        "kind": kind, "apiVersion": "v1",
        "metadata": {"resourceVersion": "1"}, "items": items}))
    (work / "new").rename(file)


def meta(name, labels=None, annotations=None):
    return {"name": name, "namespace": "shop", "uid": name,
            "resourceVersion": str(time.monotonic_ns()),
            "creationTimestamp": "2026-01-31T12:00:00Z",
            "labels": labels or {}, "annotations": annotations or {}}


def service(name, target=None, role="shadow-exchange"):
    selector = {"kt-role": role, "kt-target": target} if target else {"app": name}
    return {"metadata": meta(name), "spec": {"selector": selector}}


def record(name, mark):
    return {"metadata": meta(f"{name}-kt-mesh-{mark}", {"control-by": "kt"},
                             {"kt-match": f"header:version={mark}", "kt-user": mark,
                              "kt-machine": mark + "-laptop", "kt-since": since(900),
                              "kt-last-heart-beat": since(9)}),
            "spec": {"selector": {"kt-role": "router", "kt-target": "R" + name}}}


def member(name, env, what=None):
    """of an environment, ann's: in the cluster, or (no @what) on her machine"""
    made = record(name, "ann")
    made["metadata"]["name"] = f"{name}-kt-mesh-{env}"
    made["metadata"]["labels"] |= {"kt-env": env, "kt-role": "shadow-mesh"}
    notes = made["metadata"]["annotations"]
    notes |= {"kt-match": f"env:{env}", "kt-env-member": what or "local",
              "kt-config": f"service={name}"}
    if what:
        del notes["kt-last-heart-beat"]
    return made


def since(seconds):
    return str(int(time.time()) - seconds)


def shadow(name, target, role="shadow-exchange", user=None, age=10):
    notes = {"kt-last-heart-beat": since(age), "kt-since": since(3000)}
    if user:
        notes |= {"kt-user": user, "kt-machine": "box"}
    return {"metadata": meta(name, {"control-by": "kt", "kt-role": role,
                                    "kt-target": target}, notes),
            "spec": {"containers": [{"name": "standalone"}]},
            "status": {"phase": "Pending"}}


def pod(workload, ip):
    made = {"metadata": meta(workload + "-5d8f-x2x2x", {"pod-template-hash": "5d8f"}),
            "spec": {}, "status": {"phase": "Running", "podIPs": [{"ip": ip}]}}
    made["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": workload + "-5d8f"}]
    return made


def cluster(services, pods):
    put(NS + "pods", "PodList", pods)
    put(NS + "services", "ServiceList", services)


# what is called twice a second, by the session that sees it
CALLS = {}


def event(session, service_name, caller, status, latency):
    when = datetime.datetime.now(datetime.timezone.utc)
    return {"version": 1, "type": "request", "session": session,
            "time": when.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "namespace": "shop", "service": service_name, "port": 80,
            "from": caller, "protocol": "http/1", "method": "GET", "path": "/",
            "mark": None, "answered": "local" if status == 200 else "origin",
            "user": None, "status": status, "latency_us": latency, "id": None}


# --- sessions of this machine that are told of --------------------------------

class Sessions:
    """Control sockets of this process, by as many commands as are wanted."""

    def __init__(self):
        self.folder = work / ".kt" / "run"
        self.folder.mkdir(parents=True)
        self.folder.chmod(0o700)
        (work / ".kt").chmod(0o700)

    def start(self, command, **more):
        told = {"id": f"{command}-{os.getpid()}", "pid": os.getpid(),
                "command": command, "target": "web", "context": "fake",
                "namespace": "shop", "since": datetime.datetime.now(
                    datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "state": "up", "probe": {"age_us": 900, "latency_us": 1700},
                "bytes_in": 81234, "bytes_out": 5123, "streams": 3,
                "reconnects": 0, "last_loss": None, "copies": None,
                "faults": [], "log": None} | more
        path = self.folder / f"{command}-{os.getpid()}.sock"
        listener = socket.socket(socket.AF_UNIX)
        # one that nobody listens at is taken for a dead session's, and removed
        made = path.with_suffix(".new")
        listener.bind(str(made))
        made.chmod(0o600)
        listener.listen(64)
        made.rename(path)
        threading.Thread(target=self.serve, args=(listener, told),
                         daemon=True).start()

        def stop():
            path.unlink()
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        return stop

    @staticmethod
    def serve(listener, told):
        while True:
            try:
                conn, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=Sessions.answer, args=(conn, told),
                             daemon=True).start()

    @staticmethod
    def answer(conn, told):
        def line(**members):
            conn.sendall(json.dumps({"version": 1} | members).encode() + b"\n")

        with conn, contextlib.suppress(OSError):
            asked = conn.recv(4096)
            if b"status" in asked:
                line(session=told)
            elif b"events" in asked:
                line(following=True)
                while told.get("id") in CALLS:
                    for service, caller, status, latency in CALLS[told["id"]]:
                        line(event=event(told["id"], service, caller, status, latency))
                    time.sleep(0.5)


# --- what is tested -----------------------------------------------------------

def peak(pid):
    """KiB that a process has had at most."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmHWM:")[1].split()[0])


def within(pid):
    most = peak(pid)
    print(f"# peak {most} KiB")
    assert most <= MEMORY or os.environ.get("KT_SANITIZED"), f"{most} KiB"


class Map:
    def __init__(self):
        self.process = subprocess.Popen(
            [args.ktctl, "map", "--no-open"], stdout=subprocess.PIPE,
            stderr=open(work / "stderr", "w"), text=True)
        self.url = self.process.stdout.readline().strip()
        at = urllib.parse.urlsplit(self.url)
        self.port, self.token = at.port, at.path.strip("/")

    def ask(self, method="GET", path=None, **fields):
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        conn.putrequest(method, path or f"/{self.token}/", skip_host=True)
        for name, value in ({"Host": f"127.0.0.1:{self.port}"} | fields).items():
            conn.putheader(name, value)
        conn.endheaders()
        answer = conn.getresponse()
        body = answer.read() if answer.getheader(
            "Content-Type") != "text/event-stream" else b""
        conn.close()
        return answer, body

    def end(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)


def fits(schema, value):
    got = subprocess.run(
        [args.top / "test/unit/schema.py", args.top / "docs/schema" / schema],
        input=json.dumps(value), text=True, capture_output=True, check=False)
    assert got.returncode == 0, got.stdout


LIVE = 'document.getElementById("live").textContent'


def rows(condition):
    return f'[...document.querySelectorAll("#rows tr")].some(tr => {condition})'


def main():
    env = {"HOME": str(work), "KUBECONFIG": str(work / "kubeconfig")}
    os.environ.update(env)
    for name in ("SUDO_UID", "SUDO_GID", "SUDO_USER", "XDG_RUNTIME_DIR",
                 "DISPLAY", "WAYLAND_DISPLAY"):
        os.environ.pop(name, None)
    os.environ["XDG_RUNTIME_DIR"] = str(work)
    api.mkdir()
    put(DEPLOYMENTS, "DeploymentList", [])
    cluster([service("plain"), service("web", "X")],
            [shadow("web-kt-exchange-abcde", "X", user='<img src=x onerror="alert(1)">')])
    server = subprocess.Popen(
        [args.top / "test/unit/fakeapi.py", api, work / "kubeconfig"],
        stderr=subprocess.DEVNULL)
    while not (work / "kubeconfig").exists():
        time.sleep(0.02)
    sessions = Sessions()
    shown = Map()
    try:
        if args.screenshots:
            pictures(shown, sessions)
        else:
            run(shown, sessions, server)
    finally:
        for p in (shown.process, server):
            with contextlib.suppress(OSError):
                p.send_signal(signal.SIGCONT)
            p.kill()
            p.wait()
        subprocess.run(["rm", "-rf", work], check=False)


def run(shown, sessions, server):
    check_requests(shown)
    if not browser.find():
        ok(True, "the page in a browser # SKIP no chromium")
    else:
        tab = browser.Browser()
        try:
            tab.open(shown.url)
            check_page(tab, sessions)
            check_large(tab, shown, sessions)
            check_stale(tab, shown, server)
        finally:
            tab.close()

    @case("Ctrl-C ends it, with pages open or not")
    def _():
        shown.process.send_signal(signal.SIGCONT)
        assert shown.end() == 0, "exit status"
    print(f"1..{tests}")


def check_requests(shown):
    here = f"127.0.0.1:{shown.port}"

    @case("nothing but the token's own paths, by GET and HEAD")
    def _():
        for method, path, status in (
                ("GET", "/", 404), ("GET", "/favicon.ico", 404),
                ("GET", f"/{shown.token}", 404), ("HEAD", None, 200),
                ("GET", f"/{shown.token[:-1]}/", 404),
                ("GET", f"/{shown.token}/../../etc/passwd", 404),
                ("GET", f"/{shown.token}/%2e%2e/", 404),
                ("GET", f"/{shown.token}/state.json?x=1", 200),
                ("HEAD", f"/{shown.token}/events", 200),
                ("POST", None, 405), ("DELETE", None, 405), ("OPTIONS", None, 405),
                ("POST", "/", 404)):
            got = shown.ask(method, path)[0].status
            assert got == status, f"{method} {path}: {got}, not {status}"

    @case("Host and Origin are ours, or it is 403")
    def _():
        for fields, status in (
                ({"Host": f"localhost:{shown.port}"}, 200),
                ({"Host": "evil.example"}, 403),
                ({"Host": f"evil.example:{shown.port}"}, 403),
                ({"Host": "127.0.0.1"}, 403),
                ({"Origin": "http://" + here}, 200),
                ({"Origin": "http://evil.example"}, 403),
                ({"Origin": "null"}, 403)):
            got = shown.ask(**fields)[0].status
            assert got == status, f"{fields}: {got}, not {status}"

    @case("what the browser is told to keep to")
    def _():
        answer, body = shown.ask()
        policy = answer.getheader("Content-Security-Policy")
        assert policy.startswith("default-src 'none';"), policy
        assert "unsafe" not in policy and "http:" not in policy, policy
        for name, value in (("X-Content-Type-Options", "nosniff"),
                            ("Referrer-Policy", "no-referrer"),
                            ("Cache-Control", "no-store"),
                            ("X-Frame-Options", "DENY")):
            assert answer.getheader(name) == value, name
        assert b"http://" not in body.replace(b"http://www.w3.org", b""), \
            "the page loads from elsewhere"
        assert b"https://" not in body and b"innerHTML" not in body

    @case("it listens on 127.0.0.1 and nowhere else")
    def _():
        inodes = set()
        for fd in pathlib.Path(f"/proc/{shown.process.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                inodes.add(os.readlink(fd))
        listening = []
        for table in ("tcp", "tcp6", "udp", "udp6"):
            for line in pathlib.Path("/proc/net/" + table).read_text().splitlines()[1:]:
                f = line.split()
                if f"socket:[{f[9]}]" in inodes and f[3] in ("0A", "07"):
                    listening.append(f[1])
        assert listening == [f"0100007F:{shown.port:04X}"], listening

    @case("bytes that are no request do no harm")
    def _():
        for data in (b"\0" * 100, b"GET\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 9000,
                     b"\x16\x03\x01\x02\x00", b"GET " + b"/" * 100000 + b" HTTP/1.1\r\n"):
            with socket.create_connection(("127.0.0.1", shown.port), 10) as s:
                with contextlib.suppress(OSError):
                    s.sendall(data)
                    s.recv(100)
        assert shown.ask()[0].status == 200

    @case("connections that ask for nothing keep nobody out")
    def _():
        other = Map()  # the memory of this one is not measured
        with contextlib.ExitStack() as stack:
            stack.callback(other.end)
            for _ in range(200):
                stack.enter_context(socket.create_connection(("127.0.0.1", other.port), 10))
            time.sleep(1)
            assert other.ask()[0].status == 200

    @case("the state is as docs/schema says")
    def _():
        with socket.create_connection(("127.0.0.1", shown.port), 10) as s:
            s.sendall(f"GET /{shown.token}/events HTTP/1.1\r\nHost: {here}\r\n\r\n".encode())
            limit = time.monotonic() + 20
            while True:  # somebody has to look, so that there is a state
                state = json.loads(shown.ask(path=f"/{shown.token}/state.json")[1])
                if all(state[x] for x in ("birdseye", "status", "beat")):
                    break
                assert time.monotonic() < limit, state
                time.sleep(0.05)
        fits("map.json", state)
        fits("birdseye.json", state["birdseye"])
        fits("status.json", state["status"])
        assert [s["name"] for s in state["birdseye"]["services"]] == ["plain", "web"]
        assert state["map"]["namespace"] == "shop"


    @case("a browser is opened where there is a screen: as the caller of sudo, never as root")
    def _():
        root = os.geteuid() == 0
        for name, env, user in (
                ("none", {}, None),
                ("own", {"DISPLAY": ":9"}, None if root else os.geteuid()),
                ("sudo", {"DISPLAY": ":9", "SUDO_UID": "65534", "SUDO_GID": "65534",
                          "SUDO_USER": "nobody"}, 65534 if root else os.geteuid())):
            told, said = opened(name, env)
            if user is None:
                assert told is None and "Open it in a browser" in said, f"{name}: {told} {said}"
            else:
                assert told == [str(user), "http:"], f"{name}: {told} {said}"


def opened(name, env):
    """Who was asked to open what, by an xdg-open of ours; and what was said."""
    tools, out = work / "bin", work / "opened"
    for folder in (tools, out):
        folder.mkdir(exist_ok=True)
    work.chmod(0o711)
    out.chmod(0o777)
    (tools / "xdg-open").write_text(
        f'#!/bin/sh\necho "$(id -u) $1" >{out}/{name}.new\nmv {out}/{name}.new {out}/{name}\n')
    (tools / "xdg-open").chmod(0o755)
    with open(work / "said", "w+", encoding="utf-8") as said:
        process = subprocess.Popen(
            [args.ktctl, "map"], stdout=subprocess.PIPE, stderr=said, text=True,
            env=os.environ | {"PATH": f"{tools}:{os.environ['PATH']}"} | env)
        url = process.stdout.readline().strip()
        limit = time.monotonic() + 20
        while "Ctrl-C" not in (work / "said").read_text():
            assert time.monotonic() < limit, "nothing is said"
            time.sleep(0.05)
        if "Open it" not in (work / "said").read_text():
            while not (out / name).exists():
                assert time.monotonic() < limit, "nothing was opened"
                time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        process.wait(30)
    if not (out / name).exists():
        return None, (work / "said").read_text()
    user, shown = (out / name).read_text().split()
    assert shown == url, shown
    return [user, shown[:5]], (work / "said").read_text()


def check_page(tab, sessions):
    @case("the page shows the Services, live, and nobody's text has a power")
    def _():
        tab.wait(f'{LIVE} === "live" && ' + rows('tr.textContent.includes("exchanged")'))
        assert tab.eval('document.querySelectorAll("img, #rows script").length') == 0
        assert tab.eval(rows('tr.textContent.includes(\'<img src=x onerror="alert(1)">@box\')'))
        assert tab.eval('document.querySelectorAll("#graph .node").length') == 2
        assert not tab.complaints(), tab.complaints()

    @case("a member in the cluster has a box of its own, and not its maker's")
    def _():
        cluster([service("web", "Rweb", "router"), service("cart", "Rcart", "router"),
                 member("web", "red"), member("web", "blue", "image r/web:2"),
                 member("cart", "blue", "image r/cart:2")],
                [shadow("web-kt-router", "Rweb", "router"),
                 shadow("cart-kt-router", "Rcart", "router")])
        texts = ('[...document.querySelectorAll("#graph .node")]'
                 '.map((n) => n.querySelector("text").textContent).sort().join("|")')
        tab.wait(f'({texts}).split("copy by ann").length === 3')
        assert tab.eval(texts).split("|") == [
            "ann@ann-laptop", "cart", "copy by ann@ann-laptop", "copy by ann@ann-laptop",
            "web"], tab.eval(texts)
        cluster([service("plain"), service("web", "X")],
                [shadow("web-kt-exchange-abcde", "X", user="ann")])
        tab.wait(rows('tr.textContent.includes("exchanged")'))

    @case("a Service that is taken, and one that is given back, within a second")
    def _():
        took = []
        for _ in range(3):
            cluster([service("plain", "Y"), service("web", "X")],
                    [shadow("web-kt-exchange-abcde", "X", user="ann"),
                     shadow("plain-kt-exchange-abcde", "Y", user="bob")])
            took.append(tab.wait(rows('tr.textContent.includes("bob@box")')))
            cluster([service("plain"), service("web", "X")],
                    [shadow("web-kt-exchange-abcde", "X", user="ann")])
            took.append(tab.wait(f'!{rows("tr.textContent.includes(`bob`)")}'))
        print("# seconds:", *(f"{t:.2f}" for t in took))
        assert sorted(took)[len(took) // 2] < 1, took

    @case("a session of this machine comes and goes within a second, with its latency")
    def _():
        row = 'document.getElementById("session-rows").textContent'
        took = []
        for _ in range(3):
            stop = sessions.start("mesh", target="<b>web</b>")
            took.append(tab.wait(f'{row}.includes("mesh-{os.getpid()}")'))
            assert tab.eval(f'{row}.includes("1.7 ms") && {row}.includes("<b>web</b>")')
            stop()
            took.append(tab.wait(f'!{row}.includes("mesh-")'))
        print("# seconds:", *(f"{t:.2f}" for t in took))
        assert sorted(took)[len(took) // 2] < 1, took

    @case("what is called: how often, by whom, what fails")
    def _():
        mine = f"preview-{os.getpid()}"  # of none that has ended
        CALLS[mine] = [("web", "10.0.0.7", 200, 3000)] * 3 + [("web", "10.0.0.7", 503, 5000)]
        CALLS[f"other-{os.getpid()}"] = [("plain", "10.0.0.7", 200, 3000)]
        cluster([service("plain"), service("web", "X")],
                [shadow("web-kt-exchange-abcde", "X", user="ann"), pod("front", "10.0.0.7")])
        stops = [sessions.start("preview"), sessions.start("other", context="another")]
        cell = ('[...document.querySelectorAll("#rows tr")].find(tr => '
                'tr.textContent.startsWith("web")).children[%d].textContent')
        try:
            # one of four fails
            tab.wait(f'Math.abs(parseFloat({cell % 5}) / parseFloat({cell % 4}) - 0.25) < 0.06', 40)
            tab.wait(f'{cell % 6} === "3.5 ms"')
            tab.wait('document.getElementById("graph").textContent.includes("front")')
            # nothing is told of a cluster that is not shown
            assert tab.eval('state.traffic.services.map((s) => s.name)') == ["web"]
        finally:
            CALLS.clear()
            for stop in stops:
                stop()

    @case("by keyboard: filter, choose, the command that takes it, back")
    def _():
        focus = "document.activeElement"
        tab.key("/", "/")
        assert tab.eval(focus + '.id') == "filter"
        tab.call("Input.insertText", text="pla")
        tab.wait('document.querySelectorAll("#rows tr").length === 1')
        tab.key("ArrowDown")
        assert tab.eval(focus + '.textContent') == "plain"
        tab.key("Enter", "\r")
        tab.wait('document.getElementById("panel").open')
        text = tab.eval('document.getElementById("commands").textContent')
        # wherever it is pasted
        there = f"-n shop --context fake --kubeconfig {work}/kubeconfig"
        for want in ("ktctl mesh plain --expose 8080 " + there,
                     "ktctl exchange plain --expose 8080 " + there):
            assert want in text, text
        assert "recover" not in text
        tab.eval('document.getElementById("mark").focus()')
        tab.call("Input.insertText", text="it's me")
        text = tab.eval('document.getElementById("commands").textContent')
        assert "--versionMark 'it'\\''s me'" in text, text
        tab.key("Escape")
        tab.wait('!document.getElementById("panel").open')
        assert tab.eval(focus + '.textContent') == "plain", "focus is back"
        tab.eval('document.getElementById("filter").focus()')
        tab.key("Escape")
        tab.wait('document.querySelectorAll("#rows tr").length === 2')

    @case("focus stays with its row when others go and when it moves")
    def _():
        row = 'document.querySelector("#rows tr:%s-child button")'
        cluster([service("aaa"), service("plain"), service("web")], [])
        tab.wait(f'document.querySelectorAll("#rows tr").length === 3 && '
                 f'{row % "last"}.textContent === "web"')
        tab.eval(f'{row % "last"}.focus()')
        cluster([service("plain"), service("web")], [])
        tab.wait('document.querySelectorAll("#rows tr").length === 2')
        assert tab.eval('document.activeElement.textContent') == "web", "after one that went"
        cluster([service("plain"), service("web", "X")],
                [shadow("web-kt-exchange-abcde", "X", user="ann")])
        tab.wait(f'{row % "first"}.textContent === "web"')
        assert tab.eval('document.activeElement.textContent') == "web", "where it is now"

    @case("a click in the picture counts though it is drawn anew meanwhile")
    def _():
        tab.wait('document.querySelector("#graph [role=button]") !== null')
        at = tab.eval('(() => { scrollTo(0, 0); '
                      'const r = document.querySelector("#graph [role=button] rect")'
                      '.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()')
        for step in ("mousePressed", "mouseReleased"):
            tab.call("Input.dispatchMouseEvent", type=step, x=at[0], y=at[1],
                     button="left", clickCount=1)
            tab.eval('draw.before = null, draw()')
        tab.wait('document.getElementById("panel").open')
        assert tab.eval('document.getElementById("panel-title").textContent') == "web.shop"
        tab.key("Escape")
        tab.wait('!document.getElementById("panel").open')

    @case("what is long on its way is not live")
    def _():
        said = tab.eval('(take("beat", {...state.beat, clock_ms: state.beat.clock_ms - 5000}), '
                        f'judge(), {LIVE} + ": " + document.getElementById("banner").innerText)')
        assert said.startswith("not live: ") and "comes late" in said, said
        tab.wait(f'{LIVE} === "live"')

    @case("what can be used has a name for a screen reader")
    def _():
        tree = tab.call("Accessibility.getFullAXTree")["nodes"]
        for node in tree:
            role = node.get("role", {}).get("value")
            if node.get("ignored") or role not in (
                    "button", "searchbox", "textbox", "checkbox", "region", "table"):
                continue
            if role == "table":
                continue
            assert node.get("name", {}).get("value"), f"a {role} without a name"
        names = {n.get("name", {}).get("value") for n in tree if not n.get("ignored")}
        assert "Service web, exchanged" in names, names

    @case("light and dark, and nothing moves for who does not want it")
    def _():
        ground = 'getComputedStyle(document.body).backgroundColor'
        tab.look(1280, 900)
        light = tab.eval(ground)
        tab.look(1280, 900, True, True)
        assert tab.eval(ground) != light
        moves = "matchMedia('(prefers-reduced-motion: reduce)').matches"
        assert tab.eval(moves)
        tab.look(390, 800)
        assert tab.eval("document.documentElement.scrollWidth <= 390"), "too wide"
        tab.look(1280, 900)


def large(sessions):
    services, pods = [], []
    for i in range(1000):
        name = f"service-{i:04}"
        one = service(name, f"T{i}" if i < 200 else None)
        one["metadata"]["managedFields"] = [
            {"manager": "helm", "fieldsV1": {f"f:{k}": {} for k in range(40)}}]
        services.append(one)
        if i < 200:
            pods.append(shadow(f"{name}-kt-exchange-abcde", f"T{i}", user=f"user{i}"))
    cluster(services, pods)
    letters = "abcdefghijklmnopqrst"
    return [sessions.start("x" + a + b) for a in letters for b in letters[:10]]


def check_large(tab, shown, sessions):
    stops = large(sessions)

    @case("1,000 Services and 200 sessions: all are shown")
    def _():
        tab.wait('document.querySelectorAll("#rows tr").length === 1000 && '
                 'document.querySelectorAll("#session-rows tr").length === 200', 60)

    @case("... in 30 MiB")
    def _():
        time.sleep(3)  # some rounds of all of it
        within(shown.process.pid)

    @case("... and so is status")
    def _():
        with subprocess.Popen([args.ktctl, "status", "--watch", "-o", "json"],
                              stdout=subprocess.PIPE, text=True) as status:
            for _ in range(2):
                assert len(json.loads(status.stdout.readline())["sessions"]) == 200
            within(status.pid)
            status.kill()

    @case("... and the page stays fluent")
    def _():
        # processor time of its main thread, whatever else this machine does
        begin, busy = time.monotonic(), tab.busy()
        time.sleep(6)
        share = (tab.busy() - busy) / (time.monotonic() - begin)
        print(f"# busy for {share:.2f} of the time")
        assert share < BUSY, share
        # a filter answers while everything goes on coming
        tab.eval('document.getElementById("filter").focus()')
        tab.call("Input.insertText", text="service-0777")
        tab.wait('document.querySelectorAll("#rows tr").length === 1')
        tab.key("Escape")
    for stop in stops:
        stop()
    cluster([service("plain")], [])


def check_stale(tab, shown, server):
    @case("a page that is not told anything says so, and is live again")
    def _():
        tab.wait(f'{LIVE} === "live"')
        shown.process.send_signal(signal.SIGSTOP)
        tab.wait('document.getElementById("banner").innerText.includes("is not heard")')
        assert tab.eval('document.getElementById("main").className') == "old"
        assert tab.eval(LIVE) == "not live"
        shown.process.send_signal(signal.SIGCONT)
        tab.wait(f'{LIVE} === "live" && document.getElementById("banner").hidden')

    @case("so does one whose cluster does not answer")
    def _():
        server.send_signal(signal.SIGSTOP)
        tab.wait('document.getElementById("banner").innerText.includes("the cluster does not answer")', 40)
        assert tab.eval(LIVE) == "not live"
        server.send_signal(signal.SIGCONT)
        tab.wait(f'{LIVE} === "live"', 40)

    @case("and one whose ktctl has ended")
    def _():
        assert shown.end() == 0
        tab.wait(f'{LIVE} === "not live"', 20)

    @case("... which believes no other program at its port")
    def _():
        listener = socket.create_server(("127.0.0.1", shown.port))
        listener.settimeout(20)
        while True:
            conn = listener.accept()[0]
            with conn:
                if f"GET /{shown.token}/events".encode() in conn.recv(4096):
                    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                                 b"Connection: close\r\n\r\nevent: map\ndata: "
                                 b'{"namespace":"evil","program":"","flags":["--evil"]}\n\n')
                    break
        tab.wait('document.getElementById("banner").innerText.includes("another program")')
        assert tab.eval('state.map.namespace') == "shop"
        assert tab.eval('source.readyState') == 2, "it asks on"
        listener.close()


def pictures(shown, sessions):
    cluster(
        [service(n) for n in ("api", "auth", "billing", "mail", "search", "stock")] +
        [service("cart", "Rcart", "router"), service("orders", "X"),
         service("web", "Rweb", "router"), record("cart", "ann"), record("cart", "bob"),
         record("web", "ann")],
        [shadow("orders-kt-exchange-abcde", "X", user="carol"),
         shadow("web-kt-router", "Rweb", "router"),
         shadow("cart-kt-router", "Rcart", "router"),
         shadow("kt-connect-shadow-abcde", "C", "shadow-connect", "ann"),
         pod("front", "10.0.0.7"), pod("web", "10.0.0.8"), pod("mobile", "10.0.0.9")])
    CALLS[f"mesh-{os.getpid()}"] = (
        [("web", "10.0.0.7", 200, 21000)] * 9 + [("web", "10.0.0.9", 200, 18000)] * 4 +
        [("cart", "10.0.0.8", 200, 8000)] * 6 + [("cart", "10.0.0.8", 503, 9000)])
    sessions.start("connect", target=None, bytes_in=48123456, bytes_out=912345, streams=14)
    sessions.start("mesh", target="cart --expose 8080", streams=2)
    tab = browser.Browser()
    try:
        tab.open(shown.url)
        for name, width, height, dark in (
                ("map-light", 1280, 860, False), ("map-dark", 1280, 860, True),
                ("map-small", 480, 900, False)):
            tab.look(width, height, dark, True)
            tab.wait(f'{LIVE} === "live" && '
                     'document.querySelectorAll("#session-rows tr").length === 2 && '
                     'document.querySelectorAll("#rows tr").length > 8')
            tab.wait("state.traffic && state.traffic.seconds === 10", 30)
            time.sleep(1)
            tab.screenshot(os.path.join(args.screenshots, name + ".png"))
    finally:
        tab.close()


main()
