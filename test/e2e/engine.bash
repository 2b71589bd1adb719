# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Container engines on a laptop, with what they need of their own: the image of the
# fixture's toolbox, storage below $RUN or in a home. After common.bash.

toolbox_archive() {
  find "${KTCTL_CACHE:-/var/cache/ktctl-test}/images" -name toolbox.tar -print -quit
}

# engine_user LAPTOP: a user 1600 with subordinate ids and rootless Podman there
engine_user() {
  local name=$1 home
  home=$(mktemp -d /tmp/ktctl-engine.XXXXXX)
  echo "$home" >"$RUN/home"
  mkdir -p "$home/bin" "$home/.kube" "$home/.config/containers"
  cp "$KUBECONFIG" "$home/.kube/config"
  cp "$(toolbox_archive)" "$home/toolbox.tar"
  # the engine's default may be more than this machine allows
  cat >"$home/.config/containers/containers.conf" <<END
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
END
  # one that is told not to look at what the machine has of its own
  cat >"$home/bin/podman" <<END
#!/bin/sh
exec /usr/bin/podman --storage-driver vfs --runtime $(command -v runc) \
  --cgroup-manager cgroupfs --events-backend none --log-level error "\$@"
END
  chmod -R a+rX "$home"
  chmod 755 "$home/bin/podman"
  chown -R 1600:1600 "$home"
  # shellcheck disable=SC2016 # a shell there
  laptop "$name" sh -ec '
    echo "dev:x:1600:1600::$1:/bin/bash" >>/etc/passwd
    echo "dev:x:1600:" >>/etc/group
    echo dev:200000:65536 | tee /etc/subuid >/etc/subgid
    install -d -m 700 -o 1600 -g 1600 /run/user/1600' - "$home"
  (user_exec "$name" podman load -q -i "$home/toolbox.tar") >&2
}

# user_exec LAPTOP CMD...: as that user, in place of this shell
user_exec() {
  local name=$1 home
  shift
  home=$(<"$RUN/home")
  laptop_exec "$name" env -u KUBECONFIG HOME="$home" XDG_RUNTIME_DIR=/run/user/1600 \
    PATH="$home/bin:$PATH" setpriv --reuid 1600 --regid 1600 --clear-groups "$@" 3>&-
}

# engine_docker LAPTOP: a daemon of its own, docker_socket names it
engine_docker() {
  laptop_exec "$1" dockerd --data-root "$RUN/docker" --exec-root "$RUN/docker.exec" \
    --pidfile "$RUN/docker.pid" -H "$(docker_socket)" --storage-driver vfs \
    --default-ulimit nofile=1024:1024 --default-ulimit nproc=1024:1024 \
    --exec-opt native.cgroupdriver=cgroupfs >"$RUN/docker.log" 2>&1 3>&- &
  eventually 30 grep -q 'API listen' "$RUN/docker.log" || {
    cat "$RUN/docker.log" >&2
    return 1
  }
  laptop "$1" docker -H "$(docker_socket)" load -q -i "$(toolbox_archive)" >&2
}

docker_socket() {
  echo "unix://$RUN/docker.sock"
}

# engine_down LAPTOP: both, and the laptop
engine_down() {
  [ ! -f "$RUN/home" ] || (user_exec "$1" podman system migrate) >&2 || true
  [ ! -f "$RUN/docker.pid" ] || kill "$(<"$RUN/docker.pid")" || true
  eventually 15 sh -c "! test -f '$RUN/docker.pid'" || true
  "$CLUSTER/laptop" --down "$1$LANE"
  [ ! -f "$RUN/home" ] || rm -rf "$(<"$RUN/home")"
}
