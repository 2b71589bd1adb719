# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2016 # expanded on the laptop
# Thousands of commands that come and go, beside some that stay: nothing grows.
#
# bob stays: a connect and a mesh of Service web. The others, side by side, come in
# rounds, with connect, exchange (of a Service of their own) or mesh (of web, so that
# bob's router has them, too), and leave, or are killed. Half of them are asked for
# something. SIGTERM to the runner alone: the verdict, after the rounds that run.

read -ra SOAK_LAPTOPS <<<"${CHAOS_LAPTOPS:-alice carol dave erin}"

# soak ROUNDS MINUTES: until either is over
soak() {
  local rounds=$1 end=$((${2:-9999} * 60)) failed=0 begin=$SECONDS count to begun settle=5
  trap ': >"$RUN/soak.stop"' TERM
  ((SECONDS < end || rounds < 8)) || rounds=8 # two for each, when the time is over
  echo "chaos: soak of $rounds rounds, ${#SOAK_LAPTOPS[@]} laptops"
  [ "$rounds" -lt 100 ] || settle=125
  soak_prepare || return 1
  counts >"$RUN/soak.first"
  soak_stay || return 1
  count=$((rounds < 10 ? rounds : 10))
  soak_rounds 1 $count
  count=$(soak_begun $count)
  # what is made once and kept is there by now
  soak_settled $settle >"$RUN/soak.begin"
  while ((count < rounds && SECONDS < end)) && ! soak_told; do
    to=$((count + (count < 20 ? 10 : count < 100 ? 80 : 100)))
    ((to <= rounds)) || to=$rounds
    soak_rounds $((count + 1)) "$to"
    begun=$(soak_begun "$to")
    [ "$begun" -gt "$count" ] || soak_told || {
      echo "chaos: no laptop takes a round any more"
      failed=1
      break
    }
    count=$begun
    echo "chaos: $count rounds, $((SECONDS - begin)) s: $(soak_sizes | xargs)"
  done
  soak_check "$count" $settle || failed=1
  soak_clear
  [ ! -e "$RUN/soak.failed" ] || {
    echo "chaos: $(wc -l <"$RUN/soak.failed") of $count rounds failed"
    failed=1
  }
  [ $failed = 0 ]
}

# all laptops, with all that their first command makes, and a Service for each
soak_prepare() {
  local name
  serve bob stay
  for name in "${SOAK_LAPTOPS[@]}"; do
    kc -n "$NS" get service webn -o json | jq --arg name "soak-$name" '{apiVersion, kind,
      metadata: {name: $name}, spec: {selector: .spec.selector, ports: .spec.ports}}' |
      kc -n "$NS" apply -f - >/dev/null || return 1
    [ "$name" = alice ] || serve "$name" local # alice has one
    start soak "$name" connect || return 1
    leave soak || return 1
  done
  eventually 20 nothing_left
}

soak_clear() {
  local name
  for name in "${SOAK_LAPTOPS[@]}"; do
    kc -n "$NS" delete service "soak-$name" >/dev/null 2>&1 || true
    [ "$name" = alice ] || "$CLUSTER/laptop" --down "$name$LANE" 2>/dev/null || true
  done
  "$CLUSTER/laptop" --down "bob$LANE" 2>/dev/null || true
}

soak_stay() {
  connect_start bob || return 1
  STAY=$CONNECT_PID
  STAY_POD=$(shadow_pod) # nobody else has one yet
  start stay bob mesh web --expose 8080 --versionMark stay || return 1
}

# soak_rounds FROM TO: each laptop takes the next one that nobody has
soak_rounds() {
  local name pids=() pid
  echo "$1" >"$RUN/soak.next"
  for name in "${SOAK_LAPTOPS[@]}"; do
    # who ends before the last round has failed, too
    (trap '[ $? = 0 ] || echo "laptop $name" >>"$RUN/soak.failed"' EXIT
      soak_laptop "$name" "$2") &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do
    # SIGTERM ends a wait, not the one that is waited for
    while kill -0 "$pid" 2>/dev/null; do
      wait "$pid" || true
    done
  done
}

# soak_told: it is to end
soak_told() {
  [ -e "$RUN/soak.stop" ]
}

# soak_begun LAST: the number of the last round that was begun; each laptop has taken
# one number more than it had rounds, if it was not told to end
soak_begun() {
  local begun=$(($(<"$RUN/soak.next") - 1))
  echo $((begun < $1 ? begun : $1))
}

# soak_next: the number of the next round
soak_next() {
  (
    flock 9
    n=$(<"$RUN/soak.next")
    echo $((n + 1)) >"$RUN/soak.next"
    echo "$n"
  ) 9>"$RUN/soak.lock"
}

# In a shell of its own, with its own list of what it has started
soak_laptop() { # NAME LAST
  local number
  PIDS=$RUN/pids.$1
  : >"$PIDS"
  in_pod toolbox true
  while ! soak_told && number=$(soak_next) && [ "$number" -le "$2" ]; do
    RANDOM=$((16#$(printf %s "$SEED soak $number" | md5sum | cut -c1-6)))
    soak_round "$1" >"$RUN/soak.$1.log" 2>&1 || {
      echo "chaos: round $number, $1, failed:"
      sed 's/^/    /' "$RUN/soak.$1.log" "$RUN/soak-$1.log"
      echo "$number" >>"$RUN/soak.failed"
      background_end
    }
  done
}

# soak_start TAG ARGUMENTS...: it is not about time here, many start at once; who
# proves nothing in a busy cluster says so and serves
# shellcheck disable=SC2034 # LOG is for command_ready
soak_start() {
  LOG=$RUN/$1.log
  spawn "$@" --portForwardTimeout 60
  eventually 120 soak_started "$1"
  command_ready
}

soak_started() { # TAG: or it has ended
  command_ready || ! kill -0 "$(pid_of "$1")" 2>/dev/null
}

soak_round() { # LAPTOP
  local name=$1 tag=soak-$1 service=soak-$1 pid
  local command=$((RANDOM % 3)) killed=$((RANDOM % 2)) asked=$((RANDOM % 2))
  : >"$RUN/$tag.log"
  case $command in
    0)
      soak_start "$tag" "$name" connect || return 1
      [ $asked = 0 ] || eventually 40 laptop "$name" curl -sS --max-time 3 -o /dev/null \
        "http://web.$NS" || return 1
      ;;
    1)
      soak_start "$tag" "$name" exchange "$service" --expose 8080 --skipPortChecking ||
        return 1
      [ $asked = 0 ] || eventually 40 asks local "http://$(web "$service")/" || return 1
      ;;
    2)
      soak_start "$tag" "$name" mesh web --expose 8080 --versionMark "$name" || return 1
      [ $asked = 0 ] || eventually 40 asks local "http://$WEB/" -H "version: $name" ||
        return 1
      ;;
  esac
  pid=$(pid_of "$tag")
  if [ $killed = 1 ]; then
    murder "$tag"
    # who was killed is swept by the next one, or here
    [ $((RANDOM % 4)) != 0 ] || soak_sweep "$name"
    [ $command != 1 ] || "$KTCTL" recover "$service" -n "$NS"
  else
    leave "$tag" || return 1
  fi
  [ ! -e "/proc/$pid" ]
}

# what this laptop has left, and nothing of others
soak_sweep() {
  laptop "$1" "$KTCTL" clean -n "$NS" --localOnly
}

# on_laptops COMMAND...: the sum of the numbers that it prints on each
on_laptops() {
  local name
  for name in "${SOAK_LAPTOPS[@]}"; do
    laptop "$name" "$@"
  done 2>/dev/null | awk '{n += $1} END {print n + 0}'
}

# soak_cgroups: of Pods that are gone, whoever had them
soak_cgroups() {
  comm -23 <(find /sys/fs/cgroup -path "*ktctl-$(basename "$KTCTL_TEST_STATE")*/*pod*" \
    -type d | grep -oE 'pod[0-9a-f]{8}[0-9a-f_-]{28}' | tr _ - | sort -u) \
    <(kc get pods -A -o json | jq -r '.items[].metadata.uid | "pod" + .' | sort -u)
}

# NAME NUMBER: what must not grow, of the machines and the cluster
counts() {
  echo "objects $(kc get pods,services,configmaps,endpoints,deployments,jobs,secrets \
    -n "$NS" -o name 2>/dev/null | wc -l)"
  # each probe of the kubelet's is remembered for two minutes more
  echo "conntrack-node $(node_exec grep -c ESTABLISHED /proc/net/nf_conntrack)"
  echo "conntrack-laptop $(on_laptops cat /proc/sys/net/netfilter/nf_conntrack_count)"
  echo "cgroups $(soak_cgroups | wc -l)"
  echo "links $(on_laptops sh -c 'ip -o link show | wc -l')"
  echo "processes $(on_laptops sh -c 'find /proc/[0-9]*/ns/net -printf "%l\n" |
    grep -cxF "$(readlink /proc/self/ns/net)"')"
  # a file for each killed one is kept for a day: by it what he has left is known
  echo "files $(on_laptops sh -c 'find "$HOME/.kt" -type f ! -path "*/owner/*" | wc -l')"
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
  for name in shadow router; do
    pid=$STAY_POD
    [ $name = shadow ] || pid=$(pod_of kt-role=router)
    pid=$(pod_pid "$pid")
    echo "$name-kib $(node_exec sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status")"
    echo "$name-fds $(node_exec find "/proc/$pid/fd" -mindepth 1 | wc -l)"
  done
}

# soak_settled SECONDS: those of killed ones are kept for two minutes in the router
soak_settled() {
  local name
  for name in "${SOAK_LAPTOPS[@]}"; do
    soak_sweep "$name" >/dev/null 2>&1 || true
  done
  sleep "$1"
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

soak_check() { # ROUNDS SETTLE
  local bad=0 name
  soak_settled "$2" >"$RUN/soak.end"
  echo "chaos: after $1 rounds:"
  if [ -f "$RUN/soak.begin" ]; then
    for name in connect mesh shadow router; do
      grown $name-kib 1024 || bad=1
      grown $name-fds 4 || bad=1
    done
  fi
  leave stay || bad=1
  CONNECT_PID=$STAY
  connect_stop || bad=1
  for name in "${SOAK_LAPTOPS[@]}"; do
    laptop "$name" "$KTCTL" clean -n "$NS" >/dev/null 2>&1 || bad=1
  done
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
