# shellcheck shell=bash
# Sourced by the scripts that a newcomer runs: puts a Node.js on PATH that is new enough. Where the
# distribution's is older, the one that images get is taken, as the lockfile fixes it.
new_enough() { node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)'; }

if ! command -v npm >/dev/null; then
  echo "error: npm is missing: install Node.js and npm, on Debian or Ubuntu with \`sudo apt-get install npm\`" >&2
  exit 2
fi
if ! new_enough; then
  prefix=$PWD/out/cache/node
  mkdir -p "$prefix"
  cp dockerfiles/tools/package.json dockerfiles/tools/package-lock.json "$prefix/"
  npm ci --prefix "$prefix" --ignore-scripts --no-audit --no-fund --loglevel=error
  PATH=$prefix/node_modules/.bin:$PATH
  export PATH
fi
