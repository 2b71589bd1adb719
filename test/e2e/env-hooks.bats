#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 200
# every flavour
# env join: what runs before a member and after it (--onJoin, --onDelete), and a
# member that takes another's place, which no request may notice.
# shellcheck disable=SC2016,SC2154 # status, output, hammer come from elsewhere

bats_require_minimum_version 1.5.0
load inbound

setup_file() {
  inbound_prepare web
}

setup() {
  skip_on_foreign "callers in the node's network"
  WEB=$(web web)
}

teardown() {
  env_over
  eventually 30 is_own "$WEB"
  eventually 20 nothing_left
}

asks_in() { # NAME WANTED
  asks "$2" "http://$WEB/" -H "baggage: x=1,kt-env=$1"
}

join() { # NAME FLAGS...
  local env=$1
  shift
  TIME=120 ktctl_run alice env join "$env" web -n "$NS" \
    --image kt.local/netsrv:1 "$@"
}

hooks() { # Jobs of hooks that are there: "PARALLELISM TEXT", sorted
  kc -n "$NS" get jobs -l kt-role=env-hook -o json | jq -r '.items[] |
    "\(.spec.parallelism) \(.metadata.annotations["kt-env-hook"])"' | sort
}

no_hooks() {
  [ -z "$(hooks)" ]
}

# A hook whose image is the toolbox: what it runs is known by its Pods
hook_pods() {
  kc -n "$NS" get events --field-selector involvedObject.kind=Job -o json |
    jq -r '.items[] | select(.reason == "SuccessfulCreate") |
      .involvedObject.name' | sort -u | wc -l
}

@test "env join --onJoin, --onDelete: its output is the member's, it ends with it" {
  local before
  env_cli create dev.a
  before=$(hook_pods)
  join dev.a --set NAME=plain --set ASKED=yes \
    --onJoin 'kt.local/toolbox:1 sh -c "echo NAME=\$KT_HOOK-\$KT_ENV-\$KT_SERVICE-\$ASKED >\$KT_OUTPUT; echo chatter"' \
    --onDelete 'kt.local/toolbox:1 sh -c "test \$NAME = onJoin-dev.a-web-yes"'
  ended_with 0 "--onJoin has ended well, with 1 variable" "Service $NS/web is in environment dev.a"
  asks_in dev.a onJoin-dev.a-web-yes
  [[ $(hooks) == '0 onDelete kt.local/toolbox:1 '* ]]
  [ "$("$KTCTL" env export dev.a -n "$NS" | grep -cE '^    on(Join|Delete): ')" = 2 ]
  ktctl_run alice env leave dev.a web -n "$NS"
  ended_with 0 "has left environment dev.a"
  no_hooks
  [ "$(hook_pods)" = $((before + 2)) ]
  is_own "$WEB" -H 'baggage: kt-env=dev.a'
  "$KTCTL" env delete dev.a -n "$NS"
}

# bats test_tags=once
@test "env join --onJoin: a failure stops the join and is undone; hostile output is refused" {
  local before
  env_cli create dev.a
  join dev.a --onJoin 'kt.local/toolbox:1 sh -c "echo no database >&2; exit 3"' \
    --onDelete 'kt.local/toolbox:1 true'
  ended_with 1 "onJoin kt.local/toolbox:1" "has ended with status 3; it said last: no database"
  no_hooks
  [ -z "$(kc -n "$NS" get deployments -l kt-env -o name)" ]
  is_own "$WEB"
  join dev.a --onJoin 'kt.local/toolbox:1 sh -c "echo LD_PRELOAD=/x.so >\$KT_OUTPUT"'
  ended_with 1 "line 1 of its output: LD_PRELOAD is not for a hook to set"
  join dev.a --onJoin 'kt.local/toolbox:1 sh -c "yes A=aaaaaaaaaaaaaaaa | head -c 9000 >\$KT_OUTPUT"'
  ended_with 1 "the rest is cut off"
  join dev.a --onJoin 'kt.local/no-such:1'
  ended_with 1 "kt.local/no-such:1"
  # the member's own image, which has no shell
  join dev.a --onJoin '/no-such-program'
  ended_with 1 "/no-such-program"
  no_hooks
  # Ctrl-C while it runs: what it may have made is taken back
  before=$(hook_pods)
  spawn a alice env join dev.a web --image kt.local/netsrv:1 \
    --onJoin 'kt.local/toolbox:1 sleep 100' --onDelete 'kt.local/toolbox:1 true'
  eventually 30 runs_hook
  leave a || [ $? = 130 ]
  no_hooks
  [ "$(hook_pods)" = $((before + 2)) ]
  "$KTCTL" env delete dev.a -n "$NS"
  eventually 20 nothing_left
  is_own "$WEB"
}

runs_hook() {
  [ -n "$(kc -n "$NS" get pods -l kt-role=env-hook \
    --field-selector status.phase=Running -o name)" ]
}

@test "env join --onDelete: one that fails is said, tried again, and outlives the environment" {
  env_cli create dev.a
  join dev.a --onDelete 'kt.local/toolbox:1 sh -c "echo still in use >&2; exit 1"'
  ended_with 0
  ktctl_run alice env leave dev.a web -n "$NS"
  ended_with 1 "has ended with status 1; it said last: still in use" "force"
  is_own "$WEB" -H 'baggage: kt-env=dev.a'
  ktctl_run alice env delete dev.a -n "$NS"
  ended_with 1 "still in use"
  ktctl_run alice env delete dev.a -n "$NS" --force
  ended_with 0 "still in use" "tried again when the environment is over"
  # that is now; nobody waits for it
  [[ $(hooks) == '1 onDelete '* ]]
  eventually 20 hook_has_failed
  ktctl_run alice env list -n "$NS"
  ended_with 0 "which is over, has failed" "of environment dev.a, which is over: failed (Job "
  kc -n "$NS" delete jobs -l kt-role=env-hook >/dev/null
  # likewise when nobody has deleted the environment
  env_cli create dev.b
  join dev.b --onDelete 'kt.local/toolbox:1 true'
  ended_with 0
  kc -n "$NS" delete job kt-env-dev.b >/dev/null
  [[ $(hooks) == '0 onDelete '* ]]
  ktctl_run alice clean --dryRun -n "$NS"
  ended_with 0 "Hooks to run (1):" "onDelete kt.local/toolbox:1 true of the member web of environment dev.b"
  [[ $(hooks) == '0 onDelete '* ]]
  ktctl_run alice clean -n "$NS"
  ended_with 0 "runs onDelete kt.local/toolbox:1 true of the member web of environment dev.b"
  no_hooks
  eventually 20 nothing_left
}

hook_has_failed() {
  [ "$(kc -n "$NS" get jobs -l kt-role=env-hook -o \
    'jsonpath={.items[*].status.failed}')" = 1 ]
}

replace() { # TAG HAMMER-FLAGS...: a member takes the place of another meanwhile
  local tag=$1
  shift
  hammer_start "$tag" -t 120 -H 'baggage:kt-env=dev.a' "$@" "$WEB" 80
  join dev.a --set "NAME=$tag"
  ended_with 0
  sleep 2
  hammer_end "$tag"
  [ "$(jq -c .failed <<<"$hammer")" = '{}' ]
  [ "$(jq '.sent > 100' <<<"$hammer")" = true ]
}

# bats test_tags=once
@test "env join: a member with an image is replaced, and no request is answered by another" {
  local old
  env_cli create dev.a --strict
  join dev.a --set NAME=first
  ended_with 0
  replace second -r 50
  [ "$(jq -c '.by | keys' <<<"$hammer")" = '["first","second"]' ]
  asks_in dev.a second
  [ "$(kc -n "$NS" get deployments -l kt-env=dev.a -o name | wc -l)" = 1 ]
  replace third -k
  [ "$(jq -c '.by | keys' <<<"$hammer")" = '["second","third"]' ]
  asks_in dev.a third
  # one that cannot be leaves the former where it is
  old=$(kc -n "$NS" get deployments -l kt-env=dev.a -o name)
  hammer_start none -t 120 -r 50 -H 'baggage:kt-env=dev.a' "$WEB" 80
  TIME=90 ktctl_run alice env join dev.a web -n "$NS" --image kt.local/no-such:1
  ended_with 1 "kt.local/no-such:1"
  spawn a alice env join dev.a web --image kt.local/netsrv:1 --set NAME=killed
  eventually 60 two_copies
  murder a
  sleep 1
  hammer_end none
  [ "$(jq -c '[.failed, (.by | keys)]' <<<"$hammer")" = '[{},["third"]]' ]
  [[ $("$KTCTL" env show dev.a -n "$NS") == *'image kt.local/netsrv:1'*answers* ]]
  # and goes with the rest that is left
  "$KTCTL" env leave dev.a web -n "$NS"
  eventually 20 no_copies
  [ -n "$old" ]
  is_own "$WEB" # strict, but there is no member
  "$KTCTL" env delete dev.a -n "$NS"
}

two_copies() {
  [ "$(kc -n "$NS" get deployments -l kt-env=dev.a -o name | wc -l)" = 2 ]
}

no_copies() {
  [ -z "$(kc -n "$NS" get deployments -l kt-env=dev.a -o name)" ]
}
