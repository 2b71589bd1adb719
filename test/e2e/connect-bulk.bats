#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 80
# Much data, many connections, and nothing that grows. Laptop: alice.

bats_require_minimum_version 1.5.0
load common
load net

GIB=$((1 << 30))

setup_file() {
  # shellcheck source=test/e2e/common.bash
  . "$BATS_TEST_DIRNAME/common.bash"
  NET=$(service_ip net)
  POD=$(pod_ip "$(pod_of app=web)")
  DB=$(pod_ip db-0)
  export NET POD DB
  connect_start alice
  export CONNECT_PID CONNECT_LOG
}

teardown_file() {
  # shellcheck source=test/e2e/common.bash
  . "$BATS_TEST_DIRNAME/common.bash"
  connect_kill
}

# sizes: sets KB_HERE, KB_THERE (memory), FDS_HERE, FDS_THERE (descriptors) of
# ktctl and the shadow
sizes() {
  KB_HERE=$(resident "$CONNECT_PID")
  KB_THERE=$(shadow_resident)
  FDS_HERE=$(descriptors "$CONNECT_PID")
  FDS_THERE=$(shadow_descriptors)
  echo "ktctl $KB_HERE kB, $FDS_HERE descriptors," \
    "shadow $KB_THERE kB, $FDS_THERE descriptors"
}

# no more descriptors than were noted in fds_here and fds_there
given_back() {
  sizes >&2
  [ "$FDS_HERE" -le $((fds_here + 5)) ] &&
    [ "$FDS_THERE" -le $((fds_there + 5)) ]
}

crowd() {
  laptop alice "$PYTHON" "$TOOLS/crowd.py" "$@"
}

@test "1 GiB down, the checksum is equal" {
  want=$(toolbox sh -c "curl -sS http://$POD:8080/bytes/$GIB | sha256sum")
  start=$SECONDS
  got=$(laptop alice sh -c "curl -sS http://$POD:8080/bytes/$GIB | sha256sum")
  echo "about $((1024 / (SECONDS - start + 1))) MiB/s"
  [ "$got" = "$want" ]
}

# bats test_tags=long
@test "1 GiB up, the checksum is equal" {
  # bytes that do not repeat, made quickly
  # shellcheck disable=SC2016
  laptop alice sh -c 'head -c '$GIB' /dev/zero |
    openssl enc -aes-128-ctr -nosalt -K 6b74 -iv 00 2>/dev/null |
    tee /dev/fd/3 | curl -sS -X POST -T - \
      http://'"$POD"':8080/sink' 3> >(sha256sum >"$BATS_TEST_TMPDIR/sum") \
    >"$BATS_TEST_TMPDIR/got"
  eventually 20 test -s "$BATS_TEST_TMPDIR/sum"
  cat "$BATS_TEST_TMPDIR"/{got,sum}
  [ "$(cat "$BATS_TEST_TMPDIR/got")" = \
    "$GIB $(cut -d' ' -f1 "$BATS_TEST_TMPDIR/sum")" ]
}

@test "5,000 connections at once, each alive" {
  skip_on_foreign "the shadow's process"
  run -0 crowd churn 200 "$NET:7007" "$POD:7007"
  sizes
  fds_here=$FDS_HERE fds_there=$FDS_THERE
  run -0 crowd hold 5000 "$NET:7007" "$POD:7007" "$DB:7007"
  echo "$output"
  [[ $output == *"5000 held" ]]
  eventually 20 given_back
}

@test "thousands of short connections in a row, nothing leaks" {
  local n
  n=$(long_or 20000 12000)
  skip_on_foreign "the shadow's process"
  targets=("$NET:7007" "$POD:7007" "$POD:7004" "$DB:7007" "$DB:7004")
  run -0 crowd churn 4000 "${targets[@]}"
  sleep 1
  sizes
  fds_here=$FDS_HERE fds_there=$FDS_THERE
  kb_here=$KB_HERE kb_there=$KB_THERE
  start=$SECONDS
  run -0 crowd churn "$n" "${targets[@]}"
  [ "$output" = "$n done" ]
  echo "about $((n / (SECONDS - start + 1))) connections/s"
  eventually 20 given_back
  # connections that leave 100 bytes each would be more (2 MB of 20,000)
  [ "$KB_HERE" -le $((kb_here + n * 75 / 1000)) ]
  [ "$KB_THERE" -le $((kb_there + n * 75 / 1000)) ]
}

@test "a stalled reader does not slow another stream" {
  laptop alice "$PYTHON" "$TOOLS/stall.py" "$NET"
}

# largest: bytes received by the laptop's connection that received most
largest() {
  laptop alice ss -tniH state established |
    grep -o 'bytes_received:[0-9]*' | cut -d: -f2 | sort -n | tail -n 1
}

@test "a download has a port-forward of its own, small requests another" {
  skip_on_foreign "this machine's connections"
  laptop alice curl -sS -o /dev/null "http://$POD:8080/bytes/$((64 << 20))"
  before=$(largest)
  [ "$before" -gt $((40 << 20)) ]
  for _ in 1 2 3; do
    laptop alice curl -sS -o /dev/null "http://$POD:8080/bytes/30000"
  done
  after=$(largest)
  echo "$before bytes, then $after"
  [ $((after - before)) -lt 20000 ]
}
