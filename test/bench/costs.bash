# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Part "costs": what a caller pays for what somebody else wants to see, copy or
# break: nothing, beside the processor's time.

COSTS_ROUNDS=${COSTS_ROUNDS:-3}

# costs_of COLUMN NAME URL PROCESSES WHERE...: WHERE runs a program there
costs_of() {
  local column=$1 name=$2 url=$3 processes=$4
  shift 4
  # shellcheck disable=SC2086 # none, or one
  "$@" "$PYTHON" "$BENCH/router.py" --url "$name" "$url" $processes \
    >"$RUN/costs.$column.$COSTS_ROUND.json"
}

costs_reached() { # URL
  [ "$(in_pod toolbox curl -s -H 'VERSION: me' "$1")" = laptop ]
}

costs_seen() { # URL
  in_pod toolbox curl -s -o /dev/null "$1" && [ -s "$WAY_LOG" ]
}

# costs_watch URL: events are followed; the first one is in the log
costs_watch() {
  # shellcheck disable=SC2016 # expanded by the inner shell
  way_start alice sh -c '"$0" events | {
    head -n 1
    exec cat >/dev/null
  }' "$KTCTL"
  eventually 20 costs_seen "$1"
}

# the same requests to the Service's own Pods, by the router, whose processor
# time is measured
costs_round_mesh() { # URL
  costs_of 2 "mesh: nobody watches" "$1" "$ROUTER" in_pod toolbox
  costs_watch "$1"
  costs_of 3 "mesh: ktctl events" "$1" "$ROUTER" in_pod toolbox
  way_end "$WAY"
  way_start alice "$KTCTL" mesh bench -n "$NS" --expose 8080 --copy --percent 10
  ready_when 60 'All looks good'
  costs_of 4 "mesh: 10 % are copied" "$1" "$ROUTER" in_pod toolbox
  way_end "$WAY"
}

costs_round_forward() { # COLUMN NAME FLAGS...
  local column=$1 name=$2
  shift 2
  way_start alice "$KTCTL" forward bench 18090:8080 -n "$NS" "$@"
  ready_when 60 'All looks good'
  costs_of "$column" "$name" http://127.0.0.1:18090/ "tree:$WAY" laptop alice
  way_end "$WAY"
}

part_costs() {
  local url mesh
  say "costs"
  exchange_service
  in_pod toolbox true
  url=http://$(service_ip bench):8080/
  gcc -O1 -pthread -o "$RUN/netsrv" "$TOP/test/images/netsrv.c"
  way_start alice env NAME=laptop "$RUN/netsrv" -l 7000
  for COSTS_ROUND in $(seq "$COSTS_ROUNDS"); do
    costs_of 1 "the Pods alone" "$url" "" in_pod toolbox
  done
  way_start alice "$KTCTL" mesh bench -n "$NS" --expose 8080 --versionMark me
  ready_when 60 'All looks good'
  mesh=$WAY
  eventually 10 costs_reached "$url"
  ROUTER=$(in_the_pod "$(kc -n "$NS" get pods -l kt-role=router \
    -o 'jsonpath={.items[0].metadata.name}')" shadow)
  for COSTS_ROUND in $(seq "$COSTS_ROUNDS"); do
    costs_round_mesh "$url"
  done
  way_end "$mesh"
  for COSTS_ROUND in $(seq "$COSTS_ROUNDS"); do
    costs_round_forward 5 "forward"
    costs_round_forward 6 "forward --fault, of another address" \
      --fault '192.0.2.1 refuse'
  done
  kc -n "$NS" delete service bench >/dev/null
  "$PYTHON" "$BENCH/table.py" costs "$RUN"/costs.*.json
}
