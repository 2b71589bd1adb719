# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The other ways into a cluster: kubectl port-forward, and what people do with
# an sshd Pod behind one.

SSH_PORT=12222
SSH=(ssh -F none -p "$SSH_PORT" -o StrictHostKeyChecking=no -o LogLevel=ERROR
  -o UserKnownHostsFile=/dev/null -o ExitOnForwardFailure=yes)

# sshd_up: a Pod "sshd" with keys that are made for this run
sshd_up() {
  local dir=$RUN/ssh
  mkdir -p "$dir"
  "$BENCH/sshd-image" "$RUN/sshd.tar"
  "$CLUSTER/load-image" "$RUN/sshd.tar" >/dev/null
  ssh-keygen -q -t ed25519 -N '' -f "$dir/host"
  ssh-keygen -q -t ed25519 -N '' -f "$dir/id"
  sshd_down
  kc -n "$NS" create secret generic sshd --from-file="host=$dir/host" \
    --from-file="authorized=$dir/id.pub" >/dev/null
  kc -n "$NS" apply -f - >/dev/null <<'END'
apiVersion: v1
kind: Pod
metadata: {name: sshd, labels: {app: sshd}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: sshd
    image: kt.local/sshd:1
    imagePullPolicy: IfNotPresent
    args: [-D, -e, -f, /dev/null, -p, "2222", -h, /keys/host, -o, AuthorizedKeysFile=/keys/authorized,
      -o, StrictModes=no, -o, UsePAM=no, -o, PidFile=none, -o, GatewayPorts=yes,
      -o, MaxSessions=100]
    readinessProbe: {tcpSocket: {port: 2222}, periodSeconds: 1}
    volumeMounts: [{name: keys, mountPath: /keys}]
  volumes: [{name: keys, secret: {secretName: sshd, defaultMode: 0400}}]
END
  kc -n "$NS" wait --for=condition=Ready --timeout=60s pod/sshd >/dev/null
  SSH+=(-i "$dir/id")
}

sshd_down() {
  kc -n "$NS" delete pod/sshd secret/sshd --ignore-not-found --wait=true \
    >/dev/null 2>&1
}

# forward_start LAPTOP POD PORT:PORT...
forward_start() {
  local name=$1 pod=$2
  shift 2
  way_start "$name" kubectl -n "$NS" port-forward --address 127.0.0.1 \
    "pod/$pod" "$@"
}

# peer_start LAPTOP: the way that the program BENCH_PEER makes, if there is one:
# it leads 127.0.0.1:18080 and 17004 of the laptop to port 8080 and 7004 of the Pod
# BENCH_POD, address BENCH_POD_IP, in the namespace BENCH_NS of KUBECONFIG, stays
# in the foreground, and ends with SIGTERM
peer_start() {
  way_start "$1" env "BENCH_POD=$WEB_POD" "BENCH_POD_IP=$POD" "BENCH_NS=$NS" \
    "$BENCH_PEER"
}

# over_sshd LAPTOP CMD...: CMD as soon as a port-forward to sshd is there
over_sshd() {
  local name=$1
  shift
  # shellcheck disable=SC2016 # expanded by the inner shell
  way_start "$name" sh -c 'kubectl -n "$0" port-forward pod/sshd "$1" |
    { read -r line; shift; exec "$@"; }' "$NS" "$SSH_PORT:2222" "$@"
}

# ssh_start LAPTOP FORWARDING...: -L or -R and what follows
ssh_start() {
  local name=$1
  shift
  over_sshd "$name" "${SSH[@]}" -N "$@" root@127.0.0.1
}

# sshuttle wants the port with the host
sshuttle_start() { # LAPTOP RANGE
  over_sshd "$1" sshuttle --method nft -r "root@127.0.0.1:$SSH_PORT" \
    -e "ssh -F none -o StrictHostKeyChecking=no -o LogLevel=ERROR \
-o UserKnownHostsFile=/dev/null -i $RUN/ssh/id" "$2"
}
