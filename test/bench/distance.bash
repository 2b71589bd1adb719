# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Part "distance": ktctl and a bare port-forward stream over a long, lossy link
# (link_delay.c) between the laptop and the cluster.

# link_start ROUND-TRIP-MS LOSS-PERCENT: alice's way to the API server and back
link_start() {
  local ip api=${KTCTL_TEST_API#https://}
  ip=$(laptop alice ip -4 -o addr show dev eth0 | awk '{print $4}')
  ip=${ip%/*}
  api=${api%:*}
  "$TOP/build/test/bench/link-delay" "/run/netns/ktlap-$ID-alice" wan0 \
    "/run/netns/ktoffice-$ID" wan-alice "$1" "$2" &
  LINK=$!
  STARTED+=("$LINK")
  eventually 5 ip -n "ktoffice-$ID" link set wan-alice up
  eventually 5 ip -n "ktlap-$ID-alice" link set wan0 up
  ip -n "ktlap-$ID-alice" link set wan0 txqueuelen 1000
  ip -n "ktoffice-$ID" link set wan-alice txqueuelen 1000
  ip -n "ktlap-$ID-alice" route replace "$api/32" dev wan0 src "$ip"
  ip -n "ktoffice-$ID" route replace "$ip/32" dev wan-alice
}

link_end() {
  kill "$LINK"
  wait "$LINK" 2>/dev/null || true
}

# bare ROW...: one bare stream, from the laptop
bare() {
  laptop alice "$TOP/build/test/bench/bare-stream" "${BENCH_CARRIER:-spdy}" \
    "$NS" "$WEB_POD" "$@"
}

# as_much FIGURES KEY: bytes that take BENCH_SECONDS at that speed
as_much() {
  "$PYTHON" -c 'import json, os, sys
v = json.load(open(sys.argv[1]))[sys.argv[2]]
print(max(1 << 18, int(v * 1e6 * float(os.environ["BENCH_SECONDS"]))))' "$@"
}

# distance_bare FILE: downloads end with their time, uploads have a size
distance_bare() {
  BENCH_BYTES=$((1 << 40)) bare down >"$RUN/d1"
  BENCH_BYTES=$((1 << 40)) bare down8 >"$RUN/d8"
  BENCH_BYTES=$(as_much "$RUN/d1" down_MBps) BENCH_LIMIT=60 bare up >"$RUN/u1"
  BENCH_BYTES=$(as_much "$RUN/d8" down8_MBps) BENCH_LIMIT=60 bare up8 \
    >"$RUN/u8"
}

# distance_peer FILE NAME START...: the rows of another way into the cluster
distance_peer() {
  local file=$1 name=$2
  shift 2
  first_byte alice 127.0.0.1:17004 "$@"
  BENCH_ABORT=1 measure alice "$file" "$name" \
    "8080=127.0.0.1:18080,7004=127.0.0.1:17004" down up down8 up8 rtt beside
  way_end "$WAY"
}

# distance_peers NUMBER: kubectl, and BENCH_PEER if there is one
distance_peers() {
  distance_peer "$RUN/peers.$1.1.json" "kubectl port-forward" \
    forward_start alice "$WEB_POD" 18080:8080 17004:7004
  [ -n "${BENCH_PEER:-}" ] || return 0
  distance_peer "$RUN/peers.$1.2.json" "$(basename "$BENCH_PEER")" \
    peer_start alice
}

# distance_one NUMBER ROUND-TRIP LOSS
distance_one() {
  say "distance: $2 ms, $3 %"
  link_start "$2" "$3"
  distance_bare
  ktctl_start alice
  ready_when 90 'All looks good'
  BENCH_ABORT=1 measure alice "$RUN/own" "ktctl connect" \
    "8080=$POD:8080,7004=$POD:7004" down up down8 up8 rtt beside
  way_end "$WAY"
  distance_peers "$1"
  link_end
  "$PYTHON" - "$RUN" "$2" "$3" "$RUN/peers.$1".*.json \
    >"$RUN/distance.$1.1.json" <<'END'
import json, sys
run, rtt, loss, *peers = sys.argv[1:]
bare = {}
for part in ("d1", "d8", "u1", "u8"):
    bare.update(json.load(open(f"{run}/{part}", encoding="utf-8")))
own = json.load(open(f"{run}/own", encoding="utf-8"))
json.dump({"name": "distance", "rtt_ms": float(rtt), "loss": float(loss),
           "bare": bare, "ktctl": own,
           "peers": [json.load(open(p, encoding="utf-8")) for p in peers]},
          sys.stdout)
END
}

part_distance() {
  local rtt loss n=0
  export BENCH_SECONDS=${BENCH_SECONDS:-4}
  for rtt in ${BENCH_RTT:-1 20 80}; do
    for loss in ${BENCH_LOSS:-0 1 3}; do
      n=$((n + 1))
      distance_one "$n" "$rtt" "$loss"
    done
  done
  "$PYTHON" "$BENCH/table.py" distance "$RUN"/distance.*.json
}
