# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2016 # expanded on the laptop
# Thousands of commands that come and go, beside some that stay: nothing grows.
#
# bob stays: a connect and a mesh of Service web. alice comes in rounds, with
# connect, exchange (of webn) or mesh (of web, so that bob's router has her, too),
# and leaves, or is killed. Half of them are asked for something.

# soak ROUNDS MINUTES: until either is over
soak() {
  local rounds=$1 end=$((${2:-9999} * 60)) i done=0 failed=0
  echo "chaos: soak of $rounds rounds"
  serve bob stay
  start soak alice connect || return 1 # what the first one makes is no growth
  leave soak || return 1
  eventually 20 nothing_left || return 1
  counts >"$RUN/soak.first"
  soak_stay || return 1
  for ((i = 1; i <= rounds && SECONDS < end; i++)); do
    RANDOM=$((16#$(printf %s "$SEED soak $i" | md5sum | cut -c1-6)))
    soak_round "$i" >"$RUN/soak.log" 2>&1 || {
      echo "chaos: round $i failed:"
      sed 's/^/    /' "$RUN/soak.log"
      failed=$((failed + 1))
    }
    done=$i
    # what is made once and kept is there by now
    [ "$i" != 10 ] || soak_settled >"$RUN/soak.begin"
    [ $((i % 100)) != 0 ] && [ "$i" != 20 ] || echo "chaos: $i rounds, $SECONDS s: $(soak_sizes | xargs)"
  done
  [ $failed = 0 ] || return 1
  soak_check "$done"
}

soak_stay() {
  connect_start bob || return 1
  STAY=$CONNECT_PID
  start stay bob mesh web --expose 8080 --versionMark stay || return 1
}

soak_round() { # NUMBER
  local tag=soak pid command=$((RANDOM % 3)) killed=$((RANDOM % 2)) asked=$((RANDOM % 2))
  : >"$RUN/$tag.log"
  case $command in
    0)
      spawn $tag alice connect
      ready $tag 60 || return 1
      [ $asked = 0 ] || eventually 15 laptop alice curl -sS --max-time 3 -o /dev/null \
        "http://web.$NS" || return 1
      ;;
    1)
      start $tag alice exchange webn --expose 8080 --skipPortChecking || return 1
      [ $asked = 0 ] || eventually 15 asks local "http://$(web webn)/" || return 1
      ;;
    2)
      start $tag alice mesh web --expose 8080 --versionMark guest || return 1
      [ $asked = 0 ] || eventually 15 asks local "http://$WEB/" -H 'version: guest' ||
        return 1
      ;;
  esac
  pid=$(pid_of $tag)
  if [ $killed = 1 ]; then
    murder $tag
    # who was killed is swept by the next one, or here
    [ $((RANDOM % 4)) != 0 ] || sweep_alice
    [ $command != 1 ] || "$KTCTL" recover webn -n "$NS"
  else
    leave $tag || return 1
  fi
  [ ! -e "/proc/$pid" ]
}

# what alice has left, and nothing of bob's
sweep_alice() {
  laptop alice "$KTCTL" clean -n "$NS" --localOnly
}

# NAME NUMBER: what must not grow, of the machines and the cluster
counts() {
  echo "objects $(kc get pods,services,configmaps,endpoints,deployments,jobs,secrets \
    -n "$NS" -o name 2>/dev/null | wc -l)"
  # each probe of the kubelet's is remembered for two minutes more
  echo "conntrack-node $(node_exec grep -c ESTABLISHED /proc/net/nf_conntrack)"
  echo "conntrack-laptop $(laptop alice cat /proc/sys/net/netfilter/nf_conntrack_count)"
  echo "cgroups $(find /sys/fs/cgroup -path "*ktctl-$(basename "$KTCTL_TEST_STATE")*" \
    -type d | wc -l)"
  echo "links $(laptop alice ip -o link show | wc -l)"
  echo "processes $(laptop alice sh -c 'ls -d /proc/[0-9]*/ns | while read -r n; do
    [ "$(readlink "$n/net")" != "$(readlink /proc/self/ns/net)" ] || echo one
    done' 2>/dev/null | wc -l)"
  # a file for each killed one is kept for a day: by it what he has left is known
  echo "files $(laptop alice sh -c 'find "$HOME/.kt" -type f ! -path "*/owner/*" | wc -l')"
}

# of those that stay: KiB and descriptors of bob's commands, their shadow, the router
soak_sizes() {
  local name pid
  for name in connect mesh; do
    pid=$STAY
    [ $name = connect ] || pid=$(pid_of stay)
    echo "$name-kib $(resident "$pid")"
    echo "$name-fds $(descriptors "$pid")"
  done
  pid=$(pod_pid "$(kc -n "$NS" get pods -l kt-role=router \
    -o 'jsonpath={.items[0].metadata.name}')")
  echo "router-kib $(node_exec sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status")"
  echo "router-fds $(node_exec find "/proc/$pid/fd" -mindepth 1 | wc -l)"
}

soak_settled() {
  laptop alice "$KTCTL" clean -n "$NS" --localOnly >/dev/null 2>&1 || true
  sleep 5
  soak_sizes
}

# grown NAME LIMIT: no more than LIMIT above what it was after ten rounds
grown() {
  local first last
  first=$(awk -v n="$1" '$1 == n {print $2}' "$RUN/soak.begin")
  last=$(awk -v n="$1" '$1 == n {print $2}' "$RUN/soak.end")
  printf '    %-20s %8s, after ten rounds %8s\n' "$1" "$last" "$first"
  [ "$last" -le $((first + $2)) ]
}

# counted: all counts are at most what they were before the first round; the node's
# own programs have now more, now fewer connections
counted() {
  counts >"$RUN/soak.last"
  join "$RUN/soak.first" "$RUN/soak.last" | awk '
    {limit = $2 + ($1 ~ /conntrack/ ? 20 + $2 / 10 : 0)} $3 > limit {print; bad = 1}
    END {exit bad}' >"$RUN/soak.more"
}

soak_check() { # ROUNDS
  local bad=0 name
  soak_settled >"$RUN/soak.end"
  echo "chaos: after $1 rounds:"
  if [ -f "$RUN/soak.begin" ]; then
    for name in connect mesh router; do
      grown $name-kib 1024 || bad=1
      grown $name-fds 4 || bad=1
    done
  fi
  leave stay || bad=1
  CONNECT_PID=$STAY
  connect_stop || bad=1
  sweep
  eventually 180 counted || {
    echo "chaos: more than before (NAME BEFORE NOW):"
    sed 's/^/    /' "$RUN/soak.more"
    bad=1
  }
  join "$RUN/soak.first" "$RUN/soak.last" | sed 's/^/    /'
  eventually 20 nothing_left || bad=1
  [ $bad = 0 ]
}
