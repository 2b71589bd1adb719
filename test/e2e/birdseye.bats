#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 35
# Who has what, as the shadows of living and killed sessions tell it, and as the
# heartbeats do. Laptops: alice, bob.
# shellcheck disable=SC2154 # status and output come from bats

bats_require_minimum_version 1.5.0
load inbound

setup_file() {
  inbound_prepare web
}

setup() {
  skip_on_foreign "callers in the node's network"
}

teardown() {
  background_end
  kc -n "$NS" delete pods,services -l control-by=kt --now >/dev/null 2>&1
  "$KTCTL" recover web -n "$NS" >/dev/null 2>&1 || true
  eventually 20 no_objects
}

# view FILTER [FLAGS...]: of the JSON, as jq -r
view() {
  local filter=$1
  shift
  laptop bob "$KTCTL" birdseye -n "$NS" -o json "$@" | jq -r "$filter"
}

sees() { # WANTED FILTER [FLAGS...]
  local want=$1 got
  shift
  got=$(view "$@")
  [ "$got" = "$want" ] || { echo "got '$got', not '$want'" >&2; return 1; }
}

session() { # SERVICE N MEMBERS: one session's members
  echo ".services[] | select(.name == \"$1\") | .sessions[$2] | $3 | tostring"
}

@test "birdseye: sessions that live and that were killed, and who is connected" {
  serve alice local
  start mesh alice mesh web --expose 8080 --versionMark ann
  spawn preview alice preview fresh --expose 8080
  start connect alice connect --disableTunDevice
  ready preview
  eventually 20 sees '["ktctl",true,"connected","shadow","header:version=ann","root"]' \
    "$(session web 0 '[.program, .alive, .state, .by, .rule, .user]')"
  eventually 20 sees '["preview","connected",null]' \
    "$(session fresh 0 '[.command, .state, .age]')"
  sees "$(laptop alice hostname | tr -cd 'a-zA-Z0-9._-')" \
    "$(session fresh 0 .machine)"
  eventually 20 sees '[1,"connected",false]' \
    '.connectors[] | select(.namespace == "'"$NS"'") |
      [.clients, .state, .shared] | tostring' --showConnector
  # a forward is no connect; each says who it is
  start forward bob forward web 18080:80
  eventually 20 sees '[["connect",1,"root"],["forward",1,"root"]]' \
    '[.connectors[] | select(.namespace == "'"$NS"'") |
      [.command, .clients, .users[0].user]] | sort | tostring' --showConnector
  leave forward
  # only the Pod itself may ask the shadow
  local pod at port
  pod=$(pod_of kt-role=router)
  at=$(pod_ip "$pod")
  port=$(kc -n "$NS" get pod "$pod" \
    -o 'jsonpath={.spec.containers[0].readinessProbe.httpGet.port}')
  [ "$(in_pod toolbox curl -s -o /dev/null -w '%{http_code}' \
    "http://$at:$port/.well-known/ktctl/clients")" = 404 ]
  # nobody hears of it by a heartbeat for two minutes
  murder preview
  eventually 20 sees '[false,"shadow"]' "$(session fresh 0 '[.alive, .by]')"
  ktctl_run alice birdseye -n "$NS"
  ended_with 0 "previewing" "no, it was killed" "meshed (auto)" "yes"
  # who may not use port-forwards goes by the heartbeat, and says so
  kc -n "$NS" apply -f "$TOP/deploy/rbac/birdseye.yaml" >/dev/null
  kc -n "$NS" create rolebinding birdseye --role ktctl-birdseye \
    --user birdseye >/dev/null
  kc config view --raw --minify -o json |
    jq '.users[0].user.as = "birdseye"' >"$RUN/birdseye.kubeconfig"
  ktctl_run bob birdseye -n "$NS" -c "$RUN/birdseye.kubeconfig"
  kc -n "$NS" delete rolebinding/birdseye role/ktctl-birdseye >/dev/null
  ended_with 0 "meshed (auto)" "heartbeat " "header:version=ann"
}
