#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 60
# What `connect` says when it cannot: the object, the reason, what to do, an
# exit status that scripts see; and nothing is left, half-done or behind.
# shellcheck disable=SC2154 # status and output come from bats
# shellcheck disable=SC2016 # $HOME is the laptop's
# shellcheck disable=SC2030,SC2031 # each test has its own CONNECT_PID

setup_file() {
  load common
  kc -n "$NS" delete pods,deployments -l control-by=kt --wait=false \
    --grace-period=0 >/dev/null 2>&1 || true
  laptop carol sh -c 'rm -rf "$HOME/.kt"'
  snapshot carol "$BATS_FILE_TMPDIR/before"
  configs=$BATS_FILE_TMPDIR
  kc config view --raw --minify -o json >"$configs/good"
  # the unprivileged user of some tests reads it
  chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR"
  chmod 644 "$configs/good"
}

setup() {
  load common
  configs=$BATS_FILE_TMPDIR
}

# After every test: the machine is as before, and the cluster.
teardown() {
  connect_kill
  snapshot carol "$BATS_TEST_TMPDIR/after"
  same "$BATS_FILE_TMPDIR/before" "$BATS_TEST_TMPDIR/after"
  eventually 5 no_objects
}

# kubeconfig NAME JQ-FILTER: the good one, changed
kubeconfig() {
  jq "$2" "$configs/good" >"$configs/$1"
}

# connect_with KUBECONFIG FLAGS...: connect, to its end
connect_with() {
  local config=$1
  shift
  KUBECONFIG=$config ktctl_run carol connect -n "$NS" "$@"
}

# in_time SECONDS: the test has not taken longer (SECONDS is bash's)
in_time() {
  [ $((SECONDS - started)) -le "$1" ] ||
    { echo "took $((SECONDS - started)) s" >&2; return 1; }
}

@test "errors: not root: says sudo, or the proxy, which then works" {
  local nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups env
    "HOME=$BATS_TEST_TMPDIR/home" "KUBECONFIG=$configs/good")
  chmod 755 "$BATS_TEST_TMPDIR"
  mkdir -m 777 "$BATS_TEST_TMPDIR/home"
  run laptop carol "${nobody[@]}" "$KTCTL" connect -n "$NS"
  ended_with 1 "root" "hint:" "sudo ktctl" "--disableTunDevice"
  [ ! -e "$BATS_TEST_TMPDIR/home/.kt" ]

  laptop_exec carol "${nobody[@]}" "$KTCTL" connect -n "$NS" --disableTunDevice \
    --proxyPort 2299 >"$BATS_TEST_TMPDIR/log" 2>&1 3>&- &
  CONNECT_PID=$! CONNECT_LOG=$BATS_TEST_TMPDIR/log
  eventually 20 connect_ready
  laptop carol curl -sS --max-time 5 --socks5-hostname 127.0.0.1:2299 \
    "http://web.$NS" >/dev/null
  connect_stop
}

@test "errors: kubeconfig: none, damaged, unknown context" {
  run laptop carol env -u KUBECONFIG "$KTCTL" connect
  ended_with 1 "no kubeconfig" "hint:" "--kubeconfig" "sudo -E"
  connect_with /nowhere/config
  ended_with 1 "/nowhere/config"
  printf 'clusters:\n- name: [x\n' >"$configs/damaged"
  connect_with "$configs/damaged"
  ended_with 1 "$configs/damaged:"
  connect_with "$configs/good" --context nope
  ended_with 1 "nope" "known:" "hint:" "--context"
}

@test "errors: a HOME that is missing or read-only does not stop it" {
  local log=$BATS_TEST_TMPDIR/log home
  for home in /nowhere /proc; do
    laptop_exec carol env "HOME=$home" "KUBECONFIG=$configs/good" "$KTCTL" \
      connect -n "$NS" >"$log" 2>&1 3>&- &
    CONNECT_PID=$! CONNECT_LOG=$log
    eventually 30 connect_ready
    connect_stop
    [ "$(grep -c 'without a pid file' "$log")" -eq 1 ]
  done
  # the mode that writes a file remembers where, if it can
  laptop_exec carol env HOME=/nowhere "KUBECONFIG=$configs/good" "$KTCTL" \
    connect -n "$NS" --dnsMode hosts >"$log" 2>&1 3>&- &
  CONNECT_PID=$!
  eventually 30 connect_ready
  eventually 5 laptop carol grep -q "web.$NS" /etc/hosts
  connect_stop
  run laptop carol grep "web.$NS" /etc/hosts
  [ "$status" -eq 1 ]
  [ "$(grep -c 'write /nowhere/.kt/hosts.block' "$log")" -eq 1 ]
}

@test "errors: API server: refused, without route, without name, no API server" {
  local started=$SECONDS
  kubeconfig refused '.clusters[0].cluster.server = "https://127.0.0.1:1"'
  connect_with "$configs/refused"
  ended_with 1 "https://127.0.0.1:1 cannot be reached" "refused" "hint:" "VPN"
  in_time 5
  kubeconfig name \
    '.clusters[0].cluster.server = "https://nosuch.corp.test:6443"'
  connect_with "$configs/name"
  ended_with 1 "nosuch.corp.test" "cannot be reached" "hint:"
  kubeconfig web '.clusters[0].cluster.server = "http://10.77.0.80:8080"'
  connect_with "$configs/web"
  ended_with 1 "10.77.0.80:8080 does not answer like the API server" "hint:"
  in_time 10
}

@test "errors: API server: silent" {
  local started=$SECONDS silent
  laptop_exec carol timeout 40 nc -lk 127.0.0.1 7443 >/dev/null 2>&1 3>&- &
  silent=$!
  kubeconfig silent '.clusters[0].cluster.server = "https://127.0.0.1:7443"'
  connect_with "$configs/silent"
  kill $silent
  ended_with 1 "https://127.0.0.1:7443 cannot be reached" "hint:"
  [[ $output =~ timed\ out|timeout ]]
  in_time 25
}

@test "errors: certificate: unknown authority, another name, expired" {
  local dir=$BATS_TEST_TMPDIR pid
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -keyout "$dir/key" -out "$dir/ca" -days 1 -subj /CN=other 2>/dev/null
  kubeconfig authority ".clusters[0].cluster[\"certificate-authority-data\"] =
    \"$(base64 -w0 "$dir/ca")\""
  connect_with "$configs/authority"
  ended_with 1 "certificate" "unknown authority" "hint:" "certificate-authority"
  kubeconfig name '.clusters[0].cluster["tls-server-name"] = "x.test"'
  connect_with "$configs/name"
  ended_with 1 "certificate" "another name" "x.test" "tls-server-name"

  # a server whose certificate ended yesterday
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -keyout "$dir/server.key" -out "$dir/server.csr" -subj /CN=localhost \
    2>/dev/null
  touch "$dir/index"
  printf '%s\n' '[ca]' 'default_ca=d' '[d]' "database=$dir/index" \
    "new_certs_dir=$dir" 'default_md=sha256' 'policy=p' "rand_serial=yes" \
    '[p]' 'commonName=supplied' >"$dir/ca.conf"
  openssl ca -batch -config "$dir/ca.conf" -in "$dir/server.csr" \
    -cert "$dir/ca" -keyfile "$dir/key" -out "$dir/server.crt" \
    -startdate 20200101000000Z -enddate 20200102000000Z 2>/dev/null
  laptop_exec carol timeout 20 openssl s_server -accept 127.0.0.1:7444 -quiet \
    -cert "$dir/server.crt" -key "$dir/server.key" >/dev/null 2>&1 3>&- &
  pid=$!
  kubeconfig expired ".clusters[0].cluster = {
    server: \"https://127.0.0.1:7444\", \"tls-server-name\": \"localhost\",
    \"certificate-authority-data\": \"$(base64 -w0 "$dir/ca")\"}"
  sleep 0.3
  connect_with "$configs/expired"
  kill $pid
  ended_with 1 "has expired" "hint:" "clock"
}

@test "errors: credentials the server does not know (401)" {
  kubeconfig token '.users[0].user = {token: "very-secret-nonsense"}'
  connect_with "$configs/token" --debug
  ended_with 1 "Unauthorized" "hint:" "log in again"
  [[ $output != *very-secret* ]]
}

@test "errors: no permission (403): what is missing, and the Role that would do" {
  [ -n "${KUBECONFIG_DEV:-}" ] || skip "needs the test cluster's identities"
  connect_with "$KUBECONFIG_DEV"
  ended_with 1 'cannot create resource "pods"' "hint:" "'create' on 'pods'" \
    "kind: Role" "pods/portforward" "create rolebinding"
  # the text is usable as it is: an administrator pastes it, and connect works
  sed -n '/^kubectl/,$p' <<<"$output" >"$BATS_TEST_TMPDIR/paste"
  bash -e "$BATS_TEST_TMPDIR/paste"
  KUBECONFIG=$KUBECONFIG_DEV connect_start carol
  connect_stop
  kc -n "$NS" delete role,rolebinding --all >/dev/null
  # what a flag needs more
  connect_with "$KUBECONFIG_DEV" --useShadowDeployment
  ended_with 1 'cannot create resource "deployments"' "kind: Role" \
    "deployments"
}

@test "errors: the Pod: image, node, service account; --forceUpdate is seen" {
  local started=$SECONDS pod
  # it does not live long
  kubectl -n "$NS" get pods -l kt-role=shadow-connect -o json --watch \
    >"$BATS_TEST_TMPDIR/pods" 3>&- &
  local watch=$!
  connect_spawn carol --forceUpdate --image kt.test/nope:1
  status=0
  wait "$CONNECT_PID" || status=$?
  CONNECT_PID=
  output=$(cat "$CONNECT_LOG")
  eventually 10 test -s "$BATS_TEST_TMPDIR/pods"
  kill "$watch"
  pod=$(jq -n 'first(inputs | select(.spec.containers[0].image == "kt.test/nope:1"))' \
    "$BATS_TEST_TMPDIR/pods")
  ended_with 1 "image cannot be pulled" "kt.test/nope:1" "hint:" "--image"
  [ "$(jq -r '.spec.containers[0] | .imagePullPolicy, .image' \
    <<<"$pod" | xargs)" = "Always kt.test/nope:1" ]

  connect_with "$KUBECONFIG" --nodeSelector kt-test=nobody
  ended_with 1 "no node takes it" "nodes are available" "--nodeSelector"
  connect_with "$KUBECONFIG" --serviceAccount nobody
  ended_with 1 'serviceaccount "nobody" not found' "--serviceAccount"
  # all of that stopped long before --podCreationTimeout
  in_time 30
}

@test "errors: the namespace: missing, or without quota for one Pod more" {
  NS=kt-none ktctl_run carol connect -n kt-none
  ended_with 1 'namespaces "kt-none" not found' "hint:" "--namespace"
  eventually 30 kc create namespace "$NS-quota" # a former one may still end
  kc -n "$NS-quota" create quota none --hard=pods=0 >/dev/null
  sleep 0.5 # until the quota is counted
  ktctl_run carol connect -n "$NS-quota"
  ended_with 1 "exceeded quota: none" "hint:" "ResourceQuota"
  ktctl_run carol connect -n "$NS-quota" --useShadowDeployment
  ended_with 1 "no pod is made" "exceeded quota: none" "hint:" "ResourceQuota"
  eventually 5 no_objects "$NS-quota"
  kc delete namespace "$NS-quota" --wait=false >/dev/null
}

@test "errors: this machine: no TUN, no namespaces, port 53, proxy port" {
  # a view without /dev/net/tun; never remove the file: /dev is everybody's
  run laptop carol unshare -m sh -c \
    'mount -t tmpfs none /dev/net; exec "$@"' - "$KTCTL" connect -n "$NS"
  ended_with 1 "/dev/net/tun" "hint:" "modprobe tun" "--disableTunDevice"
  run laptop carol setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin \
    "$KTCTL" connect -n "$NS"
  ended_with 1 "hint:" "CAP_SYS_ADMIN" "--disableTunDevice"
  run laptop carol unshare -Ur "$KTCTL" connect -n "$NS"
  ended_with 1 "network namespace" "hint:" "--disableTunDevice"

  # somebody holds a table of the name we need
  (echo 'create table inet ktctl { flags owner; }' && exec sleep 30) 3>&- |
    laptop_exec carol nft -i >/dev/null 2>&1 3>&- &
  eventually 3 table_is_there
  ktctl_run carol connect -n "$NS"
  kill $!
  ended_with 1 "redirect port 53" "hint:" "--dnsMode hosts"
  eventually 3 table_is_gone

  laptop_exec carol timeout 20 nc -lk 127.0.0.1 2223 >/dev/null 2>&1 3>&- &
  sleep 0.3
  ktctl_run carol connect -n "$NS" --disableTunDevice
  kill $!
  ended_with 1 "127.0.0.1:2223" "in use" "hint:" "--proxyPort"
}

table_is_there() { laptop carol nft list ruleset | grep -q 'inet ktctl'; }
table_is_gone() { ! table_is_there; }

@test "errors: flags with wrong values, before anything is touched" {
  local value
  # a flag and its value in each line, then what must be said
  while IFS='|' read -r value text; do
    # shellcheck disable=SC2086 # two words
    KUBECONFIG=/nowhere ktctl_run carol connect $value
    ended_with 2 "$text" || { echo "for $value" >&2; return 1; }
  done <<'END'
--nope|unknown flag: --nope
--dnsCacheTtl x|--dnsCacheTtl: 'x'
--proxyPort 99999|--proxyPort: 99999
--podCreationTimeout 0|--podCreationTimeout: 0
--includeIps 10.0.0.0/33|--includeIps: '10.0.0.0/33'
--excludeIps 1.2.3|--excludeIps: '1.2.3'
--ingressIp x|--ingressIp: 'x'
--mode x|tun2socks, sshuttle
--carrier x|auto, spdy, spdy-websocket, websocket
--dnsMode podDNS|--dnsMode podDNS does not work with --mode tun2socks
--dnsMode localDNS:cluster,nope|'nope'
--dnsMode x|localDNS
--proxyAddr 0.0.0.0|needs --disableTunDevice
--nodeSelector x|--nodeSelector: 'x'
--podQuota 1.2.3c|--podQuota: '1.2.3c'
--ipVersion 5|--ipVersion: '5'
extra|takes no arguments
END
}
