#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 110
# exchange --mode ephemeral: a shadow inside each Pod of the Service, which leads
# its callers away. Laptops: alice, bob.
# shellcheck disable=SC2154 # status, output, hammer come from elsewhere

bats_require_minimum_version 1.5.0
load inbound

setup_file() {
  inbound_prepare web
}

setup() {
  skip_on_foreign "callers in the node's network"
  WEB=$(web web)
}

teardown() {
  background_end
  drop -D 2>/dev/null || true
  kc -n "$NS" scale deployment web --replicas=2 >/dev/null
  kc -n "$NS" delete rolebinding/dev-ephemeral role/ktctl-exchange-ephemeral \
    --ignore-not-found >/dev/null
  eventually 30 all_own
}

# all_own: every Pod of the Service answers itself
all_own() {
  local ip
  for ip in $(pods_of ip); do is_own "$ip:8080" || return 1; done
  is_own "$WEB"
}

# all_here NAME: every Pod leads to the laptop
all_here() {
  local ip
  for ip in $(pods_of ip); do asks "$1" "http://$ip:8080/" || return 1; done
}

# pods_of ip|uid|restarts|ephemeral: of the Service's Pods, sorted
pods_of() {
  kc -n "$NS" get pods -l app=web -o json | "$PYTHON" -c '
import json, sys
for p in json.load(sys.stdin)["items"]:
    if "deletionTimestamp" in p["metadata"]:
        continue
    s = p["status"]
    states = [c["state"] for c in s.get("ephemeralContainerStatuses", [])]
    print({"ip": s.get("podIP", ""), "uid": p["metadata"]["uid"],
           "restarts": [c["restartCount"] for c in s["containerStatuses"]],
           "running": sum("running" in c for c in states),
           "all": len(states)}[sys.argv[1]])' "$1" | sort
}

running() { # N: in each of two Pods
  [ "$(pods_of running | xargs)" = "$1 $1" ]
}

ephemeral() {
  start exchange "$1" exchange web --expose 8080 --mode ephemeral "${@:2}"
}

@test "ephemeral: every Pod leads here while it runs, with the published Role, and none is touched" {
  local before
  before=$(pods_of uid; pods_of restarts)
  serve alice local
  kc -n "$NS" apply -f "$TOP/deploy/rbac/exchange-ephemeral.yaml" >/dev/null
  ktctl_run alice exchange web -n "$NS" --expose 8080 --mode ephemeral \
    -c "$KUBECONFIG_DEV"
  ended_with 1 "forbidden" "name: ktctl-exchange-ephemeral"
  kc -n "$NS" create rolebinding dev-ephemeral --role ktctl-exchange-ephemeral \
    --user dev >/dev/null
  hammer_start probe -r 100 -t 60 "$WEB" 80
  ephemeral alice -c "$KUBECONFIG_DEV"
  grep -q 'All looks good: ' "$RUN/exchange.log"
  all_here local
  for _ in $(seq 10); do asks local "http://$WEB/"; done
  # ports that are not exposed stay the Pod's own
  in_pod toolbox "$PYTHON" "$TOOLS/probe.py" udp-echo "$(web net)" 7007 10 500
  [ "$(selector_of web)" = '{"app":"web"}' ]
  leave exchange
  all_own
  hammer_end probe
  [ "$(of failed)" = 0 ]
  [ "$(of by.local)" -gt 20 ]
  [ "$(pods_of uid; pods_of restarts)" = "$before" ]
  eventually 10 running 0
  [ "$(spec_of web)" = "$(cat "$RUN/web.json")" ]
}

# drop -I|-D: nobody from another Pod reaches those of the Service, or does again
drop() {
  local ip
  for ip in $(pods_of ip); do
    node_exec iptables -t raw "$1" PREROUTING -d "$ip" -j DROP
  done
}

@test "ephemeral: all looks good when a caller has arrived, not before" {
  serve alice local
  drop -I
  spawn exchange alice exchange web --expose 8080 --mode ephemeral
  eventually 60 grep -q "Nobody has arrived yet" "$RUN/exchange.log"
  grep -q "no connection to it" "$RUN/exchange.log"
  drop -D
  all_here local
  leave exchange
  all_own
}

@test "ephemeral: kill -9: the Pods answer within 10 s, and the next client takes over what is there" {
  local at all
  serve alice local
  ephemeral alice
  all_here local
  all=$(pods_of all)
  hammer_start probe -r 50 -t 60 "$WEB" 80
  sleep 0.5
  at=$SECONDS
  murder exchange
  # who waits is served when the grace time is over
  is_own "$WEB" --max-time 15
  [ $((SECONDS - at)) -le 11 ]
  all_own
  hammer_end probe
  [ "$(of slowest_ms)" -le 11000 ]
  running 1
  ephemeral alice
  all_here local
  [ "$(pods_of all)" = "$all" ] # no further container
  serve bob other
  ktctl_run bob exchange web -n "$NS" --expose 8080 --mode ephemeral
  ended_with 1 "has the same rule already"
  all_here local
  leave exchange
  eventually 10 running 0
}

@test "ephemeral: a Pod that comes later leads here too, and none does after" {
  serve alice local
  ephemeral alice
  kc -n "$NS" scale deployment web --replicas=3 >/dev/null
  three() { [ "$(pods_of ip | grep -c .)" = 3 ] && all_here local; }
  eventually 30 three
  leave exchange
  all_own
}

@test "ephemeral: a Pod that is deleted serves what is open to its end, and is not held after that" {
  local image curl at
  image="${KTCTL_TEST_REGISTRY:-kt.local}/netsrv:1"
  serve alice local
  kc -n "$NS" apply -f - >/dev/null <<END
{"apiVersion": "v1", "kind": "Pod",
 "metadata": {"name": "goes", "labels": {"app": "goes"}},
 "spec": {"terminationGracePeriodSeconds": 60, "containers": [
   {"name": "netsrv", "image": "$image", "imagePullPolicy": "IfNotPresent",
    "args": ["-l", "7000"]}]}}
END
  kc -n "$NS" wait --for=condition=Ready pod/goes --timeout=60s
  kc -n "$NS" expose pod goes --port 80 --target-port 8080 >/dev/null
  start exchange alice exchange goes --expose 8080 --mode ephemeral
  at=$(kc -n "$NS" get pod goes -o 'jsonpath={.status.podIP}')
  eventually 5 asks local "http://$at:8080/"
  in_pod toolbox curl -sS -o /dev/null -w '%{http_code}' --max-time 20 \
    "http://$at:8080/sleep/6000" >"$RUN/slow" 2>&1 3>&- &
  curl=$!
  sleep 1
  kc -n "$NS" delete pod goes --wait=false
  wait "$curl"
  [ "$(cat "$RUN/slow")" = 200 ]
  eventually 15 gone goes
  kc -n "$NS" delete service goes >/dev/null
}

gone() {
  ! kc -n "$NS" get pod "$1" >/dev/null 2>&1
}
