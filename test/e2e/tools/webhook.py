#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""webhook.py PORT CERTIFICATE KEY IMAGE NODE STOP: a mutating webhook for Pods,
until there is a file STOP (no signal reaches into the node).

It does what injectors of service meshes do: a container of its own stands before
all others. And it lets the Pod onto NODE, which is tainted, and prefers it: only
what the Pod says itself keeps it from there.
"""
import base64
import http.server
import json
import os
import ssl
import sys

PORT, CERTIFICATE, KEY, IMAGE, NODE, STOP = sys.argv[1:]
TAINT = "ktctl.test/other"
SIDECAR = {"name": "aaa-proxy", "image": IMAGE, "imagePullPolicy": "Never",
           "securityContext": {"runAsNonRoot": True, "runAsUser": 65534,
                               "allowPrivilegeEscalation": False,
                               "capabilities": {"drop": ["ALL"]}}}
TOLERATION = {"key": TAINT, "operator": "Exists"}
AFFINITY = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{
    "weight": 100, "preference": {"matchExpressions": [
        {"key": "kubernetes.io/hostname", "operator": "In",
         "values": [NODE]}]}}]}}


def patch(pod):
    spec = pod["spec"]
    return [
        {"op": "add", "path": "/spec/containers/0", "value": SIDECAR},
        {"op": "add", "path": "/spec/tolerations",
         "value": spec.get("tolerations", []) + [TOLERATION]},
        {"op": "add", "path": "/spec/affinity", "value": AFFINITY},
    ]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        length = int(self.headers["Content-Length"])
        review = json.loads(self.rfile.read(length))
        request = review["request"]
        patches = json.dumps(patch(request["object"])).encode()
        answer = json.dumps({
            "apiVersion": review["apiVersion"], "kind": "AdmissionReview",
            "response": {"uid": request["uid"], "allowed": True,
                         "patchType": "JSONPatch",
                         "patch": base64.b64encode(patches).decode()}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args):
        pass


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(CERTIFICATE, KEY)
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(PORT)), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.timeout = 0.5
while not os.path.exists(STOP):
    server.handle_request()
