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
    preview) [ "$(kill_ask "http://$(service_ip killed)/")" = local ] ;;
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
  spawn x alice "${args[@]}"
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
      echo "end $(((i - count * 7 / 10) * 10 * end / (count * 3))) $((RANDOM % 30))"
    fi
  done
}

# kill_point COMMAND WAY PHASE LINE MS: in a shell of its own, as a trial; ENDED:
# what became of the life
kill_point() {
  set -e
  : >"$RUN/x.log"
  trap 'echo "MEASURED=$MEASURED ENDED=\"$ENDED\"" >"$RUN/outcome"
    trial_clear' EXIT
  ENDED=$(kill_live "$1" "$3" "$4" "$5")
  FROM=$(now_ms)
  [[ $ENDED == killed* || ($3 == end && $ENDED == 'ended 0'*) ]]
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

# kill_usual COMMAND: USUAL: what a start takes here and now, the slower of two
kill_usual() {
  local first
  MEASURED=
  (kill_next "$1" && echo "$MEASURED" >"$RUN/usual") || return 1
  first=$(cat "$RUN/usual")
  (kill_next "$1" && echo "$MEASURED" >"$RUN/usual") || return 1
  USUAL=$(cat "$RUN/usual")
  [ "$USUAL" -ge "$first" ] || USUAL=$first
}

# kill_command COMMAND COUNT: all its points
kill_command() {
  local command=$1 count=$2 i=0 rc way phase line ms limit ways=(again origin clean)
  local worst_again=0 worst_origin=0 killed=0
  RANDOM=$((16#$(printf %s "$SEED kill $command" | md5sum | cut -c1-6)))
  if ! kill_usual "$command" || ! kill_points "$command" "$count" >"$RUN/points"; then
    echo "chaos: kill $command: it does not even work undisturbed"
    FAILED=$((FAILED + 1))
    return
  fi
  # on a busy machine, what undisturbed starts take there
  limit=$((USUAL * 2 > KILL_AGAIN ? USUAL * 2 : KILL_AGAIN))
  while read -r phase line ms <&7; do
    ! over || break
    way=${ways[i % 3]}
    i=$((i + 1))
    MEASURED=0 ENDED=
    rm -f "$RUN/outcome"
    set +e
    (kill_point "$command" "$way" "$phase" "$line" "$ms") >"$RUN/trial.log" 2>&1
    rc=$?
    set -e
    # shellcheck source=/dev/null
    . "$RUN/outcome"
    [[ $ENDED != killed* ]] || killed=$((killed + 1))
    case $way in
      again) [ "$MEASURED" -le "$worst_again" ] || worst_again=$MEASURED
        [ "$MEASURED" -le "$limit" ] || rc=3 ;;
      origin) [ "$MEASURED" -le "$worst_origin" ] || worst_origin=$MEASURED ;;
    esac
    printf 'kill-%s\t%s %s+%s ms\t%s\t%s\t%s\t%s\n' "$command" "$phase" "$line" "$ms" \
      $limit "$MEASURED" "$way" "$([ $rc = 0 ] && echo ok || echo FAILED)" >>"$RESULTS"
    [ $rc != 0 ] || continue
    FAILED=$((FAILED + 1))
    echo "FAILED kill $command: $phase $line + $ms ms, then $way: $MEASURED ms ($ENDED)"
    sed 's/^/    /' "$RUN/trial.log" | tail -n 30
    tail -n 8 "$RUN/life.log" "$RUN/x.log" | sed 's/^/    /'
  done 7<"$RUN/points"
  echo "chaos: kill $command: $killed of $count killed; works again after" \
    "$worst_again ms at most (an undisturbed start: $USUAL), origin after $worst_origin ms"
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
