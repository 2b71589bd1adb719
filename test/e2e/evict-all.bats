#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 60
# Every shadow Pod is evicted, one after the other, under constant requests.
# Laptops: alice has a connect, bob an exchange and carol a mesh.
# shellcheck disable=SC2154 # hammer comes from elsewhere

bats_require_minimum_version 1.5.0
load inbound

RATE=${EVICT_RATE:-$(long_or 200 100)} # requests a second, to each of the two
export HAMMER_NICE=-10 # it is to ask as often as it says, whatever else runs
SIZE=$((60 << 20))                     # more than all buffers on the way

setup_file() {
  inbound_prepare web
}

setup() {
  skip_on_foreign "Pods of the test cluster are evicted"
  POD=$(pod_ip "$(pod_of app=web)")
  WEB=$(web web)
  WEBN=$(web webn)
}

teardown() {
  : >"$RUN/go"
  connect_kill
  background_end
  "$KTCTL" recover web -n "$NS" >/dev/null 2>&1 || true
  "$KTCTL" recover webn -n "$NS" >/dev/null 2>&1 || true
}

# download TAG: through the tunnel; it stands still in its middle until go is there
download() {
  (
    set -o pipefail
    laptop alice curl -sS "http://$POD:8080/bytes/$SIZE" | {
      head -c 100000
      until [ -e "$RUN/go" ]; do sleep 0.1; done
      cat
    } >"$RUN/file.$1"
  ) 3>&- &
  eventually 10 test -s "$RUN/file.$1"
}

# evicted ROLE: its Pod, and another one is there
evicted() {
  local old
  old=$(shadows "$1")
  pod_ends evict "$old"
  eventually 60 another "$1" "$old" || {
    kc -n "$NS" get pods -o wide
    tail -n 15 "$RUN"/*.log
    return 1
  } >&2
}

another() { # ROLE OLD
  local now
  now=$(shadows "$1")
  [ -n "$now" ] && [ "$now" != "$2" ] && has_shadow "$1"
}

unharmed() { # TAG WANTED
  hammer_end "$1"
  [ "$(of failed)" = 0 ]
  [ "$(of sent)" -ge $((RATE * 20)) ]
  [ "$(of "by.$2")" -ge $(($(of sent) - $(of again))) ]
}

# bats test_tags=long
@test "evict: every shadow Pod in turn under constant requests: none fails, open streams live" {
  local round want
  [ "$(kc version -o json | jq -r '.serverVersion.minor' | tr -d +)" -ge 26 ] ||
    skip "kube-proxy leads to Pods that end from Kubernetes 1.26 on"
  serve alice local
  serve bob exchanged
  serve carol meshed
  connect_start alice
  start exchange bob exchange webn --expose 8080
  start mesh carol mesh web --expose 8080 --versionMark m
  eventually 10 asks exchanged "http://$WEBN/"
  eventually 10 asks meshed "http://$WEB/" -H 'VERSION: m'
  hammer_start x -r "$RATE" -t 600 "$WEBN" 80
  hammer_start m -r "$RATE" -t 600 -H 'VERSION:m' "$WEB" 80
  for round in $(seq "$(long_or 5 2)"); do
    rm -f "$RUN/go"
    download "$round"
    evicted shadow-connect
    evicted shadow-exchange
    evicted router
    # it has lived through all three
    : >"$RUN/go"
    want=$(in_pod toolbox curl -sS "http://$POD:8080/bytes/$SIZE" | sha256sum)
    eventually 60 downloaded "$round" "$want"
  done
  sleep 2
  unharmed x exchanged
  unharmed m meshed
  leave mesh
  leave exchange
  connect_stop
  eventually 20 nothing_left
}

downloaded() { # TAG SUM
  [ "$(stat -c %s "$RUN/file.$1")" = "$SIZE" ] && [ "$(sha256sum <"$RUN/file.$1")" = "$2" ]
}

# What is open and does not end is served until the grace period is over
# bats test_tags=long
@test "evict: a stream that does not end lives until the grace period ends" {
  local old at died
  connect_start alice
  old=$(shadow_pod)
  laptop alice "$PYTHON" "$TOOLS/reset.py" "$POD" 400 >"$RUN/reset" 2>&1 3>&- &
  local client=$!
  eventually 10 grep -q running "$RUN/reset"
  at=$SECONDS
  pod_ends evict "$old"
  wait "$client" || true
  died=$((SECONDS - at))
  cat "$RUN/reset" >&2
  # --wait is 295 of 300
  [ $died -ge 285 ] && [ $died -le 315 ]
  laptop alice curl -sS --max-time 5 -o /dev/null "http://$POD:8080/"
  connect_stop
  eventually 20 no_objects
}
