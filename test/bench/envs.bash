# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Part "envs": what a hundred environments cost a router's requests; then what
# joining takes in a namespace with a hundred environments of twenty Services: all
# records, the whole table; members of Service web but one are in the table only.
# Beside the same in one without any. About three minutes.

MANY_ENVS=18084 ONE_MEMBER=18085 MEMBERS=18086 # beside those of inbound.bash
ENVS=${BENCH_ENVS:-100} ENV_SERVICES=${BENCH_ENV_SERVICES:-20}

# envs_objects ENVIRONMENT-OF-WHICH-ALL-ARE-COPIES: Jobs, in JSON
envs_jobs() {
  kc -n "$ENS" get job kt-env-model -o json | jq -c --argjson n "$ENVS" '
    del(.status, .metadata.uid, .metadata.resourceVersion, .metadata.creationTimestamp,
      .metadata.generation, .spec.selector, .spec.template.metadata.labels,
      .spec.manualSelector) as $job |
    {apiVersion: "v1", kind: "List", items: [range($n) as $i | $job |
      .metadata.name = "kt-env-e\($i)" | .metadata.labels["kt-env"] = "e\($i)"]}'
}

# envs_records: a Service for each member, owned by its Job; then the table
envs_records() {
  kc -n "$ENS" get jobs -o json | jq -c --argjson s "$ENV_SERVICES" '
    [.items[].metadata | select(.labels["kt-env"] | test("^e[0-9]"))] as $jobs |
    {apiVersion: "v1", kind: "List", items: [$jobs[] as $j | range($s) as $i |
      (if $i == 0 then "web" else "service-\($i)" end) as $svc |
      {apiVersion: "v1", kind: "Service", metadata: {
        name: "\($svc)-kt-mesh-\($j.labels["kt-env"])",
        labels: {"control-by": "kt", "kt-role": "shadow-mesh",
          "kt-env": $j.labels["kt-env"], "kt-env-record": $svc, "kt-env-leads": "own"},
        annotations: {"kt-config": "service=\($svc)", "kt-user": "bench",
          "kt-match": "env:\($j.labels["kt-env"])", "kt-env-member": "image r/x:1",
          "kt-expires": $j.annotations["kt-expires"]},
        ownerReferences: [{apiVersion: "batch/v1", kind: "Job", name: $j.name,
          uid: $j.uid}]},
       spec: {clusterIP: "None", selector: {app: "x"}, ports: [{port: 80}]}}]}'
}

envs_table() {
  kc -n "$ENS" get services -l kt-role=shadow-mesh -o json | jq -r --arg ns "$ENS" '
    [.items[] | .metadata.labels["kt-env"]] | unique[] |
    "env \(.) kt-env-\(.) 0 -"'
  kc -n "$ENS" get services -l kt-role=shadow-mesh -o json | jq -r --arg ns "$ENS" '
    .items[].metadata | "member \(.labels["kt-env"]) \(.annotations["kt-config"] |
      ltrimstr("service=")) \(.name).\($ns).svc.cluster.local. 0 -"'
}

# envs_router: routers with many environments beside some with one, in turns
envs_router() {
  local port
  router_begin
  router_start "$ROUTER_PORT" "$ORIGIN"
  router_start "$MANY_ENVS" "$ORIGIN" 100
  shadow_start "$ONE_MEMBER" 1 1
  shadow_start "$MEMBERS" 100 20
  for port in "$ROUTER_PORT" "$MANY_ENVS" "$ONE_MEMBER" "$MEMBERS"; do
    eventually 20 ip netns exec "$ROUTER_NS" nc -z 127.0.0.1 "$port"
  done
  say "router with 100 environments"
  ROUTER_SECONDS=${ROUTER_SECONDS:-0.5} timeout 150 ip netns exec "$ROUTER_NS" \
    "$PYTHON" "$BENCH/router.py" --environments \
    "$ROUTER_PORT" "tree:${ROUTERS[0]}" "$MANY_ENVS" "tree:${ROUTERS[1]}" \
    "$ONE_MEMBER" "tree:${ROUTERS[2]}" "$MEMBERS" "tree:${ROUTERS[3]}" \
    >"$RUN/environments.1.1.json"
  router_end
  trap bench_end EXIT
  "$PYTHON" "$BENCH/table.py" environments "$RUN/environments.1.1.json"
}

# envs_quiet: the controllers have done what thousands of new Services want, or
# have had their time
envs_quiet() {
  local n last=-1
  for _ in $(seq 20); do
    n=$(kc -n "$ENS" get endpointslices -o name | wc -l)
    [ "$n" != "$last" ] || return 0
    last=$n
    sleep 2
  done
}

# seconds_of COMMAND...: until it has ended well
seconds_of() {
  local begun=${EPOCHREALTIME/./}
  "$@" >"$RUN/said" 2>&1 || {
    cat "$RUN/said" >&2
    return 1
  }
  echo "$((${EPOCHREALTIME/./} - begun))" | awk '{printf "%.2f\n", $1 / 1e6}'
}

local_join() { # until it says that all is well; then it leaves
  local pid
  laptop_exec alice "$KTCTL" env join mine web --local 8080 -n "$ENS" \
    >"$RUN/local" 2>&1 &
  pid=$!
  until grep -q 'All looks good' "$RUN/local"; do
    if ! kill -0 $pid 2>/dev/null; then
      cat "$RUN/local" >&2
      return 1
    fi
    sleep 0.02
  done
  echo $pid >"$RUN/local.pid"
}

# envs_round NAME: how long each way takes; of a copy also without its Pods' start
envs_round() {
  local t pods
  t=$(seconds_of local_join)
  echo "$1 local $t"
  kill -INT "$(cat "$RUN/local.pid")"
  while kill -0 "$(cat "$RUN/local.pid")" 2>/dev/null; do sleep 0.1; done
  t=$(seconds_of timeout 60 "$CLUSTER/laptop" "alice$LANE" -- "$KTCTL" env join mine web -n "$ENS" \
    --image kt.local/netsrv:1)
  pods=$(sed -nE 's/.*Deployment .* is ready \(([0-9.]+) s\).*/\1/p' "$RUN/said")
  echo "$1 copy $t pods $pods"
  laptop alice "$KTCTL" env leave mine web -n "$ENS" >/dev/null 2>&1
}

# envs_figures: medians; of a copy what is beside its Pods' start
envs_figures() {
  "$PYTHON" -c '
import collections, json, statistics, sys
rows = collections.defaultdict(list)
for line in sys.stdin:
    w = line.split()
    if w[0] == "router":
        rows["router MiB"].append(int(w[1]) / 1024)
    else:
        rows[w[0] + " " + w[1]].append(float(w[2]))
        if w[1] == "copy":
            rows[w[0] + " pods"].append(float(w[4]))
            rows[w[0] + " beside"].append(float(w[2]) - float(w[4]))
json.dump({"name": "envs"} | {k: statistics.median(v) for k, v in rows.items()},
          sys.stdout)'
}

part_envs() {
  local pid
  envs_router
  ENS=bench-envs-$RANDOM
  kc create namespace "$ENS" >/dev/null
  eventually 20 kc -n "$ENS" get serviceaccount default >/dev/null 2>&1
  kc -n "$NS" get deployment web -o json | jq 'del(.status, .metadata.uid,
    .metadata.resourceVersion, .metadata.namespace, .metadata.annotations)' |
    kc -n "$ENS" apply -f - >/dev/null
  kc -n "$ENS" expose deployment web --port 80 --target-port http >/dev/null
  kc -n "$ENS" rollout status deployment/web --timeout=60s >&2
  gcc -O1 -pthread -o "$RUN/netsrv" "$TOP/test/images/netsrv.c"
  way_start alice env NAME=laptop "$RUN/netsrv" -l 7000
  "$KTCTL" env create model -n "$ENS" >/dev/null
  "$KTCTL" env create mine -n "$ENS" >/dev/null
  # the router stays while this one has a member
  "$KTCTL" env join model web -n "$ENS" --image kt.local/netsrv:1 >&2
  for _ in 1 2 3; do envs_round few; done | tee "$RUN/envs.txt"
  say "$ENVS environments x $ENV_SERVICES Services"
  envs_jobs | kc -n "$ENS" create -f - >/dev/null
  envs_records | kc -n "$ENS" create -f - >/dev/null
  envs_table >"$RUN/table"
  kc -n "$ENS" get configmap kt-env -o json | jq --rawfile t "$RUN/table" \
    '.data.members += $t' | kc -n "$ENS" replace -f - >/dev/null
  envs_quiet
  for _ in 1 2 3; do envs_round many; done | tee -a "$RUN/envs.txt"
  pid=$(pod_pid "$(pod_of kt-role=router "$ENS")" "$ENS")
  echo "router $(node_exec sed -n 's/^VmHWM:[[:space:]]*\([0-9]*\).*/\1/p' "/proc/$pid/status")" \
    >>"$RUN/envs.txt"
  envs_figures <"$RUN/envs.txt" >"$RUN/envs.1.1.json"
  "$PYTHON" "$BENCH/table.py" envs "$RUN/envs.1.1.json"
  way_end "$WAY"
  kc delete namespace "$ENS" --wait=false >/dev/null
}
