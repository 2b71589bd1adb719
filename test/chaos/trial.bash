# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# One fault at one point: set up, broken, mended, measured, and all is as before.

LEAVE=15 # seconds in which a command ends, whatever holds it up
FLAGS=() # of connect, that a test wants
# shellcheck disable=SC2034 # of kill.bash and storm.bash
BUSY=6 # as a load: the machine is to blame for what takes longer

# --- once -------------------------------------------------------------------------

chaos_begin() {
  trap chaos_end EXIT
  trap 'exit 130' INT TERM
  no_drop # of one that was killed
  setup_suite >&2
  inbound_prepare web
  mkdir -p "$TOP/build"
  RESULTS=$TOP/build/chaos$LANE.tsv
  : >"$RESULTS"
  POD=$(pod_ip "$(pod_of app=web)")
  WEB=$(web web)
  serve alice local
  ALICE_IP=$(laptop alice ip -4 -o addr show dev eth0 | awk '{print $4}')
  ALICE_IP=${ALICE_IP%/*}
  ports 32768 60999
  sweep
  proxy_start
  snapshot alice "$RUN/before"
}

# Two doors to the API server on alice's machine. Where requests are seen TLS ends,
# and a client's certificate with it: hence a token.
proxy_start() {
  local pki=$KTCTL_TEST_STATE/pki token account=chaos$LANE
  kc -n "$NS" create serviceaccount "$account" >/dev/null 2>&1 || true
  kc create clusterrolebinding "ktctl-$account" --clusterrole cluster-admin \
    --serviceaccount "$NS:$account" >/dev/null 2>&1 || true
  token=$(kc -n "$NS" create token "$account" --duration 24h)
  conf_of direct "$KTCTL_TEST_API" "$token"
  conf_of node "$KTCTL_TEST_API" "$token"
  conf_of bytes https://127.0.0.1:6443 "$token"
  conf_of requests https://127.0.0.1:6444 "$token"
  echo pass >"$RUN/control"
  (laptop_exec alice "$PYTHON" "$CHAOS/proxy.py" "${KTCTL_TEST_API#https://}" \
    "$pki/apiserver.crt" "$pki/apiserver.key" "$pki/ca.crt" "$RUN/control") \
    >"$RUN/proxy.log" 2>&1 &
  eventually 20 laptop alice nc -z 127.0.0.1 6444
}

conf_of() { # DOOR SERVER TOKEN
  kubectl config view --raw --minify -o json | jq --arg server "$2" \
    --arg token "$3" '.clusters[0].cluster.server = $server |
    .users[0].user = {token: $token}' >"$RUN/conf.$1"
}

chaos_end() {
  set +e
  trap - EXIT
  mended
  no_drop # of a trial that was killed
  background_end
  connect_kill
  kc delete clusterrolebinding "ktctl-chaos$LANE" >/dev/null 2>&1
  kc -n "$NS" delete serviceaccount "chaos$LANE" >/dev/null 2>&1
  "$CLUSTER/laptop" --down "alice$LANE" 2>/dev/null # with the proxy
  [[ $BATS_FILE_TMPDIR != */ktctl-chaos.?????? ]] || rm -r "$BATS_FILE_TMPDIR"
}

# --- one trial --------------------------------------------------------------------

# now_ms; FROM: when the fault was over
now_ms() {
  echo $((${EPOCHREALTIME/./} / 1000))
}

# mended: nothing of a fault is left, whichever it was; never fails
mended() {
  [ -n "${NAME:-}" ] && [ -z "${UNDONE:-}" ] || return 0
  UNDONE=1
  eval "${UNDO[$NAME]}" 2>/dev/null || true
}

# sweep: no object of ours, nobody's files on alice's machine
sweep() {
  laptop alice "$KTCTL" clean -n "$NS" --thresholdInMinus 0 >"$RUN/clean.log" 2>&1 || {
    cat "$RUN/clean.log"
    return 1
  }
}

# trial NAME/POINT: a line of the results; FAILED counts
trial() {
  local rc seconds=$SECONDS
  NAME=${1%/*} POINT=${1#*/}
  # of the seed and the trial alone, whatever was run before
  RANDOM=$((16#$(printf %s "$SEED $1" | md5sum | cut -c1-6)))
  # shellcheck disable=SC2034 # N is for faults.bash
  N=$RANDOM MEASURED=- FLOW=- UNDONE=1 CLIENT=
  CONF=$RUN/conf.${DOOR[$NAME]}
  set +e # "|| rc=" would keep it off within
  (trial_run) >"$RUN/trial.log" 2>&1
  rc=$?
  set -e
  # shellcheck source=/dev/null
  [ ! -f "$RUN/outcome" ] || . "$RUN/outcome"
  printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$NAME" "$POINT" "${BOUND[$NAME]}" \
    "$MEASURED" "$FLOW" "$([ $rc = 0 ] && echo ok || echo FAILED)" >>"$RESULTS"
  printf '%-6s %-28s %6s ms of %2s s  %s  (%s s)\n' \
    "$([ $rc = 0 ] && echo ok || echo FAILED)" "$1" "$MEASURED" \
    "${BOUND[$NAME]}" "$FLOW" $((SECONDS - seconds))
  [ $rc != 0 ] || return 0
  FAILED=$((FAILED + 1))
  sed 's/^/    /' "$RUN/trial.log" | tail -n 40
  tail -n 12 "$RUN"/connect-alice.log "$RUN"/x.log 2>/dev/null | sed 's/^/    /'
  echo "    again: SEED=$SEED make chaos ONLY=$1"
}

# In a shell of its own: what fails ends the trial, and is mended all the same
trial_run() {
  set -e
  rm -f "$RUN/outcome" "$RUN/stop" "$RUN/flow"
  trap 'mended; echo "MEASURED=$MEASURED FLOW=\"$FLOW\"" >"$RUN/outcome"
    trial_clear' EXIT
  : >"$RUN/connect-alice.log"
  : >"$RUN/x.log"
  "trial_${POINT#x}"
}

# client_lives: it is a child of ours still; its number may be another's by now
client_lives() {
  [[ " $(jobs -rp | xargs) " == *" ${CLIENT:-none} "* ]]
}

# Whatever is left of a trial; the next one finds all as before
trial_clear() {
  set +e
  ! client_lives || kill -CONT "$CLIENT"
  : >"$RUN/stop"
  [ -z "${FLOW_PID:-}" ] || wait "$FLOW_PID"
  if client_lives; then
    kill -TERM "$CLIENT"
    for _ in $(seq 100); do
      client_lives || break
      sleep 0.1
    done
    ! client_lives || kill -KILL "$CLIENT"
    wait "$CLIENT"
  fi
  sed -i '/^x /d' "$PIDS" # it is over, nobody else is to be ended for it
  sweep
  kc -n "$NS" get service web >/dev/null && "$KTCTL" recover web -n "$NS" >/dev/null 2>&1
} 2>/dev/null

# break_it: make the fault, hold it, undo it; FROM
break_it() {
  UNDONE=
  eval "${MAKE[$NAME]}"
  sleep "${HOLD[$NAME]}"
  mended
  FROM=$(now_ms)
}

measured() {
  MEASURED=$(($(now_ms) - FROM))
}

# command_spawn: what this point is about, in the background; CLIENT and LOG
command_spawn() {
  if [[ $POINT == x* ]]; then
    KUBECONFIG=$CONF spawn x alice exchange web --expose 8080
    CLIENT=$(pid_of x) LOG=$RUN/x.log
  else
    KUBECONFIG=$CONF connect_spawn alice "${FLAGS[@]}"
    CLIENT=$CONNECT_PID LOG=$CONNECT_LOG
  fi
}

# who proves nothing, because nodes do not follow in that moment, says so and serves
command_ready() {
  grep -qE 'All looks good|Nobody has arrived yet' "$LOG"
}

command_over() {
  ! kill -0 "$CLIENT" 2>/dev/null
}

# works: what the command is for
works() {
  if [[ $POINT == x* ]]; then
    [ "$(in_pod toolbox curl -sS --max-time 2 "http://$WEB/" 2>/dev/null)" = local ]
  else
    laptop alice curl -sS --max-time 2 -o /dev/null "http://$POD:8080/" &&
      laptop alice curl -sS --max-time 2 -o /dev/null "http://web.$NS/"
  fi 2>/dev/null
}

command_start() {
  command_spawn
  eventually 60 command_ready
  eventually 20 works
}

# A moment within so many milliseconds, of this trial's own
moment() {
  sleep "$((RANDOM % $1 / 1000)).$(printf %03d $((RANDOM % $1 % 1000)))"
}

# ended [SECONDS]: wait for the command; its status in ENDED
ended() {
  eventually "${1:-20}" command_over
  ENDED=0
  wait "$CLIENT" || ENDED=$?
  no_sanitizer
  [ $ENDED -lt 128 ] || [ $ENDED = 130 ] || {
    echo "ended with $ENDED"
    return 1
  }
}

no_sanitizer() {
  ! grep -E 'AddressSanitizer|runtime error:|LeakSanitizer' "$LOG"
}

# leave_it: it is asked to, now that all works
leave_it() {
  kill -INT "$CLIENT"
  ended
  [ $ENDED = 0 ]
}

machine_as_before() {
  snapshot alice "$RUN/after"
  # of a killed one: no harm, and the next one removes it
  sed -i '/\/\.kt\/pid\//d; /\/\.kt\/key\//d' "$RUN/after"
  diff "$RUN/before" "$RUN/after"
}

cluster_as_before() {
  nothing_left
}

# --- the points -------------------------------------------------------------------

flow_start() {
  ("$CLUSTER/laptop" "alice$LANE" "$PYTHON" "$CHAOS/flow.py" "$POD" "$RUN/stop" 60) \
    >"$RUN/flow" 2>&1 &
  FLOW_PID=$!
  eventually 40 grep -q running "$RUN/flow"
}

flow_end() {
  : >"$RUN/stop"
  wait "$FLOW_PID" || true
  FLOW_PID=
  cat "$RUN/flow"
  FLOW=$(tail -n 1 "$RUN/flow" | jq -r '"talk \(.talk), idle \(.idle), load \(.load)"')
  case ${STREAMS[$NAME]} in
    kept) [[ $FLOW == 'talk kept, idle kept, load kept' ]] ;;
    *) [[ $FLOW == *kept* || $FLOW == *reset* ]] && [[ $FLOW != *wrong* ]] &&
      [[ $FLOW != *silent* ]] ;;
  esac
}

trial_steady() {
  command_start
  [[ $POINT == x* ]] || flow_start
  moment 500
  break_it
  if [ "${STREAMS[$NAME]}" = again ]; then
    wait "$CLIENT" || true
    command_spawn
  fi
  eventually "${BOUND[$NAME]}" works
  measured
  [ -z "${FLOW_PID:-}" ] || flow_end
  [ "${STREAMS[$NAME]}" != again ] || eventually 30 command_ready
  leave_it
  eventually 10 machine_as_before
  [ "${STREAMS[$NAME]}" != another ] || sweep
  eventually 20 cluster_as_before
}

# A start that meets the fault succeeds late, or says why not and leaves the machine
# as it was; the next one succeeds.
trial_start() {
  command_spawn
  moment 1500
  if command_over; then
    echo "it was over before the fault"
    return 1
  fi
  break_it
  FLOW='succeeded'
  [ "${STREAMS[$NAME]}" != again ] || wait "$CLIENT" || true
  eventually "${BOUND[$NAME]}" start_is_over
  if command_over; then
    [ "${STREAMS[$NAME]}" = again ] || start_failed
    eventually 3 machine_as_before
    FLOW='failed, and succeeded the next time'
    command_spawn
    eventually 60 command_ready
  fi
  eventually 20 works
  measured
  leave_it
  eventually 10 machine_as_before
  eventually 20 cluster_as_before || {
    sweep
    cluster_as_before
  }
}

start_is_over() {
  command_ready || command_over
}

start_failed() {
  ended
  cat "$LOG"
  [ $ENDED = 1 ] && grep -q '^ktctl: ' "$LOG"
}

# Leaving during the fault: in time, and the machine as before at once; the cluster
# too, by "clean" if the API server could not be told.
trial_end() {
  command_start
  UNDONE=
  eval "${MAKE[$NAME]}"
  moment 500
  FROM=$(now_ms)
  kill -INT "$CLIENT"
  ended "$LEAVE"
  measured
  mended
  FLOW="left with $ENDED"
  eventually 3 machine_as_before
  eventually 3 cluster_as_before 2>/dev/null || {
    FLOW+=', clean'
    sweep
  }
  [[ $POINT != x* ]] || "$KTCTL" recover web -n "$NS"
  eventually 20 cluster_as_before
}
