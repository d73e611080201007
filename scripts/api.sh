#!/usr/bin/env bash
# Writes the API reference, docs/api, from the docstrings of what the package exports. With --check: fails if the
# committed reference is another one. An exported symbol without a docstring is an error.
set -euo pipefail
cd "$(dirname "$0")/.."

tool=scripts/api
[ -d "$tool/node_modules" ] || npm ci --prefix "$tool" --ignore-scripts --include=dev --no-audit --no-fund --loglevel=error

out=docs/api
if [ "${1:-}" = --check ]; then
  out=$(mktemp -d)
  trap 'rm -rf "$out"' EXIT
fi
# The fields of types that are derived from schemas cannot have docstrings: typedoc names them `__type`.
log=$("$tool/node_modules/.bin/typedoc" --options "$tool/typedoc.json" --out "$out" 2>&1) || {
  printf '%s\n' "$log" >&2
  exit 1
}
missing=$(grep -F 'does not have any documentation' <<<"$log" | grep -vF .__type. || true)
if [ -n "$missing" ]; then
  printf 'error: exported without a docstring:\n%s\n' "$missing" >&2
  exit 1
fi
[ "${1:-}" != --check ] || diff -r "$out" docs/api >&2 || {
  echo 'error: docs/api is not up to date: run "npm run api"' >&2
  exit 1
}
