# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# pki.sh: certificates and kubeconfig files of the cluster. Sourced by up.

make_pki() {
  [ ! -f "$PKI/done" ] || return 0
  rm -rf "$PKI"
  mkdir "$PKI"
  chmod 700 "$PKI"
  local names ips
  names=DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc
  names=$names,DNS:kubernetes.default.svc.cluster.local,DNS:localhost
  names=$names,DNS:api.corp.test
  ips=IP:127.0.0.1,IP:$NODE_IP,IP:10.96.0.1
  make_ca
  certificate apiserver /CN=kube-apiserver serverAuth "$names,$ips"
  certificate apiserver-kubelet-client \
    /O=system:masters/CN=apiserver-kubelet-client clientAuth
  certificate front-proxy-client /CN=front-proxy-client clientAuth
  certificate kubelet "/O=system:nodes/CN=system:node:$NODE_NAME" \
    clientAuth,serverAuth "DNS:$NODE_NAME,IP:$NODE_IP"
  # one identity for all controllers: with one ServiceAccount each, getting
  # their tokens takes 5 s at every start
  certificate controller-manager \
    /O=system:masters/CN=system:kube-controller-manager clientAuth
  certificate scheduler /CN=system:kube-scheduler clientAuth
  certificate kube-proxy /CN=system:kube-proxy clientAuth
  certificate admin /O=system:masters/CN=kubernetes-admin clientAuth
  # developers: known to the cluster, but without any right until a test
  # binds a Role to them
  certificate dev /O=developers/CN=dev clientAuth
  certificate dev2 /O=developers/CN=dev2 clientAuth
  openssl genrsa -out "$PKI/sa.key" 2048 2>/dev/null
  openssl rsa -in "$PKI/sa.key" -pubout -out "$PKI/sa.pub" 2>/dev/null

  local user
  for user in controller-manager scheduler kubelet kube-proxy; do
    kubeconfig "$PKI/$user.kubeconfig" "$user" "$(certificate_user "$user")"
  done
  kubeconfig "$STATE/kubeconfig" admin "$(certificate_user admin)"
  kubeconfig "$STATE/kubeconfig.dev" dev "$(certificate_user dev)"
  kubeconfig "$STATE/kubeconfig.dev2" dev2 "$(certificate_user dev2)"
  touch "$PKI/done"
}

# elliptic curves: an RSA key takes a hundred times longer to make
make_key() {
  openssl ecparam -name prime256v1 -genkey -noout -out "$PKI/$1.key"
}

make_ca() {
  make_key ca
  openssl req -x509 -new -key "$PKI/ca.key" -subj "/CN=ktctl-test-$ID" \
    -days 3650 -out "$PKI/ca.crt" \
    -addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature
}

# certificate NAME SUBJECT USAGE [ALTERNATIVE-NAMES]
certificate() {
  local name=$1 extensions
  extensions="keyUsage=critical,digitalSignature,keyEncipherment
extendedKeyUsage=$3"
  [ -z "${4:-}" ] || extensions="$extensions
subjectAltName=$4"
  make_key "$name"
  openssl req -new -key "$PKI/$name.key" -subj "$2" |
    openssl x509 -req -CA "$PKI/ca.crt" -CAkey "$PKI/ca.key" \
      -CAserial "$PKI/ca.srl" -CAcreateserial -days 3650 \
      -extfile <(echo "$extensions") -out "$PKI/$name.crt" 2>/dev/null
}

# of the second node, when there is to be one
make_pki2() {
  [ ! -f "$PKI/$KUBELET.kubeconfig" ] || return 0
  certificate "$KUBELET" "/O=system:nodes/CN=system:node:$NODE_NAME" \
    clientAuth,serverAuth "DNS:$NODE_NAME,IP:$NODE_IP"
  kubeconfig "$PKI/$KUBELET.kubeconfig" kubelet "$(certificate_user "$KUBELET")"
}

certificate_user() {
  printf 'client-certificate-data: %s, client-key-data: %s' \
    "$(base64 -w0 "$PKI/$1.crt")" "$(base64 -w0 "$PKI/$1.key")"
}

# kubeconfig FILE USER CREDENTIALS
kubeconfig() {
  (
    umask 077
    cat >"$1" <<END
apiVersion: v1
kind: Config
clusters:
- name: ktctl-test
  cluster: {server: "$API", certificate-authority-data: $(base64 -w0 "$PKI/ca.crt")}
users:
- name: $2
  user: {$3}
contexts:
- name: ktctl-test
  context: {cluster: ktctl-test, user: $2, namespace: default}
current-context: ktctl-test
END
  )
}

# A ServiceAccount with a token, as a CI job has; also without any right.
make_token_kubeconfig() {
  local token
  kubectl get serviceaccount ktctl-token >/dev/null 2>&1 ||
    kubectl create serviceaccount ktctl-token >/dev/null
  token=$(echo '{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest",
    "spec":{"expirationSeconds":864000}}' |
    kubectl create -f - --raw \
      /api/v1/namespaces/default/serviceaccounts/ktctl-token/token |
    sed 's/.*"token":"\([^"]*\)".*/\1/')
  kubeconfig "$STATE/kubeconfig.token" ktctl-token "token: $token"
}
