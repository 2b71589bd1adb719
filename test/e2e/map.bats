#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 25
# The map in a real Chromium on the laptop: what is taken, called and given back,
# as it happens. Laptop: alice.
# shellcheck disable=SC2154 # status and output come from bats

bats_require_minimum_version 1.5.0
load inbound

setup_file() {
  inbound_prepare web
}

setup() {
  skip_on_foreign "a laptop of one's own"
}

teardown() {
  background_end
  "$KTCTL" recover web -n "$NS" >/dev/null 2>&1 || true
  eventually 20 no_objects
}

now_ms() {
  echo $((${EPOCHREALTIME/./} / 1000))
}

# seen N: the page has shown so many of the things that are waited for
seen() {
  [ "$(wc -l <"$RUN/browser.log")" -ge "$1" ]
}

has_url() {
  grep -q '^http://127' "$RUN/map.log"
}

# in_time N MS: the N-th was there no later than a second after that
in_time() {
  local at
  at=$(sed -n "$1p" "$RUN/browser.log")
  echo "$1: $((at - $2)) ms" >&2
  [ $((at - $2)) -le 1000 ]
}

@test "map: a Service that is meshed, called and given back, and the session, within a second" {
  local url row session at ip
  serve alice local
  spawn map alice map --no-open
  eventually 20 has_url
  url=$(grep '^http://127' "$RUN/map.log")
  # only the laptop itself reaches it
  run ! curl -s --max-time 2 -o /dev/null "$url"
  row='[...document.querySelectorAll("#rows tr")].find(tr => tr.querySelector("button").textContent === "web").textContent'
  session='document.getElementById("session-rows").textContent'
  (laptop_exec alice "$TOP/test/browser.py" --timeout 60 "$url" \
    "$row.includes('normal') && document.getElementById('live').textContent === 'live'" \
    "$row.includes('meshed') && $row.includes('· there') && $row.includes('version=ann') && $session.includes('mesh-') && $session.includes(' ms')" \
    "(state.traffic.edges.find(e => e.name === 'web' && e.caller === 'toolbox') || {}).calls > 0" \
    "$row.includes('normal') && !$session.includes('mesh-')") \
    >"$RUN/browser.log" 2>"$RUN/browser.err" 3>&- &
  echo "browser $!" >>"$PIDS"
  eventually 40 seen 1 || { cat "$RUN/browser.err" >&2; return 1; }
  start mesh alice mesh web --expose 8080 --versionMark ann
  at=$(now_ms)
  eventually 20 seen 2
  in_time 2 "$at"
  # it is what birdseye and status say
  [ "$(laptop alice curl -s "${url}state.json" |
    jq -c '[.birdseye.services[] | select(.name == "web").sessions[0] | .rule, .state, .pod]')" = \
    "$(laptop alice "$KTCTL" birdseye -n "$NS" -o json |
      jq -c '[.services[] | select(.name == "web").sessions[0] | .rule, .state, .pod]')" ]
  ip=$(kc -n "$NS" get service web -o 'jsonpath={.spec.clusterIP}')
  in_pod toolbox curl -s -o /dev/null --max-time 5 -H 'VERSION: ann' "http://$ip/"
  eventually 20 seen 3
  leave mesh
  at=$(now_ms)
  eventually 20 seen 4
  in_time 4 "$at"
}
