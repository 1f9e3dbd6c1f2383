#!/bin/sh
# Runs the recipes of docs/scheduling.md for real: contrib/try-scheduling.sh cron|systemd [MINIONS]
#
# Each runs in mount namespaces of its own, with a home of its own, so that no crontab and no unit of this machine is touched.
# It needs root, unshare (util-linux), and cron or systemd; a recipe takes up to three minutes, since that is what it is about.
set -eu

recipe=${1:?cron or systemd}
here=$(cd "$(dirname "$0")" && pwd)
minions=$(realpath "${2:-$here/../target/release/minions}")
dir=$(mktemp -d /tmp/minions-try.XXXXXX)
home=$dir/home
export MINIONS_DIR="$home/.minions"
cgroup=/sys/fs/cgroup/minions-try
daemon=
trap clean_up EXIT

clean_up() {
  "$minions" managed stop web >/dev/null 2>&1 || true
  [ -z "$daemon" ] || stop_daemon
  if [ "$recipe" = systemd ] && [ -d $cgroup ]; then
    echo $$ >/sys/fs/cgroup/cgroup.procs
    find $cgroup -depth -type d -exec rmdir {} + 2>/dev/null || true
  fi
  rm -rf "$dir"
}

stop_daemon() {
  kill "$daemon" 2>/dev/null || true
  wait "$daemon" || true
  daemon=
}

say() { printf '\n$ %s\n' "$*"; }
show() { say "minions $*"; "$minions" "$@" || echo "[exit $?]"; }

# The program where the recipes have it, and a git worktree.
install() {
  mkdir -p "$home/.local/bin" "$MINIONS_DIR/agents/ripley" "$dir/repo/.git"
  cp "$minions" "$home/.local/bin/minions"
}

# A service that is recorded and dead.
leave_dead() {
  cat >"$MINIONS_DIR/agents/ripley/managed-spawn.json" <<EOF
{"specs": [{"name": "web", "cmd": "sh", "args": ["-c", "exec sleep 1000"], "cwd": "$dir/repo",
  "healthcheck": {"type": "command", "cmd": "sh -c 'echo up'", "shell": true, "expect_regex": ".*", "timeout_s": 10}}]}
EOF
  "$minions" managed accept ripley --project shop
  kill -KILL "$("$minions" managed list --format json | sed 's/.*"pid":\([0-9]*\),"owner.*/\1/')"
  until "$minions" managed list --format json | grep -q '"alive":false'; do sleep 0.1; done
  show managed list
}

# Waits until nothing is recorded, at most for two minutes.
wait_until_swept() {
  for second in $(seq 0 120); do
    "$minions" managed list --format json | grep -q '"items":\[\]' && echo "swept after ${second} s" && return
    sleep 1
  done
  echo "nobody swept" >&2
  exit 1
}

# Waits for a mail that holds these words, at most for two minutes.
show_mail() {
  for _ in $(seq 120); do
    grep -ls "$1" "$dir"/mail/* >"$dir/found" && break
    sleep 1
  done
  cat "$(head -n 1 "$dir/found")"
}

try_cron() {
  install
  mkdir -p "$dir/spool/crontabs" "$dir/sbin" "$dir/mail"
  chgrp crontab "$dir/spool/crontabs"
  chmod 1730 "$dir/spool/crontabs"
  # What would be mailed is kept.
  printf '#!/bin/sh\ncat >"%s/mail/$$"\n' "$dir" >"$dir/sbin/sendmail"
  chmod 755 "$dir" "$dir/sbin/sendmail"
  cp "$(command -v cron || echo /usr/sbin/cron)" "$dir/sbin/cron"
  mount --bind "$dir/spool" /var/spool/cron
  mount -t tmpfs none /run
  mount --bind "$dir/sbin" /usr/sbin
  # cron takes the home from the user database; here it is the one of this try.
  { echo "HOME=$home"; cat "$here/cron/minions.crontab"; echo '* * * * * minions managed sweep'; } | crontab -
  say crontab -l
  crontab -l | grep -v '^#'
  leave_dead
  say 'cron starts: @reboot'
  env -i PATH=/usr/bin:/bin /usr/sbin/cron -f &
  daemon=$!
  wait_until_swept
  show managed list
  leave_dead
  wait_until_swept
  show managed list
  say 'the mail of the last line, which names no path'
  show_mail 'not found'
  say 'settings that are wrong, and the mail of the first line'
  echo '{"engine": {"managedSpawn": {"maxTtlMinute": 5}}}' >"$MINIONS_DIR/config.json"
  show_mail config-invalid
}

try_systemd() {
  install
  mount -t tmpfs none /run
  mkdir -p /run/systemd/system /run/user/0 "$home/.config/systemd/user"
  chmod 700 /run/user/0
  umount -R /sys/fs/cgroup
  mount -t cgroup2 none /sys/fs/cgroup
  mkdir -p $cgroup/manager
  echo $$ >$cgroup/manager/cgroup.procs
  cp "$here"/systemd/* "$home/.config/systemd/user/"
  export XDG_RUNTIME_DIR=/run/user/0 HOME="$home"
  start_manager
  say 'systemd-analyze --user verify *.service *.timer'
  systemd-analyze --user verify "$home"/.config/systemd/user/*
  say systemctl --user enable --now minions-sweep.timer
  systemctl --user enable --now minions-sweep.timer
  say systemctl --user enable minions-reconcile.service
  systemctl --user enable minions-reconcile.service
  leave_dead
  wait_until_swept
  show managed list
  say systemctl --user list-timers
  systemctl --user list-timers | cat
  say 'logged out and in again, with another dead service'
  stop_daemon
  leave_dead
  start_manager
  wait_until_swept
  say systemctl --user status minions-reconcile.service
  systemctl --user status minions-reconcile.service | cat
  show managed list
  say 'a service that a unit started lives on when the unit ends'
  leave_alive_by_unit
  stop_daemon
}

start_manager() {
  env -i HOME="$home" PATH=/usr/local/bin:/usr/bin:/bin XDG_RUNTIME_DIR=/run/user/0 MINIONS_DIR="$MINIONS_DIR" \
    "$(command -v systemd || echo /usr/lib/systemd/systemd)" --user --log-target=null &
  daemon=$!
  for _ in $(seq 50); do
    case $(systemctl --user is-system-running 2>/dev/null) in running | degraded) return ;; esac
    sleep 0.1
  done
  echo "no user manager came up" >&2
  exit 1
}

# Accepts in a unit with the KillMode of the recipes.
leave_alive_by_unit() {
  mv "$MINIONS_DIR/agents/ripley/managed-spawn.accepted.json" "$MINIONS_DIR/agents/ripley/managed-spawn.json"
  systemd-run --user --wait --quiet --service-type=oneshot --property=KillMode=process \
    "$home/.local/bin/minions" managed accept ripley --project shop
  show managed list
}

case $recipe in
  cron | systemd)
    if [ -z "${MINIONS_TRY_INSIDE:-}" ]; then
      trap - EXIT
      rm -rf "$dir"
      [ "$recipe" = cron ] && exec env MINIONS_TRY_INSIDE=1 unshare -m "$0" "$recipe" "$minions"
      exec env MINIONS_TRY_INSIDE=1 unshare -m -C "$0" "$recipe" "$minions"
    fi
    "try_$recipe"
    ;;
  *) echo "cron or systemd, not $recipe" >&2; exit 64 ;;
esac
