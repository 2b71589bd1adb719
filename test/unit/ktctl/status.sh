#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# status.sh KTCTL SCHEMA: status with 200 sessions, and --watch, in a network
# namespace and a runtime directory of its own (as root: as a user). TAP.
set -u -o pipefail

here=$(cd "$(dirname "$0")" && pwd)
if [ "${1:-}" = --inside ]; then
  shift
elif [ "$(id -u)" = 0 ]; then
  exec unshare --net -- "$0" --inside "$@"
else
  exec unshare --map-current-user --net -- "$0" --inside "$@"
fi
schema=$(realpath "$2")
work=$(mktemp -d "${TMPDIR:-/tmp}/ktctl-status.XXXXXX")
cp "$1" "$here/sessions.py" "$here/../terminal.py" "$work"
chmod 755 "$work"
ktctl=$work/${1##*/}
# what nobody else may run, as tools below /root, is not for a user
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=$work/home XDG_RUNTIME_DIR=$work/run
unset SUDO_UID SUDO_GID SUDO_USER COLUMNS
mkdir "$HOME" "$XDG_RUNTIME_DIR"
as=()
if [ "$(id -u)" = 0 ]; then # root's sockets are where everybody's are
  chown -R 65534:65534 "$work"
  as=(setpriv --reuid 65534 --regid 65534 --clear-groups)
fi
# shellcheck source-path=SCRIPTDIR source=../tap.sh
. "$here/../tap.sh"

mkfifo "$work/end"
"${as[@]}" "$work/sessions.py" "$XDG_RUNTIME_DIR/ktctl" 200 <"$work/end" >"$work/ready" &
exec 9>"$work/end"
cleanup() {
  exec 9>&-
  wait
  rm -rf "$work"
}
trap cleanup EXIT
eventually grep -q ready "$work/ready" || exit 1

# its own memory: what a process of 200 sessions' answers takes, in KiB
cat >"$work/measure.py" <<'END'
import os, sys
pid = os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:])
_, status, used = os.wait4(pid, 0)
print(used.ru_maxrss, f"{used.ru_utime + used.ru_stime:.2f}", file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status))
END
"${as[@]}" python3 "$work/measure.py" "$ktctl" status -o json >"$work/all" 2>"$work/used"
[ "$(jq '.sessions | map(select(.state == "up")) | length' "$work/all")" = 200 ] &&
  "$here/../schema.py" "$schema" <"$work/all"
ok $? "200 sessions, each has answered; JSON is what its schema says"
read -r kib seconds <"$work/used"
echo "# 200 sessions: $kib KiB, $seconds s of processor time"
# a program with sanitizers needs more
if [ -z "${SANITIZED:-}" ]; then
  [ "$kib" -le $((30 * 1024)) ]
  ok $? "in 30 MiB"
fi

# --- in a terminal ------------------------------------------------------------
terminal() { # COLUMNS FLAGS...
  local columns=$1
  shift
  "${as[@]}" "$work/terminal.py" "$columns" "$ktctl" status "$@" | tr -d '\r'
}
widest() {
  awk '{ if (length($0) > n) n = length($0) } END { print n + 0 }'
}
[ "$(terminal 80 | widest)" = 80 ] && [ "$(terminal 200 | widest)" -gt 100 ] &&
  [ "$(terminal 200 | sed -n 1,2p)" = "$("${as[@]}" "$ktctl" status | sed -n 1,2p)" ]
ok $? "in 80 columns the widest are cut, in 200 and in a pipe none"
[[ $(NO_COLOR=1 terminal 80) != *$'\e'* ]]
ok $? "no colours"
# Ctrl-C empties the terminal's queue: not every line comes out
out=$(TYPE=$'SINCE:\003' terminal 80 --watch) && [[ $out == *$'\e[H\e[2J'* ]] && [ "$(grep -c '^forward-' <<<"$out")" -ge 100 ]
ok $? "--watch draws anew, and ends by Ctrl-C"

checked() { # STATUS ENV...: that status --check ends with
  local want=$1 got=0
  shift
  "${as[@]}" env "$@" "$ktctl" status --check >/dev/null || got=$?
  [ "$got" = "$want" ]
}
checked 0 A= && checked 1 XDG_RUNTIME_DIR="$work/nobody" HOME="$work/nobody"
ok $? "--check: 0 where all are up, 1 where none runs"

# --- --watch as JSON ------------------------------------------------------------
"${as[@]}" "$ktctl" status --watch -o json >"$work/watched" &
watcher=$!
lines() { [ "$(wc -l <"$work/watched")" -ge "$1" ]; }
eventually lines 2
[ "$(head -n 2 "$work/watched" | jq -s 'map(.sessions | length) | add')" = 400 ] &&
  head -n 1 "$work/watched" | "$here/../schema.py" "$schema"
ok $? "--watch -o json: a document a line"
told() { # FILTER: true of the last whole line
  [ "$(tail -n 2 "$work/watched" | head -n 1 | jq "$1" 2>/dev/null)" = true ]
}
echo lost >"$XDG_RUNTIME_DIR/ktctl.state"
eventually told '.sessions | all(.state == "lost")'
ok $? "a new state is shown"
checked 1 A=
ok $? "--check: 1 where one is not up"
victim=$(head -n 1 "$work/watched" | jq '.sessions[7].pid')
kill -KILL "$victim"
eventually told ".sessions | length == 199 and all(.pid != $victim)"
ok $? "one that was killed is shown no more"
kill -INT "$watcher"
wait "$watcher"
ok $? "a signal is its normal end"
"${as[@]}" "$ktctl" status --watch -o json | head -n 1 >"$work/first"
[ "${PIPESTATUS[0]}" = 1 ] && [ "$(jq '.sessions | length' "$work/first")" = 199 ]
ok $? "nobody reads on: it ends, and that is a failure"

echo "1..$tests"
