#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# start.sh START GATE.gz: the loader becomes the gate, and both fit into a
# ConfigMap. TAP.
set -u

start=$1
packed=$2
tests=0

ok() {
  tests=$((tests + 1))
  if [ "$1" = 0 ]; then echo "ok $tests - $2"; else echo "not ok $tests - $2"; fi
}

sum=$(sha256sum "$packed" | cut -d ' ' -f 1)
[[ $("$start" "$packed" "$sum" --version) =~ ^gate\ [0-9.]+$ ]]
ok $? "it becomes the program, with its arguments"

"$start" "$packed" "$sum" none 2>&1 | grep -q "gate: 'none' is no mode"
ok $? "which knows its modes"

"$start" "$packed" "$(sha256sum "$0" | cut -d ' ' -f 1)" --version 2>&1 | grep -q "another one"
ok $? "not with another digest"

# base64 makes four of three; the object and its metadata need some room
[ $(($(stat -c %s "$start") + $(stat -c %s "$packed"))) -lt 1000000 ]
ok $? "both fit into one ConfigMap"

echo "1..$tests"
