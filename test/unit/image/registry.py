#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Registries that Debian's is not: registry.py LOG [CERT KEY]
With REALM in the environment it says that tokens are there.

Serves, on free ports of 127.0.0.1 that it prints in one line,

  registry   wants a Bearer token, which is good for three requests, and sends
             uploads to the storage; with CERT it speaks TLS
  tokens     gives tokens to ann (se:cret), or for the login R
  storage    takes blobs, and no credentials

Each request is a line of LOG: "server METHOD path authorization".
"""
import base64
import hashlib
import http.server
import json
import os
import ssl
import sys
import threading
import urllib.parse

log = open(sys.argv[1], "a", encoding="utf-8")
lock = threading.Lock()
blobs, manifests, good = {}, {}, {}
urls = {}


def realm():
    return os.environ.get("REALM") or urls["tokens"]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, body=b"", **fields):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def serve(self):
        n = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(n)
        said = self.headers.get("Authorization") or "-"
        with lock:
            print(self.server.what, self.command, self.path, said, file=log,
                  flush=True)
            getattr(self, self.server.what)(body, said)

    do_GET = do_HEAD = do_POST = do_PUT = serve

    def registry(self, body, said):
        if good.get(said, 0) == 0:
            self.answer(401, {"errors": [{"code": "UNAUTHORIZED",
                                          "message": "no token"}]},
                        WWW_Authenticate=f'Bearer realm="{realm()}/get'
                                         '?extra=1",service="fake reg"')
            return
        good[said] -= 1
        path = urllib.parse.urlsplit(self.path).path
        name = path.rsplit("/", 1)[-1]
        if path == "/v2/":
            self.answer(200)
        elif self.command == "HEAD":
            self.answer(200 if name in blobs else 404)
        elif self.command == "POST":
            self.answer(202, Location=urls["storage"] + "/up?state=a%2Fb")
        elif self.headers.get("Content-Type", "").startswith(
                "application/vnd.oci.image."):
            doc = json.loads(body)
            for d in doc.get("layers", []) + [doc.get("config", {})]:
                if d and d["digest"] not in blobs:
                    self.answer(400, {"errors": [{"code": "BLOB_UNKNOWN"}]})
                    return
            for d in doc.get("manifests", []):
                if d["digest"] not in manifests:
                    self.answer(400, {"errors": [{"code": "BLOB_UNKNOWN"}]})
                    return
            manifests[name] = body
            self.answer(201)
        else:
            self.answer(400)

    def tokens(self, body, said):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        basic = "Basic " + base64.b64encode(b"ann:se:cret").decode()
        if self.command == "POST":
            query = urllib.parse.parse_qs(body.decode())
            known = query.get("refresh_token") == ["R+/="]
        else:
            known = said == basic and query.get("extra") == ["1"]
        if not known:
            self.answer(401, {"errors": [{"code": "UNAUTHORIZED",
                                          "message": "who?\x1b[2J"}]})
        elif (query.get("scope") != ["repository:team/shadow:pull,push"]
              or query.get("service") != ["fake reg"]):
            self.answer(400)
        else:
            token = f"t{len(good)}"
            good["Bearer " + token] = 3
            key = "access_token" if self.command == "POST" else "token"
            self.answer(200, {key: token})

    def storage(self, body, said):
        parts = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(parts.query)
        digest = "sha256:" + hashlib.sha256(body).hexdigest()
        if (said != "-" or query.get("state") != ["a/b"]
                or query.get("digest") != [digest]):
            self.answer(400)
            return
        blobs[digest] = body
        self.answer(201)


def start(what, tls):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.what = what
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    urls[what] = f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


ports = [start("registry", sys.argv[2:4]), start("tokens", None),
         start("storage", None)]
print(*ports, flush=True)
threading.Event().wait()
