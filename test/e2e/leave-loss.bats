#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 60
# Leaving while the network swallows everything: the laptop is as before at once,
# the cluster is tried for a few seconds, and what is left there is told. Laptop: bob.
# shellcheck disable=SC2030,SC2031,SC2154 # a shell inside; status and output come from bats

bats_require_minimum_version 1.5.0
load inbound

setup_file() {
  inbound_prepare web
}

setup() {
  skip_on_foreign "the network between"
  WEB=$(web web)
}

teardown() {
  no_cut bob
  connect_kill
  background_end
  laptop bob "$KTCTL" recover web -n "$NS" >/dev/null 2>&1 || true
  laptop bob "$KTCTL" clean -n "$NS" >/dev/null 2>&1 || true
}

# left PID SECONDS: it ends within so many; TOOK in ms, ENDED its status
left() {
  local start=${EPOCHREALTIME/./}
  eventually "$2" over "$1"
  ENDED=0
  wait "$1" || ENDED=$?
  TOOK=$(((${EPOCHREALTIME/./} - start) / 1000))
  echo "# left after $TOOK ms" >&3
}

over() {
  ! kill -0 "$1" 2>/dev/null
}

# restored: no device, no route, no rule of ours on bob's machine
restored() {
  snapshot bob "$RUN/now"
  sed -i '/\/\.kt\/pid\//d' "$RUN/now" # it goes last
  # so does a table that does nothing but keep connection tracking on
  python3 - "$RUN/now" <<'END'
import re, sys
text = open(sys.argv[1]).read()
text = re.sub(r"table inet \S+ \{[^{}]*\{[^{}]*priority filter; policy accept;\s*"
              r"ct state invalid accept\s*\}\s*\}\n", "", text)
open(sys.argv[1], "w").write(text)
END
  cmp -s "$RUN/before" "$RUN/now" || { diff "$RUN/before" "$RUN/now" | head -20 >&2; false; }
}

restored_before_end() { # the cluster is tried still
  restored && ! over "$CONNECT_PID"
}

@test "leave: connect, every packet is lost: the laptop at once, all within a few seconds" {
  snapshot bob "$RUN/before"
  sed -i '/\/\.kt\/pid\//d' "$RUN/before" # of another file's, that was killed
  connect_start bob
  pod=$(shadow_pod)
  cut_off bob
  kill -INT "$CONNECT_PID"
  eventually 5 restored_before_end
  left "$CONNECT_PID" 8
  CONNECT_PID=
  no_cut bob
  [ "$TOOK" -lt 6000 ]
  [ "$ENDED" = 0 ]
  grep "shadow Pod $pod was not removed: .*it does not answer; it ends by itself within 10 minutes, and 'ktctl clean'" \
    "$CONNECT_LOG" || { cat "$CONNECT_LOG" >&2; false; }
  # as it was told
  ktctl_run bob clean -n "$NS"
  ended_with 0
  eventually 10 no_objects
}

@test "leave: connect, a second Ctrl-C ends it at once" {
  connect_start bob
  cut_off bob
  kill -INT "$CONNECT_PID"
  sleep 0.5
  kill -INT "$CONNECT_PID"
  left "$CONNECT_PID" 3
  CONNECT_PID=
  no_cut bob
  [ "$TOOK" -lt 1500 ]
  grep "was not removed" "$CONNECT_LOG"
}

@test "leave: exchange, every packet is lost: within a few seconds, and what is left is told" {
  serve bob local
  start x bob exchange web --expose 8080
  pid=$(pid_of x)
  cut_off bob
  kill -TERM "$pid"
  left "$pid" 12
  sed -i '/^x /d' "$PIDS"
  no_cut bob
  cat "$RUN/x.log"
  [ "$TOOK" -lt 8000 ]
  [ "$ENDED" = 1 ]
  grep "Service $NS/web was not given back: .*it does not answer; its own Pods answer through the shadow until 'ktctl recover web'" \
    "$RUN/x.log"
  grep "'ktctl clean' removes the rest" "$RUN/x.log"
  # as it was told
  eventually 12 is_own "$WEB" "${CONNECT_SOON[@]}"
  ktctl_run bob recover web -n "$NS"
  ended_with 0
  eventually 20 nothing_left
}

@test "leave: exchange, a second Ctrl-C ends it at once" {
  serve bob local
  start x bob exchange web --expose 8080
  pid=$(pid_of x)
  cut_off bob
  kill -INT "$pid"
  sleep 0.5
  kill -INT "$pid"
  left "$pid" 5
  sed -i '/^x /d' "$PIDS"
  no_cut bob
  [ "$TOOK" -lt 2500 ]
}

@test "leave: mesh, every packet is lost: within a few seconds" {
  serve bob local
  start x bob mesh web --expose 8080 --versionMark v1
  pid=$(pid_of x)
  cut_off bob
  kill -INT "$pid"
  left "$pid" 12
  sed -i '/^x /d' "$PIDS"
  no_cut bob
  cat "$RUN/x.log"
  [ "$TOOK" -lt 8000 ]
  [ "$ENDED" = 1 ]
  grep "'ktctl recover web' undoes it" "$RUN/x.log"
  ktctl_run bob recover web -n "$NS"
  ended_with 0
  eventually 20 nothing_left
}
