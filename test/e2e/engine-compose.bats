#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 60
# apart: make engine
# ktctl compose: a service of a project in the cluster's network by a sidecar, with
# Docker and with rootless Podman; no "connect" on the laptop. COMPOSE and
# PODMAN_COMPOSE name newer ones than the packages'. Laptop: cmp.
# shellcheck disable=SC2016,SC2030,SC2031,SC2119,SC2154 # a shell inside; output comes from bats

bats_require_minimum_version 1.5.0
load common
load net
load engine

setup_file() {
  # shellcheck source=test/e2e/common.bash
  . "$BATS_TEST_DIRNAME/common.bash"
  # shellcheck source=test/e2e/engine.bash
  . "$BATS_TEST_DIRNAME/engine.bash"
  skip_on_foreign "engines in a namespace of their own"
  engine_user cmp
  chmod 600 "$(<"$RUN/home")/.kube/config" # as kubectl leaves it
  engine_docker cmp
  # what a file before has killed
  kc -n "$NS" delete pods -l control-by=kt --now >&2
}

teardown_file() {
  # shellcheck source=test/e2e/common.bash
  . "$BATS_TEST_DIRNAME/common.bash"
  # shellcheck source=test/e2e/engine.bash
  . "$BATS_TEST_DIRNAME/engine.bash"
  engine_down cmp
}

setup() {
  skip_on_foreign "engines in a namespace of their own"
  down=()
  project=$(<"$RUN/home")/$BATS_TEST_NUMBER
  mkdir "$project"
  cat >"$project/compose.yaml" <<'END'
version: "3.8"
services:
  front:
    image: kt.local/toolbox:1
    depends_on: [back]
    ports: ["127.0.0.1:18080:8080"]
    environment: [OWN=mine]
    command:
      - sh
      - -ec
      - |
        until curl -sf -o /dev/null --max-time 5 http://back:8080/; do sleep 0.2; done
        mkdir /www && cd /www
        curl -sS --max-time 10 -o /dev/null -w '%{http_code}\n' http://web/ >name
        curl -sS --max-time 10 -o /dev/null -w '%{http_code}\n' "http://$$KUBERNETES_SERVICE_HOST:443/" >address || true
        dig +short +time=3 no.such.corp.test; dig +short +time=3 www.corp.test >office
        { sed -n 's/^CapEff:\t//p' /proc/self/status; echo "$$OWN"; ls -d /ktctl /root/.kube 2>/dev/null || true; } >inside
        exec busybox httpd -f -p 8080
  back:
    image: kt.local/toolbox:1
    command: [sh, -c, "mkdir /www; echo back >/www/index.html; exec busybox httpd -f -p 8080 -h /www"]
END
  chown -R 1600:1600 "$project"
  cd "$project" || return
}

teardown() {
  [ ${#down[@]} = 0 ] || "${down[@]}" >&2 || true
}

# printed ARGS...: what "ktctl compose" prints to the user
printed() {
  (user_exec cmp "$KTCTL" compose -n "$NS" -i "$KTCTL_IMAGE" "$@")
}

docker_compose() {
  laptop cmp env "DOCKER_HOST=$(docker_socket)" timeout 100 "${COMPOSE:-docker-compose}" "$@"
}

# got FILE: what front has found; its port is the laptop's
got() {
  laptop cmp curl -sS --max-time 5 "http://127.0.0.1:18080/$1"
}

# joined: the cluster by name and by address of the Pod's environment, the office's
# names, no capability and no credentials
joined() {
  eventually 40 got inside
  [ "$(got name)" = 200 ]
  [ "$(got address)" = 400 ] # of the API server, to plain HTTP
  [ "$(got office)" = 10.77.0.80 ]
  [ "$(got inside | tail -n +2)" = mine ]
}

# to_each_other ENGINE...: the name of the service is still its own
to_each_other() {
  [ "$("$@" curl -sS --max-time 5 -o /dev/null -w '%{http_code}' http://front:8080/name)" = 200 ]
}

@test "compose: the whole file, with docker-compose" {
  printed front=pod/toolbox --whole >whole.yaml
  down=(docker_compose -f whole.yaml down -t 20)
  docker_compose -f whole.yaml up -d --no-color
  joined
  to_each_other docker_compose -f whole.yaml exec -T back
  # one capability in the sidecar beside that for the user's file, none more
  local pid
  pid=$(laptop cmp docker -H "$(docker_socket)" inspect -f '{{.State.Pid}}' \
    "$(docker_compose -f whole.yaml ps -q front-ktctl)")
  grep -E '^(Name|Cap|Seccomp)' "/proc/$pid/status"
  [ "$(sed -n 's/^CapEff:\t//p' "/proc/$pid/status")" = 0000000000001002 ]
  [ "$(sed -n 's/^Seccomp:\t//p' "/proc/$pid/status")" = 2 ]
}

@test "compose: an override, read from a pipe" {
  local version
  version=$("${COMPOSE:-docker-compose}" version --short)
  [ "$(printf '%s\n' 2.24.0 "${version#v}" | sort -V | head -n 1)" = 2.24.0 ] ||
    skip "docker-compose $version does not know !reset: COMPOSE names another one"
  printed front=pod/toolbox >override.yaml
  down=(docker_compose -f compose.yaml -f override.yaml down -t 20)
  docker_compose -f compose.yaml -f <(cat override.yaml) up -d
  joined
  to_each_other docker_compose -f compose.yaml -f override.yaml exec -T back
  # all in the cluster comes and goes with it
  docker_compose -f compose.yaml -f override.yaml down -t 20
  down=()
  eventually 10 no_objects
}

podman_compose() {
  (user_exec cmp sh -c 'cd "$1" && shift && exec "$@"' - "$project" timeout 100 \
    "${PODMAN_COMPOSE:-podman-compose}" "$@")
}

@test "compose: an override, with rootless podman" {
  local version
  version=$("${PODMAN_COMPOSE:-podman-compose}" version 2>/dev/null | sed -n 's/.*podman-compose version:* *//p')
  [ "$(printf '%s\n' 1.5.0 "${version:-0}" | sort -V | head -n 1)" = 1.5.0 ] ||
    skip "podman-compose ${version:-} is too old: PODMAN_COMPOSE names another one"
  # this Podman does not wait for the health check
  sed -i 's|mkdir /www && cd|until curl -sf -o /dev/null http://web/; do sleep 0.2; done; &|' compose.yaml
  printed front=pod/toolbox >override.yaml
  down=(podman_compose -f compose.yaml -f override.yaml down -t 20)
  podman_compose -f compose.yaml -f override.yaml up -d
  joined
  to_each_other podman_compose -f compose.yaml -f override.yaml exec -T back
}
