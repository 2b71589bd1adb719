#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 25
# every flavour
# env apply and export: an environment as a file. Laptop: alice.
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
  env_over
  eventually 30 is_own "$WEB"
  eventually 20 nothing_left
}

copies() {
  kc -n "$NS" get deployments -l kt-env=dev.a -o 'jsonpath={.items[*].metadata.uid}'
}

apply() { # FILE
  TIME=90 ktctl_run alice env apply -f "$1" -n "$NS"
}

@test "env apply makes what a file says, once; export writes it; without members all is as before" {
  local made
  cat >"$RUN/env.yaml" <<END
apiVersion: ktctl/v1
environment: dev.a
ttl: 1h
members:
  web:
    image: kt.local/netsrv:1
    set: {NAME: "{{env}}-copy"}
END
  apply "$RUN/env.yaml"
  ended_with 0 "Environment dev.a is as"
  eventually 10 asks dev.a-copy "http://$WEB/" -H 'baggage: kt-env=dev.a'
  is_own "$WEB"
  made=$(copies)
  [ -n "$made" ]
  apply "$RUN/env.yaml"
  ended_with 0 "Environment dev.a is as"
  [ "$(copies)" = "$made" ]
  "$KTCTL" env export dev.a -n "$NS" >"$RUN/exported.yaml"
  apply "$RUN/exported.yaml"
  ended_with 0
  [ "$(copies)" = "$made" ]
  echo "  web: {image: x, service: y}" >>"$RUN/exported.yaml"
  apply "$RUN/exported.yaml"
  ended_with 1 "exported.yaml:"
  sed '/^members:/,$d' "$RUN/env.yaml" >"$RUN/none.yaml"
  apply "$RUN/none.yaml"
  ended_with 0 "has left environment dev.a"
  is_own "$WEB" -H 'baggage: kt-env=dev.a'
  "$KTCTL" env delete dev.a -n "$NS"
  eventually 20 nothing_left
}
