#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 25
# --fault: what goes wrong on purpose, for this machine alone. Laptop: alice.
# shellcheck disable=SC2154 # status and output come from bats

bats_require_minimum_version 1.5.0
load inbound

setup() {
  skip_on_foreign "a laptop of one's own"
}

teardown() {
  background_end
  eventually 15 no_objects
}

# ms FROM TO URL: between two of curl's times (0: the start), in milliseconds
ms() {
  local from=0
  [ "$1" = 0 ] || from="%{$1}"
  laptop alice curl -sS --max-time 20 -o /dev/null -w "$from %{$2}" "$3" |
    awk '{printf "%d", ($2 - $1) * 1000 + 0.5}'
}

# quick URL: without the fault's 400 ms, when the machine allows it
quick() {
  [ "$(ms time_namelookup time_total "$1")" -lt 400 ]
}

# hits FAULT: as status has it
hits() {
  laptop alice "$KTCTL" status -o json |
    jq -r --arg f "$1" '.sessions[].faults[] | select(.fault == $f).hits'
}

@test "fault: connect: late, refused, reset; its neighbours and others are not" {
  start c alice connect --fault "web:80/tcp latency=400ms" \
    --fault "far.$OTHER refuse" --fault "net.$NS.svc:7006 reset" \
    --fault "net:7007/udp refuse" --fault "kube-dns.kube-system:53 latency=300ms"
  grep -q "fault in force: web:80/tcp latency=400ms" "$RUN/c.log"
  # the question, the connection, the answer
  [ "$(ms 0 time_namelookup http://web/)" -ge 300 ]
  [ "$(ms time_namelookup time_connect http://web/)" -ge 400 ]
  [ "$(ms time_connect time_starttransfer http://web/)" -ge 400 ]
  run -7 laptop alice curl -sS --max-time 20 -o /dev/null "http://far.$OTHER/"
  [[ $(probe alice greet net 7006) == ECONNRESET* ]]
  [[ $(probe alice udp-echo net 7007 1) == *ECONNREFUSED ]]
  eventually 20 quick http://webn/
  [[ $(ask "http://$(service_ip far "$OTHER")/") == far-* ]]
  [ "$(hits "web:80/tcp latency=400ms")" = 3 ]
  [ "$(hits "far.$OTHER refuse")" -ge 1 ]
  leave c
  grep -q "fault web:80/tcp latency=400ms: has hit 3 times" "$RUN/c.log"
}

@test "fault: forward: a Service's answers are late, the other port's are not" {
  start f alice forward web 18080 webn 18081 --fault "web latency=400ms"
  [ "$(ms time_namelookup time_starttransfer http://127.0.0.1:18080/)" -ge 800 ]
  eventually 20 quick http://127.0.0.1:18081/
  [ "$(hits "web latency=400ms")" = 1 ]
  leave f
  run -1 laptop alice "$KTCTL" forward -n "$NS" web 18080 --fault "wbe refuse"
  [[ $output == *"the cluster's DNS knows no name wbe"* ]]
}
