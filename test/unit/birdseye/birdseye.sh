#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# birdseye.sh KTCTL SCHEMA: birdseye with an API server of files. TAP.
set -u

here=$(cd "$(dirname "$0")" && pwd)
ktctl=$(realpath "$1")
schema=$(realpath "$2")
work=$(mktemp -d "${TMPDIR:-/tmp}/ktctl-birdseye.XXXXXX")
export HOME=$work KUBECONFIG=$work/kubeconfig
unset SUDO_UID SUDO_GID SUDO_USER
tests=0
server=

cleanup() {
  [ -z "$server" ] || kill "$server"
  rm -rf "$work"
}
trap cleanup EXIT

ok() { # STATUS NAME
  tests=$((tests + 1))
  if [ "$1" = 0 ]; then echo "ok $tests - $2"; else echo "not ok $tests - $2"; fi
}

run() { # STATUS ARGS...
  local want=$1 got
  shift
  out=$(timeout 30 "$ktctl" birdseye "$@" 2>"$work/stderr" </dev/null)
  got=$?
  err=$(cat "$work/stderr")
  [ "$got" = "$want" ] && return 0
  echo "# birdseye $*: status $got, not $want; $err"
  return 1
}

has() { # TEXT PART
  [[ $1 == *"$2"* ]] && return 0
  printf '# %s\n# is not in: %s\n' "$2" "$1"
  return 1
}

# list PATH ITEMS: what the API server has there
list() {
  mkdir -p "$work/api/$(dirname "$1")"
  printf '{"kind": "List", "apiVersion": "v1", "metadata": {}, "items": [%s]}' \
    "$2" >"$work/api/$1.json"
}

now=$(date +%s)
meta() { # NAME LABELS ANNOTATIONS
  printf '"metadata": {"name": "%s", "namespace": "shop",
    "creationTimestamp": "2026-01-31T12:00:00Z", "labels": {%s},
    "annotations": {%s}}' "$1" "$2" "$3"
}

beat="\"kt-last-heart-beat\": \"$((now - 20))\""
shadow='"spec": {"containers": [{"name": "standalone",
  "args": ["--listen", "18022"]}]}, "status": {"phase": "Pending"}'
list api/v1/namespaces/shop/services \
  "{$(meta plain "" ""), \"spec\": {\"selector\": {\"app\": \"plain\"}}},
   {$(meta web "" '"kt-selector": "{}"'), \"spec\": {\"selector\":
     {\"kt-role\": \"shadow-exchange\", \"kt-target\": \"X\"}}}"
list api/v1/namespaces/shop/pods \
  "{$(meta web-kt-exchange-abcde '"control-by": "kt",
    "kt-role": "shadow-exchange", "kt-target": "X"' \
    "\"kt-user\": \"ann\\u001b[31m\", \"kt-machine\": \"box\", $beat"), $shadow},
   {$(meta plain-1 '"app": "plain"' ""), \"spec\": {\"containers\": []}}"
list apis/apps/v1/namespaces/shop/deployments ""
list api/v1/pods "{$(meta kt-connect-shadow-abcde '"control-by": "kt",
  "kt-role": "shadow-connect", "kt-target": "C"' "\"kt-user\": \"bob\", $beat"),
  $shadow}"
list apis/apps/v1/deployments ""

"$here/../fakeapi.py" "$work/api" "$KUBECONFIG" 2>"$work/server.log" &
server=$!
for _ in $(seq 200); do [ -f "$KUBECONFIG" ] || sleep 0.05; done

run 0 && has "$out" "SERVICE  STATUS     USER" && has "$out" 'web      exchanged  ann\x1b[31m  box' &&
  has "$out" "heartbeat 2" && has "$out" "plain    normal" && [ -z "$err" ]
ok $? "a table, without the power of what others wrote"
[ "$(grep -c . "$work/api/log")" = 3 ]
ok $? "three lists are all that is asked for"
bad=0
for flags in "" "--showConnector" "--hideNaturalService --sortBy name"; do
  # shellcheck disable=SC2086 # words
  run 0 -o json $flags && "$here/../schema.py" "$schema" <<<"$out" || bad=1
done
ok $bad "JSON is what its schema says"
run 0 -o json --showConnector &&
  [ "$(jq -r '.services | map(.name) | join(" ")' <<<"$out")" = "web plain" ] &&
  [ "$(jq -r '.services[0].sessions[0] | "\(.alive) \(.by)"' <<<"$out")" = "true heartbeat" ] &&
  [ "$(jq -r '.connectors[0].user' <<<"$out")" = bob ]
ok $? "JSON: who has what, and who is connected"
! "$here/../schema.py" "$schema" <<<'{"version": 1, "time": "now", "namespace": null, "services": []}' >/dev/null
ok $? "the schema refuses what is wrong"
run 0 --sortBy name --hideNaturalService && ! grep -q plain <<<"$out"
ok $? "--hideNaturalService"
run 0 --showConnector && has "$out" "CONNECTED  MACHINE" && has "$out" "bob" && has "$out" "1 in all"
ok $? "--showConnector"
run 0 -o yaml && has "$out" "version: 1" && has "$out" '      - command: "exchange"'
ok $? "YAML"

run 1 -A && has "$err" "hint: without -A" && [ -z "$out" ]
ok $? "-A that is not allowed"
list api/v1/services "{$(meta far "" ""), \"spec\": {\"selector\": {\"a\": \"b\"}}}"
run 0 -A && has "$out" "NAMESPACE  SERVICE" && has "$out" "shop       far"
ok $? "-A"
rm -f "$work/api/apis/apps/v1/namespaces/shop/deployments.json" \
  "$work/api/api/v1/pods.json"
list api/v1/namespaces/shop/pods ""
run 0 --showConnector && has "$err" "connectors of other namespaces are left out" &&
  has "$err" "shadows that are Deployments" && has "$out" "no, its Pod is gone" &&
  has "$out" "0 in all"
ok $? "what is not allowed is left out, and told"
rm "$work/api/api/v1/namespaces/shop/pods.json"
run 1 && has "$err" "ktctl: " && [ -z "$out" ]
ok $? "without the lists it is a failure"

# --watch: one document when something is new
list api/v1/namespaces/shop/pods ""
timeout 20 "$ktctl" birdseye --watch -o json >"$work/watched" 2>/dev/null &
watcher=$!
for _ in $(seq 100); do [ -s "$work/watched" ] || sleep 0.1; done
list api/v1/namespaces/shop/services "{$(meta plain "" "")}"
for _ in $(seq 100); do
  [ "$(wc -l <"$work/watched")" -ge 2 ] || sleep 0.1
done
kill -INT "$watcher"
wait "$watcher" 2>/dev/null
[ "$(wc -l <"$work/watched")" = 2 ] &&
  [ "$(jq -s '.[1].services | length' "$work/watched")" = 1 ]
ok $? "--watch says what is new, and nothing else"

echo "1..$tests"
