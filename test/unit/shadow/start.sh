#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# start.sh START SHADOW.gz: the loader becomes the shadow, or says why not. TAP.
set -u

start=$1
packed=$2
dir=$(mktemp -d "${TMPDIR:-/tmp}/ktctl-start.XXXXXX")
trap 'rm -rf "$dir"' EXIT
tests=0

ok() {
  tests=$((tests + 1))
  if [ "$1" = 0 ]; then echo "ok $tests - $2"; else echo "not ok $tests - $2"; fi
}

digest() { # FILE
  sha256sum "$1" | cut -d ' ' -f 1
}

refuses() { # TEXT COMMAND...
  local text=$1 out rc=0
  shift
  out=$("$@" 2>&1) || rc=$?
  [ $rc = 1 ] && [[ $out == "start: "*"$text"* ]] && return 0
  echo "# status $rc: $out"
  return 1
}

[ "$("$start" "$packed" "$(digest "$packed")" --version)" = \
  "$(gunzip -c "$packed" >"$dir/s" && chmod +x "$dir/s" && "$dir/s" --version)" ]
ok $? "it becomes the program, with its arguments"

SHADOW_LISTEN=x "$start" "$packed" "$(digest "$packed")" 2>&1 |
  grep -q "SHADOW_LISTEN: 'x'"
ok $? "with its environment"

refuses "another one" "$start" "$packed" "$(digest "$0")"
ok $? "not with another digest"

refuses usage "$start" "$packed"
ok $? "not without a digest"

refuses "cannot be read" "$start" "$dir/none" x
ok $? "not without the file"

: >"$dir/empty"
refuses "empty" "$start" "$dir/empty" "$(digest "$dir/empty")"
ok $? "not an empty file"

echo "this is no gzip file at all" >"$dir/text"
refuses "not a gzip file" "$start" "$dir/text" "$(digest "$dir/text")"
ok $? "not another kind of file"

{ head -c 5000 "$packed"; tail -c 8 "$packed"; } >"$dir/cut"
refuses "damaged" "$start" "$dir/cut" "$(digest "$dir/cut")"
ok $? "not what was cut"

echo "no program" | gzip -n >"$dir/other"
refuses "cannot be executed" "$start" "$dir/other" "$(digest "$dir/other")"
ok $? "not what is no program"

# base64 makes four of three; the object and its metadata need some room
[ $(($(stat -c %s "$start") + $(stat -c %s "$packed"))) -lt 1000000 ]
ok $? "both fit into one ConfigMap"

echo "1..$tests"
