#!/bin/sh
# kernel.sh PACKAGE VERSION: unpacks the distribution's kernel into /kernel, without installing it: its scripts would make
# an initramfs of their own. The lists of packages must be there.
#
# VERSION is lts or edge (whatever version the archive has now) or an exact one. Leaves in /kernel: boot/vmlinuz,
# boot/config, lib/modules/<release>, and version, which is the one of the package.
set -eu
package=$1
wanted=$2
kernel=/kernel
unpacked=/tmp/kernel

fail() {
  echo "error: $*"
  exit 1
}

# Prints the versions of the package that Debian's archive has, one a line, the newest first.
from_debian() {
  if [ "$wanted" = edge ]; then
    apt-cache madison "$package" | awk -F ' *[|] *' -v suite="$codename-backports/" 'index($3, suite) { print $2 }'
  else
    apt-cache madison "$package" | awk -F ' *[|] *' '{ print $2 }'
  fi
}

mkdir -p "$unpacked" "$kernel/boot" "$kernel/lib"
cd "$unpacked"
if command -v apk >/dev/null; then
  # apk has only the newest version of a branch.
  # shellcheck disable=SC2086 # flags
  version=$(apk search ${APK_FLAGS:-} --exact "$package" | sed -n "s/^$package-\([0-9].*\)$/\1/p" | head -n 1)
  [ -n "$version" ] || fail "Alpine's repositories have no kernel $package: choose another KERNEL_VERSION, or another release of Alpine"
  case $wanted in
    lts | edge | "$version") ;;
    *) fail "Alpine's repositories have $package in $version only, not in $wanted: set KERNEL_VERSION to that, or to lts" ;;
  esac
  # shellcheck disable=SC2086 # flags
  apk fetch ${APK_FLAGS:-} --output "$unpacked" "$package"
  tar -xzf "$package-$version.apk"
else
  # shellcheck disable=SC1091 # of the image
  codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
  if [ "$wanted" = edge ]; then
    # From where the other packages come, and with the same key.
    # shellcheck disable=SC2016 # apt's own variables
    apt-get indextargets --format 'deb [signed-by=$(SIGNED_BY)] $(REPO_URI)' \
      'Identifier: Packages' "Codename: $codename" 'Component: main' | sort -u |
      sed "s/\$/ $codename-backports main/; s/\[signed-by=\] //" >/etc/apt/sources.list.d/backports.list
    apt-get update
  fi
  versions=$(from_debian)
  [ -n "$versions" ] || fail "Debian's archive has no kernel $package ($wanted): choose another KERNEL_VERSION"
  case $wanted in
    lts | edge) version=$(echo "$versions" | head -n 1) ;;
    *)
      version=$wanted
      echo "$versions" | grep -qxF "$version" ||
        fail "Debian's archive has $package in $(echo "$versions" | paste -sd ' '), not in $version: set KERNEL_VERSION to one of these, or to lts"
      ;;
  esac
  # The package of a flavor only depends on those that have the kernel and its modules, all in one version.
  packages="" queue=$package
  while [ -n "$queue" ]; do
    next=""
    for name in $queue; do
      packages="$packages $name=$version"
      next="$next $(apt-cache show "$name=$version" | sed -n 's/^Depends: //p' | tr ',' '\n' |
        sed -n "s/^ *\(linux-\(image\|binary\|modules\|base\)-[^ ]*\) (= $version).*/\1/p")"
    done
    queue=$(for name in $next; do
      case " $packages " in *" $name=$version "*) ;; *) echo "$name" ;; esac
    done | sort -u)
  done
  # shellcheck disable=SC2086 # several packages
  apt-get download $packages
  for archive in ./*.deb; do dpkg-deb -x "$archive" "$unpacked"; done
fi

for modules in lib/modules usr/lib/modules; do
  [ ! -d "$modules" ] || mv "$modules" "$kernel/lib/modules"
done
set -- "$kernel"/lib/modules/*
if [ $# -ne 1 ] || [ ! -d "$1" ]; then
  fail "$package $version has no modules, or those of several kernels"
fi
# Newer packages of Debian have the kernel and its configuration beside the modules.
find boot "$1" -maxdepth 1 -type f -name 'vmlinu[xz]*' >/tmp/found 2>/dev/null || true
[ "$(wc -l </tmp/found)" -eq 1 ] || fail "$package $version has no kernel, or several"
mv "$(cat /tmp/found)" "$kernel/boot/vmlinuz"
find boot "$1" -maxdepth 1 -type f -name 'config*' -exec mv {} "$kernel/boot/config" \; 2>/dev/null || true
[ -f "$kernel/boot/config" ] || fail "$package $version has no configuration"
echo "$version" >"$kernel/version"
rm -rf "$unpacked"
