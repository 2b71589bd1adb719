#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 55
# status, disconnect, --background, --with: sessions of a laptop, from another
# terminal. Laptop: alice.
# shellcheck disable=SC2154 # status and output come from bats

bats_require_minimum_version 1.5.0
load inbound

setup_file() {
  inbound_prepare web
}

setup() {
  skip_on_foreign "a laptop of one's own, broken links"
}

teardown() {
  local pid
  no_cut alice 2>/dev/null || true
  for pid in $(sessions .pid); do
    kill -CONT "$pid" 2>/dev/null || true
  done
  TIME=40 ktctl_run alice disconnect --all
  for pid in $(sessions .pid); do
    kill -KILL "$pid" 2>/dev/null || true
  done
  background_end
}

# sessions FILTER: jq's filter of each session of alice's
sessions() {
  laptop alice "$KTCTL" status -o json | jq -r ".sessions[] | $1"
}

# state_of COMMAND
state_of() {
  sessions "select(.command == \"$1\") | .state"
}

# is_state COMMAND STATE...: it is one of these
is_state() {
  local command=$1 state
  shift
  state=$(state_of "$command")
  [[ " $* " == *" $state "* ]]
}

is_gone() {
  [ -z "$(state_of "$1")" ]
}

# within MS CMD...: it became true in that time
within() {
  local ms=$1 begin=${EPOCHREALTIME/./} took
  shift
  eventually 20 "$@" || return 1
  took=$(((${EPOCHREALTIME/./} - begin) / 1000))
  echo "$* after $took ms"
  [ "$took" -le "$ms" ]
}

@test "connect --background: returns when it is up; a cut and a stop are seen; disconnect ends it" {
  local pid log before
  ktctl_run alice connect --background -n "$NS"
  ended_with 0 'All looks good' 'ktctl disconnect connect-'
  pid=$(sessions .pid)
  [ "$(sessions '[.id, .command, .namespace, .state] | join(" ")')" = \
    "connect-$pid connect $NS up" ]
  # it has answered for this question
  sessions .probe.age_us | awk '$1 > 2500000 {exit 1}'
  before=$(sessions .bytes_in)
  laptop alice curl -sS --max-time 10 -o /dev/null "http://web.$NS/"
  [ "$(sessions .bytes_in)" -gt "$before" ]
  ktctl_run alice status
  ended_with 0 SESSION "connect-$pid" up "log $(sessions .log)"

  cut_off alice
  within 5000 is_state connect silent lost
  eventually 20 is_state connect lost
  no_cut alice
  eventually 20 is_state connect up
  [ "$(sessions .reconnects)" -ge 1 ]
  sessions .last_loss.reason | grep -q 'no answer'

  log=$(sessions .log)
  kill -STOP "$pid"
  is_state connect stopped
  ktctl_run alice disconnect connect
  ended_with 1 "connect-$pid does not answer"
  kill -CONT "$pid" # now it has heard of it
  TIME=40 ktctl_run alice disconnect --all
  [ "$status" = 0 ]
  run ! readlink "/proc/$pid/exe" # somebody may have to reap it still
  run -0 laptop alice cat "$log"
  says 'connection to the cluster lost' 'left on SIGTERM'
  ktctl_run alice status
  ended_with 0 'No session runs on this machine'
  eventually 5 no_objects
}

@test "exchange, mesh, preview and forward in the background: each has its line; --with, disconnect COMMAND" {
  local pid
  serve alice local
  ktctl_run alice exchange nosuch --expose 8080 --background -n "$NS"
  ended_with 1 nosuch
  sleep 1000 3>&- &
  pid=$!
  echo "serve-with $pid" >>"$PIDS"
  ktctl_run alice preview new --expose 8080:80 --background --with $pid -n "$NS"
  ended_with 0 'All looks good'
  ktctl_run alice mesh web --expose 8080 --versionMark me --background -n "$NS"
  ended_with 0 'All looks good'
  ktctl_run alice forward web :80 --background -n "$NS"
  ended_with 0 '-> web:80' 'All looks good'
  [ "$(sessions '"\(.command) \(.target) \(.state)"')" = \
    $'preview new up\nmesh web up\nforward web :80 up' ]
  kill $pid
  wait $pid || true
  eventually 30 is_gone preview
  TIME=40 ktctl_run alice disconnect mesh forward
  ended_with 0 'mesh-' 'forward-' 'has ended'
  ktctl_run alice exchange web --expose 8080 --background -n "$NS"
  ended_with 0 'All looks good'
  is_state exchange up
  TIME=40 ktctl_run alice disconnect
  ended_with 0 'exchange-' 'has ended'
  same "$RUN/web.json" <(spec_of web)
  eventually 15 no_objects
}
