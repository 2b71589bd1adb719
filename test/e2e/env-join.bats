#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 180
# every flavour
# env join and leave: members of an environment answer its requests, the trunk
# all others. Laptops: alice, bob.
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
  env_over
  kc -n "$NS" delete pods,services -l of=beside --now >/dev/null 2>&1
  eventually 30 is_own "$WEB"
  eventually 20 nothing_left
}

# router_goes: its Pod is deleted, and its Deployment has made another
router_goes() {
  local old
  old=$(shadows router)
  pod_ends delete "$old"
  eventually 30 replaced router "$old"
}

asks_in() { # NAME WANTED
  asks "$2" "http://$WEB/" -H "baggage: x=1,kt-env=$1"
}

@test "env join --local: the mark comes here, all else to the trunk; it ends with the environment" {
  env_cli create dev.a
  serve alice local 100
  start a alice env join a web --local 8180
  eventually 10 asks_in dev.a local
  asks_in dev.a.child local
  is_own "$WEB"
  router_goes
  eventually 30 asks local "http://$WEB/" -H 'baggage: kt-env=dev.a' "${CONNECT_SOON[@]}"
  is_own "$WEB" -H 'baggage: kt-env=dev'
  # the record is the environment's, the router nobody's: it has no heartbeat
  [ "$(kc -n "$NS" get services -l kt-env=dev.a,kt-role=shadow-mesh -o \
    'jsonpath={.items[0].metadata.ownerReferences[0].name}')" = kt-env-dev.a ]
  [ -z "$(kc -n "$NS" get deployment web-kt-router -o \
    'jsonpath={.metadata.annotations.kt-last-heart-beat}')" ]
  [ -z "$(annotation web-kt-stuntman kt-last-heart-beat)" ]
  # a mesh user joins this router, nobody has all of the Service
  serve bob of-bob 200
  start b bob mesh web --expose 8280:8080 --versionMark blue
  eventually 10 asks of-bob "http://$WEB/" -H 'version: blue'
  asks_in dev.a local
  leave b
  ktctl_run bob exchange web -n "$NS" --expose 8280:8080
  ended_with 1 "members of environments (dev.a), by root" "env leave"
  kc -n "$NS" delete job kt-env-dev.a >/dev/null
  eventually 10 grep -q 'environment dev.a was deleted' "$RUN/a.log"
  eventually 20 nothing_left
  is_own "$WEB"
}

# trunk_watch: every address that Service web's own Pods answer at, from now on
# (the Service for the origin has them while the router stands before it)
trunk_watch() {
  (exec kubectl -n "$NS" get endpoints -w -o \
    'jsonpath={.metadata.name} {.subsets[*].addresses[*].ip} {.subsets[*].notReadyAddresses[*].ip}{"\n"}') \
    >"$RUN/trunk" 2>/dev/null 3>&- &
  echo "serve-trunk $!" >>"$PIDS"
}

member_ips() { # ENV
  kc -n "$NS" get pods -l "kt-env=$1" -o 'jsonpath={.items[*].status.podIP}'
}

@test "env join --image: a copy answers the mark, is never one of the trunk's Pods; leave restores all" {
  local ip
  env_cli create dev.a
  trunk_watch
  TIME=90 ktctl_run alice env join a web -n "$NS" --image kt.local/netsrv:1 \
    --set NAME=copy
  ended_with 0 "Service $NS/web is in environment dev.a" "env leave dev.a web"
  asks_in dev.a copy
  asks_in dev.a.child copy
  is_own "$WEB"
  # through a Service of the trunk, which passes the mark on
  [[ $(ask "http://$(web webn)/call?url=$WEB:80/" -H 'baggage: kt-env=dev.a') == web-*' -> copy' ]]
  # a member that runs needs no client: the router comes back by itself
  router_goes
  eventually 30 asks copy "http://$WEB/" -H 'baggage: kt-env=dev.a' "${CONNECT_SOON[@]}"
  # a local member in the environment below it, with it as its parent
  env_cli create dev.a.me
  serve alice local 100
  start a alice env join dev.a.me web --local 8180
  eventually 10 asks_in dev.a.me local
  asks_in dev.a copy
  murder a
  eventually 20 asks_in dev.a.me copy
  # what a member of an environment below leaves is not what dev.a has
  "$KTCTL" clean -n "$NS" --thresholdInMinus 0 >/dev/null
  asks_in dev.a copy
  ip=$(member_ips dev.a)
  [ -n "$ip" ]
  ktctl_run alice env leave dev.a web -n "$NS"
  ended_with 0 "has left environment dev.a"
  is_own "$WEB" -H 'baggage: kt-env=dev.a'
  ! grep -E "^web(-kt-stuntman)? " "$RUN/trunk" | grep -wF "$ip" || false
  grep -qwF "$ip" "$RUN/trunk" # it was in its own record's
  "$KTCTL" env delete dev.a.me -n "$NS"
  "$KTCTL" env delete dev.a -n "$NS"
  eventually 20 nothing_left
}

# The Service is its owner's, and all that is ours are the environments and
# their table
only_envs() {
  local left
  left=$(kc -n "$NS" get pods,deployments,configmaps,services -l control-by=kt \
    -o json | jq -r '.items[] | select(.metadata.deletionTimestamp | not) |
      select(.metadata.labels["kt-role"] | IN("env-source", "env-table") | not) |
      "\(.kind)/\(.metadata.name)"')
  [ -z "$left" ] || { echo "left: $left" >&2; return 1; }
  [ "$(spec_of web)" = "$(cat "$RUN/web.json")" ]
}

starts_copy() { # TAG
  grep -qF '[5/6] Start the copy' "$RUN/$1.log" ||
    kc -n "$NS" get deployments -l kt-env=dev.a -o name | grep -q .
}

# bats test_tags=once
@test "env join --image: what fails, is interrupted or killed leaves nothing that harms" {
  env_cli create dev.a
  TIME=90 ktctl_run alice env join a web -n "$NS" --image kt.local/no-such:1
  ended_with 1 "kt.local/no-such:1"
  eventually 20 only_envs
  spawn a alice env join a web --image kt.local/netsrv:1 --set NAME=copy
  eventually 60 starts_copy a
  leave a || [ $? = 130 ]
  eventually 20 only_envs
  spawn a alice env join a web --image kt.local/netsrv:1 --set NAME=copy
  eventually 60 starts_copy a
  murder a
  eventually 10 is_own "$WEB" "${CONNECT_SOON[@]}"
  # it is made again in its place, whatever there was
  TIME=90 ktctl_run alice env join a web -n "$NS" --image kt.local/netsrv:1 \
    --set NAME=second
  ended_with 0
  asks_in dev.a second
  "$KTCTL" env delete dev.a -n "$NS"
  eventually 20 nothing_left
  is_own "$WEB"
}

@test "env join --selector, --service: other Pods; whose a member is" {
  env_cli create dev.a
  kc -n "$NS" run beside --image kt.local/netsrv:1 --labels of=beside \
    --env NAME=beside --image-pull-policy IfNotPresent \
    --overrides '{"spec": {"terminationGracePeriodSeconds": 1}}' -- -l 7000 \
    >/dev/null
  kc -n "$NS" create service clusterip beside --tcp 90:8080 >/dev/null
  kc -n "$NS" label service beside of=beside --overwrite >/dev/null
  kc -n "$NS" patch service beside -p '{"spec": {"selector": {"app": null, "of": "beside"}}}' >/dev/null
  kc -n "$NS" wait pod/beside --for condition=Ready --timeout 30s >/dev/null
  ktctl_run alice env join a web -n "$NS" --selector of=nobody
  ended_with 1 "no Pod with the labels of=nobody"
  ktctl_run alice env join a web -n "$NS" --selector of=beside
  ended_with 0 "answered by selector of=beside"
  asks_in dev.a beside
  # another user's, as it seems
  kc -n "$NS" annotate services -l kt-env=dev.a,kt-role=shadow-mesh \
    kt-user=ann --overwrite >/dev/null
  ktctl_run alice env join a web -n "$NS" --service beside
  ended_with 1 "environment dev.a is ann's" "force"
  ktctl_run alice env leave a web -n "$NS"
  ended_with 1 "environment dev.a is ann's"
  asks_in dev.a beside
  ktctl_run alice env join a web -n "$NS" --service beside --force
  ended_with 0 "answered by service beside"
  asks_in dev.a beside
  [ "$(kc -n "$NS" get services -l kt-env=dev.a,kt-role=shadow-mesh -o \
    'jsonpath={.items[*].metadata.annotations.kt-forced-by}')" = root ]
  # on a laptop now
  serve alice local 100
  start a alice env join a web --local 8180
  eventually 10 asks_in dev.a local
  ktctl_run alice env leave a web -n "$NS"
  ended_with 1 "is a program on machine"
  leave a
  eventually 20 only_envs
  kc -n "$NS" delete pod/beside service/beside --now >/dev/null
  "$KTCTL" env delete dev.a -n "$NS"
  eventually 20 nothing_left
}
