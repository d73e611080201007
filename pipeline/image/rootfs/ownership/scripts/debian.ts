import type { Rule } from "./rule.ts";

const DOCKER_HUB = "the images of Docker Hub and of Ubuntu";
const WITH_SYSTEMD = "images with systemd, which Debian's base does not have";

/** What the maintainer scripts of Debian's and Ubuntu's packages make, and what makes a first root file system of packages. */
export const DEBIAN: readonly Rule[] = [
  // ── dpkg, apt, debconf, ucf: their databases ───────────────────────────────────────────────────
  {
    by: "dpkg",
    paths:
      /^var\/lib\/dpkg\/(status|arch|arch-native|available|diversions|statoverride|cmethopt|info\/format)$/,
    reason: "dpkg's database",
  },
  { by: "dpkg", paths: /^var\/lib\/dpkg\/(alternatives|triggers)\/[^/]+$/, reason: "dpkg's database" },
  {
    by: "dpkg",
    paths: /^(etc\/alternatives|usr\/s?bin|usr\/lib\/[^/]+|usr\/share\/[^/]+)\/[^/]+$/,
    target: /^\/etc\/alternatives\//,
    reason: "update-alternatives: links to the chosen program",
  },
  {
    by: "dpkg",
    paths: /^etc\/alternatives\/[^/]+$/,
    target: /^\/(usr|bin|sbin|lib)\//,
    reason: "update-alternatives: the chosen programs",
  },
  {
    by: "apt",
    paths: /^etc\/apt\/(sources\.list|sources\.list\.d\/(debian|ubuntu)\.sources)$/,
    reason: "the archive, written when the root file system was made",
  },
  { by: "apt", paths: /^var\/lib\/apt\/extended_states$/, reason: "apt's record of automatic installations" },
  {
    by: "apt",
    paths: /^etc\/apt\/apt\.conf\.d\/docker-[a-z-]+$/,
    reason: "apt's settings of container images",
    only: DOCKER_HUB,
  },
  {
    by: "dpkg",
    paths: /^etc\/dpkg\/dpkg\.cfg\.d\/(docker[a-z-]*|excludes)$/,
    reason: "dpkg's settings of container images",
    only: DOCKER_HUB,
  },
  {
    by: "dpkg",
    paths: /^usr\/sbin\/policy-rc\.d$/,
    reason: "keeps services from being started while an image is built",
    only: DOCKER_HUB,
  },
  {
    by: "debconf",
    paths: /^var\/cache\/debconf\/(config|passwords|templates)\.dat$/,
    reason: "debconf's database",
  },
  {
    by: "kmod",
    paths: /^etc\/modules$/,
    reason: "kmod's list of modules to load, which is empty",
    only: "appliances",
  },
  {
    by: "ucf",
    paths: /^var\/lib\/ucf\/((hashfile|registry)(\.\d)?|cache\/:[^/]+)$/,
    reason: "ucf's database",
  },

  // ── accounts ───────────────────────────────────────────────────────────────────────────────────
  { by: "base-passwd", paths: /^etc\/(passwd|group|shadow|gshadow|subuid|subgid)$/, reason: "the accounts" },
  {
    by: "passwd",
    paths: /^home\/[^/]+\/\.(bashrc|profile|bash_logout)$/,
    reason: "useradd: copies of /etc/skel",
  },

  // ── configuration that postinst scripts write once, so that administrators can change it ───────
  {
    by: "base-files",
    paths: /^(etc\/(motd|profile)|root\/\.(bashrc|profile))$/,
    reason: "written by postinst",
  },
  {
    by: "base-files",
    paths: /^etc\/dpkg\/origins\/default$/,
    target: /^[a-z]+$/,
    reason: "written by postinst",
  },
  { by: "base-files", paths: /^usr\/local\/man$/, target: /^share\/man$/, reason: "written by postinst" },
  { by: "base-files", paths: /^var\/spool\/mail$/, target: /^\.\.\/mail$/, reason: "written by postinst" },
  {
    by: "base-files",
    paths: /^(bin|sbin|lib|lib32|lib64|libx32)$/,
    target: /^usr\/(bin|sbin|lib|lib32|lib64|libx32)$/,
    reason: "merged /usr",
    only: DOCKER_HUB,
  },
  {
    by: "base-files",
    paths: /^etc\/fstab$/,
    reason: "an empty table, written when the root file system was made",
  },
  {
    by: "debianutils",
    paths: /^(etc\/shells|var\/lib\/shells\.state)$/,
    reason: "update-shells: the login shells",
  },
  { by: "libc-bin", paths: /^etc\/nsswitch\.conf$/, reason: "written by postinst" },
  { by: "libc-bin", paths: /^etc\/ld\.so\.cache$/, reason: "ldconfig: where libraries are" },
  { by: "libpam-modules", paths: /^etc\/(environment|security\/opasswd)$/, reason: "written by postinst" },
  {
    by: "libpam-runtime",
    paths: /^(etc\/pam\.d\/common-[a-z-]+|var\/lib\/pam\/[a-z-]+)$/,
    reason: "pam-auth-update: the PAM modules in use",
  },
  { by: "libwrap0", paths: /^etc\/hosts\.(allow|deny)$/, reason: "written by postinst" },
  {
    by: "libwtmpdb0",
    paths: /^var\/lib\/wtmpdb\/wtmp\.db$/,
    target: /^\.\.\/\.\.\/log\//,
    reason: "written by postinst",
  },
  { by: "netbase", paths: /^etc\/networks$/, reason: "written by postinst" },
  { by: "openssh-server", paths: /^etc\/ssh\/sshd_config$/, reason: "written by postinst with ucf" },
  { by: "readline-common", paths: /^etc\/inputrc$/, reason: "written by postinst" },
  {
    by: "tzdata",
    paths: /^etc\/localtime$/,
    target: /^\/usr\/share\/zoneinfo\//,
    reason: "the chosen time zone",
  },
  { by: "tzdata", paths: /^etc\/timezone$/, reason: "the chosen time zone", only: "Debian 12 and Ubuntu" },

  // ── caches and links ───────────────────────────────────────────────────────────────────────────
  { by: "ca-certificates", paths: /^etc\/ca-certificates\.conf$/, reason: "the chosen authorities" },
  {
    by: "ca-certificates",
    paths: /^etc\/ssl\/certs\/ca-certificates\.crt$/,
    reason: "update-ca-certificates: all authorities in one file",
  },
  {
    by: "ca-certificates",
    paths: /^etc\/ssl\/certs\/[^/]+\.pem$/,
    target: /^\/usr\/share\/ca-certificates\//,
    reason: "update-ca-certificates: links to the authorities",
  },
  {
    by: "ca-certificates",
    paths: /^etc\/ssl\/certs\/[0-9a-f]{8}\.\d+$/,
    target: /^[^/]+\.pem$/,
    reason: "update-ca-certificates: the authorities by the hash of their names",
  },
  {
    by: "init-system-helpers",
    paths: /^etc\/rc[0-6S]\.d\/[SK]\d\d[^/]+$/,
    target: /^\.\.\/init\.d\/[^/]+$/,
    reason: "update-rc.d: services by runlevel",
  },
  {
    by: "init-system-helpers",
    paths: /^etc\/systemd\/(system|user)\/([^/]+\/)?[^/]+$/,
    target: /^(\/usr)?\/lib\/systemd\/(system|user)\/[^/]+$/,
    reason: "deb-systemd-helper and systemctl: services that are enabled",
  },
  {
    by: "init-system-helpers",
    paths: /^var\/lib\/systemd\/deb-systemd-(user-)?helper-enabled\/([^/]+\/)?[^/]+$/,
    reason: "deb-systemd-helper: its record of enabled services",
  },
  {
    by: "runit-helper",
    paths: /^etc\/runit\/runsvdir\/default\/[^/]+$/,
    target: /^\/etc\/sv\/[^/]+$/,
    reason: "services that runit would start",
  },
  { by: "python3-minimal", paths: /^etc\/python3\/debian_config$/, reason: "written by postinst" },
  {
    by: "python3-minimal",
    paths: /^var\/lib\/python\/python3\.\d+_installed$/,
    reason: "postinst's record of the version",
  },
  {
    by: "systemd",
    paths: /^var\/lib\/systemd\/catalog\/database$/,
    reason: "journalctl: the messages' explanations",
    only: WITH_SYSTEMD,
  },
  {
    by: "systemd",
    paths: /^etc\/(default\/locale|vconsole\.conf)$/,
    target: /^(\.\.\/locale\.conf|default\/keyboard)$/,
    reason: "written by postinst: the places of other distributions",
    only: WITH_SYSTEMD,
  },
];
