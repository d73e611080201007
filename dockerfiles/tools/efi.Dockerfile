# The container in which the files of an appliance are packed: xz, and what makes an EFI executable of a kernel and an
# initramfs. Its programs are of Docker's arch; the EFI stub is that of the appliance's.
ARG TOOLS=smolvm-tools
FROM ${TOOLS}
ARG ARCH
COPY dockerfiles/network/ /tmp/network/
RUN set -eu; . /tmp/network/env; . /tmp/network/snapshot; \
    [ "$ARCH" = "$(dpkg --print-architecture)" ] || dpkg --add-architecture "$ARCH"; \
    apt_update 20261120T000000Z; \
    apt-get install -y --no-install-recommends binutils-aarch64-linux-gnu binutils-x86-64-linux-gnu xz-utils; \
    cd /tmp; \
    apt-get download "systemd-boot-efi:$ARCH"; \
    dpkg-deb -f systemd-boot-efi_*.deb Version >/usr/lib/systemd-boot-efi.version; \
    dpkg-deb -x systemd-boot-efi_*.deb /; \
    rm systemd-boot-efi_*.deb; \
    apt-get clean; \
    rm -rf /var/lib/apt/lists/*
COPY dockerfiles/tools/efi /usr/local/bin/make-efi
