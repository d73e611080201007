#!/bin/sh
# modules.sh PACKAGE LIST: copies the modules of the file LIST, and those that they need, from the kernel in /kernel to /out.
#
# LIST has a line for each module: NAME SET essential|other optional|needed. What they need is what modprobe would load,
# by the files that depmod writes. A module that is neither a file nor built in is an error, unless it is optional.
#
# Leaves in /out: lib/modules/<release> (not compressed: the whole initramfs is, which is smaller), etc/initramfs/modules
# (the essential ones, in order), and boot with the kernel, its configuration and modules.json.
set -eu
package=$1
list=$2
kernel=/kernel
out=/out
release=$(ls "$kernel/lib/modules")
version=$(cat "$kernel/version")
from=$kernel/lib/modules/$release
to=$out/lib/modules/$release

# The file of a module without the suffix of its compression.
plain() {
  echo "$1" | sed 's/\.ko\.[a-z0-9]*$/.ko/'
}

unpack() {
  case $1 in
    *.xz) xz -dc "$1" ;;
    *.gz) gzip -dc "$1" ;;
    *.zst) zstd -qdc "$1" ;;
    *) cat "$1" ;;
  esac
}

# Prints a row of modules.json. FILE is empty unless the module is one.
row() {
  name=$1 set=$2 essential=$3 state=$4 file=$5
  quoted=null size=0
  if [ -n "$file" ]; then
    quoted="\"$file\"" size=$(wc -c <"$to/$file")
  fi
  printf '    { "name": "%s", "set": "%s", "essential": %s, "state": "%s", "file": %s, "size": %d }' \
    "$name" "$set" "$essential" "$state" "$quoted" "$size"
}

depmod -b "$kernel" "$release"
mkdir -p "$to" "$out/boot" "$out/etc/initramfs"
: >/tmp/files
: >/tmp/rows
: >/tmp/essential
missing=""
grep -v '^#' "$list" >/tmp/list
while read -r name set essential optional; do
  if ! modprobe -d "$kernel" -S "$release" --show-depends "$name" >/tmp/needs 2>/dev/null; then
    [ "$optional" = optional ] || missing="$missing $name"
    echo "$name $set $essential absent" >>/tmp/rows
    continue
  fi
  # The last line is the module itself. The lines before it are what it needs, in the order in which it is loaded.
  sed -n "s#^insmod $from/\([^ ]*\).*#\1#p" /tmp/needs >>/tmp/files
  case $(tail -n 1 /tmp/needs) in
    builtin*) echo "$name $set $essential builtin" ;;
    *) echo "$name $set $essential module $(tail -n 1 /tmp/needs | sed "s#^insmod $from/\([^ ]*\).*#\1#")" ;;
  esac >>/tmp/rows
done </tmp/list

if [ -n "$missing" ]; then
  for name in $missing; do
    echo "error: the kernel $package $version has no module $name: leave it out, or declare it as optional"
  done
  exit 1
fi

sort -u /tmp/files | while read -r file; do
  mkdir -p "$to/$(dirname "$file")"
  unpack "$from/$file" >"$to/$(plain "$file")"
done
cp "$from"/modules.builtin* "$from/modules.order" "$to/"
depmod -b "$out" "$release"

# What is a file, and is not in the list, is there because something in the list needs it.
cut -d ' ' -f 5 /tmp/rows >/tmp/listed
{
  echo '{'
  printf '  "release": "%s",\n  "package": "%s",\n  "version": "%s",\n  "modules": [\n' "$release" "$package" "$version"
  comma=""
  while read -r name set essential state file; do
    [ -z "$comma" ] || echo ,
    comma=yes
    [ "$essential" = essential ] && is=true || is=false
    [ "$is$state" != truemodule ] || echo "$name" >>/tmp/essential
    row "$name" "$set" "$is" "$state" "$([ -z "$file" ] || plain "$file")"
  done </tmp/rows
  sort -u /tmp/files | grep -vxFf /tmp/listed | while read -r file; do
    echo ,
    file=$(plain "$file")
    row "$(basename "$file" .ko)" dependency false module "$file"
  done
  printf '\n  ]\n}\n'
} >"$out/boot/modules.json"
cp /tmp/essential "$out/etc/initramfs/modules"
# As in the userland: this says that the packages are those of today.
[ ! -e /tmp/network/live ] || touch "$out/boot/live"
cp "$kernel/boot/vmlinuz" "$kernel/boot/config" "$out/boot/"
