#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 45
# apply: all that a file names, once; all come up, or all is as before. Laptop: alice.
# shellcheck disable=SC2154 # status and output come from bats

bats_require_minimum_version 1.5.0
load inbound

setup_file() {
  inbound_prepare web
}

setup() {
  skip_on_foreign "a laptop of one's own"
  FILE=$BATS_TEST_TMPDIR/ktctl.yaml
}

teardown() {
  local pid
  TIME=40 ktctl_run alice disconnect --all
  for pid in $(laptop alice "$KTCTL" status -o json | jq -r '.sessions[].pid'); do
    kill -KILL "$pid" 2>/dev/null || true
  done
  background_end
}

# wants: the file, from stdin
wants() {
  {
    echo "apiVersion: ktctl/v1"
    echo "namespace: $NS"
    cat
  } >"$FILE"
}

# apply ARGUMENTS...
apply() {
  TIME=90 ktctl_run alice apply -f "$FILE" "$@"
}

# pids: "TARGET PID" of each session
pids() {
  laptop alice "$KTCTL" status -o json |
    jq -r '.sessions[] | "\(.target // .command) \(.pid)"' | sort
}

# from PORT: who answers there
from() {
  laptop alice curl -sS --max-time 10 "http://127.0.0.1:$1/"
}

none_run() {
  [ -z "$(pids)" ]
}

@test "apply: all come up, once; what changes begins anew alone; --delete ends them" {
  local before
  serve alice local
  wants <<END
connect: true
forward:
  - web 18080:80
mesh:
  - {service: web, expose: 8080, versionMark: me}
END
  apply --dry-run
  ended_with 0 '+ connect' '+ forward web 18080:80' '+ mesh web'
  none_run
  apply
  ended_with 0 '+ connect' 'All looks good' 'all is up'
  [[ $(from 18080) == web-* ]]
  [[ $(laptop alice curl -sS --max-time 10 -H 'VERSION: me' "http://web.$NS/") == local* ]]
  before=$(pids)
  [ "$(wc -l <<<"$before")" = 3 ]

  apply
  ended_with 0 '= connect' '= mesh web' 'all is up already'
  [ "$(pids)" = "$before" ]

  # another port for one; the rest is not touched
  sed -i 's/18080/18082/' "$FILE"
  apply --dry-run -o json
  [ "$(jq -r '.jobs[] | "\(.action) \(.command)"' <<<"$output")" = \
    $'keep connect\nchange forward\nkeep mesh' ]
  apply
  ended_with 0 '- forward web 18080:80' '+ forward web 18082:80' 'all is up'
  [[ $(from 18082) == web-* ]]
  [ "$(pids | grep -E '^(connect|web) [0-9]+$')" = "$(grep -E '^(connect|web) [0-9]+$' <<<"$before")" ]

  # one that cannot come up: all is as before
  before=$(pids)
  cp "$FILE" "$FILE.good"
  sed -i 's/^mesh:/  - nosuch 18083\nmesh:/; s/18082/18084/' "$FILE"
  apply
  ended_with 1 'services "nosuch" not found' 'forward nosuch 18083 did not come up' 'all is as before'
  [[ $(from 18082) == web-* ]]
  run ! from 18084
  # shellcheck disable=SC2001 # of several lines
  [ "$(pids | sed 's/ [0-9]*$//')" = "$(sed 's/ [0-9]*$//' <<<"$before")" ]
  cp "$FILE.good" "$FILE"
  apply --dry-run
  ended_with 0 '= connect' '= forward web 18082:80' '= mesh web'
  [[ $output != *[-+~]" "* ]]

  apply --delete
  ended_with 0 '- connect' '- mesh web' 'has ended'
  none_run
  apply --delete
  ended_with 0 'Nothing of'
  same "$RUN/web.json" <(spec_of web)
  eventually 15 no_objects
}

# waits PORT PORT: two jobs, of which the second waits for its credentials
waits() {
  cat >"${FILE%/*}/slow" <<END
{apiVersion: v1, kind: Config, current-context: x,
 clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}],
 users: [{name: u, user: {exec: {command: sleep, args: ["600"],
   apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never}}}],
 contexts: [{name: x, context: {cluster: c, user: u}}]}
END
  wants <<END
forward:
  - web $1:80
  - {target: net, ports: ["$2:greet"], kubeconfig: slow}
END
}

@test "apply: killed in the middle, interrupted, and at the same time as another" {
  local pid before rc
  waits 18080 18081
  laptop_exec alice "$KTCTL" apply -f "$FILE" >"$RUN/one" 2>&1 3>&- &
  pid=$!
  echo "serve-apply $pid" >>"$PIDS"
  eventually 40 grep -q '+ forward net' "$RUN/one"
  before=$(pids | grep '^web')
  apply
  ended_with 1 "another ktctl apply of $FILE is at work (pid $pid)"
  kill -KILL "$pid"
  wait "$pid" || true
  # the first one stays, and is taken up; the one that was on its way leaves
  sed -i 's/, kubeconfig.*/}/' "$FILE"
  applied() { apply && [ "$status" = 0 ]; }
  eventually 60 applied
  ended_with 0 '= forward web 18080:80' '+ forward net 18081:greet'
  [ "$(pids | grep '^web')" = "$before" ]
  [ "$(pids | wc -l)" = 2 ]

  # told to leave in the middle of another form: all is as before
  waits 18082 18083
  laptop_exec alice "$KTCTL" apply -f "$FILE" >"$RUN/two" 2>&1 3>&- &
  pid=$!
  echo "serve-apply $pid" >>"$PIDS"
  eventually 40 grep -q '+ forward net 18083' "$RUN/two"
  kill -TERM "$pid"
  rc=0
  wait "$pid" || rc=$?
  [ $rc = 130 ]
  grep -q 'interrupted: all is as before' "$RUN/two" || { cat "$RUN/two" >&2; false; }
  [[ $(from 18080) == web-* ]]
  [ "$(pids | sed 's/ [0-9]*$//')" = $'net 18081:greet\nweb 18080:80' ]

  # with a command: they are there as long as it runs, and no longer
  sed -i '/target: net/d' "$FILE"
  cat >>"$FILE" <<END
run: [sh, -c, "curl -sS --max-time 10 http://127.0.0.1:18082/; exit 7"]
END
  apply
  ended_with 7 '- forward net' '+ forward web 18082:80' 'web-'
  none_run
  eventually 15 no_objects
}
