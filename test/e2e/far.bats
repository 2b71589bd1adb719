#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 25
# Far from the cluster one transfer rides on several carriers, and some of them
# die meanwhile. Laptop: faye.

bats_require_minimum_version 1.5.0
load common
load net

SIZE=$((120 << 20))

setup_file() {
  # shellcheck source=test/e2e/common.bash
  . "$BATS_TEST_DIRNAME/common.bash"
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || return 0
  POD=$(pod_ip "$(pod_of app=web)")
  export POD
  link_start 20
  connect_start faye --debug
  export CONNECT_PID CONNECT_LOG LINK
}

teardown_file() {
  # shellcheck source=test/e2e/common.bash
  . "$BATS_TEST_DIRNAME/common.bash"
  connect_kill
  kill "${LINK:-}" 2>/dev/null || true
}

setup() {
  skip_on_foreign "the network between"
}

# link_start ROUND-TRIP-MS: between the laptop and the API server; sets LINK
link_start() {
  local ip api=${KTCTL_TEST_API#https://} id
  id=$(basename "$KTCTL_TEST_STATE")
  ip=$(laptop faye ip -4 -o addr show dev eth0 | awk '{print $4}')
  ip=${ip%/*}
  api=${api%:*}
  "$TOP/build/test/bench/link-delay" "/run/netns/ktlap-$id-faye$LANE" wan0 \
    "/run/netns/ktoffice-$id" "wan-f$LANE" "$1" 0 3>&- &
  LINK=$!
  eventually 5 laptop faye ip link set wan0 up
  eventually 5 "$CLUSTER/laptop" --office ip link set "wan-f$LANE" up
  laptop faye ip link set wan0 txqueuelen 1000
  "$CLUSTER/laptop" --office ip link set "wan-f$LANE" txqueuelen 1000
  laptop faye ip route replace "$api/32" dev wan0 src "$ip"
  "$CLUSTER/laptop" --office ip route replace "$ip/32" dev "wan-f$LANE"
}

# the local ports of connections to the API server that carry bulk now
carriers() {
  laptop faye ss -tinHO dport = :6443 |
    awk '{ split($4, a, ":"); for (i = 1; i <= NF; i++)
      if ($i ~ /^bytes_(received|acked):/) { split($i, b, ":")
        if (b[2] > 1000000) { print a[length(a)]; next } } }'
}

several() {
  [ "$(carriers | wc -l)" -ge 3 ]
}

# cut_two: of the carriers; one is reset, one falls silent
cut_two() {
  local ports
  eventually 10 several
  mapfile -t ports < <(carriers)
  laptop faye ss -K sport = ":${ports[1]}" >/dev/null
  laptop faye nft "add table ip cut-one
    add chain ip cut-one o { type filter hook output priority 0; }
    add rule ip cut-one o tcp sport ${ports[2]} drop
    add chain ip cut-one i { type filter hook input priority 0; }
    add rule ip cut-one i tcp dport ${ports[2]} drop"
}

@test "a download over several carriers, one reset, one silent: the checksum is equal" {
  want=$(toolbox sh -c "curl -sS http://$POD:8080/bytes/$SIZE | sha256sum")
  laptop faye sh -c "curl -sS --max-time 60 --limit-rate 24M \
    http://$POD:8080/bytes/$SIZE | sha256sum" >"$BATS_TEST_TMPDIR/sum" 3>&- &
  client=$!
  cut_two
  wait "$client"
  [ "$(cat "$BATS_TEST_TMPDIR/sum")" = "$want" ]
  grep -c 'carrier lost' "$CONNECT_LOG"
  run ! grep -E 'bulk: (carrier lost|session dead)' "$CONNECT_LOG"
}
