#!/usr/bin/env bash
# Installs the programs that only tests need, from the distribution's packages (Debian, Ubuntu). `setup.sh` installs what
# building and booting need. Does not change programs that are installed. Runs as root, or with sudo.
set -euo pipefail

# need PROGRAM PACKAGE: selects the package for installation if the program is not on PATH.
packages=()
need() { command -v "$1" >/dev/null || packages+=("$2"); }
# Opens release reports. Ubuntu has no package of Chromium; GitHub's runners have Chrome.
command -v google-chrome >/dev/null || need chromium chromium
# Make a box from an installation medium of the tests' own, which is for x86_64.
need packer packer
need qemu-img qemu-utils
if [ "$(uname -m)" = x86_64 ]; then
  need extlinux extlinux
  [ -e /usr/lib/ISOLINUX/isolinux.bin ] || packages+=(isolinux)
  [ -e /usr/lib/syslinux/mbr/mbr.bin ] || packages+=(syslinux-common)
fi
# The decoder of SmolVM's own client.
/usr/bin/python3 -c 'import zstandard' 2>/dev/null || packages+=(python3-zstandard)
# Reads the archives of appliances.
need cpio cpio

[ "${#packages[@]}" -gt 0 ] || exit 0
printf 'installing %s, for tests\n' "${packages[*]}" >&2
as=()
[ "$(id -u)" -eq 0 ] || as=(sudo)
"${as[@]}" apt-get update -qq
"${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
