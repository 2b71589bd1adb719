#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 90
# In the namespaces of run, for a user without a capability, the network and the
# names are what they are with connect, and so what they are in a Pod: connect's
# own tests, there. Laptop: alice.

bats_require_minimum_version 1.5.0
load common

# the cluster is prepared already
suite() {
  echo 'setup_suite() { :; }' >"$BATS_TEST_TMPDIR/suite"
}

# bodies FILE FILTER COUNT: the tests of that file; those left out are of this machine's
# resolver, which run does not touch
bodies() {
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || skip "a user of a laptop"
  local dir=$BATS_TEST_TMPDIR
  suite
  env -u BATS_RUN_TMPDIR -u BATS_FILE_TMPDIR -u BATS_SUITE_TMPDIR \
    -u BATS_TEST_TMPDIR -u BATS_VERSION VIA_RUN=1 \
    bats --setup-suite-file "$dir/suite" -f "$2" \
    "$BATS_TEST_DIRNAME/$1" >"$dir/out" 2>&1 3>&- || {
    cat "$dir/out" >&2
    return 1
  }
  [ "$(grep -c '^ok' "$dir/out")" -ge "$3" ]
}

@test "run: TCP, UDP, ping and IPv6 are those of a Pod" {
  bodies connect-truth.bats '^(TCP|UDP|ping|IPv6): ' 18
}

@test "run: names are those of a Pod" {
  bodies connect-dns.bats '^(200 names|answers of more|short names|a thousand)' 4
}
