#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What is made for arm64 on another machine, run by qemu-user: the static program,
# and that of the .deb with Debian's libraries for arm64. With a test cluster up,
# it reaches a Service.
# shellcheck disable=SC2154 # status and output come from bats

setup_file() {
  load ../e2e/common
  local arch
  DIST=${DIST:-$TOP/dist}
  for arch in amd64 arm64; do
    mkdir -p "$BATS_FILE_TMPDIR/$arch/deb" "$BATS_FILE_TMPDIR/$arch/static"
    dpkg-deb -x "$DIST"/ktctl_*_$arch.deb "$BATS_FILE_TMPDIR/$arch/deb" 3>&-
    tar -C "$BATS_FILE_TMPDIR/$arch/static" --strip-components 1 \
      -xf "$DIST"/ktctl-*-linux-$arch.tar.gz 3>&-
  done
  LIBRARIES=$("$TOP/tools/dist/sysroot" arm64 3>&-)/root
  export DIST LIBRARIES
}

setup() {
  load ../e2e/common
  STATIC=$BATS_FILE_TMPDIR/arm64/static/bin/ktctl
  DEBIAN=$BATS_FILE_TMPDIR/arm64/deb/usr/bin/ktctl
}

# arm64 PROGRAM ARGUMENTS...
arm64() {
  qemu-aarch64 -L "$LIBRARIES" "$@"
}

@test "arm64: both programs run, and say what they are" {
  local program
  for program in "$STATIC" "$DEBIAN"; do
    run arm64 "$program" version
    ended_with 0 "ktctl version" "linux/arm64"
    run arm64 "$program" connect --help
    ended_with 0 "--includeIps"
  done
  run readelf -lW "$STATIC"
  [[ $output != *INTERP* ]]
  run qemu-aarch64 -L /nonexistent "$STATIC" version
  ended_with 0 "linked statically"
}

# a machine that has nothing yet, as apt sees it
apt_arm64() {
  apt-get -q -q -o APT::Architecture=arm64 -o APT::Architectures::=arm64 \
    -o Dir::State::lists="${KTCTL_CACHE:-/var/cache/ktctl-test}/dist/apt-arm64/lists" \
    -o Dir::Cache="$BATS_TEST_TMPDIR" -o Dir::State::status=/dev/null \
    -o APT::Sandbox::User=root "$@"
}

@test "arm64: the package can be installed there, and has what the other has" {
  local here others
  run apt_arm64 install -s --no-install-recommends "$DIST"/ktctl_*_arm64.deb
  ended_with 0 "Inst libcurl4" "Inst ktctl"
  # the same files; of what no compiler made, the same bytes
  cd "$BATS_FILE_TMPDIR"
  for here in deb static; do
    diff <(cd amd64/$here && find . | sort) <(cd arm64/$here && find . | sort)
    run diff -rq --no-dereference amd64/$here arm64/$here
    others=$(grep -vE '/(ktctl|shadow|gate|shadow\.tar) and ' <<<"$output" || true)
    [ -z "$others" ] || { echo "$others"; return 1; }
  done
}

@test "arm64: each client brings our programs for both, and all bring the same" {
  local arch
  "$BATS_FILE_TMPDIR/amd64/static/bin/ktctl" image export "$BATS_TEST_TMPDIR/one.tar"
  "$BATS_FILE_TMPDIR/amd64/deb/usr/bin/ktctl" image export "$BATS_TEST_TMPDIR/two.tar"
  arm64 "$STATIC" image export "$BATS_TEST_TMPDIR/three.tar"
  arm64 "$DEBIAN" image export "$BATS_TEST_TMPDIR/four.tar"
  mkdir "$BATS_TEST_TMPDIR/one"
  tar -C "$BATS_TEST_TMPDIR/one" -xf "$BATS_TEST_TMPDIR/one.tar"
  for arch in amd64 arm64; do
    grep -rlq "\"architecture\":\"$arch\"" "$BATS_TEST_TMPDIR/one"
  done
  for arch in two three four; do
    mkdir "$BATS_TEST_TMPDIR/$arch"
    tar -C "$BATS_TEST_TMPDIR/$arch" -xf "$BATS_TEST_TMPDIR/$arch.tar"
    diff <(cd "$BATS_TEST_TMPDIR/one/blobs/sha256" && ls) \
      <(cd "$BATS_TEST_TMPDIR/$arch/blobs/sha256" && ls)
  done
}

answers() { # PORT
  laptop dist curl -sS --max-time 5 "http://127.0.0.1:$1/" 2>&1 | grep '^web'
}

@test "arm64: where the cluster has no such node, the error says which flag helps" {
  [ -n "${KUBECONFIG:-}" ] || skip "no test cluster: make cluster-env"
  local other
  other=$(kc get nodes -o 'jsonpath={.items[0].status.nodeInfo.architecture}')
  [ "$other" != arm64 ] || skip "the cluster's node is one of arm64"
  run laptop dist qemu-aarch64 -L "$LIBRARIES" "$STATIC" forward -n "$NS" web 18080:80
  ended_with 1 "no node takes it" \
    "hint: check --nodeSelector (it asks for kubernetes.io/arch=arm64)" \
    "too: --nodeSelector kubernetes.io/arch=$other"
  eventually 20 no_objects
}

@test "arm64: forward reaches a Service of the cluster" {
  [ -n "${KUBECONFIG:-}" ] || skip "no test cluster: make cluster-env"
  local program pid port=18080 node
  node=$(kc get nodes -o 'jsonpath={.items[0].status.nodeInfo.architecture}')
  for program in "$STATIC" "$DEBIAN"; do
    laptop_exec dist qemu-aarch64 -L "$LIBRARIES" "$program" forward -n "$NS" \
      --nodeSelector "kubernetes.io/arch=$node" web $port:80 \
      >"$BATS_TEST_TMPDIR/log" 2>&1 3>&- &
    pid=$!
    eventually 60 answers $port || { cat "$BATS_TEST_TMPDIR/log"; kill $pid; return 1; }
    kill $pid
    wait $pid || { cat "$BATS_TEST_TMPDIR/log"; return 1; }
    port=$((port + 1))
  done
  eventually 20 no_objects
}
