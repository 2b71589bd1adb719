#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 30
# run WORKLOAD --inPod: the Pod's volumes, read through FUSE. Laptop: vera.
# shellcheck disable=SC2016,SC2154 # a shell inside; others come from bats

bats_require_minimum_version 1.5.0
load common

sweep() {
  kc -n "$NS" delete pod/volumes pvc/volumes configmap/volumes --ignore-not-found --wait=false \
    --grace-period=0 --force >&2 2>/dev/null || true
  kc delete "pv/volumes-$NS" --ignore-not-found --wait=false >&2 2>/dev/null || true
}

# the main container's user may read what is its own; the claim's files are on the node
objects() {
  jq -n --arg ns "$NS" '
  {apiVersion: "v1", kind: "List", items: [
   {apiVersion: "v1", kind: "PersistentVolume", metadata: {name: ("volumes-" + $ns)},
    spec: {capacity: {storage: "1Gi"}, accessModes: ["ReadWriteMany"], storageClassName: "",
     claimRef: {namespace: $ns, name: "volumes"},
     hostPath: {path: ("/var/lib/ktctl-volumes-" + $ns), type: "DirectoryOrCreate"}}},
   {apiVersion: "v1", kind: "PersistentVolumeClaim", metadata: {name: "volumes", namespace: $ns},
    spec: {accessModes: ["ReadWriteMany"], storageClassName: "", volumeName: ("volumes-" + $ns),
     resources: {requests: {storage: "1Gi"}}}},
   {apiVersion: "v1", kind: "ConfigMap", metadata: {name: "volumes", namespace: $ns},
    data: {key: "of the map\n"}},
   {apiVersion: "v1", kind: "Pod", metadata: {name: "volumes", namespace: $ns},
    spec: {terminationGracePeriodSeconds: 0, automountServiceAccountToken: false,
     initContainers: [{name: "fill", image: "kt.local/toolbox:1", imagePullPolicy: "IfNotPresent",
      command: ["sh", "-c", "rm -rf /data/* && mkdir -p /data/sub/deep /data/conf && echo sub >/data/sub/file && chmod 777 /data && chown 4000 /data/sub /data/sub/*"],
      volumeMounts: [{name: "data", mountPath: "/data"}]}],
     containers: [{name: "main", image: "kt.local/toolbox:1", imagePullPolicy: "IfNotPresent",
      command: ["sleep", "1000000"], securityContext: {runAsUser: 4000},
      volumeMounts: [{name: "data", mountPath: "/srv/data"},
       {name: "map", mountPath: "/srv/data/conf"},
       {name: "data", mountPath: "/srv/one", subPath: "sub/file"},
       {name: "data", mountPath: "/volume", subPath: "sub"},
       {name: "cache", mountPath: "/var/cache/volumes"}]}],
     volumes: [{name: "data", persistentVolumeClaim: {claimName: "volumes"}},
      {name: "map", configMap: {name: "volumes"}}, {name: "cache", emptyDir: {}}]}}]}'
}

in_pod() {
  kc -n "$NS" exec volumes -c main -- "$@"
}

# all that is to be equal: kind, mode, size, time, where a link leads, content
state='cd /srv/data && find . -path ./conf -prune -o -exec stat -c "%A %s %Y %n" {} + | sort
  readlink link; readlink abs; find . -path ./conf -prune -o -type f -size +0 -exec sha256sum {} + | sort'

setup_file() {
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || skip "a user of a laptop"
  sweep
  kc -n "$NS" wait --for=delete --timeout=30s pod/volumes pvc/volumes >&2 2>/dev/null || true
  kc wait --for=delete --timeout=30s "pv/volumes-$NS" >&2 2>/dev/null || true
  home=$(mktemp -d /tmp/ktctl-volumes.XXXXXX) # where another user may go
  echo "$home" >"$RUN/home"
  cp "$KUBECONFIG" "$home/config"
  mkdir "$home/dev"
  # as udev has it, and on this laptop only: its mount namespace is its own
  mknod -m 666 "$home/dev/fuse" c 10 229
  chmod 755 "$home"
  chown -R 1500:1500 "$home"
  laptop vera mount --bind "$home/dev/fuse" /dev/fuse
  objects | kc create -f - >&2
  kc -n "$NS" wait --for=condition=Ready --timeout=60s pod/volumes >&2
  in_pod sh -c 'cd /srv/data && head -c "$0" /dev/urandom >big && ln -s big link &&
    ln -s /etc/hostname abs && ln big sub/hard && mkfifo fifo && chmod 600 sub/hard &&
    mkdir many && cd many && seq "$1" | sed "s/^/f/" | xargs touch &&
    echo of the Pod >/var/cache/volumes/was' "$(long_or 1000000000 20000000)" \
    "$(long_or 10000 1000)"
}

setup() {
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || skip "a user of a laptop"
  home=$(<"$RUN/home")
}

teardown() {
  [ -z "${RUN_PID:-}" ] || { kill -KILL "$RUN_PID" && wait "$RUN_PID"; } 2>/dev/null || true
}

teardown_file() {
  [ -f "$RUN/home" ] || return 0
  laptop vera umount /dev/fuse || true
  sweep
  "$CLUSTER/node-exec" rm -rf "/var/lib/ktctl-volumes-$NS" || true
  rm -rf "$(<"$RUN/home")"
}

user_exec() {
  laptop_exec vera env HOME="$home" KUBECONFIG="$home/config" setpriv --reuid 1500 --regid 1500 \
    --clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs "$@" 3>&-
}

run_in() {
  (user_exec timeout -k 5 90 "$KTCTL" run -n "$NS" -i "$KTCTL_IMAGE" pod/volumes "$@")
}

@test "run --inPod: the volumes are as in the Pod, read-only, and follow it" {
  in_pod sh -c "$state" >"$RUN/wanted"
  [ "$(wc -l <"$RUN/wanted")" -gt 1000 ]
  : >"$RUN/log"
  user_exec timeout -k 5 90 "$KTCTL" run -n "$NS" -i "$KTCTL_IMAGE" pod/volumes --inPod -- sh -c '
    (eval "$0") >"$HOME/got"
    cat /srv/one /volume/file /srv/data/conf/key /var/cache/volumes/was
    touch /srv/data/new
    echo mine >/var/cache/volumes/new && cat /var/cache/volumes/new
    exec 5</srv/data/sub/file
    echo ready
    read -r line <"$HOME/go" && cat /srv/data/sub/file <&5 && cat <&5
    stat -c %u /srv/data/many
    touch /srv/data/many/f1 2>/dev/null || echo refused' "$state" >"$RUN/log" 2>&1 3>&- &
  RUN_PID=$!
  mkfifo -m 666 "$home/go"
  eventually 60 grep -q '^ready' "$RUN/log"
  same "$RUN/wanted" "$home/got"
  # another content in the place of one that is known, at once
  in_pod sh -c 'echo another one >/srv/data/sub/.file && mv /srv/data/sub/.file /srv/data/sub/file'
  sleep 1.2
  echo >"$home/go"
  wait "$RUN_PID"
  RUN_PID=
  grep -v '^touch:' "$RUN/log" >"$RUN/got"
  printf '%s\n' sub sub 'of the map' 'of the Pod' mine ready 'another one' sub 1500 refused >"$RUN/wanted"
  same "$RUN/wanted" "$RUN/got"
  grep -q "'/srv/data/new'.*Read-only file system" "$RUN/log"
  # what it wrote has not reached the Pod
  [ "$(in_pod ls /var/cache/volumes)" = was ]
}

@test "run --inPod --write: what is written into a volume stays here" {
  run -0 --separate-stderr run_in --inPod --write -- sh -c '
    echo new >/srv/data/new && echo more >>/srv/data/sub/file && rm /srv/data/many/f1
    cat /srv/data/new; tail -n 1 /srv/data/sub/file; ls /srv/data/many/f1 2>/dev/null || echo gone'
  [ "$output" = $'new\nmore\ngone' ]
  [ "$(in_pod sh -c 'ls /srv/data/new 2>/dev/null; ls /srv/data/many/f1; grep -c more /srv/data/sub/file')" = \
    $'/srv/data/many/f1\n0' ]
}

# the shadow's processes in the Pod
guest_pids() {
  local id pid
  id=$(kc -n "$NS" get pod volumes -o json | jq -r '[.status.ephemeralContainerStatuses[] |
    select(.state.running)] | max_by(.state.running.startedAt).containerID' | sed 's,.*//,,')
  for pid in $(pgrep -x shadow); do
    ! grep -q "$id" "/proc/$pid/cgroup" || echo "$pid"
  done
}

@test "run --inPod: who reads while the tunnel stands still can be killed; after kill -9 of ktctl it is an error" {
  local pids
  : >"$RUN/log"
  rm -f "$home"/{go,killed,end}
  user_exec "$KTCTL" run -n "$NS" -i "$KTCTL_IMAGE" pod/volumes --inPod --onLost keep -- sh -c '
    echo up
    until [ -e "$HOME/go" ]; do sleep 0.2; done
    (exec sha256sum /srv/data/big >"$HOME/sum") & a=$!
    (exec ls /srv/data/many) & b=$!
    (exec cat /srv/data/sub/file) & c=$!
    sleep 1
    kill -KILL $b; kill -TERM $c
    wait $b; echo $?; wait $c; echo $?
    touch "$HOME/killed"
    wait $a
    until [ -e "$HOME/end" ]; do sleep 0.2; done
    sleep 1.2
    cat /srv/data/sub/file
    echo over' >"$RUN/log" 2>&1 3>&- &
  RUN_PID=$!
  eventually 60 grep -q '^up' "$RUN/log"
  mapfile -t pids < <(guest_pids)
  kill -STOP "${pids[@]}"
  touch "$home/go"
  eventually 20 test -e "$home/killed" || { kill -CONT "${pids[@]}"; false; }
  [ ! -s "$home/sum" ]
  kill -CONT "${pids[@]}"
  # the one that was not killed has got all of it
  eventually 30 test -s "$home/sum"
  [ "$(cut -d' ' -f1 "$home/sum")" = "$(in_pod sha256sum /srv/data/big | cut -d' ' -f1)" ]
  kill -KILL "$RUN_PID"
  wait "$RUN_PID" || true
  RUN_PID=
  touch "$home/end"
  eventually 10 grep -q '^over' "$RUN/log"
  grep -v ' warning: \| info: \|^Killed\|^Terminated' "$RUN/log" >"$RUN/got"
  printf '%s\n' up 137 143 'cat: /srv/data/sub/file: Transport endpoint is not connected' over >"$RUN/wanted"
  same "$RUN/wanted" "$RUN/got"
}

@test "run --inPod: without /dev/fuse, and without --inPod, a warning says what is not there, and the rest is" {
  laptop vera chmod 600 /dev/fuse
  laptop vera chown 0:0 /dev/fuse
  run run_in --inPod -- cat /srv/data/conf/key
  laptop vera chmod 666 /dev/fuse
  [ "$status" = 0 ]
  [[ $output == *"/srv/data of the Pod is not there: volume data is a PersistentVolumeClaim"*"open /dev/fuse: Permission denied (everybody may open it as udev has it: sudo chmod 666 /dev/fuse)"*"of the map" ]]
  run -0 run_in -- cat /srv/data/conf/key
  [[ $output == *"a PersistentVolumeClaim: its data are in the cluster; --inPod lets them be read"*"of the map" ]]
}
