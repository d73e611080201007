#!/usr/bin/env bash
# All checks of CI: generated files, lint, types, shell scripts, unit tests, tests of the commands, and end-to-end
# tests with real images. Those of arm64 images are `npm run check:arm64`, because they take another quarter of an hour.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/node.sh
. scripts/node.sh

bash scripts/setup.sh
bash scripts/test-tools.sh
npm ci --include=dev --include=optional --package-lock=true --no-audit --no-fund --loglevel=error
npm run -s synth -- --check
npm run -s bench -- plan --check
npm run -s lint
npm run -s typecheck
shellcheck -x init/init scripts/*.sh dockerfiles/kernel/{build,check-config,source} bench/cloud-kernel/{init,make-initrd} .ci/run \
  dockerfiles/tools/efi dockerfiles/initramfs/*.sh init/initramfs/{init,debug} test/support/zinit \
  test/support/alpine-medium/{init,console,setup-disk,make}
bash scripts/api.sh --check
npm test
npm run -s test:commands
bash scripts/with-docker.sh npm run test:e2e
