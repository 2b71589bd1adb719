#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 605
# mesh: marked requests come to the developer whose mark they carry, all others
# reach the Service's own Pods. Laptops: alice, bob.
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
  "$KTCTL" recover web -n "$NS" >/dev/null 2>&1 || true
  kc -n "$NS" delete pods,services -l control-by=kt --now >/dev/null 2>&1
  eventually 30 is_own "$WEB"
  eventually 20 nothing_left
}

mesh() { # TAG LAPTOP MARK [FLAGS...]
  local tag=$1 name=$2 mark=$3
  shift 3
  start "$tag" "$name" mesh web --expose 8080 --versionMark "$mark" "$@"
}

refs() {
  kc -n "$NS" get pod web-kt-router -o \
    'jsonpath={.metadata.annotations.kt-ref-count}'
}

has_refs() { # N
  [ "$(refs)" = "$1" ]
}

@test "mesh: the objects are KT's, and all of it is as before after" {
  serve alice local
  mesh a alice blue
  grep -q "'VERSION: blue'" "$RUN/a.log"
  [ "$(kc -n "$NS" get service web-kt-stuntman -o 'jsonpath={.spec.selector}')" = \
    '{"app":"web"}' ]
  kc -n "$NS" get service web-kt-mesh-blue >/dev/null
  [ "$(kc -n "$NS" get pod web-kt-router -o 'jsonpath={.metadata.labels.kt-role}'\
'{.metadata.annotations.kt-ref-count}{.metadata.annotations.kt-config}')" = \
    router1service=web ]
  [[ $(selector_of web) == *'"kt-role":"router"'* ]]
  [ "$(annotation web kt-selector)" = '{"app":"web"}' ]
  [ -z "$(annotation web kt-lock)" ]
  is_own "$WEB"
  leave a
  eventually 5 is_own "$WEB"
  eventually 20 nothing_left
}

@test "mesh: who has the mark comes here, who has not does not" {
  serve alice local
  mesh a alice Blue
  eventually 5 asks local "http://$WEB/" -H 'VERSION: Blue'
  asks local "http://$WEB/" -H 'version: Blue'
  is_own "$WEB"
  is_own "$WEB" -H 'VERSION: blue'
  is_own "$WEB" -H 'VERSION: Blu'
  is_own "$WEB" -H 'VERSION: Blue2'
  is_own "$WEB" -H 'VERSIONS: Blue'
  # on one connection, each request by itself
  run in_pod toolbox curl -sS --max-time 10 "http://$WEB/" --next -sS \
    -H 'VERSION: Blue' "http://$WEB/" --next -sS "http://$WEB/"
  [[ ${lines[0]} == web-* && ${lines[1]} == local && ${lines[2]} == web-* ]]
  leave a
}

@test "mesh: forms of the mark, and more that a request must have" {
  serve alice local
  mesh a alice x-dev_1:v
  eventually 5 asks local "http://$WEB/" -H 'x-dev_1: v'
  leave a
  mesh a alice 0.0.1
  eventually 5 asks local "http://$WEB/" -H 'version: 0.0.1'
  leave a
  mesh a alice KEY:v
  grep -q "cannot be the name of a header" "$RUN/a.log"
  eventually 5 asks local "http://$WEB/" -H 'version: v'
  leave a
  mesh a alice me:
  local value
  value=$(sed -n "s/.*'ME: \([a-z]*\)'.*/\1/p" "$RUN/a.log")
  [ ${#value} = 5 ]
  eventually 5 asks local "http://$WEB/" -H "me: $value"
  leave a
  start a alice mesh web --expose 8080 --match 'baggage:user=ann path:/status'
  eventually 5 ask "http://$WEB/status/200" -H 'baggage: x=1, user=ann' -o /dev/null
  is_own "$WEB" -H 'baggage: user=ann'
  leave a
  start a alice mesh web --expose 8080 --match env:dev.me
  eventually 5 asks local "http://$WEB/" -H 'baggage: x=1,kt-env=dev.me.too'
  is_own "$WEB" -H 'baggage: kt-env=dev'
  leave a
}

@test "mesh: what cannot be is told" {
  ktctl_run alice mesh web -n "$NS" --expose 8080
  ended_with 1 "nothing listens on port 8080"
  ktctl_run alice mesh web -n "$NS" --expose 8080 --match 'nonsense:x'
  ended_with 2 "--match"
  ktctl_run alice mesh web -n "$NS" --expose 8080 --versionMark $'a\tb'
  ended_with 2 "--versionMark"
  ktctl_run alice mesh net -n "$NS" --expose 7007/udp --skipPortChecking
  ended_with 1 "only requests of HTTP"
  nothing_left
}

@test "mesh: two users; a duplicate is refused and harms nobody; each leaves alone" {
  serve alice of-alice
  serve bob of-bob
  mesh a alice blue
  mesh b bob user:bob
  has_refs 2
  ktctl_run bob mesh web -n "$NS" --expose 8080 --versionMark blue
  ended_with 1 "is meshed with the header 'VERSION: blue' by root"
  ktctl_run bob exchange web -n "$NS" --expose 8080
  ended_with 1 "is meshed by root"
  has_refs 2
  eventually 5 asks of-alice "http://$WEB/" -H 'version: blue'
  eventually 5 asks of-bob "http://$WEB/" -H 'user: bob'
  # who leaves while others stay lets requests under way end
  ask "http://$WEB/sleep/1500" -H 'version: blue' -o /dev/null \
    -w '%{http_code}' >"$RUN/slow" 2>&1 3>&- &
  sleep 0.7
  leave a
  wait $!
  [ "$(cat "$RUN/slow")" = 200 ]
  has_refs 1
  asks of-bob "http://$WEB/" -H 'user: bob'
  is_own "$WEB" -H 'version: blue'
  leave b
  eventually 5 is_own "$WEB"
  eventually 20 nothing_left
}

@test "mesh: two who start in the same moment both have it" {
  serve alice of-alice
  serve bob of-bob
  spawn a alice mesh web --expose 8080 --versionMark a
  spawn b bob mesh web --expose 8080 --versionMark b
  ready a
  ready b
  eventually 5 asks of-alice "http://$WEB/" -H 'version: a'
  eventually 5 asks of-bob "http://$WEB/" -H 'version: b'
  leave b
  leave a
  eventually 20 nothing_left
}

@test "mesh: constant requests over start and end: none fails" {
  serve alice local
  hammer_start plain -r 100 -t 120 "$WEB" 80
  hammer_start marked -r 100 -t 120 -H version:blue "$WEB" 80
  sleep 1
  mesh a alice blue
  sleep 3
  leave a
  sleep 3
  hammer_end plain
  [ "$(of failed)" = 0 ]
  [ "$(of by.local)" = 0 ]
  hammer_end marked
  [ "$(of failed)" = 0 ]
  [ "$(of by.local)" -gt 50 ]
}

@test "mesh: kept connections over the end of one and of all: none fails, none is waited for" {
  local tag at
  serve alice by-a
  serve bob by-b
  mesh a alice blue
  mesh b bob green
  eventually 5 asks by-a "http://$WEB/" -H 'version: blue'
  hammer_start plain -k -r 100 -t 120 "$WEB" 80
  hammer_start a -k -r 100 -t 120 -H version:blue "$WEB" 80
  hammer_start b -k -r 100 -t 120 -H version:green "$WEB" 80
  hammer_start idle -k -r 2 -t 120 -H version:green "$WEB" 80
  sleep 2
  for tag in a b; do
    at=$SECONDS
    leave "$tag"
    [ $((SECONDS - at)) -lt 7 ]
    sleep 1
  done
  sleep 3
  for tag in plain a b idle; do
    hammer_end "$tag"
    [ "$(of failed)" = 0 ]
    [ "$(of again)" = 0 ] || [ "$tag" = idle ]
    [ "$tag" = plain ] || [ "$(of by.by-a)$(of by.by-b)" != 00 ]
    [ "$(of sent)" -gt "$(($(of by.by-a) + $(of by.by-b)))" ]
  done
}

@test "mesh: kill -9 of a client: marked requests reach the origin within 10 s" {
  serve alice local
  serve bob of-bob
  mesh a alice blue
  mesh b bob red
  eventually 5 asks local "http://$WEB/" -H 'version: blue'
  murder a
  local at=$SECONDS
  eventually 20 is_own "$WEB" -H 'version: blue'
  [ $((SECONDS - at)) -le 11 ]
  asks of-bob "http://$WEB/" -H 'version: red'
  leave b
}

@test "mesh: killed, and started again at once" {
  serve alice local
  serve bob of-bob
  mesh b bob red
  mesh a alice blue
  eventually 5 asks local "http://$WEB/" -H 'version: blue'
  murder a
  mesh a alice blue
  eventually 5 asks local "http://$WEB/" -H 'version: blue'
  asks of-bob "http://$WEB/" -H 'version: red'
  leave b
  leave a
  eventually 20 nothing_left
  # in mode manual the Pod has the mark in its name
  mesh a alice blue --mode manual
  murder a
  mesh a alice blue --mode manual
  leave a
}

@test "mesh: a shadow that cannot reach the Service's own Pods is told" {
  local ip ips
  serve alice local
  mesh a alice blue
  ! grep -q NetworkPolicy "$RUN/a.log" || false
  leave a
  eventually 15 nothing_left
  # as a policy drops it: all but what the node itself sends
  ips=$(kc -n "$NS" get pods -l app=web -o 'jsonpath={.items[*].status.podIP}')
  for ip in $ips; do
    node_exec iptables -I FORWARD -d "$ip" -p tcp --dport 8080 -j DROP
  done
  mesh a alice blue || true
  for ip in $ips; do
    node_exec iptables -D FORWARD -d "$ip" -p tcp --dport 8080 -j DROP
  done
  grep -q "cannot reach the Pods of Service $NS/web.*NetworkPolicy" "$RUN/a.log"
  leave a
  eventually 15 nothing_left
}

@test "mesh: a NetworkPolicy that lets callers reach the Service's own Pods only is told" {
  serve alice local
  kc -n "$NS" apply -f - >/dev/null <<END
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: $NS}
spec: {podSelector: {matchExpressions: [{key: kt-role, operator: Exists}]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: open, namespace: $NS}
spec: {podSelector: {matchLabels: {app: web}}, ingress: [{}]}
END
  mesh a alice blue || true
  kc -n "$NS" delete networkpolicy deny open >/dev/null
  grep -q "callers may not reach shadow Pod web-kt-router: NetworkPolicy $NS/open.*--withLabel" \
    "$RUN/a.log"
  leave a
  mesh a alice blue
  ! grep -q NetworkPolicy "$RUN/a.log" || false
  leave a
  eventually 15 nothing_left
}

@test "mesh: left at the last step of the start: it does not wait for itself" {
  local i
  serve alice local
  for i in $(seq "$(long_or 4 2)"); do
    spawn a alice mesh web --expose 8080 --versionMark blue
    for _ in $(seq 600); do
      ! grep -qF '[5/5]' "$RUN/a.log" || break
      sleep 0.02
    done
    sleep "0.0$((i - 1))"
    local at=$SECONDS
    leave a || true # 130 when that was before it was ready
    [ $((SECONDS - at)) -le 15 ] || { cat "$RUN/a.log" >&2; return 1; }
    eventually 15 nothing_left
  done
}

@test "mesh: the router Pod is deleted, evicted, killed: rules are back within 15 s" {
  local at way
  serve alice local
  serve bob of-bob
  mesh a alice blue
  mesh b bob red
  for way in delete evict force kill; do
    eventually 15 has_shadow router
    at=$SECONDS
    pod_ends "$way" "$(shadows router)"
    sleep 1
    eventually 30 asks local "http://$WEB/" -H 'version: blue' "${CONNECT_SOON[@]}"
    eventually 30 asks of-bob "http://$WEB/" -H 'version: red' "${CONNECT_SOON[@]}"
    eventually 10 is_own "$WEB" "${CONNECT_SOON[@]}"
    echo "$way: $((SECONDS - at)) s" >&2
    [ $((SECONDS - at)) -le 15 ] || { cat "$RUN/a.log" >&2; false; }
  done
  leave a
  asks of-bob "http://$WEB/" -H 'version: red'
  leave b
  eventually 20 nothing_left
}

@test "mesh: the router is replaced under constant requests: none fails, two users share the new one" {
  serve alice local
  serve bob of-bob
  mesh a alice blue
  mesh b bob red
  eventually 5 asks local "http://$WEB/" -H 'version: blue'
  hammer_start red -r 50 -t 200 -H version:red "$WEB" 80
  hammer_start own -r 50 -t 200 -k "$WEB" 80
  replace_under 50 router local "drain evict" -H version:blue
  hammer_end red
  [ "$(of failed)" = 0 ]
  [ "$(of by.of-bob)" = "$(of sent)" ]
  hammer_end own
  [ "$(of failed)" = 0 ]
  [ "$(of by.local) $(of by.of-bob)" = "0 0" ]
  [ "$(shadows router | wc -w)" = 1 ]
  # a third user finds it, whatever its name is
  serve alice third 100
  start c alice mesh web --expose 8180:8080 --versionMark green
  eventually 5 asks third "http://$WEB/" -H 'version: green'
  [ "$(shadows router | wc -w)" = 1 ]
  leave c
  leave a
  asks of-bob "http://$WEB/" -H 'version: red'
  ! grep -q warning "$RUN/a.log" "$RUN/b.log" || false
  leave b
  eventually 20 nothing_left
}

leads_to() { # ADDRESS: one of the Service's endpoints
  [[ $(kc -n "$NS" get endpoints web -o yaml) == *"$1"* ]]
}

@test "mesh: manual: a Pod with the Service's labels and the mark" {
  serve alice local
  start m alice mesh web --mode manual --expose 8080 --versionMark blue
  grep -q "'version=blue'" "$RUN/m.log"
  [ "$(kc -n "$NS" get pod web-kt-mesh-blue -o 'jsonpath={.metadata.labels.app}'\
' {.metadata.labels.version} {.metadata.labels.kt-role}')" = "web blue shadow-mesh" ]
  asks local "http://$(pod_ip web-kt-mesh-blue):8080/"
  eventually 10 leads_to "$(pod_ip web-kt-mesh-blue)"
  [ "$(spec_of web)" = "$(cat "$RUN/web.json")" ]
  ktctl_run bob mesh web -n "$NS" --mode manual --expose 8080 \
    --versionMark blue --skipPortChecking
  ended_with 1 "already exists"
  asks local "http://$(pod_ip web-kt-mesh-blue):8080/"
  leave m
}

@test "mesh: the published Role is enough" {
  serve carol local
  kc -n "$NS" apply -f "$TOP/deploy/rbac/mesh.yaml" >/dev/null
  kc -n "$NS" create rolebinding dev-mesh --role ktctl-mesh --user dev >/dev/null
  start m carol mesh web --expose 8080 --versionMark blue -c "$KUBECONFIG_DEV"
  eventually 10 is_own "$WEB" "${CONNECT_SOON[@]}"
  leave m
  [[ $(cat "$RUN/m.log") != *orbidden* ]]
  kc -n "$NS" delete rolebinding/dev-mesh role/ktctl-mesh >/dev/null
  eventually 20 nothing_left
}
