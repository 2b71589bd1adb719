#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""fakeapi.py FOLDER KUBECONFIG: an API server on 127.0.0.1 that answers GET with
files: /api/v1/services is FOLDER/api/v1/services.json; what is not there is
forbidden. Writes a kubeconfig for itself when it listens. FOLDER/delay: seconds
that each answer takes; FOLDER/log: the requests."""
import http.server
import json
import pathlib
import sys
import time

folder = pathlib.Path(sys.argv[1])


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

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
        body = file.read_bytes() if status == 200 else json.dumps({
            "kind": "Status", "apiVersion": "v1", "status": "Failure",
            "code": 403, "reason": "Forbidden",
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
