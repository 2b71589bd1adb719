#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""fakeapi.py FOLDER KUBECONFIG: an API server on 127.0.0.1 that answers GET with
files: /api/v1/services is FOLDER/api/v1/services.json; what is not there is
forbidden, or not found where FOLDER/api/v1/services.404 is. Writes a kubeconfig for itself when it listens. FOLDER/delay: seconds
that each answer takes; FOLDER/log: the requests. Lists come in pages of limit.
A watch of a list tells what of
it has changed, whenever its file has."""
import http.server
import json
import pathlib
import sys
import time
import urllib.parse

POLL = 0.02

folder = pathlib.Path(sys.argv[1])


def page(body, query):
    """The part of a list that is asked for: continue is where it begins."""
    words = dict(urllib.parse.parse_qsl(query))
    limit, begin = int(words.get("limit", 0)), int(words.get("continue", 0))
    whole = json.loads(body)
    if not limit or len(whole.get("items", [])) <= limit:
        return body
    if begin + limit < len(whole["items"]):
        whole["metadata"]["continue"] = str(begin + limit)
    whole["items"] = whole["items"][begin:begin + limit]
    return json.dumps(whole).encode()


def objects(file):
    """What a list holds, by its names, as a watch tells it."""
    whole = json.loads(file.read_bytes())
    common = {"kind": whole["kind"].removesuffix("List"),
              "apiVersion": whole["apiVersion"]}
    return {one["metadata"]["name"]: common | one for one in whole["items"]}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def watch(self, file):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Connection", "close")
        self.end_headers()
        told, before = objects(file), file.stat().st_mtime_ns
        while True:
            time.sleep(POLL)
            now = file.stat().st_mtime_ns
            if now == before:
                continue
            before, new = now, objects(file)
            events = [("ADDED" if name not in told else "MODIFIED", one)
                      for name, one in new.items() if told.get(name) != one]
            events += [("DELETED", one) for name, one in told.items()
                       if name not in new]
            told = new
            for kind, one in events:
                self.wfile.write(json.dumps(
                    {"type": kind, "object": one}).encode() + b"\n")

    def do_GET(self):  # noqa: N802
        with open(folder / "log", "a", encoding="utf-8") as f:
            f.write(self.path + "\n")
        try:
            time.sleep(float((folder / "delay").read_text()))
        except FileNotFoundError:
            pass
        path = self.path.split("?")[0].strip("/")
        file = folder / (path + ".json")
        status = 200 if ".." not in path and file.is_file() else 403
        if status == 403 and file.with_suffix(".404").is_file():
            status = 404
        if status == 200 and "watch=" in self.path:
            try:
                self.watch(file)
            except OSError:  # nobody listens any more
                self.close_connection = True
            return
        query = self.path.partition("?")[2]
        body = page(file.read_bytes(), query) if status == 200 else json.dumps({
            "kind": "Status", "apiVersion": "v1", "status": "Failure",
            "code": status,
            "reason": "NotFound" if status == 404 else "Forbidden",
            "message": f"{path} is forbidden"}).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except BrokenPipeError:
            pass

    def do_POST(self):  # noqa: N802
        self.do_GET()

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True


server = Server(("127.0.0.1", 0), Handler)
pathlib.Path(sys.argv[2] + ".new").write_text(json.dumps({
    "apiVersion": "v1", "kind": "Config", "current-context": "fake",
    "contexts": [
        {"name": "fake", "context": {"cluster": "fake", "namespace": "shop"}},
        {"name": "other", "context": {"cluster": "fake"}}],
    "clusters": [{"name": "fake", "cluster": {
        "server": f"http://127.0.0.1:{server.server_port}"}}],
}), encoding="utf-8")
pathlib.Path(sys.argv[2] + ".new").rename(sys.argv[2])
server.serve_forever()
