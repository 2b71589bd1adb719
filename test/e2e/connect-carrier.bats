#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 80
# every flavour
# The forms of the port-forward: each does the whole job; the one that works
# is found, behind proxies and with half a Role, and remembered.
# shellcheck disable=SC2154 # status and output come from bats
# shellcheck disable=SC2016 # $HOME is that of the laptop

bats_require_minimum_version 1.5.0

setup() {
  load common
  load net
  laptop carol sh -c 'rm -rf "$HOME/.kt/carrier"'
}

teardown() {
  connect_kill
  gate_end
  eventually 10 no_objects
}

minor() { # of the server's version
  kc version -o json | jq -r '.serverVersion.minor | sub("[^0-9].*"; "")'
}

# SPDY inside WebSocket: on by default from 1.31
tunnels() {
  [ "$(minor)" -ge 31 ]
}

uses() { # FORM: what connect says it uses
  grep -q "debug: carrier: $1\$" "$CONNECT_LOG" || {
    echo "not $1:" >&2
    grep carrier "$CONNECT_LOG" >&2
    return 1
  }
}

# both ways, more than any buffer holds
works() {
  local size=30000000
  [ "$(laptop carol curl -sS --max-time 30 "http://web/bytes/$size" |
    wc -c)" = $size ]
  [ "$(head -c $size /dev/zero | laptop carol curl -sS --max-time 30 \
    --data-binary @- http://web/discard)" = $size ]
}

@test "carrier: every form does the whole job" {
  local form forms=(spdy websocket)
  ! tunnels || forms+=(spdy-websocket)
  for form in "${forms[@]}"; do
    connect_start carol --debug --carrier "$form"
    uses "$form"
    works
    connect_stop
    eventually 10 no_objects
  done
}

@test "carrier: SPDY in WebSocket where the server has it, else it says so at once" {
  local started=$SECONDS
  if tunnels; then
    connect_start carol --debug --carrier spdy-websocket
    uses spdy-websocket
    connect_stop
    return
  fi
  ktctl_run carol connect -n "$NS" --carrier spdy-websocket
  ended_with 1 "open the tunnel" "400" "hint: without --carrier"
  [ $((SECONDS - started)) -lt 9 ]
}

@test "carrier: auto takes SPDY, and remembers it" {
  connect_start carol --debug
  uses spdy
  connect_stop
  laptop carol sh -c 'cat "$HOME"/.kt/carrier/*' | grep -q '^spdy '
  connect_start carol --debug
  grep -q "spdy worked with this cluster before" "$CONNECT_LOG"
  connect_stop
}

through_gate() { # FLAGS...
  KUBECONFIG=$BATS_TEST_TMPDIR/kubeconfig connect_start carol "$@"
}

@test "carrier: a proxy that strips SPDY: another is found, and remembered" {
  local next=websocket
  ! tunnels || next=spdy-websocket
  gate connect strip
  through_gate --debug
  grep -q "carrier spdy: .*Upgrade request required; the next one is" "$CONNECT_LOG"
  uses $next
  works
  connect_stop
  grep -q '^POST SPDY' "$BATS_TEST_TMPDIR/asked"
  eventually 10 no_objects

  : >"$BATS_TEST_TMPDIR/asked"
  through_gate --debug
  uses $next
  run ! grep -q SPDY "$BATS_TEST_TMPDIR/asked"
  connect_stop
}

@test "carrier: a proxy that swallows SPDY: another is found in time" {
  gate connect swallow
  through_gate --debug --portForwardTimeout 90 # longer than is waited
  grep -q "carrier spdy: .*no answer in time" "$CONNECT_LOG"
  laptop carol curl -sS --max-time 5 -o /dev/null http://web
  connect_stop
}

@test "carrier: a proxy that refuses every form: its words, at once" {
  local started
  gate connect refuse
  started=$SECONDS
  KUBECONFIG=$BATS_TEST_TMPDIR/kubeconfig ktctl_run carol connect -n "$NS" \
    --portForwardTimeout 60
  ended_with 1 "open the tunnel" "502" "says the old one" "hint:" "HTTP Upgrade"
  [ $((SECONDS - started)) -lt 30 ]
  [ "$(wc -l <"$BATS_TEST_TMPDIR/asked")" = 3 ]
}

only() { # VERB: all that the developer may do with port-forwards
  [ -n "${KUBECONFIG_DEV:-}" ] || skip "needs the test cluster's identities"
  kc -n "$NS" apply -f "$TOP/deploy/rbac/connect.yaml" >/dev/null
  kc -n "$NS" patch role ktctl-connect --type json -p \
    "[{\"op\": \"replace\", \"path\": \"/rules/1/verbs\", \"value\": [$1]}]" \
    >/dev/null
  kc -n "$NS" create rolebinding dev --role ktctl-connect --user dev >/dev/null
}

@test "carrier: a Role without the verb create: enough up to Kubernetes 1.34" {
  local next=websocket
  ! tunnels || next=spdy-websocket
  only '"get"'
  if [ "$(minor)" -ge 35 ]; then
    KUBECONFIG=$KUBECONFIG_DEV ktctl_run carol connect -n "$NS"
    ended_with 1 'cannot create resource "pods/portforward"' \
      "must allow 'create' on 'pods/portforward'" "kind: Role"
    return
  fi
  KUBECONFIG=$KUBECONFIG_DEV connect_start carol --debug
  grep -q "carrier spdy: .*cannot create resource .*pods/portforward" \
    "$CONNECT_LOG"
  uses $next
  connect_stop
}

@test "carrier: a Role without the verb get" {
  only '"create"'
  KUBECONFIG=$KUBECONFIG_DEV connect_start carol --debug
  uses spdy
  connect_stop
}

@test "carrier: a Role with neither verb: what is missing" {
  only '"list"'
  KUBECONFIG=$KUBECONFIG_DEV ktctl_run carol connect -n "$NS"
  ended_with 1 'resource "pods/portforward"' "hint:" "kind: Role"
}

@test "carrier: the server's own words when the Pod's end fails" {
  local form forms=(spdy websocket) bare=$TOP/build/test/bench/bare-stream
  ! tunnels || forms+=(spdy-websocket)
  for form in "${forms[@]}"; do
    run "$bare" "$form" "$NS" toolbox # listens on nothing
    ended_with 1 "refused"
    run "$bare" "$form" "$NS" nobody
    ended_with 1 'pods "nobody" not found'
  done
}
