import { COPY_BOOT_FILES, COPY_NETWORK } from "../schema/boot-files.ts";

/** How root logs in: with a password, or with a key. */
export type Login = { readonly password: string } | { readonly key: string };

/** Alpine with sshd. */
export const alpineRecipe = (login: Login): string =>
  recipe(login, ["apk add --no-cache ${APK_FLAGS:-} ca-certificates-bundle openssh-keygen openssh-server"]);

/** Debian with sshd, which its package would start by itself. */
export const debianRecipe = (login: Login): string =>
  recipe(login, [
    "export DEBIAN_FRONTEND=noninteractive",
    "apt-get update",
    "apt-get install -y --no-install-recommends ca-certificates iproute2 openssh-server",
    "apt-get clean",
  ]);

/** A distribution, its packages, `/init`, and the way in. */
function recipe(login: Login, install: readonly string[]): string {
  return [
    "ARG ROOTFS",
    "FROM ${ROOTFS}",
    COPY_NETWORK,
    `RUN set -eu; . /tmp/network/env; ${install.join("; ")}`,
    ...COPY_BOOT_FILES,
    ...letIn(login),
    "",
  ].join("\n");
}

/** The value itself comes as an argument of the build. */
function letIn(login: Login): string[] {
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
