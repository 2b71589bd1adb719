#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 355
# exchange --mode scale: the Service's own Pods are scaled away meanwhile.
# Laptops: alice, bob.
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
  node_exec iptables -t raw -D PREROUTING -d "$WEB" -j DROP 2>/dev/null || true
  kc -n "$NS" delete pods,deployments,services,configmaps -l control-by=kt \
    --now >/dev/null 2>&1
  KUBECONFIG=$KUBECONFIG "$KTCTL" recover web -n "$NS" >/dev/null 2>&1 || true
  kc -n "$NS" scale deployment web --replicas=2 >/dev/null
  kc -n "$NS" annotate deployment web kt-replicas- kt-scaled-back- >/dev/null
  eventually 30 is_own "$WEB"
  eventually 30 web_is_ready
}

scale() { # [FLAGS...]
  start exchange alice exchange web --expose 8080 --mode scale "$@"
}

replicas() {
  kc -n "$NS" get deployment web -o 'jsonpath={.spec.replicas}'
}

record() {
  kc -n "$NS" get deployment web -o \
    'jsonpath={.metadata.annotations.kt-replicas}'
}

web_is_ready() {
  [ "$(kc -n "$NS" get deployment web -o 'jsonpath={.status.readyReplicas}')" = 2 ]
}

# as_before: the Deployment and the Service are as their owners have them
as_before() {
  [ "$(replicas)" = 2 ] && [ -z "$(record)" ] && nothing_left
}

ended() { # TAG
  ! kill -0 "$(pid_of "$1")" 2>/dev/null
}

# kt_shadow KIND AGE REPLICAS: KT Connect's own scale shadow, a Pod or a
# Deployment, with a heartbeat of AGE seconds ago; no node runs it
kt_shadow() {
  local pod='"spec": {"nodeSelector": {"none": "such"},
    "containers": [{"name": "standalone", "image": "none:1"}]}'
  local labels='"app": "web", "kt-role": "shadow-exchange"'
  local meta="\"name\": \"web-kt-exchange-abcde\",
    \"labels\": {\"control-by\": \"kt\", $labels}, \"annotations\": {
      \"kt-user\": \"dave\", \"kt-config\": \"app=web,replicas=$3\",
      \"kt-last-heart-beat\": \"$(($(date +%s) - $2))\"}"
  case $1 in
    Pod) echo "{\"apiVersion\": \"v1\", \"kind\": \"Pod\",
      \"metadata\": {$meta}, $pod}" ;;
    Deployment) echo "{\"apiVersion\": \"apps/v1\", \"kind\": \"Deployment\",
      \"metadata\": {$meta}, \"spec\": {\"selector\": {\"matchLabels\": {$labels}},
      \"template\": {\"metadata\": {\"labels\": {$labels}}, $pod}}}" ;;
  esac | kc -n "$NS" apply -f - >/dev/null
}

@test "exchange: scale: constant requests over start and end: none fails" {
  serve alice local
  hammer_start probe -r 50 -t 120 "$WEB" 80
  sleep 1
  scale
  [ "$(replicas)" = 0 ]
  sleep 2
  leave exchange
  sleep 2
  hammer_end probe
  [ "$(of failed)" = 0 ]
  [ "$(of by.local)" -gt 100 ]
  [ "$(of sent)" -gt "$(($(of by.local) + 100))" ]
  as_before
  # a shadow that is a Deployment's
  hammer_start probe -r 50 -t 120 "$WEB" 80
  scale --useShadowDeployment
  sleep 1
  leave exchange
  sleep 2
  hammer_end probe
  [ "$(of failed)" = 0 ]
  [ "$(of by.local)" -gt 50 ]
  eventually 15 as_before
}

@test "exchange: scale: all looks good when a caller has arrived, not before" {
  serve alice local
  node_exec iptables -t raw -I PREROUTING -d "$WEB" -j DROP
  spawn exchange alice exchange web --expose 8080 --mode scale
  eventually 60 grep -q "Nobody has arrived yet" "$RUN/exchange.log"
  grep -q "no connection to it" "$RUN/exchange.log"
  ! is_ready exchange || false
  node_exec iptables -t raw -D PREROUTING -d "$WEB" -j DROP
  asks local "http://$WEB/"
  leave exchange
  eventually 15 as_before
}

@test "exchange: scale: everybody sees it: all others are refused with its user's name" {
  local held="Deployment $NS/web is exchanged by root"
  serve alice local
  serve bob other
  scale
  for command in "exchange web" "exchange web --mode scale" \
    "exchange deployment/web --mode scale" "exchange webn" \
    "exchange webn --mode scale" "mesh web" "mesh webn --mode manual"; do
    # shellcheck disable=SC2086
    ktctl_run bob $command -n "$NS" --expose 8080:http
    ended_with 1 "$held" "ktctl recover web"
  done
  ktctl_run bob preview web -n "$NS" --expose 8080
  ended_with 1 "exists"
  for _ in $(seq 10); do asks local "http://$WEB/"; done
  # other Services that lead to its Pods
  asks local "http://$(web net):8080/"
  leave exchange
  eventually 15 as_before
}

@test "exchange: scale: the next one takes over from a killed one: its Pods come back first" {
  serve alice local
  for command in "mesh web" "exchange webn --mode scale"; do
    scale
    murder exchange
    # shellcheck disable=SC2086
    start next alice $command --expose 8080:http
    grep -q 'left by a ktctl that is gone\|left scaled down' "$RUN/next.log"
    [ "$(shadows shadow-exchange | wc -w)" -le 1 ]
    case $command in
      *scale) [ "$(replicas)/$(record)" = 0/2 ] ;;
      *) [ "$(replicas)/$(record)" = 2/ ] ;;
    esac
    leave next
    eventually 15 as_before
  done
}

# bats test_tags=long
@test "exchange: scale: KT Connect's is seen; a dead one's Pods come back first" {
  local kind
  serve alice local
  for kind in Pod Deployment; do
    kc -n "$NS" scale deployment web --replicas=0 >/dev/null
    kt_shadow "$kind" 0 2
    for command in "exchange web --mode scale" "mesh web" "exchange webn"; do
      # shellcheck disable=SC2086
      ktctl_run alice $command -n "$NS" --expose 8080:http
      ended_with 1 "Deployment $NS/web is exchanged by dave"
    done
    [ "$(replicas)" = 0 ]
    kt_shadow "$kind" 400 2
    case $kind in
      Pod) scale ;;
      *) start exchange alice mesh web --expose 8080 ;;
    esac
    leave exchange
    eventually 15 as_before
  done
}

# bats test_tags=long
@test "exchange: scale: the number of replicas outlives every end" {
  local end
  serve alice local
  for end in 'recover web' 'clean --thresholdInMinus 0'; do
    # KT Connect's is dead, and ours is killed on top of it
    kc -n "$NS" scale deployment web --replicas=0 >/dev/null
    kt_shadow Pod 400 2
    scale
    murder exchange
    # shellcheck disable=SC2086
    TIME=60 ktctl_run bob $end -n "$NS"
    ended_with 0 "scaled Deployment web back to 2"
    eventually 15 as_before
    web_is_ready
  done
  # a record that says less than another one's
  kc -n "$NS" annotate deployment web kt-replicas=0 >/dev/null
  kc -n "$NS" scale deployment web --replicas=0 >/dev/null
  kt_shadow Pod 400 2
  ktctl_run bob clean -n "$NS" --dryRun
  ended_with 0 "Workloads to scale back (1):" "Deployment web to 2"
  TIME=60 ktctl_run bob clean -n "$NS"
  ended_with 0 "scaled Deployment web back to 2" "removed pods web-kt-exchange-abcde"
  eventually 15 as_before
  # nothing is said of what does not happen
  kc -n "$NS" annotate deployment web kt-replicas=1 >/dev/null
  ktctl_run bob clean -n "$NS" --dryRun
  ended_with 0 "Workloads with a note to drop (1):"
  [[ $output != *"scale back"* ]]
  ktctl_run bob recover web -n "$NS"
  ended_with 0
  [[ $output != *scaled* ]]
  [ "$(replicas)/$(record)" = 2/ ]
}

@test "exchange: scale: recovered by somebody while it runs: it ends and says so" {
  serve alice local
  # as KT Connect's recover does, in either order
  scale
  kc -n "$NS" delete pods -l kt-role=shadow-exchange --wait=false >/dev/null
  kc -n "$NS" scale deployment web --replicas=2 >/dev/null
  eventually 30 ended exchange
  grep -q "was recovered by somebody else" "$RUN/exchange.log"
  eventually 15 as_before
  scale
  kc -n "$NS" scale deployment web --replicas=2 >/dev/null
  kc -n "$NS" delete pods -l kt-role=shadow-exchange --wait=false >/dev/null
  eventually 30 ended exchange
  grep -q "was recovered by somebody else" "$RUN/exchange.log"
  eventually 15 as_before
  # by ours: nobody is refused, for this one answers until the Pods do
  scale
  hammer_start probe -r 50 -t 120 "$WEB" 80
  TIME=60 ktctl_run bob recover web -n "$NS"
  ended_with 0 "scaled Deployment web back to 2"
  eventually 30 ended exchange
  grep -q "was recovered by root" "$RUN/exchange.log"
  sleep 2
  hammer_end probe
  [ "$(of failed)" = 0 ]
  eventually 15 as_before
}

@test "exchange: scale: scaled, applied, its shadow deleted: it goes on, all is given back" {
  serve alice local
  scale
  hammer_start probe -r 50 -t 120 "$WEB" 80
  kc -n "$NS" scale deployment web --replicas=3 >/dev/null
  down() { [ "$(replicas)/$(record)" = "0/$1" ]; }
  eventually 15 down 3
  grep -q "Deployment $NS/web was changed by somebody" "$RUN/exchange.log"
  kc -n "$NS" scale deployment web --replicas=2 >/dev/null
  eventually 15 down 2
  kc -n "$NS" annotate deployment web kt-replicas- >/dev/null
  eventually 15 down 2
  hammer_end probe
  [ "$(of failed)" = 0 ]
  [ "$(of by.local)" = "$(of sent)" ]
  kc -n "$NS" delete pods -l kt-role=shadow-exchange --now --wait=false >/dev/null
  sleep 1
  eventually 30 asks local "http://$WEB/"
  eventually 15 asks local "http://$(web net):8080/"
  [ "$(replicas)" = 0 ]
  leave exchange
  eventually 15 as_before
}

@test "exchange: scale: without the right to change the Service nothing is changed" {
  serve carol local
  sed '/resources: \[services\]/{n;s/, update//}' \
    "$TOP/deploy/rbac/exchange-scale.yaml" | kc -n "$NS" apply -f - >/dev/null
  kc -n "$NS" create rolebinding dev-scale --role ktctl-exchange-scale \
    --user dev >/dev/null
  ktctl_run carol exchange web -n "$NS" --expose 8080 --mode scale \
    -c "$KUBECONFIG_DEV"
  kc -n "$NS" delete rolebinding/dev-scale role/ktctl-exchange-scale >/dev/null
  ended_with 1 "forbidden" "name: ktctl-exchange-scale"
  as_before
}
