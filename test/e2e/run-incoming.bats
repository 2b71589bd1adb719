#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 90
# run SERVICE --exchange, --mesh, --preview: callers come to the program as soon
# as it listens, and go home before it ends. Laptop: gina.
# shellcheck disable=SC2154 # others come from elsewhere

bats_require_minimum_version 1.5.0
load inbound

setup_file() {
  inbound_prepare
  home=$(mktemp -d /tmp/ktctl-run.XXXXXX) # where another user may go
  echo "$home" >"$RUN/home"
  cp "$KUBECONFIG" "$home/config"
  cp "$RUN/netsrv" "$home/netsrv"
  chmod 755 "$home" "$home/netsrv"
  chown -R 1500:1500 "$home"
}

setup() {
  skip_on_foreign "callers in the node's network"
  home=$(<"$RUN/home")
  WEB=$(web web)
}

teardown() {
  background_end
  KUBECONFIG=$KUBECONFIG "$KTCTL" recover web -n "$NS" >/dev/null 2>&1 || true
  kc -n "$NS" delete pods,services -l control-by=kt --now >/dev/null 2>&1
  eventually 30 is_own "$WEB"
}

teardown_file() {
  [ -f "$RUN/home" ] || return 0
  rm -rf "$(<"$RUN/home")"
}

# run_spawn FLAGS... -- PROGRAM...: ktctl run in the background as tag "run", as a
# user who may nothing
run_spawn() {
  : >"$RUN/run.log"
  (laptop_exec gina env HOME="$home" KUBECONFIG="$home/config" \
    setpriv --reuid 1500 --regid 1500 --clear-groups --bounding-set=-all \
    --inh-caps=-all --no-new-privs "$KTCTL" run --envSet NAME=local -n "$NS" -i "$KTCTL_IMAGE" \
    "$@") >"$RUN/run.log" 2>&1 3>&- &
  echo "run $!" >>"$PIDS"
}

# run_end STATUS [SIGNAL]
run_end() {
  local pid rc=0
  pid=$(pid_of run)
  kill "-${2:-TERM}" "$pid"
  wait "$pid" || rc=$?
  sed -i "/^run /d" "$PIDS"
  [ "$rc" = "$1" ] || { echo "ended with $rc"; cat "$RUN/run.log"; } >&2
  [ "$rc" = "$1" ]
}

# by_local: the program has answered so many
by_local() {
  [ "$(of failed)" = 0 ]
  [ "$(of by.local)" -gt "$1" ]
  [ "$(of sent)" -gt "$(($(of by.local) + 100))" ]
}

# one that takes its time until it listens
slow() {
  printf '%s\n' sh -c "sleep ${1:-1}; exec $home/netsrv -l 7000"
}

# over_start_and_end REQUESTS FLAGS...: while it starts, serves and ends
over_start_and_end() {
  local rate=200 sent=$1 pace=()
  shift
  mapfile -t pace < <(slow 2)
  hammer_start probe -r "$rate" -t 900 "${HAMMER[@]}" "$WEB" 80
  run_spawn "$@" -- "${pace[@]}"
  ready run
  sleep "$((sent / rate))"
  run_end 0
  sleep 2
  hammer_end probe
  by_local "$((sent / 3))"
  eventually 15 nothing_left
}

@test "run --exchange: constant requests over start and end: none fails" {
  HAMMER=()
  over_start_and_end "$(long_or 100000 1000)" web --exchange
  [ "$(selector_of web)" = '{"app":"web"}' ]
}

@test "run --mesh: constant requests with the mark over start and end: none fails" {
  HAMMER=(-H VERSION:me)
  over_start_and_end "$(long_or 100000 1000)" web --mesh me
  [ "$(selector_of web)" = '{"app":"web"}' ]
}

@test "run --exchange: while the program starts anew its callers go home, none fails" {
  # shellcheck disable=SC2016 # the program's shell
  run_spawn web --exchange -- sh -c 'while :; do
    timeout -s KILL 4 "$0" -l 7000; sleep 1; done' "$home/netsrv"
  ready run
  eventually 5 asks local "http://$WEB/"
  # each on a connection of its own: what dies with the program is not asked
  hammer_start probe -r 20 -t 60 "$WEB" 80
  sleep 12
  hammer_end probe
  [ "$(of by.local)" -gt 20 ]
  [ "$(of sent)" -gt "$(($(of by.local) + 5))" ]
  [ "$(of failed)" -le 2 ] # those in the middle of an answer
  run_end 143
}

@test "run --exchange: the program's own end gives back, kill -9 of ktctl as well" {
  run_spawn web --exchange -- timeout 6 "$home/netsrv" -l 7000
  ready run
  eventually 5 asks local "http://$WEB/"
  local rc=0
  wait "$(pid_of run)" || rc=$?
  sed -i "/^run /d" "$PIDS"
  [ "$rc" = 124 ]
  [ "$(selector_of web)" = '{"app":"web"}' ]
  is_own "$WEB"
  run_spawn web --exchange --expose 8080:80 -- "$home/netsrv" -l 7000
  ready run
  eventually 5 asks local "http://$WEB/"
  murder run
  eventually 15 is_own "$WEB"
  eventually 20 nothing_left
}

# but for the shadow of a run that was killed
nothing_left() {
  [ "$(selector_of web)" = '{"app":"web"}' ] &&
    ! kc -n "$NS" get pods,services -l control-by=kt -o name |
      grep -v kt-connect-shadow
}

@test "run --preview: a new Service; what cannot be is told" {
  local url
  run_spawn --preview newone --expose 8080 -- "$home/netsrv" -l 7000
  ready run
  url=http://$(web newone):8080/
  eventually 5 asks local "$url"
  run_end 0
  run ! kc -n "$NS" get service newone
  run_spawn no-such --exchange -- sleep 1000
  local rc=0
  wait "$(pid_of run)" || rc=$?
  sed -i "/^run /d" "$PIDS"
  [ "$rc" = 125 ]
  grep -q 'no-such' "$RUN/run.log"
}
