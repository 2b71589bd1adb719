#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 60
# The shadow of connect and forward is told to end (eviction, drain): what is
# open goes on, what is new goes through another one. Laptop: alice.
# shellcheck disable=SC2154 # hammer comes from elsewhere

bats_require_minimum_version 1.5.0
load inbound

SIZE=$((60 << 20)) # more than all buffers on the way

setup() {
  skip_on_foreign "Pods of the test cluster are evicted"
  POD=$(pod_ip "$(pod_of app=web)")
}

teardown() {
  connect_kill
  background_end
}

# download URL: in the background; it stands still in its middle until
# downloaded(), which succeeds when every byte has come
download() {
  rm -f "$RUN/file" "$RUN/go"
  (
    set -o pipefail
    laptop alice curl -sS "$1" | {
      head -c 100000
      until [ -e "$RUN/go" ]; do sleep 0.1; done
      cat
    } >"$RUN/file"
  ) 3>&- &
  DOWNLOAD=$!
  eventually 10 test -s "$RUN/file"
}

downloaded() {
  kill -0 "$DOWNLOAD"
  : >"$RUN/go"
  wait "$DOWNLOAD"
  [ "$(stat -c %s "$RUN/file")" = "$SIZE" ]
  [ "$(sha256sum <"$RUN/file")" = "$(in_pod toolbox \
    curl -sS "http://$POD:8080/bytes/$SIZE" | sha256sum)" ]
}

# asked_start ADDRESS PORT: new connections of alice's, fifty a second
asked_start() {
  rm -f "$RUN/asked.stop" "$RUN/asked.stop.begun"
  (laptop_exec alice "$PYTHON" "$TOOLS/hammer.py" -r 50 -t 120 \
    -s "$RUN/asked.stop" "$@") >"$RUN/asked.json" 2>"$RUN/asked.err" 3>&- &
  echo "serve-asked $!" >>"$PIDS"
  eventually 20 test -e "$RUN/asked.stop.begun"
}

# evicted OLD URL ADDRESS PORT: under new connections and a download
evicted() {
  local old=$1
  download "$2"
  asked_start "$3" "$4"
  pod_ends evict "$old"
  # the other one is there, and the download goes on through the old one
  eventually 40 grep -q "$old is told to end" "$RUN/evicted.log"
  sleep 1
  kc -n "$NS" get pod "$old" >/dev/null
  downloaded
  eventually 40 gone "$old"
  hammer_end asked
  [ "$(of failed)" = 0 ]
  [ "$(of sent)" -ge 100 ]
}

gone() {
  ! kc -n "$NS" get pod "$1" >/dev/null 2>&1
}

@test "evict: connect: open connections go on until they end, new ones go through another shadow" {
  connect_start alice
  ln -sf "$CONNECT_LOG" "$RUN/evicted.log"
  evicted "$(shadow_pod)" "http://$POD:8080/bytes/$SIZE" "$POD" 8080
  # and that one's, in turn
  evicted "$(shadow_pod)" "http://$POD:8080/bytes/$SIZE" "$POD" 8080
  ! grep -q warning "$CONNECT_LOG" || { cat "$CONNECT_LOG" >&2; false; }
  connect_stop
  eventually 20 no_objects || { cat "$CONNECT_LOG" >&2; false; }
}

@test "evict: forward: likewise; leaving while two are there leaves nothing behind" {
  local old
  start evicted alice forward svc/web 8080:80
  old=$(shadow_pod)
  evicted "$old" "http://127.0.0.1:8080/bytes/$SIZE" 127.0.0.1 8080
  old=$(shadow_pod)
  download "http://127.0.0.1:8080/bytes/$SIZE"
  pod_ends evict "$old"
  eventually 40 grep -q "$old is told to end" "$RUN/evicted.log"
  leave evicted
  : >"$RUN/go"
  eventually 20 no_objects
  eventually 40 gone "$old"
}
