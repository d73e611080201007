#!/usr/bin/env bash
# Runs a command with Docker Engine: the running one, or one that is started only for this command.
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
  # `doctor` reports what is wrong and how to fix it.
  npm run -s doctor >&2 || true
  exit 2
fi

# It has its own pid file and sockets, so that files of a killed daemon do not prevent its start.
state=$(mktemp -d)
log=$state/log
say "starting dockerd for this run (log: $log)"
dockerd --pidfile "$state/pid" --exec-root "$state/exec" >"$log" 2>&1 &
dockerd=$!
trap 'kill "$dockerd" 2>/dev/null; wait "$dockerd" 2>/dev/null' EXIT
until answers; do
  if ! kill -0 "$dockerd" 2>/dev/null; then
    say "error: dockerd ended during its start; the last lines of its log:"
    tail -n 15 "$log" >&2
    exit 2
  fi
  sleep 0.2
done
"$@"
