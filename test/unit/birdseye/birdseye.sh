#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# birdseye.sh KTCTL SCHEMA: birdseye with an API server of files. TAP.
set -u

here=$(cd "$(dirname "$0")" && pwd)
ktctl=$(realpath "$1")
schema=$(realpath "$2")
# shellcheck source-path=SCRIPTDIR source=../tap.sh
. "$here/../tap.sh"
own_home birdseye

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

now=$(date +%s)
meta() { # NAME LABELS ANNOTATIONS
  printf '"metadata": {"name": "%s", "namespace": "shop",
    "creationTimestamp": "2026-01-31T12:00:00Z", "labels": {%s},
    "annotations": {%s}}' "$1" "$2" "$3"
}

beat="\"kt-last-heart-beat\": \"$((now - 20))\""
shadow='"spec": {"containers": [{"name": "standalone",
  "args": ["--listen", "18022"]}]}, "status": {"phase": "Pending"}'
api_put api/v1/namespaces/shop/services \
  "{$(meta plain "" ""), \"spec\": {\"selector\": {\"app\": \"plain\"}}},
   {$(meta web "" '"kt-selector": "{}"'), \"spec\": {\"selector\":
     {\"kt-role\": \"shadow-exchange\", \"kt-target\": \"X\"}}}"
api_put api/v1/namespaces/shop/pods \
  "{$(meta web-kt-exchange-abcde '"control-by": "kt",
    "kt-role": "shadow-exchange", "kt-target": "X"' \
    "\"kt-user\": \"ann\\u001b[31m\", \"kt-machine\": \"box\", $beat"), $shadow},
   {$(meta plain-1 '"app": "plain"' ""), \"spec\": {\"containers\": []}}"
api_put apis/apps/v1/namespaces/shop/deployments ""
api_put api/v1/pods "{$(meta kt-connect-shadow-abcde '"control-by": "kt",
  "kt-role": "shadow-connect", "kt-target": "C"' "\"kt-user\": \"bob\", $beat"),
  $shadow}"
api_put apis/apps/v1/deployments ""

api_start

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
run 0 --showConnector && has "$out" "CONNECTED  MACHINE" && has "$out" "bob" && has "$out" "connect" &&
  has "$out" "1 in all"
ok $? "--showConnector"

# in a terminal: terminal COLUMNS FLAGS...
terminal() {
  local columns=$1
  shift
  "$here/../terminal.py" "$columns" "$ktctl" birdseye "$@" | tr -d '\r'
}
widest() {
  awk '{ if (length($0) > n) n = length($0) } END { print n + 0 }' <<<"$1"
}
api_put api/v1/namespaces/shop/services \
  "{$(meta web "" '"kt-selector": "{}"'), \"spec\": {\"selector\":
     {\"kt-role\": \"shadow-exchange\", \"kt-target\": \"X\"}}},
   {$(meta a-service-of-a-rather-long-name "" ""), \"spec\": {}}"
sed -i 's/"box"/"a-laptop-of-a-rather-long-name.corp.example"/' "$work/api/api/v1/namespaces/shop/pods.json"
run 0
wide=$out
timeless() { # the heartbeat's age grows
  sed -E 's/heartbeat [0-9]+[smh]/heartbeat N/; s/ +/ /g' <<<"$1"
}
[ "$(widest "$wide")" -gt 100 ] &&
  [ "$(timeless "$(terminal 200)")" = "$(timeless "$wide")" ]
ok $? "a terminal that is wide enough shows what a pipe gets"
narrow=$(terminal 80)
[ "$(widest "$narrow")" = 80 ] && has "$narrow" "a-laptop-" && has "$narrow" "+" &&
  has "$narrow" "SERVICE" && has "$narrow" "RULE" &&
  [ "$(wc -l <<<"$narrow")" = "$(wc -l <<<"$wide")" ] &&
  [ "$(COLUMNS=90 terminal 80 | awk 'length($0) > 80' | wc -l)" -gt 0 ]
ok $? "in 80 columns the widest are cut"
[[ $(NO_COLOR=1 terminal 80) != *$'\e'* && $narrow != *$'\e'* ]]
ok $? "no colours, with NO_COLOR and without"
run 0 -o yaml && has "$out" "version: 1" && has "$out" '      - command: "exchange"'
ok $? "YAML"

run 1 -A && has "$err" "hint: without -A" && [ -z "$out" ]
ok $? "-A that is not allowed"
api_put api/v1/services "{$(meta far "" ""), \"spec\": {\"selector\": {\"a\": \"b\"}}}"
run 0 -A && has "$out" "NAMESPACE  SERVICE" && has "$out" "shop       far"
ok $? "-A"
rm -f "$work/api/apis/apps/v1/namespaces/shop/deployments.json" \
  "$work/api/api/v1/pods.json"
api_put api/v1/namespaces/shop/pods ""
run 0 --showConnector && has "$err" "connectors of other namespaces are left out" &&
  has "$err" "shadows that are Deployments" && has "$out" "no, its Pod is gone" &&
  has "$out" "0 in all"
ok $? "what is not allowed is left out, and told"
# lists of a namespace that is not there are empty, too
cp "$work/api/api/v1/namespaces/shop/services.json" "$work/services.json"
api_put api/v1/namespaces/shop/services ""
run 0 && has "$out" SERVICE && touch "$work/api/api/v1/namespaces/shop.404" &&
  run 1 && [ -z "$out" ] && has "$err" "namespace shop: there is none of this name" &&
  has "$err" "hint: 'kubectl get namespaces'"
ok $? "a namespace that is not there"
rm -f "$work/api/api/v1/namespaces/shop.404"
mv "$work/services.json" "$work/api/api/v1/namespaces/shop/services.json"
rm "$work/api/api/v1/namespaces/shop/pods.json"
run 1 && has "$err" "ktctl: " && [ -z "$out" ]
ok $? "without the lists it is a failure"

# --watch: one document when something is new
api_put api/v1/namespaces/shop/pods ""
timeout 20 "$ktctl" birdseye --watch -o json >"$work/watched" 2>/dev/null &
watcher=$!
for _ in $(seq 100); do [ -s "$work/watched" ] || sleep 0.1; done
api_put api/v1/namespaces/shop/services "{$(meta plain "" "")}"
for _ in $(seq 100); do
  [ "$(wc -l <"$work/watched")" -ge 2 ] || sleep 0.1
done
kill -INT "$watcher"
wait "$watcher" 2>/dev/null
[ "$(wc -l <"$work/watched")" = 2 ] &&
  [ "$(jq -s '.[1].services | length' "$work/watched")" = 1 ]
ok $? "--watch says what is new, and nothing else"

# and ends when nobody reads on
mkfifo "$work/pipe"
"$ktctl" birdseye --watch -o json >"$work/pipe" 2>"$work/stderr" &
watcher=$!
head -n 1 <"$work/pipe" >"$work/first"
api_put api/v1/namespaces/shop/services "{$(meta other "" "")}"
timeout 30 tail --pid="$watcher" -f /dev/null || kill -KILL "$watcher"
wait "$watcher"
[ $? = 1 ] && grep -q "write to stdout" "$work/stderr" && [ -s "$work/first" ]
ok $? "--watch ends when nobody reads on"

# 1,000 Services, 200 of them held, 1,200 Pods
python3 - "$work/api" "$now" <<'END'
import json, pathlib, sys
api, now = pathlib.Path(sys.argv[1]), int(sys.argv[2])
def meta(name, labels=None, notes=None):
    return {"name": name, "namespace": "shop", "labels": labels or {},
            "annotations": notes or {}, "uid": "0" * 36,
            "creationTimestamp": "2026-01-31T12:00:00Z"}
def put(path, items):
    (api / path).write_text(json.dumps({
        "kind": "List", "apiVersion": "v1", "metadata": {}, "items": items}))
ours = {"containers": [{"name": "standalone", "args": ["--listen", "18022"],
        "readinessProbe": {"httpGet": {"port": 18023}}}]}
services, pods = [], []
for i in range(1000):
    held = i < 200
    services.append({"metadata": meta(f"s{i}", {}, {"kt-selector": "{}"} if held else {}),
        "spec": {"selector": {"kt-role": "shadow-exchange", "kt-target": f"T{i}"}
                 if held else {"app": f"s{i}"},
                 "ports": [{"port": 80, "targetPort": 8080}]}})
    if held:
        pods.append({"metadata": meta(f"s{i}-kt-exchange-abcde", {
            "control-by": "kt", "kt-role": "shadow-exchange", "kt-target": f"T{i}"},
            {"kt-user": "ann", "kt-last-heart-beat": str(now)}),
            "spec": ours, "status": {"phase": "Running"}})
    pods.append({"metadata": meta(f"s{i}-0", {"app": f"s{i}"}),
        "spec": {"containers": [{"name": "c", "env": [
            {"name": f"V{k}", "value": "x" * 40} for k in range(40)]}]},
        "status": {"phase": "Running"}})
put("api/v1/namespaces/shop/services.json", services)
put("api/v1/namespaces/shop/pods.json", pods)
END
TIMEFORMAT='%R %U %S'
took=$( { time "$ktctl" birdseye -o json >"$work/large" 2>/dev/null; } 2>&1)
read -r real user sys <<<"$took"
echo "# 1,000 Services, 200 sessions, 1,200 Pods: $real s, of the processor $user + $sys s"
[ "$(jq '[.services[] | select(.status == "exchanged")] | length' "$work/large")" = 200 ] &&
  [ "$(jq '.services | length' "$work/large")" = 1000 ]
ok $? "1,000 Services and 200 sessions"
# on a busy machine the time that has passed says nothing
awk -v t="$user" -v s="$sys" -v most="${SANITIZED:+9}" 'BEGIN { exit t + s > (most ? most : 1) }'
ok $? "take less than a second of the processor"

echo "1..$tests"
