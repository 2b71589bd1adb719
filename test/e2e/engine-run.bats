#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 120
# apart: make engine
# Containers and the cluster, with real engines: a rootless Podman's as the program
# of run; Docker's beside connect; run within a container with the default seccomp
# profile, and without one. Laptop: doc.
# shellcheck disable=SC2016,SC2030,SC2031,SC2119,SC2154 # a shell inside; output comes from bats

bats_require_minimum_version 1.5.0
load common
load net
load engine

LIMITS=(--ulimit nofile=1024:1024 --ulimit nproc=1024:1024)

setup_file() {
  # shellcheck source=test/e2e/common.bash
  . "$BATS_TEST_DIRNAME/common.bash"
  # shellcheck source=test/e2e/engine.bash
  . "$BATS_TEST_DIRNAME/engine.bash"
  skip_on_foreign "engines in a namespace of their own"
  engine_user doc
  engine_docker doc
  docker_ network create own >&2
}

teardown_file() {
  # shellcheck source=test/e2e/common.bash
  . "$BATS_TEST_DIRNAME/common.bash"
  # shellcheck source=test/e2e/engine.bash
  . "$BATS_TEST_DIRNAME/engine.bash"
  engine_down doc
}

setup() {
  skip_on_foreign "engines in a namespace of their own"
  home=$(<"$RUN/home")
}

teardown() {
  connect_kill
}

docker_() {
  laptop doc docker -H "$(docker_socket)" "$@"
}

# contained FLAGS... -- ARGS...: ktctl run with a container as the program
contained() {
  user_exec doc timeout --foreground -k 5 100 "$KTCTL" run -n "$NS" -i "$KTCTL_IMAGE" \
    --shareShadow --engine podman "$@"
}

@test "run --engine podman: network, names, environment, files and exit status" {
  printf 'OF_FILE=a b=c\n' >"$home/vars"
  run -7 --separate-stderr contained pod/toolbox --envFile "$home/vars" -- --rm "${LIMITS[@]}" kt.local/toolbox:1 \
    sh -c 'curl -sS -o /dev/null -w "%{http_code}\n" --max-time 10 http://web/
      echo "$OF_FILE, $KUBERNETES_SERVICE_HOST, $PATH"
      curl -sS --max-time 10 --cacert /run/secrets/kubernetes.io/serviceaccount/ca.crt \
        -H "Authorization: Bearer $(cat /var/run/secrets/kubernetes.io/serviceaccount/token)" \
        -o /dev/null -w "%{http_code}\n" https://kubernetes.default.svc/version \
        --cacert /var/run/secrets/kubernetes.io/serviceaccount/ca.crt
      exit 7'
  echo "$output $stderr"
  [ "${lines[0]}" = 200 ]
  # PATH is the image's
  [[ ${lines[1]} == "a b=c, $(service_ip kubernetes default), /usr/bin:"* ]]
  [ "${lines[2]}" = 200 ]
}

@test "run --engine podman: its port is this machine's, exec gets in, TERM reaches it" {
  (contained -- --rm --name served "${LIMITS[@]}" kt.local/toolbox:1 sh -c \
    'trap "exit 9" TERM; busybox httpd -f -p 8099 & while :; do sleep 0.1; done') \
    >"$RUN/log" 2>&1 3>&- &
  local pid=$! rc=0
  eventually 60 laptop doc curl -s -o /dev/null http://127.0.0.1:8099/
  run -0 user_exec doc podman exec served sh -c 'kill -0 1 && cat /proc/1/cmdline | tr "\0" " "'
  [[ $output == *"busybox httpd"* ]]
  kill -TERM "$pid"
  wait "$pid" || rc=$?
  [ "$rc" = 9 ]
}

from_container() {
  [ "$(kc -n "$NS" exec toolbox -- curl -sS --max-time 5 http://web/)" = container ]
}

@test "run --engine podman --exchange: the Service's callers come to the container, and go home" {
  (contained web --exchange -- --rm "${LIMITS[@]}" kt.local/toolbox:1 sh -c \
    'mkdir /www; echo container >/www/index.html; exec busybox httpd -f -p 8080 -h /www') \
    >"$RUN/log" 2>&1 3>&- &
  local pid=$! rc=0
  eventually 60 from_container || {
    cat "$RUN/log" >&2
    false
  }
  kill -TERM "$pid"
  wait "$pid" || rc=$?
  [ "$rc" -ne 125 ] # of httpd, which TERM has ended
  [[ $(kc -n "$NS" exec toolbox -- curl -sS --max-time 5 http://web/) == web-* ]]
}

@test "run --engine docker: says what to do" {
  run -2 user_exec doc "$KTCTL" run --engine docker -- x
  [[ $output == *"sudo ktctl connect"* ]]
}

@test "docker: beside connect its containers reach the cluster by name and address" {
  local network ip
  connect_start doc
  ip=$(service_ip web "$NS")
  for network in bridge own; do
    docker_ run --rm "${LIMITS[@]}" --network "$network" kt.local/toolbox:1 sh -ec '
      curl -sS --max-time 10 -o /dev/null http://web/
      curl -sS --max-time 10 -o /dev/null "http://web.$1.svc.cluster.local/"
      curl -sS --max-time 10 -o /dev/null "http://$2/"
      [ "$(dig +short +time=3 www.corp.test)" = 10.77.0.80 ]
    ' - "$NS" "$ip"
  done
  connect_stop
}

# Nothing in its file is for us: its services have their network and their names
@test "docker-compose: beside connect a project's services reach the cluster and each other" {
  mkdir -p "$RUN/project"
  cat >"$RUN/project/compose.yaml" <<END
version: "3"
services:
  front:
    image: kt.local/toolbox:1
    ulimits: {nproc: 1024, nofile: 1024}
    depends_on: [back]
    command:
      - sh
      - -ec
      - |
        until curl -sf -o /dev/null --max-time 5 http://back:8080/; do sleep 0.2; done
        curl -sS --max-time 10 http://web/
        curl -sS --max-time 10 http://web.$NS.svc.cluster.local/
  back:
    image: kt.local/toolbox:1
    ulimits: {nproc: 1024, nofile: 1024}
    command: [sh, -c, "mkdir /www; echo hello >/www/index.html; exec busybox httpd -f -p 8080 -h /www"]
END
  connect_start doc
  run -0 laptop doc timeout 120 docker-compose -H "$(docker_socket)" -f "$RUN/project/compose.yaml" \
    up --no-color --exit-code-from front
  [ "$(grep -c '| web-' <<<"$output")" = 2 ]
  laptop doc docker-compose -H "$(docker_socket)" -f "$RUN/project/compose.yaml" down -t 1
  connect_stop
}

# within ENGINE FLAGS...: ktctl run in a container; it has what this machine has below
# /host, and no ktctl or nft of its own
within() {
  local engine=$1
  shift
  "$engine" run --rm "${LIMITS[@]}" "$@" -v /:/host:ro -e HOME=/tmp \
    -e KUBECONFIG="/host$home/.kube/config" kt.local/toolbox:1 sh -c '
    ld=$(ls /host/usr/lib/*-linux-gnu/ld-linux-*.so.? | head -n 1)
    exec timeout 60 "$ld" --library-path "${ld%/*}" "/host$1" run -n "$2" -i "$3" \
      --shareShadow -- curl -sS -o /dev/null -w "%{http_code}\n" --max-time 10 \
      http://web/' - "$KTCTL" "$NS" "$KTCTL_IMAGE"
}

podman_() {
  (user_exec doc podman "$@")
}

# worked: with one line that says which way
worked() {
  echo "$output"
  [ "${lines[-1]}" = 200 ]
  [[ $output == *"(--capture seccomp)"* ]]
}

@test "run in a container of Docker: default seccomp profile, and none" {
  chmod a+r "$home/.kube/config"
  run -0 within docker_ --user 1500
  worked
  run -0 within docker_ --user 1500 --security-opt seccomp=unconfined
  worked
  run -0 within docker_
  worked
}

@test "run in a container of rootless Podman: default seccomp profile, and none" {
  run -0 within podman_
  worked
  run -0 within podman_ --security-opt seccomp=unconfined
  worked
}
