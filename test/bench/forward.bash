# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Part "forward": ktctl forward beside kubectl port-forward, the rows of "speed".

HERE="8080=127.0.0.1:18080,7004=127.0.0.1:17004"

ktctl_forward() {
  way_start alice "$KTCTL" forward -n "$NS" "pod/$WEB_POD" 18080:8080 17004:7004
}

# forward_measure FILE NAME [MORE-PROCESSES]: of the way that runs
forward_measure() {
  local file=$1 name=$2
  shift 2
  measure alice "$file" "$name" "$HERE" --of="client=tree:$WAY" "$@" \
    --of="node=$(in_node)"
}

part_forward() {
  local round file
  for round in $(seq "${BENCH_ROUNDS:-1}"); do
    say "forward, round $round"
    file=$RUN/forward.1.$round.json
    first_byte alice 127.0.0.1:17004 ktctl_forward
    forward_measure "$file" "ktctl forward" "$(of_shadow)"
    note "$file" first_cold_s="$FIRST"
    way_end "$WAY"
    file=$RUN/forward.2.$round.json
    first_byte alice 127.0.0.1:17004 forward_start alice "$WEB_POD" 18080:8080 17004:7004
    forward_measure "$file" "kubectl port-forward"
    note "$file" first_cold_s="$FIRST"
    way_end "$WAY"
  done
  "$PYTHON" "$BENCH/table.py" forward "$RUN"/forward.*.json
}
