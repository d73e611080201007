# The container in which the files of an appliance are packed: xz, and what makes an EFI executable of a kernel and an
# initramfs. Its programs are of Docker's arch; the EFI stub is that of the appliance's.
ARG TOOLS=smolvm-tools
FROM ${TOOLS}
ARG ARCH
# The tool container has the instant of its own packages in this file; one behind a mirror has no such file.
RUN sed -n 's/^APT::Snapshot "\(.*\)";$/\1/p' /tmp/network/snapshot.conf >/tmp/instant 2>/dev/null || true
COPY dockerfiles/network/ /tmp/network/
RUN set -eu; . /tmp/network/env; . /tmp/network/snapshot; \
    [ "$ARCH" = "$(dpkg --print-architecture)" ] || dpkg --add-architecture "$ARCH"; \
    apt_update "$(cat /tmp/instant)"; \
    apt-get install -y --no-install-recommends binutils-aarch64-linux-gnu binutils-x86-64-linux-gnu xz-utils; \
    cd /tmp; \
    apt-get download "systemd-boot-efi:$ARCH"; \
    dpkg-deb -x systemd-boot-efi_*.deb /; \
    rm systemd-boot-efi_*.deb; \
    apt-get clean; \
    rm -rf /var/lib/apt/lists/*
COPY dockerfiles/tools/efi /usr/local/bin/make-efi
