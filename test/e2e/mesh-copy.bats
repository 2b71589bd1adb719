#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 40
# mesh --copy: the Service's own Pods answer, copies come to the laptop, and
# nobody feels what becomes of them. Laptops: alice, bob.
# shellcheck disable=SC2154 # status, output, hammer come from elsewhere

bats_require_minimum_version 1.5.0
load inbound

setup_file() {
  inbound_prepare web
}

setup() {
  skip_on_foreign "callers in the node's network"
  WEB=$(web web)
}

teardown() {
  background_end
  "$KTCTL" recover web -n "$NS" >/dev/null 2>&1 || true
  kc -n "$NS" delete pods,services -l control-by=kt --now >/dev/null 2>&1
  eventually 30 is_own "$WEB"
  eventually 20 nothing_left
}

# record LAPTOP: a local program at 8080 that notes each request in $RUN/copies,
# and answers what nobody is to see
record() {
  : >"$RUN/copies"
  (laptop_exec "$1" "$PYTHON" -u -c '
import http.server

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        size = int(self.headers.get("Content-Length", 0))
        print(self.command, self.path, self.headers.get("kt-copy", "-"),
              len(self.rfile.read(size)), flush=True)
        self.send_error(500)
    do_POST = do_GET

    def log_message(self, *args):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Handler).serve_forever()
' >"$RUN/copies") 2>/dev/null 3>&- &
  echo "serve-record $!" >>"$PIDS"
  eventually 10 laptop "$1" sh -c 'curl -s -o /dev/null localhost:8080/ready'
}

copies() { # FIELD
  laptop alice "$KTCTL" status -o json | jq -r ".sessions[0].copies.$1"
}

counted() { # FIELD AT-LEAST
  [ "$(copies "$1")" -ge "$2" ]
}

@test "mesh --copy: the copy comes here, the answer from the Service's own Pods" {
  record alice
  start a alice mesh web --expose 8080 --versionMark blue --copy
  grep -q "requests to Service $NS/web with the header 'VERSION: blue' are copied" \
    "$RUN/a.log"
  is_own "$WEB" -H 'VERSION: blue'
  eventually 5 grep -qx 'GET / 1 0' "$RUN/copies"
  # a body, on a connection that is kept
  head -c 3000000 /dev/urandom >"$RUN/body"
  run ask "http://$WEB/discard" -H 'VERSION: blue' --data-binary "@$RUN/body"
  [ "$output" = 3000000 ]
  run ask "http://$WEB/status/204" -H 'VERSION: green' -o /dev/null -w '%{http_code}'
  [ "$output" = 204 ]
  eventually 10 grep -qx 'POST /discard 1 3000000' "$RUN/copies"
  run ! grep -q 'GET /status' "$RUN/copies"
  eventually 5 counted sent 2
  run laptop alice "$KTCTL" birdseye -n "$NS"
  [[ $output == *'copy=100 header:version=blue'* ]]
  # somebody takes a mark beside it, and has it alone
  serve bob of-bob
  start b bob mesh web --expose 8080 --versionMark green
  eventually 5 asks of-bob "http://$WEB/" -H 'VERSION: green'
  leave b
  leave a
  eventually 5 is_own "$WEB"
  eventually 20 nothing_left
}

@test "mesh --copy --percent: a share of all; a laptop that has stopped is not felt" {
  record alice
  start a alice mesh web --expose 8080 --copy --percent 50
  hammer_start plain -r 100 -t 60 "$WEB" 80
  eventually 10 counted sent 50
  kill -STOP "$(pid_of a)"
  sleep 5.5 # some hundred requests
  kill -CONT "$(pid_of a)"
  eventually 10 counted dropped 1
  grep -q 'copies of requests are dropped' "$RUN/a.log"
  hammer_end plain
  [ "$(of failed)" = 0 ]
  [ "$(of slowest_ms)" -lt 5000 ]
  leave a
  eventually 20 nothing_left
}
