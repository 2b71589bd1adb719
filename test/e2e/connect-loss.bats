#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 50
# The network between the laptop and the cluster goes away and comes back:
# connections wait and go on, nothing has to be done. Laptop: alice.

bats_require_minimum_version 1.5.0
load common
load net

SIZE=$((300 << 20))

setup_file() {
  # shellcheck source=test/e2e/common.bash
  . "$BATS_TEST_DIRNAME/common.bash"
  POD=$(pod_ip "$(pod_of app=web)")
  export POD
  connect_start alice
  export CONNECT_PID CONNECT_LOG
}

teardown_file() {
  # shellcheck source=test/e2e/common.bash
  . "$BATS_TEST_DIRNAME/common.bash"
  connect_kill
}

setup() {
  skip_on_foreign "the network between"
}

teardown() {
  mend
}

mend() {
  no_cut alice
  "$CLUSTER/laptop" --office ip link set "lp-alice$LANE" up 2>/dev/null || true
}

reachable() {
  laptop alice curl -sS --max-time 2 -o /dev/null "http://$POD:8080/" \
    2>/dev/null
}

# survives SECONDS BREAK...: a running download and an idle connection live
# through so long a break, and all works within 15 s of its end
survives() {
  local seconds=$1 start
  shift
  "$CLUSTER/laptop" "alice$LANE" "$PYTHON" "$TOOLS/idle.py" "$POD" "$SIZE" \
    >"$BATS_TEST_TMPDIR/idle" 2>&1 3>&- &
  client=$!
  eventually 10 grep -q running "$BATS_TEST_TMPDIR/idle"
  "$@"
  sleep "$seconds"
  mend
  start=${EPOCHREALTIME/./}
  eventually 15 reachable
  echo "again after $(((${EPOCHREALTIME/./} - start) / 1000)) ms"
  wait "$client" || {
    cat "$BATS_TEST_TMPDIR/idle" >&2
    return 1
  }
}

@test "every packet lost for 18 s: streams survive, bytes are right" {
  survives 18 cut_off alice
}

@test "the cable pulled for 8 s: streams survive, bytes are right" {
  survives 8 "$CLUSTER/laptop" --office ip link set "lp-alice$LANE" down
}
