#!/usr/bin/env bash
# From a fresh Debian or Ubuntu machine to a real image that has been booted and checked.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/node.sh
. scripts/node.sh

case $(uname -m) in aarch64) arch=arm64 ;; *) arch=amd64 ;; esac
cell=codex-$arch-debian

bash scripts/setup.sh
npm ci --no-audit --no-fund --loglevel=error
npm run -s synth
# Level 3 compresses in seconds; a release takes 19.
bash scripts/with-docker.sh npm run -s cell -- "$cell" --level 3

cat >&2 <<END

Made, booted and checked: out/release/$(node -p 'require("./out/cells.json").tag')/$cell-rootfs.ext4.zst
Its facts are in the .json beside it.

Next:  npm run list                  what else can be built
       npm run cell -- claude-code-$arch-debian --level 3
       CONTRIBUTING.md               how to add a preset: one statement and one lockfile
END
