#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 60
# --shadows 2: a second shadow stands by, and serves at once when the first is lost.
# Laptop: bob.
# shellcheck disable=SC2154 # hammer comes from elsewhere

bats_require_minimum_version 1.5.0
load inbound

setup() {
  skip_on_foreign "Pods of the test cluster are killed"
  POD=$(pod_ip "$(pod_of app=web)")
}

teardown() {
  connect_kill
  background_end
}

asked_start() { # ADDRESS PORT: new connections of bob's, fifty a second
  rm -f "$RUN/asked.stop" "$RUN/asked.stop.begun"
  (laptop_exec bob "$PYTHON" "$TOOLS/hammer.py" -r 50 -t 120 \
    -s "$RUN/asked.stop" "$@") >"$RUN/asked.json" 2>"$RUN/asked.err" 3>&- &
  echo "serve-asked $!" >>"$PIDS"
  eventually 20 test -e "$RUN/asked.stop.begun"
}

stands_by() { # LOG N: the Nth one does
  [ "$(grep -c 'stands by$' "$1")" -ge "$2" ]
}

serving() { # the one that was made first
  kc -n "$NS" get pods -l kt-role=shadow-connect --sort-by .metadata.creationTimestamp \
    -o 'jsonpath={.items[0].metadata.name}'
}

# lost WAY LOG N: the one that serves ends in this way under new connections:
# nobody waits longer than a second, and what is new works at once; N: as many have
# stood by then
lost() {
  local old
  old=$(serving)
  asked_start "$ASKED" "$PORT"
  pod_ends "$1" "$old"
  sleep 3 # of a Pod whose program is killed the next one is there then
  eventually 40 stands_by "$2" "$3"
  hammer_end asked
  echo "# $1: outage $(of outage_ms) ms, gap $(of gap_ms) ms, slowest $(of slowest_ms) ms" >&3
  # what was being answered in that moment is reset, and nothing later
  [ "$(of outage_ms)" -lt 1000 ]
  [ "$(of gap_ms)" -lt 1500 ]
}

@test "shadows: connect: the first is lost, killed, evicted: new connections work at once" {
  ASKED=$POD PORT=8080
  connect_start bob --shadows 2
  eventually 30 stands_by "$CONNECT_LOG" 1
  [ "$(shadows shadow-connect | wc -l)" = 2 ]
  lost force "$CONNECT_LOG" 2
  lost evict "$CONNECT_LOG" 3
  [ "$(of failed)" = 0 ]
  lost kill "$CONNECT_LOG" 3 # it runs again, and stands by
  ! grep -q 'open connections wait' "$CONNECT_LOG" || { cat "$CONNECT_LOG" >&2; false; }
  cat "$CONNECT_LOG"
  connect_stop
  eventually 20 no_objects
}

@test "shadows: connect: the spare is lost: nobody notices, another stands by" {
  ASKED=$POD PORT=8080
  connect_start bob --shadows 2
  eventually 30 stands_by "$CONNECT_LOG" 1
  first=$(serving)
  spare=$(shadows shadow-connect | grep -v "$first")
  asked_start "$POD" 8080
  pod_ends force "$spare"
  eventually 40 stands_by "$CONNECT_LOG" 2
  hammer_end asked
  [ "$(of failed)" = 0 ]
  ! grep warning "$CONNECT_LOG" | grep -v 'Too many open files' || { # of inotify
    cat "$CONNECT_LOG" >&2
    false
  }
  kc -n "$NS" get pod "$first" >/dev/null
  connect_stop
  eventually 20 no_objects
}

@test "shadows: a break of the network: what is open goes on, both come back" {
  connect_start bob --shadows 2
  eventually 30 stands_by "$CONNECT_LOG" 1
  laptop bob "$PYTHON" "$TOOLS/idle.py" "$POD" $((60 << 20)) 60 >"$RUN/idle" 2>&1 3>&- &
  idle=$!
  eventually 10 grep -q running "$RUN/idle"
  cut_off bob
  sleep 8
  no_cut bob
  eventually 15 laptop bob curl -sS --max-time 2 -o /dev/null "http://$POD:8080/"
  wait "$idle" || { cat "$RUN/idle" "$CONNECT_LOG" >&2; false; }
  [ "$(shadows shadow-connect | wc -l)" = 2 ]
  cat "$CONNECT_LOG"
  connect_stop
  eventually 20 no_objects
}

@test "shadows: forward: the first is lost: new connections work at once" {
  ASKED=127.0.0.1 PORT=8080
  start f bob forward svc/web 8080:80 --shadows 2
  eventually 30 stands_by "$RUN/f.log" 1
  lost force "$RUN/f.log" 2
  leave f
  eventually 20 no_objects
}

@test "shadows: not with a shadow that others use" {
  ktctl_run bob connect -n "$NS" --shadows 2 --shareShadow
  ended_with 2 "--shadows 2 makes two of its own, and --shareShadow uses one that others use"
  ktctl_run bob connect -n "$NS" --shadows 3
  ended_with 2
}
