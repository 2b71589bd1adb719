#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# seconds: 60
# run: the program's end, its pipes and its terminal are as without us. Laptop:
# gina.
# shellcheck disable=SC2016,SC2154 # a shell inside; others come from bats

bats_require_minimum_version 1.5.0
load run

setup_file() {
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || skip "a user of a laptop"
  run_home
  # many of them, four at once; each is a line "NUMBER STATUS"
  cat >"$(<"$RUN/home")/ends" <<'END'
n=0
for s in "$@"; do
  n=$((n + 1))
  {
    # what is in the background has INT and QUIT ignored
    env --default-signal "$KTCTL" run -n "$NS" -i "$KTCTL_IMAGE" \
      --shareShadow -- sh -c "$s"
    echo "$n $?"
  } &
  [ $((n % 4)) -ne 0 ] || wait
done
wait
END
}

setup() {
  [ -z "${KTCTL_TEST_FOREIGN:-}" ] || skip "a user of a laptop"
  home=$(<"$RUN/home")
  export KTCTL NS KTCTL_IMAGE
}

teardown() {
  [ -z "${TMUX_SOCKET:-}" ] || tmux -S "$TMUX_SOCKET" kill-server 2>/dev/null || true
}

teardown_file() {
  run_home_over
}

# statuses SCRIPT...: of each as the shell sees it, on one line
statuses() {
  (user_exec bash "$home/ends" "$@") 2>/dev/null | sort -n | cut -d' ' -f2 | tr '\n' ' '
}

@test "run: each exit status, each fatal signal" {
  local s all=() want=
  for s in $(long_or "$(seq 0 255)" "0 1 2 125 126 127 128 254 255"); do
    all+=("exit $s")
    want+="$s "
  done
  for s in $(long_or "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 24 25 26 27 29 30 31" "2 6 9 11 15"); do
    all+=("kill -$s \$\$")
    want+="$((128 + s)) "
  done
  [ "$(statuses "${all[@]}")" = "$want" ]
}

@test "run: what goes in comes out, to the byte" {
  local n got want
  n=$(long_or 1024 64)
  want=$(head -c "${n}M" /dev/zero | openssl enc -aes-128-ctr -K 00 -iv 00 2>/dev/null | md5sum)
  got=$(head -c "${n}M" /dev/zero | openssl enc -aes-128-ctr -K 00 -iv 00 2>/dev/null |
    run_in -- cat | md5sum)
  [ "$got" = "$want" ]
}

# no_yes: none of this user's is left; others have the number, too
no_yes() {
  local pid
  for pid in $(pgrep -x yes); do
    ! grep -zsqxF "HOME=$home" "/proc/$pid/environ" || return 1
  done
}

# screen TEXT: it is on the terminal's
screen() {
  tmux -S "$TMUX_SOCKET" capture-pane -p | grep -q -- "$1"
}

keys() {
  tmux -S "$TMUX_SOCKET" send-keys "$@"
}

@test "run: a real terminal: stop and go on, Ctrl-C in a pipeline, vim" {
  command -v tmux >/dev/null || skip "no tmux"
  TMUX_SOCKET=$BATS_TEST_TMPDIR/tmux
  cat >"$home/shell" <<END
export PS1='ready> ' KTCTL='$KTCTL' NS='$NS'
alias k='"\$KTCTL" run -n "\$NS" -i "$KTCTL_IMAGE" --shareShadow --'
cd '$home'
END
  chmod a+r "$home/shell"
  tmux -S "$TMUX_SOCKET" -f /dev/null new-session -d -x 100 -y 30 \
    "exec '$CLUSTER/laptop' gina$LANE -- env HOME='$home' KUBECONFIG='$home/config' \
      setpriv --reuid 1500 --regid 1500 --clear-groups \
      bash --noprofile --rcfile '$home/shell' -i" 3>&-
  eventually 10 screen 'ready>'
  keys "k sh -c 'echo be''gun; sleep 1000; echo over'" Enter
  eventually 60 screen begun
  keys C-z
  eventually 20 screen Stopped
  keys fg Enter
  sleep 1
  keys C-c
  sleep 1
  keys 'echo status=$?' Enter
  eventually 20 screen status=130
  # the job is gone as a whole
  keys "clear; yes | k sh -c 'echo go''ing; cat >/dev/null' | cat" Enter
  eventually 60 screen going
  keys C-c
  eventually 20 no_yes
  keys "clear; k vim -u NONE $home/text" Enter
  eventually 60 screen '~'
  keys ihello Escape :wq Enter
  eventually 20 grep -qx hello "$home/text"
  keys exit Enter
}
