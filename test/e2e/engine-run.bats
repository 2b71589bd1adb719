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

LIMITS=(--ulimit nofile=1024:1024 --ulimit nproc=1024:1024)

setup_file() {
  local archive home
  # shellcheck source=test/e2e/common.bash
  . "$BATS_TEST_DIRNAME/common.bash"
  skip_on_foreign "engines in a namespace of their own"
  archive=$(find "${KTCTL_CACHE:-/var/cache/ktctl-test}/images" \
    -name toolbox.tar -print -quit)
  home=$(mktemp -d /tmp/ktctl-engine.XXXXXX)
  echo "$home" >"$RUN/home"
  mkdir "$home/bin" "$home/.kube"
  cp "$KUBECONFIG" "$home/.kube/config"
  cp "$archive" "$home/toolbox.tar"
  # one that is told not to look at what the machine has of its own
  cat >"$home/bin/podman" <<END
#!/bin/sh
exec /usr/bin/podman --storage-driver vfs --runtime $(command -v runc) \
  --cgroup-manager cgroupfs --events-backend none --log-level error "\$@"
END
  chmod -R a+rX "$home"
  chmod 755 "$home/bin/podman"
  chown -R 1600:1600 "$home"
  laptop doc sh -ec '
    echo "dev:x:1600:1600::$1:/bin/bash" >>/etc/passwd
    echo "dev:x:1600:" >>/etc/group
    echo dev:200000:65536 | tee /etc/subuid >/etc/subgid
    install -d -m 700 -o 1600 -g 1600 /run/user/1600' - "$home"
  (user_exec podman load -q -i "$home/toolbox.tar") >&2
  laptop_exec doc dockerd --data-root "$RUN/docker" --exec-root "$RUN/docker.exec" \
    --pidfile "$RUN/docker.pid" -H "unix://$RUN/docker.sock" --storage-driver vfs \
    --exec-opt native.cgroupdriver=cgroupfs >"$RUN/docker.log" 2>&1 3>&- &
  eventually 30 grep -q 'API listen' "$RUN/docker.log" || {
    cat "$RUN/docker.log" >&2
    return 1
  }
  docker_ load -q -i "$archive" >&2
  docker_ network create own >&2
}

teardown_file() {
  # shellcheck source=test/e2e/common.bash
  . "$BATS_TEST_DIRNAME/common.bash"
  [ ! -f "$RUN/home" ] || (user_exec podman system migrate) >&2 || true
  [ ! -f "$RUN/docker.pid" ] || kill "$(<"$RUN/docker.pid")" || true
  eventually 15 sh -c "! test -f '$RUN/docker.pid'" || true
  "$CLUSTER/laptop" --down "doc$LANE"
  [ ! -f "$RUN/home" ] || rm -rf "$(<"$RUN/home")"
}

setup() {
  skip_on_foreign "engines in a namespace of their own"
  home=$(<"$RUN/home")
}

teardown() {
  connect_kill
}

# user_exec CMD...: as a user with a range of subordinate ids, in place of this shell
user_exec() {
  local home
  home=$(<"$RUN/home")
  laptop_exec doc env -u KUBECONFIG HOME="$home" XDG_RUNTIME_DIR=/run/user/1600 \
    PATH="$home/bin:$PATH" setpriv --reuid 1600 --regid 1600 --clear-groups "$@" 3>&-
}

docker_() {
  laptop doc docker -H "unix://$RUN/docker.sock" "$@"
}

# contained FLAGS... -- ARGS...: ktctl run with a container as the program
contained() {
  user_exec timeout --foreground -k 5 100 "$KTCTL" run -n "$NS" -i "$KTCTL_IMAGE" \
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
  run -0 user_exec podman exec served sh -c 'kill -0 1 && cat /proc/1/cmdline | tr "\0" " "'
  [[ $output == *"busybox httpd"* ]]
  kill -TERM "$pid"
  wait "$pid" || rc=$?
  [ "$rc" = 9 ]
}

@test "run --engine docker: says what to do" {
  run -2 user_exec "$KTCTL" run --engine docker -- x
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
  run -0 laptop doc timeout 120 docker-compose -H "unix://$RUN/docker.sock" -f "$RUN/project/compose.yaml" \
    up --no-color --exit-code-from front
  [ "$(grep -c '| web-' <<<"$output")" = 2 ]
  laptop doc docker-compose -H "unix://$RUN/docker.sock" -f "$RUN/project/compose.yaml" down -t 1
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
  (user_exec podman "$@")
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
