# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the parts of the benchmark share: the cluster's fixture, ways of reaching
# it from a laptop, started and ended, and what they cost.

# shellcheck source=test/e2e/common.bash
. "$(dirname "${BASH_SOURCE[0]}")/../e2e/common.bash"
# shellcheck source=test/e2e/net.bash
. "$TOP/test/e2e/net.bash"
# shellcheck source=test/e2e/setup_suite.bash
. "$TOP/test/e2e/setup_suite.bash"

[ -z "${KTCTL_TEST_FOREIGN:-}" ] || {
  echo "bench: needs the test cluster, whose node it measures in" >&2
  exit 2
}
BENCH=$TOP/test/bench
RUN=$(mktemp -d "${TMPDIR:-/tmp}/ktctl-bench.XXXXXX")
export BATS_SUITE_TMPDIR=$RUN # for setup_suite
ID=$(basename "$KTCTL_TEST_STATE")
STARTED=() # pids of the ways that run

say() {
  echo "bench: $*" >&2
}

# tree PID: it and all below it
tree() {
  local child
  echo "$1"
  for child in $(pgrep -P "$1" || true); do
    tree "$child"
  done
}

# bench_end: every way that still runs; never fails
bench_end() {
  local pid
  for pid in "${STARTED[@]}"; do
    way_end "$pid"
  done
  for pid in $(jobs -p); do
    kill "$pid" 2>/dev/null || true
  done
  rm -rf "$RUN"
}
trap bench_end EXIT

# way_start LAPTOP CMD...: CMD in the background on the laptop; sets WAY (its
# pid), WAY_LOG, and writes the time it began into $RUN/started
way_start() {
  local name=$1
  shift
  WAY_LOG=$RUN/way-${#STARTED[@]}.log
  # what the office lacks is started by this, and is no part of the way's tree
  laptop "$name" true
  # shellcheck disable=SC2016 # expanded by the inner shell
  laptop_exec "$name" sh -c 'date +%s.%N >"$0"; exec "$@"' \
    "$RUN/started" "$@" >"$WAY_LOG" 2>&1 </dev/null &
  WAY=$!
  STARTED+=("$WAY")
}

# any_lives PID...
any_lives() {
  local pid
  for pid; do
    if kill -0 "$pid" 2>/dev/null; then return 0; fi
  done
  return 1
}

# way_end PID: it is asked to end, after 2 s what it started, too; all of them
# have time to clean up
way_end() {
  local i all
  mapfile -t all < <(tree "$1")
  kill -TERM "$1" 2>/dev/null || return 0
  for i in $(seq 150); do
    any_lives "${all[@]}" || break
    [ "$i" != 20 ] || kill -TERM "${all[@]:1}" 2>/dev/null || true
    sleep 0.1
  done
  kill -KILL "${all[@]}" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
}

ktctl_start() { # LAPTOP FLAGS...
  local name=$1
  shift
  way_start "$name" "$KTCTL" connect -n "$NS" "$@"
}

# ready_when SECONDS TEXT: the way has said TEXT
ready_when() {
  eventually "$1" grep -q "$2" "$WAY_LOG" || {
    cat "$WAY_LOG" >&2
    return 1
  }
}

# first_byte LAPTOP HOST:PORT START...: seconds from the start of a way, which
# START begins, to the first byte of an echo through it; sets FIRST
first_byte() {
  local name=$1 target=$2 poll
  shift 2
  laptop "$name" "$PYTHON" "$BENCH/measure.py" --first "$target" 60 \
    >"$RUN/first" &
  poll=$!
  sleep 0.7 # it polls by now
  "$@"
  wait "$poll" || {
    cat "$WAY_LOG" >&2
    return 1
  }
  # shellcheck disable=SC2034 # for the parts
  FIRST=$("$PYTHON" -c 'import sys
print(float(open(sys.argv[1]).read()) - float(open(sys.argv[2]).read()))' \
    "$RUN/first" "$RUN/started")
}

# note FILE KEY=NUMBER...: into the figures
note() {
  "$PYTHON" - "$@" <<'END'
import json, sys
path, *pairs = sys.argv[1:]
with open(path, encoding="utf-8") as f:
    figures = json.load(f)
for pair in pairs:
    key, _, value = pair.partition("=")
    figures[key] = float(value)
with open(path, "w", encoding="utf-8") as f:
    json.dump(figures, f)
END
}

# Sets of processes as procs.py names them.
in_node() {
  echo "net:$(stat -Lc %i "/run/netns/ktnode-$ID"):kube-apiserver+kubelet+containerd"
}

in_the_pod() { # POD PROGRAM+PROGRAM...
  local net
  net=$(node_exec readlink "/proc/$(pod_pid "$1")/ns/net")
  net=${net#*\[}
  echo "net:${net%\]}:$2"
}

# of_shadow: for measure.py
of_shadow() {
  echo "--of=shadow=$(in_the_pod "$(shadow_pod)" shadow)"
}

# measure LAPTOP FILE NAME MAP ARGUMENTS...: see measure.py
measure() {
  local name=$1 file=$2
  shift 2
  laptop "$name" "$PYTHON" "$BENCH/measure.py" "$@" >"$file"
}
