#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# push.sh KTCTL: image export and push, into Debian's docker-registry and into
# one that wants tokens (registry.py), all on 127.0.0.1. TAP.
set -u

ktctl=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/ktctl-push.XXXXXX")
pids=()
finish() {
  [ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null
  rm -rf "$work"
}
trap finish EXIT
export HOME=$work PATH=$work/bin:$PATH
unset SUDO_UID SUDO_GID SUDO_USER KUBECONFIG DOCKER_CONFIG
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY
mkdir -p "$work/.docker" "$work/bin" "$work/store"
tests=0

ok() { # STATUS NAME
  tests=$((tests + 1))
  if [ "$1" = 0 ]; then echo "ok $tests - $2"; else echo "not ok $tests - $2"; fi
}

run() { # STATUS ARGS...
  local want=$1 got
  shift
  out=$("$ktctl" "$@" 2>"$work/stderr" </dev/null)
  got=$?
  err=$(cat "$work/stderr")
  [ "$got" = "$want" ] && return 0
  echo "ktctl $*: status $got, not $want; $err" | sed 's/^/# /'
  return 1
}

has() { # TEXT PART
  [[ $1 == *"$2"* ]] && return 0
  printf '%s\nis not in: %s\n' "$2" "$1" | sed 's/^/# /'
  return 1
}

config() { # JSON of docker's file
  printf '%s\n' "$1" >"$work/.docker/config.json"
}

first_line() { # FILE SED-SCRIPT: sets $line, within 20 s
  local i
  for ((i = 0; i < 400; i++)); do
    line=$(sed -n "$2" "$1" 2>/dev/null | head -n 1)
    [ -z "$line" ] || return 0
    sleep 0.05
  done
  echo "# nothing in $1: $(tail -n 3 "$1")"
  return 1
}

auth() { # USER:PASSWORD
  printf '{"auth": "%s"}' "$(printf %s "$1" | base64)"
}

# --- export --------------------------------------------------------------------

run 0 image export "$work/a.tar" && has "$out" "kt.local/ktctl-shadow:v" &&
  has "$out" "linux/" && "$ktctl" image export - >"$work/b.tar" 2>/dev/null &&
  cmp "$work/a.tar" "$work/b.tar" && [ ! -e "$work/a.tar.new" ]
ok $? "export: a file and stdout are the same bytes"
# every blob is what its name says, every layer a tar with the program
mkdir "$work/a" && tar -C "$work/a" -xf "$work/a.tar" &&
  (cd "$work/a/blobs/sha256" && sha256sum ./* | sed 's,\./,,' | awk '$1 != $2' |
    if read -r bad; then echo "# $bad"; exit 1; fi) &&
  index=$(jq -r '.manifests[0].digest | sub(":"; "/")' "$work/a/index.json") &&
  manifest=$(jq -r '.manifests[0].digest | sub(":"; "/")' "$work/a/blobs/$index") &&
  layer=$(jq -r '.layers[0].digest | sub(":"; "/")' "$work/a/blobs/$manifest") &&
  config=$(jq -r '.config.digest | sub(":"; "/")' "$work/a/blobs/$manifest") &&
  gunzip <"$work/a/blobs/$layer" >"$work/layer" &&
  [ "$(jq -r '.rootfs.diff_ids[0]' "$work/a/blobs/$config")" = \
    "sha256:$(sha256sum <"$work/layer" | cut -d' ' -f1)" ] &&
  [ "$(tar tf "$work/layer" | tr '\n' ' ')" = "shadow gate " ] && tar -C "$work" -xf "$work/layer" &&
  has "$("$work/shadow" --version)" "$("$ktctl" --version | sed 's/.* //')" &&
  has "$("$work/gate" --version)" "$("$ktctl" --version | sed 's/.* //')"
ok $? "export: the layer has the programs in it"
run 0 image export --name r.example/x:y "$work/c.tar" &&
  [ "$(tar -xOf "$work/c.tar" manifest.json | jq -r '.[0].RepoTags[0]')" = r.example/x:y ] &&
  [ "$(tar -xOf "$work/c.tar" index.json |
    jq -r '.manifests[0].annotations["io.containerd.image.name"]')" = r.example/x:y ]
ok $? "export --name"
run 1 image export "$work/none/x.tar" && has "$err" "write $work/none/x.tar: No such file"
ok $? "export to where nothing can be"
run 2 image export --name x y && has "$err" "does not begin with a registry" &&
  run 2 image push team/shadow && has "$err" "hint: REGISTRY/REPO"
ok $? "a name without a registry"

# --- Debian's registry -----------------------------------------------------------

# htpasswd of "ann", "se:cret"
# shellcheck disable=SC2016 # $2y is a kind of hash
printf '%s\n' 'ann:$2y$05$abcdefghijklmnopqrstuuWqeDdmk0qhXLYvA33lbC9M700ynI2Oa' >"$work/htpasswd"
cat >"$work/registry.yml" <<END
version: 0.1
log: {level: info}
storage: {filesystem: {rootdirectory: $work/store}}
http: {addr: "127.0.0.1:0"}
auth: {htpasswd: {realm: test, path: $work/htpasswd}}
END
docker-registry serve "$work/registry.yml" >"$work/registry.log" 2>&1 &
pids+=($!)
first_line "$work/registry.log" 's/.*listening on \([0-9.:]*\).*/\1/p'
ok $? "docker-registry runs"
reg=$line

run 1 image push "$reg/team/shadow" && has "$err" "HTTP 401 UNAUTHORIZED" &&
  has "$err" "hint: no credentials are known for $reg: 'docker login $reg'"
ok $? "push without credentials"
config "{\"auths\": {\"$reg\": $(auth ann:wrong)}}"
run 1 image push "$reg/team/shadow" && has "$err" "HTTP 401" &&
  has "$err" "hint: the credentials that docker's configuration has"
ok $? "push with wrong credentials"
config "{\"auths\": {\"$reg\": $(auth ann:se:cret)}}"
run 0 image push "$reg/team/shadow:one" &&
  has "$out" "ktctl config set global.image $reg/team/shadow:one" &&
  has "$out" "@sha256:${index#*/} for linux/"
ok $? "push with a password of the file"
same=0
get() {
  curl -sSf -u ann:se:cret -H 'Accept: application/vnd.oci.image.index.v1+json' \
    -H 'Accept: application/vnd.oci.image.manifest.v1+json' \
    "http://$reg/v2/team/shadow/$1"
}
get manifests/one | cmp - "$work/a/blobs/$index" || same=1
for m in $(jq -r '.manifests[].digest' "$work/a/blobs/$index"); do
  get "manifests/$m" | cmp - "$work/a/blobs/${m/://}" || same=1
  for b in $(jq -r '.config.digest, .layers[].digest' "$work/a/blobs/${m/://}"); do
    get "blobs/$b" | cmp - "$work/a/blobs/${b/://}" || same=1
  done
done
ok $same "what is in the registry is what export writes"
run 0 image push "$reg/team/shadow:two" && run 0 image push "$reg/other/shadow" &&
  has "$(get tags/list)" '"two"'
ok $? "push again, and elsewhere"

cat >"$work/bin/docker-credential-mine" <<'END'
#!/bin/sh
read -r server
echo "$1 $server" >>"$HOME/helper"
if [ -f "$HOME/empty" ]; then
  echo "credentials not found in native keychain"
  exit 1
fi
[ ! -f "$HOME/broken" ] || { echo "the key ring is locked"; exit 1; }
printf '{"ServerURL": "%s", "Username": "ann", "Secret": "se:cret"}\n' "$server"
END
chmod +x "$work/bin/docker-credential-mine"
config "{\"auths\": {\"$reg\": {}}, \"credsStore\": \"mine\"}"
run 0 image push "$reg/team/shadow" && [ "$(cat "$work/helper")" = "get $reg" ]
ok $? "push with credsStore"
config "{\"auths\": {\"$reg\": $(auth ann:wrong)}, \"credHelpers\": {\"$reg\": \"mine\"}}"
run 0 image push "$reg/team/shadow"
ok $? "push with credHelpers, which win"
touch "$work/broken"
run 1 image push "$reg/team/shadow" &&
  has "$err" "docker-credential-mine get: the key ring is locked"
ok $? "a helper that fails"
rm "$work/broken" && touch "$work/empty"
config "{\"auths\": {\"$reg\": $(auth ann:se:cret)}, \"credsStore\": \"mine\"}"
run 0 image push "$reg/team/shadow"
ok $? "a helper that knows nothing: the file counts"
config '{"credsStore": "nowhere"}'
run 1 image push "$reg/team/shadow" && has "$err" "docker-credential-nowhere" &&
  has "$err" "hint: docker's configuration names it"
ok $? "a helper that is not there"
config '{"auths": ['
run 1 image push "$reg/team/shadow" &&
  has "$err" "read $work/.docker/config.json: line"
ok $? "a damaged config.json"
mkdir "$work/else" && echo "{\"auths\": {\"$reg\": $(auth ann:se:cret)}}" >"$work/else/config.json"
DOCKER_CONFIG=$work/else run 0 image push "$reg/team/shadow"
ok $? "DOCKER_CONFIG"

# --- tokens ----------------------------------------------------------------------

python3 "$here/registry.py" "$work/log" >"$work/ports" 2>"$work/python.err" &
pids+=($!)
first_line "$work/ports" p
ok $? "a registry with tokens runs"
read -r port _ <<<"$line"
reg=127.0.0.1:$port
config '{}'
run 1 image push "$reg/team/shadow" && has "$err" "get a token: HTTP 401" &&
  has "$err" 'who?\x1b[2J'
ok $? "no token without credentials"
config "{\"auths\": {\"$reg\": $(auth ann:se:cret)}}"
: >"$work/log"
run 0 image push "$reg/team/shadow" &&
  [ "$(grep -c '^tokens GET' "$work/log")" -ge 2 ] &&
  ! grep '^registry .* Basic' "$work/log" &&
  ! grep '^storage .* B' "$work/log" && grep -q '^storage PUT' "$work/log"
ok $? "tokens, new ones when they end; uploads elsewhere get none"
config "{\"auths\": {\"$reg\": {\"identitytoken\": \"R+/=\"}}}"
: >"$work/log"
run 0 image push "$reg/team/shadow" && grep -q '^tokens POST /get?extra=1 -' "$work/log"
ok $? "tokens by an identity token"

openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/key" -out "$work/cert" \
  -days 2 -subj /CN=registry.test -addext subjectAltName=DNS:registry.test \
  2>/dev/null
python3 "$here/registry.py" "$work/log" "$work/cert" "$work/key" >"$work/tls.ports" 2>>"$work/python.err" &
pids+=($!)
first_line "$work/tls.ports" p
ok $? "a registry with TLS runs"
read -r port _ <<<"$line"
config "{\"auths\": {\"127.0.0.1:$port\": $(auth ann:se:cret)}}"
run 0 image push "127.0.0.1:$port/team/shadow"
ok $? "any certificate of a registry on this machine"
# what may be on this machine may not be elsewhere: no credentials without TLS,
# nor to whoever has any certificate
REALM=http://tokens.test python3 "$here/registry.py" "$work/log" >"$work/far.ports" 2>>"$work/python.err" &
pids+=($!)
first_line "$work/far.ports" p
read -r far _ <<<"$line"
config "{\"auths\": {\"127.0.0.1:$far\": $(auth ann:se:cret)}}"
run 1 image push "127.0.0.1:$far/team/shadow" &&
  has "$err" "tokens are at 'http://tokens.test/get" &&
  has "$err" "credentials are not sent without TLS"
ok $? "a token server elsewhere of a registry on this machine: not without TLS"
# one elsewhere, by a proxy that leads to it: its certificate counts
cat >"$work/proxy.py" <<'END'
import socket, sys, threading
def pump(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
        b.shutdown(socket.SHUT_WR)
    except OSError:
        pass # ktctl does not like the certificate
def serve(c):
    head = b""
    while b"\r\n\r\n" not in head:
        head += c.recv(4096)
    port = int(head.split()[1].rsplit(b":", 1)[1])
    s = socket.create_connection(("127.0.0.1", port))
    c.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    threading.Thread(target=pump, args=(c, s), daemon=True).start()
    pump(s, c)
l = socket.create_server(("127.0.0.1", 0))
print(l.getsockname()[1], flush=True)
while True:
    threading.Thread(target=serve, args=(l.accept()[0],), daemon=True).start()
END
python3 "$work/proxy.py" >"$work/proxy.port" 2>>"$work/python.err" &
pids+=($!)
first_line "$work/proxy.port" p
export https_proxy=http://127.0.0.1:$line
config "{\"auths\": {\"registry.test:$port\": $(auth ann:se:cret), \"other.test:$port\": $(auth ann:se:cret)}}"
: >"$work/log"
run 1 image push "registry.test:$port/team/shadow" && has "$err" "certificate" &&
  has "$err" "hint: have this machine trust" && [ ! -s "$work/log" ]
ok $? "a certificate that nobody trusts"
SSL_CERT_FILE=$work/cert run 1 image push "other.test:$port/team/shadow" &&
  [ ! -s "$work/log" ]
ok $? "the certificate of another"
SSL_CERT_FILE=$work/cert run 1 image push "registry.test:$port/team/shadow" &&
  has "$err" "credentials are not sent without TLS" && ! grep ' Basic' "$work/log"
ok $? "no credentials to a token server without TLS"
run 0 image push --insecure "registry.test:$port/team/shadow"
ok $? "--insecure"
unset https_proxy
run 1 image push "127.0.0.1:1/a/b" && has "$err" "http://127.0.0.1:1/v2/: " && has "$err" "onnect"
ok $? "nobody is there"

[ -s "$work/python.err" ] && sed 's/^/# /' "$work/python.err"
echo "1..$tests"
