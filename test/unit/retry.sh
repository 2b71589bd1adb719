#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# retry.sh: test/run tries what failed once more, counts what it gave then, and
# calls it flaky. In a tree of its own, with files that need no cluster; what
# builds and installs only says that it was called. TAP.
set -u

cd "$(dirname "$0")/../.." || exit
. test/unit/tap.sh
own_home retry
mkdir -p "$work/tree/test/e2e" "$work/tree/tools" "$work/tree/build" "$work/bin"
cp test/run test/summary "$work/tree/test"
: >"$work/tree/build/build.ninja"
for program in tree/tools/install-packages bin/meson bin/ninja; do
  printf '#!/bin/sh\nexit 0\n' >"$work/$program"
  chmod 755 "$work/$program"
done

# run_tests NAME: what test/run prints of the end-to-end tests in a file
run_tests() {
  (cd "$work/tree" && env -u KUBE PATH="$work/bin:$PATH" TMPDIR="$work" \
    KUBECONFIG="$work/kubeconfig" KTCTL_CACHE="$work/cache" \
    test/run e2e "$1" 2>&1)
}

cat >"$work/tree/test/e2e/second.bats" <<END
@test "always (good)" {
  true
}
@test "the second time" {
  [ -e $work/seen ] || { : >$work/seen; false; }
}
END
said=$(run_tests second)
status=$?
{
  has "$said" 'once more, alone: 1 of test/e2e/second.bats' &&
    has "$said" 'flaky: e2e on foreign: the second time' &&
    is "$status $(tail -n 1 <<<"$said")" '0 2 passed, 0 failed, 0 skipped'
}
ok $? "what passes the second time has passed, and is named"

cat >"$work/tree/test/e2e/never.bats" <<END
@test "always" {
  true
}
@test "never" {
  false
}
END
said=$(run_tests never)
is "$? $(tail -n 1 <<<"$said")" '1 1 passed, 1 failed, 0 skipped'
ok $? "what fails twice has failed"

cat >"$work/tree/test/e2e/unset.bats" <<END
setup_file() { [ -e $work/there ] || { : >$work/there; false; }; }
@test "one" {
  true
}
@test "two" {
  true
}
END
said=$(run_tests unset)
is "$? $(tail -n 1 <<<"$said")" '0 2 passed, 0 failed, 0 skipped'
ok $? "a file whose setup failed is run again as a whole"
echo "1..$tests"
