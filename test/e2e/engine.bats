#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 60
# apart: make engine
# Names in containers on the laptop, with a real engine (Podman with netavark and
# aardvark-dns): the cluster's, the office's and the containers' own. Laptop: eng.
# shellcheck disable=SC2016,SC2119,SC2154 # a shell inside; output comes from bats

bats_require_minimum_version 1.5.0
load common
load net

# One that is told not to look at what the machine has of its own: images from a
# file, storage and networks below $RUN
engine() {
  laptop eng podman --root "$RUN/root" --runroot "$RUN/runroot" \
    --storage-driver vfs --runtime "$(command -v runc)" \
    --cgroup-manager cgroupfs --events-backend none \
    --network-backend netavark --network-config-dir "$RUN/networks" \
    --log-level error "$@"
}

# inside NETWORK CMD...: in a new container. Limits of its own: the engine's
# default may be more than this machine allows
inside() {
  local network=$1
  shift
  engine run --rm --network "$network" "${LIMITS[@]}" kt.local/toolbox:1 "$@"
}

LIMITS=(--ulimit nofile=1024:1024 --ulimit nproc=1024:1024)

setup_file() {
  local archive
  # shellcheck source=test/e2e/common.bash
  . "$BATS_TEST_DIRNAME/common.bash"
  skip_on_foreign "an engine in a namespace of its own"
  mkdir "$RUN/networks"
  archive=$(find "${KTCTL_CACHE:-/var/cache/ktctl-test}/images" \
    -name toolbox.tar -print -quit)
  engine load -q -i "$archive" >&2
  engine network create own >&2
}

teardown_file() {
  # shellcheck source=test/e2e/common.bash
  . "$BATS_TEST_DIRNAME/common.bash"
  engine rm -af >/dev/null 2>&1 || true
  "$CLUSTER/laptop" --down "eng$LANE"
}

setup() {
  connect_start eng
}

teardown() {
  connect_kill
  engine rm -af >/dev/null 2>&1 || true
}

# names NETWORK: what a container there gets of the cluster and of the office
names() {
  local ip
  ip=$(service_ip web "$NS")
  # as programs ask: the C library, with the engine's resolv.conf
  inside "$1" sh -ec '
    curl -sS --max-time 10 -o /dev/null http://web/
    curl -sS --max-time 10 -o /dev/null "http://web.$1.svc.cluster.local/"
    [ "$(dig +short +time=3 "web.$1.svc.cluster.local")" = "$2" ]
    [ "$(dig +short +time=3 www.corp.test)" = 10.77.0.80 ]
    dig +time=3 no.such.corp.test | grep -q NXDOMAIN
  ' - "$NS" "$ip"
}

# Its containers have the laptop's own resolv.conf: the questions go through the
# laptop to the office's server
@test "engine: names in the default network" {
  names podman
  [ "$(inside podman dig +short +time=3 +tcp "web.$NS.svc.cluster.local")" = \
    "$(service_ip web "$NS")" ] # the engine's own server has no TCP
}

# Its containers ask the engine's name server on the laptop, which knows them and
# asks the office's for all else
@test "engine: names in a network with a name server of its own" {
  engine run -d --name db --network own "${LIMITS[@]}" kt.local/toolbox:1
  names own
  [ "$(inside own dig +search +short +time=3 db)" = "$(engine inspect db -f \
    '{{.NetworkSettings.Networks.own.IPAddress}}')" ]
  inside own dig +search +time=3 nobody | grep -q NXDOMAIN
}

@test "engine: names of a container that ran before connect, and after it has left" {
  connect_stop
  engine run -d --name old --network own "${LIMITS[@]}" kt.local/toolbox:1
  connect_start eng
  [ "$(engine exec old dig +short +time=3 "web.$NS.svc.cluster.local")" = \
    "$(service_ip web "$NS")" ]
  connect_stop
  [ "$(engine exec old dig +short +time=3 www.corp.test)" = 10.77.0.80 ]
  engine exec old dig +time=3 "web.$NS.svc.cluster.local" | grep -q NXDOMAIN
}
