#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 5
# The shadow's router before an origin of this machine, both on a laptop of
# their own: what needs no cluster.
# shellcheck disable=SC2154 # status and output are bats'

bats_require_minimum_version 1.5.0
load common
load net

setup_file() {
  # shellcheck source=test/e2e/common.bash
  . "$BATS_TEST_DIRNAME/common.bash"
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || return 0
  "$TOP/test/h2spec/build" >"$RUN/h2spec"
  head -c 4096 /dev/zero >"$RUN/page"
  (laptop_exec alice nghttpd -d "$RUN" --no-tls -n 1 9001) >/dev/null 2>&1 3>&- &
  echo $! >"$RUN/pids"
  (laptop_exec alice "$TOP/build/src/shadow/shadow" --drain 0 --idle-exit 0 \
    --serve 9000=127.0.0.1:9001) >"$RUN/shadow.log" 2>&1 3>&- &
  echo $! >>"$RUN/pids"
}

teardown_file() {
  [ ! -f "$RUN/pids" ] || xargs kill <"$RUN/pids" || true
}

setup() {
  skip_on_foreign "needs a laptop"
}

answers() {
  laptop alice curl -sf --max-time 5 --http2-prior-knowledge -o /dev/null \
    http://127.0.0.1:9000/page
}

# Everything of HTTP/2 and HPACK, also what is optional; no exception.
@test "router: h2spec: every case" {
  eventually 10 answers
  run laptop alice "$(cat "$RUN/h2spec")" -h 127.0.0.1 -p 9000 -P /page -o 5
  echo "$output" | sed -n '/Failures/,$p'
  [ "$status" = 0 ]
  [[ ${lines[-1]} == "145 tests, 145 passed, 0 skipped, 0 failed" ]]
  answers # and it is there still
}
