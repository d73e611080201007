# shellcheck shell=bash
# Sourced by other scripts: makes sure that the Node.js on PATH is new enough. If it is older, installs the
# version that images get, from dockerfiles/tools/package-lock.json.
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
