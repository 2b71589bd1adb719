#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 210
# Beside KT Connect: its objects as a client leaves them that was killed, or
# keeps them while it lives, and what we do with them. Laptops: alice, bob.
# shellcheck disable=SC2154 # status and output come from bats

bats_require_minimum_version 1.5.0
load inbound

ALIVE=20 DEAD=400 # seconds since its last heartbeat; KT's limit is 300

setup_file() {
  inbound_prepare web
}

setup() {
  skip_on_foreign "callers in the node's network"
  WEB=$(web web)
}

teardown() {
  connect_kill
  background_end
  let_go
  kc -n "$NS" delete pods,deployments,services,configmaps -l control-by=kt --now \
    >/dev/null 2>&1
  "$KTCTL" recover web -n "$NS" >/dev/null 2>&1 || true
  eventually 5 is_own "$WEB"
  eventually 20 nothing_left
}

# kt_object KIND NAME SECONDS-AGO LABELS ANNOTATIONS SPEC: the last three are the
# inside of JSON objects, without a comma at either end
kt_object() {
  local beat=$(($(date +%s) - $3)) inner="\"spec\": {$6}"
  [ "$1" != ConfigMap ] || inner='"data": {"privateKey": "x"}'
  kc -n "$NS" apply -f - >/dev/null <<END
{"apiVersion": "v1", "kind": "$1", "metadata": {"name": "$2",
  "labels": {"control-by": "kt"${4:+, $4}},
  "annotations": {"kt-last-heart-beat": "$beat"${5:+, $5}}}, $inner}
END
}

# kt_pod NAME ROLE TARGET SECONDS-AGO [CONFIG]: a shadow or router of ann's; it
# has a program that answers "kt", where hers would lead to her laptop
kt_pod() {
  kt_object Pod "$1" "$4" "\"kt-role\": \"$2\", \"kt-target\": \"$3\"" \
    "\"kt-user\": \"ann\", \"kt-ref-count\": \"1\"${5:+, \"kt-config\": \"$5\"}" \
    '"containers": [{"name": "standalone", "image": "kt.local/netsrv:1",
      "args": [], "env": [{"name": "NAME", "value": "kt"}]}]'
  kt_object ConfigMap "$1" "$4" "\"kt-role\": \"$2\", \"kt-target\": \"$3\""
}

kt_service() { # NAME SECONDS-AGO PORT SELECTOR
  kt_object Service "$1" "$2" "" "" "\"selector\": {$4}, \"ports\": [
    {\"name\": \"kt-$3\", \"port\": $3, \"targetPort\": 8080}]"
}

# leads_to ROLE TARGET: Service web, as KT's client writes it
leads_to() {
  kc -n "$NS" patch service web --type merge -p "{
    \"metadata\": {\"annotations\": {\"kt-selector\": \"{\\\"app\\\":\\\"web\\\"}\"}},
    \"spec\": {\"selector\": {
      \"app\": null, \"kt-role\": \"$1\", \"kt-target\": \"$2\"}}}" >/dev/null
}

kt_exchange() { # SECONDS-AGO
  kt_pod web-kt-exchange-abcde shadow-exchange X "$1" service=web
  kc -n "$NS" wait --for=condition=Ready pod/web-kt-exchange-abcde \
    --timeout=30s >/dev/null
  leads_to shadow-exchange X
}

# kt_router SECONDS-AGO: what mesh has made before the Service is switched
kt_router() {
  kt_service web-kt-stuntman "$1" 80 '"app": "web"'
  kt_service web-kt-mesh-a "$1" 80 '"kt-role": "shadow-mesh", "kt-target": "A"'
  kt_pod web-kt-router router R "$1" service=web
}

# kt_guard SECONDS: KT's client, which keeps Service web as it wants it: at each
# change it looks for its Pod, then sleeps, then looks at the Service only. What
# it does is in $RUN/guard.log.
kt_guard() {
  : >"$RUN/guard.log"
  : >"$RUN/events" # the reader below may be there before the writer
  (exec kubectl -n "$NS" get service web --watch -o name) \
    >>"$RUN/events" 2>/dev/null 3>&- &
  echo "serve-events $!" >>"$PIDS"
  (
    exec <"$RUN/events" >>"$RUN/guard.log" 2>&1
    while :; do
      if read -r _; then kt_guard_look "$1"; else sleep 0.1; fi
    done
  ) 3>&- &
  echo "serve-guard $!" >>"$PIDS"
  eventually 30 grep -q 'as it wants it' "$RUN/guard.log"
}

kt_guard_look() { # SECONDS
  local pod
  pod=$(kc -n "$NS" get pods -l kt-target=X -o \
    'jsonpath={.items[0].metadata.name} {.items[0].metadata.deletionTimestamp}')
  [[ $pod == web-kt-*' ' ]] || return 0
  if [[ $(selector_of web) == *kt-target* ]]; then
    echo as it wants it
    return 0
  fi
  echo asleep
  sleep "$1"
  [[ $(selector_of web) != *kt-target* ]] || return 0
  leads_to shadow-exchange X
  echo wrote
}

stays_own() { # SECONDS: nobody is refused
  local end=$((SECONDS + $1))
  while [ $SECONDS -lt $end ]; do
    is_own "$WEB" || return 1
    sleep 0.2
  done
}

recover() { # ARGUMENTS...
  ktctl_run bob recover "$@" -n "$NS"
}

@test "beside KT: recover of a living exchange is not undone by its client" {
  kt_exchange $ALIVE
  kt_guard 2
  eventually 10 asks kt "http://$WEB/"
  recover web
  ended_with 0 "removed pods web-kt-exchange-abcde" "recovered Service web" \
    "KT Connect of ann still runs" "Service web has stayed as it is"
  ! grep -E 'asleep|wrote' "$RUN/guard.log" || false
  stays_own 2
  recover web
  ended_with 0 "Nothing to recover"
}

@test "beside KT: a client that sleeps already writes once more, and so do we" {
  kt_exchange $ALIVE
  kt_guard 7 # recover has written by then, on a busy machine too
  eventually 10 asks kt "http://$WEB/"
  kc -n "$NS" patch service web --type merge -p '{"spec": {"selector": {
    "app": "web", "kt-role": null, "kt-target": null}}}' >/dev/null
  eventually 10 grep -q asleep "$RUN/guard.log"
  recover web
  ended_with 0 "recovered Service web" "which was given back once more"
  grep -q wrote "$RUN/guard.log"
  stays_own 2
}

@test "beside KT: mesh takes a Service from a dead router, not from a living one" {
  serve alice local
  kt_router $DEAD
  leads_to router R
  kt_pod web-kt-mesh-a shadow-mesh A $ALIVE service=web-kt-mesh-a
  ktctl_run alice mesh web -n "$NS" --expose 8080 --versionMark blue
  ended_with 1 "KT Connect's router, which cannot be shared, by ann" \
    "ktctl recover web"
  [[ $(selector_of web) == *'"kt-target":"R"'* ]]
  kc -n "$NS" annotate --overwrite pod web-kt-mesh-a \
    "kt-last-heart-beat=$(($(date +%s) - DEAD))" >/dev/null
  start m alice mesh web --expose 8080 --versionMark blue
  eventually 5 asks local "http://$WEB/" -H 'VERSION: blue'
  eventually 5 is_own "$WEB"
  leave m
  eventually 5 is_own "$WEB"
}

@test "beside KT: a router that the Service does not lead to yet is not ours" {
  serve alice local
  kt_router $ALIVE
  ktctl_run alice mesh web -n "$NS" --expose 8080 --versionMark blue
  ended_with 1 "KT Connect's router, which cannot be shared, by ann"
  kc -n "$NS" annotate --overwrite pod/web-kt-router service/web-kt-mesh-a \
    service/web-kt-stuntman \
    "kt-last-heart-beat=$(($(date +%s) - DEAD))" >/dev/null
  start m alice mesh web --expose 8080 --versionMark blue
  eventually 5 asks local "http://$WEB/" -H 'VERSION: blue'
  leave m
}

@test "beside KT: mesh in mode manual, where a Pod has its name, or an exchange the Service" {
  serve alice local
  kt_pod web-kt-mesh-blue shadow-mesh A $ALIVE service=web-kt-mesh-blue
  local mesh=(mesh web --mode manual --expose 8080 --versionMark blue)
  ktctl_run alice "${mesh[@]}" -n "$NS"
  ended_with 1 "web-kt-mesh-blue already exists: it is ann's" \
    "choose another --versionMark"
  kc -n "$NS" annotate --overwrite pod web-kt-mesh-blue \
    "kt-last-heart-beat=$(($(date +%s) - DEAD))" >/dev/null
  start m alice "${mesh[@]}"
  grep -q 'left by a ktctl that is gone' "$RUN/m.log"
  leave m
  kt_exchange $ALIVE
  ktctl_run alice "${mesh[@]}" -n "$NS"
  ended_with 1 "Service $NS/web is exchanged by ann" "ktctl recover web"
}

@test "beside KT: connect --shareShadow onto its shadow" {
  kt_pod kt-connect-shadow-daemon shadow-connect C $ALIVE
  TIME=8 ktctl_run alice connect -n "$NS" --shareShadow
  ended_with 1 "Pod $NS/kt-connect-shadow-daemon is KT Connect's" \
    "made by ann and is alive" "without --shareShadow"
  kc -n "$NS" annotate --overwrite pod kt-connect-shadow-daemon \
    "kt-last-heart-beat=$(($(date +%s) - DEAD))" >/dev/null
  connect_start alice --shareShadow --skipCleanup
  grep -q 'was left by KT Connect (user ann, no heartbeat for 6 min)' "$CONNECT_LOG"
  connect_stop
}

# kt_name_server -A|-D: what a killed client leaves of names, or none of it
kt_name_server() {
  # shellcheck disable=SC2016
  laptop alice sh -c '
    cd /etc || exit
    case $1 in
      -A) cp resolv.conf resolv.conf.kept
        sed "s/^nameserver.*/#& # Removed by KtConnect/" resolv.conf.kept >resolv.conf
        echo "nameserver 127.0.0.1 # Added by KtConnect" >>resolv.conf ;;
      -D) mv resolv.conf.kept resolv.conf ;;
    esac
    iptables -w -t nat "$1" OUTPUT -p udp -d 127.0.0.1/32 --dport 53 \
      -j REDIRECT --to-ports 10053' sh "$1"
}

@test "beside KT: connect where a killed one has left its name server: told, and no loop" {
  local name packets rc=0
  kt_name_server -A
  connect_start alice || rc=1
  name=$(laptop alice dig +short +tries=1 +time=5 "web.$NS.svc.cluster.local") || rc=2
  run laptop alice dig +tries=1 +time=5 www.corp.test
  packets=$(laptop alice iptables -w -t nat -nvxL OUTPUT |
    awk '/redir ports 10053/ { print $1 }')
  kt_name_server -D
  [ $rc = 0 ]
  grep -q "has lines of KT Connect.*clean --localOnly" "$CONNECT_LOG"
  [ "$name" = "$WEB" ]
  [[ $output == *SERVFAIL* ]]
  [ "$packets" -le 20 ]
  connect_stop
}

kt_preview() { # SECONDS-AGO
  kt_pod pv-kt-abcde shadow-preview P "$1" service=pv
  kt_service pv "$1" 8080 '"kt-role": "shadow-preview", "kt-target": "P"'
}

@test "beside KT: a preview is not recovered, and taken over from the dead only" {
  local ip
  serve alice local
  kt_preview $ALIVE
  recover pv
  ended_with 1 "Service $NS/pv was made by preview" "ktctl clean"
  ktctl_run alice preview pv -n "$NS" --expose 8080
  ended_with 1 "Service $NS/pv is a preview of ann's" "choose another name"
  [[ $output != *"ktctl exchange"* ]]
  ip=$(web pv)
  kc -n "$NS" annotate --overwrite service/pv pod/pv-kt-abcde configmap/pv-kt-abcde \
    "kt-last-heart-beat=$(($(date +%s) - DEAD))" >/dev/null
  start p alice preview pv --expose 8080
  asks local "http://$ip:8080/" # the first request, at the address it had
  run kc -n "$NS" get configmap pv-kt-abcde
  [ "$status" != 0 ]
  leave p
}

# hold POD: it takes its time to end
hold() {
  kc -n "$NS" wait --for=condition=Ready "pod/$1" --timeout=60s >/dev/null
  kc -n "$NS" patch pod "$1" --type merge \
    -p '{"metadata": {"finalizers": ["kt.test/held"]}}' >/dev/null
}

# let_go: all that is held
let_go() {
  kc -n "$NS" get pods -l control-by=kt -o name | while read -r pod; do
    kc -n "$NS" patch "$pod" --type merge -p '{"metadata": {"finalizers": null}}'
  done >/dev/null
}

@test "beside KT: clean takes a dead client's lock, and what ends is not told again" {
  kc -n "$NS" annotate --overwrite service web "kt-lock=$(($(date +%s) + 5))" >/dev/null
  kt_pod web-kt-exchange-abcde shadow-exchange X $DEAD service=web
  hold web-kt-exchange-abcde
  ktctl_run bob clean -n "$NS" --thresholdInMinus 0
  ended_with 0 "unlocked Service web" "removed pods web-kt-exchange-abcde"
  [ -z "$(annotation web kt-lock)" ]
  ktctl_run bob clean -n "$NS" --thresholdInMinus 0
  ended_with 0 "Nothing to clean"
  recover web
  ended_with 0 "Nothing to recover"
  kc -n "$NS" get pod web-kt-exchange-abcde >/dev/null # all the time
}
