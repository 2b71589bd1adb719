# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Part "speed": ktctl connect, its peers and its ceilings, side by side.

# start_times FILE: from start to the first byte, without and with a shadow that
# is there already, and without an image of ours (the first in the namespace, who
# brings the program); how long the cluster took to make the Pod is noted, too
start_times() {
  local cold warm zero ready watch waiter
  kc -n "$NS" get pods -l kt-role=shadow-connect --watch -o json \
    --output-watch-events >"$RUN/pods" 2>/dev/null &
  watch=$!
  "$PYTHON" "$BENCH/podready.py" "$RUN/pods" >"$RUN/ready" &
  waiter=$!
  sleep 1
  first_byte alice "$POD:7004" ktctl_start alice
  cold=$FIRST
  wait $waiter || true
  ready=$(cat "$RUN/ready")
  kill "$watch"
  way_end "$WAY"
  KTCTL_IMAGE='' first_byte alice "$POD:7004" ktctl_start alice
  zero=$FIRST
  way_end "$WAY"
  kc -n "$NS" delete configmaps -l kt-role=shadow-program >/dev/null
  ktctl_start bob --shareShadow
  ready_when 60 'All looks good'
  local bob=$WAY
  first_byte alice "$POD:7004" ktctl_start alice --shareShadow
  warm=$FIRST
  way_end "$WAY"
  way_end "$bob"
  note "$1" first_cold_s="$cold" first_warm_s="$warm" first_zero_s="$zero" \
    pod_ready_s="$ready"
}

speed_ktctl() { # ROUND
  local file=$RUN/speed.1.$1.json
  ktctl_start alice
  ready_when 60 'All looks good'
  measure alice "$file" "ktctl connect" "8080=$POD:8080,7004=$POD:7004" \
    --of="client=tree:$WAY" "$(of_shadow)" --of="node=$(in_node)"
  way_end "$WAY"
  start_times "$file"
}

# speed_peer FILE NAME MAP RANGE-TO-CONNECT START...
speed_peer() {
  local file=$1 name=$2 map=$3 echo=$4
  shift 4
  first_byte alice "$echo" "$@"
  measure alice "$file" "$name" "$map" --of="client=tree:$WAY" \
    --of="node=$(in_node)" "${OF_PEER[@]}"
  note "$file" first_warm_s="$FIRST"
  way_end "$WAY"
}

speed_peers() { # ROUND
  local here="8080=127.0.0.1:18080,7004=127.0.0.1:17004" OF_PEER=()
  speed_peer "$RUN/speed.2.$1.json" "kubectl port-forward" "$here" \
    127.0.0.1:17004 forward_start alice "$WEB_POD" 18080:8080 17004:7004
  OF_PEER=(--of="shadow=$(in_the_pod sshd sshd+python3+sh)")
  speed_peer "$RUN/speed.3.$1.json" "ssh -L" "$here" 127.0.0.1:17004 \
    ssh_start alice -L "127.0.0.1:18080:$POD:8080" \
    -L "127.0.0.1:17004:$POD:7004"
  speed_peer "$RUN/speed.4.$1.json" sshuttle \
    "8080=$POD:8080,7004=$POD:7004" "$POD:7004" sshuttle_start alice "$POD/32"
  [ -n "${BENCH_PEER:-}" ] || return 0
  OF_PEER=()
  speed_peer "$RUN/speed.7.$1.json" "$(basename "$BENCH_PEER")" "$here" \
    127.0.0.1:17004 peer_start alice
}

# its connections would be new port-forwards, not what others call so
speed_ceilings() { # ROUND
  "$TOP/build/test/bench/bare-stream" "${BENCH_CARRIER:-spdy}" "$NS" "$WEB_POD" \
    down up down8 up8 rtt beside >"$RUN/speed.5.$1.json"
  node_exec "$PYTHON" "$BENCH/measure.py" "inside the node" \
    "8080=$POD:8080,7004=$POD:7004" down up down8 up8 rtt connections \
    connections32 beside >"$RUN/speed.6.$1.json"
}

part_speed() {
  local round
  sshd_up
  for round in $(seq "${BENCH_ROUNDS:-1}"); do
    say "speed, round $round: ktctl"
    speed_ktctl "$round"
    say "speed, round $round: peers"
    speed_peers "$round"
    say "speed, round $round: ceilings"
    speed_ceilings "$round"
  done
  sshd_down
  "$PYTHON" "$BENCH/table.py" speed "$RUN"/speed.*.json
}
