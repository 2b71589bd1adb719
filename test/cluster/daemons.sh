# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# daemons.sh: the node's programs with their options; what only one version
# wants is in its flavours/*/options.sh. Sourced by up and daemon.

# shellcheck source=test/cluster/flavours/1.20/options.sh
. "$FLAVOUR_DIR/options.sh"

# shellcheck disable=SC2034 # for those who source this
DAEMONS=(etcd containerd kube-apiserver kube-controller-manager
  kube-scheduler kubelet kube-proxy)

# running NAME: daemons are children of the node's process 1
running() {
  pgrep -P "$(node_pid)" -x "${1:0:15}" >/dev/null
}

# start NAME CMD...: start a daemon of the node, detached
start() {
  local name=$1
  shift
  # shellcheck disable=SC2016 # expanded by the inner shell
  (
    close_inherited
    node_exec bash -c 'cd / && exec setsid -f "$@" </dev/null >>"$0" 2>&1' \
      "$LOGS/$name.log" "$@"
  )
}

# The machine has 128 instances of inotify for one user, and these two would take
# eleven to watch files that never change: seven clusters side by side, and a
# kubelet, which cannot do without, finds none. With none of their own (a user
# namespace may say so) they look at the files now and then.
# shellcheck disable=SC2016 # expanded by the inner shell
readonly NO_INOTIFY=(unshare --user --map-root-user sh -c
  'echo 0 >/proc/sys/user/max_inotify_instances; exec "$0" "$@"')

start_etcd() {
  start etcd etcd --data-dir="$NODE_DIR/etcd" --logger=zap \
    --log-outputs=stderr \
    --listen-client-urls=http://127.0.0.1:2379 \
    --advertise-client-urls=http://127.0.0.1:2379 \
    --listen-peer-urls=http://127.0.0.1:2380 \
    --initial-advertise-peer-urls=http://127.0.0.1:2380 \
    --initial-cluster=default=http://127.0.0.1:2380 \
    --heartbeat-interval=500 --election-timeout=2500
}

start_containerd() {
  start containerd containerd --config "$ETC/containerd.toml"
}

start_apiserver() {
  local issuer=https://kubernetes.default.svc.cluster.local
  start kube-apiserver "${NO_INOTIFY[@]}" kube-apiserver \
    --etcd-servers=http://127.0.0.1:2379 --storage-backend=etcd3 \
    --bind-address=0.0.0.0 --secure-port=6443 \
    --advertise-address="$NODE_IP" --allow-privileged=true \
    --authorization-mode=Node,RBAC \
    --enable-admission-plugins=NodeRestriction \
    --client-ca-file="$PKI/ca.crt" \
    --tls-cert-file="$PKI/apiserver.crt" \
    --tls-private-key-file="$PKI/apiserver.key" \
    --kubelet-client-certificate="$PKI/apiserver-kubelet-client.crt" \
    --kubelet-client-key="$PKI/apiserver-kubelet-client.key" \
    --kubelet-certificate-authority="$PKI/ca.crt" \
    --kubelet-preferred-address-types=InternalIP \
    --service-account-issuer=$issuer --api-audiences=$issuer \
    --service-account-signing-key-file="$PKI/sa.key" \
    --service-account-key-file="$PKI/sa.pub" \
    --service-cluster-ip-range="$SERVICE_CIDR,$SERVICE_CIDR6" \
    --requestheader-client-ca-file="$PKI/ca.crt" \
    --requestheader-allowed-names=front-proxy-client \
    --requestheader-extra-headers-prefix=X-Remote-Extra- \
    --requestheader-group-headers=X-Remote-Group \
    --requestheader-username-headers=X-Remote-User \
    --proxy-client-cert-file="$PKI/front-proxy-client.crt" \
    --proxy-client-key-file="$PKI/front-proxy-client.key" \
    --profiling=false --v=1 "${APISERVER_OPTIONS[@]}"
}

start_controller_manager() {
  local config=$PKI/controller-manager.kubeconfig
  # node CIDRs: their controller would sleep 10 s first and hold up the others
  start kube-controller-manager "${NO_INOTIFY[@]}" kube-controller-manager \
    --kubeconfig="$config" --authentication-kubeconfig="$config" \
    --authorization-kubeconfig="$config" \
    --bind-address=127.0.0.1 --leader-elect=false \
    --allocate-node-cidrs=false --cluster-name=ktctl-test \
    --service-cluster-ip-range="$SERVICE_CIDR,$SERVICE_CIDR6" \
    --root-ca-file="$PKI/ca.crt" \
    --service-account-private-key-file="$PKI/sa.key" \
    --cluster-signing-cert-file="$PKI/ca.crt" \
    --cluster-signing-key-file="$PKI/ca.key" --v=1 \
    "${CONTROLLER_MANAGER_OPTIONS[@]}"
}

start_scheduler() {
  local config=$PKI/scheduler.kubeconfig
  start kube-scheduler kube-scheduler \
    --kubeconfig="$config" --authentication-kubeconfig="$config" \
    --authorization-kubeconfig="$config" \
    --bind-address=127.0.0.1 --leader-elect=false --v=1 \
    "${SCHEDULER_OPTIONS[@]}"
}

# the AWS variables spare the old one a search for a cloud's metadata server
start_kubelet() {
  start kubelet env AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x \
    kubelet --config="$ETC/kubelet.yaml" \
    --kubeconfig="$PKI/$KUBELET.kubeconfig" --register-node=true \
    --node-ip="$NODE_IP" --hostname-override="$NODE_NAME" --v=2 \
    "${KUBELET_OPTIONS[@]}"
}

start_proxy() {
  start kube-proxy kube-proxy --config="$ETC/kube-proxy.yaml" --v=1
}
