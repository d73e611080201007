import { COPY_BOOT_FILES, COPY_NETWORK } from "../schema/boot-files.ts";

/** The credential of root: a password or a public key. */
export type Login = { readonly password: string } | { readonly key: string };

/** The Dockerfile of Alpine with sshd. */
export const alpineRecipe = (login: Login): string =>
  recipe(login, ["apk add --no-cache ${APK_FLAGS:-} ca-certificates-bundle openssh-keygen openssh-server"]);

/** The Dockerfile of Debian with sshd. */
export const debianRecipe = (login: Login): string =>
  recipe(login, [
    "export DEBIAN_FRONTEND=noninteractive",
    "apt-get update",
    "apt-get install -y --no-install-recommends ca-certificates iproute2 openssh-server",
    "apt-get clean",
  ]);

/** A Dockerfile: a distribution, its packages, `/init` and root's credential. */
function recipe(login: Login, install: readonly string[]): string {
  return [
    "ARG ROOTFS",
    "FROM ${ROOTFS}",
    COPY_NETWORK,
    `RUN set -eu; . /tmp/network/env; ${install.join("; ")}`,
    ...COPY_BOOT_FILES,
    ...credential(login),
    "",
  ].join("\n");
}

/** The lines that set root's credential. Its value is a build argument. */
function credential(login: Login): string[] {
  if ("password" in login) {
    return [
      "ARG PASSWORD_B64",
      'RUN echo "$PASSWORD_B64" | base64 -d | chpasswd && ' +
        "sed -i -e 's/^PermitRootLogin .*/PermitRootLogin yes/' -e 's/^PasswordAuthentication .*/PasswordAuthentication yes/' " +
        "/etc/smolvm/sshd_config",
    ];
  }
  return [
    "ARG KEY_B64",
    'RUN mkdir -p -m 700 /root/.ssh && echo "$KEY_B64" | base64 -d > /root/.ssh/authorized_keys && ' +
      "chmod 600 /root/.ssh/authorized_keys",
  ];
}
