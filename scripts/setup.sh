#!/usr/bin/env bash
# Installs the programs that build and boot images, from the distribution's packages (Debian, Ubuntu).
# Does not change programs that are installed. Runs as root, or with sudo.
set -euo pipefail

say() { printf '%s\n' "$*" >&2; }
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    say "error: installing packages needs root: run this as root, or install sudo"
    exit 2
  fi
}

# The machine of the other arch, whose programs QEMU runs for containers.
case $(uname -m) in
  x86_64) other=aarch64 ;;
  aarch64) other=x86_64 ;;
  *)
    say "error: images can be built on x86_64 or aarch64, not on $(uname -m)"
    exit 2
    ;;
esac

# need PROGRAM PACKAGE: selects the package for installation if the program is not on PATH.
packages=()
need() { command -v "$1" >/dev/null || packages+=("$2"); }
# QEMU for both archs: a kernel can be compiled and booted on a host of the other arch.
need qemu-system-x86_64 qemu-system-x86
need qemu-system-aarch64 qemu-system-arm
need mmdebstrap mmdebstrap
# mmdebstrap calls it to find out whether programs of another arch run.
need arch-test arch-test
need "qemu-$other-static" qemu-user-static
[ -x /usr/sbin/update-binfmts ] || packages+=(binfmt-support)
need shellcheck shellcheck
need busybox busybox-static
need ssh openssh-client
need git git
need zstd zstd
need resize2fs e2fsprogs
need genisoimage genisoimage
# UEFI firmware, with which appliances are booted.
[ -e /usr/share/OVMF/OVMF_CODE_4M.fd ] || packages+=(ovmf)
[ -e /usr/share/AAVMF/AAVMF_CODE.fd ] || packages+=(qemu-efi-aarch64)
need python3 python3
need openssl openssl
[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || packages+=(debian-archive-keyring)
[ -e /etc/ssl/certs/ca-certificates.crt ] || packages+=(ca-certificates)
# Docker Engine may run elsewhere (DOCKER_HOST), or outside of this container: an existing socket is used.
if [ -z "${DOCKER_HOST:-}" ] && [ ! -S /var/run/docker.sock ]; then
  need dockerd docker.io
  need iptables iptables
fi

if [ "${#packages[@]}" -gt 0 ]; then
  if ! command -v apt-get >/dev/null; then
    say "error: missing: ${packages[*]} (names of Debian packages), and there is no apt-get: install them and run this again"
    exit 2
  fi
  say "installing ${packages[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi

# For the test of virtio-fs. Before Debian 13 and Ubuntu 24.04 it comes with QEMU, and there is no such package.
if [ ! -x /usr/libexec/virtiofsd ] && [ ! -x /usr/lib/qemu/virtiofsd ] && apt-cache show virtiofsd >/dev/null 2>&1; then
  say "installing virtiofsd"
  # Only a test needs it, so it is worth neither a password nor an error.
  as=()
  [ "$(id -u)" -eq 0 ] || as=(sudo -n)
  "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends virtiofsd >/dev/null 2>&1 ||
    say "note: virtiofsd cannot be installed, so the test of virtio-fs cannot run here"
fi

# Registers QEMU with the kernel, for programs of the other arch. A service does that on most machines, but not in a
# container. Only containers of the other arch need it, so set-up goes on if it is not permitted.
binfmt=/proc/sys/fs/binfmt_misc
if [ ! -e "$binfmt/qemu-$other" ]; then
  # Asks for no password: this is not worth one.
  as=()
  [ "$(id -u)" -eq 0 ] || as=(sudo -n)
  [ -e "$binfmt/register" ] || "${as[@]}" mount -t binfmt_misc binfmt_misc "$binfmt" 2>/dev/null || true
  "${as[@]}" /usr/sbin/update-binfmts --enable "qemu-$other" >/dev/null 2>&1 || true
  [ -e "$binfmt/qemu-$other" ] ||
    say "note: QEMU cannot be registered for programs of $other here, so images of that arch can only be built on $other"
fi

# On GitHub's runners only root can use KVM.
if [ -n "${GITHUB_ACTIONS:-}" ] && [ -e /dev/kvm ] && [ ! -w /dev/kvm ]; then
  as_root chmod 666 /dev/kvm
fi
