# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Part "growth": what many streams, many objects and many clients cost.

growth_streams() {
  say "growth: streams"
  ktctl_start alice
  ready_when 60 'All looks good'
  # shellcheck disable=SC2086 # one word per number
  laptop alice "$PYTHON" "$BENCH/growth.py" streams "$POD:7004" \
    ${BENCH_STREAMS:-1 100 1000 10000} --of="client=tree:$WAY" \
    "$(of_shadow)" >"$RUN/growth.1.1.json"
  way_end "$WAY"
}

# rows_to FILE TITLE: from lines "KEY=NUMBER ..." on stdin
rows_to() {
  "$PYTHON" -c 'import json, sys
rows = [{k.replace("_", " "): float(v) for k, v in
         (pair.split("=") for pair in line.split())} for line in sys.stdin]
for row in rows:
    key = next(iter(row))
    row[key] = int(row[key])
json.dump({"title": sys.argv[1], "rows": rows}, sys.stdout)' "$2" >"$1"
}

# The objects need not run: what a client reads is the same. Another client
# holds the shared shadow, so no Pod is made while the time runs.
growth_objects() {
  local n had=0 bob
  ktctl_start bob --shareShadow
  ready_when 60 'All looks good'
  bob=$WAY
  kc delete namespace growth --ignore-not-found >/dev/null
  kc create namespace growth >/dev/null
  for n in ${BENCH_OBJECTS:-10 100 1000}; do
    say "growth: $n Services and Pods"
    "$PYTHON" "$BENCH/growth.py" objects "$had" "$n" growth |
      kc create -f - >/dev/null
    had=$n
    first_byte alice "$POD:7004" ktctl_start alice --shareShadow
    ready_when 60 'All looks good'
    echo "Services_and_Pods=$n start_to_first_byte,_s=$FIRST" \
      "client,_MiB=$(($(resident "$WAY") / 1024))"
    way_end "$WAY"
  done >"$RUN/rows"
  rows_to "$RUN/growth.2.1.json" "Services and Pods each" <"$RUN/rows"
  kc delete namespace growth --wait=false >/dev/null
  way_end "$bob"
}

# clients_ready N: so many have said so
clients_ready() {
  [ "$(grep -l 'All looks good' "$RUN"/way-*.log | wc -l)" -ge "$1" ]
}

# Each is a whole ktctl on a laptop of its own.
growth_clients() {
  local n i=0 pids=() set start before cpu
  rm -f "$RUN"/way-*.log
  for n in ${BENCH_CLIENTS:-1 10 100}; do
    say "growth: $n clients"
    start=${EPOCHREALTIME/./}
    while [ $i -lt "$n" ]; do
      i=$((i + 1))
      laptop "c$i" true
      ktctl_start "c$i" --shareShadow
      pids+=("$WAY")
    done
    eventually 300 clients_ready "$n"
    start=$((${EPOCHREALTIME/./} - start))
    sleep 5
    set=$(of_shadow)
    set=${set#--of=shadow=}
    before=$(shadow_cpu "$set")
    sleep 10
    cpu=$(shadow_cpu "$set")
    echo "clients=$n all_ready_after,_s=$((start / 1000000))" \
      "shadow,_MiB=$(shadow_memory "$set")" \
      "shadow,_CPU_ms_a_second_idle=$("$PYTHON" -c \
        "print(($cpu - $before) * 100)")" \
      "round_trip_of_one,_ms=$(laptop c1 "$PYTHON" "$BENCH/growth.py" rtt \
        "$POD:7004")"
  done >"$RUN/rows"
  rows_to "$RUN/growth.3.1.json" "clients of one shadow" <"$RUN/rows"
  for n in "${pids[@]}"; do
    kill "$n" || true
  done
  wait "${pids[@]}" || true
  while [ $i -gt 0 ]; do
    "$CLUSTER/laptop" --down "c$i$LANE"
    i=$((i - 1))
  done
}

shadow_cpu() {
  "$PYTHON" -c 'import sys; sys.path.insert(0, sys.argv[1])
import procs; print(procs.cpu(sys.argv[2]))' "$BENCH" "$1"
}

shadow_memory() {
  "$PYTHON" -c 'import sys; sys.path.insert(0, sys.argv[1])
import procs; print(procs.memory(sys.argv[2]))' "$BENCH" "$1"
}

part_growth() {
  growth_streams
  growth_objects
  growth_clients
  "$PYTHON" "$BENCH/table.py" growth "$RUN"/growth.*.json
}
