#!/usr/bin/env bash
# Builds, boots and checks a real image, starting from a fresh Debian or Ubuntu machine.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/node.sh
. scripts/node.sh

case $(uname -m) in aarch64) arch=arm64 ;; *) arch=amd64 ;; esac
cell=codex-$arch-debian

bash scripts/setup.sh
npm ci --include=dev --include=optional --package-lock=true --no-audit --no-fund --loglevel=error
npm run -s synth
# zstd level 3 compresses in seconds; a release uses 19. The kernel is staged too, so that the image can be started.
bash scripts/with-docker.sh npm run -s cell -- "kernel-$arch" "$cell" --level 3

case $PATH in
  "$PWD"/out/cache/node/*)
    # The user's next commands run with the Node.js of the terminal.
    printf '\nYour Node.js is too old for this project. Use the downloaded one in each terminal:\n%s\n' \
      "       export PATH=$PWD/out/cache/node/node_modules/.bin:\$PATH" >&2
    ;;
esac
cat >&2 <<END

Built, booted and checked: out/release/$(node -p 'require("./out/cells.json").tag')/$cell-rootfs.ext4.zst
The .json beside it has its facts (sizes, hashes, boot, packages). Its kernel is in the same directory.

Next:  npx smolvm codex start --flavor debian            opens a shell in a machine, which is deleted when you leave the shell
       npm run preset -- add gemini @google/gemini-cli   adds another agent; see CONTRIBUTING.md
END
