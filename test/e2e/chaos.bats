#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 130
# The short form of "make chaos": a few faults from a fixed seed, and an exchange
# that is killed at three points of its life; none of it touches what others use.
# The soak (50 rounds take four minutes) is left to it.
# Laptop: alice.

setup() {
  # shellcheck source=test/e2e/common.bash
  . "$BATS_TEST_DIRNAME/common.bash"
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || skip "not on a foreign cluster: the network between"
}

@test "chaos: a few faults: open connections live, all is as before" {
  SEED=2 "$TOP/test/chaos/run" --short 3>&-
}
