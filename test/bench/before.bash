# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Part "before": connect as it was, and as it is, in turn on the same machine in the
# same minutes. BENCH_BEFORE is the checkout of another commit, built there
# (src/ktctl/ktctl and shadow.tar in its build folder).

BEFORE_ROWS=(idle down up down8 rtt connections)

# before_measure COLUMN NAME ROUND PROGRAM IMAGE
before_measure() {
  local program=$4
  KTCTL_IMAGE=$5 way_start alice "$program" connect -n "$NS"
  ready_when 60 'All looks good'
  measure alice "$RUN/before.$1.$3.json" "$2" "8080=$POD:8080,7004=$POD:7004" \
    "${BEFORE_ROWS[@]}" --of="client=tree:$WAY" --of="ktctl=$(before_self)" \
    "$(of_shadow)"
  way_end "$WAY"
}

# without what it has started (nft)
before_self() {
  echo "net:$(stat -Lc %i "/proc/$WAY/ns/net"):ktctl"
}

part_before() {
  local round old=${BENCH_BEFORE:?names the checkout that is compared with} image
  image=kt.local/shadow:before
  "$CLUSTER/load-image" "$old/build/shadow.tar" $image >/dev/null
  for round in $(seq "${BENCH_ROUNDS:-5}"); do
    say "before, round $round"
    # now one is the first, now the other
    if [ $((round % 2)) = 1 ]; then
      before_measure 2 "as it was" "$round" "$old/build/src/ktctl/ktctl" $image
    fi
    before_measure 1 "as it is" "$round" "$KTCTL" "$KTCTL_IMAGE"
    if [ $((round % 2)) = 0 ]; then
      before_measure 2 "as it was" "$round" "$old/build/src/ktctl/ktctl" $image
    fi
  done
  "$PYTHON" "$BENCH/table.py" before "$RUN"/before.*.json
  "$PYTHON" "$BENCH/before.py" "$RUN"
}
