#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 15
# connect under the real sudo, as KT's users call it: the user's exec plugin is the
# user's, and so is every file below the user's home. Laptop: dave.
# shellcheck disable=SC2016,SC2154 # a shell inside; others come from bats

bats_require_minimum_version 1.5.0
load common

teardown() {
  connect_kill
  [ ! -f "$RUN/home" ] || rm -rf "$(<"$RUN/home")"
}

# a user of dave's laptop who may do all by sudo
user_make() { # HOME
  laptop dave sh -ec '
    sed -i /^dev:/d /etc/passwd /etc/group /etc/shadow
    echo "dev:x:1500:1500::$0:/bin/sh" >>/etc/passwd
    echo "dev:x:1500:" >>/etc/group
    echo "dev:*:19000:0:99999:7:::" >>/etc/shadow
    echo "dev ALL=(ALL) NOPASSWD: ALL" >/etc/sudoers.d/dev
    chmod 440 /etc/sudoers.d/dev' "$1"
}

# the test's credentials come from a plugin that keeps something in a file of its
# user, and its user's id with it
kubeconfig_make() { # HOME
  mkdir -p "$1/.kube/cache"
  /usr/bin/python3 - "$1" "$KUBECONFIG" <<'END'
import base64, json, os, re, sys
home, text = sys.argv[1], open(sys.argv[2]).read()
def of(key):
    return re.search(key + r'-data: *"?([A-Za-z0-9+/=]+)', text).group(1)
def plain(key):
    return base64.b64decode(of(key)).decode()
with open(home + "/credential", "w") as f:
    json.dump({"kind": "ExecCredential",
               "apiVersion": "client.authentication.k8s.io/v1",
               "status": {"clientCertificateData": plain("client-certificate"),
                          "clientKeyData": plain("client-key")}}, f)
with open(home + "/plugin", "w") as f:
    f.write('#!/bin/sh\numask 077\nid -u >>"$HOME/.kube/cache/token"\n'
            f'cat {home}/credential\n')
os.chmod(home + "/plugin", 0o755)
server = re.search(r'server: *"([^"]+)"', text).group(1)
with open(home + "/.kube/config", "w") as f:
    f.write(f"""apiVersion: v1
kind: Config
clusters: [{{name: c, cluster: {{server: "{server}",
  certificate-authority-data: {of("certificate-authority")}}}}}]
users: [{{name: u, user: {{exec: {{command: {home}/plugin,
  apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never}}}}}}]
contexts: [{{name: x, context: {{cluster: c, user: u}}}}]
current-context: x
""")
END
  chown -R 1500:1500 "$1"
}

# home_make: $home, and $as: what runs a command as its user
home_make() {
  home=$(mktemp -d /tmp/ktctl-sudo.XXXXXX) # where another user may go
  echo "$home" >"$RUN/home"
  chmod 755 "$home"
  user_make "$home"
  kubeconfig_make "$home"
  as="env -u KUBECONFIG HOME=$home USER=dev setpriv --reuid 1500 --regid 1500 --init-groups"
}

@test "sudo: the plugin and what it keeps are the user's, and so are our files" {
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || skip "a user of a laptop"
  home_make
  CONNECT_WRAP="$as sudo -n" connect_start dave -i "$KTCTL_IMAGE"
  laptop dave curl -sS --max-time 10 -o /dev/null "http://web.$NS/"
  [ "$(stat -c '%u %a' "$home/.kube/cache/token")" = "1500 600" ]
  [ "$(sort -u "$home/.kube/cache/token")" = 1500 ]
  [ -d "$home/.kt/pid" ]
  others=$(find "$home" -not -user 1500)
  [ -z "$others" ] || { echo "$others" >&2; return 1; }
}

@test "sudo: apply knows what the same user's apply has started, and puts it back as his" {
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || skip "a user of a laptop"
  home_make
  cat >"$home/ktctl.yaml" <<END
apiVersion: ktctl/v1
namespace: $NS
image: $KTCTL_IMAGE
forward: [web 18080:80]
END
  apply() { # [sudo -n] ktctl apply ...
    # shellcheck disable=SC2086 # words
    run laptop dave timeout 60 $as "$@"
  }
  whose() { # the user of the one session's process
    # shellcheck disable=SC2086 # words
    stat -c %u "/proc/$(laptop dave $as "$KTCTL" status -o json | jq -r '.sessions[].pid')"
  }
  apply "$KTCTL" apply -f "$home/ktctl.yaml"
  ended_with 0 '+ forward web 18080:80' 'all is up'
  [ "$(whose)" = 1500 ]
  apply sudo -n "$KTCTL" apply -f "$home/ktctl.yaml"
  ended_with 0 '= forward web 18080:80' 'all is up already'
  # what is begun fails: what has ended is there again, and not root's
  sed -i 's/18080:80/18082:80, nosuch 18083/' "$home/ktctl.yaml"
  apply sudo -n "$KTCTL" apply -f "$home/ktctl.yaml"
  ended_with 1 '- forward web 18080:80' '+ forward web 18080:80 (as before)' 'all is as before'
  [ "$(whose)" = 1500 ]
  [[ $(laptop dave curl -sS --max-time 10 http://127.0.0.1:18080/) == web-* ]]
  apply sudo -n "$KTCTL" apply --delete -f "$home/ktctl.yaml"
  ended_with 0 '- forward web' 'has ended'
  others=$(find "$home/.kt" -not -user 1500)
  [ -z "$others" ] || { echo "$others" >&2; return 1; }
}
