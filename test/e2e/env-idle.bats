#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 180
# every flavour
# env join --idle: a member without requests has 0 Pods; a request wakes it and
# gets its answer; what cannot wake is down. Laptops: alice.
# shellcheck disable=SC2154 # status, output come from elsewhere

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
  kc -n "$NS" delete jobs -l kt-role=env --wait=false >/dev/null 2>&1
  "$KTCTL" recover web -n "$NS" >/dev/null 2>&1 || true
  kc -n "$NS" delete deployments,pods,services,configmaps -l control-by=kt \
    --now >/dev/null 2>&1
  kc -n "$NS" delete role,rolebinding ktctl-env ktctl-env-idle idle-some \
    >/dev/null 2>&1
  kc delete namespace "$NS-restricted" --wait=false --ignore-not-found >/dev/null 2>&1
  eventually 30 is_own "$WEB"
  eventually 20 nothing_left
}

asks_in() { # NAME WANTED [CURL-ARGUMENTS...]
  local name=$1 want=$2
  shift 2
  asks "$want" "http://$WEB/" -H "baggage: kt-env=$name" "$@"
}

# joins [FLAGS...]: a member of dev.a that sleeps after two seconds
joins() {
  TIME=120 ktctl_run alice env join dev.a web -n "$NS" --image kt.local/netsrv:1 \
    --set NAME=copy --idle 2s "$@"
}

copy_of() { # the member's Deployment
  kc -n "$NS" get deployments -l kt-role=env-member,kt-env=dev.a -o \
    'jsonpath={.items[0].metadata.name}'
}

replicas() { # wanted, and Pods that there are
  echo "$(kc -n "$NS" get deployment "$COPY" -o 'jsonpath={.spec.replicas}')" \
    "$(kc -n "$NS" get pods -l kt-env-of=web -o name | wc -l)"
}

times_up() { # how often it was scaled up, as the cluster has seen it
  kc -n "$NS" get events --field-selector reason=ScalingReplicaSet -o json |
    jq --arg name "$COPY" '[.items[] | select(.involvedObject.name == $name) |
      select(.message | test("[Ss]caled up")) | .count // 1] | add'
}

sleeps() {
  [ "$(replicas)" = "0 0" ] || { replicas >&2; return 1; }
}

shown() { # STATE
  "$KTCTL" env show dev.a -n "$NS" | grep -E "^web .* $1$"
}

# told_states: env events has told of the member that slept, and then did not any
# more; it looks every two seconds
told_states() {
  local got
  "$BATS_TEST_DIRNAME/../unit/schema.py" "$TOP/docs/schema/env-event.json" \
    <<<"$(grep -m 1 '"type":"member"' "$RUN/idle.events")"
  got=$(jq -r 'select(.type == "member") | .state' "$RUN/idle.events" | xargs)
  [[ $got =~ asleep\ (waking|awake) ]] || { echo "told: $got" >&2; return 1; }
}

idle_objects() {
  kc -n "$NS" get deployments,services,serviceaccounts,roles,rolebindings,pods \
    -l kt-role=env-sleep -o name
}

two_accounts() {
  [ "$(idle_objects | grep -c serviceaccount)" = 2 ]
}

no_idle_objects() {
  [ -z "$(idle_objects)" ] || { idle_objects >&2; return 1; }
}

@test "env join --idle: 0 Pods without requests; one request, and fifty, wake it once; leave takes all" {
  local begun
  "$KTCTL" env create dev.a -n "$NS"
  joins
  ended_with 0 "Service $NS/web is in environment dev.a" "It sleeps after 2s"
  COPY=$(copy_of)
  asks_in dev.a copy
  "$KTCTL" env events dev.a -n "$NS" >"$RUN/idle.events" 2>/dev/null 3>&- &
  echo "events $!" >>"$PIDS"
  eventually 45 sleeps
  shown asleep
  "$KTCTL" env list -n "$NS" | grep -E '^dev\.a .* 1 \(1 asleep\) '
  is_own "$WEB"
  # one request: the member's answer, not the trunk's
  begun=${EPOCHREALTIME/./}
  asks_in dev.a copy --max-time 40
  echo "# woken in $(((${EPOCHREALTIME/./} - begun) / 1000)) ms" >&3
  shown answers
  [ "$(kc -n "$NS" get deployment "$COPY" -o 'jsonpath={.spec.replicas}')" = 1 ]
  eventually 45 sleeps
  told_states
  # fifty at once: woken once
  begun=$(times_up)
  # shellcheck disable=SC2016
  in_pod toolbox sh -c 'for i in $(seq 50); do
    curl -sS --max-time 40 -H "baggage: kt-env=dev.a" "http://$0/" & done; wait' \
    "$WEB" >"$RUN/fifty" 2>&1
  [ "$(grep -o copy "$RUN/fifty" | wc -l)" = 50 ] || { cat "$RUN/fifty"; false; }
  [ $(($(times_up) - begun)) = 1 ]
  is_own "$WEB"
  ktctl_run alice env leave dev.a web -n "$NS"
  ended_with 0 "has left environment dev.a"
  eventually 40 no_idle_objects
  "$KTCTL" env delete dev.a -n "$NS"
  eventually 20 nothing_left
}

# bats test_tags=once
@test "env join --idle: one that cannot wake is answered by an error, then by the parent, with an event; the end takes all" {
  "$KTCTL" env create dev.a -n "$NS"
  joins --idle 5s --wakeTimeout 4s
  ended_with 0
  COPY=$(copy_of)
  eventually 45 sleeps
  kc -n "$NS" set image "deployment/$COPY" "*=kt.local/no-such:1" >/dev/null
  ktctl_run alice env events dev.a -n "$NS" --expect 'answered=origin' --for 60s &
  EVENTS=$!
  [ "$(ask "http://$WEB/" -H 'baggage: kt-env=dev.a' -o /dev/null -w '%{http_code}' --max-time 20)" = 503 ]
  # from then on it is down: the trunk answers, and says so
  is_own "$WEB" -H 'baggage: kt-env=dev.a'
  wait $EVENTS
  kc -n "$NS" delete job kt-env-dev.a --wait=false >/dev/null
  eventually 90 no_idle_objects
  "$KTCTL" env list -n "$NS" >/dev/null # the router has no member any more
  eventually 20 nothing_left
}

# bats test_tags=once
@test "env join --idle: the missing permission is named before anything is made; what it is not for" {
  local rbac=$TOP/deploy/rbac
  "$KTCTL" env create dev.a -n "$NS"
  ktctl_run alice env join dev.a web -n "$NS" --local 8080 --idle 5m
  ended_with 2 "--idle is for a member with --image"
  ktctl_run alice env join dev.a web -n "$NS" --image kt.local/netsrv:1 --wakeTimeout 5m
  ended_with 2 "--wakeTimeout is for a member with --idle"
  kc -n "$NS" apply -f "$rbac/env.yaml" >/dev/null
  kc -n "$NS" create rolebinding ktctl-env --role ktctl-env --user dev >/dev/null
  KUBECONFIG=$KUBECONFIG_DEV joins
  ended_with 1 "--idle" "serviceaccounts" "deploy/rbac/env-idle.yaml"
  [ -z "$(copy_of 2>/dev/null)" ]
  # who may make Roles, and has not what this one gives
  kc -n "$NS" create role idle-some --verb create \
    --resource serviceaccounts,roles,rolebindings >/dev/null
  kc -n "$NS" create rolebinding idle-some --role idle-some --user dev >/dev/null
  KUBECONFIG=$KUBECONFIG_DEV joins
  ended_with 1 "--idle" "deployments/scale" "deploy/rbac/env-idle.yaml"
  [ -z "$(copy_of 2>/dev/null)" ]
  kc -n "$NS" apply -f "$rbac/env-idle.yaml" >/dev/null
  kc -n "$NS" create rolebinding ktctl-env-idle --role ktctl-env-idle --user dev >/dev/null
  KUBECONFIG=$KUBECONFIG_DEV joins
  ended_with 0
  KUBECONFIG=$KUBECONFIG_DEV "$KTCTL" doctor env -n "$NS" | grep -q 'may env-idle'
  kc -n "$NS" delete rolebindings ktctl-env ktctl-env-idle idle-some >/dev/null
  kc -n "$NS" delete roles ktctl-env ktctl-env-idle idle-some >/dev/null
  # killed while it is made: the next join takes its place
  spawn a alice env join dev.a web --image kt.local/netsrv:1 --set NAME=copy --idle 2s
  eventually 60 two_accounts
  murder a
  joins --set NAME=third
  ended_with 0
  asks_in dev.a third
  [ "$(idle_objects | grep -c deployment)" = 1 ]
  "$KTCTL" env delete dev.a -n "$NS"
  eventually 40 no_idle_objects
  eventually 20 nothing_left
}

# bats test_tags=once
@test "env join --idle: where PodSecurity is restricted" {
  local rns=$NS-restricted
  kc apply -f - >/dev/null <<END
apiVersion: v1
kind: Namespace
metadata: {name: $rns, labels: {pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: $rns}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: web
        image: kt.local/netsrv:1
        env: [{name: NAME, value: trunk}]
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: $rns}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
END
  "$KTCTL" env create dev.a -n "$rns"
  NS=$rns joins
  ended_with 0 "Service $rns/web is in environment dev.a" "It sleeps after 2s"
  WEB=$(NS=$rns service_ip web)
  COPY=$(NS=$rns copy_of)
  NS=$rns eventually 45 sleeps
  asks_in dev.a copy --max-time 40
}
