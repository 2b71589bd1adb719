#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 700
# exchange: everybody's requests to a Service come to a developer's machine, and
# go home by themselves. Laptops: alice, bob.
# shellcheck disable=SC2154 # status, output, hammer come from elsewhere

bats_require_minimum_version 1.5.0
load inbound

setup_file() {
  inbound_prepare web net
}

setup() {
  skip_on_foreign "callers in the node's network"
  WEB=$(web web)
}

teardown() {
  background_end
  while node_exec iptables -t raw -D PREROUTING -d "$WEB" -j DROP 2>/dev/null; do
    : # one that failed half-way
  done
  KUBECONFIG=$KUBECONFIG "$KTCTL" recover web -n "$NS" >/dev/null 2>&1 || true
  # a test that failed half-way is not the next one's matter
  [ "$(selector_of web)" = '{"app":"web"}' ] ||
    kc -n "$NS" patch service web --type json -p '[{"op": "replace",
      "path": "/spec/selector", "value": {"app": "web"}}]' >/dev/null
  kc -n "$NS" scale deployment web --replicas=2 >/dev/null
  kc -n "$NS" annotate deployment web kt-replicas- >/dev/null
  kc -n "$NS" delete pods,services -l control-by=kt --now >/dev/null 2>&1
  eventually 30 is_own "$WEB"
}

exchange() {
  start exchange alice exchange web --expose 8080
}

@test "exchange: the Service leads to this machine while it runs, and is as before after" {
  serve alice local
  exchange
  eventually 5 asks local "http://$WEB/"
  [[ $(selector_of web) == *'"kt-role":"shadow-exchange"'* ]]
  [[ $(selector_of web) == *'"kt-target":"'* ]]
  [ "$(annotation web kt-selector)" = '{"app":"web"}' ]
  [ -z "$(annotation web kt-lock)" ]
  local pod
  pod=$(shadows shadow-exchange)
  [[ $pod == web-kt-exchange-* ]]
  [ "$(kc -n "$NS" get pod "$pod" -o \
    'jsonpath={.metadata.annotations.kt-config}')" = service=web ]
  for _ in $(seq 20); do asks local "http://$WEB/"; done
  leave exchange
  eventually 5 is_own "$WEB"
  eventually 15 nothing_left
}

@test "exchange: constant requests over start and end: none fails" {
  serve alice local
  hammer_start probe -r 200 -t 120 "$WEB" 80
  sleep 1
  exchange
  sleep 3
  leave exchange
  sleep 3
  hammer_end probe
  [ "$(of failed)" = 0 ]
  [ "$(of by.local)" -gt 100 ]
  [ "$(of sent)" -gt "$(($(of by.local) + 100))" ]
  eventually 15 nothing_left
}

@test "exchange: kept connections over the end: none fails, idle ones are not waited for" {
  serve alice local
  exchange
  eventually 5 asks local "http://$WEB/"
  hammer_start busy -k -r 200 -t 120 "$WEB" 80
  sleep 2
  leave exchange
  sleep 1
  hammer_end busy
  [ "$(of failed)" = 0 ]
  [ "$(of by.local)" -gt 100 ]
  [ "$(of sent)" -gt "$(of by.local)" ]
  eventually 15 nothing_left
  exchange
  eventually 5 asks local "http://$WEB/"
  hammer_start idle -k -r 2 -t 120 "$WEB" 80
  sleep 1
  local at=$SECONDS
  leave exchange
  [ $((SECONDS - at)) -lt 7 ]
  sleep 4
  hammer_end idle
  [ "$(of failed)" = 0 ]
  [ "$(of by.local)" -ge 8 ]
  [ "$(of sent)" -gt "$(of by.local)" ]
}

@test "exchange: the forms of targets and ports" {
  serve alice local
  serve alice second 100
  start x alice exchange "svc/webn.$NS" --expose 8180:http
  eventually 5 asks second "http://$(web webn)/"
  leave x
  start x alice exchange deployment/web --expose 8180:80
  eventually 5 asks second "http://$WEB/"
  leave x
  # a port that is not exposed refuses; UDP; several ports
  start x alice exchange net --expose 8080,17007:7007/udp,17004:7004 \
    --skipPortChecking
  serve alice peer 10000
  eventually 5 asks local "http://$(web net):8080/"
  [ "$(in_pod toolbox "$PYTHON" "$TOOLS/probe.py" udp-echo "$(web net)" 7007 100 2000)" = \
    "ok 100 2000" ] || false
  leave x
}

@test "exchange: what cannot be is told before anything is changed" {
  serve alice local
  ktctl_run alice exchange web -n "$NS" --expose 8080:9999
  ended_with 1 "has no port 9999" "80 (target 8080)"
  ktctl_run alice exchange web -n "$NS" --expose 8080:80,18080:8080 \
    --skipPortChecking
  ended_with 1 "8080:80 and 18080:8080 mean the same port"
  ktctl_run alice exchange web -n "$NS" --expose 18080:8080
  ended_with 1 "nothing listens on port 18080" "--skipPortChecking"
  ktctl_run alice exchange nosuch -n "$NS" --expose 8080
  ended_with 1 "Service $NS/nosuch" "not found"
  ktctl_run alice exchange deployment/nosuch -n "$NS" --expose 8080
  ended_with 1 "Deployment $NS/nosuch"
  ktctl_run alice exchange ingress/web -n "$NS" --expose 8080
  ended_with 2 "ingress/web"
  ktctl_run alice exchange a/b/c -n "$NS" --expose 8080
  ended_with 2 "a/b/c"
  ktctl_run alice exchange outside -n "$NS" --expose 8080
  ended_with 1 "has no Pods whose place"
  ktctl_run alice exchange web -n "$NS"
  ended_with 2 "--expose is missing"
  nothing_left
}

@test "exchange: a second user is refused with the first one's name" {
  serve alice local
  serve bob other
  exchange
  ktctl_run bob exchange web -n "$NS" --expose 8080
  ended_with 1 "Service $NS/web is exchanged by root" "ktctl recover web"
  ktctl_run bob mesh web -n "$NS" --expose 8080
  ended_with 1 "is exchanged by root"
  # a name that somebody chose is shown, and has no power over the terminal
  kc -n "$NS" annotate pod -l kt-role=shadow-exchange --overwrite \
    kt-user=$'eve\e[2J\nktctl: all is well'
  ktctl_run bob exchange web -n "$NS" --expose 8080
  ended_with 1 'is exchanged by eve\x1b[2J ktctl: all is well'
  asks local "http://$WEB/"
  leave exchange
  eventually 15 nothing_left
}

@test "exchange: two who start in the same moment: one has it, one is refused" {
  serve alice local
  serve bob local
  spawn one alice exchange web --expose 8080
  spawn two bob exchange web --expose 8080
  one_of_two() {
    { is_ready one && grep -q 'exchanged by' "$RUN/two.log"; } ||
      { is_ready two && grep -q 'exchanged by' "$RUN/one.log"; }
  }
  eventually 60 one_of_two
  asks local "http://$WEB/"
  background_end
  eventually 20 nothing_left
}

@test "exchange: two signals at once, as timeout(1) sends: it is given back" {
  serve alice local
  for _ in 1 2 3; do
    exchange
    kill -TERM "$(pid_of exchange)"
    sleep 0.02
    leave exchange TERM # the status is 0
    ! grep -q warning "$RUN/exchange.log"
    eventually 15 nothing_left
  done
}

@test "exchange: a lock that a killed one has left is no hindrance" {
  local token
  serve alice local
  exchange
  token=$(kc -n "$NS" get pods -l kt-role=shadow-exchange -o \
    'jsonpath={.items[0].metadata.annotations.kt-owner}')
  [ -n "$token" ]
  murder exchange
  kc -n "$NS" annotate --overwrite service web "kt-lock=$(date +%s)" >/dev/null
  kc -n "$NS" annotate --overwrite service web \
    "kt-lock-owner=$token@$(annotation web kt-lock)" >/dev/null
  TIME=20 exchange
  [ -z "$(annotation web kt-lock-owner)" ]
  leave exchange
  eventually 15 nothing_left
}

# bats test_tags=long
@test "exchange: a live lock is waited for, then told; an old one is taken over" {
  serve alice local
  kc -n "$NS" annotate service web "kt-lock=$(date +%s)" >/dev/null
  TIME=60 ktctl_run alice exchange web -n "$NS" --expose 8080
  ended_with 1 "lock Service $NS/web" "somebody else is changing it"
  kc -n "$NS" annotate --overwrite service web \
    "kt-lock=$(($(date +%s) - 200))" >/dev/null
  exchange
  [ -z "$(annotation web kt-lock)" ]
  leave exchange
  eventually 15 nothing_left
}

@test "exchange: kubectl apply of the Service: the traffic keeps coming, the record follows" {
  serve alice local
  exchange
  suite() {
    # shellcheck source=test/e2e/setup_suite.bash
    . "$BATS_TEST_DIRNAME/setup_suite.bash"
    suite_fixture
  }
  suite | kc apply -f - >/dev/null
  back() { [[ $(selector_of web) == '{"kt-role"'* ]]; }
  eventually 10 back
  eventually 5 asks local "http://$WEB/"
  kc -n "$NS" patch service web -p '{"spec": {"selector": {"app": "db"}}}' >/dev/null
  eventually 10 back
  [ "$(annotation web kt-selector)" = '{"app":"db"}' ]
  [ "$(kc -n "$NS" get service web-kt-stuntman -o 'jsonpath={.spec.selector}')" = \
    '{"app":"db"}' ]
  eventually 5 asks local "http://$WEB/" # nodes learn it later
  leave exchange
  [ "$(selector_of web)" = '{"app":"db"}' ]
  kc -n "$NS" patch service web -p '{"spec": {"selector": {"app": "web"}}}' >/dev/null
  eventually 15 nothing_left
}

@test "exchange: kill -9 of the client: the origin answers within 10 s" {
  serve alice local
  exchange
  eventually 5 asks local "http://$WEB/"
  hammer_start probe -r 50 -t 60 "$WEB" 80
  sleep 1
  local at=$SECONDS
  murder exchange
  eventually 20 is_own "$WEB"
  [ $((SECONDS - at)) -le 11 ]
  sleep 2
  hammer_end probe
  [ "$(of slowest_ms)" -le 11000 ]
  # who comes next puts the Service back; here by hand
  ktctl_run alice recover web -n "$NS"
  ended_with 0 "recovered Service web"
  eventually 20 nothing_left
}

@test "exchange: killed, and started again at once" {
  serve alice local
  exchange
  eventually 5 asks local "http://$WEB/"
  murder exchange
  exchange
  grep -q 'left by a ktctl that is gone' "$RUN/exchange.log"
  eventually 5 asks local "http://$WEB/"
  [ "$(shadows shadow-exchange | wc -w)" = 1 ]
  leave exchange
  eventually 5 is_own "$WEB"
  eventually 15 nothing_left
}

@test "exchange: the shadow Pod is deleted, evicted, killed: service is back within 15 s" {
  local at way
  serve alice local
  exchange
  for way in delete evict force kill; do
    # what answered last time may have been the old one's last word
    eventually 15 asks local "http://$WEB/" "${CONNECT_SOON[@]}"
    # one that is told to end serves on until its successor is there
    eventually 15 has_shadow shadow-exchange
    at=$SECONDS
    pod_ends "$way" "$(shadows shadow-exchange)"
    sleep 1
    eventually 30 asks local "http://$WEB/" "${CONNECT_SOON[@]}"
    [ $((SECONDS - at)) -le 15 ]
  done
  leave exchange
  eventually 15 nothing_left
}

@test "exchange: the shadow Pod is replaced under constant requests: none fails" {
  serve alice local
  exchange
  eventually 5 asks local "http://$WEB/"
  replace_under 50 shadow-exchange local "drain evict"
  # on kept connections, which nobody looks into: they end with its time
  replace_under 50 shadow-exchange local short -k
  ! grep -q warning "$RUN/exchange.log" || false
  leave exchange
  eventually 15 nothing_left
}

# Its laptop hears of that when it is back: the old one serves meanwhile
@test "exchange: the shadow Pod is evicted while the laptop is away: the next one takes its place" {
  local old
  serve alice local
  exchange
  eventually 5 asks local "http://$WEB/"
  old=$(shadows shadow-exchange)
  hammer_start away -r 20 -t 120 "$WEB" 80
  cut_off alice
  sleep 1
  pod_ends evict "$old"
  sleep 4
  no_cut alice
  eventually 40 replaced shadow-exchange "$old"
  hammer_end away
  cat "$RUN/exchange.log"
  [ "$(of failed)" = 0 ]
  grep -q "has taken the place of $old" "$RUN/exchange.log"
  ! grep -q 'is gone: making another' "$RUN/exchange.log" || false
  eventually 5 asks local "http://$WEB/"
  leave exchange
  eventually 15 nothing_left
}

# The API server says so, since nothing gets through to the shadow itself
@test "exchange: the shadow Pod is evicted while its tunnel is lost: the next one takes its place" {
  local old pid
  serve alice local
  exchange
  eventually 5 asks local "http://$WEB/"
  old=$(shadows shadow-exchange)
  pid=$(pod_pid "$old")
  node_exec kill -STOP "$pid"
  eventually 10 grep -q 'connection to the cluster lost' "$RUN/exchange.log"
  pod_ends evict "$old"
  eventually 30 grep -q "has taken the place of $old" "$RUN/exchange.log" || {
    cat "$RUN/exchange.log"
    node_exec kill -CONT "$pid"
    false
  }
  ! grep -q 'is gone: making another' "$RUN/exchange.log" || false
  eventually 10 asks local "http://$WEB/" "${CONNECT_SOON[@]}"
  node_exec kill -CONT "$pid"
  eventually 40 replaced shadow-exchange "$old"
  leave exchange
  eventually 15 nothing_left
}

@test "exchange: the local program goes away and comes back" {
  serve alice local
  exchange
  eventually 5 asks local "http://$WEB/"
  kill -KILL "$(pid_of serve-local)"
  sleep 0.5
  run ask "http://$WEB/"
  # refused: by kube-proxy, which has seen no probe answered in a while
  [ "$status" != 0 ]
  says "reset by peer" || says "502" || says "Empty reply" || says "Couldn't connect"
  serve alice local
  eventually 5 asks local "http://$WEB/"
  leave exchange
}

# Of ours: until it has come, nothing is said to be good; and the local program
# hears nothing of it.
@test "exchange: all looks good when a caller has arrived, not before" {
  local at log=$RUN/local.accepted mode
  for mode in "exchange web" "mesh web --versionMark m1" "preview new"; do
    (laptop_exec alice socat -d -d TCP-LISTEN:8080,reuseaddr,fork \
      SYSTEM:'cat >/dev/null') >/dev/null 2>"$log" 3>&- &
    # shellcheck disable=SC2153 # from common.bash
    echo "serve-log $!" >>"$PIDS"
    eventually 5 grep -q listening "$log"
    # shellcheck disable=SC2086
    start job alice $mode --expose 8080 --skipPortChecking
    ! grep -q accepting "$log" || { cat "$log" >&2; return 1; }
    ! grep -q warning "$RUN/job.log" || { cat "$RUN/job.log" >&2; return 1; }
    leave job
    background_end
  done
  node_exec iptables -t raw -I PREROUTING -d "$WEB" -j DROP
  spawn job alice mesh web --versionMark m1 --expose 8080 --skipPortChecking
  eventually 60 grep -q "Nobody has arrived yet" "$RUN/job.log"
  grep -q "no connection to it" "$RUN/job.log"
  ! is_ready job || false
  node_exec iptables -t raw -D PREROUTING -d "$WEB" -j DROP
  leave job
  eventually 15 nothing_left
}

@test "exchange: scale: no Pod of its own answers, and all of them are back after" {
  serve alice local
  start exchange alice exchange web --expose 8080 --mode scale
  [ "$(kc -n "$NS" get deployment web -o 'jsonpath={.spec.replicas}')" = 0 ]
  [ "$(kc -n "$NS" get deployment web -o \
    'jsonpath={.metadata.annotations.kt-replicas}')" = 2 ]
  [[ $(kc -n "$NS" get pods -l kt-role=shadow-exchange -o \
    'jsonpath={.items[0].metadata.annotations.kt-config}') == app=web,replicas=2,service=web ]]
  eventually 10 asks local "http://$WEB/"
  serve bob local
  ktctl_run bob exchange web -n "$NS" --expose 8080 --mode scale
  ended_with 1 "Deployment $NS/web is exchanged by root"
  leave exchange
  [ "$(kc -n "$NS" get deployment web -o 'jsonpath={.status.readyReplicas}')" = 2 ]
  [ -z "$(kc -n "$NS" get deployment web -o \
    'jsonpath={.metadata.annotations.kt-replicas}')" ]
  eventually 15 nothing_left
}

@test "exchange: scale: a StatefulSet, with the published Role only" {
  serve carol local
  kc -n "$NS" apply -f "$TOP/deploy/rbac/exchange-scale.yaml" >/dev/null
  kc -n "$NS" create rolebinding dev-scale --role ktctl-exchange-scale \
    --user dev >/dev/null
  start exchange carol exchange statefulset/db --expose 8080 --mode scale \
    -c "$KUBECONFIG_DEV"
  [ "$(kc -n "$NS" get statefulset db -o 'jsonpath={.spec.replicas}')" = 0 ]
  [ "$(kc -n "$NS" get statefulset db -o \
    'jsonpath={.metadata.annotations.kt-replicas}')" = 2 ]
  # the Service is headless: its address is the shadow's
  eventually 10 asks local "http://$(kc -n "$NS" get pods \
    -l app=db,kt-role=shadow-exchange -o 'jsonpath={.items[0].status.podIP}'):8080/"
  leave exchange
  kc -n "$NS" delete rolebinding/dev-scale role/ktctl-exchange-scale >/dev/null
  [[ $(cat "$RUN/exchange.log") != *orbidden* ]]
  [ "$(kc -n "$NS" get statefulset db -o 'jsonpath={.status.readyReplicas}')" = 2 ]
  eventually 15 nothing_left
}

@test "exchange: --useShadowDeployment: its Deployment replaces a lost Pod by itself" {
  serve alice local
  start exchange alice exchange web --expose 8080 --useShadowDeployment
  eventually 5 asks local "http://$WEB/"
  [ "$(kc -n "$NS" get deployment -l control-by=kt,kt-role=shadow-exchange \
    -o name | grep -c .)" = 1 ]
  kc -n "$NS" delete pod -l kt-role=shadow-exchange --now --wait=false >/dev/null
  sleep 1
  eventually 30 asks local "http://$WEB/"
  leave exchange
  eventually 15 nothing_left
  [ -z "$(kc -n "$NS" get deployment -l control-by=kt -o name)" ]
}

@test "exchange: the published Role is enough" {
  serve carol local
  kc -n "$NS" apply -f "$TOP/deploy/rbac/exchange.yaml" >/dev/null
  ktctl_run carol exchange web -n "$NS" --expose 8080 -c "$KUBECONFIG_DEV"
  ended_with 1 "forbidden" "kind: Role" "name: ktctl-exchange"
  kc -n "$NS" create rolebinding dev-exchange --role ktctl-exchange --user dev \
    >/dev/null
  start exchange carol exchange web --expose 8080 -c "$KUBECONFIG_DEV"
  eventually 5 asks local "http://$WEB/"
  leave exchange
  [[ $(cat "$RUN/exchange.log") != *orbidden* ]]
  kc -n "$NS" delete rolebinding/dev-exchange role/ktctl-exchange >/dev/null
  eventually 15 nothing_left
}
