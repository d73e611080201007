"""Run in a guest as root: prints, one a line, what agents need of the kernel and do not find."""

import ctypes
import gzip
import os
import subprocess

libc = ctypes.CDLL(None, use_errno=True)


def shell(script):
    return lambda: subprocess.run(["sh", "-ec", script], capture_output=True).returncode == 0


def syscall(number, *arguments):
    return libc.syscall(number, *arguments) >= 0


CHECKS = {
    "its configuration": lambda: b"CONFIG_PVH=y" in gzip.open("/proc/config.gz").read(),
    "no modules": lambda: not os.path.exists("/proc/modules"),
    "FUSE": lambda: os.open("/dev/fuse", os.O_RDWR) >= 0,
    "vsock": lambda: os.path.exists("/dev/vsock"),
    "TUN": lambda: os.open("/dev/net/tun", os.O_RDWR) >= 0,
    "virtio rng": lambda: open("/sys/class/misc/hw_random/rng_current").read().startswith("virtio_rng"),
    "entropy without waiting": lambda: len(os.getrandom(32, os.GRND_NONBLOCK)) == 32,
    "inotify": lambda: libc.inotify_init() >= 0,
    "io_uring": lambda: syscall(425, 1, ctypes.create_string_buffer(120)),
    "seccomp filters": lambda: "Seccomp_filters" in open("/proc/self/status").read(),
    "overlay": shell("cd $(mktemp -d); mount -t tmpfs t .; mkdir l u w m; mount -t overlay -o lowerdir=l,upperdir=u,workdir=w o m; echo x >m/x; grep x u/x"),
    "namespaces": shell("unshare --user --map-root-user --pid --fork --mount --net --uts --ipc --cgroup --time true"),
    "cgroup v2 controllers": lambda: {"cpu", "cpuset", "io", "memory", "pids"}
    <= set(open("/sys/fs/cgroup/cgroup.controllers").read().split()),
    "veth and bridge": shell("ip link add v0 type veth peer name v1; ip link add b0 type bridge; ip link set v0 master b0"),
    "ext4 root": lambda: " / ext4 " in open("/proc/mounts").read(),
    "a clock that is right to the day": lambda: __import__("time").time() > 1_790_000_000,
}

for name, check in CHECKS.items():
    try:
        found = check()
    except OSError as error:
        print(f"{name}: {error}")
        continue
    if not found:
        print(f"{name}: {os.strerror(ctypes.get_errno())}")
