#!/usr/bin/env bash
# From a fresh Debian or Ubuntu machine to a real image that has been booted and checked.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/node.sh
. scripts/node.sh

case $(uname -m) in aarch64) arch=arm64 ;; *) arch=amd64 ;; esac
cell=codex-$arch-debian

bash scripts/setup.sh
npm ci --include=dev --include=optional --package-lock=true --no-audit --no-fund --loglevel=error
npm run -s synth
# Level 3 compresses in seconds; a release takes 19. The kernel is staged as well, so that the image can be started.
bash scripts/with-docker.sh npm run -s cell -- "kernel-$arch" "$cell" --level 3

case $PATH in
  "$PWD"/out/cache/node/*)
    # What is typed next runs with the Node.js of the terminal.
    printf '\nYour Node.js is too old for this project. Use the one that was fetched, in each terminal:\n%s\n' \
      "       export PATH=$PWD/out/cache/node/node_modules/.bin:\$PATH" >&2
    ;;
esac
cat >&2 <<END

Built, booted and checked: out/release/$(node -p 'require("./out/cells.json").tag')/$cell-rootfs.ext4.zst
What is known of it is in the .json beside it; the kernel that it boots with is there, too.

Next:  npx smolvm codex start --flavor debian            a shell in it; leaving it throws the machine away
       npm run preset -- add gemini @google/gemini-cli   a further agent; CONTRIBUTING.md says more
END
