#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 120
# every flavour
# env join --tlsSecret: a Service whose TLS ends in its Pods. The router ends it
# with the Secret's certificate and begins it again behind. Laptop: bob.
# shellcheck disable=SC2154 # status and output come from elsewhere

bats_require_minimum_version 1.5.0
load inbound

setup_file() {
  inbound_prepare web
  skip_on_foreign "callers in the node's network"
  tls_secret tls-web web
  tls_secret tls-other web
  tls_service secure tls-web
}

teardown_file() {
  kc -n "$NS" delete deployments,services,secrets -l tls-test --now >/dev/null 2>&1 || true
}

setup() {
  skip_on_foreign "callers in the node's network"
  S=$(web secure)
}

teardown() {
  background_end
  kc -n "$NS" delete jobs -l kt-role=env --wait=false >/dev/null 2>&1
  "$KTCTL" recover secure -n "$NS" >/dev/null 2>&1 || true
  undeclare
  kc -n "$NS" delete deployments,pods,services,configmaps -l control-by=kt \
    --now >/dev/null 2>&1
  eventually 30 nothing_left
}

# tls_secret NAME SERVICE: a certificate of its own, $RUN/NAME.crt
tls_secret() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 \
    -subj "/CN=$2" -addext "subjectAltName=DNS:secure.$NS.svc,DNS:secure" \
    -keyout "$RUN/$1.key" -out "$RUN/$1.crt" 2>/dev/null
  kc -n "$NS" delete secret "$1" --ignore-not-found >/dev/null
  kc -n "$NS" create secret tls "$1" --cert "$RUN/$1.crt" --key "$RUN/$1.key" >/dev/null
  kc -n "$NS" label secret "$1" tls-test=yes >/dev/null
}

# tls_service NAME SECRET: "https" is HTTP/1.1 of a netsrv behind socat, "h2" is an
# nghttpd; both say "trunk"
tls_service() {
  kc apply -f - >/dev/null <<END
apiVersion: apps/v1
kind: Deployment
metadata: {name: $1, namespace: $NS, labels: {tls-test: "yes"}}
spec:
  selector: {matchLabels: {app: $1}}
  template:
    metadata: {labels: {app: $1}}
    spec:
      terminationGracePeriodSeconds: 1
      volumes:
      - {name: tls, secret: {secretName: $2}}
      containers:
      - name: web
        image: kt.local/netsrv:1
        env: [{name: NAME, value: trunk}]
      - name: socat
        image: kt.local/toolbox:1
        command: [socat, "OPENSSL-LISTEN:8443,fork,reuseaddr,verify=0,cert=/tls/tls.crt,key=/tls/tls.key", "TCP:127.0.0.1:8080"]
        volumeMounts: [{name: tls, mountPath: /tls}]
        readinessProbe: {tcpSocket: {port: 8443}, periodSeconds: 1}
      - name: h2
        image: kt.local/toolbox:1
        command: [sh, -c, "mkdir /tmp/d; case \$KT_ENV in ?*) echo copy ;; *) echo trunk ;; esac >/tmp/d/index.html; exec nghttpd --htdocs=/tmp/d 9443 /tls/tls.key /tls/tls.crt"]
        volumeMounts: [{name: tls, mountPath: /tls}]
        readinessProbe: {tcpSocket: {port: 9443}, periodSeconds: 1}
      - name: first
        image: kt.local/toolbox:1
        command: [socat, "OPENSSL-LISTEN:7443,fork,reuseaddr,verify=0,cert=/tls/tls.crt,key=/tls/tls.key", "SYSTEM:echo 220 hello; cat"]
        volumeMounts: [{name: tls, mountPath: /tls}]
---
apiVersion: v1
kind: Service
metadata: {name: $1, namespace: $NS, labels: {tls-test: "yes"}}
spec:
  selector: {app: $1}
  ports:
  - {name: https, port: 443, targetPort: 8443}
  - {name: https-h2, port: 9443}
  - {name: tls-first, port: 7443}
END
  kc -n "$NS" rollout status "deployment/$1" --timeout=60s >/dev/null
}

# Who answers, seen with the Secret's certificate alone
tls_asks() { # WANTED CURL-ARGUMENTS...
  local want=$1
  shift
  asks "$want" "https://secure/" --cacert "$RUN/tls-web.crt" --resolve "secure:443:$S" "$@"
}

h2_asks() { # WANTED CURL-ARGUMENTS...
  local want=$1
  shift
  asks "$want" "https://secure:9443/" --http2 --cacert "$RUN/tls-web.crt" \
    --resolve "secure:9443:$S" "$@"
}

join() { # NAME FLAGS...
  TIME=120 ktctl_run alice env join "$1" secure -n "$NS" "${@:2}"
}

in_env() { echo "baggage: kt-env=$1"; }

selector() { kc -n "$NS" get service secure -o 'jsonpath={.spec.selector}'; }

# bats test_tags=once
@test "env join --tlsSecret: marks are read in TLS, over HTTP/1.1 and HTTP/2" {
  eventually 10 tls_asks trunk
  "$KTCTL" env create dev.a -n "$NS" >/dev/null
  "$KTCTL" env create dev.b -n "$NS" >/dev/null
  join dev.a --image web=kt.local/netsrv:1
  ended_with 1 "speaks TLS" "--tlsSecret"
  join dev.a --image web=kt.local/netsrv:1 --set NAME=copy --tlsSecret tls-web
  ended_with 0 "Service $NS/secure is in environment dev.a"
  tls_asks copy -H "$(in_env dev.a)"
  tls_asks trunk
  tls_asks trunk -H "$(in_env dev.nobody)"
  h2_asks trunk
  h2_asks copy -H "$(in_env dev.a)"
  # a server that speaks first is heard
  [[ $(in_pod toolbox sh -c "sleep 5 | timeout 5 openssl s_client -quiet -connect $S:7443 2>/dev/null") == '220 hello' ]]
  [[ $(in_pod toolbox openssl s_client -connect "$S:443" -servername secure </dev/null 2>/dev/null |
    openssl x509 -noout -fingerprint) = "$(openssl x509 -noout -fingerprint -in "$RUN/tls-web.crt")" ]]

  # who comes second says nothing of it; what is on the laptop gets plain HTTP
  serve bob of-bob
  start b bob env join dev.b secure --local 8080:443
  tls_asks of-bob -H "$(in_env dev.b)"
  tls_asks copy -H "$(in_env dev.a)"
  tls_asks trunk
  join dev.b --image web=kt.local/netsrv:1 --tlsSecret tls-other
  ended_with 1 "ends TLS with Secret tls-web, not tls-other"
  leave b

  ktctl_run alice env leave dev.a secure -n "$NS"
  ended_with 0 "has left environment dev.a"
  [ "$(selector)" = '{"app":"secure"}' ]
  tls_asks trunk -H "$(in_env dev.a)"
}

# bats test_tags=once
@test "env join --tlsSecret: a caller is known by its Pod, behind TLS as well" {
  local copy
  unset KTCTL_IMAGE # both programs come in ConfigMaps
  "$KTCTL" env create dev.a -n "$NS" >/dev/null
  join dev.a --image web=kt.local/netsrv:1 --set NAME=copy --tlsSecret tls-web
  ended_with 0 "is in environment dev.a"
  copy=$(kc -n "$NS" get pods -l kt-env=dev.a -o 'jsonpath={.items[0].metadata.name}')
  [ "$(kc -n "$NS" exec "$copy" -c socat -- curl -sSk --max-time 10 "https://$S/")" = copy ]
  tls_asks trunk
}

# opened CURL-ARGUMENTS...: what bob gets at the port of env open
opened() {
  laptop bob curl -sS --max-time 10 --cacert "$RUN/tls-web.crt" \
    --connect-to "::localhost:${URL##*:}" "$@"
}

# bats test_tags=once
@test "env open, env check: a TLS port, whose mark the router adds behind it" {
  local got
  kc -n "$NS" create service clusterip other --tcp 443:8443 >/dev/null
  kc -n "$NS" patch service other --type json -p '[{"op": "replace", "path": "/spec/selector", "value": {"app": "secure"}},
    {"op": "replace", "path": "/spec/ports/0/name", "value": "https"}]' >/dev/null
  kc -n "$NS" label service other tls-test=yes >/dev/null
  "$KTCTL" env create dev -n "$NS" >/dev/null
  "$KTCTL" env create dev.a -n "$NS" >/dev/null # nobody is in it, but in dev
  run -1 laptop bob "$KTCTL" env open dev.a secure 443 -n "$NS"
  [[ $output == *"TLS ends in its Pods"*"--tlsSecret"* ]]
  join dev --image web=kt.local/netsrv:1 --set NAME=copy --tlsSecret tls-web
  ended_with 0 "is in environment dev"

  start o bob env open dev.a secure 443
  URL=$(grep -o 'https://localhost:[0-9]*$' "$RUN/o.log")
  [ "$(opened https://secure/)" = copy ]
  [ "$(opened https://secure/json | jq -r .headers.baggage)" = kt-env=dev.a ]
  [ "$(opened -H 'baggage: kt-env=other' https://secure/)" = trunk ]
  leave o
  start o bob env open dev.a secure 9443
  URL=$(grep -o 'https://localhost:[0-9]*$' "$RUN/o.log")
  [ "$(opened --http2 https://secure:9443/)" = copy ]
  leave o
  tls_asks trunk

  got=$("$KTCTL" env check dev.a secure -n "$NS" -o json)
  "$BATS_TEST_DIRNAME/../unit/schema.py" "$BATS_TEST_DIRNAME/../../docs/schema/env-check.json" <<<"$got"
  [ "$(jq -c '.probes[0] | [.tls, .port, .status, (.hops[] | [.service, .mark, .answered])]' <<<"$got")" = \
    '[true,443,200,["secure","arrived","member"]]' ]
  run -1 --separate-stderr "$KTCTL" env check dev.a other -n "$NS"
  [[ $output == *"answered with 200"*"TLS of Service other, port 443, ends in its Pods"* ]]
  kc -n "$NS" delete service other --now >/dev/null
}

@test "env join --tlsSecret: a Secret that is none, or not the Pods', changes nothing" {
  local before
  "$KTCTL" env create dev.a -n "$NS" >/dev/null
  before=$(selector)
  join dev.a --local 8080:443 --skipPortChecking --tlsSecret nosuch
  ended_with 1 "its gate for TLS ends" "the Secret is not there, or has no tls.crt and tls.key"
  join dev.a --local 8080:443 --skipPortChecking --tlsSecret tls-other
  ended_with 1 "TLS with the Pods of Service $NS/secure, port 443: " \
    "show the certificate of Secret tls-other"
  kc -n "$NS" create secret generic tls-mixed --from-file=tls.crt="$RUN/tls-web.crt" \
    --from-file=tls.key="$RUN/tls-other.key" >/dev/null
  kc -n "$NS" label secret tls-mixed tls-test=yes >/dev/null
  join dev.a --local 8080:443 --skipPortChecking --tlsSecret tls-mixed
  ended_with 1 "is not that of the first certificate"
  [ "$(selector)" = "$before" ]
  tls_asks trunk
  "$KTCTL" env delete dev.a -n "$NS" >/dev/null
  nothing_left
}

declared() {
  "$KTCTL" env init secure -n "$NS" --image "$KTCTL_IMAGE" --tlsSecret tls-web
}

undeclare() {
  kc -n "$NS" delete deployment secure-kt-env-router --ignore-not-found --now >/dev/null 2>&1
  kc -n "$NS" delete service secure-kt-origin --ignore-not-found >/dev/null 2>&1
}

# bats test_tags=once
@test "env init --tlsSecret: a declared router ends TLS; a renewed Secret is followed" {
  declared >"$RUN/secure.yaml" 2>/dev/null
  kc apply -f "$RUN/secure.yaml" >/dev/null 2>&1
  kc -n "$NS" set selector service secure kt-env-router=secure >/dev/null
  kc -n "$NS" rollout status deployment/secure-kt-env-router --timeout=60s >/dev/null
  eventually 20 tls_asks trunk
  "$KTCTL" env create dev.a -n "$NS" >/dev/null
  join dev.a --image web=kt.local/netsrv:1 --set NAME=copy --tlsSecret tls-other
  ended_with 1 "ends TLS with Secret tls-web, not tls-other"
  join dev.a --image web=kt.local/netsrv:1 --set NAME=copy
  ended_with 0 "is in environment dev.a"
  tls_asks copy -H "$(in_env dev.a)"
  h2_asks trunk

  # the Service's own Pods and the copy have the old one still (socat has read it)
  openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN=web \
    -addext "subjectAltName=DNS:secure" -keyout "$RUN/new.key" -out "$RUN/new.crt" 2>/dev/null
  kc -n "$NS" create secret tls tls-web --cert "$RUN/new.crt" --key "$RUN/new.key" \
    --dry-run=client -o yaml | kc -n "$NS" apply -f - >/dev/null 2>&1
  kc -n "$NS" annotate pods -l kt-env-router=secure now=yes >/dev/null # the kubelet looks
  cp "$RUN/new.crt" "$RUN/tls-web.crt"
  eventually 100 tls_asks trunk
  tls_asks copy -H "$(in_env dev.a)"
  "$KTCTL" env delete dev.a -n "$NS" >/dev/null
  kc -n "$NS" patch service secure --type json \
    -p '[{"op": "replace", "path": "/spec/selector", "value": {"app": "secure"}}]' >/dev/null
  undeclare
}
