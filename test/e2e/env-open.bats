#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 45
# every flavour
# env open, connect --env: HTTP requests of a laptop get an environment's mark.
# Laptops: alice (a member), bob.
# shellcheck disable=SC2154 # status and output come from bats

bats_require_minimum_version 1.5.0
load inbound

# shellcheck disable=SC2034 # for inbound.bash
ENV_LAPTOP=bob

setup_file() {
  inbound_prepare web
}

setup() {
  skip_on_foreign "callers in the node's network"
  env_cli create dev.pr-1
}

teardown() {
  background_end
  connect_kill
  "$KTCTL" recover web -n "$NS" >/dev/null 2>&1 || true
  env_cli delete dev.pr-1 --force >/dev/null 2>&1 || true
  eventually 20 nothing_left
}

from_bob() { # CURL-ARGUMENTS...
  laptop bob curl -sS --max-time 10 "$@"
}

# echoes PORT TEXT [WANTED]: what the echo server at that port of bob's sends
# back; without WANTED: the same
echoes() {
  local got
  got=$(laptop bob "$PYTHON" - "$1" "$2" "${3:-$2}" <<<'
import socket, sys
text, want = (t.encode().decode("unicode_escape").encode("latin-1")
              for t in sys.argv[2:])
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
s.sendall(text)
got = b""
while len(got) < len(want):
    part = s.recv(4096)
    if not part:
        break
    got += part
print("yes" if got == want else repr(got))')
  [ "$got" = yes ] || { echo "$1: got $got" >&2; return 1; }
}

@test "env open: requests get the mark, all else passes as it is" {
  local url web
  web=$(web web)
  serve alice local
  start a alice mesh web --expose 8080 --match env:dev.pr-1
  start o bob env open pr-1 web
  url=$(grep -o 'http://localhost:[0-9]*$' "$RUN/o.log")
  [ "$(from_bob "$url/")" = local ]
  # names of others are not in it
  [ "$(from_bob "$url/json" | jq -r '.headers.baggage')" = kt-env=dev.pr-1 ]
  # it has one of its own; nobody else is led here
  [[ $(from_bob -H 'baggage: kt-env=dev.other' "$url/") == web-* ]]
  is_own "$web"
  run -0 laptop bob "$KTCTL" status
  [[ $output == *"env-open-"*"pr-1 web"* ]]
  leave o
  # what is not HTTP: TLS, a server that speaks first, any bytes
  start o bob env open dev.pr-1 net 17007:7007
  echoes 17007 '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'
  echoes 17007 '\x00\x01\r\n'
  echoes 17007 'GET / HTTP/1.1\r\nHost: a\r\n\r\n' \
    'GET / HTTP/1.1\r\nHost: a\r\nbaggage: kt-env=dev.pr-1\r\n\r\n'
  start g bob env open pr-1 net 17006:greet
  [[ $(probe bob greet 127.0.0.1 17006) == 'hello from web-'* ]]
  run -1 laptop bob "$KTCTL" env open nobody web -n "$NS"
  [[ $output == *nobody* ]]
}

@test "connect --env: this machine's requests get the mark" {
  local web
  web=$(web web)
  serve alice local
  start a alice mesh web --expose 8080 --match env:dev.pr-1
  connect_start bob --env pr-1
  [ "$(from_bob http://web/)" = local ]
  [[ $(from_bob -H 'baggage: kt-env=dev' http://web/) == web-* ]]
  is_own "$web"
  [[ $(probe bob greet "$(service_ip net)" 7006) == 'hello from web-'* ]]
  run -0 laptop bob "$KTCTL" status
  [[ $output == *"--env pr-1"* ]]
  connect_stop
}
