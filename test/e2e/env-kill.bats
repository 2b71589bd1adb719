#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 100
# kill -9 of client and router at points of env create, join, leave and delete.
# The points are the command's own writes: each is carried out, and its answer
# never comes (tools/gate.py). The trunk answers, clean empties, and what is
# somebody else's is as before. Laptop: carol.
# shellcheck disable=SC2154 # status and output come from elsewhere

bats_require_minimum_version 1.5.0
load inbound

setup_file() {
  inbound_prepare web
}

setup() {
  skip_on_foreign "callers in the node's network"
  WEB=$(web web)
  gate env pause
  export GATED=$BATS_TEST_TMPDIR/kubeconfig ASKED=$BATS_TEST_TMPDIR/asked
  serve carol local
  others_make
}

teardown() {
  env_over web webn
  [ -z "${GATE:-}" ] || kill "$GATE" 2>/dev/null || true
  kc -n "$NS" delete rolebinding token --ignore-not-found >/dev/null 2>&1
  kc -n "$NS" delete configmaps,deployments,services -l of=others --now >/dev/null 2>&1
}

# others_make: somebody else's environment with a member of another Service, and
# objects that have nothing to do with us
others_make() {
  kc -n "$NS" create configmap others --from-literal a=b >/dev/null
  kc -n "$NS" label configmap others of=others >/dev/null
  "$KTCTL" env create others -n "$NS" >/dev/null
  "$KTCTL" env join others webn -n "$NS" --selector app=db >/dev/null
  OTHERS=$(others)
}

others() { # all of theirs, as it was made
  kc -n "$NS" get jobs,services,deployments,configmaps,statefulsets -o json | jq -S '
    .items[] | select(.metadata.name | test("others|webn|^db|^net$|^toolbox")) |
    [.kind, .metadata.name, .metadata.uid, .spec.selector, .spec.template,
      (.metadata.annotations // {} | del(.["deployment.kubernetes.io/revision"]))]'
}

others_are_there() {
  [ "$(others)" = "$OTHERS" ] || {
    diff <(others) <(echo "$OTHERS") >&2
    return 1
  }
  asks db "http://$(web webn)/" -H 'baggage: kt-env=others'
}

asks() { # WANTED URL...: begins with it
  local want=$1 got
  shift
  got=$(ask "$@" 2>&1)
  [[ $got == "$want"* ]] || { echo "got '$got', not '$want'" >&2; return 1; }
}

# at_write N ARGUMENTS...: ktctl env is begun, and stands still behind its Nth write;
# 1: it ended before (STATUS)
at_write() {
  local n=$1
  shift
  rm -f "$ASKED.go"
  : >"$ASKED"
  echo "$n" >"$ASKED.at.new"
  mv "$ASKED.at.new" "$ASKED.at"
  : >"$RUN/k.log"
  (KUBECONFIG=$GATED laptop_exec carol "$KTCTL" env "$@" -n "$NS") \
    >"$RUN/k.log" 2>&1 3>&- &
  CLIENT=$!
  echo "k $CLIENT" >>"$PIDS"
  for _ in $(seq 900); do
    ! grep -q ^reached "$ASKED" || return 0
    ! grep -q 'All looks good' "$RUN/k.log" || return 1
    kill -0 $CLIENT 2>/dev/null || return 1
    sleep 0.1
  done
  echo "neither the end nor write $n:" >&2
  cat "$RUN/k.log" "$ASKED" >&2
  return 2
}

# nobodys: nothing of ours is left but what is somebody else's
nobodys() {
  local left
  left=$(kc -n "$NS" get jobs,pods,deployments,configmaps,services -l control-by=kt \
    -o json | jq -r '.items[] | select(.metadata.deletionTimestamp | not) |
      "\(.kind)/\(.metadata.name)" |
      select(test("others|webn-kt|/kt-env$|/ktctl-shadow-") | not)')
  [ -z "$left" ] || { echo "left: ${left//$'\n'/ }" >&2; return 1; }
  [ "$(spec_of web)" = "$(cat "$RUN/web.json")" ]
}

trunk_answers() {
  is_own "$WEB" "${CONNECT_SOON[@]}"
}

# emptied: the environment's time is over, and clean has nothing left to do but this
emptied() {
  kc -n "$NS" delete job kt-env-dev.k --ignore-not-found --wait=false >/dev/null
  eventually 30 cleaned
}

cleaned() {
  laptop carol "$KTCTL" clean -n "$NS" --thresholdInMinus 0 >"$RUN/clean.log" 2>&1 || {
    cat "$RUN/clean.log" >&2
    return 1
  }
  nobodys
}

prepared() { # WHAT: what has to be there before this command
  case $1 in
    join-*) "$KTCTL" env create dev.k -n "$NS" ;;
    leave | delete)
      "$KTCTL" env create dev.k -n "$NS" &&
        "$KTCTL" env join dev.k web -n "$NS" --image kt.local/netsrv:1 \
          --set NAME=copy
      ;;
  esac >"$RUN/prepared.log" 2>&1 || {
    cat "$RUN/prepared.log" >&2
    return 1
  }
}

command_of() { # WHAT
  case $1 in
    create) COMMAND=(create dev.k) ;;
    join-image) COMMAND=(join dev.k web --image kt.local/netsrv:1 --set NAME=copy) ;;
    join-local) COMMAND=(join dev.k web --local 8080) ;;
    leave) COMMAND=(leave dev.k web --force) ;;
    delete) COMMAND=(delete dev.k --force) ;;
  esac
}

# killed WHAT N VICTIM: 1: it has no Nth write
killed() {
  local what=$1 n=$2 victim=$3 rc=0 pod
  prepared "$what"
  command_of "$what"
  at_write "$n" "${COMMAND[@]}" || rc=$?
  [ $rc -lt 2 ]
  if [ $rc = 1 ]; then
    kill -TERM "$CLIENT" 2>/dev/null || true
    wait "$CLIENT" || true
    sed -i '/^k /d' "$PIDS"
    emptied
    return 1
  fi
  echo "# $what: $victim at $(grep ^reached "$ASKED")" >&2
  pod=$(kc -n "$NS" get pods -l kt-role=router -o json | jq -r '.items[] |
    select(.metadata.name | startswith("web-kt")) | .metadata.name' | head -n 1)
  if [ "$victim" = client ]; then
    murder k
  elif [ -n "$pod" ]; then
    node_exec kill -KILL "$(pod_pid "$pod")" || true
    : >"$ASKED.go"
  fi
  eventually 10 trunk_answers
  trunk_answers
  if [ "$victim" != client ]; then
    : >"$ASKED.go"
    sleep 1
    kill -TERM "$CLIENT" 2>/dev/null || true
    wait "$CLIENT" || true
    sed -i '/^k /d' "$PIDS"
    eventually 10 trunk_answers
  fi
  emptied
  others_are_there
}

# points WHAT VICTIM SHORT...: at these writes, or (long) at all of them
points() {
  local what=$1 victim=$2 n last=0
  shift 2
  [ -z "${E2E_LONG:-}" ] || set -- $(seq 40)
  for n; do
    killed "$what" "$n" "$victim" || break
    last=$n
  done
  echo "# $what: $victim killed at writes up to the ${last}th" >&2
  [ "$last" -gt 0 ]
}

@test "env: kill -9 of the client at its writes: the trunk answers, clean empties" {
  points create client 2
  points join-image client 3 6
  points join-local client 4
  points leave client 2
  points delete client 2
}

@test "env: kill -9 of the router at the client's writes: the trunk answers" {
  points join-image router 6
  points leave router 2
}

# bats test_tags=long
@test "env: kill -9 of the router at the writes of a local join and of delete: the trunk answers" {
  points join-local router 4
  points delete router 2
}
