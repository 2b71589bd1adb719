# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034 # for trial.bash
# Each command that stays is killed (SIGKILL) at points all over its life: after
# this line and that of its --debug log at the start, while it is up, and after
# those of its leaving. Then, in turn:
#   origin  whoever answered before answers within ten seconds, without help
#   again   the same command, started at once, works in time
#   clean   after `ktctl clean` the cluster is as before, at once
# The laptop is as before within two seconds, always, and after a next life all is.

KILL_COMMANDS=(connect exchange mesh preview forward)
KILL_AGAIN=3000 # ms

kill_args() { # COMMAND
  case $1 in
    connect) echo connect ;;
    exchange) echo exchange web --expose 8080 ;;
    mesh) echo mesh web --expose 8080 --versionMark guest ;;
    preview) echo preview killed --expose 8080 ;;
    forward) echo forward svc/web 18080:80 ;;
  esac
}

# kill_works COMMAND: what it is for
kill_works() {
  case $1 in
    connect) POINT=steady works ;;
    exchange) POINT=xsteady works ;;
    mesh) [ "$(kill_ask -H 'VERSION: guest' "http://$WEB/")" = local ] ;;
    preview) [ "$(kill_ask "http://$(service_ip killed):8080/")" = local ] ;;
    forward) laptop alice curl -sS --max-time 2 -o /dev/null http://127.0.0.1:18080/ ;;
  esac 2>/dev/null
}

kill_ask() {
  in_pod toolbox curl -sS --max-time 2 "$@"
}

# kill_origin COMMAND: the Service's own Pods answer
kill_origin() {
  [[ $1 != exchange && $1 != mesh ]] || is_own "$WEB" --max-time 2 2>/dev/null
}

# kill_live COMMAND PHASE LINE MS: a life, until it is over; what killat.py says
kill_live() {
  local args
  read -ra args <<<"$(kill_args "$1")"
  "$PYTHON" "$CHAOS/killat.py" "$RUN/life.log" "$2" "$3" "$4" \
    "$CLUSTER/laptop" "alice$LANE" -- "$KTCTL" "${args[@]}" -n "$NS" --debug
}

# kill_next COMMAND: it is started, works, and leaves; MEASURED: until it worked
kill_next() {
  local args
  read -ra args <<<"$(kill_args "$1")"
  FROM=$(now_ms)
  spawn x alice "${args[@]}" --debug
  CLIENT=$(pid_of x) LOG=$RUN/x.log
  ready x 60 || return 1
  eventually 30 kill_works "$1" || return 1
  measured
  leave_it
}

# kill_points COMMAND COUNT: "PHASE LINE MS", of which 6 in 10 are of the start and
# 3 of the end; N lines each there, and moments after them
kill_points() {
  local start end i count=$2
  read -r _ _ start end <<<"$(kill_live "$1" count - -)"
  [ "${end:-0}" -gt 0 ] || return 1
  for ((i = 0; i < count; i++)); do
    if ((i * 10 < count * 6)); then
      echo "start $((1 + i * 10 * start / (count * 6))) $((RANDOM % 30))"
    elif ((i * 10 < count * 7)); then
      echo "steady - $((RANDOM % 2000))"
    else
      echo "end $(((i - count * 7 / 10) * 10 * end / (count * 3))) $((RANDOM % 250))"
    fi
  done
}

# kill_point COMMAND WAY PHASE LINE MS: in a shell of its own, as a trial; LIFE:
# what became of the life
kill_point() {
  set -e
  : >"$RUN/x.log"
  trap 'echo "MEASURED=$MEASURED LIFE=\"$LIFE\"" >"$RUN/outcome"
    trial_clear' EXIT
  LIFE=$(kill_live "$1" "$3" "$4" "$5")
  FROM=$(now_ms)
  [[ $LIFE == killed* || ($3 == end && $LIFE == 'ended 0'*) ]]
  case $2 in
    origin)
      eventually 10 kill_origin "$1"
      measured
      eventually 2 machine_as_before
      sweep
      ;;
    clean)
      eventually 2 machine_as_before
      laptop alice "$KTCTL" clean -n "$NS"
      FROM=$(now_ms)
      eventually 3 cluster_as_before
      measured
      ;;
    again)
      kill_next "$1"
      ;;
  esac
  eventually 2 machine_as_before
  eventually 20 cluster_as_before || {
    sweep
    cluster_as_before
  }
}

# kill_usual COMMAND: how long an undisturbed start takes here and now, the middle
# one of three, to $RUN/usual
kill_usual() {
  local i
  trap trial_clear EXIT
  for i in 1 2 3; do
    kill_next "$1" || return 1
    echo "$MEASURED" >>"$RUN/starts"
  done
  sort -n "$RUN/starts" | sed -n 2p >"$RUN/usual"
}

# kill_in_time COMMAND PHASE LINE MS: MEASURED was in time: on a busy machine twice
# what an undisturbed start takes there, right after; what is late is tried once
# more, for what is slow at a point is slow again. TOLD has all of that
kill_in_time() {
  local usual
  [ "$MEASURED" -gt $KILL_AGAIN ] || return 0
  [ "${LOAD%.*}" -ge "$BUSY" ] || return 1
  rm -f "$RUN/starts" "$RUN/usual" "$RUN/more"
  cp "$RUN/x.log" "$RUN/again.log"
  (kill_usual "$1") >"$RUN/trial.log" 2>&1 || {
    TOLD+=", then an undisturbed start failed"
    cat "$RUN/x.log" >>"$RUN/trial.log"
    return 1
  }
  usual=$(cat "$RUN/usual")
  TOLD+=", undisturbed $usual ms"
  [ "$MEASURED" -gt $((usual * 2)) ] || return 0
  (kill_once_more "$@") >>"$RUN/trial.log" 2>&1 || return 1
  TOLD+=", once more $(cat "$RUN/more") ms"
  [ "$(cat "$RUN/more")" -le $((usual * 2)) ]
}

# kill_once_more COMMAND PHASE LINE MS: then the same command, and its time to $RUN/more.
# A life that was not killed this time proves nothing
kill_once_more() {
  trap trial_clear EXIT
  LIFE=$(kill_live "$@")
  [[ $LIFE == killed* || ($2 == end && $LIFE == 'ended 0'*) ]] || {
    echo "once more: $LIFE"
    return 1
  }
  kill_next "$1" && echo "$MEASURED" >"$RUN/more"
}

# kill_tell COMMAND WAY PHASE LINE MS STATUS: into the results; what went wrong
kill_tell() {
  printf 'kill-%s\t%s %s+%s ms\t%s\t%s\t%s\t%s\n' "$1" "$3" "$4" "$5" \
    $((KILL_AGAIN / 1000)) "$MEASURED" "$2, $TOLD" \
    "$([ "$6" = 0 ] && echo ok || echo FAILED)" >>"$RESULTS"
  [ "$6" != 0 ] || return 0
  FAILED=$((FAILED + 1))
  echo "FAILED kill $1: $3 $4 + $5 ms, then $2: $TOLD ($LIFE)"
  sed 's/^/    /' "$RUN/trial.log" | tail -n 30
  [ ! -f "$RUN/again.log" ] || mv "$RUN/again.log" "$RUN/x.log" # the one that was late
  tail -n 20 "$RUN/life.log" "$RUN/x.log" | sed 's/^/    /'
}

# kill_command COMMAND COUNT: all its points
kill_command() {
  local command=$1 i=0 rc way phase line ms ways=(again origin clean) killed=0
  local -A worst=([again]=0 [origin]=0 [clean]=0)
  RANDOM=$((16#$(printf %s "$SEED kill $command" | md5sum | cut -c1-6)))
  kill_points "$command" "$2" >"$RUN/points" || {
    echo "chaos: kill $command: it does not even work undisturbed"
    FAILED=$((FAILED + 1))
    return
  }
  while read -r phase line ms <&7; do
    ! over || break
    way=${ways[i % 3]}
    i=$((i + 1))
    MEASURED=0 LIFE=
    rm -f "$RUN/outcome" "$RUN/again.log"
    set +e
    (kill_point "$command" "$way" "$phase" "$line" "$ms") >"$RUN/trial.log" 2>&1
    rc=$?
    set -e
    # shellcheck source=/dev/null
    . "$RUN/outcome"
    read -r LOAD _ </proc/loadavg
    TOLD="$MEASURED ms at a load of $LOAD"
    [ $rc != 0 ] || [ "$way" != again ] ||
      kill_in_time "$command" "$phase" "$line" "$ms" || rc=3
    [[ $LIFE != killed* ]] || killed=$((killed + 1))
    [ "$MEASURED" -le "${worst[$way]}" ] || worst[$way]=$MEASURED
    kill_tell "$command" "$way" "$phase" "$line" "$ms" $rc
  done 7<"$RUN/points"
  echo "chaos: kill $command: $killed of $i killed; works again after ${worst[again]} ms" \
    "at most, origin after ${worst[origin]} ms"
}

# kill_sweep COUNT [COMMAND]...
kill_sweep() {
  local count=$1 command
  shift
  [ $# -gt 0 ] || set -- "${KILL_COMMANDS[@]}"
  CONF=$KUBECONFIG
  for command; do
    kill_command "$command" "$count"
  done
}
