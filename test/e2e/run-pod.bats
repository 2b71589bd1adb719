#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 60
# run WORKLOAD: the program has a Pod's environment and files; env-file prints the
# former. Laptop: gina.
# shellcheck disable=SC2016,SC2154 # a shell inside; others come from bats

bats_require_minimum_version 1.5.0
load common

# What stays this machine's, as grep -E has it
LOCAL='^(PATH|HOME|USER|SHELL|PWD|TERM|LANG|TMPDIR|SSH_[^=]*|XDG_[^=]*|DISPLAY)='

sweep() {
  kc -n "$NS" delete pods,configmaps -l control-by=kt --ignore-not-found --wait=false >&2
  kc -n "$NS" delete pod/hostile pod/plain pod/files pod/grouped configmap/hostile secret/hostile service/hostile \
    rolebinding/run-noexec role/run-noexec serviceaccount/run-noexec \
    rolebinding/run-role role/ktctl-run role/ktctl-env-file serviceaccount/run-role \
    --ignore-not-found --wait=false --grace-period=0 --force >&2 2>/dev/null || true
}

# objects: variables of every kind, with what hurts; one of 128 KiB
objects() {
  local big
  big=$(head -c 131000 /dev/zero | tr '\0' x)
  jq -n --arg ns "$NS" --rawfile big <(printf %s "$big") '
  def meta(n): {name: n, namespace: $ns};
  def envs: [
    {name: "PLAIN", value: "a"},
    {name: "EMPTY", value: ""},
    {name: "LINES", value: "one\ntwo\n\n  three=3\n"},
    {name: "EQUALS", value: "=a=b=="},
    {name: "UTF8", value: "häßlich €\u00a0😀"},
    {name: "QUOTES", value: "it'"'"'s \"so\" `x` $HOME \\ !"},
    {name: "CONTROL", value: "\u001b[31m\t\r\u0001"},
    {name: "EXPANDED", value: "$(PLAIN)-$(FROM_A)-$$(PLAIN)-$(NOBODY)-$(KUBERNETES_SERVICE_PORT)-$(LATER)"},
    {name: "LATER", value: "x"},
    {name: "HOME", value: "/of/the/pod"},
    {name: "dots.and-dashes", value: "1"},
    {name: "OF_MAP", valueFrom: {configMapKeyRef: {name: "hostile", key: "A"}}},
    {name: "OF_SECRET", valueFrom: {secretKeyRef: {name: "hostile", key: "token"}}},
    {name: "OF_NONE", valueFrom: {secretKeyRef: {name: "none", key: "x", optional: true}}},
    {name: "OF_NO_KEY", valueFrom: {configMapKeyRef: {name: "hostile", key: "x", optional: true}}},
    {name: "POD", valueFrom: {fieldRef: {fieldPath: "metadata.name"}}},
    {name: "POD_NS", valueFrom: {fieldRef: {fieldPath: "metadata.namespace"}}},
    {name: "POD_UID", valueFrom: {fieldRef: {fieldPath: "metadata.uid"}}},
    {name: "POD_IP", valueFrom: {fieldRef: {fieldPath: "status.podIP"}}},
    {name: "POD_IPS", valueFrom: {fieldRef: {fieldPath: "status.podIPs"}}},
    {name: "HOST_IP", valueFrom: {fieldRef: {fieldPath: "status.hostIP"}}},
    {name: "NODE", valueFrom: {fieldRef: {fieldPath: "spec.nodeName"}}},
    {name: "ACCOUNT", valueFrom: {fieldRef: {fieldPath: "spec.serviceAccountName"}}},
    {name: "LABEL", valueFrom: {fieldRef: {fieldPath: "metadata.labels['"'"'app'"'"']"}}},
    {name: "NOTE", valueFrom: {fieldRef: {fieldPath: "metadata.annotations['"'"'x/note'"'"']"}}},
    {name: "CPU", valueFrom: {resourceFieldRef: {resource: "limits.cpu"}}},
    {name: "CPU_M", valueFrom: {resourceFieldRef: {resource: "requests.cpu", divisor: "1m"}}},
    {name: "MEM", valueFrom: {resourceFieldRef: {resource: "limits.memory"}}},
    {name: "MEM_MI", valueFrom: {resourceFieldRef: {resource: "limits.memory", divisor: "1Mi"}}},
    {name: "NODE_CPU", valueFrom: {resourceFieldRef: {resource: "limits.ephemeral-storage"}}},
    {name: "BIG", value: $big}];
  def from: [{configMapRef: {name: "hostile"}}, {prefix: "FROM_", configMapRef: {name: "hostile"}},
    {prefix: "S_", secretRef: {name: "hostile"}}, {configMapRef: {name: "none", optional: true}}];
  def pod(n; c): {apiVersion: "v1", kind: "Pod",
    metadata: (meta(n) + {labels: {app: n}, annotations: {"x/note": "a \"note\"\nof two lines"}}),
    spec: {terminationGracePeriodSeconds: 0, containers: [c + {env: envs, envFrom: from,
      imagePullPolicy: "IfNotPresent",
      resources: {limits: {cpu: "1500m", memory: "100Mi"}, requests: {cpu: "10m", memory: "10Mi"}}}]}};
  def labels: {path: "labels", fieldRef: {fieldPath: "metadata.labels"}};
  def note: {path: "deep/note", mode: 256,
    fieldRef: {fieldPath: "metadata.annotations['"'"'x/note'"'"']"}};
  def files(n; security): {apiVersion: "v1", kind: "Pod",
    metadata: (meta(n) + {labels: {app: n, "x/y": "z"}, annotations: {"x/note": "a \"note\"\nö"}}),
    spec: {terminationGracePeriodSeconds: 0, securityContext: security, volumes: [
      {name: "map", configMap: {name: "hostile", defaultMode: 416}},
      {name: "some", configMap: {name: "hostile", items: [{key: "A", path: "x/y/A"},
        {key: "multi", path: "m", mode: 292}]}},
      {name: "secret", secret: {secretName: "hostile", defaultMode: 256}},
      {name: "none", secret: {secretName: "none", optional: true}},
      {name: "down", downwardAPI: {items: [labels, note,
        {path: "cpu", resourceFieldRef: {containerName: "main", resource: "limits.cpu", divisor: "1m"}}]}},
      {name: "all", projected: {sources: [
        {serviceAccountToken: {path: "token", expirationSeconds: 600}},
        {serviceAccountToken: {path: "vault/token", audience: "vault", expirationSeconds: 7200}},
        {configMap: {name: "kube-root-ca.crt"}},
        {secret: {name: "hostile", items: [{key: "token", path: "secret", mode: 320}]}},
        {downwardAPI: {items: [labels]}}]}},
      {name: "empty", emptyDir: {}},
      {name: "host", hostPath: {path: "/tmp"}}],
     containers: [{name: "main", image: "kt.local/toolbox:1", imagePullPolicy: "IfNotPresent",
      command: ["sleep", "1000000"],
      resources: {limits: {cpu: "250m", memory: "50Mi"}},
      env: [{name: "WHERE", value: "x"}],
      volumeMounts: [{name: "map", mountPath: "/config/map"}, {name: "some", mountPath: "/config/some"},
       {name: "secret", mountPath: "/etc/hostile/secret"}, {name: "none", mountPath: "/none"},
       {name: "down", mountPath: "/var/lib/down"}, {name: "all", mountPath: "/var/run/all"},
       {name: "map", mountPath: "/config/one", subPath: "A"},
       {name: "some", mountPath: "/config/sub", subPathExpr: "$(WHERE)/y"},
       {name: "empty", mountPath: "/scratch"}, {name: "empty", mountPath: "/scratch/in/it"},
       {name: "host", mountPath: "/host"}]}]}};
  {apiVersion: "v1", kind: "List", items: [
    {apiVersion: "v1", kind: "ConfigMap", metadata: meta("hostile"),
     data: {A: "of the map\n", PLAIN: "of the map", multi: "1\n2"},
     binaryData: {"bin.dat": "AAH/"}},
    {apiVersion: "v1", kind: "Secret", metadata: meta("hostile"),
     stringData: {token: "s3cr=t\n"}},
    pod("hostile"; {name: "main", image: "kt.local/toolbox:1",
      command: ["sh", "-c", "export INJECTED=\"$(printf '"'"'at\\nstart='"'"')\" FROM_A; exec sleep 1000000"]}),
    pod("plain"; {name: "main", image: "kt.local/netsrv:1", args: ["-l", "7000"]}),
    files("files"; {}), files("grouped"; {fsGroup: 2000, runAsUser: 3000}),
    {apiVersion: "v1", kind: "Service", metadata: meta("hostile"),
     spec: {selector: {app: "hostile"}, ports: [{port: 80}]}},
    {apiVersion: "v1", kind: "ServiceAccount", metadata: meta("run-noexec")},
    {apiVersion: "rbac.authorization.k8s.io/v1", kind: "Role", metadata: meta("run-noexec"),
     rules: [{apiGroups: [""], resources: ["pods", "services", "configmaps", "secrets"],
       verbs: ["get", "list"]}]},
    {apiVersion: "rbac.authorization.k8s.io/v1", kind: "RoleBinding", metadata: meta("run-noexec"),
     roleRef: {apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "run-noexec"},
     subjects: [{kind: "ServiceAccount", name: "run-noexec", namespace: $ns}]}]}'
}

setup_file() {
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || skip "a user of a laptop"
  sweep
  kc -n "$NS" wait --for=delete pod/hostile pod/plain --timeout=30s >&2 2>/dev/null || true
  home=$(mktemp -d /tmp/ktctl-run-pod.XXXXXX) # where another user may go
  echo "$home" >"$RUN/home"
  cp "$KUBECONFIG" "$home/config"
  chmod 755 "$home"
  chown -R 1500:1500 "$home"
  objects >"$RUN/objects.json"
  kc create -f "$RUN/objects.json" >&2
  kc -n "$NS" wait --for=condition=Ready --timeout=60s pod/hostile pod/plain pod/files \
    pod/grouped >&2
}

setup() {
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || skip "a user of a laptop"
  home=$(<"$RUN/home")
}

teardown() {
  [ -z "${RUN_PID:-}" ] || kill -KILL "$RUN_PID" 2>/dev/null || true
}

teardown_file() {
  [ -f "$RUN/home" ] || return 0
  sweep
  rm -rf "$(<"$RUN/home")"
  kc -n "$NS" delete pod -l kt-role=shadow-connect --ignore-not-found \
    --grace-period=1 >/dev/null # the shared one
}

# user_exec CMD...: in place of this shell, as a user of gina's laptop who may
# nothing
user_exec() {
  laptop_exec gina env HOME="$home" KUBECONFIG="$home/config" LOCAL_ONLY=1 \
    setpriv --reuid 1500 --regid 1500 --clear-groups --bounding-set=-all \
    --inh-caps=-all --no-new-privs "$@" 3>&-
}

# run_in FLAGS... -- PROGRAM...: ktctl run to its end, for bats' run
run_in() {
  (user_exec timeout -k 5 90 "$KTCTL" run -n "$NS" -i "$KTCTL_IMAGE" \
    --shareShadow "$@")
}

# The same in a Pod and here: names, kinds, modes, links and contents
LIST='for d in /config /etc/hostile /none /var/lib/down /var/run/all; do
  find $d | LC_ALL=C sort | while read -r f; do
    if [ -L "$f" ]; then echo "$f -> $(readlink "$f")"
    elif [ -d "$f" ]; then echo "$f/"
    else
      case $f in */token) sum= ;; *) sum=$(md5sum <"$f") ;; esac
      echo "$f $(stat -c %a "$f") $sum"
    fi
  done
done | sed "s/\.\.20[0-9][0-9]_[0-9_.]*/STAMP/g"'

# run_spawn FLAGS... -- PROGRAM...: in the background; RUN_PID, its output in $RUN/log
run_spawn() {
  : >"$RUN/log"
  user_exec "$KTCTL" run -n "$NS" -i "$KTCTL_IMAGE" --shareShadow "$@" \
    >"$RUN/log" 2>&1 3>&- &
  RUN_PID=$!
  eventually 60 grep -q '^up' "$RUN/log"
}

run_wait() {
  wait "$RUN_PID" || true
  RUN_PID=
}

# pod_env POD: as it is in process 1, less what stays local
pod_env() {
  kc -n "$NS" exec "$1" -- cat /proc/1/environ | sort -z | grep -zvE "$LOCAL"
}

@test "run: a Pod's environment, byte by byte, but what stays local" {
  pod_env hostile >"$RUN/wanted"
  [ "$(stat -c %s "$RUN/wanted")" -gt 131072 ]
  grep -zq '^INJECTED=at' "$RUN/wanted"
  run_in hostile -- env -0 >"$RUN/all"
  sort -z "$RUN/all" | grep -zvE "$LOCAL" >"$RUN/got"
  cmp "$RUN/wanted" "$RUN/got"
  grep -zqx "HOME=$home" "$RUN/all"
  run ! grep -zq '^LOCAL_ONLY' "$RUN/all"
  grep -zq '^PATH=.*/' "$RUN/all"
  # asked for otherwise
  printf '# file\nOF_FILE=a=b "c"\nLOCAL_ONLY\nPLAIN=of the file\n' >"$home/file"
  run_in pod/hostile --container main --envInclude 'POD*,PLAIN,HOME' --env-exclude POD_U* \
    --envLocal LOCAL_* --envSet PLAIN='set,=' --env-set NEW=1 --envFile "$home/file" \
    -- env -0 >"$RUN/all"
  sort -z "$RUN/all" | grep -zE '^(POD|PLAIN|HOME|LOCAL|NEW|OF_|EMPTY)' | tr '\0' '\n' >"$RUN/got"
  {
    printf '%s\n' HOME=/of/the/pod LOCAL_ONLY=1 NEW=1 'OF_FILE=a=b "c"' PLAIN=set,=
    grep -zE '^POD(_IP|_IPS|_NS|)=' "$RUN/wanted" | tr '\0' '\n'
  } | LC_ALL=C sort >"$RUN/expected"
  LC_ALL=C sort -o "$RUN/got" "$RUN/got"
  same "$RUN/expected" "$RUN/got"
}

# config_of ACCOUNT: a kubeconfig with its token
config_of() {
  local token
  token=$(jq -n '{apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest",
    spec: {expirationSeconds: 3600}}' |
    kc create --raw "/api/v1/namespaces/$NS/serviceaccounts/$1/token" -f - | jq -r .status.token)
  kc config view --raw --minify -o json | jq --arg t "$token" '.users[0].user = {token: $t}'
}

@test "run: the published Roles are enough, and a file of /etc stays the program's" {
  kc -n "$NS" create serviceaccount run-role >&2
  kc -n "$NS" apply -f "$TOP/deploy/rbac/env-file.yaml" >&2
  kc -n "$NS" create rolebinding run-role --role ktctl-env-file --serviceaccount "$NS:run-role" >&2
  config_of run-role >"$home/role"
  laptop gina "$KTCTL" env-file hostile -n "$NS" -c "$home/role" >"$RUN/file.sh" 2>"$RUN/log"
  grep -q '^export INJECTED=' "$RUN/file.sh"
  same /dev/null "$RUN/log"
  kc -n "$NS" delete rolebinding run-role >&2
  kc -n "$NS" apply -f "$TOP/deploy/rbac/run.yaml" >&2
  kc -n "$NS" create rolebinding run-role --role ktctl-run --serviceaccount "$NS:run-role" >&2
  run -0 --separate-stderr run_in pod/files -c "$home/role" --container main -- sh -c '
    cat /config/map/A; wc -c </etc/hostile/secret/token; test -s /var/run/all/token && echo token'
  [ "$output" = "of the map"$'\n'"7"$'\n'"token" ]
  run -1 bash -c 'grep -v "volume host is a hostPath" <<<"$1" | 
    grep -E "warning:.*(Pod|volume|environment|token)"' - "$stderr"
  # without exec: where the API is, the shadow knows
  kc -n "$NS" get role ktctl-run -o json |
    jq 'del(.rules[] | select(.resources == ["pods/exec"]))' | kc apply -f - >&2
  pod_env hostile | grep -z '^KUBERNETES_' >"$RUN/wanted"
  run_in hostile -c "$home/role" -- env -0 2>"$RUN/log" | sort -z | grep -z '^KUBERNETES_' >"$RUN/got"
  cmp "$RUN/wanted" "$RUN/got"
  grep -q 'the environment is that of the Pod.s spec' "$RUN/log"
  # this machine has another file there from now on
  run_spawn -- sh -c 'cat /etc/resolv.conf >"$HOME/own"; echo up
    until [ -e "$HOME/moved" ]; do sleep 0.1; done; sleep 0.5
    cmp "$HOME/own" /etc/resolv.conf && echo same'
  laptop gina sh -c 'cp /etc/resolv.conf /etc/resolv.conf.new
    echo "# other" >>/etc/resolv.conf.new; mv /etc/resolv.conf.new /etc/resolv.conf'
  touch "$home/moved"
  run_wait
  grep -q '^same' "$RUN/log"
}

@test "run: the same of a spec, where nothing may be executed" {
  pod_env hostile | grep -zvE '^(INJECTED|SHLVL)=' >"$RUN/wanted"
  config_of run-noexec >"$home/noexec"
  laptop gina "$KTCTL" env-file hostile -n "$NS" -c "$home/noexec" --syntax sh \
    >"$RUN/file.sh" 2>"$RUN/log" || { cat "$RUN/log"; return 1; }
  grep -q 'the environment is that of the Pod.s spec' "$RUN/log"
  grep -q 'missing: NODE_CPU' "$RUN/log"
  env -i sh -c '. "$0"; env -0' "$RUN/file.sh" | sort -z >"$RUN/got"
  grep -zvE '^(NODE_CPU|dots.and-dashes|KUBERNETES_|PWD|_)' "$RUN/got" >"$RUN/got1"
  # "default" may not be looked at
  grep -zvE '^(NODE_CPU|dots.and-dashes|KUBERNETES_|EXPANDED)' "$RUN/wanted" >"$RUN/wanted1"
  grep -zv '^EXPANDED' "$RUN/got1" >"$RUN/got2"
  cmp "$RUN/wanted1" "$RUN/got2"
  # no "cat" in the image, and all may be read
  laptop gina "$KTCTL" env-file pod/plain -n "$NS" --syntax json >"$RUN/plain.json" 2>"$RUN/log"
  grep -q 'the image has no such program' "$RUN/log"
  run -0 jq -r '.EXPANDED, .NODE_CPU, .HOSTNAME, (.BIG | length)' "$RUN/plain.json"
  kc get nodes -o json | jq '.items[0].status.allocatable["ephemeral-storage"]' >&2
  [ "${lines[0]}" = "a-of the map" ]
  [[ ${lines[2]} =~ ^[0-9]+$ ]]
  [ "${lines[3]}" = plain ]
  [ "${lines[4]}" = 131000 ]
}

@test "env-file: what sh, docker, compose and jq read is what the Pod has" {
  pod_env hostile >"$RUN/wanted"
  laptop gina "$KTCTL" env-file pod/plain -n "$NS" 2>"$RUN/log" >"$RUN/file.sh"
  grep -q 'dots.and-dashes is left out' "$RUN/log" # a shell does not take it
  laptop gina "$KTCTL" env-file hostile -n "$NS" >"$RUN/file.sh"
  env -i sh -c '. "$0"; env -0' "$RUN/file.sh" | sort -z | grep -zvE '^(PWD|_)=' >"$RUN/got"
  cmp "$RUN/wanted" "$RUN/got"
  laptop gina "$KTCTL" env-file deployment/web -n "$NS" --syntax json 2>/dev/null |
    jq -e '.KUBERNETES_SERVICE_HOST' >&2
  laptop gina "$KTCTL" env-file pod/hostile -n "$NS" --syntax json >"$RUN/json"
  "$TOP/test/unit/schema.py" "$TOP/docs/schema/env-file.json" <"$RUN/json"
  jq -j 'to_entries[] | "\(.key)=\(.value)\u0000"' "$RUN/json" | sort -z | cmp "$RUN/wanted"
  laptop gina "$KTCTL" env-file pod/hostile -n "$NS" --syntax docker >"$RUN/docker" 2>"$RUN/log"
  grep -q 'LINES is left out' "$RUN/log"
  grep -qx 'EQUALS==a=b==' "$RUN/docker"
  run -0 laptop gina "$KTCTL" env-file pod/hostile -n "$NS" --syntax compose --envInclude LINES,QUOTES
  [ "${lines[0]}" = 'LINES="one\ntwo\n\n  three=3\n"' ]
  run -1 laptop gina "$KTCTL" env-file nobody -n "$NS"
  [[ $output == *"Service $NS/nobody"* ]]
  run -1 laptop gina "$KTCTL" env-file web -n "$NS" --container nobody
  [[ $output == *"has no container 'nobody'; it has netsrv"* ]]
  run -2 laptop gina "$KTCTL" env-file what/web -n "$NS"
}

@test "run: a Pod's files at their paths, as the Pod sees them" {
  local pod
  for pod in files grouped; do
    kc -n "$NS" exec "$pod" -- sh -c "$LIST" >"$RUN/wanted"
    grep -q '^/config/map/..data -> STAMP$' "$RUN/wanted"
    run_in "pod/$pod" -- sh -c "$LIST" >"$RUN/got" 2>"$RUN/log"
    same "$RUN/wanted" "$RUN/got"
    grep -q '/host of the Pod is not there: volume host is a hostPath' "$RUN/log"
  done
  run -0 --separate-stderr run_in pod/files -- sh -c '
    touch /config/map/x /var/run/all/x 2>/dev/null && echo written
    echo a >/scratch/in/it/a && cat /scratch/in/it/a
    pwd; ls -d /etc/passwd; stat -f -c %T /config/map /scratch'
  [ "$output" = "a"$'\n'"$PWD"$'\n'"/etc/passwd"$'\n'"tmpfs"$'\n'"tmpfs" ]
  run -0 --separate-stderr run_in pod/files --write -- sh -c '
    echo a >/config/map/x && cat /config/map/x'
  [ "$output" = a ]
  run -2 --separate-stderr run_in pod/files --noFiles -- ls /config
  # where the program works, what it is made of and the home stay
  run -0 --separate-stderr run_in pod/files -- ls "$home/config"
  ! [ -e /config ] && ! [ -e /etc/hostile ]
}

# asked LINE: the program has said so
asked() {
  grep -q "^$1\$" "$RUN/log"
}

@test "run: files follow the cluster, a token is renewed, kill -9 leaves nothing" {
  laptop gina cat /proc/self/mountinfo | sed 's/^[0-9 ]*//; /netns/d' | LC_ALL=C sort >"$RUN/before"
  kc -n "$NS" patch configmap hostile --type merge -p '{"data": {"A": "of the map\n"}}' >&2
  run_spawn pod/files -- sh -c '
    api=https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT/api/v1/namespaces/t/secrets
    ask() {
      curl -s --max-time 20 --cacert /var/run/all/ca.crt -o /dev/null -w "%{http_code}" \
        -H "Authorization: Bearer $1" "$api"
    }
    first=$(cat /var/run/all/token)
    echo "token $(ask "$first")"
    echo up
    until grep -q changed /config/map/A; do sleep 0.2; done
    cat /config/map/added /config/one; ls /config/map
    echo "map changed"
    while [ "$first" = "$(cat /var/run/all/token)" ]; do sleep 0.2; done
    echo "old $(ask "$first")"; echo "new $(ask "$(cat /var/run/all/token)")"
    echo "token renewed"
    exec sleep 1000'
  asked 'token 403' # it is known who asks; none is known: 401
  kc -n "$NS" patch configmap hostile --type merge -p \
    '{"data": {"A": "changed", "added": "added\n", "multi": null}}' >&2
  eventually 60 asked 'map changed'
  asked added
  asked 'of the map' # of subPath: as in the Pod
  run ! asked multi
  kc -n "$NS" delete pod files --force --grace-period=0 >&2
  eventually 60 asked 'token renewed'
  asked 'new 403'
  asked 'old 401'
  kill -KILL "$RUN_PID"
  run_wait
  eventually 20 nobody_with "$home"
  laptop gina cat /proc/self/mountinfo | sed 's/^[0-9 ]*//; /netns/d' | LC_ALL=C sort >"$RUN/after"
  same "$RUN/before" "$RUN/after"
}
