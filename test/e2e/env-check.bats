#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 110
# every flavour
# env check and env events: what the routers of an environment see, and where
# its mark is lost. Laptop: alice.
# shellcheck disable=SC2154 # status, output and stderr come from bats

bats_require_minimum_version 1.5.0
load inbound

SCHEMAS=$BATS_TEST_DIRNAME/../../docs/schema

setup_file() {
  inbound_prepare web
}

setup() {
  skip_on_foreign "programs in the network of a Pod"
  WEB=$(web web)
}

teardown() {
  : >"$RUN/enough"
  env_over
  cleaned || true
  kc -n "$NS" delete deployments,pods,services,configmaps -l control-by=kt \
    --now >/dev/null 2>&1
  kc -n "$NS" delete service mid --now >/dev/null 2>&1
  eventually 30 is_own "$WEB"
  eventually 20 nothing_left
}

# relay_start: a program in the toolbox's Pod at port 8480, behind Service mid,
# that asks web and passes on the headers that /PATH names: /baggage,traceparent
relay_start() {
  (in_pod toolbox "$PYTHON" - "$WEB" <<<'
import http.server, sys, urllib.request
class Relay(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        some = {h: self.headers[h] for h in self.path[1:].split(",")
                if h in self.headers}
        ask = urllib.request.Request("http://%s/" % sys.argv[1], headers=some)
        body = urllib.request.urlopen(ask, timeout=10).read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass
http.server.ThreadingHTTPServer(("", 8480), Relay).serve_forever()') \
    >/dev/null 2>&1 3>&- &
  echo "serve-relay $!" >>"$PIDS"
  kc -n "$NS" create service clusterip mid --tcp 80:8480 >/dev/null
  kc -n "$NS" patch service mid -p '{"spec": {"selector": {"app": "toolbox"}}}' >/dev/null
  eventually 30 ask "http://$(web mid)/none"
}

# asked_on URL [CURL-ARGUMENTS...]: twice a second in the background, since nobody
# knows when a command listens; asked_enough: no longer
asked_on() {
  rm -f "$RUN/enough"
  (until [ -e "$RUN/enough" ]; do
    ask "$@" || true
    sleep 0.5
  done) >/dev/null 3>&- &
  ASKED=$!
}

asked_enough() {
  : >"$RUN/enough"
  wait "$ASKED"
}

# passes HEADERS MARK [SURE]: the mark at web of a probe that goes by mid
passes() {
  local got
  got=$(env_cli check a mid --path "/$1" -o json 2>"$RUN/check.err") || true
  "$BATS_TEST_DIRNAME/../unit/schema.py" "$SCHEMAS/env-check.json" <<<"$got"
  got=$(jq -c '.probes[0] | [.status, (.hops[] | select(.service == "web") |
    .caller, .mark, .sure)]' <<<"$got")
  [ "$got" = "[200,\"mid\",\"$2\",${3:-true}]" ] ||
    { echo "$1: $got; $(cat "$RUN/check.err")" >&2; return 1; }
}

@test "env check names who loses the mark; env events waits for a request of the environment" {
  local ip
  env_cli create dev.a
  serve alice local
  start a alice env join a web --local 8080
  spawn follow alice env events a
  # CI: a request of the environment comes, and where its mark is lost none does
  run -0 --separate-stderr env_cli check a
  [[ $output == *"web"*"arrived"*"member"* ]]
  [[ $output == *"Not seen, as no router is there: "*net* ]]
  relay_start
  ip=$(web mid)
  (eventually 20 ask "http://$ip/baggage" -H 'baggage: kt-env=dev.a' && sleep 1 &&
    ask "http://$ip/baggage" -H 'baggage: kt-env=dev.a') >/dev/null 3>&- &
  run -0 --separate-stderr env_cli events a --since 60s --timeout 30s -o json \
    --expect "service=web status=200 answered=other path=/ method=GET"
  wait $!
  "$BATS_TEST_DIRNAME/../unit/schema.py" "$SCHEMAS/env-expect.json" <<<"$output"
  [ "$(jq -c '[.met, .environment, .reason]' <<<"$output")" = '[true,"dev.a",null]' ]
  asked_on "http://$ip/traceparent" -H 'baggage: kt-env=dev.a'
  run -1 --separate-stderr env_cli events a --timeout 5s -o json --expect service=web
  asked_enough
  jq -e '(.met | not) and .others > 0 and
    (.reason | contains("without the mark of dev.a"))' <<<"$output"
  [[ $stderr == *"the time is over: 0 seen for 'service=web'"*"ktctl env check dev.a"* ]]
  # what a service of the trunk passes on
  passes baggage,traceparent arrived
  passes baggage arrived false
  passes traceparent lost
  grep -q "mid calls web with the trace, but without the mark: it passes on traceparent, and not baggage" "$RUN/check.err"
  passes nothing lost false
  # and a member, whose Pod the router knows
  ktctl_run alice env join a mid -n "$NS" --selector app=toolbox
  ended_with 0
  eventually 20 passes traceparent added # DNS knows its Pod now
  passes baggage,traceparent arrived
  passes nothing added false
  [ ! -s "$RUN/check.err" ]
  leave a
  env_cli delete a
  eventually 20 grep -q "environment 'dev.a' of namespace $NS has ended" "$RUN/follow.log"
  grep '^{' "$RUN/follow.log" | jq -se 'length > 5 and
    any(.service == "web" and .marked_by == "caller" and .answered == "other") and
    any(.service == "web" and .marked_by == "router" and .environment == "dev.a")'
  "$BATS_TEST_DIRNAME/../unit/schema.py" "$SCHEMAS/env-event.json" \
    <<<"$(grep -m 1 '^{' "$RUN/follow.log")"
}

# routers: names of the routers that are there
routers() {
  kc -n "$NS" get deployments -l kt-role=router -o name
}

leads_to_a_router() { # SERVICE
  [ "$(kc -n "$NS" get service "$1" -o jsonpath='{.spec.selector.kt-role}')" = router ]
}

# clean has nothing left to do here
cleaned() {
  laptop alice "$KTCTL" clean -n "$NS" >"$RUN/clean.log" 2>&1 && [ -z "$(routers)" ]
}

# bats test_tags=once
@test "env check --routers: Services that have no router get one for the time of it" {
  local check name
  env_cli create dev.r
  relay_start
  run -1 --separate-stderr env_cli check dev.r mid
  [[ $stderr == *"no router tells"*"--routers"* ]]
  kc -n "$NS" get service web mid -o json | jq -S '[.items[].spec]' >"$RUN/before"
  run -0 --separate-stderr env_cli check dev.r mid --routers \
    --path /baggage,traceparent -o json
  "$BATS_TEST_DIRNAME/../unit/schema.py" "$SCHEMAS/env-check.json" <<<"$output"
  [ "$(jq -c '[.probes[0].hops[] | [.service, .mark, .answered]]' <<<"$output")" = \
    '[["mid","arrived","trunk"],["web","arrived","trunk"]]' ]
  # callers of a headless Service come past it
  [ "$(jq -c '.without_router - ["many"]' <<<"$output")" = '["db","webh"]' ]
  kc -n "$NS" get service web mid -o json | jq -S '[.items[].spec]' >"$RUN/after"
  same "$RUN/before" "$RUN/after"
  [ -z "$(routers)" ]
  [[ $(env_cli list) != *check-* ]]
  # killed: it ends by itself, and whoever comes by gives the Services back
  laptop_exec alice "$KTCTL" env check dev.r mid --routers -n "$NS" >/dev/null 2>&1 3>&- &
  check=$!
  eventually 60 leads_to_a_router mid
  kill -KILL "$check"
  wait "$check" || true
  is_own "$WEB"
  name=$(kc -n "$NS" get jobs -l kt-role=env -o name | grep check-)
  kc -n "$NS" annotate --overwrite "$name" kt-expires=1 >/dev/null
  # the time is over after which nobody can be joining still
  kc -n "$NS" annotate --overwrite deployments,services -l control-by=kt \
    kt-last-heart-beat=1 >/dev/null
  is_own "$WEB"
  eventually 60 cleaned
  kc -n "$NS" get service web mid -o json | jq -S '[.items[].spec]' >"$RUN/after"
  same "$RUN/before" "$RUN/after"
}
