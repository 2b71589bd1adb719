#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 75
# every flavour
# env share by an Ingress: the entry that it leads to sets the mark. There is no
# controller here: a request to the entry's Service with the host name is what one
# sends. Laptop: alice (a member).
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
  env_over
  eventually 30 nothing_left
}

@test "env share by an Ingress: an entry marks, strips, and says what is not there" {
  env_cli create dev.r --header x-tenant
  serve alice local
  start a alice env join dev.r web --local 8080
  run -0 env_cli share dev.r red.example web --ingressClass none
  ENTRY=$(kc -n "$NS" get ingress kt-env-dev.r.red.example \
    -o jsonpath='{.spec.rules[0].http.paths[0].backend.service.name}')
  [ "$(kc -n "$NS" get ingress kt-env-dev.r.red.example -o json | jq -c '.spec |
    [.ingressClassName, .rules[0].host]')" = '["none","red.example"]' ]
  # kube-proxy learns of the entry's Pod a moment after the command
  eventually 10 red_is_local "$ENTRY"
  # marks from outside are nobody's; nobody keeps an answer
  run -0 ask "http://$(web "$ENTRY")/json" -i -H 'Host: red.example:80' \
    -H 'baggage: kt-env=other,user=ann' -H 'X-Virtual-Env: other' \
    -H 'VERSION: other' -H 'X-Tenant: other'
  [[ ${output,,} == *"cache-control: no-store"* ]]
  [ "$(sed '1,/^\r*$/d' <<<"$output" | jq -c '.headers | [.baggage,
    .["x-tenant"], .["X-Virtual-Env"], .VERSION]')" = '["kt-env=dev.r","dev.r",null,null]' ]
  run -0 ask "http://$(web "$ENTRY")/" -i -H 'Host: blue.example'
  [[ $output == *" 404 "*"no environment has this host name here"* ]]
  run -0 env_cli show dev.r -o json
  [ "$(jq -c .environment.hosts <<<"$output" | sed 's/,"user":"[^"]*"//')" = \
    '[{"host":"red.example","service":"web"}]' ]
  # the entry learns of another end, without a gap
  run -0 env_cli extend dev.r --ttl 1h
  eventually 60 knows_end
  [ "$(ask "http://$(web "$ENTRY")/" -H 'Host: red.example')" = local ]
  # another's host
  env_cli create other
  run -1 env_cli share other red.example web --ingressClass none
  [[ $output == *"red.example is that of Ingress"* ]]
  run -0 env_cli share dev.r red.example --stop
  run -1 env_cli share dev.r red.example --stop
  eventually 10 entries_gone
  # who deletes an environment takes all of it
  env_cli share dev.r red.example web --ingressClass none
  leave a
  env_cli delete dev.r
  env_cli delete other
  eventually 30 entries_gone
}

@test "env share: who comes after the end is told so, for a time that ends, too" {
  local begun
  env_cli create dev.r
  # nothing else stays, and where nothing is to stay nothing does
  run -0 env_cli share dev.r blue.example web --ingressClass none --endedFor 0
  run -0 env_cli share dev.r red.example web --ingressClass none --endedFor 2h
  [[ $output == *"then it says for 2h00m that this has ended"* ]]
  run -0 env_cli share dev.r red.example web --ingressClass none --endedFor 30s
  ENTRY=$(kc -n "$NS" get ingress kt-env-dev.r.red.example \
    -o jsonpath='{.spec.rules[0].http.paths[0].backend.service.name}')
  [ "$(kc -n "$NS" get ingress -l kt-role=env-share -o name | wc -l)" = 2 ]
  run -0 env_cli extend dev.r --ttl 6s
  begun=$SECONDS
  eventually 30 says_ended "$ENTRY"
  eventually 60 environment_gone dev.r
  # who has ended is in nobody's way
  [ "$(kc -n "$NS" get ingress -l kt-role=env-share -o name)" = \
    ingress.networking.k8s.io/kt-env-dev.r.red.example ]
  says_ended "$ENTRY"
  if [ $((SECONDS - begun)) -lt 30 ]; then # a machine that is not too slow
    env_cli list >/dev/null # nor does it tidy up what has its time
    says_ended "$ENTRY"
  fi
  eventually 60 entries_gone
  # its name is free again at once
  env_cli create dev.s
  env_cli create dev.b
  env_cli share dev.s red.example web --ingressClass none
  kc -n "$NS" delete job kt-env-dev.s >/dev/null
  run -0 env_cli share dev.b red.example web --ingressClass none
  env_cli delete dev.b
  eventually 30 entries_gone
}

says_ended() { # SERVICE
  local got
  got=$(ask "http://$(web "$1")/" -i -H 'Host: red.example')
  [[ $got == *" 404 "*"environment dev.r has ended"* ]] &&
    [[ ${got,,} == *"cache-control: no-store"* ]]
}

# Before Kubernetes 1.21 the next command removes what has ended
environment_gone() { # NAME
  env_cli list >/dev/null
  [ -z "$(kc -n "$NS" get jobs -l "kt-role=env,kt-env=$1" -o name)" ] &&
    [ -z "$(kc -n "$NS" get ingress kt-env-dev.r.blue.example -o name --ignore-not-found)" ]
}

red_is_local() { # SERVICE
  [ "$(ask "http://$(web "$1")/" -H 'Host: red.example')" = local ]
}

entries_gone() {
  env_cli list >/dev/null
  [ -z "$(kc -n "$NS" get ingress,deployment,service,job \
    -l 'kt-role in (env-share,env-ended)' -o name)" ]
}

# its Pod has the end that the environment has
knows_end() {
  local end
  end=$(kc -n "$NS" get job kt-env-dev.r -o jsonpath='{.metadata.annotations.kt-expires}')
  [ "$(kc -n "$NS" get pods -l kt-role=env-share -o json | jq -r --arg until "$end" \
    '[.items[] | select(.metadata.deletionTimestamp | not) | .spec.containers[0].args |
      any(contains("," + $until + ","))] | all and length == 1')" = true ]
}
