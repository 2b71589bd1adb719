#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The manifest for krew, by krew itself: checked, installed, run, removed.
# shellcheck disable=SC2154 # status and output come from bats

setup_file() {
  load ../e2e/common
  DIST=${DIST:-$TOP/dist}
  ARCHIVE=$(echo "$DIST"/kubectl-kt-*-linux-"$(dpkg --print-architecture)".tar.gz)
  [ -f "$ARCHIVE" ] || { echo "no archive: make dist" >&2; return 1; }
  KREW=$("$TOP/test/krew/build" 3>&-)
  KREW_ROOT=$BATS_FILE_TMPDIR/krew
  export DIST ARCHIVE KREW KREW_ROOT KREW_NO_UPGRADE_CHECK=1
}

setup() {
  load ../e2e/common
}

@test "krew: another archive than the manifest's is refused" {
  cp "$ARCHIVE" "$BATS_TEST_TMPDIR/other.tar.gz"
  echo >>"$BATS_TEST_TMPDIR/other.tar.gz"
  run "$KREW" install --manifest="$DIST/kt.yaml" \
    --archive="$BATS_TEST_TMPDIR/other.tar.gz"
  [ "$status" != 0 ]
  says "checksum"
  [ ! -e "$KREW_ROOT/bin/kubectl-kt" ]
}

@test "krew: installed from the manifest, it is kubectl's plugin" {
  run "$KREW" install --manifest="$DIST/kt.yaml" --archive="$ARCHIVE"
  ended_with 0 "Installed plugin: kt" "--disableTunDevice"
  run "$KREW_ROOT/bin/kubectl-kt" version
  ended_with 0 "ktctl version" "linked statically"
  if command -v kubectl >/dev/null; then
    PATH=$KREW_ROOT/bin:$PATH run kubectl kt --version
    ended_with 0 "ktctl version"
  fi
  # it wants an index, of which nothing is asked
  git init -q "$KREW_ROOT/index/default"
  run "$KREW" uninstall kt
  ended_with 0
  [ ! -e "$KREW_ROOT/bin/kubectl-kt" ] && [ ! -e "$KREW_ROOT/store/kt" ]
}
