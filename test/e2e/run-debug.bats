#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 40
# run: debuggers outside reach the program, and several programs run side by side.
# Laptop: gina.
# shellcheck disable=SC2016,SC2154 # a shell inside; others come from bats

bats_require_minimum_version 1.5.0
load run

setup_file() {
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || skip "a user of a laptop"
  run_home
}

setup() {
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || skip "a user of a laptop"
}

teardown() {
  [ -z "${RUN_PID:-}" ] || kill -TERM "$RUN_PID" 2>/dev/null || true
  [ -z "${RUN_PID:-}" ] || wait "$RUN_PID" || true
}

teardown_file() {
  run_home_over
}

# begin PROGRAM...: in the background
begin() {
  (user_exec "$KTCTL" run -n "$NS" -i "$KTCTL_IMAGE" --shareShadow -- "$@") \
    >"$RUN/log" 2>&1 3>&- &
  RUN_PID=$!
}

as_user() {
  (user_exec "$@")
}

@test "run: gdb attaches from outside" {
  command -v gdb >/dev/null || skip "no gdb"
  begin sh -c 'echo "pid $$"; exec sleep 1000'
  eventually 60 grep -q '^pid' "$RUN/log"
  run as_user gdb -batch -nx -p "$(sed -n 's/^pid //p' "$RUN/log")" \
    -ex 'info proc' -ex 'call (int)getpid()'
  echo "$output"
  [[ $output == *"cmdline = 'sleep 1000'"* ]]
}

@test "run: node --inspect and debugpy are reached on this machine" {
  command -v node >/dev/null || skip "no node"
  begin node --inspect=127.0.0.1:9229 -e 'setInterval(() => {}, 1000)'
  eventually 60 laptop gina curl -sf -o "$RUN/json" http://127.0.0.1:9229/json
  grep -q webSocketDebuggerUrl "$RUN/json"
  kill -TERM "$RUN_PID"
  wait "$RUN_PID" || true
  "$PYTHON" -c 'import debugpy' 2>/dev/null || return 0
  begin "$PYTHON" -m debugpy --listen 127.0.0.1:5678 --wait-for-client \
    -c 'print("went on")'
  eventually 60 laptop gina nc -z 127.0.0.1 5678
  kill -KILL "$RUN_PID"
}

@test "run: a debugger outside that the program calls back is reached" {
  laptop gina "$PYTHON" -c '
import socket
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", 9003))
s.listen()
open("'"$RUN"'/listens", "w").close()
c, _ = s.accept()
print(c.recv(100).decode())' >"$RUN/called" 3>&- &
  local listener=$!
  eventually 10 test -e "$RUN/listens"
  run -0 run_in -- sh -c 'sleep 1; echo from inside | nc -N -w 5 127.0.0.1 9003'
  wait "$listener"
  grep -q 'from inside' "$RUN/called"
}

@test "run: eight at once" {
  local i pids=()
  for i in 1 2 3 4 5 6 7 8; do
    run_in -- curl -sS --max-time 60 -o /dev/null -w '%{http_code}' \
      http://web/ >"$RUN/out.$i" 2>"$RUN/err.$i" 3>&- &
    pids+=($!)
  done
  for i in 1 2 3 4 5 6 7 8; do
    wait "${pids[i - 1]}" || { cat "$RUN/err.$i" >&2; return 1; }
    [ "$(<"$RUN/out.$i")" = 200 ]
  done
}
