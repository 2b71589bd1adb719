#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 100
# every flavour
# A pipeline applies what it has in Git again and again while environments come
# and go, by client-side and by server-side apply: who keeps the Service, and who
# answers meanwhile. Laptop: alice.
# shellcheck disable=SC2154 # status, output and hammer come from elsewhere

bats_require_minimum_version 1.5.0
load inbound

EVERY=$(long_or 5 1) # seconds

setup_file() {
  inbound_prepare
}

setup() {
  skip_on_foreign "callers in the node's network"
}

teardown() {
  : >"$RUN/loop.stop"
  env_over git
  [ ! -f "$RUN/git.yaml" ] ||
    kc -n "$NS" delete -f "$RUN/git.yaml" --ignore-not-found --now >/dev/null 2>&1
  kc -n "$NS" delete service git --ignore-not-found >/dev/null 2>&1
  rm -f "$RUN/git.yaml"
}

pipeline() { # WAY [MORE...]: what is in $RUN/git.yaml is applied
  local way=$1
  shift
  if [ "$way" = server ]; then
    kc apply --server-side --force-conflicts --field-manager argocd \
      -f "$RUN/git.yaml" "$@"
  else
    kc apply -f "$RUN/git.yaml" "$@"
  fi
}

# loop_start WAY: and a line "differs: ..." in $RUN/loop.log for all that an
# apply would change
loop_start() {
  rm -f "$RUN/loop.stop"
  : >"$RUN/loop.log"
  (until [ -e "$RUN/loop.stop" ]; do
    GOGC=off kubectl diff -f "$RUN/git.yaml" >"$RUN/diff" 2>&1 ||
      sed 's/^/differs: /' "$RUN/diff" >>"$RUN/loop.log"
    pipeline "$1" >>"$RUN/loop.log" 2>&1 || echo "failed: $?" >>"$RUN/loop.log"
    echo applied >>"$RUN/loop.log"
    sleep "$EVERY"
  done) 3>&- &
  LOOP=$!
  echo "serve-loop $LOOP" >>"$PIDS"
  eventually 30 grep -q applied "$RUN/loop.log"
}

loop_end() {
  : >"$RUN/loop.stop"
  wait "$LOOP" || true
  echo "# applied $(grep -c ^applied "$RUN/loop.log") times" >&2
  run ! grep ^failed "$RUN/loop.log"
}

applied_more() { # N: since now
  local n
  n=$(($(grep -c ^applied "$RUN/loop.log") + $1))
  more() { [ "$(grep -c ^applied "$RUN/loop.log")" -ge "$n" ]; }
  eventually 60 more
}

# the trunk has answered each request, since hammer_start
trunk_answered() {
  hammer_end "$1"
  [ "$(of failed)" = 0 ]
  jq -e '.sent > 20 and (.by | keys | all(startswith("web-")))' <<<"$hammer"
}

git_service() { # the manifest of Service git
  cat <<END
apiVersion: v1
kind: Service
metadata: {name: git, namespace: $NS, labels: {from: git}}
spec:
  selector: {app: web}
  # 1.20 has no default for the protocol that server-side apply asks for
  ports: [{name: http, port: 80, targetPort: http, protocol: TCP}]
END
}

asks_in() { # NAME WANTED
  asks "$2" "http://$WEB/" -H "baggage: kt-env=$1" "${CONNECT_SOON[@]}"
}

@test "reapply: at a declared router nothing ever differs, whoever joins and leaves" {
  local way before
  git_service >"$RUN/git.yaml"
  pipeline client >/dev/null
  WEB=$(web git)
  "$KTCTL" env init git -n "$NS" --image "$KTCTL_IMAGE" >"$RUN/declared.yaml"
  mv "$RUN/declared.yaml" "$RUN/git.yaml"
  pipeline client >/dev/null
  kc -n "$NS" set selector service git kt-env-router=git >/dev/null
  kc -n "$NS" rollout status deployment/git-kt-env-router --timeout=60s >/dev/null
  eventually 20 is_own "$WEB"
  serve alice local
  for way in client server; do
    applied_first $way
    before=$(kc -n "$NS" get service git -o 'jsonpath={.metadata.resourceVersion}')
    loop_start $way
    hammer_start "trunk-$way" -r 20 -t 300 "$WEB" 80
    "$KTCTL" env create dev.a -n "$NS" >/dev/null
    "$KTCTL" env create dev.b -n "$NS" >/dev/null
    start a alice env join dev.a git --local 8080
    TIME=90 ktctl_run alice env join dev.b git -n "$NS" --image kt.local/netsrv:1 \
      --set NAME=copy
    ended_with 0
    eventually 10 asks_in dev.a local
    eventually 10 asks_in dev.b copy
    applied_more 3
    asks_in dev.a local
    asks_in dev.b copy
    leave a
    ktctl_run alice env leave dev.b git -n "$NS"
    ended_with 0
    "$KTCTL" env delete dev.a -n "$NS" >/dev/null
    "$KTCTL" env delete dev.b -n "$NS" >/dev/null
    applied_more 2
    loop_end
    run ! grep ^differs "$RUN/loop.log"
    [ "$(kc -n "$NS" get service git -o 'jsonpath={.metadata.resourceVersion}')" = \
      "$before" ]
    trunk_answered "trunk-$way"
  done
}

# applied_first WAY: the first of its kind notes who manages what, and the first
# by the server drops what kubectl had applied last; from then on nothing changes
applied_first() {
  pipeline "$1" >/dev/null
  pipeline "$1" >/dev/null
  spec_of git >"$RUN/git.json"
}

# nobody_has_it: Service git is its owner's, byte for byte, and nothing of ours but
# the environment is left
nobody_has_it() {
  diff <(spec_of git) "$RUN/git.json" >&2 &&
    [ -z "$(kc -n "$NS" get pods,deployments -l control-by=kt -o json |
      jq -r '.items[] | select(.metadata.deletionTimestamp | not) | .metadata.name')" ]
}

# What applies a borrowed Service: by the server only where that replaces a
# selector as a whole, which 1.20 does not (docs/environments.md)
borrowed_ways() {
  local minor
  minor=$(kc version -o json | jq -r '.serverVersion.minor | sub("[^0-9].*"; "")')
  echo client
  [ "$minor" -le 20 ] || echo server
}

@test "reapply: at a borrowed Service the pipeline gets it, and is named; the trunk answers" {
  local way by rc
  git_service >"$RUN/git.yaml"
  pipeline client >/dev/null
  WEB=$(web git)
  eventually 10 is_own "$WEB"
  serve alice local
  for way in $(borrowed_ways); do
    applied_first "$way"
    by=argocd rc=0
    [ "$way" = server ] || by=kubectl-client-side-apply
    "$KTCTL" env create dev.a -n "$NS" >/dev/null
    hammer_start "trunk-$way" -r 20 -t 300 "$WEB" 80
    start a alice env join dev.a git --local 8080
    asks_in dev.a local
    loop_start "$way"
    eventually 60 grep -q "put back 3 times within a minute" "$RUN/a.log"
    wait "$(pid_of a)" || rc=$?
    sed -i '/^a /d' "$PIDS"
    [ $rc = 1 ]
    grep -q "Service $NS/git was put back 3 times within a minute by '$by'" "$RUN/a.log"
    applied_more 1
    loop_end
    trunk_answered "trunk-$way"
    "$KTCTL" env delete dev.a -n "$NS" >/dev/null
    eventually 20 nobody_has_it
  done
}

# With a copy nobody of ours runs who could see it
@test "reapply: at a borrowed Service without a client the trunk answers, and all is given back" {
  local way
  git_service >"$RUN/git.yaml"
  pipeline client >/dev/null
  WEB=$(web git)
  eventually 10 is_own "$WEB"
  for way in $(borrowed_ways); do
    applied_first "$way"
    "$KTCTL" env create dev.a -n "$NS" >/dev/null
    hammer_start "trunk-$way" -r 20 -t 300 "$WEB" 80
    TIME=90 ktctl_run alice env join dev.a git -n "$NS" --image kt.local/netsrv:1 \
      --set NAME=copy
    ended_with 0
    asks_in dev.a copy
    pipeline "$way" >/dev/null
    [ "$(selector_of git)" = '{"app":"web"}' ]
    eventually 10 is_own "$WEB" -H 'baggage: kt-env=dev.a'
    ktctl_run alice env leave dev.a git -n "$NS"
    ended_with 0
    "$KTCTL" env delete dev.a -n "$NS" >/dev/null
    eventually 20 nobody_has_it
    trunk_answered "trunk-$way"
  done
}
