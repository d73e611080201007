import type { PackerConfig } from "./config.ts";
import {
  CGROUPS,
  CONTAINER_HOST_SCRIPT,
  type ContainerHostProps,
  containerHostErrors,
  createUsers,
  install,
  loadModules,
  usersOf,
} from "./container-host.ts";
import type { Contribution, Contributor } from "./contributor.ts";

/** The first subordinate id, and how many each user has, as shadow's useradd gives them. */
const FIRST_SUBORDINATE = 100_000;
const SUBORDINATES = 65_536;

/** Podman, also for users without the rights of root, and its service with Docker's API. */
export class PodmanHostContributor implements Contributor {
  readonly name = "podman-host";
  readonly order = 20;
  readonly errors: readonly string[];
  readonly #props: ContainerHostProps;

  constructor(props: ContainerHostProps = {}) {
    this.errors = containerHostErrors(props);
    this.#props = props;
  }

  contribute(config: PackerConfig): Contribution {
    const users = usersOf(this.#props, config);
    const packages = ["podman", "fuse-overlayfs", "shadow-uidmap", ...(this.#props.packages ?? [])];
    const parts = [
      install(packages),
      CGROUPS,
      loadModules(["fuse", "overlay", "tun"]),
      "# The service starts at boot.\nrc-update add podman default\n",
      ...(users.length > 0 ? [rootless(users)] : []),
    ];
    return { scripts: [{ name: CONTAINER_HOST_SCRIPT, text: parts.join("\n") }] };
  }
}

/** Each user has ids of its own for the users inside its containers. */
function rootless(users: readonly string[]): string {
  const lines = users.map((user, at) => {
    const first = FIRST_SUBORDINATE + at * SUBORDINATES;
    return (
      `sed -i '/^${user}:/d' /etc/subuid /etc/subgid\n` +
      `echo ${user}:${first}:${SUBORDINATES} | tee -a /etc/subuid >>/etc/subgid\n`
    );
  });
  return `# Users run containers without the rights of root: each has ids of its own for the users inside.
${createUsers(users)}touch /etc/subuid /etc/subgid
${lines.join("")}`;
}
