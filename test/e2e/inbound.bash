# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For the tests of exchange, mesh, preview and recover: local programs, ktctl in
# the background under a tag, callers inside the cluster.

load common
load net

# inbound_prepare SERVICE...: for setup_file; what each one's owner has written is
# kept in $RUN/SERVICE.json
inbound_prepare() {
  local service
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || return 0
  netsrv_build
  for service in "$@"; do
    spec_of "$service" >"$RUN/$service.json"
  done
}

# What runs in the background: "TAG PID" lines, ended by background_end
PIDS=$RUN/pids

# netsrv_build: test/images/netsrv.c as a program of this machine
netsrv_build() {
  gcc -O1 -pthread -o "$RUN/netsrv" "$TOP/test/images/netsrv.c"
}

# serve LAPTOP NAME [OFFSET] [NEXT]: netsrv on the laptop, HTTP at 8080+OFFSET
serve() {
  (
    export NAME=$2 NEXT=${4:-}
    laptop_exec "$1" "$RUN/netsrv" -l 7000 -o "${3:-0}"
  ) >/dev/null 2>&1 3>&- &
  echo "serve-$2 $!" >>"$PIDS"
  # shellcheck disable=SC2016
  eventually 5 laptop "$1" sh -c 'curl -sf -o /dev/null localhost:$0/' \
    "$((8080 + ${3:-0}))"
}

# spawn TAG LAPTOP ARGUMENTS...: ktctl in the background; its output is in
# $RUN/TAG.log
spawn() {
  local tag=$1 name=$2
  shift 2
  : >"$RUN/$tag.log"
  (laptop_exec "$name" "$KTCTL" "$@" -n "${KNS:-$NS}") \
    >"$RUN/$tag.log" 2>&1 3>&- &
  echo "$tag $!" >>"$PIDS"
}

pid_of() { # TAG
  awk -v t="$1" '$1 == t {p = $2} END {print p}' "$PIDS"
}

is_ready() { # TAG
  grep -q 'All looks good' "$RUN/$1.log"
}

# ready TAG [SECONDS]: wait until it says so
ready() {
  local end=$((SECONDS + ${2:-60}))
  until is_ready "$1"; do
    if [ $SECONDS -ge $end ] || ! kill -0 "$(pid_of "$1")" 2>/dev/null; then
      echo "$1 did not become ready:" >&2
      cat "$RUN/$1.log" >&2
      return 1
    fi
    sleep 0.05
  done
}

# start TAG LAPTOP ARGUMENTS...
start() {
  spawn "$@"
  ready "$1"
}

# leave TAG [SIGNAL]: it must end well
leave() {
  local pid rc=0
  pid=$(pid_of "$1")
  kill "-${2:-INT}" "$pid"
  wait "$pid" || rc=$?
  sed -i "/^$1 /d" "$PIDS"
  if [ $rc != 0 ]; then
    echo "$1 ended with $rc:" >&2
    cat "$RUN/$1.log" >&2
  fi
  return $rc
}

# murder TAG: kill -9
murder() {
  local pid
  pid=$(pid_of "$1")
  kill -KILL "$pid"
  wait "$pid" 2>/dev/null || true
  sed -i "/^$1 /d" "$PIDS"
}

# background_end: everything that spawn and serve have started; never fails
background_end() {
  local tag pid
  [ -f "$PIDS" ] || return 0
  while read -r tag pid; do
    case $tag in
      serve-*) touch "$RUN/${tag#serve-}.stop" || true ;; # a hammer is told so alone
      *)
        kill -TERM "$pid" 2>/dev/null || continue
        for _ in $(seq 200); do
          kill -0 "$pid" 2>/dev/null || break
          sleep 0.1
        done
        ;;
    esac
  done <"$PIDS"
  while read -r tag pid; do
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done <"$PIDS"
  : >"$PIDS"
}

# ask URL [CURL-ARGUMENTS...]: what a Pod of the cluster gets
ask() {
  local url=$1
  shift
  in_pod toolbox curl -sS --max-time 10 "$@" "$url"
}

# asks WANTED URL [CURL-ARGUMENTS...]
asks() {
  local want=$1 got
  shift
  got=$(ask "$@" 2>&1)
  [ "$got" = "$want" ] || { echo "got '$got', not '$want'" >&2; return 1; }
}

# web: the address of Service web; own: one of its own Pods answers
web() {
  service_ip "${1:-web}" "${KNS:-$NS}"
}

is_own() { # ADDRESS [CURL-ARGUMENTS...]
  local at=$1
  shift
  [[ $(ask "http://$at/" "$@") == web-* ]]
}

# env_cli ARGUMENTS...: ktctl env on a laptop (ENV_LAPTOP: alice)
env_cli() {
  laptop "${ENV_LAPTOP:-alice}" "$KTCTL" env "$@" -n "${KNS:-$NS}"
}

# env_over [SERVICE...]: for teardown: what runs in the background has ended, all
# environments are gone with all that a ktctl has made; the Services (web) are their
# owners' again
env_over() {
  local ns=${KNS:-$NS} service
  background_end
  kc -n "$ns" delete jobs -l 'kt-role in (env,env-hook,env-ended)' --wait=false \
    >/dev/null 2>&1
  for service in "${@:-web}"; do
    "$KTCTL" recover "$service" -n "$ns" >/dev/null 2>&1 || true
  done
  kc -n "$ns" delete deployments,pods,services,configmaps -l control-by=kt \
    --now >/dev/null 2>&1
}

# hammer_start TAG ARGUMENTS...: tools/hammer.py from a Pod; returns when the
# first request is over. HAMMER_NICE: below 0 for a rate that a busy machine keeps
hammer_start() {
  local tag=$1
  shift
  in_pod toolbox true # the Pod's pid is looked up once
  rm -f "$RUN/$tag.stop" "$RUN/$tag.stop.begun"
  (in_pod toolbox nice -n "${HAMMER_NICE:-0}" "$PYTHON" "$TOOLS/hammer.py" -s "$RUN/$tag.stop" "$@") \
    >"$RUN/$tag.json" 2>"$RUN/$tag.err" 3>&- &
  echo "serve-$tag $!" >>"$PIDS"
  eventually 20 test -e "$RUN/$tag.stop.begun"
}

# hammer_end TAG: stop it; what it says is in $hammer
hammer_end() {
  local pid
  pid=$(pid_of "serve-$1")
  : >"$RUN/$1.stop" # a signal would not reach into the node
  wait "$pid" || true
  sed -i "/^serve-$1 /d" "$PIDS"
  # shellcheck disable=SC2034 # for the test
  hammer=$(cat "$RUN/$1.json")
  echo "# $1: $hammer" >&2
  head -n 20 "$RUN/$1.err" >&2
  [ -n "$hammer" ]
}

# of FIELD-PATH: of $hammer, as python writes it
of() {
  "$PYTHON" -c 'import json, sys
v = json.loads(sys.argv[1])
for k in sys.argv[2].split("."):
    v = v.get(k, 0)
print(sum(v.values()) if isinstance(v, dict) else v)' "$hammer" "$1"
}

spec_of() { # SERVICE: all that its owner has written
  kc -n "${KNS:-$NS}" get service "$1" -o json |
    "$PYTHON" -c 'import json, sys
o = json.load(sys.stdin)
print(json.dumps([o["spec"], o["metadata"].get("annotations", {}),
                  o["metadata"].get("labels", {})], sort_keys=True))'
}

annotation() { # SERVICE KEY
  kc -n "${KNS:-$NS}" get service "$1" \
    -o "jsonpath={.metadata.annotations.$2}"
}

selector_of() { # SERVICE
  kc -n "${KNS:-$NS}" get service "$1" -o 'jsonpath={.spec.selector}'
}

# shadows ROLE: names of the Pods that are not ending
shadows() {
  kc -n "${KNS:-$NS}" get pods -l "kt-role=$1" -o json | "$PYTHON" -c '
import json, sys
for p in json.load(sys.stdin)["items"]:
    if "deletionTimestamp" not in p["metadata"]:
        print(p["metadata"]["name"])'
}

# has_shadow ROLE: there is one Pod of that role that does not end; it is ready
has_shadow() {
  local pod
  pod=$(shadows "$1")
  [ -n "$pod" ] && kc -n "${KNS:-$NS}" wait pod "$pod" --for condition=Ready \
    --timeout 0 >/dev/null 2>&1
}

# A SYN to the Pod that has just gone is repeated to the same address, whatever
# the Service leads to by then (conntrack), and the kernel of one whose program
# stands still takes it: what counts is the next connection
# shellcheck disable=SC2034 # for the files that load this one
CONNECT_SOON=(--connect-timeout 2 --max-time 3)

# pod_ends WAY POD: it is deleted with the time that it asks for (drain), with 12
# seconds (short), with hardly any (delete), evicted, deleted by force, or its
# program is killed on the node
pod_ends() {
  local version=v1
  case $1 in
    drain) kc -n "$NS" delete pod "$2" --wait=false ;;
    short) kc -n "$NS" delete pod "$2" --grace-period=12 --wait=false ;;
    delete) kc -n "$NS" delete pod "$2" --now --wait=false ;;
    force) kc -n "$NS" delete pod "$2" --force --grace-period=0 2>&1 ;;
    kill) node_exec kill -KILL "$(pod_pid "$2")" ;;
    evict)
      kc get --raw /apis/policy/v1 >/dev/null 2>&1 || version=v1beta1
      kc create --raw "/api/v1/namespaces/$NS/pods/$2/eviction" -f - <<END
{"apiVersion": "policy/$version", "kind": "Eviction",
 "metadata": {"name": "$2", "namespace": "$NS"}}
END
      ;;
  esac >/dev/null
}

# replaced ROLE POD: another Pod of this role is there, and POD is gone
replaced() {
  local now
  now=$(shadows "$1")
  [ -n "$now" ] && [ "$now" != "$2" ] &&
    ! kc -n "${KNS:-$NS}" get pod "$2" >/dev/null 2>&1
}

# replace_under RATE ROLE WANTED WAYS [HAMMER-ARGUMENTS...]: the Pod of this role
# ends in each of these ways while a Pod of the cluster asks Service web: every
# request is answered, by WANTED (on kept connections also at the second try, where
# the first met the connection's end: "again" of hammer.py)
replace_under() {
  local rate=$1 role=$2 want=$3 ways=$4 way old
  shift 4
  # before, who ends gets no caller, whether another is there or not
  [ "$(kc version -o json | "$PYTHON" -c 'import json, sys
print(json.load(sys.stdin)["serverVersion"]["minor"].rstrip("+"))')" -ge 26 ] ||
    skip "kube-proxy leads to Pods that end from Kubernetes 1.26 on"
  hammer_start probe -r "$rate" -t 120 "$@" "$WEB" "${PORT:-80}"
  for way in $ways; do
    sleep 1
    old=$(shadows "$role")
    pod_ends "$way" "$old"
    eventually 40 replaced "$role" "$old"
  done
  sleep 1
  hammer_end probe
  [ "$(of failed)" = 0 ]
  [ "$(of sent)" -ge $((rate * 5)) ]
  [ $(($(of "by.$want") + $(of again))) = "$(of sent)" ]
}

# nothing_left: no object of ours, Service web as before
nothing_left() {
  no_objects "${KNS:-$NS}" && [ "$(spec_of web)" = "$(cat "$RUN/web.json")" ]
}
