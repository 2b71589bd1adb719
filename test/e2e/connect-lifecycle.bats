#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 135
# A connect from its start to its end, whatever end that is: the objects it
# makes, the signals it obeys, and that nothing is left on the machine or in
# the cluster.
# shellcheck disable=SC2154 # status and output come from bats
# shellcheck disable=SC2016 # $HOME is the laptop's
# shellcheck disable=SC2030,SC2031 # each test has its own CONNECT_PID

setup_file() {
  load common
  # the fixture's Pods stay; what an earlier, broken run left does not
  kc -n "$NS" delete pods,deployments -l control-by=kt --wait=false \
    --grace-period=0 >/dev/null 2>&1 || true
  laptop carol sh -c 'rm -rf "$HOME/.kt"'
  snapshot carol "$BATS_FILE_TMPDIR/before"
}

setup() {
  load common
  before=$BATS_FILE_TMPDIR/before
  after=$BATS_TEST_TMPDIR/after
}

teardown() {
  connect_kill
}

# as_before: machine and cluster are what they were before the first connect
as_before() {
  snapshot carol "$after"
  same "$before" "$after" || return 1
  eventually 5 no_objects
}

# machine_as_before: the same without the cluster, and only within SECONDS
machine_as_before() {
  eventually "$1" machine_is_as_before || same "$before" "$after"
}
machine_is_as_before() {
  snapshot carol "$after"
  # the pid file of a killed process is no harm: the next connect removes it
  sed -i '/connect-[0-9]*\.pid$/d' "$after"
  diff "$before" "$after" >/dev/null
}

shadow_json() { # the one shadow Pod of ours
  kc -n "$NS" get pods -l control-by=kt,kt-role=shadow-connect -o json |
    jq -e '.items | map(select(.metadata.deletionTimestamp == null))
           | if length == 1 then .[0] else error("\(length) shadows") end'
}

# expect JSON FILTER: jq's filter is true of it
expect() {
  jq -e "$2" >/dev/null <<<"$1" || {
    echo "not so: $2" >&2
    jq . <<<"$1" >&2
    return 1
  }
}

# wait_line REGEX SECONDS: until connect said it, or ended
wait_line() {
  local end=$((SECONDS + $2))
  until grep -qE "$1" "$CONNECT_LOG"; do
    [ $SECONDS -lt $end ] && kill -0 "$CONNECT_PID" 2>/dev/null || return 1
    sleep 0.02
  done
}

@test "lifecycle: the Pod carries what KT's clients look for, and every flag" {
  kc -n "$NS" create serviceaccount shadow-sa >/dev/null 2>&1 || true
  kc -n "$NS" create secret docker-registry pull-me --docker-server=x.test \
    --docker-username=u --docker-password=p >/dev/null 2>&1 || true
  connect_start carol --withLabel team=blue,tier=dev \
    --withAnnotation note=hello --nodeSelector kubernetes.io/os=linux \
    --podQuota 0.1c,64m --imagePullSecret pull-me --serviceAccount shadow-sa
  local pod now beat
  pod=$(shadow_json)
  expect "$pod" '.metadata.name | test("^kt-connect-shadow-[a-z]{5}$")'
  expect "$pod" '.metadata.labels | .["control-by"] == "kt" and
    .["kt-role"] == "shadow-connect" and .team == "blue" and .tier == "dev"'
  expect "$pod" '.metadata.annotations | .note == "hello" and
    .["kt-ref-count"] == "1" and .["kt-user"] != "" and
    (.["kt-last-heart-beat"] | test("^[0-9]+$"))'
  expect "$pod" '.spec | .nodeSelector["kubernetes.io/os"] == "linux" and
    .nodeSelector["kubernetes.io/arch"] != null and
    .imagePullSecrets == [{name: "pull-me"}] and
    .serviceAccountName == "shadow-sa"'
  expect "$pod" ".spec.containers[0] | .name == \"standalone\" and
    .image == \"$KTCTL_IMAGE\" and .imagePullPolicy == \"IfNotPresent\" and
    .resources.requests == .resources.limits and
    .resources.limits == {cpu: \"100m\", memory: \"64Mi\"}"
  # the clock is the cluster's, here that of this machine
  beat=$(jq -r '.metadata.annotations["kt-last-heart-beat"]' <<<"$pod")
  now=$(jq -r '.metadata.creationTimestamp | fromdate' <<<"$pod")
  [ $((now - beat)) -le 5 ] && [ $((beat - now)) -le 5 ]

  # PodSecurity "restricted", and a little more
  expect "$pod" '.spec | (.hostNetwork or .hostPID or .hostIPC) | not'
  expect "$pod" '.spec.automountServiceAccountToken == false'
  expect "$pod" '.spec.securityContext | .runAsNonRoot and
    .runAsUser == 65534 and .seccompProfile.type == "RuntimeDefault"'
  expect "$pod" '.spec.containers | length == 1'
  expect "$pod" '.spec.containers[0].securityContext |
    .allowPrivilegeEscalation == false and .readOnlyRootFilesystem and
    .capabilities == {drop: ["ALL"]} and (.privileged | not)'
  expect "$pod" '[.spec.volumes[]? | select(.hostPath)] == []'
  eventually 10 pod_is_ready

  # nothing else was made
  run kc -n "$NS" get configmaps,services,deployments,secrets \
    -l control-by=kt -o name
  [ -z "$output" ]
  connect_stop
  as_before
}

pod_is_ready() {
  shadow_json | jq -e '.status.conditions[] |
    select(.type == "Ready") | .status == "True"' >/dev/null
}

@test "lifecycle: a second connect is refused, and changes nothing" {
  connect_start carol
  snapshot carol "$BATS_TEST_TMPDIR/first"
  local pod
  pod=$(shadow_pod)
  ktctl_run carol connect -n "$NS"
  ended_with 1 "another ktctl connect runs" "pid $CONNECT_PID" "hint:"
  snapshot carol "$BATS_TEST_TMPDIR/second"
  same "$BATS_TEST_TMPDIR/first" "$BATS_TEST_TMPDIR/second"
  [ "$(shadow_pod)" = "$pod" ]
  laptop carol curl -sS --max-time 5 "http://web.$NS" >/dev/null
  connect_stop
  as_before
}

@test "lifecycle: SIGINT, SIGTERM, SIGHUP, SIGQUIT and the pid file end it" {
  local how start file CONNECT_WRAP="env --default-signal=HUP" # nohup has it ignored
  for how in INT TERM HUP QUIT pid-file; do
    connect_start carol
    laptop carol curl -sS --max-time 5 "http://web.$NS" >/dev/null
    snapshot carol "$after"
    ! diff "$before" "$after" >/dev/null # or this proves nothing
    start=$SECONDS
    if [ $how = pid-file ]; then
      file=$(laptop carol sh -c 'ls "$HOME"/.kt/pid/connect-*.pid')
      [ "$(cat "$file")" = "$CONNECT_PID" ]
      [ "$(basename "$file")" = "connect-$CONNECT_PID.pid" ]
      rm "$file"
      wait "$CONNECT_PID" || { cat "$CONNECT_LOG" >&2; return 1; }
      CONNECT_PID=
    else
      connect_stop $how || {
        echo "status $? after SIG$how" >&2
        cat "$CONNECT_LOG" >&2
        return 1
      }
    fi
    [ $((SECONDS - start)) -le 5 ]
    as_before || { echo "after $how" >&2; return 1; }
  done
}

# The steps connect tells of: [1/6] to [6/6], then the line that it is ready.
steps='\[1/ \[2/ \[3/ \[4/ \[5/ \[6/ All.looks'

@test "lifecycle: a signal at each step of the start leaves nothing" {
  # shellcheck disable=SC2034 # of connect_spawn
  local CONNECT_WRAP="env --default-signal=HUP" # nohup has it ignored
  local step rc signal=INT
  for step in $steps; do
    connect_spawn carol
    wait_line "$step" 30
    rc=0
    connect_stop $signal || rc=$?
    # ready: leaving is what was asked for; before: it was interrupted
    if grep -q 'All looks good' "$CONNECT_LOG"; then
      [ $rc = 0 ]
    else
      [ $rc = 130 ] || {
        echo "status $rc at $step" >&2
        cat "$CONNECT_LOG" >&2
        return 1
      }
    fi
    as_before || { echo "after $step" >&2; cat "$CONNECT_LOG" >&2; return 1; }
    case $signal in INT) signal=TERM ;; TERM) signal=HUP ;; *) signal=INT ;; esac
  done
}

@test "lifecycle: a signal at any moment of the start leaves nothing" {
  local rc
  for _ in $(seq 12); do
    connect_spawn carol
    # 0 to 2 s: also before its handler is there, and after it is ready
    sleep "$((RANDOM % 2)).$(printf %03d $((RANDOM % 1000)))"
    rc=0
    connect_stop TERM || rc=$?
    case $rc in
      0 | 130 | 143) ;; # 143: before main() began
      *)
        echo "status $rc" >&2
        cat "$CONNECT_LOG" >&2
        return 1
        ;;
    esac
    snapshot carol "$after"
    same "$before" "$after" || { cat "$CONNECT_LOG" >&2; return 1; }
  done
  as_before
}

@test "lifecycle: after kill -9 at each step the machine is as before, and the next connect works" {
  local step
  for step in $steps; do
    connect_spawn carol
    wait_line "$step" 30 || { cat "$CONNECT_LOG" >&2; return 1; }
    kill -9 "$CONNECT_PID"
    wait "$CONNECT_PID" || true
    machine_as_before 2 || { echo "after $step" >&2; return 1; }
  done
  connect_start carol
  laptop carol curl -sS --max-time 5 "http://web.$NS" >/dev/null

  # what they left is known to be their own: it made room before this one
  young_ones_are_left 1
  connect_stop
  as_before
}

@test "lifecycle: with a quota of one Pod the next connect after kill -9 works" {
  local pods
  pods=$(kc -n "$NS" get pods -o name | wc -l)
  kc -n "$NS" create quota one --hard=pods=$((pods + 1)) >/dev/null
  for _ in 1 2 3; do
    connect_start carol || { kc -n "$NS" delete quota one; return 1; }
    kill -9 "$CONNECT_PID"
    wait "$CONNECT_PID" || true
  done
  kc -n "$NS" delete quota one >/dev/null
  run -0 laptop carol "$KTCTL" clean -n "$NS"
  [[ $output == *"removed pods kt-connect-shadow-"* ]]
  run -0 laptop carol "$KTCTL" clean -n "$NS"
  [[ $output == *"Nothing to clean"* ]]
  as_before
}

@test "lifecycle: what others have left goes when it is old" {
  local pod n=0
  for _ in 1 2; do
    connect_start dave
    kill -9 "$CONNECT_PID"
    wait "$CONNECT_PID" || true
    # on another machine nothing is known of that process
    laptop dave sh -c 'rm -rf "$HOME/.kt/owner"'
  done
  connect_start carol
  young_ones_are_left 3 # somebody might come back to them
  connect_stop
  for pod in $(kc -n "$NS" get pods -l control-by=kt -o name); do
    [ $((n++)) = 0 ] || # one is left as young as it is
      kc -n "$NS" annotate --overwrite "$pod" \
        kt-last-heart-beat=$(($(date +%s) - 700)) >/dev/null # --keep is 600
  done
  connect_start carol
  eventually 10 young_ones_are_left 2
  connect_stop
  kc -n "$NS" delete pods -l control-by=kt --grace-period=0 --wait=false \
    >/dev/null 2>&1
  as_before
}
young_ones_are_left() {
  [ "$(kc -n "$NS" get pods -l control-by=kt -o json | jq '[.items[] |
    select(.metadata.deletionTimestamp == null)] | length')" = "$1" ]
}

@test "lifecycle: a shadow whose client does not come back ends by itself" {
  kc -n "$NS" run lonely --image="$KTCTL_IMAGE" --restart=OnFailure \
    --labels=app=lonely -- --listen 7070 --health 7071 --idle-exit 2 >/dev/null
  eventually 15 lonely_has_ended
  kc -n "$NS" delete pod lonely --grace-period=0 --wait=false >/dev/null 2>&1
}

lonely_has_ended() {
  [ "$(kc -n "$NS" get pod lonely -o 'jsonpath={.status.phase}')" = Succeeded ]
}
