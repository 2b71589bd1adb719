# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# node.sh: what each node has of its own: configuration files, images. Sourced by
# up and node2.

node_ready() {
  local path='{.status.conditions[?(@.type=="Ready")].status}'
  [ "$(kubectl get node "$NODE_NAME" -o "jsonpath=$path")" = True ]
}

# Put the flavour's configuration files into $ETC.
render() {
  local file name
  mkdir -p "$ETC" "$STATE/sbin"
  for file in "$FLAVOUR_DIR"/*.in; do
    name=${file##*/}
    sed -e "s|@STATE@|$STATE|g; s|@PKI@|$PKI|g; s|@CGROUP@|$CGROUP|g" \
      -e "s|@ETC@|$ETC|g; s|@KUBELET@|$KUBELET|g" \
      -e "s|@NODE_POD_CIDR@|$NODE_POD_CIDR|g; s|@NODE_POD_CIDR6@|$NODE_POD_CIDR6|g" \
      -e "s|@DNS_IP@|$DNS_IP|g; s|@NODE_NAME@|$NODE_NAME|g" \
      -e "s|@POD_CIDR@|$POD_CIDR|g; s|@POD_CIDR6@|$POD_CIDR6|g" \
      "$file" >"$ETC/${name%.in}"
  done
  echo "nameserver 127.0.0.53" >"$ETC/resolv.conf"
  # kube-proxy and the CNI plugins are to use the older iptables
  for name in iptables iptables-save iptables-restore \
    ip6tables ip6tables-save ip6tables-restore; do
    ln -sf /usr/sbin/xtables-legacy-multi "$STATE/sbin/$name"
  done
}

import_images() {
  local image
  wait_for 20 node_exec ctr --connect-timeout 1s version ||
    die "containerd does not answer, see $LOGS/containerd.log"
  for image in "$IMAGES"/*.tar; do
    node_exec ctr -n k8s.io images import "$image" >/dev/null
  done
}
