#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 40
# every flavour
# env create --header: a field of its own names the environments of a namespace.
# Laptop: alice (a member).
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

@test "env create --header: the field is a mark, and is added where one is added" {
  local web url
  web=$(web web)
  run -2 env_cli create dev.h --header Transfer-Encoding
  [[ $output == *"cannot be a mark"* ]]
  # one that was there before, and says none
  env_cli create plain
  env_cli share plain plain.example web --ingressClass none --endedFor 0
  run -0 env_cli create dev.h --header X-Tenant
  [[ $output == *"x-tenant: dev.h"* ]]
  # all of a namespace have one
  run -1 env_cli create other --header x-other
  [[ $output == *"are named by x-tenant, as dev.h says"* ]]
  serve alice local
  start a alice env join dev.h web --local 8080
  # the router reads it in its table, a moment later, or when the kubelet looks
  eventually 75 asks local "http://$web/" -H 'X-Tenant: dev.h'
  [ "$(ask "http://$web/" -H 'x-tenant: dev.h.below')" = local ]
  [[ $(ask "http://$web/" -H 'x-tenant: nobody') == web-* ]]
  [[ $(ask "http://$web/" -H 'x-tenant: dev.h' -H 'baggage: kt-env=nobody') == web-* ]]
  is_own "$web"
  # who comes by it has the mark in both
  start o alice env open dev.h web
  url=$(grep -o 'http://localhost:[0-9]*$' "$RUN/o.log")
  run -0 laptop alice curl -sS --max-time 10 "$url/json"
  [ "$(jq -r '.headers | .baggage, .["x-tenant"]' <<<"$output" | paste -sd ' ')" = \
    "kt-env=dev.h dev.h" ]
  leave o
  # likewise in the other: nobody comes into another environment by its host name
  start o alice env open plain web
  url=$(grep -o 'http://localhost:[0-9]*$' "$RUN/o.log")
  run -0 laptop alice curl -sS --max-time 10 "$url/json"
  [ "$(jq -r '.headers | .baggage, .["x-tenant"]' <<<"$output" | paste -sd ' ')" = \
    "kt-env=plain plain" ]
  eventually 60 strips "$(kc -n "$NS" get ingress kt-env-plain.plain.example \
    -o jsonpath='{.spec.rules[0].http.paths[0].backend.service.name}')"
  run -0 env_cli show dev.h -o json
  [ "$(jq -r .environment.header <<<"$output")" = x-tenant ]
  run -0 env_cli export dev.h
  [[ $output == *$'\nheader: x-tenant\n'* ]]
}

strips() { # ENTRY
  [ "$(ask "http://$(web "$1")/json" -H 'Host: plain.example' -H 'X-Tenant: dev.h' |
    jq -r '.headers | .baggage, .["x-tenant"]' | paste -sd ' ')" = "kt-env=plain plain" ]
}
