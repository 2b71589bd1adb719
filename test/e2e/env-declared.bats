#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 60
# every flavour
# env init: a router that is declared, as in Git. Members come and go, and
# nothing that is written down changes; the time-to-live ends all with nobody
# there. Laptop: bob.
# shellcheck disable=SC2154 # status and output come from elsewhere

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
  kc -n "$NS" delete jobs -l kt-role=env --wait=false >/dev/null 2>&1
  kc -n "$NS" delete -f "$RUN/decl.yaml" --ignore-not-found --now \
    >/dev/null 2>&1 || true
  eventually 30 nothing_left
}

minor() { # of the server's version
  kc version -o json | jq -r '.serverVersion.minor | sub("[^0-9].*"; "")'
}

declared() { # the manifests, from what is there
  "$KTCTL" env init decl -n "$NS" --image "$KTCTL_IMAGE"
}

# namespace_now: what could be left, and each change of what is written down
namespace_now() {
  kc -n "$NS" get jobs,services,configmaps,deployments -o name |
    grep -v '/ktctl-shadow-' | sort
  kc -n "$NS" get service decl decl-kt-origin -o \
    'jsonpath={.items[*].metadata.resourceVersion}'
  kc -n "$NS" get deployment decl-kt-env-router -o \
    'jsonpath={.metadata.generation}'
}

is_as_before() { [ "$(namespace_now)" = "$1" ]; }

asks_in() { # NAME WANTED
  asks "$2" "http://$D/" -H "baggage: kt-env=$1"
}

@test "env init: members come and go at a declared router, and nothing declared changes" {
  local before
  kc -n "$NS" expose deployment web --name decl --port 80 \
    --target-port http >/dev/null
  D=$(web decl)
  declared >"$RUN/decl.yaml" 2>"$RUN/decl.err"
  grep -q "set selector service decl" "$RUN/decl.err" # it was not applied
  kc apply -f "$RUN/decl.yaml" >"$RUN/apply.log" 2>&1
  ktctl_run alice env join nosuch decl -n "$NS" --local 8080
  ended_with 1 "no environment 'nosuch'"
  "$KTCTL" env create dev.c -n "$NS" --ttl 1h >/dev/null
  ktctl_run alice env join dev.c decl -n "$NS" --local 8080 --skipPortChecking
  ended_with 1 "asks for more labels" "set selector service decl"
  "$KTCTL" env delete dev.c -n "$NS" >/dev/null
  kc -n "$NS" set selector service decl kt-env-router=decl >/dev/null
  kc -n "$NS" rollout status deployment/decl-kt-env-router --timeout=60s >/dev/null
  eventually 20 is_own "$D"
  diff "$RUN/decl.yaml" <(declared 2>/dev/null) # written down again it is the same
  before=$(namespace_now)

  "$KTCTL" env create dev.a -n "$NS" --ttl 1h >/dev/null
  "$KTCTL" env create dev.b -n "$NS" --ttl 1h >/dev/null
  serve bob of-bob
  start b bob env join dev.b decl --local 8080
  TIME=90 ktctl_run alice env join dev.a decl -n "$NS" \
    --image kt.local/netsrv:1 --set NAME=copy
  ended_with 0 "Service $NS/decl is in environment dev.a"
  asks_in dev.b of-bob
  asks_in dev.a copy
  is_own "$D"
  is_own "$D" -H 'baggage: kt-env=dev'
  "$KTCTL" clean -n "$NS" --thresholdInMinus 0 >/dev/null # not what lives
  asks_in dev.b of-bob
  leave b
  eventually 5 is_own "$D" -H 'baggage: kt-env=dev.b'
  asks_in dev.a copy

  # the time-to-live, with no client of ours alive
  "$KTCTL" env delete dev.b -n "$NS" >/dev/null
  "$KTCTL" env extend dev.a -n "$NS" --ttl 5s >/dev/null
  eventually 20 is_own "$D" -H 'baggage: kt-env=dev.a'
  is_own "$D"
  if [ "$(minor)" -lt 23 ]; then
    "$KTCTL" clean -n "$NS" --thresholdInMinus 0 >/dev/null
  fi
  eventually 60 is_as_before "$before"
}

@test "env init: what cannot be declared is said" {
  ktctl_run alice env init web -n "$NS"
  if [ -z "${KTCTL_IMAGE:-}" ]; then ended_with 2 "--image is needed"; fi
  ktctl_run alice env init nosuch -n "$NS" --image x/y:1
  ended_with 1 '"nosuch" not found'
  ktctl_run alice env init db -n "$NS" --image x/y:1
  ended_with 1 "no router can stand in front of it"
  serve bob of-bob
  start b bob mesh web --expose 8080 --versionMark me
  ktctl_run alice env init web -n "$NS" --image x/y:1
  ended_with 1 "is taken at this moment"
  leave b
}
