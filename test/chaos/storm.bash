# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153 # for faults.bash and trial.bash, or theirs
# Programs as people have them talk over one connect: an scp, a psql session in a
# transaction, a gRPC stream of both ways, a WebSocket, a UDP flow. Under them the
# network, what stands between and the API server fail again and again, in ways and
# at moments that SEED decides, some for ten minutes. Every byte arrives, and
# nothing is reset.

STORM_SIZE=${STORM_SIZE:-$(long_or $((2 << 30)) $((64 << 20)))} # of scp's file
# Mbit/s: slow enough that a file is on its way during most cuts
STORM_PACE=${STORM_PACE:-160}
STORM_LONG=${STORM_LONG:-$(long_or 595 20)} # seconds of the three long cuts
STORM_TALKS=(scp psql grpc websocket udp)

# --- the other ends, in the toolbox's network ---------------------------------------

# storm_serve TAG CMD...: in a process group of its own, which is ended as a whole
storm_serve() {
  local tag=$1
  shift
  setsid "$CLUSTER/node-exec" nsenter -t "$(pod_pid toolbox)" -n "$@" \
    >"$RUN/$tag.log" 2>&1 3>&- &
  echo "serve-$tag -$!" >>"$PIDS"
}

storm_listens() { # PORT
  in_pod toolbox nc -z "$TOOL" "$1"
}

storm_sshd() {
  ssh-keygen -q -t ed25519 -N '' -f "$RUN/host"
  ssh-keygen -q -t ed25519 -N '' -f "$RUN/id"
  cat >"$RUN/sshd.conf" <<END
Port 2222
HostKey $RUN/host
AuthorizedKeysFile $RUN/id.pub
PidFile none
StrictModes no
LoginGraceTime 0
UsePAM no
Subsystem sftp internal-sftp
END
  node_exec mkdir -p /run/sshd
  storm_serve sshd /usr/sbin/sshd -D -e -f "$RUN/sshd.conf"
}

storm_postgres() {
  local bin dir=$RUN/postgres
  bin=$(find /usr/lib/postgresql -name bin -type d | sort -V | tail -n 1)
  install -d -o postgres -m 700 "$dir"
  chmod 711 "$RUN"
  setpriv --reuid postgres --regid postgres --clear-groups \
    "$bin/initdb" -D "$dir" -A trust --no-sync >"$RUN/initdb.log"
  echo "host all all all trust" >>"$dir/pg_hba.conf"
  storm_serve postgres setpriv --reuid postgres --regid postgres --clear-groups \
    "$bin/postgres" -D "$dir" -h "$TOOL" -p 5432 -k '' -F
}

storm_begin() {
  TOOL=$(pod_ip toolbox)
  storm_sshd
  storm_postgres
  storm_serve grpc "$PYTHON" "$TOOLS/streams.py" grpc-serve 7101 "$TOOL"
  storm_serve websocket "$PYTHON" "$TOOLS/streams.py" websocket-serve 7102 "$TOOL"
  local port
  for port in 2222 5432 7101 7102; do
    eventually 30 storm_listens $port || return 1
  done
  head -c "$STORM_SIZE" /dev/urandom >"$RUN/storm.file"
}

# --- the conversations ----------------------------------------------------------------

storm_talk() { # KIND ARGUMENTS...
  ("$CLUSTER/laptop" "alice$LANE" "$PYTHON" "$CHAOS/talk.py" "$@") \
    >"$RUN/talk.$1" 2>&1 3>&- &
  TALKS+=($!)
}

storm_talks() {
  local kind stop=$RUN/storm.stop
  rm -f "$stop" "$RUN/storm.far"
  TALKS=()
  storm_talk scp "$TOOL" 2222 "$stop" "$RUN/id" "$RUN/storm.file" \
    "$RUN/storm.far" "$STORM_PACE"
  storm_talk psql "$TOOL" 5432 "$stop" postgres
  storm_talk grpc "$TOOL" 7101 "$stop"
  storm_talk websocket "$TOOL" 7102 "$stop"
  storm_talk udp "$POD" 7007 "$stop" 7005
  for kind in "${STORM_TALKS[@]}"; do
    eventually 60 grep -q running "$RUN/talk.$kind" || {
      cat "$RUN/talk.$kind"
      return 1
    }
  done
}

# storm_kept: they end, and each was kept
storm_kept() {
  local pid kind bad=0
  : >"$RUN/storm.stop"
  for pid in "${TALKS[@]}"; do
    wait "$pid" || bad=1
  done
  for kind in "${STORM_TALKS[@]}"; do
    printf '    %-10s %s\n' "$kind" "$(tail -n 1 "$RUN/talk.$kind")"
  done
  in_pod toolbox psql -q -h "$TOOL" -U postgres -c 'DROP TABLE IF EXISTS said' || bad=1
  return $bad
}

# --- the storm -------------------------------------------------------------------------

# storm_kinds DOOR: the faults under which open connections live
storm_kinds() {
  local name
  for name in "${FAULTS[@]}"; do
    [ "${STREAMS[$name]} ${DOOR[$name]}" = "kept $1" ] || continue
    case $name in
      shadow-evicted | no-ports | disk-full | no-descriptors) ;; # no cuts
      *) echo "$name" ;;
    esac
  done
}

# storm_cut NUMBER KIND SECONDS: and all works again. Late is a failure, but no end,
# where the machine is quiet
storm_cut() {
  local load
  NAME=$2 N=$RANDOM MEASURED=-
  sleep "$((RANDOM % 3)).$(printf %03d $((RANDOM % 1000)))"
  UNDONE=
  eval "${MAKE[$NAME]}"
  sleep "$3"
  mended
  FROM=$(now_ms)
  eventually 60 works || MEASURED=never
  [ $MEASURED = never ] || measured
  read -r load _ </proc/loadavg
  printf '    %(%T)T cut %s: %s for %s s, works again after %s ms (load %s)\n' -1 "$1" "$2" \
    "$3" "$MEASURED" "$load"
  [ $MEASURED != never ] || return 1
  [ $MEASURED -le "${BOUND[$NAME]}000" ] || [ "${load%.*}" -ge "$BUSY" ] || LATE=1
}

# storm_door DOOR CUTS LONG: LONG of the cuts are long ones
storm_door() {
  local door=$1 cuts=$2 long=$3 i kinds kind seconds rc=0
  echo "  $door: $cuts cuts"
  mapfile -t kinds < <(storm_kinds "$door")
  CONF=$RUN/conf.$door POINT=steady LATE=0 FLAGS=(--debug)
  command_start || return 1
  storm_talks || return 1
  for ((i = 1; i <= cuts; i++)); do
    kind=${kinds[RANDOM % ${#kinds[@]}]}
    seconds=${HOLD[$kind]}
    # the long ones are spread over all of it
    if [ $((i * long / cuts)) != $(((i - 1) * long / cuts)) ]; then
      kind=hole-both seconds=$STORM_LONG
    fi
    storm_cut $i "$kind" "$seconds" || { rc=1; break; }
  done
  storm_kept || rc=1
  leave_it || rc=1
  [ $LATE = 0 ] || rc=1
  cp "$LOG" "$TOP/build/storm$LANE-$door.log"
  [ $rc = 0 ] || tail -n 20 "$LOG" | sed 's/^/    /'
  return $rc
}

# storm CUTS: in three parts, by where they are made
storm() {
  local cuts=$1 rc=0
  RANDOM=$((16#$(printf %s "$SEED storm" | md5sum | cut -c1-6)))
  echo "chaos: storm of $cuts cuts, three of $STORM_LONG s, scp of $((STORM_SIZE >> 20)) MiB"
  storm_begin || return 1
  storm_door direct $((cuts - cuts / 3 - cuts / 6)) 3 || rc=1
  storm_door bytes $((cuts / 3)) 0 || rc=1
  storm_door requests $((cuts / 6)) 0 || rc=1
  eventually 10 machine_as_before || rc=1
  eventually 20 cluster_as_before || rc=1
  return $rc
}
