#!/usr/bin/env bash
# Runs a command with a Docker Engine: the one that is there, or one started for the command alone.
set -euo pipefail

say() { printf '%s\n' "$*" >&2; }
answers() { docker_ping >/dev/null 2>&1; }
docker_ping() {
  node -e 'new (require("dockerode"))().ping().then(() => process.exit(0), () => process.exit(1))'
}

if answers; then
  exec "$@"
fi
if [ -n "${DOCKER_HOST:-}" ] || [ "$(id -u)" -ne 0 ] || ! command -v dockerd >/dev/null; then
  # `doctor` says what is wrong, and how to fix it.
  npm run -s doctor >&2 || true
  exit 2
fi

# Its pid file and sockets are its own: what a killed daemon left behind does not stop it.
state=$(mktemp -d)
log=$state/log
say "starting dockerd for this run (log: $log)"
dockerd --pidfile "$state/pid" --exec-root "$state/exec" >"$log" 2>&1 &
dockerd=$!
trap 'kill "$dockerd" 2>/dev/null; wait "$dockerd" 2>/dev/null' EXIT
until answers; do
  if ! kill -0 "$dockerd" 2>/dev/null; then
    say "error: dockerd ended at once; its last lines:"
    tail -n 15 "$log" >&2
    exit 2
  fi
  sleep 0.2
done
"$@"
