#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 90
# every flavour
# Services a, b, c, d, each of which calls the next one, and environments beside
# them: whose is each of very many requests? See test/chain. Laptops: alice, bob.
# shellcheck disable=SC2154 # status and output come from bats

bats_require_minimum_version 1.5.0
load inbound

setup_file() {
  inbound_prepare
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || return 0
  export KNS=$NS-links-$RANDOM # one that ends still is in the way
  CHAIN=$("$TOP/test/chain/build")
  export CHAIN
  "$CLUSTER/load-image" "$CHAIN/chain.tar" kt.local/chain:1 >/dev/null
  kc create namespace "$KNS" >/dev/null
  eventually 20 kc -n "$KNS" get serviceaccount default >/dev/null 2>&1
  local s
  { links a b && links b c && links c d && links d ''; } |
    kc -n "$KNS" apply -f - >/dev/null
  for s in a b c d; do
    kc -n "$KNS" rollout status "deployment/$s" --timeout=90s >/dev/null
  done
}

teardown_file() {
  [ -z "${KNS:-}" ] || kc delete namespace "$KNS" --wait=false >/dev/null 2>&1
}

links() { # NAME NEXT: a service of the chain
  cat <<END
---
apiVersion: v1
kind: Service
metadata: {name: $1}
spec: {selector: {app: $1}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: $1}
spec:
  selector: {matchLabels: {app: $1}}
  template:
    metadata: {labels: {app: $1}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: chain
        image: kt.local/chain:1
        imagePullPolicy: IfNotPresent
        env: [{name: NAME, value: $1}, {name: NEXT, value: "$2${2:+:80}"}]
        readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
END
}

setup() {
  skip_on_foreign "programs in the network of a Pod"
  A=$(web a)
}

teardown() {
  : >"$RUN/other.stop"
  env_over a b c
}

# here LAPTOP NAME PORT [NEXT]: a service of the chain on the laptop
here() {
  (
    export NAME=$2 PORT=$3 NEXT=${4:-}
    laptop_exec "$1" "$CHAIN/chain" serve
  ) >/dev/null 2>&1 3>&- &
  echo "serve-$2 $!" >>"$PIDS"
  eventually 5 laptop "$1" nc -z localhost "$3"
}

# asked ARGUMENTS...: "chain load" from a Pod, at a
asked() {
  in_pod toolbox "$CHAIN/chain" load "$@" "$A:80"
}

# one WANTED [MARK]: one request at a, and who answered
one() {
  local got
  got=$(ask "http://$A/x" ${2:+-H "baggage: kt-env=$2"} 2>&1)
  [ "$got" = "$1 x" ] || { echo "got '$got', not '$1 x'" >&2; return 1; }
}

copy() { # ENVIRONMENT SERVICE NAME
  TIME=90 ktctl_run alice env join "$1" "$2" -n "$KNS" --image kt.local/chain:1 \
    --set "NAME=$3"
  ended_with 0
}

# HTTP/1.1 kept alive, h2c, gRPC, WebSocket, marks of all kinds mixed on each
# connection: members of c in dev.p, of a in dev.p.me (on a laptop).
@test "env: a chain of services, marks of all kinds, on every protocol: none misrouted" {
  local n got
  n=${CHAIN_REQUESTS:-$(long_or 1000000 "$(short_or 2000 10000)")}
  env_cli create dev.p
  env_cli create dev.p.me
  copy dev.p c c-of-p
  start connect alice connect
  here alice a-of-me 8180 "b.$KNS:80"
  start a alice env join dev.p.me a --local 8180
  eventually 20 one "a-of-me>b>c-of-p>d" dev.p.me
  one "a>b>c-of-p>d" dev.p
  one "a>b>c>d"
  # on a busy machine each of the thirty hops of a request waits for its turn: many
  # at a time, then
  got=$(asked -n "$n" -w "${CHAIN_WORKERS:-$(long_or 64 32)}" -t "${CHAIN_SECONDS:-$(long_or 3600 120)}" -s "${SEED:-$n}" \
    -member "c dev.p c-of-p" -member "a dev.p.me a-of-me") || true
  echo "# $got" >&2
  jq -e --argjson n "$n" '.asked == $n and .misrouted == 0 and .failed == 0 and
    .members > $n / 10 and ([.h1, .h2c, .grpc, .ws] | min > $n / 200)' <<<"$got"
  leave a
  leave connect
  env_cli delete dev.p.me
  env_cli delete dev.p
  eventually 20 no_objects "$KNS"
}

# watched RESOURCE FILE: every state of it from now on; NAME: ADDRESSES
watched() {
  (exec kubectl -n "$KNS" get "$1" -w -o "jsonpath={.metadata.name}: $2{\"\\n\"}") \
    >"$RUN/$1" 2>/dev/null 3>&- &
  echo "serve-$1 $!" >>"$PIDS"
}

# An unmarked third party asks all the time, from before the environment is there
# until it is gone.
@test "env: two laptops and a copy in one environment meet; nobody else meets them" {
  local got ips slice=endpointslices
  kc get --raw /apis/discovery.k8s.io/v1 >/dev/null 2>&1 ||
    slice=endpointslices.v1beta1.discovery.k8s.io
  watched endpoints \
    '{.subsets[*].addresses[*].ip} {.subsets[*].notReadyAddresses[*].ip}'
  watched "$slice" '{.metadata.labels.kubernetes\.io/service-name} {.endpoints[*].addresses}'
  watched pods '{.metadata.labels.kt-env} {.status.podIP}'
  rm -f "$RUN/other.stop"
  (asked -none -n 1000000000 -t 300 -w 4 -stop "$RUN/other.stop") \
    >"$RUN/other.json" 2>&1 3>&- &
  echo "serve-other $!" >>"$PIDS"
  env_cli create dev.t
  start connect-a alice connect
  start connect-b bob connect
  here alice a-of-alice 8180 "b.$KNS:80"
  here bob b-of-bob 8180 "c.$KNS:80"
  start a alice env join dev.t a --local 8180
  copy dev.t c c-of-t
  start b bob env join dev.t b --local 8180
  eventually 20 one "a-of-alice>b-of-bob>c-of-t>d" dev.t
  got=$(asked -n "$(long_or 20000 1000)" -t 300 -w 4 -member "a dev.t a-of-alice" \
    -member "b dev.t b-of-bob" -member "c dev.t c-of-t") || true
  echo "# $got" >&2
  jq -e '.misrouted == 0 and .failed == 0 and .members > .asked / 10' <<<"$got"
  one "a-of-alice>b-of-bob>c-of-t>d" dev.t.child
  leave b
  eventually 20 one "a-of-alice>b>c-of-t>d" dev.t # over a connection of its own
  env_cli leave dev.t c
  eventually 10 one "a-of-alice>b>c>d" dev.t
  leave a
  leave connect-a
  leave connect-b
  env_cli delete dev.t
  eventually 20 no_objects "$KNS"
  : >"$RUN/other.stop"
  wait "$(pid_of serve-other)" || true
  echo "# $(cat "$RUN/other.json")" >&2
  # its own file has how far it is, too
  grep '^{' "$RUN/other.json" |
    jq -e '.misrouted == 0 and .failed == 0 and .asked > 100'
  # the copy was in its own record, and in nobody else's endpoints at no moment
  ips=$(sed -n 's/^[^:]*: dev\.t \([0-9]\)/\1/p' "$RUN/pods" | sort -u)
  [ -n "$ips" ]
  grep -wF "$ips" "$RUN/endpoints"
  run ! grep -E "^[abcd](-kt-stuntman)?: .*\b(${ips//$'\n'/|})\b" "$RUN/endpoints"
  grep -wF "$ips" "$RUN/$slice"
  run ! grep -E "^[^:]*: [abcd](-kt-stuntman)? .*\b(${ips//$'\n'/|})\b" "$RUN/$slice"
}

# asked_for SECONDS MARK: a request each half second, in the background
asked_for() {
  (for _ in $(seq $(($1 * 2))); do
    one x "$2" || true
    sleep 0.5
  done) >/dev/null 2>&1 3>&- &
  echo "serve-asked $!" >>"$PIDS"
}

# bats test_tags=once
@test "env: a pipeline creates, joins a copy, expects its request; and hears why none comes" {
  local schema=$TOP/docs/schema/env-expect.json
  env_cli create pr-7
  copy pr-7 c c-of-pr-7
  eventually 20 one "a>b>c-of-pr-7>d" pr-7
  asked_for 20 pr-7
  run -0 --separate-stderr env_cli events pr-7 --timeout 30s -o json \
    --expect "service=c answered=other status=200"
  "$TOP/test/unit/schema.py" "$schema" <<<"$output"
  jq -e '.met' <<<"$output"
  # b passes nothing on any more
  kc -n "$KNS" set env deployment/b PASS=none >/dev/null
  kc -n "$KNS" rollout status deployment/b --timeout=60s >/dev/null
  eventually 20 one "a>b>c>d" pr-7
  asked_for 20 pr-7
  run -1 --separate-stderr env_cli events pr-7 --timeout 5s -o json \
    --expect "service=c answered=other status=200"
  "$TOP/test/unit/schema.py" "$schema" <<<"$output"
  jq -e '(.met | not) and (.reason | length > 20)' <<<"$output"
  echo "# $(jq -r .reason <<<"$output")" >&2
  kc -n "$KNS" set env deployment/b PASS- >/dev/null
  env_cli delete pr-7
  eventually 20 no_objects "$KNS"
}
